"""An org as a client of `pipelines.pull`: every object that may be read is a stream of its own.

What changed is found by SystemModstamp, `>=` the last reading minus a lookback, deleted rows included. What is gone
without a trace is found every few days, by listing the ids of all rows that are there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipelines.connector import Instance, snake
from pipelines.connectors.salesforce.auth import session_of
from pipelines.connectors.salesforce.discovery import Discovery, Org, Readable
from pipelines.connectors.salesforce.limits import Quota
from pipelines.connectors.salesforce.objects import NEEDED, OBJECTS, SObject
from pipelines.connectors.salesforce.options import Options
from pipelines.connectors.salesforce.reading import Reader
from pipelines.http import Http, SourceRefused
from pipelines.pull import Missing, Probe, ProbedTable, Stream


class Client:
    """A session with one org."""

    def __init__(self, instance: Instance) -> None:
        options: Options = instance.options
        assert options.domain is not None
        self._source = instance.name
        self._options = options
        self._session = session_of(instance.name, options)
        self._quota = Quota(instance.name, options.stop_at_quota_share, options.http.backoff_seconds * 5)
        self._http = Http(
            options.domain,
            source=instance.name,
            auth=self._session,
            options=options.http,
            classify=self._quota.classify,
        )
        self._discovery = Discovery(self._http, options)
        self._reader = Reader(self._http, options, self._quota)
        self._found: Org | None = None

    def close(self) -> None:
        """Let go of the connections. The session ends by itself."""
        self._http.close()

    @property
    def _org(self) -> Org:
        if self._found is None:
            self._found = self._discovery.look_around()
        return self._found

    def streams(self) -> list[Stream]:
        """One per object that may be read.

        Raises:
            SourceRefused: accounts or opportunities, or a field without which they are of no use, may not be read.
            ConfigError: the org does not know the API version.
        """
        for one in self._org.missing:
            needed = next((name for name in NEEDED if snake(name) == one.table and one.column is None), None)
            if needed:
                raise SourceRefused(
                    f"source {self._source}: {needed}: cannot be read ({one.why}); nothing was loaded",
                    next_step="give the user that is read as access to them: docs/salesforce.md",
                )
        return [self._stream(one) for one in self._org.readable]

    def missing(self) -> list[Missing]:
        """Objects and fields that would be read if they were there and visible."""
        return self._org.missing

    def _stream(self, one: Readable) -> Stream:
        options = self._options
        table = replace(one.what.table, may_be_empty=one.name not in NEEDED, mode="snapshot")
        if one.cursor is None:
            return Stream(table, lambda window: self._reader.read(one, window), origin=one.name)
        return Stream(
            replace(table, mode="increment"),
            lambda window: self._reader.read(one, window),
            cursor=snake(one.cursor),
            lookback=timedelta(minutes=options.lookback_minutes),
            settle=timedelta(minutes=options.settle_minutes),
            slices=lambda since, until: self._reader.slices(one, since, until),
            ids=(lambda: self._reader.ids(one)) if "IsDeleted" in one.kinds else None,
            reconcile_every=timedelta(days=options.reconcile_every_days),
            start=options.start_date if one.what.is_dated else None,
            origin=one.name,
            selected=tuple(sorted(snake(name) for name in [*one.kinds, *one.lookups])),
        )

    def probe(self) -> Probe:
        """Which org and user this is, how much of the day's requests is used, and what may be read."""
        org, base = self._org, f"/services/data/v{self._options.api_version}"
        facts: list[tuple[str, str]] = [("API version", self._options.api_version)]
        identity = self._session.identity
        organization = next((one for one in org.readable if one.name == "Organization"), None)
        if organization:
            names = ", ".join(organization.kinds)
            found = self._http.json("GET", f"{base}/query", params={"q": f"SELECT {names} FROM Organization"})
            for record in found.get("records", [])[:1]:
                identity = f"{record.get('Name') or 'an org'} ({identity})"
                facts += [
                    ("edition", str(record.get("OrganizationType") or "unknown")),
                    ("sandbox", "yes" if record.get("IsSandbox") else "no"),
                    ("instance", str(record.get("InstanceName") or "unknown")),
                ]
        several = any(one.name == "CurrencyType" for one in org.readable)
        facts.append(("currencies", "several" if several else "one, without a column that says which"))
        if self._quota.allowed:
            facts.append(("API requests of 24 hours", f"{self._quota.used:,} of {self._quota.allowed:,} used"))
        tables = [self._probed(what, org) for what in OBJECTS]
        return Probe(identity, facts, tables)

    def _probed(self, what: SObject, org: Org) -> ProbedTable:
        if what.table_name in org.unreadable:
            return ProbedTable(what.table_name, "not readable", org.unreadable[what.table_name])
        own = [one for one in org.missing if one.table == what.table_name]
        readable = next(one for one in org.readable if one.name == what.name)
        rows = "" if readable.count is None else f"about {readable.count:,} rows"
        if own:
            without = f"without {', '.join(str(one.column) for one in own)}"
            return ProbedTable(what.table_name, "partly", f"{rows}, {without}" if rows else without)
        return ProbedTable(what.table_name, "readable", rows)


def connect(instance: Instance) -> Client:
    """A session with the org that an instance's options name.

    Raises:
        ConfigError: a secret is not set, or the address is none.
    """
    return Client(instance)

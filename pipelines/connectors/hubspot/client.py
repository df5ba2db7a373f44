"""A session with one HubSpot account: which tables can be read with this key, and the rows of each.

How a request is made is `api.py`; what becomes of the rows is `pipelines/pull.py`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.connector import Instance, Table, snake
from pipelines.connectors.hubspot import tables as t
from pipelines.connectors.hubspot.api import (
    PER_ASSOCIATION_BATCH,
    HubspotApi,
    changed_between,
    equal,
    in_parts,
    missing_scopes,
)
from pipelines.connectors.hubspot.values import (
    Row,
    by_number,
    is_since,
    label_row,
    labelled,
    last_winner,
    moment_text,
    owner_row,
    rate_row,
    rows_in_parts,
    stage_rows,
)
from pipelines.errors import ConfigError
from pipelines.http import Refused, SourceRefused
from pipelines.pull import Missing, Page, Probe, ProbedTable, Stream, Window
from pipelines.settings import secret

if TYPE_CHECKING:
    from pipelines.connectors.hubspot import Options

# Ids that one reading keeps, so that three tables of a deal do not search for the same deals three times.
_MOST_KEPT = 1_000_000


class HubspotClient:
    """Reads one account with one key."""

    def __init__(self, instance: Instance) -> None:
        options: Options = instance.options
        self._source = instance.name
        self._options = options
        self._api = HubspotApi(
            options.base_url,
            source=instance.name,
            token=secret(instance.name, "token"),
            dialect=options.dialect,
            options=options.http,
            searches_per_second=options.searches_per_second,
        )
        self._missing: list[Missing] = []
        self._types: dict[str, dict[str, str]] = {}
        """The properties that an object has, with their types."""
        self._shapes: dict[str, tuple[tuple[str, ...], tuple[str, ...], list[str]]] = {}
        self._kept_ids: dict[tuple[Any, ...], array[int]] = {}
        self._has_currencies = False

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    def missing(self) -> list[Missing]:
        """What `streams` found that cannot be read."""
        return list(self._missing)

    # -- what can be read ----------------------------------------------------------------------------------------------

    def streams(self) -> list[Stream]:
        """One per raw table that the key may read.

        Raises:
            SourceRefused: the key is not known, belongs to another account or may not read companies and deals.
            ConfigError: an option names a pipeline that is not there.
        """
        self._missing = []
        account = self._own_account()
        # First what a reading cannot do without.
        records = [stream for kind in self._wanted() if (stream := self._records(kind))]
        found = [self._whole(t.ACCOUNT, lambda: iter([[account]])), self._pipeline_stages(), self._association_labels()]
        found += [*self._optional(t.OWNER, self._owners), *records]
        found.append(self._changing(t.MERGED_RECORD, self._merged_records, "merged records"))
        found.append(self._changing(t.DEAL_COMPANY, self._deal_companies, "deals with their companies"))
        found.append(self._changing(t.DEAL_STAGE_HISTORY, self._histories, "deal history", selected=t.HISTORY))
        if self._options.partner_object:
            found += self._partner_records(self._options.partner_object.type)
        if self._has_currencies:
            found += self._optional(t.EXCHANGE_RATE, self._exchange_rates)
        return found

    def probe(self) -> Probe:
        """Whose key it is, how much of the day's requests are left, and which objects it may read.

        Raises:
            SourceRefused: the key is not known or belongs to another account.
        """
        account = self._own_account()
        facts = [(name.replace("_", " "), str(value)) for name, value in account.items() if name != "id"]
        for usage in self._api.usage():
            facts.append(("requests today", f"{usage['currentUsage']:,} of {usage['usageLimit']:,}"))
        probed = []
        for kind in self._wanted():
            table = t.OBJECTS[kind].table
            lacking = self._lacking(kind)
            if lacking:
                probed.append(ProbedTable(table, "not readable", lacking))
                continue
            absent = sorted(set(self._asked(kind)) - set(self._types[kind]))
            detail = f"without {', '.join(absent)}, which the account does not have" if absent else ""
            probed.append(ProbedTable(table, "partly" if absent else "readable", detail))
        return Probe(f"HubSpot account {account['id']}", facts, probed)

    def _own_account(self) -> Row:
        details = self._api.details()
        found, wanted = int(details["portalId"]), self._options.portal_id
        if wanted is not None and found != wanted:
            raise SourceRefused(
                f"source {self._source}: the token belongs to HubSpot account {found}, portal_id says {wanted}; "
                "nothing was loaded",
                next_step=f"put the key of account {wanted} into SEGMENTS_{self._source.upper()}_TOKEN, or correct "
                f"sources.{self._source}.options.portal_id",
            )
        self._has_currencies = bool(details.get("additionalCurrencies"))
        names = ("accountType", "timeZone", "companyCurrency", "dataHostingLocation")
        return {"id": str(found), **{snake(name): details.get(name) for name in names}}

    def _wanted(self) -> list[str]:
        return [kind for kind in t.OBJECTS if kind != "line_items" or self._options.line_items]

    def _lacking(self, kind: str) -> str:
        """Why a kind of record cannot be read; empty when it can. Learns its properties on the way."""
        try:
            self._types[kind] = self._api.properties(kind)
            self._api.can_list(kind)
        except Refused as problem:
            scopes = missing_scopes(problem)
            if scopes is None:
                raise
            return f"the key lacks the scope {', '.join(scopes) or t.OBJECTS[kind].scope}"
        return ""

    def _records(self, kind: str) -> Stream | None:
        """The stream of one kind of record; None, and noted, when it cannot be read."""
        of = t.OBJECTS[kind]
        table = t.RECORD_TABLES[kind]
        lacking = self._lacking(kind)
        if lacking and of.is_required:
            raise SourceRefused(
                f"source {self._source}: {kind}: {lacking}; nothing was loaded",
                next_step=f"add the scope {of.scope} to the service key in HubSpot, then run again",
            )
        if lacking:
            self._missing.append(Missing(of.table, None, lacking))
            return None
        asked = self._asked(kind)
        there = [name for name in asked if name in self._types[kind]]
        self._missing += [
            Missing(of.table, name, "the account has no such property") for name in asked if name not in there
        ]
        return self._changing(
            table,
            lambda window: self._rows(kind, there, window),
            kind,
            selected=(*there, *((of.associated,) if of.associated else ())),
            ids=lambda: self._api.ids(kind),
        )

    def _asked(self, kind: str) -> list[str]:
        """The properties to ask for: our own, and those that options name."""
        return [*t.OBJECTS[kind].properties, *self._custom(kind)]

    def _custom(self, kind: str) -> list[str]:
        """The properties that options name; they stand together in the column custom_properties."""
        options = self._options
        named: dict[str, list[str | None]] = {
            "companies": [
                options.partner_number_property, options.region_property, options.level_property,
                options.level_since_property, (options.partner_flag or "").partition("=")[0],
            ],
            "deals": [*options.partner_properties],
            "tasks": [options.task_minutes_property],
        }  # fmt: skip
        found = [name for name in (*options.custom_properties.get(kind, ()), *named.get(kind, ())) if name]
        return sorted(set(found))

    def _optional(self, table: Table, read: Callable[[], Iterator[Page]]) -> list[Stream]:
        """A table that is read whole, or noted as missing when the key may not."""
        try:
            # Its first page says whether it may be read; the table is small.
            pages = list(read())
        except Refused as problem:
            scopes = missing_scopes(problem)
            if scopes is None:
                raise
            self._missing.append(Missing(table.name, None, f"the key lacks the scope {', '.join(scopes)}"))
            return []
        return [self._whole(table, lambda: iter(pages))]

    def _whole(self, table: Table, read: Callable[[], Iterator[Page]], origin: str = "") -> Stream:
        return Stream(table, lambda window: read(), origin=origin or table.name.replace("_", " "))

    def _changing(
        self,
        table: Table,
        read: Callable[[Window], Iterator[Page]],
        origin: str,
        *,
        selected: Iterable[str] = (),
        ids: Callable[[], Iterator[list[str]]] | None = None,
    ) -> Stream:
        options = self._options
        return Stream(
            table,
            read,
            cursor="updated_at",
            lookback=timedelta(minutes=options.lookback_minutes),
            settle=timedelta(minutes=options.settle_minutes),
            ids=ids,
            reconcile_every=timedelta(days=options.reconcile_every_days),
            origin=origin,
            selected=tuple(selected),
        )

    # -- records -------------------------------------------------------------------------------------------------------

    def _is_whole(self, window: Window) -> bool:
        """Whether this reading goes through the lists: the first one, and one in every `reconcile_every_days`.

        The days are counted from a fixed one, so the first reading after a boundary is the whole one, whoever asks.
        """
        if window.since is None or window.until is None:
            return True
        period = timedelta(days=self._options.reconcile_every_days)
        # Windows overlap by the look-back; without it they join up, and no boundary is crossed twice or never.
        last = window.since + timedelta(minutes=self._options.lookback_minutes)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return (last - epoch) // period != (window.until - epoch) // period

    def _rows(self, kind: str, properties: list[str], window: Window) -> Iterator[list[Row]]:
        """Pages of records as rows: live ones, then archived ones."""
        of = t.OBJECTS[kind]
        if self._is_whole(window):
            live = self._noting_ids(kind, window, self._api.records(kind, properties))
        else:
            live = self._api.batches(kind, self._changed(kind, window), properties)
        yield from self._with_associated(kind, live)
        since = None if self._is_whole(window) else window.since
        for page in self._api.records(kind, properties, archived=True):
            rows = [self._row(kind, record) for record in page]
            fresh = [row for row in rows if since is None or is_since(row["archived_at"], since)]
            yield [{**row, **({of.associated: None} if of.associated else {})} for row in fresh]

    def _with_associated(self, kind: str, pages: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """Rows of records, with the ids of the associated ones where the table has them."""
        other = t.OBJECTS[kind].associated
        rows = (self._row(kind, record) for page in pages for record in page if not self._is_too_old(kind, record))
        for part in rows_in_parts(rows, PER_ASSOCIATION_BATCH):
            if other:
                links = self._api.associations(kind, other, [row["id"] for row in part])
                for row in part:
                    row[other] = sorted({str(one["toObjectId"]) for one in links.get(row["id"], ())}, key=by_number)
            yield part

    def _row(self, kind: str, record: Row) -> Row:
        own, moments, custom = self._shape(kind)
        # A property that was cleared comes as an empty text; to us it is as unknown as one that was never set.
        told = record["properties"]
        for name in moments:
            value = told.get(name)
            if value and value.isdigit():
                told[name] = moment_text(value)
        row = {
            "id": str(record["id"]),
            "is_deleted": bool(record.get("archived")),
            "archived_at": record.get("archivedAt"),
            "updated_at": record.get("updatedAt"),
        }
        for name in own:
            row[name] = told.get(name) or None
        row["custom_properties"] = {name: value for name in custom if (value := told.get(name))}
        return row

    def _shape(self, kind: str) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
        """What a record of a kind becomes: its own columns, the moments among its properties, the further ones."""
        shape = self._shapes.get(kind)
        if shape is None:
            own = t.OBJECTS[kind].properties if kind in t.OBJECTS else ()
            custom = self._custom(kind)
            moments = tuple(name for name in (*own, *custom) if self._types[kind].get(name) == "datetime")
            shape = self._shapes[kind] = (own, moments, custom)
        return shape

    def _is_too_old(self, kind: str, record: Row) -> bool:
        start = self._options.start_date
        if start is None or kind == "companies":
            return False
        return not is_since(record.get("updatedAt"), datetime.combine(start, time(0), UTC))

    # -- which records -------------------------------------------------------------------------------------------------

    def _changed(self, kind: str, window: Window) -> Iterator[str]:
        """Ids of the records that changed in a window; asked once per reading."""
        assert window.since is not None
        filters = changed_between(t.STAMP, window.since, window.until)
        return self._ids_once(("changed", kind, window), lambda: self._api.search_ids(kind, filters))

    def _open_deals(self) -> Iterator[str]:
        if "hs_is_closed" in self._types["deals"]:
            filters = [equal("hs_is_closed", "false")]
        else:
            stages = [
                stage["id"]
                for pipeline in self._api.pipelines("deals")
                for stage in pipeline["stages"]
                if (stage.get("metadata") or {}).get("isClosed") != "true"
            ]
            filters = [{"propertyName": "dealstage", "operator": "IN", "values": stages}]
        return self._ids_once(("open",), lambda: self._api.search_ids("deals", filters))

    def _all_deals(self, window: Window) -> Iterator[str]:
        kept = self._kept_ids.get(("listed", "deals", window))
        if kept is not None:
            return map(str, kept)
        return (one for page in self._api.ids("deals") for one in page)

    def _ids_once(self, key: tuple[Any, ...], ask: Callable[[], Iterator[list[str]]]) -> Iterator[str]:
        kept = self._kept_ids.get(key)
        if kept is not None:
            yield from map(str, kept)
            return
        found = array("q")
        for page in ask():
            if len(found) < _MOST_KEPT:
                found.extend(map(int, page))
            yield from page
        if len(found) < _MOST_KEPT:
            self._kept_ids[key] = found

    def _noting_ids(self, kind: str, window: Window, pages: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """The pages of a list, with their ids kept for the tables that ask for more about the same records."""
        if kind != "deals":
            yield from pages
            return
        found = array("q")
        for page in pages:
            found.extend(int(record["id"]) for record in page)
            yield page
        self._kept_ids["listed", kind, window] = found

    # -- what belongs to deals -----------------------------------------------------------------------------------------

    def _deal_companies(self, window: Window) -> Iterator[list[Row]]:
        """One row per deal with its companies and what associates them.

        An association changes without a stamp, so open deals are asked every time, and all of them with the lists.
        """
        if self._is_whole(window):
            ids: Iterable[str] = self._all_deals(window)
        else:
            ids = [*dict.fromkeys((*self._changed("deals", window), *self._open_deals()))]
        for part in in_parts(ids, PER_ASSOCIATION_BATCH):
            links = self._api.associations("deals", "companies", part)
            yield [{"id": one, "companies": labelled(links.get(one, ()))} for one in part]

    def _histories(self, window: Window) -> Iterator[list[Row]]:
        """One row per value that a deal's stage or amount ever had. HubSpot keeps only so many; the lake keeps all."""
        past = [name for name in t.HISTORY if name in self._types["deals"]]
        if self._is_whole(window):
            pages = self._api.records("deals", ["hs_object_id"], history=past)
        else:
            pages = self._api.batches("deals", self._changed("deals", window), ["hs_object_id"], history=past)
        for page in pages:
            yield [
                {
                    "id": f"{record['id']}/{name}/{change['timestamp']}/{change.get('value') or ''}",
                    "deal_id": str(record["id"]),
                    "property": name,
                    "value": change.get("value") or None,
                    "changed_at": moment_text(change["timestamp"]),
                    "source_type": change.get("sourceType"),
                }
                for record in page
                if not self._is_too_old("deals", record)
                for name in past
                for change in (record.get("propertiesWithHistory") or {}).get(name) or ()
            ]

    def _merged_records(self, window: Window) -> Iterator[list[Row]]:
        """Which records are gone because they were merged into which; a winner that lost later leads to the last.

        All that can be found every time: there are few. What was found once stays, though its winner may go too.
        """
        for kind in ("companies", "deals"):
            if "hs_merged_object_ids" not in self._types[kind]:
                continue
            winner_of: dict[str, str] = {}
            for page in self._api.merged(kind):
                for record in page:
                    losers = str(record["properties"].get("hs_merged_object_ids") or "").split(";")
                    winner_of.update({loser.strip(): str(record["id"]) for loser in losers if loser.strip()})
            table = t.OBJECTS[kind].table
            yield [
                {"id": f"{table}/{loser}", "object_type": table, "loser_id": loser, "winner_id": last}
                for loser in sorted(winner_of, key=by_number)
                if (last := last_winner(winner_of, loser)) != loser
            ]

    def _partner_records(self, kind: str) -> list[Stream]:
        """The custom object that stands between deals and partners, with both; noted when it cannot be read."""
        try:
            self._types[kind] = self._api.properties(kind)
            self._api.can_list(kind)
        except Refused as problem:
            scopes = missing_scopes(problem)
            why = f"the key lacks the scope {', '.join(scopes)}" if scopes else f"the account has no object {kind}"
            if scopes is None and problem.status not in (400, 404):
                raise
            self._missing.append(Missing(t.PARTNER_RECORD.name, None, why))
            return []
        named = self._options.partner_object.role_property if self._options.partner_object else None
        there = [named] if named and named in self._types[kind] else []
        if named and not there:
            self._missing.append(Missing(t.PARTNER_RECORD.name, named, "the object has no such property"))

        def read(window: Window) -> Iterator[list[Row]]:
            asked = [*there, "hs_object_id"]
            if self._is_whole(window):
                pages = self._api.records(kind, asked)
            else:
                pages = self._api.batches(kind, self._changed(kind, window), asked)
            for part in rows_in_parts((record for page in pages for record in page), PER_ASSOCIATION_BATCH):
                ids = [str(record["id"]) for record in part]
                companies, deals = (self._api.associations(kind, other, ids) for other in ("companies", "deals"))
                yield [
                    {
                        **self._row(kind, record),
                        "companies": sorted({str(x["toObjectId"]) for x in companies.get(one, ())}, key=by_number),
                        "deals": sorted({str(x["toObjectId"]) for x in deals.get(one, ())}, key=by_number),
                        "custom_properties": {name: record["properties"].get(name) for name in there},
                    }
                    for one, record in zip(ids, part, strict=True)
                ]
            for page in self._api.records(kind, asked, archived=True):
                yield [{**self._row(kind, record), "companies": None, "deals": None} for record in page]

        return [self._changing(t.PARTNER_RECORD, read, kind, selected=there, ids=lambda: self._api.ids(kind))]

    # -- small tables --------------------------------------------------------------------------------------------------

    def _owners(self) -> Iterator[list[Row]]:
        # Records keep owners who left, and those stand in a list of their own.
        for archived in (False, True):
            for page in self._api.owners(archived=archived):
                yield [owner_row(one) for one in page]

    def _pipeline_stages(self) -> Stream:
        """The stages of all pipelines.

        Raises:
            ConfigError: the option names a pipeline that the account does not have, so that no deal of it would count.
        """
        pipelines = self._api.pipelines("deals")
        known = {str(one.get(name)).strip().lower() for one in pipelines for name in ("id", "label")}
        for name in self._options.pipelines:
            if name.strip().lower() not in known:
                raise ConfigError(
                    f"source {self._source}: options.pipelines: the account has no pipeline {name!r}; "
                    "nothing was loaded",
                    next_step=f"one of: {', '.join(str(one.get('label')) for one in pipelines)}",
                )
        rows = stage_rows(pipelines)
        return self._whole(t.PIPELINE_STAGE, lambda: iter([rows]), "pipelines")

    def _association_labels(self) -> Stream:
        """The types of association between deals and companies; labels that options name and nobody has are told."""
        labels = self._api.labels("deals", "companies")
        known = {str(one.get("label")).strip().lower() for one in labels}
        self._missing += [
            Missing(t.DEAL_COMPANY.name, label, "the account has no such association label")
            for label in (*self._options.partner_labels, self._options.primary_label)
            if label and label.strip().lower() not in known
        ]
        rows = [label_row("deals", "companies", one) for one in labels]
        return self._whole(t.ASSOCIATION_LABEL, lambda: iter([rows]), "association labels")

    def _exchange_rates(self) -> Iterator[list[Row]]:
        for page in self._api.exchange_rates():
            yield [rate_row(one) for one in page]

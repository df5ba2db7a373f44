"""Finds out what an org has and what its user may read of it: a global describe, then one per object.

A describe is told to the running user alone: a field that is hidden from it is simply absent, an object it has no right
to is not in the list. So every query is made of fields that were described, and what is wanted and not there is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.connector import snake
from pipelines.connectors.salesforce.objects import CURSORS, OBJECTS, SObject
from pipelines.connectors.salesforce.options import Options
from pipelines.connectors.salesforce.wire import UNREADABLE
from pipelines.errors import ConfigError
from pipelines.http import BadAnswer, Http, Refused, SourceRefused
from pipelines.pull import Missing

# Address and headers together may have 16,384 bytes; a token can take two thousand of them.
_LONGEST_QUERY = 12_000


@dataclass
class Readable:
    """An object as this user may read it. `kinds`: its fields that are read, with their types."""

    what: SObject
    kinds: dict[str, str]
    cursor: str | None
    parent: str | None = None
    """Name of the relationship to the opportunity."""
    count: int | None = None
    """About how many rows there are, where the vendor tells."""
    lookups: tuple[str, ...] = ()
    """Those of the option `partner_fields` that can be read."""
    is_bulk: bool = True
    is_first_pass: bool = False
    query_bytes: int = _LONGEST_QUERY

    @property
    def name(self) -> str:
        """The object's name."""
        return self.what.name


@dataclass
class Org:
    """What a look around found."""

    readable: list[Readable] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    """What somebody should know of."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Every object that cannot be read, by its raw table, and why."""


class Discovery:
    """Looks around in one org."""

    def __init__(self, http: Http, options: Options) -> None:
        self._http = http
        self._options = options
        self._base = f"/services/data/v{options.api_version}"

    def look_around(self) -> Org:
        """What can be read, and what would be if it were there and visible.

        Raises:
            ConfigError: the org does not know the API version.
            SourceError: the org does not answer, or not to us.
        """
        self._hold_version()
        listed = self._http.json("GET", f"{self._base}/sobjects", expect=("sobjects",))["sobjects"]
        queryable = {one["name"] for one in listed if one.get("queryable", True)}
        org = Org()
        for what in OBJECTS:
            if what.name not in queryable:
                org.unreadable[what.table_name] = f"the org has no object {what.name}, or the user no right to it"
                continue
            self._take_in(org, what, has_currencies="CurrencyType" in queryable)
        readable = {one.name for one in org.readable}
        for what in OBJECTS:
            is_missed = not what.is_spare and (what.companion is None or what.companion in readable)
            if is_missed and what.table_name in org.unreadable:
                org.missing.append(Missing(what.table_name, None, org.unreadable[what.table_name]))
        self._count(org)
        return self._with_empty_partners(org)

    def _hold_version(self) -> None:
        listed = self._http.json("GET", "/services/data", auth=False)
        known = [str(one["version"]) for one in listed if isinstance(one, dict) and "version" in one]
        if not known:
            raise BadAnswer(f"source {self._http.source}: /services/data: no list of API versions; nothing was loaded")
        if self._options.api_version not in known:
            newest = max(known, key=float)
            raise ConfigError(
                f"source {self._http.source}: options.api_version: found {self._options.api_version}, the org knows "
                f"{min(known, key=float)} to {newest}; nothing was loaded",
                next_step=f"set sources.{self._http.source}.options.api_version to one it knows, such as {newest}",
            )

    def _take_in(self, org: Org, what: SObject, *, has_currencies: bool) -> None:
        """Describe an object; put it with what can be read or with what cannot."""
        told = self._http.json("GET", f"{self._base}/sobjects/{what.name}/describe", expect=("fields",))
        fields = {one["name"]: one for one in told["fields"] if not one.get("deprecatedAndHidden")}
        table = what.table_name
        hidden = [name for name in what.required if name not in fields]
        if hidden:
            why = f"field{'s' * (len(hidden) > 1)} {', '.join(hidden)} not visible to the user"
            org.unreadable[table] = why
            return
        lookups = tuple(self._options.partner_fields) if what.name == "Opportunity" else ()
        own = [*self._options.custom_fields.get(what.name, ()), *lookups]
        kinds: dict[str, str] = {}
        for name in dict.fromkeys([*what.required, *what.optional, *own]):
            kind = fields.get(name, {}).get("type")
            if kind is None and name == "CurrencyIsoCode" and not has_currencies:
                continue  # an org with one currency has the field nowhere, and nothing is missing
            if kind is None:
                why = "not there, or not visible to the user"
            elif kind in UNREADABLE:
                why = f"a field of type {kind}; ask for its parts"
            elif name in lookups and "Account" not in fields[name].get("referenceTo", []):
                why = "no lookup to an account"
            else:
                kinds[name] = kind
                continue
            org.missing.append(Missing(table, snake(name), why))
        cursor = next((x for x in CURSORS if x in fields and fields[x].get("filterable", True)), None)
        if cursor is not None:
            kinds.setdefault(cursor, fields[cursor]["type"])
        parent = fields.get("OpportunityId", {}).get("relationshipName")
        kept = tuple(name for name in lookups if name in kinds)
        org.readable.append(Readable(what, kinds, None if what.is_small else cursor, parent, lookups=kept))

    def _count(self, org: Org) -> None:
        """About how many rows each object has. Takes a right that not every user has, and is only used to choose."""
        names = ",".join(one.name for one in org.readable)
        try:
            told = self._http.json("GET", f"{self._base}/limits/recordCount", params={"sObjects": names})
        except (Refused, SourceRefused):
            return
        counts = {one["name"]: one["count"] for one in told.get("sObjects", []) if isinstance(one.get("count"), int)}
        for readable in org.readable:
            readable.count = counts.get(readable.name)

    def _with_empty_partners(self, org: Org) -> Org:
        """Where lookups on the opportunity name the partners, that there are no partner rows is known, not unknown."""
        opportunity = next((one for one in org.readable if one.name == "Opportunity"), None)
        if opportunity is None or any(one.name == "OpportunityPartner" for one in org.readable):
            return org
        if opportunity.lookups or "PartnerAccountId" in opportunity.kinds:
            what = next(one for one in OBJECTS if one.name == "OpportunityPartner")
            org.readable.append(Readable(what, {}, None))
        return org

"""A HubSpot account of one's own: records, associations, pipelines, keys and limits, changed by hand, read over HTTP.

    account = HubspotAccount()
    acme = account.create("companies", {"name": "Acme", "type": "PARTNER"})
    deal = account.create("deals", {"dealname": "First", "amount": "10.00", "dealstage": "closedwon"})
    account.associate("deals", deal, "companies", acme, "Reseller")
    with serve(account.app()) as served: ...

What stands here is what the account holds and how it changes; how it answers is `hubspot_api.py`, how it searches
`hubspot_search.py`, and what the sample company looks like in it `hubspot_templates.py`. Every value is text or None,
as on the wire, and every moment is to the millisecond.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.types import ASGIApp

from demo.vendors.faults import Faults
from demo.vendors.hubspot_schema import DEFAULT_STAGES, DEFINED, PLAIN, PRIMARY, REMEMBERED, TYPES

Properties = dict[str, str | None]


def stamp(moment: datetime) -> str:
    """A moment as HubSpot writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def whole_milliseconds(moment: datetime) -> datetime:
    """A moment without what HubSpot does not keep of it."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(slots=True)
class Record:
    """One record. `history` has the newest value first; `unseen` are versions that search does not show yet."""

    id: int
    properties: Properties
    created: datetime
    updated: datetime
    archived_at: datetime | None = None
    history: dict[str, list[tuple[str | None, datetime]]] = field(default_factory=dict)
    indexed: Properties | None = None
    unseen: list[tuple[datetime, Properties]] = field(default_factory=list)


@dataclass
class Stage:
    """A stage of a pipeline. Metadata is text on the wire."""

    id: str
    label: str
    probability: str
    is_closed: bool
    is_archived: bool = False


@dataclass
class Pipeline:
    """A pipeline with its stages in order."""

    id: str
    label: str
    stages: list[Stage]
    is_archived: bool = False


@dataclass(frozen=True)
class Key:
    """What a token may do. `scopes` None: everything."""

    scopes: frozenset[str] | None = None
    expired_at: datetime | None = None


@dataclass
class Limits:
    """How much may be asked; None: as much as one likes. `seconds` is the clock that the short limits go by."""

    burst: int | None = None
    interval_seconds: float = 10.0
    searches_per_second: int | None = None
    daily: int | None = None
    seconds: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Asked:
    """One request that was answered, for tests to look at."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int


class HubspotAccount:
    """A stateful account. Thread-safe; `clock` stands still until somebody moves it."""

    def __init__(
        self,
        *,
        portal_id: int = 4_815_162,
        time_zone: str = "US/Eastern",
        company_currency: str = "USD",
        clock: datetime | None = None,
        first_label_id: int = 28,
    ) -> None:
        """`first_label_id`: where the account's own association types begin; they differ between accounts."""
        self.portal_id = portal_id
        self.time_zone = time_zone
        self.company_currency = company_currency
        self.additional_currencies: list[str] = []
        self.clock = whole_milliseconds(clock or datetime.now(UTC))
        self.lock = threading.RLock()
        self.limits = Limits()
        self.keys: dict[str, Key] = {}
        self.asked: list[Asked] = []
        self.records: dict[str, dict[int, Record]] = {name: {} for name in TYPES}
        self.types: dict[str, tuple[str, str]] = dict(TYPES)
        self.schemas: list[str] = []
        common = {"hs_object_id": "number", "hs_lastmodifieddate": "datetime"}
        self.properties = {name: {**common, **defined} for name, defined in DEFINED.items()}
        self.owners: dict[int, dict[str, Any]] = {}
        self.pipelines = [
            Pipeline(
                "default",
                "Sales Pipeline",
                [Stage(stage, label, chance, stage.startswith("closed")) for stage, label, chance in DEFAULT_STAGES],
            )
        ]
        self.exchange_rates: list[dict[str, Any]] = []
        self.links: dict[tuple[str, str], dict[int, dict[int, set[int]]]] = {}
        """Associations: the two types, the record, the other record, the types of association between them."""
        self.labels: dict[tuple[str, str], dict[str, int]] = {}
        self._next_type = first_label_id
        self._next_id = 101
        self.version = 0
        """Counts changes, so that what was computed from the records is known to be old."""
        self._ordered: dict[str, tuple[int, list[int]]] = {}
        self.search_lag = timedelta(0)
        self.is_search_disordered = False
        self.association_page = 500
        """How many associations of one record come at once."""
        self.faults = Faults(data_keys=("results",), cursors=(("paging", "next", "after"),), expire=self.expire_keys)

    # -- the account's own settings ------------------------------------------------------------------------------------

    def add_key(self, token: str, *, without: Iterable[str] = (), scopes: Iterable[str] | None = None) -> str:
        """Let `token` in: with all scopes, with `scopes` alone, or with all but some."""
        from demo.vendors.hubspot_api import ALL_SCOPES

        left = set(ALL_SCOPES if scopes is None else scopes) - set(without)
        with self.lock:
            self.keys[token] = Key(frozenset(left))
        return token

    def expire_keys(self) -> None:
        """Every token has run out 75 seconds ago."""
        with self.lock:
            self.keys = {token: Key(key.scopes, self.clock - timedelta(seconds=75)) for token, key in self.keys.items()}

    def advance(self, **duration: float) -> datetime:
        """Move the clock on by so much (`timedelta`'s keywords)."""
        with self.lock:
            self.clock = whole_milliseconds(self.clock + timedelta(**duration))
            return self.clock

    def define_property(self, kind: str, name: str, type_: str = "string") -> None:
        """A property of the account's own."""
        with self.lock:
            self.properties[kind][name] = type_
            self.version += 1

    def drop_property(self, kind: str, name: str) -> None:
        """Somebody has deleted a property."""
        with self.lock:
            self.properties[kind].pop(name, None)
            self.version += 1

    def define_object(self, name: str, number: int = 2_000_001, **properties: str) -> None:
        """An object type of the account's own, by its full name such as `p4815162_registrations`."""
        with self.lock:
            self.types[name] = (f"2-{number}", name)
            self.schemas.append(name)
            self.records[name] = {}
            self.properties[name] = {
                "hs_object_id": "number", "hs_lastmodifieddate": "datetime", "hs_createdate": "datetime", **properties,
            }  # fmt: skip

    def define_label(self, from_kind: str, to_kind: str, label: str) -> int:
        """A label for associations, in both directions; the id that it has from `from_kind` to `to_kind`."""
        with self.lock:
            there = self.labels.setdefault((from_kind, to_kind), {})
            if label not in there:
                there[label] = self._new_type()
                self.labels.setdefault((to_kind, from_kind), {}).setdefault(label, self._new_type())
            return there[label]

    def add_owner(self, owner_id: int, email: str, *, is_archived: bool = False) -> None:
        """A user who may own records."""
        given, _, rest = email.partition("@")[0].partition(".")
        with self.lock:
            self.owners[owner_id] = {
                "id": str(owner_id),
                "email": email,
                "type": "PERSON",
                "firstName": given.title(),
                "lastName": rest.title(),
                **({} if is_archived else {"userId": 1_000_000 + owner_id}),
                "userIdIncludingInactive": 1_000_000 + owner_id,
                "createdAt": stamp(self.clock),
                "updatedAt": stamp(self.clock),
                "archived": is_archived,
            }

    def _new_type(self) -> int:
        self._next_type += 1
        return self._next_type - 1

    def plain_type(self, from_kind: str, to_kind: str) -> int:
        """The association without a label; what two types of the account's own share is made when it is first used."""
        with self.lock:
            pair = (from_kind, to_kind)
            if pair in PLAIN:
                return PLAIN[pair]
            return self.labels.setdefault(pair, {}).setdefault("", self._new_type())

    # -- records -------------------------------------------------------------------------------------------------------

    def create(
        self, kind: str, properties: Properties, *, id: int | None = None, at: datetime | None = None,
        created: datetime | None = None,
    ) -> int:  # fmt: skip
        """A new record; its id. `at` is when it last changed, `created` when it was made; both default to the clock."""
        with self.lock:
            moment = whole_milliseconds(at or self.clock)
            record_id = id if id is not None else self._next_id
            self._next_id = max(self._next_id, record_id) + 1
            if record_id in self.records[kind]:
                raise ValueError(f"{kind} {record_id} is there already")
            record = Record(record_id, {}, whole_milliseconds(created or moment), moment)
            self.records[kind][record_id] = record
            made_on = "createdate" if "createdate" in self.properties[kind] else "hs_createdate"
            record.properties[made_on] = stamp(record.created)
            if self.search_lag:
                record.indexed = {}
            self._put(kind, record, properties, moment, record.created)
            return record_id

    def update(self, kind: str, id: int, properties: Properties, *, at: datetime | None = None) -> None:
        """Change properties; `at` sets the modification stamp, which may also lie in the past."""
        with self.lock:
            moment = whole_milliseconds(at or self.clock)
            self._put(kind, self.records[kind][id], properties, moment, moment)

    def _put(self, kind: str, record: Record, properties: Properties, moment: datetime, valued: datetime) -> None:
        for name in properties:
            if name not in self.properties[kind]:
                raise ValueError(f"{kind} have no property {name}")
        for name, value in properties.items():
            self._remember(record, name, value, valued)
            record.properties[name] = value
        if kind == "deals" and {"dealstage", "pipeline"} & set(properties):
            self._settle_stage(record)
        record.updated = moment
        record.properties["hs_object_id"] = str(record.id)
        record.properties["lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"] = stamp(moment)
        if self.search_lag:
            if record.indexed is None:
                record.indexed = {}
            record.unseen.append((self.clock + self.search_lag, dict(record.properties)))
        self.version += 1

    def _remember(self, record: Record, name: str, value: str | None, moment: datetime) -> None:
        if name in REMEMBERED:
            values = record.history.setdefault(name, [])
            if not values or values[0][0] != value:
                values.insert(0, (value, moment))

    def _settle_stage(self, record: Record) -> None:
        """What HubSpot computes from a deal's stage."""
        stage = self.stage(record.properties.get("pipeline") or "default", record.properties.get("dealstage"))
        is_won = stage is not None and stage.is_closed and stage.probability == "1.0"
        is_lost = stage is not None and stage.is_closed and stage.probability == "0.0"
        record.properties.setdefault("pipeline", "default")
        record.properties["hs_is_closed"] = _truth(stage is not None and stage.is_closed)
        record.properties["hs_is_closed_won"] = _truth(is_won)
        record.properties["hs_is_closed_lost"] = _truth(is_lost)

    def ordered(self, kind: str) -> list[int]:
        """The ids of all records of a kind, archived ones too, ascending."""
        kept = self._ordered.get(kind)
        if kept is None or kept[0] != self.version:
            kept = self._ordered[kind] = (self.version, sorted(self.records[kind]))
        return kept[1]

    def stage(self, pipeline: str, stage: str | None) -> Stage | None:
        """A stage by its ids."""
        for one in self.pipelines:
            for found in one.stages if one.id == pipeline else ():
                if found.id == stage:
                    return found
        return None

    def archive(self, kind: str, id: int, *, at: datetime | None = None) -> None:
        """Delete a record as a person does: it is listed as archived, search and lists forget it."""
        with self.lock:
            self.records[kind][id].archived_at = whole_milliseconds(at or self.clock)
            self.version += 1

    def restore(self, kind: str, id: int) -> None:
        """Bring an archived record back."""
        with self.lock:
            record = self.records[kind][id]
            record.archived_at = None
            record.updated = self.clock
            record.properties["hs_lastmodifieddate"] = stamp(self.clock)
            self.version += 1

    def purge(self, kind: str, id: int) -> None:
        """Remove a record for good: nothing tells of it any more."""
        with self.lock:
            del self.records[kind][id]
            for (from_kind, to_kind), links in self.links.items():
                if from_kind == kind:
                    links.pop(id, None)
                if to_kind == kind:
                    for others in links.values():
                        others.pop(id, None)
            self.version += 1

    def merge(self, kind: str, winner: int, loser: int) -> None:
        """Merge two records: the loser is gone without a trace but the winner's list, its associations move over."""
        with self.lock:
            gone = self.records[kind][loser]
            kept = self.records[kind][winner]
            for pair, links in self.links.items():
                if pair[0] == kind and loser in links:
                    for other, types in links.pop(loser).items():
                        links.setdefault(winner, {}).setdefault(other, set()).update(types)
                if pair[1] == kind:
                    for others in links.values():
                        if loser in others:
                            others.setdefault(winner, set()).update(others.pop(loser))
            ids = [part for part in (kept.properties.get("hs_merged_object_ids") or "").split(";") if part]
            ids += [part for part in (gone.properties.get("hs_merged_object_ids") or "").split(";") if part]
            del self.records[kind][loser]
            self.update(kind, winner, {"hs_merged_object_ids": ";".join([*ids, str(loser)])})

    # -- associations --------------------------------------------------------------------------------------------------

    def associate(
        self, from_kind: str, from_id: int, to_kind: str, to_id: int, *labels: str, primary: bool = False
    ) -> None:
        """Associate two records, in both directions; neither gets another modification stamp by it."""
        with self.lock:
            for label in labels:
                self.define_label(from_kind, to_kind, label)
            for one, other, here, there in (
                (from_kind, to_kind, from_id, to_id),
                (to_kind, from_kind, to_id, from_id),
            ):
                types = self.links.setdefault((one, other), {}).setdefault(here, {}).setdefault(there, set())
                types.add(self.plain_type(one, other))
                types.update(self.labels[one, other][label] for label in labels)
                if primary:
                    types.add(PRIMARY[one, other])
            self.version += 1

    def dissociate(self, from_kind: str, from_id: int, to_kind: str, to_id: int, label: str | None = None) -> None:
        """Take an association away, or one label of it; no modification stamp tells of it."""
        with self.lock:
            for one, other, here, there in (
                (from_kind, to_kind, from_id, to_id),
                (to_kind, from_kind, to_id, from_id),
            ):
                others = self.links.get((one, other), {}).get(here, {})
                if label is None:
                    others.pop(there, None)
                elif there in others:
                    others[there].discard(self.labels[one, other][label])
            self.version += 1

    def association_types(self, from_kind: str, to_kind: str) -> dict[int, tuple[str, str | None]]:
        """Category and label of every type of association from one kind to another."""
        pair = (from_kind, to_kind)
        found: dict[int, tuple[str, str | None]] = {self.plain_type(*pair): ("HUBSPOT_DEFINED", None)}
        if pair in PRIMARY:
            found[PRIMARY[pair]] = ("HUBSPOT_DEFINED", "Primary")
        for label, number in self.labels.get(pair, {}).items():
            found[number] = ("USER_DEFINED", label or None)
        return found

    # -- time and serving ----------------------------------------------------------------------------------------------

    def midnight(self) -> datetime:
        """When the daily limit begins anew: the next midnight of the account's time zone, in UTC."""
        there = self.clock.astimezone(ZoneInfo(self.time_zone))
        return (there + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    def load_templates(self, folder: Path) -> dict[str, int]:
        """Fill the account from CRM templates, or bring it up to a later state of them; records per object type."""
        from demo.vendors.hubspot_templates import load

        return load(self, folder)

    def app(self) -> ASGIApp:
        """The account as a web server, with its faults in front."""
        from demo.vendors.hubspot_api import app

        return self.faults.around(app(self))


def _truth(value: bool) -> str:
    return "true" if value else "false"

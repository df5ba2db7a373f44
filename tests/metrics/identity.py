"""The oracle's answer to who is who: which records of several systems are one partner, and what is known of it."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import publicsuffixlist
import yaml

from metrics.reading import KINDS, Calendar, FileRow, Rates, Record, Row, Source, day, is_true, moment, seed

_SUFFIXES = publicsuffixlist.PublicSuffixList(accept_unknown=True)
_PUBLIC = {row["domain"] for row in seed("public_domains")}


def host(text: str | None) -> str | None:
    """The host of a web address in small letters, without `www.`."""
    bare = re.sub(r"^[a-z]+://", "", (text or "").strip().lower())
    bare = re.sub(r"[/?#:].*$", "", bare)
    return re.sub(r"^www\.", "", bare) or None


def registrable(text: str | None) -> str | None:
    """The domain that somebody has registered, None where it says nothing about who it is."""
    found = _SUFFIXES.privatesuffix(host(text) or "")
    return None if found is None or found in _PUBLIC else str(found)


class Accounts:
    """CRM accounts by id; Salesforce shows an id with 15 characters or with 3 more to check them."""

    def __init__(self, keys: Iterable[Record]) -> None:
        self._found: dict[str, Record] = {}
        for key in keys:
            self._found.setdefault(key[1], key)
            if len(key[1]) == 18:
                self._found.setdefault(key[1][:15], key)

    def find(self, named: str | None) -> Record | None:
        """The account that an id means, None where there is none."""
        if not named:
            return None
        return self._found.get(named) or (self._found.get(named[:15]) if len(named) == 18 else None)


@dataclass(frozen=True)
class PartnerRecord:
    """What one system says a partner is."""

    source: str
    id: str
    kind: str
    name: str
    number: str | None
    domain: str | None
    account: str | None
    sharing: str
    joined: date | None
    looked_after_by: str | None

    @property
    def key(self) -> Record:
        return (self.source, self.id)


@dataclass(frozen=True)
class Link:
    """The partner a record belongs to, named by the record it began with, and why."""

    root: Record
    rule: str


@dataclass
class Partner:
    """Everything that the systems say about one partner; the first record is believed first."""

    root: Record
    records: list[PartnerRecord] = field(default_factory=list)

    def first(self, what: Callable[[PartnerRecord], Any], kind: str | None = None) -> Any:
        """The first thing that any record (of a kind) says."""
        said = (what(record) for record in self.records if kind is None or record.kind == kind)
        return next((one for one in said if one is not None), None)

    @cached_property
    def number(self) -> str:
        return self.first(lambda record: record.number) or self.root[1]

    @property
    def kinds(self) -> set[str]:
        return {record.kind for record in self.records}

    @property
    def looked_after_by(self) -> str | None:
        """The manager in the portal, else the owner of the CRM account; of an address what stands before the @."""
        found: str | None = self.first(lambda record: record.looked_after_by, "prm")
        found = found or self.first(lambda record: record.looked_after_by, "crm")
        return found and found.partition("@")[0]  # no released table holds an address


def _followed(to: dict[Record, Link], key: Record) -> Record:
    """The record at the end of the links that begin with one."""
    while key in to:
        key = to[key].root
    return key


class Identity:
    """Which records are one partner: by hand, by the CRM account they name, by their domain, in this order."""

    def __init__(self, sources: Iterable[Source], settings: Row, crosswalk: Iterable[FileRow]) -> None:
        self.sources = sorted(sources, key=lambda source: KINDS.index(source.kind))
        self.crosswalk = list(crosswalk)
        self.roster_kinds = set(settings.get("identity", {}).get("roster", ("crm", "prm")))
        self._pseudo = {name.strip().lower() for name in settings.get("pseudo_partners", [])}
        self._pseudo_accounts = Accounts(
            (source.name, row["source_id"])
            for source in self.sources
            for row in source.table("accounts")
            if self._is_pseudo(row)
        )
        self.records = {record.key: record for source in self.sources for record in self._records(source)}
        self._crm_partners = Accounts(key for key, record in self.records.items() if record.kind == "crm")
        self.links = self._links()
        self.partners = self._partners()

    def _is_pseudo(self, row: FileRow) -> bool:
        names = (row["source_id"], row["name"], row.get("partner_number") or "")
        return any(name.strip().lower() in self._pseudo for name in names if name)

    def _records(self, source: Source) -> Iterator[PartnerRecord]:
        is_crm = source.kind == "crm"
        for row in source.table("accounts" if is_crm else "partners"):
            if is_crm and not is_true(row.get("is_partner")):
                continue
            # Who says that its partner is the CRM's account for direct sales speaks of direct sales.
            if self._is_pseudo(row) or self._pseudo_accounts.find(row.get("crm_account_id")):
                continue
            yield PartnerRecord(
                source=source.name,
                id=row["source_id"],
                kind=source.kind,
                name=row["name"],
                number=row.get("partner_number") or None,
                domain=registrable(row.get("domain")),
                account=row.get("crm_account_id") or None,
                sharing=(row.get("sharing_level") or "").strip().lower(),
                joined=day(row.get("created_at" if is_crm else "joined_at")),
                looked_after_by=row.get("owner_id" if is_crm else "manager") or None,
            )

    def _partners(self) -> dict[Record, Partner]:
        made: dict[Record, Partner] = {}
        for key, record in self.records.items():
            root = self.links[key].root
            made.setdefault(root, Partner(root)).records.append(record)
        order = [source.name for source in self.sources]
        for partner in made.values():
            partner.records.sort(key=lambda record: (record.key != partner.root, order.index(record.source), record.id))
        return made

    def _links(self) -> dict[Record, Link]:
        to: dict[Record, Link] = {key: Link(target, "crosswalk") for key, target in self._assigned().items()}
        for key, record in self.records.items():
            if key not in to and (target := self._crm_partners.find(record.account)):
                to[key] = Link(target, "crm_account_id")
        direct = {key: _followed(to, key) for key in self.records}
        for key, record in self.records.items():
            if key not in to and (target := self._same_domain(record, direct)):
                to[key] = Link(target, "domain")
        return {key: Link(_followed(to, key), to[key].rule if key in to else "own") for key in self.records}

    def _assigned(self) -> dict[Record, Record]:
        """Records that somebody has assigned by hand, where both the record and the partner are there."""
        found: dict[Record, Record] = {}
        for row in self.crosswalk:
            key, target = (row["source"], row["source_id"]), self._by_number(row["partner_number"])
            if key in self.records and target and target != key:
                found[key] = target
        return found

    def _by_number(self, number: str) -> Record | None:
        """The record that a number means: its own number, or its id where it has none."""
        return next((key for key, record in self.records.items() if number == (record.number or record.id)), None)

    def _same_domain(self, record: PartnerRecord, direct: dict[Record, Record]) -> Record | None:
        """The partner that the first system with this domain means by it, where it means one there and one here."""
        holders = [other for other in self.records.values() if record.domain and other.domain == record.domain]
        first = next((other.source for other in holders), record.source)  # records stand in the order of systems
        there = {direct[other.key] for other in holders if other.source == first}
        here = {direct[other.key] for other in holders if other.source == record.source}
        if first == record.source or len(there) > 1 or len(here) > 1:
            return None
        (target,) = there
        is_twice = any(other != record.key and other[0] == record.source for other in direct if direct[other] == target)
        return None if is_twice else target

    def is_on_roster(self, root: Record) -> bool:
        return bool(self.partners[root].kinds & self.roster_kinds)

    def partner_of(self, source: str, record_id: str | None) -> Record | None:
        """The partner a source means by an id of its own."""
        link = self.links.get((source, record_id or ""))
        return link.root if link else None

    def by_number(self, source: str, name: str) -> Record | None:
        """The partner that a fact names: by the partner number of a record, else by the source's own id."""
        numbered = next((key for key, record in self.records.items() if record.number == name), None)
        return self.links[numbered].root if numbered else self.partner_of(source, name)

    def knowledge(self) -> dict[Record, set[str]]:
        """By partner the entities that some system which knows it offers; of overlaps what the partner shares."""
        overlaps = {"account_overlaps", "overlap_counts"}
        offered = {source.name: source.offered - overlaps for source in self.sources}
        return {
            root: {entity for record in partner.records for entity in offered[record.source] | self.shares[record.key]}
            for root, partner in self.partners.items()
        }

    @cached_property
    def shares(self) -> dict[Record, set[str]]:
        """By record of a mapping platform whether the partner shares accounts or counts there."""
        made: dict[Record, set[str]] = defaultdict(set)
        for source in self.sources:
            overlaps = [name for name in ("account_overlaps", "overlap_counts") if name in source.offered]
            there = {entity: {row["partner_id"] for row in source.table(entity)} for entity in overlaps}
            for record in self.records.values():
                if record.source == source.name and source.kind == "account_mapping":
                    told = {"full": ["account_overlaps"], "counts_only": ["overlap_counts"], "none": []}
                    # Where the platform does not say what a partner shares, what is there proves it.
                    proven = [entity for entity in overlaps if record.id in there[entity]][:1]
                    made[record.key] = {e for e in told.get(record.sharing, proven) if e in overlaps}
        return made

    def review(self) -> set[tuple[str, str, str]]:
        """Source, id and reason of everything that somebody should look at."""
        found: set[tuple[str, str, str]] = set()
        for key, record in self.records.items():
            partner = self.partners[self.links[key].root]
            if len({one.source for one in partner.records}) == 1 and len(self.sources) > 1:
                found.add((*key, "one_system_only"))
            mine = {
                k for k, r in self.records.items() if record.domain and r.domain == record.domain and k[0] == key[0]
            }
            if len({self.links[other].root for other in mine}) > 1:
                found.add((*key, "domain_shared"))
            is_by_hand = self.links[key].rule == "crosswalk"
            if record.account and not is_by_hand and not self._crm_partners.find(record.account):
                found.add((*key, "crm_account_unknown"))
        for row in self.crosswalk:
            key = (row["source"], row["source_id"])
            if key not in self.records or not self._by_number(row["partner_number"]):
                found.add((*key, "crosswalk_unmatched"))
        return found


class Deployment:
    """A deployment read from its file: systems that were exported at one moment, calendar, rates, partners."""

    def __init__(self, file: Path) -> None:
        self.settings: Row = yaml.safe_load(file.read_text(encoding="utf-8"))
        inputs = (file.parent / self.settings["paths"]["inputs"]).resolve()
        told = {name: source["options"] for name, source in self.settings["sources"].items()}
        self.sources = [
            Source(name, options["kind"], inputs / options["folder"], options.get("default_currency"))
            for name, options in told.items()
        ]
        (exported_at,) = {str(options["exported_at"]) for options in told.values()}
        exported_on = moment(exported_at)
        assert exported_on is not None
        self.exported_on = exported_on.date()
        self.calendar, self.rates = Calendar.of(self.settings), Rates.of(self.settings)
        self.icp: Row = self.settings.get("icp", {})
        self.identity = Identity(self.sources, self.settings, self._crosswalk(file))
        self.knowledge = self.identity.knowledge()

    def _crosswalk(self, file: Path) -> list[FileRow]:
        named = self.settings.get("identity", {}).get("crosswalk")
        if not named:
            return []
        with (file.parent / named).open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    @property
    def roster(self) -> list[Record]:
        """The partners that are scored."""
        return [root for root in self.identity.partners if self.identity.is_on_roster(root)]

"""The oracle's answer to who is who: which records of several systems are one partner, and what is known of it."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from itertools import combinations
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
    if not (host(text) or "").strip("0123456789."):
        return None
    found = _SUFFIXES.privatesuffix(host(text) or "")
    return None if found is None or found in _PUBLIC else str(found)


# --- names ----------------------------------------------------------------------------------------------------------

_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "đ": "d", "'": "", "’": "", ".": ""})
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_AND = {"and", "und", "et", "och", "og"}
_SECOND = re.compile(r"^(.+) (?:formerly|dba|trading as) (.+)$")


@cache
def words(text: str) -> tuple[str, ...]:
    """A text in plain small letters, word by word, without the words for `and`.

    Latin letters only: the names of these companies have no others. tests/identity looks at the rest.
    """
    bare = unicodedata.normalize("NFKD", text.lower()).translate(_LETTERS)
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return tuple(word for word in re.sub(r"[^a-z0-9]+", " ", bare).split() if word not in _AND)


_FORMS = {(row["position"], words(row["form"])): row["class"] for row in seed("legal_forms") if words(row["form"])}
_COUNTRIES = {words(row["name"]): row["country"] for row in seed("countries") if words(row["name"])}
_UNITS = {row["words"] for row in seed("name_words") if row["kind"] == "unit"}
_HOUSES = {row["words"] for row in seed("name_words") if row["kind"] == "house"}
_COMMON = {row["words"] for row in seed("name_words") if row["kind"] == "common"} | _UNITS
_REMARKS = {words(row["words"]) for row in seed("name_words") if row["kind"] not in ("common", "unit", "house")}


@dataclass(frozen=True)
class Name:
    """A name without its legal form and remarks."""

    words: tuple[str, ...]
    form: str | None
    is_second: bool = False

    @property
    def key(self) -> str:
        return "".join(self.words)

    @property
    def telling(self) -> frozenset[str]:
        """The words that tell this company from others; all of them where none does."""
        return frozenset(word for word in self.words if word not in _COMMON) or frozenset(self.words)


@cache
def names_of(text: str) -> tuple[Name, ...]:
    """What a company is called: its name, and the second one that it states; umlauts bare, and written out."""
    spelled = text.lower().translate(_WRITTEN_OUT)
    return _names_of(text) + (_names_of(spelled) if spelled != text.lower() else ())


def _names_of(text: str) -> tuple[Name, ...]:
    bracket = re.search(r"\(([^()]*)\)", text)
    if bracket and words(bracket[1]) in _REMARKS:
        text = text.replace(bracket[0], " ")
    stated = " ".join(words(text))
    second = _SECOND.match(stated)
    parts = second.groups() if second else (stated,)
    return tuple(_without_forms(tuple(part.split()), is_second=place > 0) for place, part in enumerate(parts) if part)


def _without_forms(name: tuple[str, ...], *, is_second: bool = False) -> Name:
    form = None
    for position in ("trailing", "trailing", "trailing", "leading"):
        for count in range(min(5, len(name) - 1), 0, -1):
            end, rest = (name[-count:], name[:-count]) if position == "trailing" else (name[:count], name[count:])
            if (position, end) in _FORMS:
                found = _FORMS[position, end]
                form, name = (found if form in (None, "company") else form), rest
                break
    return Name(name, None if form == "company" else form, is_second)


def relation(one: Iterable[Name], other: Iterable[Name]) -> str:
    """What names are to each other: same, close (only common words differ), related (a telling word shared) or other.

    A name that is spelled differently is not looked at here; tests/identity does.
    """
    best = "other"
    for a in one:
        for b in other:
            if a.key == b.key:
                return "same"
            less, more = sorted((set(a.words), set(b.words)), key=len)
            units = _UNITS & set(a.words), _UNITS & set(b.words)
            if a.telling == b.telling and less <= more and units[0] == units[1]:
                best = "close"
            elif a.telling & b.telling and best == "other":
                best = "related"
    return best


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
    country: str | None

    @property
    def key(self) -> Record:
        return (self.source, self.id)

    @property
    def names(self) -> tuple[Name, ...]:
        return names_of(self.name)


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


def _is_at_home(record: PartnerRecord) -> bool:
    """Whether the domain is called like the company: by its beginning, by a word of it or by its initials."""
    called = _without_forms(words((record.domain or "").split(".")[0])).words
    label = "".join(called)
    if any(_HOUSES & set(name.words) for name in record.names):
        return False  # a house that has tenants
    for name in record.names:
        shared = min(len(name.key), len(label), 5)
        initials = "".join(word[0] for word in name.words)
        if (shared >= 3 and name.key[:shared] == label[:shared]) or initials in (label, *called[:1]):
            return True
        if any(len(word) >= 4 and word in label for word in name.telling):
            return True
    return False


def _followed(to: dict[Record, Link], key: Record) -> Record:
    """The record at the end of the links that begin with one."""
    while key in to:
        key = to[key].root
    return key


class Identity:
    """Which records are one partner: by hand, by the CRM account they name, by domain, by name and country, in this
    order."""

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
                country=_COUNTRIES.get(words(row.get("country") or "")),
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
        assigned = self._assigned()
        to: dict[Record, Link] = {key: Link(target, "crosswalk") for key, target in assigned.items() if key != target}
        for key, record in self.records.items():
            if key not in assigned and (target := self._crm_partners.find(record.account)):
                to[key] = Link(target, "crm_account_id")
        direct = {key: _followed(to, key) for key in self.records}
        sealed = {direct[key] for key, target in assigned.items() if key == target}
        by_domain = self._joined(self._domain_edges(direct, sealed), direct)
        joined = {key: by_domain.get(root, root) for key, root in direct.items()}
        by_name = self._joined(self._name_edges(joined, {joined[key] for key in sealed}), joined)
        links = {}
        for key, root in joined.items():
            rule = to[key].rule if key in to else "crosswalk" if key in assigned else "own"
            if rule == "own" and key != by_name.get(root, root):
                rule = "domain" if key != root else "name_and_country"
            links[key] = Link(by_name.get(root, root), rule)
        return links

    def _joined(self, edges: set[frozenset[Record]], roots: dict[Record, Record]) -> dict[Record, Record]:
        """The first record of what hangs together, unless a system would then have two records of one partner."""
        order = list(self.records)
        groups: list[set[Record]] = []
        for edge in edges:
            touched = [group for group in groups if group & edge]
            groups = [group for group in groups if not group & edge] + [set(edge).union(*touched)]
        made: dict[Record, Record] = {}
        for group in groups:
            systems = [source for root in group for source in {key[0] for key in roots if roots[key] == root}]
            if len(systems) == len(set(systems)):
                first = min(group, key=order.index)
                made |= dict.fromkeys(group, first)
        return made

    def _domain_edges(self, roots: dict[Record, Record], sealed: set[Record]) -> set[frozenset[Record]]:
        """Partners of one domain, where it means one of them in every system and nothing speaks against it."""
        found = set()
        meant: dict[tuple[str, str], set[Record]] = defaultdict(set)
        for key, record in self.records.items():
            if record.domain:
                meant[record.domain, record.source].add(roots[key])
        shared = {domain for (domain, _), partners in meant.items() if len(partners) > 1}
        for a, b in self._pairs(roots, sealed):
            if a.domain is None or a.domain != b.domain or a.domain in shared:
                continue
            is_known = a.country is not None and b.country is not None
            names = relation(a.names, b.names)
            is_renamed = names == "other" and is_known and (_is_at_home(a) or _is_at_home(b))
            if not (is_known and a.country != b.country) and (names in ("same", "close") or is_renamed):
                found.add(frozenset((roots[a.key], roots[b.key])))
        return found

    def _name_edges(self, roots: dict[Record, Record], sealed: set[Record]) -> set[frozenset[Record]]:
        """Partners of one name in one country, where these mean one of them in every system."""
        found = set()
        for a, b in self._pairs(roots, sealed):
            if a.country is None or a.country != b.country:
                continue
            for one in a.names:
                for other in b.names:
                    is_told = bool(set(one.words) - _COMMON) or (a.domain is not None and a.domain == b.domain)
                    forms_differ = one.form and other.form and one.form != other.form
                    if (
                        one.key == other.key
                        and is_told
                        and not forms_differ
                        and (self._domains_agree(a, b) or self._is_stated(one.key, a, b))
                        and self._means_one(one.key, a.country, roots)
                    ):
                        found.add(frozenset((roots[a.key], roots[b.key])))
        return found

    def _pairs(self, roots: dict[Record, Record], sealed: set[Record]) -> Iterator[tuple[PartnerRecord, PartnerRecord]]:
        """Records of two systems and two partners that nobody has called partners of their own."""
        for a, b in combinations(self.records.values(), 2):
            if a.source != b.source and roots[a.key] != roots[b.key] and not {roots[a.key], roots[b.key]} & sealed:
                yield a, b

    def _domains_agree(self, a: PartnerRecord, b: PartnerRecord) -> bool:
        if a.domain is None or b.domain is None or a.domain == b.domain:
            return True
        return a.domain.split(".")[0] == b.domain.split(".")[0]

    def _is_stated(self, key: str, a: PartnerRecord, b: PartnerRecord) -> bool:
        """Whether one of the two has the name in common as a second one only: it says why the domains differ."""
        return any(all(name.is_second for name in record.names if name.key == key) for record in (a, b))

    def _means_one(self, key: str, country: str, roots: dict[Record, Record]) -> bool:
        meant: dict[str, set[Record]] = defaultdict(set)
        for record in self.records.values():
            if record.country in (country, None) and key in {name.key for name in record.names}:
                meant[record.source].add(roots[record.key])
        return all(len(partners) == 1 for partners in meant.values())

    def _assigned(self) -> dict[Record, Record]:
        """Records that somebody has assigned by hand, where both the record and the partner are there."""
        found: dict[Record, Record] = {}
        for row in self.crosswalk:
            key = (row["source"], row["source_id"])
            target = self._target(row)
            if key in self.records and target:
                found[key] = target
        return found

    def _target(self, row: FileRow) -> Record | None:
        """The record that a row of the crosswalk leads to: its own, one named as source/id, or that of a number."""
        if row["partner_number"] == "itself":
            key = (row["source"], row["source_id"])
            return key if key in self.records else None
        named = (row["partner_number"].partition("/")[0], row["partner_number"].partition("/")[2])
        return self._by_number(row["partner_number"]) or (named if named in self.records else None)

    def _by_number(self, number: str) -> Record | None:
        """The record that a number means: its own number, or its id where it has none."""
        return next((key for key, record in self.records.items() if number == (record.number or record.id)), None)

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
        alone = {key for key, target in self._assigned().items() if key == target}
        for key, record in self.records.items():
            partner = self.partners[self.links[key].root]
            if len({one.source for one in partner.records}) == 1 and len(self.sources) > 1:
                found.add((*key, "one_system_only"))
            mine = {
                k
                for k, r in self.records.items()
                if record.domain and r.domain == record.domain and k[0] == key[0] and k not in alone
            }
            if key not in alone and len({self.links[other].root for other in mine}) > 1:
                found.add((*key, "domain_shared"))
            is_by_hand = self.links[key].rule == "crosswalk"
            if record.account and not is_by_hand and not self._crm_partners.find(record.account):
                found.add((*key, "crm_account_unknown"))
        for row in self.crosswalk:
            key = (row["source"], row["source_id"])
            if key not in self.records or not self._target(row):
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

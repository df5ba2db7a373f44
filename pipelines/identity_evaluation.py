"""Judges the rules of identity by pairs of records that somebody has labelled: the project's own SQL on their rows.

The records of the file are the roster: whether a name or a domain stands for one partner is judged among them. dbt
compiles the models once per state of the project; a file of some thousand pairs then takes seconds.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from pipelines.compiled import compile_project, project_hash
from pipelines.errors import BuildError, InputError
from pipelines.identity import KINDS, host_of, public_suffixes
from pipelines.policy.parts import nearest
from pipelines.shape import PROJECT
from pipelines.warehouse import memory, quoted, write_rows

__all__ = ["Evaluation", "Pair", "Record", "evaluate_pairs", "identity_of", "read_pairs"]

_DATABASE = "labelled"
_FORMAT = 1
# What the models of identity read, and what is laid of it here; seeds are laid beside them.
_INPUTS: dict[str, dict[str, str]] = {
    "conformed.accounts": {
        "source": "varchar", "source_id": "varchar", "name": "varchar", "partner_number": "varchar",
        "domain": "varchar", "country": "varchar", "region": "varchar", "industry": "varchar",
        "account_type": "varchar", "employees": "bigint", "created_at": "timestamp", "owner_id": "varchar",
        "is_partner": "boolean", "is_deleted": "boolean", "is_test": "boolean",
    },
    "conformed.partners": {
        "source": "varchar", "source_id": "varchar", "name": "varchar", "domain": "varchar", "country": "varchar",
        "region": "varchar", "industry": "varchar", "joined_at": "timestamp", "manager": "varchar",
        "crm_account_id": "varchar", "sharing_level": "varchar", "motion": "varchar", "program_group": "varchar",
        "is_deleted": "boolean", "is_test": "boolean",
    },
    "deployment.source_settings": {
        "source": "varchar", "connector": "varchar", "kind": "varchar", "source_order": "integer",
        "default_currency": "varchar",
    },
    "deployment.pseudo_partners": {"value": "varchar"},
    "deployment.crosswalk": {"source": "varchar", "source_id": "varchar", "partner_number": "varchar"},
    "deployment.public_suffixes": {"suffix": "varchar", "kind": "varchar"},
    "released.identities": {
        "source": "varchar", "source_id": "varchar", "partner_id": "varchar", "partner_number": "varchar",
        "kind": "varchar", "record_name": "varchar", "rule": "varchar", "known_since": "date", "is_present": "boolean",
    },
}  # fmt: skip
_SEEDS = ("countries", "legal_forms", "name_words", "public_domains")
_LAST_MODEL = "int_partner_candidates"


@dataclass(frozen=True)
class Record:
    """What one system says of a partner."""

    source: str
    source_id: str
    name: str
    domain: str | None = None
    country: str | None = None
    crm_account_id: str | None = None
    partner_number: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.source, self.source_id)


@dataclass(frozen=True)
class Pair:
    """Two records and whether they are one partner; `line` is where the file says so."""

    left: Record
    right: Record
    is_same: bool
    line: int


@dataclass(frozen=True)
class Judged:
    """A pair with what the rules made of it: `linked` by which rule, `queued` for review, or `apart`."""

    pair: Pair
    outcome: str
    rule: str


@dataclass(frozen=True)
class Evaluation:
    """What the rules made of labelled pairs."""

    judged: tuple[Judged, ...]
    record_count: int
    source_count: int

    def count(self, outcome: str, *, is_same: bool) -> int:
        """How many pairs with that answer came to that outcome."""
        return sum(one.outcome == outcome and one.pair.is_same == is_same for one in self.judged)

    def precision(self, *outcomes: str) -> float | None:
        """Of the pairs that came to one of these outcomes, the share that is the same; None where none did."""
        found = [one for one in self.judged if one.outcome in outcomes]
        return sum(one.pair.is_same for one in found) / len(found) if found else None

    def recall(self, *outcomes: str) -> float | None:
        """Of the pairs that are the same, the share that came to one of these outcomes; None where none is."""
        same = [one for one in self.judged if one.pair.is_same]
        return sum(one.outcome in outcomes for one in same) / len(same) if same else None

    @property
    def wrong_links(self) -> list[Judged]:
        """Pairs that were linked although they are two partners."""
        return [one for one in self.judged if one.outcome == "linked" and not one.pair.is_same]

    @property
    def missed(self) -> list[Judged]:
        """Pairs that are one partner, and that were neither linked nor put to anybody."""
        return [one for one in self.judged if one.outcome == "apart" and one.pair.is_same]


# --- reading a file of pairs --------------------------------------------------------------------------------------

_SIDES = {
    "left": ("left", "a", "1", "first", "record1", "record_a", "l"),
    "right": ("right", "b", "2", "second", "record2", "record_b", "r"),
}
_FIELDS = {
    "source": ("source", "system", "src", "source_system"),
    "id": ("id", "source_id", "record_id", "key", "account_id", "partner_id"),
    "name": ("name", "company", "company_name", "partner_name", "account_name", "partner"),
    "domain": ("domain", "website", "web", "url", "web_domain", "host", "site", "homepage"),
    "country": ("country", "country_code", "country_name", "billing_country"),
    "crm_account_id": ("crm_account_id", "crm_id", "crm_account"),
    "partner_number": ("partner_number", "number", "partner_no"),
}
_ANSWERS = (
    "same", "is_same", "same_partner", "is_same_partner", "label", "match", "is_match", "matches", "truth", "answer",
    "expected", "is_duplicate", "duplicate", "linked", "link",
)  # fmt: skip
_YES = {"yes", "y", "1", "1.0", "true", "t", "same", "match", "positive", "link", "duplicate"}
_NO = {
    "no",
    "n",
    "0",
    "0.0",
    "false",
    "f",
    "different",
    "no match",
    "nomatch",
    "no_match",
    "negative",
    "distinct",
    "not same",
    "non-match",
}


def _spelled(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([a-z])([A-Z])", r"\1_\2", header.strip()).lower()).strip("_")


@cache
def _headers() -> dict[str, tuple[str, str]]:
    """By the spelling of a heading the side and the field it means."""
    found: dict[str, tuple[str, str]] = {}
    for side, words in _SIDES.items():
        for field, names in _FIELDS.items():
            for word in words:
                for name in names:
                    for spelling in (f"{word}_{name}", f"{name}_{word}", f"{name}{word}", f"{word}{name}"):
                        found.setdefault(spelling, (side, field))
    return found


def read_pairs(path: Path) -> list[Pair]:
    """The labelled pairs of a CSV file.

    Needs a name of either side (`left_name` and `right_name`, or `name_a`, `name1`, `a_name`...) and the answer
    (`same`, `label`, `is_match`...: yes or no, 1 or 0, true or false). Source, id, domain, country, crm_account_id and
    partner_number of either side are optional: without sources the sides are two systems, without ids a record is
    known by what it says.

    Raises:
        InputError: no such file, a column is missing or there twice, an answer cannot be read, a record says two
            things.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            sample = handle.read(4096)
            handle.seek(0)
            first = sample.splitlines()[0] if sample.splitlines() else ""
            delimiter = max(",;\t|", key=first.count)
            reader = csv.reader(handle, delimiter=delimiter)
            lines: list[tuple[int, list[str]]] = []
            start = 1
            for row in reader:
                if any(cell.strip() for cell in row):
                    lines.append((start, row))
                start = reader.line_num + 1  # a cell may hold a line break
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise InputError(f"{path}: cannot be read as CSV in UTF-8 ({problem})") from None
    if not lines:
        raise InputError(f"{path}: is empty", next_step="a header and one pair per line")
    header = lines[0][1]
    columns, answer = _columns(path, header)
    if len(lines) == 1:
        raise InputError(f"{path}: has a header and no pair", next_step="one pair per line")
    has_source = ("left", "source") in columns and ("right", "source") in columns
    pairs: list[Pair] = []
    told: dict[tuple[str, str], tuple[Record, int]] = {}
    for number, line in lines[1:]:
        cells = {column: line[place].strip() for column, place in columns.items() if place < len(line)}
        said = line[answer].strip().lower() if answer < len(line) else ""
        if said not in _YES | _NO:
            raise InputError(
                f"{path}: line {number}: {header[answer]} is {said!r}", next_step="yes or no, 1 or 0, true or false"
            )
        sides = []
        for side in ("left", "right"):
            cell = {field: cells.get((side, field), "") for field in _FIELDS}
            if not cell["name"]:
                raise InputError(f"{path}: line {number}: the {side} record has no name")
            source = cell["source"] or (side if not has_source else "")
            if not source:
                raise InputError(f"{path}: line {number}: the {side} record has no source")
            record = Record(
                source=source,
                source_id=cell["id"] or _made_up_id(cell),
                name=cell["name"],
                domain=cell["domain"] or None,
                country=cell["country"] or None,
                crm_account_id=cell["crm_account_id"] or None,
                partner_number=cell["partner_number"] or None,
            )
            known, at = told.setdefault(record.key, (record, number))
            if known != record:
                raise InputError(
                    f"{path}: line {number}: {source} record {record.source_id} says something else than in line {at}",
                    next_step="one id, one record: give the second an id of its own, or the same columns",
                )
            sides.append(record)
        if sides[0].key == sides[1].key:
            raise InputError(f"{path}: line {number}: both sides are {sides[0].source} record {sides[0].source_id}")
        pairs.append(Pair(sides[0], sides[1], said in _YES, number))
    return pairs


def _made_up_id(cell: Mapping[str, str]) -> str:
    text = "|".join(cell[field] for field in _FIELDS if field != "id")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _columns(path: Path, header: Sequence[str]) -> tuple[dict[tuple[str, str], int], int]:
    known = _headers()
    columns: dict[tuple[str, str], int] = {}
    answer: int | None = None
    for place, name in enumerate(header):
        spelling = _spelled(name)
        if spelling in _ANSWERS:
            before, answer = answer, place
        elif spelling in known:
            before = columns.get(known[spelling])
            columns[known[spelling]] = place
        else:
            continue
        if before is not None:
            raise InputError(
                f"{path}: {header[before]} and {name} both say the same of a pair; which one counts?",
                next_step="rename or remove one of the two",
            )
    missing = [f"{side}_name" for side in _SIDES if (side, "name") not in columns]
    missing += ["same"] if answer is None else []
    if missing or answer is None:
        hints = [
            f"did you mean {near!r} for {name}?"
            for name in missing
            if (near := nearest(name, [_spelled(one) for one in header if one.strip()]))
        ]
        raise InputError(
            f"{path}: has no column {', '.join(missing)}; its columns are {', '.join(header)}",
            next_step=" ".join(
                [*hints, "needed: left_name, right_name, same; beside them source, id, domain, country of either side"]
            ),
        )
    return columns, answer


# --- the project's rules on these records -------------------------------------------------------------------------


def _models(folder: Path | None) -> list[tuple[str, str, str]]:
    """Schema, table and SQL of the models of identity in an order in which they can be run."""
    base = os.environ.get("XDG_CACHE_HOME")
    place = (folder or (Path(base) if base else Path.home() / ".cache") / "partner-segments") / "identity"
    file = place / f"{project_hash(_FORMAT, 'identity')}.json"
    try:
        return [(str(s), str(t), str(q)) for s, t, q in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        pass  # not there yet, or damaged: it is made again
    manifest, _ = compile_project(_DATABASE, select=f"+{_LAST_MODEL}")
    found = list(_ordered(manifest))
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place, encoding="utf-8", delete=False) as scratch:
            json.dump(found, scratch)
        Path(scratch.name).replace(file)
    except OSError:
        return found  # a home that cannot be written: the next process compiles again
    return found


def _ordered(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    nodes: Mapping[str, Any] = {**manifest["nodes"], **manifest["sources"]}
    laid = {*_INPUTS, *(f"seeds.{name}" for name in _SEEDS)}
    found: list[tuple[str, str, str]] = []
    done: set[str] = set()

    def visit(key: str, reader: str) -> None:
        node = nodes[key]
        table = node.get("identifier") or node.get("alias") or node["name"]
        if key in done or f"{node['schema']}.{table}" in laid:
            return
        done.add(key)
        if node["resource_type"] != "model":
            raise BuildError(f"{reader} reads {node['schema']}.{table}, which an evaluation does not lay")
        for parent in node["depends_on"]["nodes"]:
            visit(parent, node["name"])
        if node["config"]["materialized"] != "ephemeral":
            found.append((node["schema"], table, node["compiled_code"]))

    (last,) = (key for key, node in nodes.items() if node["resource_type"] == "model" and node["name"] == _LAST_MODEL)
    visit(last, "")
    return found


@cache
def _seed(name: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(tuple(row.items()) for row in csv.DictReader(handle))


def _kind_of(source: str, place: int, names: Sequence[str]) -> str:
    """The kind of system that a name of a source speaks of; who speaks of none is a CRM if it comes first."""
    bare = source.lower()
    if any(word in bare for word in ("prm", "portal")):
        return "prm"
    if any(word in bare for word in ("map", "crossbeam", "reveal")):
        return "account_mapping"
    is_crm = any(word in bare for word in ("crm", "salesforce", "hubspot", "dynamics", "sfdc")) or place == 0
    return "crm" if is_crm else "prm"


def identity_of(
    records: Iterable[Record],
    *,
    kinds: Mapping[str, str] | None = None,
    crosswalk: Sequence[tuple[str, str, str]] = (),
    released: Sequence[Mapping[str, Any]] = (),
    cache_folder: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """A scratch database with the tables of identity over these records; the caller closes it.

    `kinds` says what kind of system each source is, in the order in which they are believed; default: by their names.
    `crosswalk` has source, source_id and partner_number; `released` rows of `released.identities`: who was who before.

    Raises:
        BuildError: dbt does not compile the models.
    """
    roster = list({record.key: record for record in records}.values())
    if kinds is None:
        names = list(dict.fromkeys(record.source for record in roster))
        kinds = {name: _kind_of(name, place, names) for place, name in enumerate(names)}
    models = _models(cache_folder)
    con = memory()
    con.execute(f"attach ':memory:' as {_DATABASE}")
    con.execute(f"use {_DATABASE}")
    rows: dict[str, list[dict[str, Any]]] = {address: [] for address in _INPUTS}
    for record in roster:
        table = "conformed.accounts" if kinds[record.source] == "crm" else "conformed.partners"
        said = {**record.__dict__, "domain": host_of(record.domain)}
        rows[table].append({**said, "is_partner": True, "is_deleted": False, "is_test": False})
    rows["deployment.source_settings"] = [
        {"source": name, "connector": "files", "kind": kind, "source_order": 1000 * KINDS.index(kind) + place}
        for place, (name, kind) in enumerate(kinds.items(), 1)
    ]
    rows["deployment.crosswalk"] = [
        {"source": source, "source_id": source_id, "partner_number": number} for source, source_id, number in crosswalk
    ]
    rows["deployment.public_suffixes"] = public_suffixes()
    rows["released.identities"] = [dict(row) for row in released]
    for address, columns in _INPUTS.items():
        schema, _, table = address.partition(".")
        write_rows(con, schema, table, columns, rows[address])
    for name in _SEEDS:
        seed = [dict(row) for row in _seed(name)]
        write_rows(con, "seeds", name, dict.fromkeys(seed[0], "varchar"), seed)
    for schema, table, sql in models:
        con.execute(f"create schema if not exists {quoted(schema)}")
        con.execute(f"create table {quoted(schema)}.{quoted(table)} as (\n{sql}\n)")
    return con


def evaluate_pairs(pairs: Sequence[Pair], *, cache_folder: Path | None = None) -> Evaluation:
    """What the rules make of labelled pairs.

    Raises:
        BuildError: dbt does not compile the models.
    """
    records = [record for pair in pairs for record in (pair.left, pair.right)]
    con = identity_of(records, cache_folder=cache_folder)
    try:
        links = {
            (source, source_id): (partner, rule)
            for source, source_id, partner, rule in con.execute(
                "select source, source_id, partner_id, rule from identity.partner_links"
            ).fetchall()
        }
        listed = {
            frozenset(row): reason
            for *row, reason in con.execute(
                "select partner_id, other_partner_id, reason from identity.partner_candidates"
            ).fetchall()
        }
    finally:
        con.close()
    judged = []
    for pair in pairs:
        (one, rule), (other, other_rule) = links[pair.left.key], links[pair.right.key]
        if one == other:
            judged.append(Judged(pair, "linked", other_rule if other_rule != "own" else rule))
        elif reason := listed.get(frozenset((one, other))):
            judged.append(Judged(pair, "queued", reason))
        else:
            judged.append(Judged(pair, "apart", ""))
    sources = {record.source for record in records}
    return Evaluation(tuple(judged), len({record.key for record in records}), len(sources))

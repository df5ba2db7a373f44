"""What identity rests on besides the records themselves: the hand-made crosswalk and the public suffix list.

How records become partners is SQL (`dbt_project/models/intermediate/identity`); this module lays down its inputs, and
writes the rows of the crosswalk for those who would rather not open the file.
"""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from pipelines.clock import now
from pipelines.errors import ConfigError, InputError
from pipelines.settings import Settings
from pipelines.warehouse import Places, connect

KINDS = ("crm", "prm", "account_mapping")
"""Kinds of systems in the order in which they are believed about who a partner is."""

ITSELF = "itself"
"""What the crosswalk says in place of a partner's number: the record is a partner of its own, link it never."""

_COLUMNS = ("source", "source_id", "partner_number")
_TOLD = ("why", "by", "at")


def read_crosswalk(settings: Settings, sources: list[str]) -> list[dict[str, Any]]:
    """The crosswalk of a deployment: one row per record that somebody has assigned to a partner.

    A partner_number is the number of a partner, the id of a record that has no number, `source/id` for one very record,
    or `itself`: the record is a partner of its own.

    Raises:
        ConfigError: the file is missing or not as described, or names an unknown source or one record twice.
    """
    path = crosswalk_file(settings)
    if path is None:
        return []
    place = f"{settings.file}: identity.crosswalk: {path.name}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = csv.DictReader(handle)
            missing = [name for name in _COLUMNS if name not in (lines.fieldnames or [])]
            if missing:
                raise ConfigError(
                    f"{place}: the header has no {', '.join(missing)}; nothing was run",
                    next_step="its columns are source, source_id, partner_number, why",
                )
            rows = [{name: (line[name] or "").strip() for name in _COLUMNS} for line in lines]
    except FileNotFoundError:
        raise ConfigError(f"{place}: no such file; nothing was run") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ConfigError(f"{place}: cannot be read ({problem}); nothing was run") from None
    seen: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, 1):
        blank = [name for name in _COLUMNS if not row[name]]
        if blank:
            raise ConfigError(f"{place}: row {number}: {', '.join(blank)} is blank; nothing was run")
        if row["source"] not in sources:
            near = difflib.get_close_matches(row["source"], sources, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"{place}: row {number}: source {row['source']!r} is not configured; {hint}"
                f"sources: {', '.join(sources)}; nothing was run"
            )
        record = (row["source"], row["source_id"])
        if record in seen:
            raise ConfigError(
                f"{place}: row {number}: {record[0]} record {record[1]} is assigned in row {seen[record]} already; "
                "nothing was run"
            )
        seen[record] = number
    return rows


def crosswalk_file(settings: Settings) -> Path | None:
    """The file of the crosswalk, None where the deployment names none."""
    named = settings.identity.crosswalk
    return None if named is None else (settings.file.parent / named).resolve()


@dataclass(frozen=True)
class Known:
    """A record of a partner as the last run saw it."""

    source: str
    source_id: str
    name: str
    partner_number: str | None
    partner_id: str
    place: str
    """Where it stands in the order in which records are believed."""

    @property
    def address(self) -> str:
        """source/id, as the commands take it."""
        return f"{self.source}/{self.source_id}"


def known_records(places: Places) -> list[Known]:
    """The records of partners in the warehouse of the last run, in the order in which they are believed.

    Raises:
        InputError: there was no run yet, or one by an older version.
    """
    if not places.warehouse.exists():
        raise InputError(
            f"there was no run yet ({places.warehouse} is not there)", next_step="segments run reads the records"
        )
    with connect(places.warehouse, read_only=True) as con:
        try:
            rows = con.execute(
                "select r.source, r.source_id, coalesce(r.name, ''), r.partner_number, l.partner_id, "
                "lpad(cast(r.source_order as varchar), 6, '0') || '/' || r.source_id as place "
                "from identity.partner_records as r "
                "inner join identity.partner_links as l on r.source = l.source and r.source_id = l.source_id "
                "order by place"
            ).fetchall()
        except duckdb.CatalogException:
            raise InputError("the last run did not come to its partners", next_step="segments run") from None
    return [Known(*row) for row in rows]


def find_record(records: Sequence[Known], said: str) -> Known:
    """The record that somebody means: `source/id`, an id, or the number of a partner that has one record.

    Raises:
        InputError: there is none, with the nearest; or there are several, which are named.
    """
    found = [one for one in records if said == one.address]
    found = found or [one for one in records if said == one.source_id]
    if not found:
        named = next((one.partner_id for one in records if said == one.partner_number), None)
        found = [one for one in records if one.partner_id == named] if named else []
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{one.address} ({one.name})" for one in found)
        raise InputError(f"{said}: several records: {listed}; nothing was written", next_step="name one as source/id")
    known = {
        text: one for one in reversed(records) for text in (one.name, one.partner_number, one.source_id, one.address)
    }
    near = difflib.get_close_matches(said, [text for text in known if text], 1, cutoff=0.5)
    hint = f"; the nearest is {known[near[0]].address} ({known[near[0]].name})" if near else ""
    raise InputError(
        f"{said}: no record of the last run{hint}; nothing was written",
        next_step="name a record as source/id, e.g. crm/0012; `segments identity review` shows them",
    )


@dataclass(frozen=True)
class Written:
    """What a command wrote into the crosswalk."""

    file: Path
    record: Known
    partner_number: str
    before: str | None
    """What the row of the record said before; None where there was none."""
    is_new_file: bool

    @property
    def has_changed(self) -> bool:
        return self.before != self.partner_number


def link_records(
    settings: Settings, records: Sequence[Known], one: Known, other: Known, *, why: str = "", by: str = ""
) -> Written:
    """Say that two records are one partner: the one that is believed later is assigned to the earlier.

    The row takes effect at the next run. Saying it again changes nothing.

    Raises:
        InputError: both are one record.
        ConfigError: the crosswalk cannot be read.
    """
    if one.address == other.address:
        raise InputError(f"{one.address} is one record; nothing was written", next_step="name two records")
    first, later = sorted((one, other), key=lambda record: record.place)
    said = {(row["source"], row["source_id"]): row["partner_number"] for row in _rows(settings)[1]}
    if said.get((first.source, first.source_id)) in _names(records, later):
        first, later = later, first  # somebody has assigned them the other way round
    return _write(settings, later, _names(records, first)[0], why=why, by=by)


def unlink_record(settings: Settings, record: Known, *, why: str = "", by: str = "") -> Written:
    """Say that a record is a partner of its own, which no rule links to another.

    The row takes effect at the next run. Saying it again changes nothing.

    Raises:
        ConfigError: the crosswalk cannot be read.
    """
    return _write(settings, record, ITSELF, why=why, by=by)


def _names(records: Sequence[Known], record: Known) -> list[str]:
    """How the crosswalk may name a record, the best to read first."""
    short = record.partner_number or record.source_id
    first = next(one for one in records if (one.partner_number or one.source_id) == short)
    return [short, record.address] if first.address == record.address else [record.address]


def _rows(settings: Settings) -> tuple[list[str], list[dict[str, str]]]:
    path = crosswalk_file(settings) or settings.file.parent / "crosswalk.csv"
    if not path.exists():
        return [*_COLUMNS, *_TOLD], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            lines = csv.DictReader(handle, restval="")
            header = list(lines.fieldnames or [])
            rows = [{name: line[name] or "" for name in header} for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ConfigError(f"{path}: cannot be read ({problem}); nothing was written") from None
    if missing := [name for name in _COLUMNS if name not in header]:
        raise ConfigError(
            f"{path}: the header has no {', '.join(missing)}; nothing was written",
            next_step="its columns are source, source_id, partner_number, why",
        )
    return [*header, *(name for name in _TOLD if name not in header)], rows


def _write(settings: Settings, record: Known, partner_number: str, *, why: str, by: str) -> Written:
    path = crosswalk_file(settings) or (settings.file.parent / "crosswalk.csv").resolve()
    is_new = not path.exists()
    header, rows = _rows(settings)
    mine = next(
        (row for row in rows if (row["source"].strip(), row["source_id"].strip()) == (record.source, record.source_id)),
        None,
    )
    before = mine["partner_number"].strip() if mine is not None else None
    done = Written(path, record, partner_number, before, is_new)
    if not done.has_changed:
        return done
    if mine is None:
        mine = {"source": record.source, "source_id": record.source_id}
        rows.append(mine)
    mine |= {"partner_number": partner_number, "why": why, "by": by, "at": now().date().isoformat()}
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    scratch = path.with_name(f".{path.name}.tmp")
    try:
        scratch.write_text(text.getvalue(), encoding="utf-8")
        os.replace(scratch, path)
    except OSError as problem:
        scratch.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({problem}); it is as it was") from None
    return done


@cache
def _suffix_rows() -> tuple[tuple[str, str], ...]:
    import publicsuffixlist

    found = []
    for line in Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8").splitlines():
        rule = line.split("//")[0].strip().lower()
        if not rule:
            continue
        if rule.startswith("!"):
            found.append((rule[1:], "exception"))
        elif rule.startswith("*."):
            found.append((rule[2:], "wildcard"))
        else:
            found.append((rule, "plain"))
    return tuple(sorted(set(found)))


def public_suffixes() -> list[dict[str, Any]]:
    """The public suffix list (publicsuffix.org) as rows: plain suffixes, `*.` rules by their base, and exceptions."""
    return [{"suffix": suffix, "kind": kind} for suffix, kind in _suffix_rows()]


def host_of(text: str | None) -> str | None:
    """The host that a web address names, in small letters and without `www.`; None where there is none.

    The same as staging makes of a domain column.
    """
    bare = re.sub(r"^[a-z]+://", "", (text or "").strip().lower())
    bare = re.sub(r"[/?#:].*$", "", bare)
    return re.sub(r"^www\.", "", bare) or None

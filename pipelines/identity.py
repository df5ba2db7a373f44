"""What identity rests on besides the records themselves: the hand-made crosswalk and the public suffix list.

How records become partners is SQL (`dbt_project/models/intermediate/identity`); this module lays down its inputs, and
writes the rows of the crosswalk for those who would rather not open the file.
"""

from __future__ import annotations

import csv
import difflib
import fcntl
import io
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb

from pipelines.clock import now
from pipelines.errors import Busy, ConfigError, InputError
from pipelines.settings import Settings
from pipelines.warehouse import Places, connect

KINDS = ("crm", "prm", "account_mapping")
"""Kinds of systems in the order in which they are believed about who a partner is."""

ITSELF = "itself"
"""What the crosswalk says in place of a partner's number: the record is a partner of its own, link it never."""

_COLUMNS = ("source", "source_id", "partner_number")
_TOLD = ("why", "by", "at")
_MARK = "\ufeff"


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
    head: str | None = None
    """The record that its partner began with, as source/id; None where that is this one."""

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
                "lpad(cast(r.source_order as varchar), 6, '0') || '/' || r.source_id as place, "
                "l.key_source || '/' || l.key_source_id "
                "from identity.partner_records as r "
                "inner join identity.partner_links as l on r.source = l.source and r.source_id = l.source_id "
                "order by place"
            ).fetchall()
        except duckdb.CatalogException:
            raise InputError("the last run did not come to its partners", next_step="segments run") from None
    return [Known(*row) for row in rows]


def crosswalk_of_last_run(places: Places) -> set[tuple[str, str, str]]:
    """Source, id and number of the rows of the crosswalk that the last run read; none while a run writes."""
    if not places.warehouse.exists():
        return set()
    try:
        with connect(places.warehouse, read_only=True, wait_seconds=2) as con:
            return set(con.execute("select source, source_id, partner_number from deployment.crosswalk").fetchall())
    except (Busy, duckdb.CatalogException):
        return set()  # every row then counts as written since: a pair may be missing from the list, none is asked twice


def pairs_waiting(
    pairs: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]], read: set[tuple[str, str, str]]
) -> list[Mapping[str, Any]]:
    """The pairs of the queue that no row of the crosswalk touches which the run has not read.

    A row that the run has read has had its effect: what is still asked of its record is another question.
    """
    since = {
        (row["source"], row["source_id"])
        for row in said
        if (row["source"], row["source_id"], row["partner_number"]) not in read
    }
    return [
        pair
        for pair in pairs
        if not since & {(pair["source"], pair["source_id"]), (pair["other_source"], pair["other_source_id"])}
    ]


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

    The row takes effect at the next run. Saying it again changes nothing. A record that has come to its partner by a
    rule is not taken from it in passing: its row has to be there already.

    Raises:
        InputError: both are one record, or the later would leave another partner.
        ConfigError: the crosswalk cannot be read.
    """
    if one.address == other.address:
        raise InputError(f"{one.address} is one record; nothing was written", next_step="name two records")
    first, later = sorted((one, other), key=lambda record: record.place)
    with _sheet(settings) as sheet:
        said = {record: number for record, (_, number) in sheet.said().items()}
        if said.get((first.source, first.source_id)) in _names(records, later):
            first, later = later, first  # somebody has assigned them the other way round
        head, target = later.head or later.address, first.head or first.address
        if (later.source, later.source_id) not in said and head not in (later.address, target):
            raise InputError(
                f"{later.address} ({later.name}) belongs to {head} and would leave it; nothing was written",
                next_step=f"`segments identity link {target} {head}` makes one partner of both; if {later.address} "
                f"alone is to move: `segments identity unlink {later.address}`, and then this again",
            )
        return _write(sheet, later, _names(records, first)[0], why=why, by=by)


def unlink_record(settings: Settings, record: Known, *, why: str = "", by: str = "") -> Written:
    """Say that a record is a partner of its own, which no rule links to another.

    The row takes effect at the next run. Saying it again changes nothing.

    Raises:
        ConfigError: the crosswalk cannot be read.
    """
    with _sheet(settings) as sheet:
        return _write(sheet, record, ITSELF, why=why, by=by)


def _names(records: Sequence[Known], record: Known) -> list[str]:
    """How the crosswalk may name a record, the best to read first."""
    short = record.partner_number or record.source_id
    first = next(one for one in records if (one.partner_number or one.source_id) == short)
    return [short, record.address] if first.address == record.address else [record.address]


@dataclass
class _Sheet:
    """The crosswalk line by line: what nobody changes is written back as it stood."""

    path: Path
    mark: str
    """The byte order mark with which spreadsheets begin a file, or nothing."""
    header: list[str]
    lines: list[tuple[list[str], str]]
    """The cells of every line with its text; the header is the first."""
    is_new: bool = False

    @property
    def ending(self) -> str:
        first = self.lines[0][1]
        return first[len(first.rstrip("\r\n")) :] or "\n"

    def said(self) -> dict[tuple[str, str], tuple[int, str]]:
        """By record the line that speaks of it and the number it says; the first line counts."""
        at = [self.header.index(name) for name in _COLUMNS]
        found: dict[tuple[str, str], tuple[int, str]] = {}
        for place, (cells, _) in enumerate(self.lines[1:], 1):
            if cells:
                source, source_id, number = (cells[one].strip() if one < len(cells) else "" for one in at)
                found.setdefault((source, source_id), (place, number))
        return found

    def put(self, place: int | None, values: dict[str, str]) -> None:
        """Change these cells of one line, or of a new one at the end; all others stay."""
        further = [name for name in values if name not in self.header]
        if further:
            text = self.lines[0][1]
            self.header += further
            self.lines[0] = (self.header, text.rstrip("\r\n") + "," + ",".join(further) + self.ending)
        cells = list(self.lines[place][0]) if place is not None else []
        cells += [""] * (len(self.header) - len(cells))
        for name, value in values.items():
            cells[self.header.index(name)] = value
        line = (cells, _csv_line(cells) + self.ending)
        if place is not None:
            self.lines[place] = line
            return
        before, text = self.lines[-1]
        self.lines[-1] = (before, text if text.endswith(("\r", "\n")) else text + self.ending)
        self.lines.append(line)

    def save(self) -> None:
        """Put the file in place of the old one, with the mode that one has."""
        scratch: Path | None = None
        try:
            with NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".tmp", encoding="utf-8", newline="",
                delete=False,
            ) as handle:  # fmt: skip
                scratch = Path(handle.name)
                handle.write(self.mark + "".join(text for _, text in self.lines))
            scratch.chmod(_mode_of_new_files() if self.is_new else stat.S_IMODE(self.path.stat().st_mode))
            os.replace(scratch, self.path)
        except OSError as problem:
            if scratch is not None:
                scratch.unlink(missing_ok=True)
            raise ConfigError(f"{self.path}: cannot be written ({problem}); it is as it was") from None


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _sheet(settings: Settings) -> Iterator[_Sheet]:
    """The crosswalk, which nobody else writes meanwhile; the folder is locked, as the file itself is replaced."""
    path = crosswalk_file(settings) or (settings.file.parent / "crosswalk.csv").resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written ({problem})") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield _read_sheet(path)
    finally:
        os.close(folder)


def _read_sheet(path: Path) -> _Sheet:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            text = handle.read()
        written = text.removeprefix(_MARK)
        physical = list(io.StringIO(written, newline=""))
        reader = csv.reader(physical)
        lines: list[tuple[list[str], str]] = []
        start = 0
        for cells in reader:
            lines.append((cells, "".join(physical[start : reader.line_num])))
            if len(cells) > len(lines[0][0]):
                raise ConfigError(
                    f"{path}: line {start + 1} has {len(cells)} cells, the header {len(lines[0][0])}; "
                    "nothing was written",
                    next_step="put a text with a comma in quotation marks, or name the column",
                )
            start = reader.line_num
    except FileNotFoundError:
        header = [*_COLUMNS, *_TOLD]
        return _Sheet(path, "", header, [(header, _csv_line(header) + "\n")], is_new=True)
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise ConfigError(f"{path}: cannot be read ({problem}); nothing was written") from None
    header = list(lines[0][0]) if lines else []
    if missing := [name for name in _COLUMNS if name not in header]:
        raise ConfigError(
            f"{path}: the header has no {', '.join(missing)}; nothing was written",
            next_step="its columns are source, source_id, partner_number, why",
        )
    if twice := [name for name in _COLUMNS if header.count(name) > 1]:
        raise ConfigError(f"{path}: the header has {', '.join(twice)} twice; nothing was written")
    return _Sheet(path, text[: len(text) - len(written)], header, lines)


def _write(sheet: _Sheet, record: Known, partner_number: str, *, why: str, by: str) -> Written:
    place, before = sheet.said().get((record.source, record.source_id), (None, None))
    done = Written(sheet.path, record, partner_number, before, sheet.is_new)
    if done.has_changed:
        told = {"why": why, "by": by, "at": now().date().isoformat()}
        sheet.put(
            place,
            {"source": record.source, "source_id": record.source_id, "partner_number": partner_number, **told},
        )
        sheet.save()
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

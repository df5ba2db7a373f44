"""Reads worked cases of a programme from CSV: facts in, the points and levels that somebody expects of them out.

A case is one line. What its names mean is judged by `conformance.py`, which knows the programmes; here a line becomes
values, and whatever is no number, no day and no known column is refused with file, line and what should stand there.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pipelines.errors import InputError
from pipelines.fiscal import FiscalCalendar
from pipelines.policy.parts import MAX_DECIMALS, MAX_WHOLE_DIGITS, nearest

NEXT_STEP = "docs/reference-programmes.md says what each column holds"

COLUMNS = (
    "id",
    "policy",
    "version",
    "on",
    "quarter",
    "group",
    "partner",
    "facts",
    "values",
    "points",
    "level",
    "earned",
    "track",
    "action",
    "failed",
    "provenance",
    "disputed",
)
# Columns of one name each: `facts.NAME`, `values.NAME` and `points.NAME`.
PREFIXES = ("facts.", "values.", "points.")
EXPECTATIONS = ("values", "points", "level", "earned", "track", "action", "failed")
UNKNOWN = ("unknown", "null", "none")
TOTAL = "total"
NOTHING = "none"
NOT_DISPUTED = ("", "no", "false", "0", "-")
_SUFFIXES = (".vectors", ".cases")
_QUARTER = re.compile(r"^\d{4}[Qq][1-4]$")
_CALENDAR = FiscalCalendar()


@dataclass(frozen=True)
class DatedFact:
    """One fact as a source hands it in; without a day it is of the review's day."""

    day: date | None
    value: Decimal | None
    subject: str | None
    attributes: Mapping[str, str]


# A number, a text (an attribute), unknown, facts, or numbers by the last day of their quarter.
Fact = Decimal | str | None | tuple[DatedFact, ...] | dict[date, Decimal | None]


@dataclass(frozen=True)
class Failed:
    """The conditions that should fail, as written: of the level above, or of the level that is named."""

    ladder: str | None
    level: str | None
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One line: what is known of a partner at a review, and what should come of it. Empty: nothing is expected."""

    id: str
    file: str
    line: int
    policy: str
    version: str | None
    day: date | None
    """The last day of the quarter that is reviewed, or the day as stated."""
    quarter: str | None
    group: str | None
    partner: str | None
    facts: Mapping[str, Fact]
    values: Mapping[str, Decimal | None] = field(default_factory=dict)
    points: Mapping[str, Decimal | None] = field(default_factory=dict)
    level: Mapping[str | None, str] = field(default_factory=dict)
    earned: Mapping[str | None, str] = field(default_factory=dict)
    track: str | None = None
    action: Mapping[str | None, str] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()
    provenance: str = ""
    disputed: str = ""

    @property
    def place(self) -> str:
        """`FILE, line N (ID)`, for messages."""
        return f"{self.file}, line {self.line} ({self.id})"


class CaseError(InputError):
    """A CSV of cases cannot be read as one."""

    title = "cases"

    def __init__(self, message: str) -> None:
        super().__init__(message, next_step=NEXT_STEP)


def read_cases(folder: Path, policies: Iterable[str]) -> list[Case]:
    """The cases of every CSV of a folder (sub-folders left alone), in the order of files and lines.

    `policies` are the names of the programmes there; a file's cases belong to the programme it is named after
    (NAME.csv, NAME.vectors.csv) unless a column `policy` says otherwise.

    Raises:
        CaseError: a file is no CSV of cases; names file, line and what should stand there.
    """
    known = sorted(set(policies))
    found: list[Case] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".csv" and not path.name.startswith("."):
            found += _read_file(path, known)
    return found


def _read_file(path: Path, known: list[str]) -> list[Case]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as problem:
        raise CaseError(f"{path.name}: cannot be read ({problem.strerror or problem})") from None
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        raise CaseError(f"{path.name}, line {line}: is not UTF-8, save it as CSV UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header: list[str] = []
    cases: list[Case] = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if not header:
                header = _header(path.name, cells)
                continue
            if len(cells) > len(header):  # a stray delimiter would move what follows into other columns
                raise CaseError(
                    f"{path.name}, line {line}: {len(cells)} cells under {len(header)} columns; put quotes around a "
                    "cell that holds the delimiter"
                )
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
            cases.append(_case(path, line, row, known))
    except csv.Error as problem:
        raise CaseError(f"{path.name}, line {reader.line_num}: not CSV ({problem})") from None
    if not header:
        raise CaseError(f"{path.name}: is empty, expected a header with id, facts and what is expected")
    return cases


def _delimiter(text: str) -> str:
    """The delimiter of the first line that is no comment; facts hold semicolons, so lines of cases do not tell."""
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    known = set(COLUMNS)
    return max(",;\t|", key=lambda mark: sum(part.strip().strip('"').lower() in known for part in first.split(mark)))


def _header(file: str, cells: list[str]) -> list[str]:
    names: list[str] = []
    for cell in cells:
        name = cell.strip()
        lower = name.lower()
        prefix = next((prefix for prefix in PREFIXES if lower.startswith(prefix)), "")
        name = prefix + name[len(prefix) :] if prefix else lower
        if name and name not in COLUMNS and not prefix:
            hint = nearest(name, COLUMNS)
            guess = f"; did you mean `{hint}`?" if hint else ""
            expected = f"{', '.join(COLUMNS)}, facts.NAME, values.NAME or points.NAME"
            raise CaseError(f"{file}: unknown column `{cell.strip()}`, expected {expected}{guess}")
        if name and name in names:
            raise CaseError(f"{file}: the column `{name}` stands twice")
        names.append(name)
    missing = [] if "id" in names else ["id"]
    if not any(name == "facts" or name.startswith("facts.") for name in names):
        missing.append("facts")
    if missing:
        raise CaseError(f"{file}: the header lacks {' and '.join(missing)}; it is: {', '.join(names)}")
    if not any(name in EXPECTATIONS or name.startswith(("points.", "values.")) for name in names):
        raise CaseError(f"{file}: no column says what is expected, one of {', '.join(EXPECTATIONS)}")
    return names


def _case(path: Path, line: int, row: dict[str, str], known: list[str]) -> Case:
    name = row.get("id") or ""
    where = f"{path.name}, line {line}" + (f" ({name})" if name else "")
    if not name:
        raise CaseError(f"{where}: the case has no id")
    quarter = row.get("quarter", "").upper() or None
    day = _day(row["on"], where) if row.get("on") else None
    if quarter and day:
        raise CaseError(f"{where}: states both a day (`on`) and a quarter; one of them is enough")
    if quarter:
        day = _quarter_end(quarter, where)
    failed = row.get("failed", "")
    case = Case(
        id=name,
        file=path.name,
        line=line,
        policy=_policy(path, row.get("policy", ""), known, where),
        version=row.get("version") or None,
        day=day,
        quarter=quarter,
        group=row.get("group") or None,
        partner=row.get("partner") or None,
        facts=_facts(row, where),
        values=_numbers(row, where, "values"),
        points=_numbers(row, where, "points"),
        level=_by_ladder(row.get("level", ""), where, "level"),
        earned=_by_ladder(row.get("earned", ""), where, "earned"),
        track=row.get("track") or None,
        action=_by_ladder(row.get("action", ""), where, "action"),
        failed=_failed(failed) if failed else (),
        provenance=row.get("provenance", ""),
        disputed="" if row.get("disputed", "").lower() in NOT_DISPUTED else row["disputed"],
    )
    if not (case.values or case.points or case.level or case.earned or case.track or case.action or case.failed):
        raise CaseError(f"{where}: expects nothing; fill one of {', '.join(EXPECTATIONS)}")
    return case


def _policy(path: Path, named: str, known: list[str], where: str) -> str:
    name = named
    if not name:
        name = path.stem
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
    if name in known:
        return name
    hint = nearest(name, known)
    guess = f"; did you mean `{hint}`?" if hint else ""
    told = "the column `policy` says" if named else "the file's name says"
    raise CaseError(f"{where}: {told} `{name}`, the programmes here are {', '.join(known)}{guess}")


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CaseError(f"{where}: found the day {text!r}, expected one such as 2026-03-31") from None


def _quarter_end(text: str, where: str) -> date:
    if not _QUARTER.match(text):
        raise CaseError(f"{where}: found the quarter {text!r}, expected one such as 2026Q1")
    return _CALENDAR.parse(text).last_day


def number(text: str, where: str, what: str) -> Decimal:
    """`text` as a decimal with at most six digits behind the point."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        hint = ""
        if text.endswith("%"):
            hint = " (a share is written as 0.8, not 80 %)"
        elif "," in text:
            hint = " (a point before the decimals, no marks between thousands)"
        raise CaseError(f"{where}: {what}: found {text!r}, expected a number{hint}") from None
    exponent = value.normalize().as_tuple().exponent if value.is_finite() else 0
    if not value.is_finite() or (value and value.adjusted() >= MAX_WHOLE_DIGITS):
        raise CaseError(f"{where}: {what}: found {text}, expected a number of at most {MAX_WHOLE_DIGITS} digits")
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise CaseError(f"{where}: {what}: found {text}, expected at most {MAX_DECIMALS} decimals")
    return value


# --- facts ------------------------------------------------------------------------------------------------------


def _facts(row: Mapping[str, str], where: str) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    text = row.get("facts", "")
    if text.startswith("{"):
        for name, value in _json(text, where, "facts").items():
            found[name.strip()] = _json_fact(value, where, name.strip())
    else:
        for part in _split(text, ";"):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not name:
                raise CaseError(f"{where}: facts: found {part!r}, expected `name=value; name=value` or a JSON object")
            if name in found:
                raise CaseError(f"{where}: facts: `{name}` stands twice")
            found[name] = _text_fact(value, where, name)
    for column, value in row.items():
        if column.startswith("facts.") and value:
            name = column.removeprefix("facts.")
            if name in found:
                raise CaseError(f"{where}: facts: `{name}` stands twice")
            found[name] = _text_fact(value, where, name)
    return found


def _split(text: str, mark: str) -> list[str]:
    """Parts between marks that stand outside of JSON brackets and quotes."""
    parts, depth, is_quoted, start = [], 0, False, 0
    for place, character in enumerate(text):
        if character == '"' and text[place - 1 : place] != "\\":
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character in "[{") - (character in "]}")
            if character == mark and depth == 0:
                parts.append(text[start:place])
                start = place + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _text_fact(text: str, where: str, name: str) -> Fact:
    if text[:1] in ("[", "{", '"'):
        return _json_fact(_parsed(text, where, name), where, name)
    if not text or text.lower() in UNKNOWN:
        return None
    if text.lower() in ("true", "false"):
        return Decimal(text.lower() == "true")
    if re.match(r"^[-+.]?\d", text):
        return number(text, where, name)
    return text


def _json(text: str, where: str, what: str) -> dict[str, Any]:
    found = _parsed(text, where, what)
    assert isinstance(found, dict)  # it begins with a brace
    return found


def _parsed(text: str, where: str, what: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CaseError(f"{where}: {what}: `{twice[0]}` stands twice")
        return dict(found)

    def no_number(found: str) -> None:
        raise CaseError(f"{where}: {what}: found {found}, expected a number")

    try:
        return json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=no_number, object_pairs_hook=pairs
        )
    except json.JSONDecodeError as problem:
        raise CaseError(f"{where}: {what}: not JSON: {problem.msg} at character {problem.pos + 1}") from None


def _json_fact(value: Any, where: str, name: str) -> Fact:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, Decimal):
        return number(str(value), where, name)
    if isinstance(value, dict):
        return {_history_day(key, where, name): _history_value(inner, where, name) for key, inner in value.items()}
    return tuple(_dated(item, where, name) for item in value)


def _history_day(text: str, where: str, name: str) -> date:
    if _QUARTER.match(text):
        return _quarter_end(text, where)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CaseError(
            f"{where}: {name}: found the key {text!r}, expected values by quarter such as 2026Q1 (a list holds facts)"
        ) from None


def _history_value(value: Any, where: str, name: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal):
        raise CaseError(f"{where}: {name}: found {value!r}, expected a number by quarter")
    return number(str(value), where, name)


def _dated(item: Any, where: str, name: str) -> DatedFact:
    if isinstance(item, str):
        return DatedFact(None, None, item, {})
    if isinstance(item, Decimal):
        return DatedFact(None, number(str(item), where, name), None, {})
    if not isinstance(item, dict):
        raise CaseError(
            f"{where}: {name}: found {item!r} in the list, expected facts such as "
            '{"date": "2026-01-31", "subject": "A", "value": 1} or subjects such as "A"'
        )
    attributes: dict[str, str] = {}
    for key, value in item.items():
        if key in ("date", "value", "subject"):
            continue
        if isinstance(value, bool):
            attributes[key] = str(value).lower()
        elif isinstance(value, Decimal | str):
            attributes[key] = str(value)
        elif value is not None:
            raise CaseError(f"{where}: {name}: the attribute `{key}` is no text")
    day, amount, subject = item.get("date"), item.get("value"), item.get("subject")
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, Decimal)):
        raise CaseError(f"{where}: {name}: the value of a fact is {amount!r}, expected a number")
    return DatedFact(
        day=_day(str(day), where) if day is not None else None,
        value=None if amount is None else number(str(amount), where, name),
        subject=None if subject is None else str(subject),
        attributes=attributes,
    )


# --- expectations -----------------------------------------------------------------------------------------------


def _numbers(row: Mapping[str, str], where: str, what: str) -> dict[str, Decimal | None]:
    """`name=number; ...` of one column and those of one name each; points without a name are the total."""
    found: dict[str, Decimal | None] = {}

    def add(name: str, text: str) -> None:
        if name in found:
            raise CaseError(f"{where}: {what}: `{name}` stands twice")
        found[name] = None if text.lower() in UNKNOWN else number(text, where, f"{what} of {name}")

    for part in _split(row.get(what, ""), ";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals and what != "points":
            raise CaseError(f"{where}: {what}: found {part!r}, expected `metric=number; metric=number`")
        add(name if equals else TOTAL, value if equals else name)
    for column, value in row.items():
        if column.startswith(f"{what}.") and value:
            add(column.removeprefix(f"{what}."), value)
    return found


def _by_ladder(text: str, where: str, what: str) -> dict[str | None, str]:
    found: dict[str | None, str] = {}
    for part in _split(text, ";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        ladder = name if equals else None
        if ladder in found:
            raise CaseError(f"{where}: {what}: two of them for {ladder or 'one ladder; write `ladder=level`'}")
        found[ladder] = value if equals else name
    return found


def _failed(text: str) -> tuple[Failed, ...]:
    """`certified; retention`, or `tier.gold: certified | retention; segment.managed: ...`; `none` for nothing."""
    plain: list[str] = []
    found: list[Failed] = []
    for part in _split(text, ";"):
        match = re.match(r"^([\w-]+)(?:\.([\w-]+))?\s*:\s*(.*)$", part)
        if match:
            names = tuple(_split(match[3], "|"))
            # One word before the colon is a level where there is one ladder.
            ladder, level = (match[1], match[2]) if match[2] else (None, match[1])
            found.append(Failed(ladder, level, () if [x.lower() for x in names] == [NOTHING] else names))
        else:
            plain += _split(part, "|")
    if plain:
        found.insert(0, Failed(None, None, () if [x.lower() for x in plain] == [NOTHING] else tuple(plain)))
    return tuple(found)

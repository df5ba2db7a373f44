"""Reads a delimited text file as Arrow tables in which every column is text: no guessing, no rounding, no lost line.

Used by connectors that read exports. What a value means is decided in staging; a line that is no row is handed to
`RejectedLines` with its reason.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.connector import RejectedLines, snake
from pipelines.errors import InputError
from pipelines.textfile import BLOCK as _BLOCK
from pipelines.textfile import Stamp, TextFile, check_stamp, stamp_of, unreadable
from pipelines.textfile import fingerprint as fingerprint

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


@dataclass(frozen=True)
class Header:
    """The heading of a file: names as they stand, and as raw columns."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    lines: int = 1
    """How many lines of the file it takes."""
    stamp: Stamp | None = None
    """Which state of the file it was read from; the rows must come from the same one."""
    text: TextFile | None = None
    """How the file becomes text; unset: it is UTF-8."""
    delimiter: str = ","
    others: tuple[str, ...] = ()
    """Delimiters that a broken line is tried with, to tell a file that mixes them from one with a broken line."""


def read_header(path: Path, *, source: str, required: tuple[str, ...], known: tuple[str, ...] = ()) -> Header:
    """The first record of the file, checked: not empty, no name twice, every required field there.

    `required` and `known` are vendor names; case does not matter, because exporting tools spell headings as they like.

    Raises:
        InputError: names source, file and what is missing.
    """
    text = TextFile(path, source, path.name)
    try:
        stamp = stamp_of(path)
    except OSError as problem:
        raise unreadable(path.name, source, problem) from None
    head = text.head()
    if not head.strip():
        raise _empty(text, "export the object again; the lake keeps what it had")
    lines = csv.reader(io.StringIO(head, newline=""))
    names = tuple(next(lines))
    spelled = {name.casefold(): snake(name) for name in (*required, *known)}
    columns = tuple(
        spelled.get(name.strip().casefold()) or snake(name) or f"unnamed_{place}" for place, name in enumerate(names, 1)
    )
    missing = [name for name in required if snake(name) not in columns]
    if missing:
        looks_bare = not any(snake(name) in columns for name in (*required, *known))
        what = f"{'no header line; ' if looks_bare else ''}required fields missing from the header: "
        # Where the header is missing a row stands there, and people's names in it: it is counted and not repeated.
        raise InputError(
            f"source {source}: {path.name}: {what}{', '.join(missing)} (the first line has {_counted(len(names))}); "
            "nothing was loaded",
            next_step=f"export the object again with the fields {', '.join(required)}",
            trouble="schema_changed",
        )
    twice = sorted({name for name, column in zip(names, columns, strict=True) if columns.count(column) > 1})
    if twice:
        raise InputError(
            f"source {source}: {path.name}: header names stand twice: {', '.join(twice)}; nothing was loaded",
            trouble="schema_changed",
        )
    return Header(names, columns, lines.line_num, stamp)


def read_layout(text: TextFile, *, is_known: Callable[[str], bool], delimiter: str | None = None) -> Header:
    """Header, delimiter and first line of a file of which only the names it may hold are known.

    Where no delimiter is told it is the one by which most of the header's names are known, then the one that gives most
    names. A line `sep=;`, which Excel writes and reads, tells it too.

    Raises:
        InputError: the file is empty, or its header mixes delimiters.
    """
    try:
        stamp = stamp_of(text.path)
    except OSError as problem:
        raise unreadable(text.label, text.source, problem) from None
    head = text.head()
    if not head.strip():
        raise _empty(text, "export it again, or take it out of the folder; the lake keeps what it had")
    skipped, rest = _lines_before_the_header(head)
    if rest[:4].casefold() == "sep=" and rest[5:6] in ("\r", "\n"):
        delimiter = delimiter or rest[4]
        skipped, rest = skipped + 1, rest[5:].removeprefix("\r").removeprefix("\n")
    if not rest.strip():
        raise _empty(text, "export it again, or take it out of the folder; the lake keeps what it had")
    csv.field_size_limit(1 << 30)
    found: dict[str, tuple[tuple[str, ...], int]] = {}
    for one in (delimiter,) if delimiter else DELIMITERS:
        lines = csv.reader(io.StringIO(rest, newline=""), delimiter=one)
        found[one] = (tuple(name.strip() for name in next(lines)), lines.line_num)
    chosen = max(found, key=lambda one: (sum(map(is_known, found[one][0])), len(found[one][0])))
    names, taken = found[chosen]
    others = tuple(one for one in DELIMITERS if one != chosen)
    for place, name in enumerate(names, 1):
        for other in others:
            if other in name and any(is_known(part) for part in name.split(other)):
                raise InputError(
                    f"source {text.source}: {text.label}: the header mixes delimiters: {DELIMITER_NAMES[other]} in "
                    f"column {place}, {DELIMITER_NAMES.get(chosen, repr(chosen))} elsewhere; nothing was loaded",
                    next_step="export it again with one delimiter",
                )
    return Header(names, names, skipped + taken, stamp, text, chosen, others)


def _lines_before_the_header(head: str) -> tuple[int, str]:
    """Blank lines on top: how many, and the text behind them."""
    skipped = 0
    while (line := head[: head.find("\n") + 1]) and not line.strip():
        skipped, head = skipped + 1, head[len(line) :]
    return skipped, head


def read_batches(
    path: Path, header: Header, *, source: str, rejected: RejectedLines, check_quotes: bool = True
) -> Iterator[pa.Table]:
    """The rows as text tables with two columns more: `segments_file`, `segments_row` (1 = the first after the header).

    `check_quotes`: look for quotes that are never closed; one pass over a file is enough for that.

    Raises:
        InputError: not UTF-8, a quote is never closed, delimiters are mixed, or the file changed since its header was
            read.
    """
    text = header.text or TextFile(path, source, path.name)
    broken: list[pacsv.InvalidRow] = []

    def set_aside(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
        rejected.add(
            origin=text.label,
            row=row.number - header.lines if row.number is not None else None,
            text=row.text,
            reason=f"the line has {fields}, the header {row.expected_columns}",
        )
        return "skip"

    done = 0
    try:
        reader = pacsv.open_csv(
            path if text.is_plain else text.open(),
            # One thread, because only then does Arrow know the number of a broken row.
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=list(header.columns), skip_rows=header.lines
            ),
            parse_options=pacsv.ParseOptions(
                newlines_in_values=True, invalid_row_handler=set_aside, delimiter=header.delimiter
            ),
            # Every default of Arrow that guesses is off: a company may be called "NA", a number may be too long.
            convert_options=pacsv.ConvertOptions(
                column_types={column: pa.string() for column in header.columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        for batch in reader:
            skipped = len(broken)
            rows = pa.arange(done + 1, done + batch.num_rows + 1)
            done += batch.num_rows
            table = pa.Table.from_batches([batch])
            yield table.append_column("segments_file", pa.repeat(text.label, batch.num_rows)).append_column(
                "segments_row", _file_rows(rows, broken[:skipped], header)
            )
    except pa.ArrowInvalid as problem:
        if "UTF8" in str(problem).upper():
            text.check_utf8()
        is_bare = "Empty CSV" in str(problem) or "Could not skip" in str(problem)
        if not is_bare:
            _check_quotes(text, header)
            # Arrow repeats the row that it cannot read.
            what = re.split(r": (?!Expected )|\n", str(problem).removeprefix("CSV parse error: "), maxsplit=1)[0]
            raise InputError(f"source {source}: {text.label}: no delimited text ({what}); nothing was loaded") from None
        # A header and nothing below it: the caller decides whether that is allowed.
    except OSError as problem:
        raise unreadable(text.label, source, problem) from None
    _check_delimiters(text, header, broken)
    check_stamp(path, header.stamp, source=source, label=text.label)
    if check_quotes:
        quotes, lines = _count(text)
        if quotes % 2 or lines > header.lines + done + len(broken):
            _check_quotes(text, header)


def _check_delimiters(text: TextFile, header: Header, broken: list[pacsv.InvalidRow]) -> None:
    """A line that has too few fields, and the right number by another delimiter, is no broken line.

    Raises:
        InputError: there is such a line; names the row and both delimiters.
    """
    for row in broken[:1000]:
        for other in header.others:
            if row.expected_columns > 1 and len(next(csv.reader([row.text], delimiter=other))) == row.expected_columns:
                number = f"row {row.number - header.lines}" if row.number is not None else "a row"
                raise InputError(
                    f"source {text.source}: {text.label}: mixed delimiters: {DELIMITER_NAMES[other]} in {number}, "
                    f"{DELIMITER_NAMES.get(header.delimiter, repr(header.delimiter))} in the header; "
                    "nothing was loaded",
                    next_step="export it again with one delimiter",
                )


def _file_rows(rows: pa.Array, broken: list[pacsv.InvalidRow], header: Header) -> pa.Array:
    """Row numbers as they stand in the file: broken rows count, although they were set aside."""
    if not broken:
        return rows
    gaps = sorted(row.number - header.lines for row in broken if row.number is not None)
    numbers, shift = [], 0
    for ordinal in rows.to_pylist():
        while shift < len(gaps) and gaps[shift] <= ordinal + shift:
            shift += 1
        numbers.append(ordinal + shift)
    return pa.array(numbers, pa.int64())


def _count(text: TextFile) -> tuple[int, int]:
    """Quotes and lines: with even quotes and no line end inside a value `_check_quotes` has nothing to find."""
    quotes, line_ends, last = 0, 0, b"\n"
    with text.open() as handle:
        while block := handle.read(_BLOCK):
            quotes += block.count(b'"')
            line_ends += block.count(b"\n")
            last = block[-1:]
    return quotes, line_ends + (last != b"\n")


def _check_quotes(text: TextFile, header: Header) -> None:
    """Arrow forgives a quote that is never closed and takes the lines behind it for one value: look again, strictly.

    Raises:
        InputError: a quote is left open, to the file's end or over several lines; names the row it is opened in.
    """
    csv.field_size_limit(1 << 30)
    with io.TextIOWrapper(text.open(), encoding="utf-8-sig", errors="replace", newline="") as handle:
        rows = csv.reader(handle, delimiter=header.delimiter, strict=True)
        row, line = -1, 0
        while True:
            try:
                row += bool(next(rows))  # blank lines are no rows
            except StopIteration:
                return
            except csv.Error as problem:
                row += 1
                if "unexpected end" in str(problem):
                    raise InputError(
                        f"source {text.source}: {text.label}: row {row}: the file ends inside a quoted field, "
                        "it is cut short; nothing was loaded",
                        next_step="export the object again",
                        trouble="truncated",
                    ) from None
                if rows.line_num > line + 1:
                    raise InputError(
                        f"source {text.source}: {text.label}: row {row}: a quote is not closed and runs on to line "
                        f"{rows.line_num}; nothing was loaded",
                        next_step="export the object again; a quote inside a value is written twice",
                    ) from None
            line = rows.line_num


def _counted(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"


def _empty(text: TextFile, next_step: str) -> InputError:
    size = text.path.stat().st_size
    return InputError(
        f"source {text.source}: {text.label}: the file is empty ({size} bytes, no header); nothing was loaded",
        next_step=next_step,
        trouble="truncated",
    )

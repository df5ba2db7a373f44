"""Reads a delimited text file as Arrow tables in which every column is text: no guessing, no rounding, no lost line.

Used by connectors that read exports. What a value means is decided in staging; a line that is no row is handed to
`RejectedLines` with its reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.connector import RejectedLines, snake
from pipelines.errors import InputError

# A pass over the bytes costs little beside parsing, and large blocks keep the per-batch overhead of dlt small.
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Header:
    """The heading of a file: names as they stand, and as raw columns."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    lines: int = 1
    """How many lines of the file it takes."""
    stamp: tuple[int, int, int] | None = None
    """Which state of the file it was read from; the rows must come from the same one."""


def fingerprint(path: Path, *, source: str) -> str:
    """SHA-256 of the file's bytes.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    except OSError as problem:
        raise _unreadable(path, source, problem) from None
    return digest.hexdigest()


def read_header(path: Path, *, source: str, required: tuple[str, ...], known: tuple[str, ...] = ()) -> Header:
    """The first record of the file, checked: not empty, no name twice, every required field there.

    `required` and `known` are vendor names; case does not matter, because exporting tools spell headings as they like.

    Raises:
        InputError: names source, file, what is missing and what stands there instead.
    """
    try:
        stamp = _stamp(path)
        with path.open("rb") as handle:
            head = handle.read(_BLOCK)
    except OSError as problem:
        raise _unreadable(path, source, problem) from None
    if not head.strip():
        raise InputError(
            f"source {source}: {path.name}: the file is empty ({len(head)} bytes, no header); nothing was loaded",
            next_step="export the object again; the lake keeps what it had",
        )
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if problem.start > len(head) - 4:  # a character cut by the block's end
            text = head[: problem.start].decode("utf-8-sig")
        else:
            raise _not_utf8(path, source, head, problem.start) from None
    lines = csv.reader(io.StringIO(text, newline=""))
    names = tuple(next(lines))
    spelled = {name.casefold(): snake(name) for name in (*required, *known)}
    columns = tuple(
        spelled.get(name.strip().casefold()) or snake(name) or f"unnamed_{place}" for place, name in enumerate(names, 1)
    )
    missing = [name for name in required if snake(name) not in columns]
    if missing:
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        looks_bare = not any(snake(name) in columns for name in (*required, *known))
        what = "no header line" if looks_bare else f"required fields missing from the header: {', '.join(missing)}"
        raise InputError(
            f"source {source}: {path.name}: {what} (the first line is: {shown}); nothing was loaded",
            next_step=f"export the object again with the fields {', '.join(required)}",
        )
    twice = sorted({name for name, column in zip(names, columns, strict=True) if columns.count(column) > 1})
    if twice:
        raise InputError(
            f"source {source}: {path.name}: header names stand twice: {', '.join(twice)}; nothing was loaded"
        )
    return Header(names, columns, lines.line_num, stamp)


def read_batches(path: Path, header: Header, *, source: str, rejected: RejectedLines) -> Iterator[pa.Table]:
    """The rows as text tables with two columns more: `segments_file`, `segments_row` (1 = the first after the header).

    Raises:
        InputError: not UTF-8, or a quote is never closed, or the file changed since its header was read.
    """
    broken: list[pacsv.InvalidRow] = []

    def set_aside(row: pacsv.InvalidRow) -> str:
        broken.append(row)
        fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
        rejected.add(
            origin=path.name,
            row=row.number - header.lines if row.number is not None else None,
            text=row.text,
            reason=f"the line has {fields}, the header {row.expected_columns}",
        )
        return "skip"

    try:
        reader = pacsv.open_csv(
            path,
            # One thread, because only then does Arrow know the number of a broken row.
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=list(header.columns), skip_rows=header.lines
            ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside),
            # Every default of Arrow that guesses is off: a company may be called "NA", a number may be too long.
            convert_options=pacsv.ConvertOptions(
                column_types={column: pa.string() for column in header.columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        done = 0
        for batch in reader:
            skipped = len(broken)
            rows = pa.array(range(done + 1, done + batch.num_rows + 1), pa.int64())
            done += batch.num_rows
            table = pa.Table.from_batches([batch])
            yield table.append_column(
                "segments_file", pa.array([path.name] * batch.num_rows, pa.string())
            ).append_column("segments_row", _file_rows(rows, broken[:skipped], header))
    except pa.ArrowInvalid as problem:
        if "UTF8" in str(problem).upper():
            data = path.read_bytes()
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as where:
                raise _not_utf8(path, source, data, where.start) from None
        if "Empty CSV" in str(problem) or "Could not skip" in str(problem):
            return  # a header and nothing below it: the caller decides whether that is allowed
        _check_quotes(path, source)
        raise InputError(f"source {source}: {path.name}: {problem}; nothing was loaded") from None
    except OSError as problem:
        raise _unreadable(path, source, problem) from None
    if header.stamp is not None and (after := _stamp(path)) != header.stamp:
        raise InputError(
            f"source {source}: {path.name}: the file changed while it was read "
            f"({header.stamp[0]} bytes before, {after[0]} after); nothing was loaded",
            next_step="wait until the export is complete, then run again",
        )
    quotes, lines = _count(path)
    if quotes % 2 or lines > header.lines + done + len(broken):
        _check_quotes(path, source)


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


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def _count(path: Path) -> tuple[int, int]:
    """Quotes and lines: with even quotes and no line end inside a value `_check_quotes` has nothing to find."""
    quotes, line_ends, last = 0, 0, b"\n"
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            quotes += block.count(b'"')
            line_ends += block.count(b"\n")
            last = block[-1:]
    return quotes, line_ends + (last != b"\n")


def _check_quotes(path: Path, source: str) -> None:
    """Arrow forgives a quote that is never closed and takes the lines behind it for one value: look again, strictly.

    Raises:
        InputError: a quote is left open, to the file's end or over several lines; names the row it is opened in.
    """
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        rows = csv.reader(handle, strict=True)
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
                        f"source {source}: {path.name}: row {row}: the file ends inside a quoted field, "
                        "it is cut short; nothing was loaded",
                        next_step="export the object again",
                    ) from None
                if rows.line_num > line + 1:
                    raise InputError(
                        f"source {source}: {path.name}: row {row}: a quote is not closed and runs on to line "
                        f"{rows.line_num}; nothing was loaded",
                        next_step="export the object again; a quote inside a value is written twice",
                    ) from None
            line = rows.line_num


def _unreadable(path: Path, source: str, problem: OSError) -> InputError:
    return InputError(f"source {source}: {path.name}: cannot be read ({problem.strerror}); nothing was loaded")


def _not_utf8(path: Path, source: str, data: bytes, position: int) -> InputError:
    row = data[:position].count(b"\n")
    return InputError(
        f"source {source}: {path.name}: row {row}: byte {data[position]:#04x} is not UTF-8; nothing was loaded",
        next_step="export or save the file as UTF-8",
    )

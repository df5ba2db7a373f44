"""Reads a file of any supported format as Arrow tables of text: delimited text, JSON lines, a JSON array, Parquet.

What a typed file holds is put into the one spelling that staging reads: ISO 8601, UTC, digits with a point. Which
column is which, and how a person's dates and numbers are meant, is decided above.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import csvfile
from pipelines.connector import RejectedLines
from pipelines.errors import InputError
from pipelines.textfile import BLOCK, Stamp, TextFile, check_stamp, probe, stamp_of, unreadable
from pipelines.values import rewrite

DELIMITED = ("csv", "tsv", "txt")
JSON = ("jsonl", "ndjson", "json")
PARQUET = ("parquet",)
EXTENSIONS = (*DELIMITED, *JSON, *PARQUET)
FILE_COLUMN, ROW_COLUMN = "segments_file", "segments_row"

_PAGE = 50_000  # rows; wide enough that the cost per page does not show, small enough for any memory


class TableFile(Protocol):
    """One file as a table: its header, and its rows as often as they are asked for."""

    label: str
    names: tuple[str, ...]
    """The header as it stands in the file."""
    typed: frozenset[str]
    """Names whose values the file itself types, so that there is nothing to read into them."""
    remarks: tuple[str, ...]
    """What a person should know about how the file is read."""

    def batches(self, columns: tuple[str, ...], rejected: RejectedLines, *, first: bool) -> Iterator[pa.Table]:
        """The rows as text, the columns called `columns` in the order of `names`, with file and row beside them.

        Raises:
            InputError: the file is damaged, or changed since it was opened.
        """
        ...


def extension_of(name: str) -> str:
    """The format that a file's name ends with, `gz` taken off: `deals.csv.gz` -> `csv`."""
    parts = name.lower().split(".")
    if parts[-1] == "gz" and len(parts) > 2:
        parts.pop()
    return parts[-1] if len(parts) > 1 else ""


def open_table(
    path: Path,
    *,
    source: str,
    label: str,
    is_known: Callable[[str], bool],
    encoding: str | None = None,
    delimiter: str | None = None,
) -> TableFile:
    """Open a file by its name's ending; anything that is neither JSON nor Parquet is delimited text.

    Raises:
        InputError: the file is unreadable, empty, damaged or has no header.
    """
    try:
        stamp = stamp_of(path)
    except OSError as problem:
        raise unreadable(label, source, problem) from None
    if stamp[0] == 0:
        raise InputError(
            f"source {source}: {label}: the file is empty (0 bytes); nothing was loaded",
            next_step="export it again, or take it out of the folder; the lake keeps what it had",
            trouble="truncated",
        )
    extension = extension_of(path.name)
    if extension in PARQUET:
        return _Parquet(path, source, label, stamp)
    text = probe(path, source=source, label=label, encoding=encoding)
    if extension in JSON:
        return _Json(text, stamp, encoding)
    return _Delimited(text, csvfile.read_layout(text, is_known=is_known, delimiter=delimiter), encoding, delimiter)


class _Delimited:
    """Text with a delimiter."""

    typed: frozenset[str] = frozenset()

    def __init__(self, text: TextFile, header: csvfile.Header, encoding: str | None, delimiter: str | None) -> None:
        self.label, self.names = text.label, header.names
        self._text, self._header = text, header
        remarks = _encoding_remarks(text, encoding)
        if header.delimiter != "," and header.delimiter != delimiter:
            remarks.append(f"delimited by {csvfile.DELIMITER_NAMES.get(header.delimiter, repr(header.delimiter))}")
        self.remarks = tuple(remarks)

    def batches(self, columns: tuple[str, ...], rejected: RejectedLines, *, first: bool) -> Iterator[pa.Table]:
        header = replace(self._header, columns=columns)
        return csvfile.read_batches(
            self._text.path, header, source=self._text.source, rejected=rejected, check_quotes=first
        )


def _encoding_remarks(text: TextFile, told: str | None) -> list[str]:
    if text.encoding == "utf-8":
        return []
    if not told or codecs.lookup(told).name != text.encoding:
        return [f"{text.encoding.upper()}, as its byte order mark says"]
    try:
        head = replace(text, encoding="utf-8").head()
    except InputError:
        return []
    return [] if head.isascii() else [f"read as {text.encoding}, as told, although it would be right UTF-8 too"]


# -- JSON --------------------------------------------------------------------------------------------------------------


class _Json:
    """One JSON object per line, or one array of objects; which of them, the first character tells."""

    def __init__(self, text: TextFile, stamp: Stamp, encoding: str | None) -> None:
        self.label = text.label
        self._text, self._stamp = text, stamp
        self.remarks = tuple(_encoding_remarks(text, encoding))
        self.names, self.typed = self._survey()

    def _survey(self) -> tuple[tuple[str, ...], frozenset[str]]:
        """Every key of every object, in the order they come, and those whose values are never text."""
        names: dict[str, bool] = {}
        for _, found in self._objects(RejectedLines()):
            for name, value in found.items():
                names[name] = names.get(name, True) and not _is_text(value)
        if not names and not self._text.head().strip():
            raise InputError(
                f"source {self._text.source}: {self.label}: the file is empty; nothing was loaded",
                next_step="export it again, or take it out of the folder; the lake keeps what it had",
            )
        return tuple(names), frozenset(name for name, is_typed in names.items() if is_typed)

    def batches(self, columns: tuple[str, ...], rejected: RejectedLines, *, first: bool) -> Iterator[pa.Table]:
        page: list[dict[str, Any]] = []
        rows: list[int] = []
        for row, found in self._objects(rejected):
            page.append(found)
            rows.append(row)
            if len(page) == _PAGE:
                yield self._table(columns, page, rows)
                page, rows = [], []
        if page:
            yield self._table(columns, page, rows)
        check_stamp(self._text.path, self._stamp, source=self._text.source, label=self.label)

    def _table(self, columns: tuple[str, ...], page: list[dict[str, Any]], rows: list[int]) -> pa.Table:
        arrays = [pa.array([_as_text(found.get(name)) for found in page], pa.string()) for name in self.names]
        arrays += [pa.repeat(self.label, len(page)), pa.array(rows, pa.int64())]
        return pa.Table.from_arrays(arrays, names=[*columns, FILE_COLUMN, ROW_COLUMN])

    def _objects(self, rejected: RejectedLines) -> Iterator[tuple[int, dict[str, Any]]]:
        """Row (from 1) and object; what is no object is set aside."""
        is_array = self._text.head().lstrip()[:1] == "["
        for row, (found, text) in enumerate(self._elements() if is_array else self._lines(), 1):
            if isinstance(found, dict):
                yield row, found
            else:
                reason = f"no JSON ({found})" if isinstance(found, Exception) else "no JSON object"
                rejected.add(origin=self.label, row=row, text=text, reason=reason)

    def _lines(self) -> Iterator[tuple[Any, str]]:
        """What every line holds, or what is wrong with it; and the line."""
        for line in self._decoded(lambda handle: handle):
            if text := line.strip():
                try:
                    yield _DECODER.decode(text), text
                except (ValueError, RecursionError) as problem:
                    yield problem, text

    def _elements(self) -> Iterator[tuple[Any, str]]:
        """The elements of an array, without holding more than one block and one element.

        Raises:
            InputError: an element is no JSON, or the file ends before the array does.
        """
        kept, row, is_open = "", 0, False
        for block in self._decoded(lambda handle: iter(lambda: handle.read(BLOCK), b"")):
            kept += block
            place = 0
            while True:
                place = _BETWEEN.match(kept, place).end()  # type: ignore[union-attr]  # matches nothing too
                if not is_open and kept[place : place + 1] == "[":
                    is_open, place = True, place + 1
                    continue
                if kept[place : place + 1] in ("", "]"):
                    break
                try:
                    found, end = _DECODER.raw_decode(kept, place)
                except (ValueError, RecursionError) as problem:
                    if len(kept) - place > 8 * BLOCK:
                        raise self._broken(row + 1, str(problem)) from None
                    break  # most likely cut by the block's end
                row += 1
                yield found, kept[place:end]
                place = end
            kept = kept[place:]
        if kept.rstrip() != "]":
            raise self._broken(
                row + 1, "the file is cut short, the element is no JSON, or more stands behind the array"
            )

    def _decoded(self, parts: Callable[[BinaryIO], Iterable[bytes]]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        with self._text.open() as handle:
            for part in chain(parts(handle), [b""]):
                try:
                    yield decoder.decode(part, not part)
                except UnicodeDecodeError:
                    self._text.check_utf8()
                    raise

    def _broken(self, row: int, reason: str) -> InputError:
        return InputError(
            f"source {self._text.source}: {self.label}: row {row}: the array does not go on ({reason}); "
            "nothing was loaded",
            next_step="export it again",
        )


class _Digits(str):
    """A JSON number as it is written, so that nothing is rounded; not to be taken for a text."""


def _no_number(word: str) -> None:
    """NaN and the infinities, which JSON does not know: no value."""
    return


_DECODER = json.JSONDecoder(parse_float=_Digits, parse_int=_Digits, parse_constant=_no_number)
_BETWEEN = re.compile(r"[\s,]*")


def _is_text(value: Any) -> bool:
    return isinstance(value, str | list | dict) and not isinstance(value, _Digits)


def _as_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return str(value) if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    """JSON again, numbers as they were written."""
    if isinstance(value, _Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


# -- Parquet -----------------------------------------------------------------------------------------------------------


class _Parquet:
    """A Parquet file, whose own types are put into text without loss."""

    remarks: tuple[str, ...] = ()

    def __init__(self, path: Path, source: str, label: str, stamp: Stamp) -> None:
        self.label = label
        self._path, self._source, self._stamp = path, source, stamp
        with self._told():
            schema = pq.read_schema(path)
        self.names = tuple(schema.names)
        self.typed = frozenset(one.name for one in schema if not _holds_text(one.type))

    def batches(self, columns: tuple[str, ...], rejected: RejectedLines, *, first: bool) -> Iterator[pa.Table]:
        done = 0
        with self._told(), pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=_PAGE):
                arrays = [text_of(column) for column in batch.columns]
                arrays += [pa.repeat(self.label, batch.num_rows), pa.arange(done + 1, done + batch.num_rows + 1)]
                done += batch.num_rows
                yield pa.Table.from_arrays(arrays, names=[*columns, FILE_COLUMN, ROW_COLUMN])
        check_stamp(self._path, self._stamp, source=self._source, label=self.label)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say it in our words when Arrow cannot read the file."""
        try:
            yield
        except (pa.ArrowException, OSError) as problem:
            if isinstance(problem, OSError) and problem.errno is not None:  # Arrow's own have no number
                raise unreadable(self.label, self._source, problem) from None
            raise InputError(
                f"source {self._source}: {self.label}: no readable Parquet file ({str(problem).splitlines()[0]}); "
                "nothing was loaded",
                next_step="export it again",
            ) from None


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
    )


def text_of(column: pa.Array) -> pa.Array:
    """A column of any type as text: no digit lost, moments in UTC, days without a time, nested values as JSON.

    An empty text and a number that is none (NaN) are no value.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_of(column.dictionary_decode())
    if pa.types.is_floating(kind):
        return _floats_as_text(column)
    if pa.types.is_decimal(kind):
        return _without_exponent(column.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        return _moments_as_text(column)
    if pa.types.is_nested(kind):
        return pa.array([_nested_as_text(value) for value in column.to_pylist()], pa.string())
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text) if _holds_text(kind) else text


def _floats_as_text(column: pa.Array) -> pa.Array:
    is_number = pc.is_finite(column)
    column = pc.if_else(is_number, column, pa.scalar(None, column.type))
    # Past 2^53 a float is no longer every whole number; there its digits are what it prints.
    is_whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), float(1 << 53)))
    wholes = pc.if_else(is_whole, column, pa.scalar(None, column.type)).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(wholes, _without_exponent(column.cast(pa.string())))


def _without_exponent(text: pa.Array) -> pa.Array:
    """`1E-8` as `0.00000001`."""
    return rewrite(text, r"^[^eE]*$", lambda written: format(Decimal(written), "f"))


def _moments_as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if kind.unit == "ns":  # finer than any warehouse
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    if kind.tz:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    else:
        days = column.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(days.cast(column.type), column)).as_py():
            return days.cast(pa.string())
    return pc.replace_substring(column.cast(pa.string()), " ", "T")


def _nested_as_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)

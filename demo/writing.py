"""Puts rows into files, all or nothing per file and the same bytes every time.

Only the how; what stands in a file is said by the export modules beside.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

Cell = str | int | bool | Decimal | date | datetime | None


def text(value: Cell) -> str:
    """A value as exports write it: UTC instants to the millisecond, lower-case truth, nothing for unknown."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


class Table:
    """One CSV file being written: every field quoted, LF at the end of a line, UTF-8 without a mark."""

    def __init__(self, stream: object, header: Sequence[str]) -> None:
        self._writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")  # type: ignore[arg-type]
        self._writer.writerow(header)
        self._width = len(header)
        self.rows = 0

    def add(self, *row: Cell) -> None:
        if len(row) != self._width:
            raise ValueError(f"a row of {len(row)} values for {self._width} columns")
        self._writer.writerow([text(value) for value in row])
        self.rows += 1

    def extend(self, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            self.add(*row)


class Drafts:
    """The files of one folder while they are being written, out of sight."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.tables: dict[str, Table] = {}

    def table(self, file_name: str, header: Sequence[str]) -> Table:
        stream = self._stack.enter_context((self._folder / file_name).open("w", encoding="utf-8", newline=""))
        table = Table(stream, header)
        self.tables[file_name] = table
        return table

    def counts(self) -> dict[str, int]:
        return {name: table.rows for name, table in self.tables.items()}


@contextmanager
def drafted(folder: Path) -> Iterator[Drafts]:
    """Write into a hidden folder beside `folder`; on success move each file in, on failure leave `folder` as it was."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with ExitStack() as stack:
            drafts = Drafts(hidden, stack)
            yield drafts
        for file_name in drafts.tables:
            os.replace(hidden / file_name, folder / file_name)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)

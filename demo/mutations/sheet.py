"""What a mutation is, and the one way to change rows of an exported file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random

Row = dict[str, str]
Breaks = Callable[[Path, Random], int]


@dataclass(frozen=True)
class Mutation:
    """One way to break one source's newest export."""

    name: str
    says: str
    """What happened, in one sentence."""
    source: str
    table: str
    """The file that is broken; empty: the export as a whole."""
    is_critical: bool
    """Undetected, it would change decisions about partners."""
    breaks: Breaks = field(repr=False, compare=False)
    """Breaks the files of a folder, the newest drop of the source; returns how many rows it changed, lost or added."""

    def apply(self, folder: Path) -> int:
        """Break the files in `folder`; the same files give the same broken ones."""
        return self.breaks(folder, Random(self.name))


@dataclass
class Sheet:
    """A file's rows under its header. Values are texts as they stand in the file."""

    header: list[str]
    rows: list[Row]
    touched: int = 0

    def change(self, column: str, how: Callable[[str], str], where: Callable[[Row], bool] = lambda row: True) -> None:
        """Put another value into a column of the rows that fit; counts those that are different afterwards."""
        for row in self.rows:
            if where(row):
                value = how(row[column])
                self.touched += value != row[column]
                row[column] = value

    def drop(self, where: Callable[[Row], bool]) -> None:
        """Take out the rows that fit."""
        kept = [row for row in self.rows if not where(row)]
        self.touched += len(self.rows) - len(kept)
        self.rows = kept

    def add(self, rows: list[Row]) -> None:
        """Put further rows behind the last."""
        self.rows.extend(rows)
        self.touched += len(rows)


def read_sheet(file: Path) -> Sheet:
    """A file of the sample company."""
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader)
        return Sheet(header, [dict(zip(header, row, strict=True)) for row in reader])


def write_sheet(file: Path, sheet: Sheet, *, delimiter: str = ",", line_end: str = "\n") -> None:
    """As the sample company writes its files: every field quoted."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, delimiter=delimiter, lineterminator=line_end)
        writer.writerow(sheet.header)
        writer.writerows([row[name] for name in sheet.header] for row in sheet.rows)


@contextmanager
def editing(folder: Path, table: str) -> Iterator[Sheet]:
    """The sheet of a table, written back at the end."""
    file = folder / f"{table}.csv"
    sheet = read_sheet(file)
    yield sheet
    write_sheet(file, sheet)


def on(table: str, how: Callable[[Sheet, Random], None]) -> Breaks:
    """Do something to a table's sheet."""

    def breaks(folder: Path, random: Random) -> int:
        with editing(folder, table) as sheet:
            how(sheet, random)
        return sheet.touched

    return breaks


def changed(
    table: str, column: str, how: Callable[[str], str], where: Callable[[Row], bool] = lambda row: True
) -> Breaks:
    """Put other values into one column, in the rows that fit."""
    return on(table, lambda sheet, _: sheet.change(column, how, where))


def lost(table: str, where: Callable[[Row], bool]) -> Breaks:
    """Take out the rows that fit."""
    return on(table, lambda sheet, _: sheet.drop(where))


def times(factor: str, places: str = "0.01") -> Callable[[str], str]:
    """A number multiplied, rounded to `places`."""

    def how(value: str) -> str:
        return value and str((Decimal(value) * Decimal(factor)).quantize(Decimal(places), ROUND_HALF_UP))

    return how


def days_later(days: int) -> Callable[[str], str]:
    """A day or a moment that many days later."""

    def how(value: str) -> str:
        if not value:
            return value
        if len(value) == len("2026-10-05"):
            return (date.fromisoformat(value) + timedelta(days)).isoformat()
        return f"{datetime.fromisoformat(value) + timedelta(days):%Y-%m-%dT%H:%M:%S}.000Z"

    return how


def milliseconds(value: str) -> str:
    """A moment counted in milliseconds since 1970."""
    return value and str(int(datetime.fromisoformat(value).timestamp())) + "000"

"""A deployment with one file source: put files there, land them, read the lake back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.connector import Instance, instances
from pipelines.errors import SegmentsError
from pipelines.extract import Landed, extract
from pipelines.lake import Load, lay_views, loads
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places, memory, quoted
from tests.faults.exports import lake_files

Row = dict[str, Any]
_NOT_OF_THE_FILE = ("source", "load_id", "known_at")


def deal(number: int, **values: Any) -> Row:
    """One registered deal that has everything it needs."""
    return {
        "source_id": f"D{number}", "partner_id": f"P{number % 7}", "registration_status": "accepted",
        "amount": f"{number * 1000}.50", "submitted_at": f"2026-03-{number % 28 + 1:02}T09:00:00Z", **values,
    }  # fmt: skip


def deals(count: int, **values: Any) -> list[Row]:
    """Several of them."""
    return [deal(number, **values) for number in range(1, count + 1)]


def as_csv(rows: list[Row], *, delimiter: str = ",", line_end: str = "\n") -> str:
    """Rows as delimited text with the first row's keys as header."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@dataclass
class Ground:
    """One deployment of a test."""

    root: Path
    options: dict[str, Any] = field(default_factory=lambda: {"kind": "prm"})

    @property
    def inputs(self) -> Path:
        """The source's folder."""
        return self.root / "inputs"

    def configure(self, **options: Any) -> Ground:
        """Set options of the source; None takes one away."""
        self.options = {name: value for name, value in {**self.options, **options}.items() if value is not None}
        return self

    def put(self, name: str, content: bytes | str | list[Row]) -> Path:
        """Write one file below the source's folder: bytes, text, or rows as CSV."""
        path = self.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = as_csv(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def settings(self) -> Settings:
        """The deployment as it stands now; JSON is YAML."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.inputs.mkdir(exist_ok=True)
        content = {
            "deployment": "files",
            "sources": {"portal": {"connector": "files", "options": self.options}},
            "as_of": "2026-12-31",
            "policy": {"active": "any"},
            "paths": {"inputs": "inputs", "state": "state"},
        }
        file = self.root / "segments.yml"
        file.write_text(json.dumps(content, default=str), encoding="utf-8")
        return read_settings(file)

    @property
    def instance(self) -> Instance:
        """The source."""
        return instances(self.settings())[0]

    @property
    def places(self) -> Places:
        """Where the lake is."""
        return Places.of(self.settings())

    def extract(self, *accept_shrunk: str) -> dict[str, Landed]:
        """Land what is due; what happened per table."""
        done = extract(self.settings(), self.places, self.instance, accept_shrunk=frozenset(accept_shrunk))
        return {one.table: one for one in done}

    def refused(self, *words: str) -> SegmentsError:
        """Extraction must stop with an error that says all of `words` and leave the lake as it was."""
        before = lake_files(self.places)
        with pytest.raises(SegmentsError) as caught:
            self.extract()
        for word in words:
            assert word in str(caught.value)
        assert lake_files(self.places) == before
        return caught.value

    def loads(self, table: str = "deal_registrations") -> list[Load]:
        """The loads of one table, oldest first."""
        return [load for load in loads(self.places.lake, "portal") if load.table == table]

    def rows(self, table: str = "deal_registrations", *, known_at: Any = None) -> list[Row]:
        """A raw table as a run would see it, sorted, without the columns that no file has."""
        with memory() as con:
            lay_views(con, self.places.lake, [self.instance], known_at=known_at)
            result = con.execute(f"select * from raw_files.{quoted(table)} order by all")
            names = [column[0] for column in result.description]
            found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        return [{name: value for name, value in row.items() if name not in _NOT_OF_THE_FILE} for row in found]

    def values(self, table: str = "deal_registrations") -> list[Row]:
        """The values of a raw table, blank ones left out and whatever file and row they came from."""
        found = [
            {name: value for name, value in row.items() if value is not None and name not in ("file_name", "file_row")}
            for row in self.rows(table)
        ]
        return sorted(found, key=repr)

    def column(self, name: str, table: str = "deal_registrations") -> list[Any]:
        """One column in the order of the rows' ids."""
        return [row[name] for row in sorted(self.rows(table), key=lambda row: str(row["source_id"]))]

    def rejected(self) -> list[tuple[Any, ...]]:
        """Lines that were no rows: table, file, row, reason."""
        with memory() as con:
            lay_views(con, self.places.lake, [self.instance], known_at=None)
            return con.execute(
                "select table_name, origin, file_row, reason from raw_files.rejected_lines order by all"
            ).fetchall()

"""Reads the lake: which loads completed, what each held, which files are theirs; and lays the raw views over them.

The lake is append-only Parquet below `lake/<source>/<table>/load_date=.../<load_id>.<file_id>.parquet`. A load counts
only if dlt marked it completed; whatever a crash left behind is invisible. How rows get in is `extract.py`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connector import Connector, Instance, Table
from pipelines.errors import InputError
from pipelines.warehouse import DEPLOYMENT, RAW_PREFIX, literal, memory, quoted, write_rows

LEDGER_TABLE = "load_facts"
REJECTED_TABLE = "rejected_lines"
_READS = "reads.jsonl"

# Which file and row of the source a record came from, so that a message can say "row 3,001".
FILE_COLUMN, ROW_COLUMN = "segments_file", "segments_row"
# What a raw view adds to a source's columns; a field of the source that is called so stays in the lake alone.
_VIEW_COLUMNS = ("source", "load_id", "known_at", "file_name", "file_row")


_MEND = (
    "restore the lake from a backup, or move the source's folder out of the lake: the next run loads its files again"
)


@dataclass(frozen=True)
class Load:
    """One table of one completed load, as the ledger that travelled with it says."""

    source: str
    table: str
    load_id: str
    known_at: datetime
    rows: int
    content_hash: str
    file_hash: str
    mode: str
    origin: str
    rejected_lines: int
    is_shrink_accepted: bool = False
    """Somebody said that it may be this much smaller than the load before."""
    cursor: datetime | None = None
    """Up to which modification stamp a live table is known with this load."""
    selected: tuple[str, ...] = ()
    """The columns that a live table was asked for."""
    may_be_empty: bool = False
    """Whether no rows at all are nothing to wonder about."""

    @property
    def order(self) -> tuple[datetime, float]:
        """Later facts win; of two loads of one moment the one that came later."""
        return (self.known_at, float(self.load_id))


def files_of(lake: Path, source: str, table: str, load_ids: set[str]) -> list[Path]:
    """Parquet files of `table` that belong to one of the loads, in a stable order."""
    folder = lake / source / table
    return sorted(path for path in folder.glob("*/*.parquet") if path.name.rsplit(".", 2)[0] in load_ids)


def completed_ids(lake: Path, source: str) -> set[str]:
    """Ids of the loads dlt marked as completed; half-written marks do not count."""
    found: set[str] = set()
    for path in (lake / source / "_dlt_loads").glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            try:
                mark = json.loads(line)
            except ValueError:
                continue  # the process died while it wrote the mark: the load never completed
            if isinstance(mark, dict) and mark.get("status") == 0 and "load_id" in mark:
                found.add(str(mark["load_id"]))
    return found


def loads(lake: Path, source: str, *, known_at: datetime | None = None) -> list[Load]:
    """Every table of every completed load of `source` known up to `known_at`, oldest first.

    Raises:
        InputError: the ledger of a completed load cannot be read.
    """
    files = files_of(lake, source, LEDGER_TABLE, completed_ids(lake, source))
    if not files:
        return []
    listed = ", ".join(literal(path) for path in files)
    with memory() as con:
        try:
            result = con.execute(f"select * from read_parquet([{listed}], union_by_name = true)")
            names = [column[0] for column in result.description]
            rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as problem:
            raise _damaged(lake, source, LEDGER_TABLE, problem) from None
    found = [
        Load(
            source=source,
            table=row["table_name"],
            load_id=row["_dlt_load_id"],
            known_at=datetime.fromisoformat(row["known_at"]),
            rows=row["row_count"],
            content_hash=row["content_hash"],
            file_hash=row["file_hash"],
            mode=row["mode"],
            origin=row["origin"],
            rejected_lines=row["rejected_count"],
            is_shrink_accepted=bool(row.get("is_shrink_accepted")),
            cursor=datetime.fromisoformat(row["cursor"]) if row.get("cursor") else None,
            selected=tuple(row["selected"].split(",")) if row.get("selected") else (),
            may_be_empty=bool(row.get("may_be_empty")),
        )
        for row in rows
    ]
    return sorted((x for x in found if known_at is None or x.known_at <= known_at), key=lambda x: (*x.order, x.table))


def newest(found: list[Load], table: str) -> Load | None:
    """The newest load of `table`, or None."""
    return max((load for load in found if load.table == table), key=lambda load: load.order, default=None)


def chosen(history: list[Load], table: str) -> list[Load]:
    """The loads that make up a table: the newest that holds all rows, and what changed since; oldest first."""
    of_table = sorted((load for load in history if load.table == table), key=lambda load: load.order)
    whole = [position for position, load in enumerate(of_table) if load.mode == "snapshot"]
    return of_table[whole[-1] :] if whole else of_table


@dataclass(frozen=True)
class Reads:
    """When tables were read to the end, also when there was nothing new and so no load.

    One line of JSON per table and reading of a live source, or per table and drop of files, in the source's folder of
    the lake. A line that a dying process left half written does not count.
    """

    lines: list[dict[str, Any]]

    @classmethod
    def of(cls, lake: Path, source: str, *, known_at: datetime | None = None) -> Reads:
        """The readings of a source known up to a moment."""
        found = []
        path = reads_file(lake, source)
        for line in path.read_bytes().splitlines() if path.exists() else []:
            try:
                told = json.loads(line)
                moment = datetime.fromisoformat(told["read_at"])
            except (ValueError, KeyError, TypeError):
                continue
            if known_at is None or moment <= known_at:
                found.append(told)
        return cls(found)

    def cursor(self, table: str) -> datetime | None:
        """Up to which modification stamp a table is known."""
        return self._newest(table, "cursor")

    def reconciled(self, table: str) -> datetime | None:
        """When ids that the vendor no longer lists were last looked for."""
        return self._newest(table, "reconciled_at")

    def read_at(self, table: str) -> datetime | None:
        """When a table was last read to its end."""
        return self._newest(table, "read_at")

    def moments(self) -> set[tuple[str, datetime]]:
        """Every table and moment that a reading is put down of."""
        return {(x["table"], datetime.fromisoformat(x["read_at"])) for x in self.lines}

    def _newest(self, table: str, key: str) -> datetime | None:
        moments = [datetime.fromisoformat(x[key]) for x in self.lines if x["table"] == table and x.get(key)]
        return max(moments, default=None)


def reads_file(lake: Path, source: str) -> Path:
    """Where the readings of a source are put down."""
    return lake / source / _READS


def note_reads(lake: Path, source: str, lines: list[dict[str, Any]]) -> None:
    """Put down that tables were read to their end; each line has `table` and `read_at`, maybe more."""
    path = reads_file(lake, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        # A line of a process that died in its middle must not swallow the next one.
        file.write(b"".join(b"\n" + json.dumps(line).encode() for line in lines) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def lay_views(
    con: duckdb.DuckDBPyConnection, lake: Path, sources: list[Instance], *, known_at: datetime | None
) -> list[Load]:
    """Create the views `raw_<connector>.<table>` and the table `deployment.loads`; return the loads they rest on.

    Every declared column is there as text even when no file has it; a table without a load is an empty view.

    Raises:
        InputError: files of a completed load are missing, damaged or hold other rows than the ledger says.
    """
    by_connector: dict[str, list[Instance]] = {}
    for instance in sources:
        by_connector.setdefault(instance.connector.name, []).append(instance)
    history = {instance.name: loads(lake, instance.name, known_at=known_at) for instance in sources}
    used: list[Load] = []
    for name, group in by_connector.items():
        connector = group[0].connector
        con.execute(f"create schema if not exists {quoted(RAW_PREFIX + name)}")
        for table in connector.tables:
            parts = []
            for instance in group:
                parts_of_it = chosen(history[instance.name], table.name)
                used.extend(parts_of_it)
                parts.append(_select(con, lake, instance.name, table, parts_of_it))
            _create_view(con, connector, table.name, parts)
        parts = [
            _select_rejected(lake, instance.name, {load.load_id for load in used if load.source == instance.name})
            for instance in group
        ]
        _create_view(con, connector, REJECTED_TABLE, parts)
    reads = {instance.name: Reads.of(lake, instance.name, known_at=known_at) for instance in sources}
    _write_ledger(con, sources, history, used, reads)
    return used


def _create_view(con: duckdb.DuckDBPyConnection, connector: Connector, table: str, parts: list[str]) -> None:
    body = "\nunion all by name\n".join(parts)
    con.execute(f"create or replace view {quoted(RAW_PREFIX + connector.name)}.{quoted(table)} as\n{body}")


def _select(con: duckdb.DuckDBPyConnection, lake: Path, source: str, table: Table, used: list[Load]) -> str:
    files = files_of(lake, source, table.name, {load.load_id for load in used})
    moments = {load.load_id: load.known_at for load in used}
    if not files:
        _hold_all_rows(lake, source, table, used, 0)
        empty = ", ".join(f"cast(null as varchar) as {quoted(column)}" for column in table.columns)
        return (
            f"select {literal(source)} as source, {empty}, cast(null as varchar) as load_id, "
            "cast(null as timestamp) as known_at, cast(null as varchar) as file_name, "
            "cast(null as bigint) as file_row where false"
        )
    reader = (
        f"read_parquet([{', '.join(literal(path) for path in files)}], union_by_name = true, hive_partitioning = false)"
    )
    try:
        there = [row[0] for row in con.execute(f"describe select * from {reader}").fetchall()]
        rows = con.execute(f"select count(*) from {reader}").fetchall()[0][0]
    except duckdb.Error as problem:
        raise _damaged(lake, source, table.name, problem) from None
    _hold_all_rows(lake, source, table, used, rows)
    columns = [
        f"{quoted(column)}" if column in there else f"cast(null as varchar) as {quoted(column)}"
        for column in table.columns
    ]
    own = {FILE_COLUMN, ROW_COLUMN, *_VIEW_COLUMNS, *table.columns}
    columns += [quoted(column) for column in there if column not in own and not column.startswith("_dlt")]
    known = " ".join(
        f"when {literal(load_id)} then timestamp {literal(moment.astimezone(UTC).replace(tzinfo=None).isoformat())}"
        for load_id, moment in sorted(moments.items())
    )
    file_name = FILE_COLUMN if FILE_COLUMN in there else "cast(null as varchar)"
    file_row = ROW_COLUMN if ROW_COLUMN in there else "cast(null as bigint)"
    return (
        f"select {literal(source)} as source, {', '.join(columns)}, _dlt_load_id as load_id, "
        f"case _dlt_load_id {known} end as known_at, {file_name} as file_name, {file_row} as file_row from {reader}"
    )


def _hold_all_rows(lake: Path, source: str, table: Table, used: list[Load], found: int) -> None:
    expected = sum(load.rows for load in used)
    if found != expected:
        raise InputError(
            f"source {source}: lake {lake / source / table.name}: the ledger says {expected:,} rows, the files hold "
            f"{found:,}; nothing was built",
            next_step=_MEND,
        )


def _damaged(lake: Path, source: str, table: str, problem: duckdb.Error) -> InputError:
    return InputError(
        f"source {source}: lake {lake / source / table}: a file of a completed load cannot be read; nothing was built "
        f"({str(problem).splitlines()[0]})",
        next_step=_MEND,
    )


def _select_rejected(lake: Path, source: str, load_ids: set[str]) -> str:
    files = files_of(lake, source, REJECTED_TABLE, load_ids)
    head = f"select {literal(source)} as source, "
    if not files:
        return head + (
            "cast(null as varchar) as table_name, cast(null as varchar) as origin, cast(null as bigint) as file_row, "
            "cast(null as varchar) as line, cast(null as varchar) as reason, "
            "cast(null as varchar) as load_id where false"
        )
    listed = ", ".join(literal(path) for path in files)
    return head + (
        'table_name, origin, cast("row" as bigint) as file_row, "text" as line, reason, _dlt_load_id as load_id '
        f"from read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    )


def _write_ledger(
    con: duckdb.DuckDBPyConnection,
    sources: list[Instance],
    history: dict[str, list[Load]],
    used: list[Load],
    reads: dict[str, Reads],
) -> None:
    connectors = {instance.name: instance.connector.name for instance in sources}
    # A table that no reading is put down of has the age of its load. Where a lake tells of no reading at all (it is
    # older than they are), nobody can say which tables were there since: they count as read with the newest load.
    long_ago = datetime.min.replace(tzinfo=UTC)
    unread = {
        name: long_ago if reads[name].lines else max((load.known_at for load in found), default=long_ago)
        for name, found in history.items()
    }
    rows = []
    for load in used:
        earlier = [x for x in history[load.source] if x.table == load.table and x.order < load.order]
        before = newest(earlier, load.table)
        rows.append(
            {
                "source": load.source,
                "connector": connectors[load.source],
                "table_name": load.table,
                "load_id": load.load_id,
                "known_at": load.known_at.astimezone(UTC).replace(tzinfo=None),
                # A table without a new load is as fresh as its last reading.
                "read_at": max(load.known_at, reads[load.source].read_at(load.table) or unread[load.source])
                .astimezone(UTC)
                .replace(tzinfo=None),
                "rows": load.rows,
                # An accepted drop is the new measure: the gate must not ask for the old one for ever.
                "previous_rows": before.rows if before and not load.is_shrink_accepted else None,
                "rejected_lines": load.rejected_lines,
                "content_hash": load.content_hash,
                "mode": load.mode,
                "may_be_empty": load.may_be_empty,
            }
        )
    write_rows(
        con,
        DEPLOYMENT,
        "loads",
        {
            "source": "varchar",
            "connector": "varchar",
            "table_name": "varchar",
            "load_id": "varchar",
            "known_at": "timestamp",
            "read_at": "timestamp",
            "rows": "bigint",
            "previous_rows": "bigint",
            "rejected_lines": "bigint",
            "content_hash": "varchar",
            "mode": "varchar",
            "may_be_empty": "boolean",
        },
        rows,
    )

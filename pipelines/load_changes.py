"""Compares a source's records with those the last release rests on: what is gone, emptied, rewritten, scaled or moved.

What a system said of closed quarters hardly changes by itself. An export in another unit, with shifted columns or with
a region left out changes it all at once, and no single row of it looks wrong. `deployment.load_changes` counts such
changes, column by column; what is too much of them is said in the gate's suite of that name. Nothing is compared
before the first release, nor where the same loads are read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connector import Instance, Table
from pipelines.lake import Load, chosen, files_of, loads
from pipelines.warehouse import literal, memory, quoted

COMPARED_ROWS = 50_000
"""Of larger tables so many records are compared, chosen by their ids: enough to see a share of a hundredth."""
JUMPED_DAYS = 300
"""A day that moved by more than this has jumped: a whole year with some days to spare."""
SCALED_BY = 5
"""A number that became so many times as large or small has changed its unit; exchange rates do not move like that."""

PARTNER_ACCOUNTS = "partner_accounts"
"""The `entity` of a second row per column of a table of accounts: the same counts of those that were partners."""

COLUMNS = {
    "source": "varchar",
    "table_name": "varchar",
    "entity": "varchar",
    "column_name": "varchar",
    "since": "timestamp",
    "compared_rows": "bigint",
    "gone_rows": "bigint",
    "filled_rows": "bigint",
    "emptied_rows": "bigint",
    "changed_rows": "bigint",
    "scaled_rows": "bigint",
    "jumped_rows": "bigint",
}
"""Of `deployment.load_changes`, one row per source, table, entity and column. `compared_rows` are records of then,
`gone_rows` those that are no longer there; of the others, `filled_rows` had a value then, `emptied_rows` have none now,
and `changed_rows` another one. A flag that was true and is not any more counts as emptied. A stamp of something that
happened since is no change. A table that was not compared has one row without a column's name."""

_NOT_COMPARED = {"column_name": "", **dict.fromkeys(list(COLUMNS)[5:], 0)}
_PARTNER_FLAGS = ("is_partner", "IsPartner")
_IDS = ("source_id", "Id", "id")


def load_changes(
    lake: Path, sources: Sequence[Instance], *, known_at: datetime | None, since: datetime | None
) -> list[dict[str, Any]]:
    """What changed between the loads known at `since` and those known at `known_at`, as rows of `COLUMNS`."""
    found: list[dict[str, Any]] = []
    with memory() as con:
        for instance in sources:
            history = loads(lake, instance.name, known_at=known_at)
            entities = {table: entity for entity, table in instance.connector.entity_tables.items()}
            for table in instance.connector.tables:
                now = chosen(history, table.name)
                then = [load for load in history if since is not None and load.known_at <= since]
                common = {
                    "source": instance.name,
                    "table_name": table.name,
                    "entity": entities.get(table.name, table.name),
                    "since": _utc(since) if since else None,
                }
                rows = _compared(con, lake, instance.name, table, chosen(then, table.name), now)
                found += [{**common, **row} for row in rows]
    return found


def _compared(
    con: duckdb.DuckDBPyConnection, lake: Path, source: str, table: Table, then: list[Load], now: list[Load]
) -> list[dict[str, Any]]:
    before, after = _reader(lake, source, table, then), _reader(lake, source, table, now)
    if before is None or after is None or {load.load_id for load in then} == {load.load_id for load in now}:
        return [_NOT_COMPARED] if now else []
    there = [{row[0] for row in con.execute(f"describe select * from {part}").fetchall()} for part in (before, after)]
    key = next((name for name in _IDS if name in there[0] and name in there[1]), None)
    columns = [name for name in table.columns if name in there[0] and name != key]
    if key is None or not columns:
        return [_NOT_COMPARED]
    every = max(1, sum(load.rows for load in then) // COMPARED_ROWS)
    since = literal(_utc(max(load.known_at for load in then)).isoformat())
    for name, part, has, used in (("before", before, there[0], then), ("after", after, there[1], now)):
        newest = (
            f"qualify row_number() over (partition by {quoted(key)} order by cast(_dlt_load_id as double) desc) = 1"
            if len(used) > 1
            else ""
        )
        # A column that is no longer exported is empty now.
        values = ", ".join(
            f"nullif(trim(cast({quoted(column)} as varchar)), '') as {quoted(column)}"
            if column in has
            else f"cast(null as varchar) as {quoted(column)}"
            for column in columns
        )
        con.execute(
            f"create or replace temp table {name} as select cast({quoted(key)} as varchar) as record, {values} "
            f"from {part} where {quoted(key)} is not null and hash(cast({quoted(key)} as varchar)) % {every} = 0 "
            f"{newest}"
        )
    is_accepted = any(load.is_shrink_accepted for load in now if load not in then)
    found = _counted(con, columns, since, is_accepted=is_accepted)
    if flag := next((name for name in _PARTNER_FLAGS if name in columns), None):
        # Among a CRM's accounts partners are few: what happens to all of them is little of the table.
        con.execute(f"delete from before where {quoted(flag)} is null or lower({quoted(flag)}) <> 'true'")
        partners = _counted(con, columns, since, is_accepted=is_accepted)
        found += [{**row, "entity": PARTNER_ACCOUNTS} for row in partners]
    return found


def _counted(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], since: str, *, is_accepted: bool
) -> list[dict[str, Any]]:
    # First what costs little, of all columns; then casts, of the few cells that differ.
    cheap = ", ".join(count for column in columns for count in _presence(quoted(column)))
    rows, gone, *counts = con.execute(
        f"select count(*), count(*) filter (where after.record is null), {cheap} {_BOTH}"
    ).fetchall()[0]
    presence = {column: counts[3 * place : 3 * place + 3] for place, column in enumerate(columns)}
    return [
        {
            "column_name": column,
            "compared_rows": rows,
            # Where somebody has said that there may be fewer, none counts as gone.
            "gone_rows": 0 if is_accepted else gone,
            "filled_rows": filled,
            "emptied_rows": emptied,
            **(_changes(con, quoted(column), since) if differing else _UNCHANGED),
        }
        for column, (filled, emptied, differing) in presence.items()
    ]


_BOTH = "from before left join after on before.record = after.record"
_UNCHANGED = {"changed_rows": 0, "scaled_rows": 0, "jumped_rows": 0}
_A_DAY = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}'"


def _presence(column: str) -> tuple[str, str, str]:
    """Counts of a column: records that had a value, those that lost it, those that have another one."""
    old, new = f"before.{column}", f"after.{column}"
    was = f"after.record is not null and {old} is not null and {old} not in ('false', 'False', 'FALSE')"
    is_lost = f"({new} is null or {old} in ('true', 'True', 'TRUE') and {new} <> {old})"
    return (
        f"count(*) filter (where {was})",
        f"count(*) filter (where {was} and {is_lost})",
        f"count(*) filter (where {was} and {old} <> {new})",
    )


def _changes(con: duckdb.DuckDBPyConnection, column: str, since: str) -> dict[str, int]:
    """What became of the cells of a column that differ."""
    changed, scaled, jumped = con.execute(
        f"""
        with cells as (
          select before.{column} as old, after.{column} as new,
            case when regexp_matches(before.{column}, {_A_DAY}) then try_cast(before.{column} as timestamp) end
              as old_day,
            case when regexp_matches(after.{column}, {_A_DAY}) then try_cast(after.{column} as timestamp) end
              as new_day,
            try_cast(before.{column} as double) as old_number, try_cast(after.{column} as double) as new_number
          {_BOTH}
          where before.{column} <> after.{column} and before.{column} not in ('false', 'False', 'FALSE')),
        others as (select * from cells where new_day is null or new_day <= timestamp {since})
        select count(*),
          count(*) filter (
            where old_number <> 0 and abs(new_number / old_number) not between {1 / SCALED_BY} and {SCALED_BY}),
          count(*) filter (where abs(date_diff('day', old_day, new_day)) > {JUMPED_DAYS})
        from others
        """
    ).fetchall()[0]
    return {"changed_rows": changed, "scaled_rows": scaled, "jumped_rows": jumped}


def _reader(lake: Path, source: str, table: Table, used: list[Load]) -> str | None:
    files = files_of(lake, source, table.name, {load.load_id for load in used})
    listed = ", ".join(literal(path) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)" if files else None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)

"""Compares a source's records with those the last release rests on: what is gone, emptied, rewritten, scaled or moved.

What a system said of closed quarters hardly changes by itself. An export in another unit, with shifted columns or with
a region left out changes it all at once, and no single row of it looks wrong. `deployment.load_changes` counts such
changes, column by column; what is too much of them is said in the gate's suite of that name. Which loads the release
rests on is what its manifest says, not what was known by then: a corrected file of an old drop is another load of the
same moment. Nothing is compared before the first release, nor where the same loads are read again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connector import Instance, Table
from pipelines.lake import REJECTED_TABLE, Load, chosen, files_of, loads
from pipelines.warehouse import literal, memory, quoted

COMPARED_ROWS = 50_000
"""Of larger tables so many records are compared, chosen by their ids: enough to see a share of a hundredth. Of
partners' accounts all are."""
JUMPED_DAYS = 300
"""A day that moved by more than this has jumped: a whole year with some days to spare."""
SCALED_BY = 5
"""A number that became so many times as large or small has changed its unit; exchange rates do not move like that. What
goes between 0 and 1 is a flag and has no unit."""

KINDS = "population$|(^|_)type$|(^|_)role$|region|country|currency|pipeline$"
"""Columns that say of what kind a record is. A kind that many records had does not die out between two releases."""
KIND_ROWS, KIND_SHARE = 20, 0.05
"""A kind of at least so many records, and of such a share of them, is no rare one that ends by itself."""

PARTNER_ACCOUNTS = "partner_accounts"
"""The `entity` of a second row per column of a table of accounts: the same counts of those that were partners."""

FEW = 5
"""Fewer records than these say nothing."""

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
    "lost_kinds": "varchar",
}
"""Of `deployment.load_changes`, one row per source, table, entity and column. `compared_rows` are records of then,
`gone_rows` those that are no longer there; of the others, `filled_rows` had a value then, `emptied_rows` have none now,
and `changed_rows` another one. A record that its source calls deleted is not there. A flag that was true and is not any
more counts as emptied. A stamp of something that happened since is no change. `lost_kinds` are the values of a column
of `KINDS` that no record has any more, as text, empty where none is lost. A table that was not compared has one row
without a column's name."""

_NOT_COMPARED = {"column_name": "", **dict.fromkeys(list(COLUMNS)[5:-1], 0), "lost_kinds": ""}
_PARTNER_FLAG, _ACCOUNT_TYPES = "is_partner", ("account_type", "type")
_IDS = ("source_id", "id")
_DELETED = "is_deleted"
_FLAG = re.compile(r"(hs_)?is_|approved$")
# What staging takes for yes and for no.
_YES, _NO = ("true", "t", "1", "yes", "y", "x", "1.0"), ("false", "f", "0", "no", "n", "0.0")

NATURAL_KEYS = {
    "opportunity_partners": ("opportunity_id", "account_id", "role_raw", "role"),
    "program_memberships": ("account_id", "program", "level", "since"),
    "exchange_rates": ("currency", "to_currency", "valid_from"),
    "account_overlaps": ("partner_id", "own_account_id", "domain", "own_population", "partner_population"),
    "overlap_counts": ("partner_id", "own_population", "partner_population"),
}
"""What names a record of an entity whose rows need no id; staging goes by the same columns."""


SHRUNK_COLUMNS = {"source": "varchar", "table_name": "varchar", "words": "varchar"}
"""Of `deployment.shrunk_tables`, one row per source and table that lost records."""
_COME_AND_GO = ("account_overlaps", "overlap_counts", "program_memberships")
"""Entities of which records end by themselves: deals close, and a membership is named by its level, too."""


def shrunk_tables(changes: Iterable[Mapping[str, Any]], max_gone_share: float) -> list[dict[str, str]]:
    """The tables that lost more of the records the last release rests on than is believable, of rows of `load_changes`.

    The words end a sentence that begins with the source.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in changes:
        gone, of = row["gone_rows"], row["compared_rows"]
        if row["entity"] not in _COME_AND_GO and gone >= FEW and gone > max_gone_share * of:
            what = "records of partners" if row["entity"] == PARTNER_ACCOUNTS else "records"
            words = f"no longer has {gone:,} of {of:,} {what} in {row['table_name']}"
            found[row["source"], row["table_name"]] = {
                "source": row["source"],
                "table_name": row["table_name"],
                "words": words,
            }
    return list(found.values())


def load_changes(
    lake: Path,
    sources: Sequence[Instance],
    *,
    known_at: datetime | None,
    rests_on: Collection[tuple[str, str, str]],
    since: datetime | None,
) -> list[dict[str, Any]]:
    """What changed between the loads that the last release rests on and those known at `known_at`.

    Args:
        lake: the folder of the loads.
        sources: whose tables are compared.
        known_at: which loads count as now; None: all.
        rests_on: source, table and load id of each load of the release; none before the first.
        since: the moment that release spoke for, which every row names.

    Returns:
        Rows of `COLUMNS`.
    """
    found: list[dict[str, Any]] = []
    with memory() as con:
        for instance in sources:
            history = loads(lake, instance.name, known_at=known_at)
            then = [load for load in history if (load.source, load.table, load.load_id) in rests_on]
            entities: dict[str, str] = {}
            for entity, name in instance.connector.entity_tables.items():
                # A table may make several entities known; it is called after the first, which it is made for.
                if entity != REJECTED_TABLE:
                    entities.setdefault(name, entity)
            for table in instance.connector.tables:
                entity = entities.get(table.name, table.name)
                common = {
                    "source": instance.name,
                    "table_name": table.name,
                    "entity": entity,
                    "since": _utc(since) if since else None,
                }
                of_table = [load for load in history if load.table == table.name]
                pair = _Pair(lake, instance, table, entity, of_table, chosen(then, table.name))
                found += [{**common, **row} for row in pair.compared(con)]
    return found


@dataclass(frozen=True)
class _Pair:
    """One table of a source by two sets of loads."""

    lake: Path
    instance: Instance
    table: Table
    entity: str
    history: list[Load]
    then: list[Load]

    def compared(self, con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        """A row per column, without what says where it belongs."""
        now = chosen(self.history, self.table.name)
        before, after = self._reader(self.then), self._reader(now)
        if before is None or after is None or {load.load_id for load in self.then} == {load.load_id for load in now}:
            return [_NOT_COMPARED] if now else []
        there = [
            {row[0] for row in con.execute(f"describe select * from {part}").fetchall()} for part in (before, after)
        ]
        key, record = self._record(con, (before, after), there[0] & there[1])
        columns = [name for name in self.table.columns if name in there[0] and name != key]
        if record is None or not columns:
            return [_NOT_COMPARED]
        every = max(1, sum(load.rows for load in self.then) // COMPARED_ROWS)
        # Among a CRM's accounts partners are few: what happens to all of them is little of the table, and all count.
        is_partner = self._is_partner(columns) if self.entity == "accounts" else None
        for name, part, has in (("before", before, there[0]), ("after", after, there[1])):
            # A column that is no longer exported is empty now.
            values = ", ".join(f"{_value(column, is_there=column in has)} as {quoted(column)}" for column in columns)
            # A record may have come with several loads, or twice in one: the newest stands for it, of equal ones the
            # same one on both sides.
            order = ", ".join(f"{quoted(column)} nulls last" for column in columns)
            chosen_too = "select record from before" if name == "after" else ""
            if name == "before" and is_partner:
                chosen_too = f"select record from told where {is_partner}"
            is_chosen = f"hash(record) % {every} = 0" + (f" or record in ({chosen_too})" if chosen_too else "")
            con.execute(
                f"create or replace temp table {name} as with told as ("
                f"select {record} as record, _dlt_load_id as load_id, "
                f"{_value(_DELETED, is_there=_DELETED in has)} is not distinct from 'true' as is_gone, {values} "
                f"from {part} where {record} is not null) select * exclude (is_gone, load_id) from ("
                f"select * from told where {is_chosen if every > 1 else 'true'} "
                f"qualify row_number() over (partition by record order by cast(load_id as double) desc, {order}"
                ") = 1) where not is_gone"
            )
        since = literal(_utc(max(load.known_at for load in self.then)).isoformat())
        # Once said of a load since then it holds, also when another export follows.
        is_accepted = any(load.is_shrink_accepted for load in self.history if load.order > self.then[-1].order)
        if not is_partner:
            return _counted(con, columns, since, is_accepted=is_accepted)
        con.execute(f"create or replace temp table partners as select * from before where {is_partner}")
        con.execute(f"delete from before where hash(record) % {every} <> 0")
        found = _counted(con, columns, since, is_accepted=is_accepted)
        con.execute("create or replace temp table before as from partners")
        partners = _counted(con, columns, since, is_accepted=is_accepted)
        found += [{**row, "entity": PARTNER_ACCOUNTS} for row in partners]
        return found

    def _record(
        self, con: duckdb.DuckDBPyConnection, parts: tuple[str, str], shared: set[str]
    ) -> tuple[str | None, str | None]:
        """The column with the records' ids, and SQL that names a record; None where nothing does.

        Where one side has no ids, the columns that name a row of the entity do.
        """
        natural = [name for name in NATURAL_KEYS.get(self.entity, ()) if name in shared]
        joined = ", ".join(f"coalesce(nullif(trim(cast({quoted(name)} as varchar)), ''), '~')" for name in natural)
        instead = f"concat_ws('|', {joined})" if natural else None
        column = next((name for name in _IDS if name in shared), None)
        if column is None:
            return None, instead
        told = f"nullif(trim(cast({quoted(column)} as varchar)), '')"
        if instead is None:
            return column, told
        counts = [con.execute(f"select count({told}) from {part}").fetchall()[0][0] for part in parts]
        return column, f"coalesce({told}, {instead})" if all(counts) else instead

    def _is_partner(self, columns: Collection[str]) -> str | None:
        """SQL that is true for an account that is marked as a partner's."""
        types = [kind.strip() for kind in self.instance.connector.account_types(self.instance.options)]
        marks = [f"{quoted(_PARTNER_FLAG)} = 'true'"] if _PARTNER_FLAG in columns else []
        listed = ", ".join(literal(kind) for kind in types)
        marks += [f"{quoted(name)} in ({listed})" for name in _ACCOUNT_TYPES if types and name in columns]
        # A null of one mark must not hide the other.
        return " or ".join(f"coalesce({mark}, false)" for mark in marks) or None

    def _reader(self, used: list[Load]) -> str | None:
        ids = {load.load_id for load in used}
        listed = ", ".join(literal(path) for path in files_of(self.lake, self.instance.name, self.table.name, ids))
        return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)" if listed else None


def _value(column: str, *, is_there: bool) -> str:
    """A column's text; a flag as true or false, however it is spelled."""
    if not is_there:
        return "cast(null as varchar)"
    text = f"nullif(trim(cast({quoted(column)} as varchar)), '')"
    if not _FLAG.match(column):
        return text
    yes, no = (", ".join(literal(word) for word in words) for words in (_YES, _NO))
    return f"case when lower({text}) in ({yes}) then 'true' when lower({text}) in ({no}) then 'false' else {text} end"


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
            "lost_kinds": "" if is_accepted or not re.search(KINDS, column) else _lost_kinds(con, quoted(column)),
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
            where old_number <> 0 and abs(new_number / old_number) not between {1 / SCALED_BY} and {SCALED_BY}
              and not (old_number in (0, 1) and new_number in (0, 1))),
          count(*) filter (where abs(date_diff('day', old_day, new_day)) > {JUMPED_DAYS})
        from others
        """
    ).fetchall()[0]
    return {"changed_rows": changed, "scaled_rows": scaled, "jumped_rows": jumped}


def _lost_kinds(con: duckdb.DuckDBPyConnection, column: str) -> str:
    """Values that many records had and none has now; none where the column says nothing at all any more."""
    (lost,) = con.execute(
        f"""
        select coalesce(string_agg(kind, ', ' order by kind), '') from (
          select {column} as kind from before where {column} is not null group by {column}
          having count(*) >= {KIND_ROWS} and count(*) >= {KIND_SHARE} * (select count(*) from before)) as kinds
        where kind not in (select {column} from after where {column} is not null)
          and exists (select 1 from after where {column} is not null)
        """
    ).fetchall()[0]
    return str(lost)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)

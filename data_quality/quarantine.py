"""Reads what was set aside: rows of a source that could not be believed, by the rule that each of them breaks first.

Which rules there are, and that a row comes back once its source is right, is dbt's (`macros/entities.sql`); how many
rows may be set aside is asked by the suite `quarantine`. This module counts and lists, and shows no address of a
person.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb

from data_quality.masking import without_mail
from pipelines.errors import InputError, SegmentsError
from pipelines.events import emit
from pipelines.warehouse import CONFORMED, QUARANTINE, Places, connect, literal, quoted

ASIDE = "_set_aside"
HARMLESS = ("superseded", "deleted")
"""Reasons that say nothing against a row; the macro `harmless_reasons` has the same."""


@dataclass(frozen=True)
class Share:
    """How many rows of one entity of one source break one rule. `rows` counts all its rows, believed or set aside."""

    source: str
    entity: str
    reason: str
    count: int
    rows: int

    @property
    def share(self) -> float:
        """`count` of `rows`, from 0 to 1."""
        return self.count / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Row:
    """One row that is set aside, as far as it may be shown."""

    source: str
    entity: str
    source_id: str | None
    reason: str
    detail: str
    file_name: str | None
    file_row: int | None
    load_id: str | None
    since: datetime | None
    """Moment of the load that brought the row as it is (UTC); an earlier state of it may have been set aside too."""


@dataclass(frozen=True)
class Aside:
    """Everything the last run set aside."""

    shares: tuple[Share, ...]
    rows: int
    """Rows of all sources, believed or set aside; without those that a later load replaced or the source deleted."""
    harmless: int
    """Rows left out that nothing is wrong with."""

    @property
    def count(self) -> int:
        """How many rows are set aside."""
        return sum(share.count for share in self.shares)


@contextmanager
def warehouse(places: Places) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of the last run, read-only.

    Raises:
        InputError: no run has shaped anything yet.
        Busy: a run is writing.
    """
    if not places.warehouse.exists():
        raise InputError(f"nothing was run yet in {places.state}", next_step="`segments run` reads and judges")
    con = connect(places.warehouse, read_only=True, wait_seconds=20.0)
    try:
        if not entities(con):
            raise InputError(
                "the last run did not get as far as setting rows aside", next_step="`segments run --rehearse`"
            )
        yield con
    finally:
        con.close()


def entities(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The conformed entities whose rows were split, by name."""
    found = con.execute(
        f"select table_name from duckdb_tables() where schema_name = {literal(QUARANTINE)} "
        f"and table_name like {literal('%' + ASIDE)} order by table_name"
    ).fetchall()
    return [str(row[0]).removesuffix(ASIDE) for row in found]


def summary(con: duckdb.DuckDBPyConnection) -> Aside:
    """Counts by source, entity and rule, the most rows first."""
    names = entities(con)
    believed = " union all ".join(
        f"select source, {literal(name)} as entity, 'believed' as reason from {CONFORMED}.{quoted(name)}"
        for name in names
    )
    aside = " union all ".join(
        f"select source, {literal(name)}, reject_reason from {QUARANTINE}.{quoted(name + ASIDE)}" for name in names
    )
    counted = con.execute(
        f"select coalesce(source, '(none)'), entity, reason, count(*) from ({believed} union all {aside}) group by all"
    ).fetchall()
    rows: dict[tuple[str, str], int] = {}
    for source, entity, reason, count in counted:
        if reason not in HARMLESS:
            rows[source, entity] = rows.get((source, entity), 0) + count
    shares = [
        Share(source, entity, reason, count, rows[source, entity])
        for source, entity, reason, count in counted
        if reason != "believed" and reason not in HARMLESS
    ]
    return Aside(
        tuple(sorted(shares, key=lambda share: (-share.count, share.source, share.entity, share.reason))),
        sum(rows.values()),
        sum(count for *_, reason, count in counted if reason in HARMLESS),
    )


def glance(places: Places) -> Aside | None:
    """The counts, or None where the warehouse cannot be asked: whoever only mentions them goes on without."""
    try:
        with warehouse(places) as con:
            return summary(con)
    except (SegmentsError, duckdb.Error) as problem:
        emit("set_aside_uncounted", f"what was set aside could not be counted: {problem}", level=logging.WARNING)
        return None


def listed(
    con: duckdb.DuckDBPyConnection,
    *,
    entity: str | None = None,
    source: str | None = None,
    reason: str | None = None,
    limit: int = 0,
) -> list[Row]:
    """The rows that are set aside, by source, entity, file and place in it; `limit` 0 = all."""
    parts = " union all ".join(
        f"select source, {literal(name)} as entity, source_id, reject_reason, reject_detail, file_name, file_row, "
        f"load_id, extracted_at from {QUARANTINE}.{quoted(name)}"
        for name in entities(con)
        if entity in (None, name)
    )
    if not parts:
        return []
    found = con.execute(
        f"from ({parts}) where coalesce(source = $source, $source is null) "
        "and coalesce(reject_reason = $reason, $reason is null) "
        "order by source, entity, file_name, file_row, source_id, reject_reason" + (f" limit {limit}" if limit else ""),
        {"source": source, "reason": reason},
    ).fetchall()
    return [
        Row(
            source=found_source or "(none)",
            entity=name,
            source_id=without_mail(key) if key else None,
            reason=broken,
            detail=without_mail(detail or ""),
            file_name=file_name,
            file_row=file_row,
            load_id=load_id,
            since=since,
        )
        for found_source, name, key, broken, detail, file_name, file_row, load_id, since in found
    ]

"""Runs `floor.sql` on an export and holds its numbers against a candidate's. Its tables are `floor.sql`'s business."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from pipelines.fiscal import Quarter
from pipelines.settings import Settings
from pipelines.warehouse import connect, literal, memory

SQL = Path(__file__).with_name("floor.sql")

# The columns that must agree, as they are called in the floor; where the release says it otherwise, the expression.
COMPARED: dict[str, dict[str, str]] = {
    "partner_segments": {
        "partner_number": "partner_number",
        "tier": "tier",
        "tier_action": "tier_action",
        "sourced_won_amount": "sourced_won_amount",
    },
    "partner_level_history": {
        "partner_number": "partner_number",
        "quarter": "quarter",
        "earned_level": "earned_level",
        "held_level": "held_level",
        "previous_level": "previous_level",
        "action": "action",
    },
    "partner_gates": {
        "partner_number": "partner_number",
        "quarter": "quarter",
        "level": "level",
        "needed_value": "needed_value",
        "actual_value": "actual_value",
        "population": "try_cast(regexp_extract(actual, '^place [0-9]+ of ([0-9]+)$', 1) as bigint)",
        "has_passed": "has_passed",
    },
    "segment_summary": {
        "quarter": "quarter",
        "level": "level",
        "partner_count": "partner_count",
        "sourced_won_amount": "sourced_won_amount",
        # Two ways to divide may differ in the last bit of a double.
        "partner_share": "round(partner_share, 12)",
        "production_share": "round(production_share, 12)",
    },
    "segment_movement": {
        "quarter": "quarter",
        "from_level": "from_level",
        "to_level": "to_level",
        "action": "action",
        "partner_count": "partner_count",
        "sourced_won_amount": "sourced_won_amount",
    },
}


@dataclass(frozen=True)
class Difference:
    """Rows of one table that only one side has."""

    table: str
    only_in_floor: int
    only_in_release: int
    examples: tuple[str, ...]

    def sentence(self) -> str:
        """The difference in words, with some rows."""
        rows = "".join(f"\n    {row}" for row in self.examples)
        return (
            f"{self.table}: {self.only_in_floor:,} rows only in the floor, "
            f"{self.only_in_release:,} only in the release, for example{rows}"
        )


def run_floor(settings: Settings, quarter: Quarter, folder: Path, database: Path, *, threads: int) -> None:
    """Compute the floor's tables from the export in `folder` into a fresh DuckDB file."""
    database.unlink(missing_ok=True)
    with connect(database) as con:
        con.execute(f"set threads = {threads}")
        set_variables(con, settings, quarter, folder)
        con.execute(SQL.read_text(encoding="utf-8"))


def set_variables(con: duckdb.DuckDBPyConnection, settings: Settings, quarter: Quarter, folder: Path) -> None:
    """The variables that `floor.sql` reads."""
    pseudo = ", ".join(literal(name.strip().lower()) for name in settings.pseudo_partners)
    rates = ", ".join(
        f"{{currency: {literal(currency)}, valid_from: date '{start}', valid_to: date '{end}', "
        f"rate: {rate}::decimal(18, 8)}}"
        for currency, start, end, rate in _rates(settings)
    )
    con.execute(f"set variable folder = {literal(folder)}")
    con.execute(f"set variable last_quarter = date '{quarter.first_day}'")
    con.execute(f"set variable history_quarters = {settings.history_quarters}")
    con.execute(f"set variable reporting_currency = {literal(settings.reporting_currency)}")
    con.execute(f"set variable rates = [{rates}]")
    con.execute(f"set variable pseudo_partners = [{pseudo}]::varchar[]")


def differences(database: Path, candidate: Path) -> list[Difference]:
    """Every table in which the floor and a candidate's file disagree; empty when the numbers are equal."""
    found = []
    with memory() as con:
        con.execute(f"attach {literal(database)} as floor (read_only)")
        con.execute(f"attach {literal(candidate)} as release (read_only)")
        for table, columns in COMPARED.items():
            shares = {name for name, says in columns.items() if says.startswith("round(")}
            ours = ", ".join(columns[name] if name in shares else name for name in columns)
            theirs = ", ".join(f"{says} as {name}" for name, says in columns.items())
            difference = differing_rows(
                con, table, f"select {ours} from floor.{table}", f"select {theirs} from release.{table}"
            )
            if difference:
                found.append(difference)
    return found


def differing_rows(con: duckdb.DuckDBPyConnection, name: str, ours: str, theirs: str) -> Difference | None:
    """The rows that only one of two selects gives, under `name`; None when they give the same."""
    con.execute(
        f"""
        create or replace temp table differing as
        select 'floor' as side, * from (({ours}) except all ({theirs}))
        union all
        select 'release', * from (({theirs}) except all ({ours}))
        """
    )
    counts = dict(con.execute("select side, count(*) from differing group by side").fetchall())
    if not counts:
        return None
    rows = con.execute("select * from differing order by all limit 6").fetchall()
    examples = tuple(" | ".join(str(value) for value in row) for row in rows)
    return Difference(name, counts.get("floor", 0), counts.get("release", 0), examples)


def _rates(settings: Settings) -> list[tuple[str, date, date, Decimal]]:
    dated: dict[str, list[tuple[date, Decimal]]] = {settings.reporting_currency: [(date(1900, 1, 1), Decimal(1))]}
    for rate in settings.exchange_rates:
        if rate.currency != settings.reporting_currency:
            dated.setdefault(rate.currency, []).append((rate.from_, rate.rate))
    rows = []
    for currency, starts in dated.items():
        starts.sort()
        ends = [start for start, _ in starts[1:]] + [date(9999, 12, 31)]
        rows += [(currency, start, end, rate) for (start, rate), end in zip(starts, ends, strict=True)]
    return rows

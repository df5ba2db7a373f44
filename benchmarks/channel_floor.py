"""Runs `channel_floor.sql` on a generated channel and holds its numbers against the project's, of the same lake."""

from __future__ import annotations

from pathlib import Path

from benchmarks.floor import Difference, differing_rows, set_variables
from demo.sample_company import DROPS
from pipelines.settings import Settings
from pipelines.warehouse import connect, literal, memory

SQL = Path(__file__).with_name("channel_floor.sql")

_WINDOW = "w.window_id = 'primary/4/0'"
# The same rows by both ways: what they are, the floor's, the project's.
COMPARED: dict[str, tuple[str, str]] = {
    "sourced won amount by partner and quarter": (
        """
        select partner_number, quarter, sourced_won_in_quarter as amount
        from floor.partner_quarters where sourced_won_in_quarter <> 0
        """,
        """
        select p.partner_number, m.quarter, m.sourced_won_amount
        from project.metrics.partner_quarter_measures as m
        inner join project.identity.partners as p using (partner_id)
        where m.attribution = 'primary' and m.sourced_won_amount <> 0
        """,
    ),
    "production of four quarters by partner and quarter": (
        """
        select
            partner_number, quarter, sourced_won_amount, influenced_won_amount, sourced_pipeline_amount,
            influenced_pipeline_amount, won_deals, decided_deals, active_quarters
        from floor.partner_quarters
        """,
        f"""
        select
            p.partner_number, q.quarter, w.sourced_won_amount, w.influenced_won_amount, w.sourced_pipeline_amount,
            w.influenced_pipeline_amount, w.won_deals, w.decided_deals, w.active_quarters
        from project.metrics.partner_windows as w
        inner join project.identity.partners as p using (partner_id)
        inner join project.deployment.quarters as q using (quarter_index)
        where {_WINDOW}
        """,
    ),
    "overlaps by partner and quarter": (
        """
        select
            partner_number, quarter, overlap_accounts, icp_overlap_accounts, whitespace_accounts, unique_reach_accounts
        from floor.partner_quarters where overlap_accounts is not null
        """,
        """
        select
            p.partner_number, r.quarter, o.overlap_accounts, o.icp_overlap_accounts, o.whitespace_accounts,
            o.unique_reach_accounts
        from project.metrics.partner_overlaps as o
        inner join project.metrics.partner_quarters as r using (partner_id, quarter_index)
        inner join project.identity.partners as p using (partner_id)
        """,
    ),
    "total scores by partner and quarter": (
        "select partner_number, quarter, total_score from floor.partner_quarters",
        "select partner_number, quarter, total_score from project.marts.partner_scores where is_active_policy",
    ),
    "levels by ladder, partner and quarter": (
        "select partner_number, quarter, ladder, earned_level, held_level, action from floor.partner_level_history",
        """
        select h.partner_number, h.quarter, h.ladder, h.earned_level, h.held_level, h.action
        from project.marts.partner_level_history as h
        inner join project.deployment.run_context as c using (policy, version)
        """,
    ),
}


def run_floor(settings: Settings, database: Path, *, threads: int, memory_limit: str | None = None) -> None:
    """Compute the floor's tables from the lake of a deployment into a fresh DuckDB file.

    `memory_limit` is a size as DuckDB reads it, such as `8GB`.
    """
    database.unlink(missing_ok=True)
    industries = ", ".join(literal(name.strip().lower()) for name in settings.icp.industries)
    with connect(database) as con:
        con.execute(f"set threads = {threads}")
        if memory_limit:
            con.execute(f"set memory_limit = {literal(memory_limit)}")
        set_variables(con, settings, settings.quarter(None), settings.folder("state") / "lake")
        con.execute(f"set variable exported_on = date '{DROPS[-1].date()}'")
        con.execute(f"set variable icp_industries = [{industries}]::varchar[]")
        con.execute(f"set variable icp_employees = {settings.icp.employees.min or 0}")
        con.execute(SQL.read_text(encoding="utf-8"))


def compare(database: Path, warehouse: Path) -> tuple[dict[str, int], list[Difference]]:
    """Rows of the floor that were compared, and every set of rows in which floor and warehouse disagree."""
    counts: dict[str, int] = {}
    found: list[Difference] = []
    with memory() as con:
        con.execute(f"attach {literal(database)} as floor (read_only)")
        con.execute(f"attach {literal(warehouse)} as project (read_only)")
        for name, (ours, theirs) in COMPARED.items():
            counts[name] = con.execute(f"select count(*) from ({ours})").fetchall()[0][0]
            difference = differing_rows(con, name, ours, theirs)
            if difference:
                found.append(difference)
    return counts, found

"""Shows a release in the terminal: the roster as a table, a partner's story as text. Reads released tables only."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.errors import InputError


def roster(con: duckdb.DuckDBPyConnection, out: Console, *, limit: int, level: str | None) -> None:
    """Print who holds which level and why, best first, and the size of every level.

    Raises:
        InputError: nobody holds the level asked for.
    """
    head = con.execute(
        "select any_value(release), any_value(quarter), any_value(policy) || '@' || any_value(version), "
        "cast(any_value(as_of) as varchar), cast(any_value(known_at) as varchar), count(*) from partner_segments"
    ).fetchall()[0]
    out.print(f"[bold]{head[0]}[/bold]  policy {head[2]}, as of {head[3]}, facts known up to {head[4]} UTC")
    rows = con.execute(
        """
        select
            p.partner_number, p.partner_name, p.tier, p.tier_action, p.segment, p.segment_action, p.sourced_won_amount,
            p.total_score, p.evidence_share, p.reasons
        from partner_segments as p
        left join (
            select partner_id, min(held_rank) as held_rank from partner_level_history
            where quarter = (select any_value(quarter) from partner_segments)
                and policy = (select any_value(policy) from partner_segments)
            group by partner_id
        ) as h on p.partner_id = h.partner_id
        where $level is null or $level in (p.tier, p.segment)
        order by h.held_rank, p.total_score desc nulls last, p.sourced_won_amount desc nulls last, p.partner_number
        """,
        {"level": level},
    ).fetchall()
    if not rows:
        known = [r[0] for r in con.execute("select distinct level from segment_summary order by 1").fetchall()]
        raise InputError(f"nobody holds {level!r}", next_step=f"levels: {', '.join(known)}")
    has_tier, has_segment, has_score = (any(row[i] is not None for row in rows) for i in (2, 4, 7))
    grid = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    grid.add_column("number", no_wrap=True)
    grid.add_column("partner", max_width=28, no_wrap=True)
    for wanted, name in ((has_tier, "tier"), (has_segment, "segment")):
        if wanted:
            grid.add_column(name, no_wrap=True)
    grid.add_column("sourced won", justify="right", no_wrap=True)
    if has_score:
        grid.add_column("score", justify="right", no_wrap=True)
        grid.add_column("evidence", justify="right", no_wrap=True)
    # One line per ladder: the table is for comparing, `show NAME` tells the whole story.
    grid.add_column("why", overflow="ellipsis", no_wrap=True, ratio=1)
    shown = rows if limit == 0 else rows[:limit]
    for row in shown:
        cells = [row[0], row[1]]
        if has_tier:
            cells.append(_moved(row[2], row[3]))
        if has_segment:
            cells.append(_moved(row[4], row[5]))
        cells.append(_amount(row[6]))
        if has_score:
            cells += [_amount(row[7], digits=1), "unknown" if row[8] is None else f"{row[8]:.0%}"]
        cells.append((row[9] or "").replace(" | ", "\n"))
        grid.add_row(*cells)
    out.print(grid)
    if len(shown) < len(rows):
        out.print(
            f"{len(shown)} of {len(rows)} partners; `--limit 0` shows all, `segments show NAME` one whole", style="dim"
        )
    _sizes(con, out)


def told_levels(con: duckdb.DuckDBPyConnection, out: Console, system: str, *, limit: int) -> None:
    """Print the computed level of every partner beside the one that a system says it holds; those that differ first.

    The system is a source or a kind of source. Names of levels are compared without regard to case; a programme is held
    against the ladder whose levels it shares most names with.

    Raises:
        InputError: no source of that name or kind says anything about levels.
    """
    told = "from partner_program_levels where $system in (source, source_kind)"
    if not con.execute("select 1 from duckdb_tables() where table_name = 'partner_program_levels'").fetchall():
        raise InputError(
            "this release does not know which levels the systems say are held",
            next_step="it was made by an earlier version; `segments run` makes one that does",
        )
    if not con.execute(f"select 1 {told} limit 1", {"system": system}).fetchall():
        known = con.execute("select distinct unnest([source, source_kind]) from partner_program_levels").fetchall()
        names = ", ".join(sorted(row[0] for row in known))
        raise InputError(
            f"no level of a partner is known from {system!r}",
            next_step=f"levels are known from: {names}" if names else "no connected system says which levels are held",
        )
    rows = con.execute(
        f"""
        with told as (select * {told}),
        levels as (
            select distinct s.ladder, s.level, s.level_rank from segment_summary as s
            where s.quarter = (select any_value(quarter) from partner_segments)
                and s.policy = (select any_value(policy) from partner_segments)
        ),
        ladder_of as (
            select t.source, t.program, l.ladder
            from told as t inner join levels as l on lower(l.level) = lower(t.level)
            group by t.source, t.program, l.ladder
            qualify row_number() over (partition by t.source, t.program order by count(*) desc, l.ladder) = 1
        ),
        held as (
            select h.partner_id, h.ladder, h.held_level, h.held_rank from partner_level_history as h
            where h.quarter = (select any_value(quarter) from partner_segments)
                and h.policy = (select any_value(policy) from partner_segments)
        )
        select
            t.partner_number, t.partner_name, o.ladder, h.held_level, t.source, t.program, t.level,
            cast(t.since as varchar),
            case
                when o.ladder is null then 'no ladder has such levels'
                when h.held_level is null then 'holds none here'
                when l.level_rank is null then 'no such level here'
                when l.level_rank = h.held_rank then 'same'
                when l.level_rank < h.held_rank then 'higher there'
                else 'lower there'
            end as verdict
        from told as t
        left join ladder_of as o on t.source = o.source and t.program = o.program
        left join held as h on t.partner_id = h.partner_id and h.ladder = o.ladder
        left join levels as l on l.ladder = o.ladder and lower(l.level) = lower(t.level)
        order by verdict = 'same', verdict, coalesce(abs(l.level_rank - h.held_rank), 0) desc, t.partner_number,
            t.program
        """,
        {"system": system},
    ).fetchall()
    grid = Table(box=None, pad_edge=False, header_style="bold")
    columns = ["number", "partner", "computed", "there", "", "programme", "ladder", "source", "since"]
    places = [0, 1, 3, 6, 8, 5, 2, 4, 7]
    # What is the same in every row, or nowhere told, needs no column.
    shown_columns = [
        (name, place)
        for name, place in zip(columns, places, strict=True)
        if name not in ("ladder", "source", "since") or len({row[place] for row in rows}) > 1
    ]
    for name, _ in shown_columns:
        grid.add_column(name, no_wrap=True, max_width=24 if name == "partner" else None)
    shown = rows if limit == 0 else rows[:limit]
    for row in shown:
        grid.add_row(*(escape(str(row[place])) if row[place] is not None else "" for _, place in shown_columns))
    out.print(grid)
    if len(shown) < len(rows):
        out.print(f"{len(shown)} of {len(rows)}; `--limit 0` shows all", style="dim")
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[-1]] = counts.get(row[-1], 0) + 1
    out.print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items(), key=lambda x: -x[1])))


def _sizes(con: duckdb.DuckDBPyConnection, out: Console) -> None:
    grid = Table(
        "ladder", "level", "partners", "share", "sourced won", "share of it", "hours entitled", "spent",
        box=None, pad_edge=False,
    )  # fmt: skip
    for row in con.execute(
        """
        select s.ladder, s.level, s.partner_count, s.partner_share, s.sourced_won_amount, s.production_share,
            s.hours_entitled, s.hours_spent
        from segment_summary as s
        where s.quarter = (select any_value(quarter) from partner_segments)
            and s.policy = (select any_value(policy) from partner_segments)
        order by s.ladder, s.level_rank
        """
    ).fetchall():
        hours = ("" if value is None else _amount(value) for value in row[6:8])
        grid.add_row(row[0], row[1], f"{row[2]:,}", _share(row[3]), _amount(row[4]), _share(row[5]), *hours)
    out.print()
    out.print(grid)


def partner_story(con: duckdb.DuckDBPyConnection, out: Console, wanted: str) -> None:
    """Print one partner: levels with reasons, the score by criterion, the bars of every level, the last quarters.

    Raises:
        InputError: no partner matches, or several do.
    """
    exactly = "lower(partner_number) = lower($1) or partner_id = $1 or lower(partner_name) = lower($1)"
    about = "contains(lower(partner_name), lower($1)) or contains(lower(partner_number), lower($1))"
    found: list[tuple[Any, ...]] = []
    for condition in (exactly, about):
        found = found or con.execute(f"select * from partner_segments where {condition}", [wanted]).fetchall()
    names = [row[0] for row in con.execute("describe partner_segments").fetchall()]
    partners = [dict(zip(names, row, strict=True)) for row in found]
    if not partners:
        raise InputError(f"no partner is called {wanted!r}", next_step="`segments show` lists them")
    if len(partners) > 1:
        listed = ", ".join(f"{p['partner_number']} {p['partner_name']}" for p in partners[:8])
        raise InputError(f"{len(partners)} partners match {wanted!r}: {listed}", next_step="give the partner number")
    partner = partners[0]
    heading = "  ".join(partner[name] for name in ("partner_number", "quarter", "release"))
    out.print(f"[bold]{escape(partner['partner_name'])}[/bold]  {heading}")
    for ladder in ("tier", "segment"):
        if partner[ladder]:
            out.print(f"  {ladder:<8} {_moved(partner[ladder], partner[f'{ladder}_action'])}")
    for reason in (partner["reasons"] or "").split(" | "):
        out.print(f"  why      {reason}", markup=False)
    if partner["entitlements"]:
        out.print(f"  gets     {partner['entitlements']}", markup=False)
    out.print(
        f"  sourced won {_amount(partner['sourced_won_amount'])}, "
        f"influenced won {_amount(partner['influenced_won_amount'])}, "
        f"sourced pipeline {_amount(partner['sourced_pipeline_amount'])} in the policy's window"
    )
    _around(con, out, partner)
    _score(con, out, partner)
    _bars(con, out, partner)
    _history(con, out, partner)


def _around(con: duckdb.DuckDBPyConnection, out: Console, partner: dict[str, Any]) -> None:
    """What account mapping, portal and calendars say of the partner, a line each; nothing where nobody can know."""
    key = [partner["partner_id"], partner["quarter"]]
    there = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
    if not {"investment_plan", "partner_overlap", "partner_funnel", "identity_review"} <= there:
        return  # a release of a version that did not make these tables yet
    out.print(f"  known to {partner['systems']}; manager {partner['manager'] or 'unknown'}", markup=False)
    plan = con.execute(
        "select hours_entitled, hours_spent, meetings_held, cast(last_touch as varchar) from investment_plan "
        "where partner_id = $1 and quarter = $2",
        key,
    ).fetchone()
    if plan and plan[1] is not None:
        entitled = "" if plan[0] is None else f" of {_amount(plan[0])} entitled"
        out.print(
            f"  time     {_amount(plan[1], digits=1)} hours{entitled} in the quarter, {plan[2]} meetings, "
            f"last {plan[3] or 'never'}"
        )
    overlap = con.execute(
        "select overlap_accounts, icp_overlap_accounts, whitespace_accounts, unique_reach_accounts "
        "from partner_overlap where partner_id = $1 and quarter = $2",
        key,
    ).fetchone()
    if overlap:
        out.print(
            f"  overlap  {_amount(overlap[0])} accounts, {_amount(overlap[1])} of the ideal profile, "
            f"{_amount(overlap[2])} white space, {_amount(overlap[3])} reached by no other partner"
        )
    funnel = con.execute(
        "select sum(registered), sum(accepted), sum(declined), sum(won) from partner_funnel "
        "where partner_id = $1 and quarter = $2",
        key,
    ).fetchone()
    if funnel and funnel[0] is not None:
        out.print(f"  portal   {funnel[0]} registered, {funnel[1]} accepted, {funnel[2]} declined, {funnel[3]} won")
    for row in con.execute("select source, detail from identity_review where partner_id = $1", key[:1]).fetchall():
        out.print(f"  review   {row[0]}: {row[1]}", markup=False)


def _score(con: duckdb.DuckDBPyConnection, out: Console, partner: dict[str, Any]) -> None:
    rows = con.execute(
        """
        select dimension, criterion, metric, value, points, max_points, contribution, reason
        from partner_score_contributions where partner_id = $1 and quarter = $2 order by dimension, criterion
        """,
        [partner["partner_id"], partner["quarter"]],
    ).fetchall()
    if not rows:
        return
    dimensions = json.loads(partner["dimension_scores"] or "{}")
    said = ", ".join(f"{name} {'unknown' if score is None else score}" for name, score in dimensions.items())
    out.print(f"\nscore {_amount(partner['total_score'], digits=2)}, place {partner['score_rank']} ({said})")
    grid = Table("dimension", "criterion", "metric", "value", "points", "of", "adds", "", box=None, pad_edge=False)
    for row in rows:
        grid.add_row(
            row[0] or "",
            row[1],
            row[2],
            _amount(row[3], digits=2),
            *(_amount(x, digits=2) for x in row[4:7]),
            row[7] or "",
        )
    out.print(grid)


def _bars(con: duckdb.DuckDBPyConnection, out: Console, partner: dict[str, Any]) -> None:
    rows = con.execute(
        """
        select g.ladder, g.level, g.alternative, g.needed, g.actual, g.has_passed
        from partner_gates as g
        inner join segment_summary as s
            on g.quarter = s.quarter and g.policy = s.policy and g.version = s.version and g.ladder = s.ladder
            and g.level = s.level
        where g.partner_id = $1 and g.quarter = $2
        order by g.ladder, s.level_rank, g.alternative, g.condition
        """,
        [partner["partner_id"], partner["quarter"]],
    ).fetchall()
    out.print("\nbars of every level (one way of a level must hold whole)")
    grid = Table("ladder", "level", "way", "needed", "there is", "", box=None, pad_edge=False)
    for row in rows:
        grid.add_row(row[0], row[1], str(row[2]), row[3], row[4], "passed" if row[5] else "[yellow]missing[/yellow]")
    out.print(grid)


def _history(con: duckdb.DuckDBPyConnection, out: Console, partner: dict[str, Any]) -> None:
    rows = con.execute(
        """
        select quarter, ladder, earned_level, held_level, action, held_since, released_level
        from partner_level_history where partner_id = $1 and policy = $2
        order by ladder, quarter_end desc
        """,
        [partner["partner_id"], partner["policy"]],
    ).fetchall()
    out.print("\nquarter by quarter (released = on record; empty where that quarter was never released)")
    grid = Table("ladder", "quarter", "earned", "held", "action", "since", "released", box=None, pad_edge=False)
    for row in rows:
        grid.add_row(row[1], row[0], row[2], row[3], row[4], row[5], row[6] or "")
    out.print(grid)


def _moved(level: str | None, action: str | None) -> str:
    marks = {"promoted": " ↑", "demoted": " ↓", "entered": " +", "exited": " −", "on_watch": " !"}
    return f"{level or '-'}{marks.get(action or '', '')}"


def _amount(value: Decimal | float | None, *, digits: int = 0) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"

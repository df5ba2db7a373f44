"""Puts doubtful values to the ends of their believable range, and computes levels again at either end.

In a scratch file, by the project's own SQL: from the values that policies are made of to the levels that are held.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from data_quality.touched import DECLARED, ENTITIES
from pipelines.compiled import Node, Project, compiled, rebuild
from pipelines.release import SCRATCH
from pipelines.shape import Run
from pipelines.warehouse import connect, literal, quoted

HISTORY_QUARTERS = 4
"""A value is believable within what the partner itself had in so many quarters before."""
SHARES = (0.05, 0.95)
"""Whoever has no history may have what this share of the partners had less than, in the same quarters."""
BASE_VALUES = ("metrics", "base_values")
LEVELS = ("ladders", "levels_held")

_WON = ("sourced_won_amount", "influenced_won_amount", "won_deals", "active_quarters", "new_customers")
ADDS_AMOUNT = frozenset(
    {
        "sourced_pipeline_amount", "influenced_pipeline_amount", "sourced_won_amount", "influenced_won_amount",
        "overlap_open_amount", "mdf_requested_amount", "mdf_spent_amount",
    }
)  # fmt: skip
"""Metrics that a row which is left out would raise by its amount, if it counts at all."""
ADDS_ROWS = frozenset(
    {
        "won_deals", "decided_deals", "active_quarters", "new_customers", "overlap_accounts", "icp_overlap_accounts",
        "overlap_customers", "whitespace_accounts", "unique_reach_accounts", "certified_people",
        "active_certifications", "trainings_completed", "registrations_submitted", "registrations_accepted",
        "registrations_won", "portal_active_days", "content_views", "csat_responses", "business_plans_held",
        "product_lines_sold", "meetings_held",
    }
)  # fmt: skip
"""Metrics that such a row would raise by one at most."""


def lay_ends(con: duckdb.DuckDBPyConnection, previous: str | None) -> None:
    """Make `ends`: version_id, metric_id, roster_id, bad, good; one row per doubtful value of the run's quarter.

    Null is unknown. A value believably lies between the lowest and the highest of what it is and what the partner had
    in the quarters before, as known now and as released (`previous`, a database). Without history it may be
    what the 5th to the 95th percentile of the partners had. What is unknown now stays so at the bad end. Where only
    rows that were set aside are in doubt, a sum or count lies between what it is and what it is with their face value,
    but not above what is believable.
    """
    _lay_what_rests(con)
    told = ""
    if previous:
        told = f"""
            union all
            select t.policy, t.metric, t.partner_id, q.quarter_index, t.value
            from (
                select policy, metric, partner_id, quarter, value from {previous}.partner_score_contributions
                where is_observed
                union
                select policy, subject, partner_id, quarter, actual_value from {previous}.partner_gates
                where kind = 'metric' and is_observed
            ) as t
            inner join deployment.quarters as q on t.quarter = q.quarter
        """
    con.execute(
        f"""
        create or replace temp table ends as
        with context as (
            select policy, version, quarter_index from deployment.run_context
        ),

        uses as (
            select
                u.metric, u.source_metric, coalesce(u.direction, m.direction) as direction,
                w.quarter_end as before_window
            from policy.metric_uses as u
            inner join context as c on u.policy = c.policy and u.version = c.version
            left join seeds.metric_catalogue as m on u.source_metric = m.metric
            left join deployment.quarters as w
                on w.quarter_index = c.quarter_index - u.window_lag - u.window_quarters
            union all
            select d.metric, {literal(DECLARED)}, d.direction, null
            from policy.declared_metrics as d
            inner join context as c on d.policy = c.policy and d.version = c.version
        ),

        -- A row that was set aside counts once, whichever and however many expectations found it.
        things as (
            select
                partner_id, entity, is_aside, thing, max(amount) as amount, max(row_count) as row_count,
                max(dated) as dated, bool_or(is_won) as is_won
            from doubts
            group by partner_id, entity, is_aside, thing
        ),

        -- A deal and its credits are set aside together and are one thing.
        per_thing as (
            select
                t.partner_id, u.metric, u.direction, t.thing, r.adds,
                bool_or(not t.is_aside or r.adds is null) as is_open,
                max(case r.adds when 'amount' then t.amount when 'rows' then t.row_count end) as face
            from things as t
            inner join rests as r on t.entity = r.entity
            inner join uses as u on r.metric = u.source_metric
            where not t.is_aside
                or (
                    (t.dated is null or u.before_window is null or t.dated > u.before_window)
                    and not (r.needs_won and t.is_won is not distinct from false)
                )
            group by t.partner_id, u.metric, u.direction, t.thing, r.adds
        ),

        pairs as (
            select
                partner_id, metric, direction,
                bool_or(is_open) as is_open,
                -- A face value that nobody can read may be anything.
                case when count(*) = count(face) then sum(face) end as face
            from per_thing
            group by partner_id, metric, direction
        ),

        known as (
            select v.policy, v.metric, v.partner_id, v.quarter_index, v.value
            from metrics.policy_values as v
            where v.is_observed and v.metric in (select metric from pairs)
            {told}
        ),

        recent as (
            select k.metric, k.partner_id, k.quarter_index < c.quarter_index as is_before, k.value
            from known as k
            inner join context as c
                on k.policy = c.policy
                and k.quarter_index between c.quarter_index - {HISTORY_QUARTERS} and c.quarter_index
            where k.value is not null
        ),

        own as (
            select metric, partner_id, min(value) as lowest, max(value) as highest
            from recent
            where is_before
            group by metric, partner_id
        ),

        roster as (
            select metric, quantile_disc(value, {SHARES[0]}) as low, quantile_disc(value, {SHARES[1]}) as high
            from recent
            group by metric
        ),

        present as (
            select v.version_id, v.metric_id, v.roster_id, v.metric, v.partner_id, v.value
            from metrics.policy_values as v
            inner join context as c
                on v.policy = c.policy and v.version = c.version and v.quarter_index = c.quarter_index
        ),

        bounded as (
            select
                n.version_id, n.metric_id, n.roster_id, p.direction, p.is_open, p.face, n.value,
                least(n.value, o.lowest, case when o.partner_id is null then r.low end) as lowest,
                greatest(n.value, o.highest, case when o.partner_id is null then r.high end) as highest,
                greatest(n.value, o.highest, r.high) as believable
            from pairs as p
            inner join present as n on p.partner_id = n.partner_id and p.metric = n.metric
            left join own as o on p.partner_id = o.partner_id and p.metric = o.metric
            left join roster as r on p.metric = r.metric
        ),

        ranged as (
            select
                version_id, metric_id, roster_id, direction, value,
                case when is_open then lowest else value end as low,
                case
                    when is_open then highest
                    when face is null then believable
                    else least(coalesce(value, 0) + face, believable)
                end as high
            from bounded
        )

        select
            version_id, metric_id, roster_id,
            cast(
                case when value is not null and direction = 'lower' then high when value is not null then low end
                as decimal(28,6)
            ) as bad,
            cast(case when direction = 'lower' then coalesce(low, high) else high end as decimal(28,6)) as good
        from ranged
        """
    )


def _lay_what_rests(con: duckdb.DuckDBPyConnection) -> None:
    """Make `rests`: entity (or `kind:` and a kind of system, or '' for everything), metric, what a row adds to it."""
    catalogue = con.execute("select metric, sources from seeds.metric_catalogue order by metric").fetchall()
    everything = [*(metric for metric, _ in catalogue), DECLARED]
    rests = {entity: everything if spec.metrics is None else spec.metrics for entity, spec in ENTITIES.items()}
    rests[""] = everything
    for metric, sources in catalogue:
        for kind in sources.split(";"):
            rests[f"kind:{kind}"] = [*rests.get(f"kind:{kind}", []), metric]
    rows = [
        (entity, metric, "amount" if metric in ADDS_AMOUNT else "rows" if metric in ADDS_ROWS else None, metric in _WON)
        for entity, metrics in rests.items()
        for metric in metrics
    ]
    listed = ", ".join(f"({literal(e)}, {literal(m)}, {literal(adds)}, {won})" for e, m, adds, won in rows)
    con.execute(
        "create or replace temp table rests as "
        f"select * from (values {listed}) as listed (entity, metric, adds, needs_won)"
    )


def moved_levels(con: duckdb.DuckDBPyConnection, project: Project, folder: Path) -> set[str]:
    """The partners whose level of the run's quarter differs from the candidate's at one of the two ends, by id.

    The scratch file lies in `folder` for as long as it takes: it may grow as large as the warehouse, and temporary
    folders of a machine are often kept in memory.
    """
    if not con.execute("select 1 from ends where bad is distinct from good limit 1").fetchall():
        return set()
    nodes = _up_to(project, LEVELS)
    built = {node.address for node in nodes}
    read = {BASE_VALUES, LEVELS, *(address for node in nodes for address in node.depends_on)}
    ((policy, quarter),) = con.execute("select policy, quarter_index from deployment.run_context").fetchall()
    levels = (
        "select partner_id, ladder, released_rank from ladders.levels_held "
        f"where is_active and policy = {literal(policy)} and quarter_index = {int(quarter)}"
    )
    today = _levels(con, levels)
    moved: set[str] = set()
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as own:
        scratch = Path(own) / "scratch.duckdb"
        con.execute(f"attach {literal(scratch)} as scratch")
        for schema, table in sorted(read - built):
            con.execute(f"create schema if not exists scratch.{quoted(schema)}")
            address = f"{quoted(schema)}.{quoted(table)}"
            con.execute(f"create table scratch.{address} as select * from warehouse.{address}")
        con.execute("create table scratch.metrics.believable_ends as select * from ends")
        con.execute("detach scratch")
        for end in ("bad", "good"):
            with connect(scratch) as other:
                other.execute(
                    f"update metrics.base_values as v set value = e.{end}, is_observed = e.{end} is not null "
                    "from metrics.believable_ends as e "
                    "where v.version_id = e.version_id and v.metric_id = e.metric_id and v.roster_id = e.roster_id"
                )
            rebuild(scratch, nodes)
            with connect(scratch, read_only=True) as other:
                moved |= {key[0] for key, rank in _levels(other, levels).items() if today.get(key) != rank}
    return moved


def _levels(con: duckdb.DuckDBPyConnection, query: str) -> dict[tuple[str, str], int]:
    return {(partner_id, ladder): rank for partner_id, ladder, rank in con.execute(query).fetchall()}


def _up_to(project: Project, goal: tuple[str, str]) -> list[Node]:
    """What follows from the base values and leads to `goal`, in order; texts speak of no database."""
    wanted = {goal}
    chosen: list[Node] = []
    for node in reversed(project.downstream([BASE_VALUES])):
        if node.address in wanted:
            wanted |= node.depends_on
            chosen.append(node)
    return chosen[::-1]


def project_as_built(run: Run) -> Project:
    """The SQL that made the warehouse, as dbt wrote it down when it did; compiled anew where it did not.

    Hooks are not among it. Statements name schema and table alone.
    """
    try:
        text = (run.places.dbt_target / "manifest.json").read_text(encoding="utf-8")
        known: dict[str, Mapping[str, Any]] = {**json.loads(text)["nodes"], **json.loads(text)["sources"]}
        return Project(tuple(_in_order(known, f'"{run.places.warehouse.stem}".')))
    except (OSError, ValueError, KeyError):
        return compiled(run)  # dbt parsed since, or never built here


def _in_order(known: Mapping[str, Mapping[str, Any]], database: str) -> Iterator[Node]:
    reads: dict[str, frozenset[tuple[str, str]]] = {}
    found: list[Node] = []

    def visit(key: str) -> frozenset[tuple[str, str]]:
        """The addresses that reading a node means to read: its own, or of an ephemeral one those behind it."""
        if key in reads:
            return reads[key]
        node = known[key]
        kind = node["config"]["materialized"] if node["resource_type"] == "model" else node["resource_type"]
        behind = frozenset(
            address for parent in node.get("depends_on", {}).get("nodes", ()) for address in visit(parent)
        )
        address = (node["schema"], node.get("identifier") or node.get("alias") or node["name"])
        reads[key] = behind if kind == "ephemeral" else frozenset({address})
        if kind in ("table", "view"):
            found.append(Node(*address, kind, node["compiled_code"].replace(database, ""), (), behind))
        return reads[key]

    for key, node in sorted(known.items()):
        if node["resource_type"] == "model":
            visit(key)
    return iter(found)

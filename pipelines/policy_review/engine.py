"""What a policy decides about stated facts: the one question the review asks, and how it is asked.

Places among other partners hang on a roster that a policy does not have. The review therefore reads them as if the
roster were spread evenly over the values of the metric (`evenly_spread`): the more of it, the higher the place.
Whatever is found then is found for a roster like that, and the findings say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any, Protocol

import duckdb

from pipelines.evaluation import DATABASE, Engine, Statement, compiled_engine, lay, one_quarter, run_engine
from pipelines.policy_review.facts import ONE, ZERO, Facts, Row, Rows, Space
from pipelines.warehouse import memory

_DERIVED = ("metrics", "derived_values")


@dataclass(frozen=True)
class Outcome:
    """What one partner gets: ranks (1 = best) per ladder before capacity and movement, and the points behind them."""

    levels: Mapping[str, int]
    points: Mapping[str, Decimal | None]
    dimensions: Mapping[str, Decimal | None]
    total: Decimal | None
    track: str | None


class Evaluate(Protocol):
    """Judges partners by one policy's rows; one outcome per row of facts, in their order.

    A metric or attribute that a row of facts does not name is unknown.
    """

    def __call__(self, rows: Rows, facts: Sequence[Facts]) -> list[Outcome]: ...


def by_the_models(rows: Rows, facts: Sequence[Facts]) -> list[Outcome]:
    """What the project's own models make of partners who all stand in one review, in one pass (`Evaluate`).

    Raises:
        BuildError: dbt could not compile the engine.
    """
    names = [f"{number:07}" for number in range(len(facts))]
    con = memory()
    try:
        con.execute(f"attach ':memory:' as {DATABASE}")
        con.execute(f"use {DATABASE}")
        lay(con, rows, one_quarter(rows, dict(zip(names, facts, strict=True))))
        run_engine(con, _asked_engine(has_derived=bool(rows["derived_metrics"])))
        return _outcomes(con, names, rows)
    finally:
        con.close()


@cache
def _asked_engine(*, has_derived: bool) -> Engine:
    """The part of the engine that the outcomes rest on; what follows from capacity and movement is not asked for.

    To plan the statement for derived metrics takes as long as everything else together, so it is left out where a
    policy has none.
    """
    statements = compiled_engine().statements
    wanted = {
        ("ladders", "levels_reached"),
        ("ladders", "partner_tracks"),
        ("scoring", "criterion_points"),
        ("scoring", "track_scores"),
        ("scoring", "track_dimension_scores"),
    }
    kept: list[Statement] = []
    for statement in reversed(statements):
        place = (statement.schema, statement.table)
        if place == _DERIVED and place in wanted and not has_derived:
            statement = replace(statement, sql="select * from metrics.base_values limit 0")
        if place in wanted:
            kept.append(statement)
            wanted |= {(x.schema, x.table) for x in statements if f"{x.schema}.{x.table}" in _unquoted(statement.sql)}
    return Engine(tuple(reversed(kept)))


def _unquoted(sql: str) -> str:
    return sql.replace('"', "")


def _outcomes(con: duckdb.DuckDBPyConnection, names: Sequence[str], rows: Rows) -> list[Outcome]:
    def asked(table: str, columns: str, where: str = "") -> list[tuple[Any, ...]]:
        """Rows of the track that counts."""
        return con.execute(
            f"select x.partner_id, {columns} from {table} as x inner join ladders.partner_tracks as t "
            f"on x.partner_id = t.partner_id and x.track = t.track {where}"
        ).fetchall()

    found = con.execute("select partner_id, track from ladders.partner_tracks").fetchall()
    # A policy without tracks has one without a name; where tracks have names, none of them means no track.
    known_tracks = {row["track"] for row in rows["tracks"]}
    tracks = {name: track for name, track in found if track in known_tracks}
    # In the order of the policy, so that whatever is told of several comes in the same order every time.
    ladders = {row["ladder"]: row["position"] for row in rows["ladders"]}
    levels: dict[str, dict[str, int]] = {name: {} for name in names}
    for name, ladder, rank in sorted(asked("ladders.levels_reached", "x.ladder, x.rank"), key=lambda x: ladders[x[1]]):
        levels[name][ladder] = rank
    criteria = {row["criterion"]: row["position"] for row in rows["criteria"]}
    points: dict[str, dict[str, Decimal | None]] = {name: {} for name in names}
    given = asked("scoring.criterion_points", "x.criterion, x.points")
    for name, criterion, value in sorted(given, key=lambda x: criteria[x[1]]):
        points[name][criterion] = value
    dimensions: dict[str, dict[str, Decimal | None]] = {name: {} for name in names}
    scores = "x.dimension, cast(x.score as decimal(18,6))"
    for name, dimension, value in asked("scoring.track_dimension_scores", scores, "where x.dimension is not null"):
        dimensions[name][dimension] = value
    totals = dict(asked("scoring.track_scores", "x.total_score"))
    return [Outcome(levels[name], points[name], dimensions[name], totals.get(name), tracks.get(name)) for name in names]


@dataclass(frozen=True)
class Assumed:
    """A metric whose place among partners was read off an even spread from `low` to `high`."""

    metric: str
    low: Decimal
    high: Decimal


def evenly_spread(rows: Rows, space: Space) -> tuple[dict[str, list[Row]], dict[str, Assumed]]:
    """The rows without places among others and without capacity, and what was assumed for it (by metric).

    A percentile becomes a range over the spread, a top share a bar at its end. Capacity limits how many partners hold a
    level, not who is good enough for it.
    """
    made = {table: [dict(row) for row in found] for table, found in rows.items()}
    assumed: dict[str, Assumed] = {}
    lower = {name for name, measure in space.measures.items() if not measure.is_higher_better}
    lower |= {row["metric"] for row in made.get("derived_metrics", []) if row["direction"] == "lower"}

    def spread(metric: str) -> Assumed:
        if metric not in assumed:
            assumed[metric] = Assumed(metric, *_spread(space, metric))
        return assumed[metric]

    for row in made.get("criteria", []):
        if row["kind"] == "percentile":
            ends = spread(row["metric"])
            is_lower_better = row["metric"] in lower
            low, high = (ends.high, ends.low) if is_lower_better else (ends.low, ends.high)
            row.update(kind="range", low=low, high=high, shrink=None)
    made["criterion_peers"] = []
    conditions: list[Row] = []
    extra = max((row["condition"] for row in made.get("level_conditions", [])), default=0)
    for row in made.get("level_conditions", []):
        if row["kind"] != "top_share":
            conditions.append(row)
            continue
        ends = spread(row["subject"])
        bar = ends.low + (ONE - Decimal(row["value"])) * (ends.high - ends.low)
        bare = {**row, "of_metric": None, "of_operator": None, "of_value": None, "round_digits": None, "ties": None}
        conditions.append({**bare, "kind": "metric", "operator": "at_least", "value": bar})
        if row["of_metric"]:
            extra += 1
            of = {"subject": row["of_metric"], "operator": row["of_operator"], "value": row["of_value"]}
            conditions.append({**bare, **of, "kind": "metric", "condition": extra})
    made["level_conditions"] = conditions
    made["condition_peers"] = []
    for row in made.get("levels", []):
        row["capacity"] = None
    return made, assumed


def _spread(space: Space, metric: str) -> tuple[Decimal, Decimal]:
    measure = space.measures.get(metric)
    if measure is not None:
        middle = measure.snapped((measure.low + measure.top) / 2)
        return measure.low, middle if middle > measure.low else measure.top
    ends = [
        space.values({name: getattr(each, end) for name, each in space.measures.items()}).get(metric)
        for end in ("low", "top")
    ]
    numbers = sorted(end for end in ends if isinstance(end, Decimal))
    return (numbers[0], numbers[-1]) if len(numbers) == 2 and numbers[0] < numbers[1] else (ZERO, ONE)

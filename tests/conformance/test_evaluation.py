"""The engine without dbt and without a warehouse: what it reads, how facts by name reach it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines import evaluation
from pipelines.errors import BuildError, InputError
from pipelines.evaluation import (
    Engine,
    Inputs,
    Reviewed,
    Statement,
    catalogue_metrics,
    compiled_engine,
    evaluate,
    inputs_by_name,
    months_before,
    one_quarter,
)
from pipelines.policy import Policy, read_policy
from tests.conformance.conftest import PLAIN

SCORED = """\
policy: scored
version: "1"
effective_from: 2024-01-01
window: {quarters: 4}
windows: {win_rate: {lag: 4}}
derived: {slow_before: {metric: sales_cycle_days, lag: 4}}
score:
  combine: weighted
  dimensions: {all: 1}
  criteria:
    - {id: deals, metric: won_deals, dimension: all, weight: 0.5, points: {range: {low: 0, high: 10}}}
    - {id: rate, metric: win_rate, dimension: all, weight: 0.2, points: {range: {low: 0, high: 1}}}
    - {id: slow, metric: slow_before, dimension: all, weight: 0.3, points: {percentile: {}}}
ladders:
  tier:
    audience: partner
    levels: [{level: gold, enter: {score: total, at_least: 50}}, {level: registered}]
"""


def policy(text: str) -> Policy:
    return read_policy(text, catalogue_metrics())


def scores(con: duckdb.DuckDBPyConnection, name: str = "scored") -> dict[tuple[str, int], Decimal | None]:
    rows = con.execute(
        "select partner_id, quarter_index, total_score from scoring.partner_scores where policy = ?", [name]
    ).fetchall()
    return {(partner, quarter): total for partner, quarter, total in rows}


def test_facts_by_name_reach_every_policy_under_its_own_names() -> None:
    other = SCORED.replace("policy: scored", "policy: other").replace(
        "{win_rate: {lag: 4}}", "{win_rate: {quarters: 2}}"
    )
    policies = [policy(SCORED), policy(other.replace("high: 10", "high: 5")), policy(PLAIN)]
    # Fewer days are better, in an earlier year as well: p2 is the quickest.
    partners = {
        "p1": {"won_deals": 5, "win_rate": Decimal("0.5"), "slow_before": 90, "region": "emea"},
        "p2": {"won_deals": 5, "win_rate": Decimal("0.5"), "slow_before": 30, "people": 2},
        "p3": {"won_deals": 20, "region": "emea"},
    }
    with evaluate(policies, one_quarter(policies, partners)) as con:
        assert scores(con) == {("p1", 1): 35, ("p2", 1): 65, ("p3", 1): 100}
        assert scores(con, "other") == {("p1", 1): 60, ("p2", 1): 90, ("p3", 1): 100}
        levels = con.execute(
            "select partner_id, held_rank from ladders.levels_held where policy = 'plain' order by 1"
        ).fetchall()
        assert levels == [("p1", 3), ("p2", 2), ("p3", 1)]


def test_values_as_tuples_and_as_an_arrow_table_are_the_same() -> None:
    made = policy(SCORED)
    quarters = [
        (index, f"2024Q{index}", date(2024, 3 * index - 2, 1), date(2024, 3 * index, 28), index == 4)
        for index in (1, 2)
    ]
    reviewed = [Reviewed(f"p{n}", q, {"won_deals": n * q, "slow_before": n}) for n in range(1, 4) for q in (1, 2)]
    inputs = inputs_by_name([made], reviewed, quarters)
    columns = zip(*inputs.metric_values, strict=True)
    names = ("partner_id", "quarter_index", "window_id", "metric", "value", "is_observed")
    arrow = pa.table(dict(zip(names, map(list, columns), strict=True)))
    found = []
    for values in (inputs.metric_values, arrow):
        with evaluate([made], replace(inputs, metric_values=values)) as con:
            found.append(scores(con))
    assert found[0] == found[1]
    assert set(found[0]) == {(f"p{n}", q) for n in range(1, 4) for q in (1, 2)}
    with (
        pytest.raises(ValueError, match="has no column partner"),
        evaluate([made], replace(inputs, metric_values=arrow.rename_columns(["partner", *names[1:]]))),
    ):
        pass


def test_the_tables_stay_in_a_file_that_is_asked_for(tmp_path: Path) -> None:
    made, file = policy(SCORED), tmp_path / "it's one.duckdb"
    with evaluate([made], one_quarter([made], {"p1": {"won_deals": 10}}), file=file) as con:
        before = scores(con)
    with duckdb.connect(str(file), read_only=True) as con:
        assert scores(con) == before == {("p1", 1): 100}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"won_deal": 1}, "did you mean `won_deals`?"),
        ({"won_deals": "many"}, "`won_deals` is a metric and 'many' is no number"),
        ({"region": 1}, "no policy reads a metric `region`"),
    ],
)
def test_facts_nobody_reads_are_refused(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as raised:
        one_quarter([policy(SCORED)], {"p1": facts})
    assert told in raised.value.message


def test_nothing_can_be_evaluated_without_a_policy() -> None:
    with pytest.raises(ValueError, match="at least one policy"), evaluate([], Inputs([], [], [])):
        pass


@pytest.mark.parametrize(
    ("day", "months", "first"),
    [
        (date(2024, 8, 31), 2, date(2024, 7, 1)),
        (date(2024, 12, 31), 12, date(2024, 1, 1)),
        (date(2025, 2, 28), 3, date(2024, 12, 1)),
        (date(2024, 5, 30), 3, date(2024, 2, 29)),
    ],
)
def test_the_first_day_of_a_window(day: date, months: int, first: date) -> None:
    assert months_before(day, months) == first


# --- the compiled text ------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """Counts compilations, each of which gives another engine."""
    made: list[Engine] = []

    def compile_() -> Engine:
        made.append(Engine((Statement("metrics", f"table_{len(made)}", "table", "select 1"),)))
        return made[-1]

    monkeypatch.setattr(evaluation, "_compile", compile_)
    return made


def test_the_engine_is_compiled_once_and_again_when_its_file_is_damaged(tmp_path: Path, compiled: list[Engine]) -> None:
    compile_again: Callable[[Path], Engine] = compiled_engine.__wrapped__
    assert [compile_again(tmp_path), compile_again(tmp_path), len(compiled)] == [compiled[0], compiled[0], 1]
    (file,) = (tmp_path / "engine").iterdir()
    file.write_text(file.read_text()[:-20])
    assert compile_again(tmp_path) == compiled[1]
    assert compile_again(tmp_path) == compiled[1]
    assert [path.name for path in (tmp_path / "engine").iterdir()] == [file.name]


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, compiled: list[Engine]) -> None:
    (tmp_path / "engine").write_text("a file where the folder would be")
    assert compiled_engine.__wrapped__(tmp_path) == compiled[0]


def node(name: str, *parents: str, tags: tuple[str, ...] = (), materialized: str = "table") -> dict[str, Any]:
    return {
        "name": name,
        "schema": "metrics",
        "resource_type": "model",
        "config": {"materialized": materialized, "tags": list(tags)},
        "depends_on": {"nodes": list(parents)},
        "compiled_code": f"select '{name}'",
    }


def test_statements_come_after_those_they_read() -> None:
    nodes = {
        "a": node("a", "hidden", tags=("engine",)),
        "hidden": node("hidden", "z", materialized="ephemeral"),
        "z": node("z", "metric_values", tags=("engine",), materialized="view"),
        "metric_values": node("metric_values", "deals"),
        "deals": node("deals"),
    }
    found = list(evaluation._statements({"nodes": nodes, "sources": {}}))
    assert [(statement.table, statement.materialized) for statement in found] == [("z", "view"), ("a", "table")]


def test_an_engine_that_reads_what_nobody_lays_is_refused() -> None:
    nodes = {"a": node("a", "deals", tags=("engine",)), "deals": node("deals")}
    with pytest.raises(BuildError, match=r"reads what an evaluation does not lay: metrics.deals \(read by a\)"):
        evaluation._statements({"nodes": nodes, "sources": {}})
    with pytest.raises(BuildError, match="no model with the tag `engine`"):
        evaluation._statements({"nodes": {}, "sources": {}})


def test_a_project_that_does_not_compile_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.compiled.PROJECT", tmp_path)
    with pytest.raises(BuildError, match="dbt could not compile the project") as raised:
        evaluation._compile()
    assert "dbt_project.yml" in raised.value.message

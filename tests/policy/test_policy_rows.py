"""The rows a policy becomes, the two shipped policies among them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.policy import TABLES, Policy, json_schema, read_policies, read_policy, rows_of, schema_text

Make = Callable[..., str]
Read = Callable[[str], Policy]

POLICIES = Path(__file__).parents[2] / "policies"
EVERYTHING = Path(__file__).parent / "everything.yml"


def metrics() -> list[str]:
    catalogue = POLICIES.parent / "dbt_project" / "seeds" / "metric_catalogue.csv"
    return [line.split(",")[0] for line in catalogue.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.fixture(scope="module")
def shipped() -> dict[str, Policy]:
    return {policy.name: policy for policy in read_policies(POLICIES, metrics())}


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_the_baseline_is_four_shares_of_won_sales_and_the_rest_outside(shipped: dict[str, Policy]) -> None:
    rows = shipped["adventureworks-baseline"].rows()
    policy = rows["policies"][0]
    assert (policy["combine"], policy["window_quarters"], policy["window_complete"]) == ("none", 4, True)
    assert only(rows["levels"], "level", "rank", "is_outside", "has_conditions") == [
        ("T1", 1, False, True),
        ("T2", 2, False, True),
        ("T3", 3, False, True),
        ("T4", 4, False, True),
        ("none", 5, True, False),
    ]
    assert only(rows["ladders"], "ladder", "audience", "level_count", "outside_rank", "lowest_rank") == [
        ("tier", "partner", 5, 5, 5)
    ]
    columns = ("level", "kind", "subject", "value", "of_metric", "of_operator", "of_value", "round_digits", "ties")
    by, zero = "sourced_won_amount", Decimal(0)
    assert only(rows["level_conditions"], *columns) == [
        ("T1", "top_share", by, Decimal("0.05"), by, "above", zero, 4, "partner_number"),
        ("T2", "top_share", by, Decimal("0.2"), by, "above", zero, 4, "partner_number"),
        ("T3", "top_share", by, Decimal("0.5"), by, "above", zero, 4, "partner_number"),
        ("T4", "metric", by, zero, None, None, None, None, None),
    ]
    assert only(rows["movement"], "rule", "max_up", "max_down") == [("none", None, None)]
    assert only(rows["metric_uses"], "metric", "window_quarters", "window_complete", "window_lag") == [(by, 4, True, 0)]
    assert (rows["dimensions"], rows["criteria"]) == ([], [])


def test_the_weighted_example_promises_no_more_hours_than_there_are(shipped: dict[str, Policy]) -> None:
    rows = shipped["adventureworks-weighted"].rows()
    there = rows["capacity"][0]
    hours = there["partner_managers"] * there["hours_per_week"] * there["weeks"] * there["utilisation"]
    places = {row["level"]: row["capacity"] or 0 for row in rows["levels"] if row["ladder"] == "segment"}
    promised = {row["level"]: int(row["value"]) for row in rows["entitlements"] if "hours_" in row["entitlement"]}
    assert 0 < sum(places[level] * promised[level] for level in promised) <= hours


def test_the_weighted_example_uses_every_kind_of_points(shipped: dict[str, Policy]) -> None:
    rows = shipped["adventureworks-weighted"].rows()
    assert {row["kind"] for row in rows["criteria"]} == {"percentile", "range", "per_unit"}
    assert sum(row["weight"] for row in rows["dimensions"]) == 1
    assert only(rows["criterion_peers"], "criterion", "attribute") == [("won", "region")]
    assert only(rows["criterion_requirements"], "criterion", "metric", "operator", "value") == [
        ("growth", "won_deals", "at_least", Decimal(2))
    ]


def test_every_row_has_exactly_the_columns_of_its_table_and_fits_duckdb(shipped: dict[str, Policy]) -> None:
    connection = duckdb.connect()
    for table, rows in rows_of([*shipped.values(), read_policy(EVERYTHING, metrics())]).items():
        assert rows or table == "exceptions"  # whatever can be said is said somewhere
        columns = ", ".join(f'"{name}" {kind}' for name, kind in TABLES[table].items())
        connection.execute(f"create table {table} ({columns})")
        for row in rows:
            assert list(row) == list(TABLES[table])
            assert not any(isinstance(value, float) for value in row.values())
            connection.execute(f"insert into {table} values ({', '.join('?' * len(row))})", list(row.values()))
            stored = connection.execute(f"select * from {table}").fetchall()[-1]
            assert stored == tuple(row.values())
    assert set(rows_of([])) == set(TABLES)


def test_a_gate_stands_in_every_alternative_of_every_inside_level(read: Read, plain: Make) -> None:
    gate = "audience: partner\n    gate: {any: [{metric: win_rate, above: 0}, {attribute: region, in: [a, b]}]}"
    outside = "- level: registered\n      - {level: none, outside: true}"
    rows = read(plain(("audience: partner", gate), ("- level: registered", outside))).rows()
    assert only(rows["level_conditions"], "level", "alternative", "condition", "needed") == [
        ("gold", 1, 1, "win_rate above 0"),
        ("gold", 1, 2, "won_deals at least 10"),
        ("gold", 2, 3, "region is one of a, b"),
        ("gold", 2, 4, "won_deals at least 10"),
        ("silver", 1, 1, "win_rate above 0"),
        ("silver", 1, 2, "won_deals at least 5"),
        ("silver", 2, 3, "region is one of a, b"),
        ("silver", 2, 4, "won_deals at least 5"),
        ("registered", 1, 1, "win_rate above 0"),
        ("registered", 2, 2, "region is one of a, b"),
    ]
    assert only(rows["levels"], "level", "has_conditions")[2:] == [("registered", True), ("none", False)]


def test_groups_of_a_relative_condition_are_rows(read: Read, plain: Make) -> None:
    top = "{top_share: {share: 0.1, by: won_deals, within: [region, industry]}}"
    rows = read(plain(("{metric: won_deals, at_least: 10}", top))).rows()
    columns = ("ladder", "level", "condition", "position", "attribute")
    assert only(rows["condition_peers"], *columns) == [
        ("tier", "gold", 1, 1, "region"),
        ("tier", "gold", 1, 2, "industry"),
    ]
    assert rows["level_conditions"][0]["needed"] == "top 10 % by won_deals within region and industry"
    assert rows["level_conditions"][0]["of_metric"] is None


def test_a_metric_may_have_a_window_of_its_own(read: Read, plain: Make) -> None:
    rows = read(plain(("window:", "windows: {won_deals: {quarters: 1, lag: 1}}\nwindow:"))).rows()
    assert only(rows["metric_uses"], "metric", "window_quarters", "window_complete", "window_lag") == [
        ("won_deals", 1, False, 1)
    ]


def test_role_weights_are_the_credits_of_one_policy_version(read: Read, plain: Make) -> None:
    weights = "attribution: {model: role_weighted, weights: {sourced: 0.6, influenced: 0.4}}\nwindow:"
    rows = read(plain(("window:", weights))).rows()
    assert rows["policies"][0]["attribution"] == "role_weighted:acme@1"
    assert only(rows["attributions"], "attribution", "model", "role", "weight") == [
        ("role_weighted:acme@1", "role_weighted", "influenced", Decimal("0.4")),
        ("role_weighted:acme@1", "role_weighted", "sourced", Decimal("0.6")),
    ]
    assert only(read(plain()).rows()["attributions"], "attribution", "model", "role") == [("primary", "primary", None)]


def test_what_unknown_values_do_is_said_by_criterion_then_metric_then_default(read: Read, scored: Make) -> None:
    missing = "missing: {default: zero, won: block, win_rate: renormalise}"
    rows = read(scored(("combine: weighted", f"combine: weighted\n  {missing}"))).rows()
    assert only(rows["criteria"], "criterion", "missing") == [
        ("won", "block"),
        ("rate", "renormalise"),
        ("deals", "zero"),
    ]
    assert {row["missing"] for row in read(scored()).rows()["criteria"]} == {"renormalise"}


def test_a_plain_sum_of_points_has_criteria_without_weights(read: Read, plain: Make) -> None:
    score = """score:
  combine: points
  criteria:
    - {id: deals, metric: won_deals, points: {per_unit: {each: 10, whole_units: true}}}
    - {id: adds, metric: new_customers, dimension: reach, points: {per_unit: {each: 5}}, min: 0, max: 30}
    - {id: rate, metric: win_rate, dimension: reach, points: {range: {low: 0, high: 1}}}
ladders:"""
    rows = read(plain(("ladders:", score), ("metric: won_deals, at_least: 10", "points: adds, at_least: 30"))).rows()
    assert rows["policies"][0]["combine"] == "points"
    assert only(rows["criteria"], "criterion", "weight", "whole_units", "min_points", "max_points", "missing") == [
        ("deals", None, True, None, None, "zero"),
        ("adds", None, False, Decimal(0), Decimal(30), "zero"),
        ("rate", None, None, Decimal(0), Decimal(100), "zero"),
    ]
    assert only(rows["dimensions"], "dimension", "weight") == [("reach", None)]
    assert rows["level_conditions"][0]["needed"] == "points of adds at least 30"


def test_a_row_of_every_table_of_one_version_begins_with_its_key() -> None:
    assert [list(columns)[:2] for table, columns in TABLES.items() if table != "exceptions"] == [
        ["policy", "version"]
    ] * (len(TABLES) - 1)
    assert "version" not in TABLES["exceptions"]


def test_benefits_keep_their_order_and_nested_names_are_joined(read: Read, plain: Make) -> None:
    text = plain() + "entitlements:\n  tier.gold: {sla: {days: 5, night: false}, discount: 0.10, areas: [emea, apac]}\n"
    assert only(read(text).rows()["entitlements"], "level", "entitlement", "value", "position") == [
        ("gold", "sla.days", "5", 1),
        ("gold", "sla.night", "false", 2),
        ("gold", "discount", "0.1", 3),
        ("gold", "areas", "emea, apac", 4),
    ]


def test_comments_spacing_quotes_and_key_order_do_not_change_the_content(read: Read, plain: Make) -> None:
    first = read(plain())
    same = plain(
        ("policy: acme", "# a comment\npolicy:   'acme'"),
        ("enter: {metric: won_deals, at_least: 10}", "enter:\n          at_least: 10.0\n          metric: won_deals"),
        ("- level: registered\n    movement: none", "- level: registered\n    # the end\n    movement: none"),
    )
    assert read(same).content_hash == first.content_hash
    assert read(same).rows() == first.rows()


@pytest.mark.parametrize(
    ("old", "new"),
    [("at_least: 10", "at_least: 10.01"), ("level: gold", "level: Gold"), ("2026-01-01", "2026-01-02")],
)
def test_another_number_name_or_day_changes_the_content(read: Read, plain: Make, old: str, new: str) -> None:
    assert read(plain((old, new))).content_hash != read(plain()).content_hash


def test_the_file_name_is_no_content(tmp_path: Path, plain: Make, catalogue: list[str]) -> None:
    found = []
    for name in ("a.yml", "b.yaml"):
        (tmp_path / name).write_text(plain())
        found.append(read_policies(tmp_path, catalogue)[0].rows())
        (tmp_path / name).unlink()
    assert found[0] == found[1]
    assert found[0]["policies"][0]["effective_from"] == datetime.date(2026, 1, 1)


def test_the_committed_schema_is_the_one_of_the_code() -> None:
    committed = (POLICIES / "policy.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: python -m pipelines.policy > policies/policy.schema.json"
    assert json.loads(committed) == json_schema()


def test_the_schema_accepts_the_shipped_policies_and_refuses_an_unknown_key() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    validator = jsonschema.Draft202012Validator(json_schema())
    for path in [*sorted(POLICIES.glob("*.yml")), EVERYTHING]:
        if path.name != "exceptions.yml":
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            data["effective_from"] = str(data["effective_from"])
            assert [error.message for error in validator.iter_errors(data)] == []
            assert not validator.is_valid({**data, "colour": "red"})

"""What the SQL makes of three systems, value by value beside what the plain-Python oracle makes of the same files."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics.conftest import Shaped
from metrics.oracle import Company, Marts, Metrics, Rows, Window
from metrics.overlaps import OVERLAP_COUNTS
from metrics.reading import Record, decimal

POLICIES = Path(__file__).parent / "policies"
WEIGHTS = {"sourced": Fraction("0.55"), "influenced": Fraction("0.2")}
WINDOWS = {
    "primary/4/0": ("primary", Window(4)),
    "equal/1/0": ("equal", Window(1)),
    "role_weighted:complete-windows@1/2/1/complete": ("role_weighted", Window(2, is_complete=True, lag=1)),
}
"""By the window's name in the warehouse: how credit is given there, and the window."""


class Sides:
    """A shaped deployment and the oracle's view of the same files."""

    def __init__(self, shaped: Shaped) -> None:
        self.shaped, self.company = shaped, Company(shaped.file)
        self.metrics = {model: Metrics(self.company, model, WEIGHTS) for model, _ in WINDOWS.values()}

    @cached_property
    def roots(self) -> dict[str, Record]:
        """By partner id of the warehouse the record that the oracle names the partner by."""
        rows = self.shaped.rows("select distinct partner_id, key_source, key_source_id from identity.partner_links")
        return {partner: (source, source_id) for partner, source, source_id in rows}

    @property
    def marts(self) -> Marts:
        policy = yaml.safe_load((POLICIES / "four-quarters.yml").read_text(encoding="utf-8"))
        return Marts(self.company, self.metrics["primary"], policy)

    def mart(self, table: str, key: list[str], columns: list[str]) -> Rows:
        """A table of the marts by its key."""
        rows = self.shaped.rows(f"select {', '.join(key + columns)} from marts.{table}")
        made = {row[: len(key)]: dict(zip(columns, row[len(key) :], strict=True)) for row in rows}
        assert len(made) == len(rows), f"{table}: {', '.join(key)} is no key"
        return made


@cache
def _sides(shaped: Shaped) -> Sides:
    return Sides(shaped)


@pytest.fixture(scope="module", params=["crafted", "whole_sample"])
def sides(request: pytest.FixtureRequest) -> Sides:
    return _sides(request.getfixturevalue(request.param))


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(wanted - found) < 1e-9
    return bool(wanted == found)


def assert_same(wanted: Rows, found: Rows) -> int:
    """No row too few or too many, and no value that differs; returns how many values were compared."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    told = [f"{len(missing)} rows are not there, first {missing[:3]}"] if missing else []
    told += [f"{len(extra)} rows too many, first {extra[:3]}"] if extra else []
    compared, wrong = 0, defaultdict(list)
    for key in sorted(wanted.keys() & found.keys()):
        for column, value in wanted[key].items():
            compared += 1
            if not _same(value, found[key][column]):
                wrong[column].append(f"{key}: oracle {value}, warehouse {found[key][column]}")
    told += [f"{column} differs in {len(rows)} rows: {'; '.join(rows[:3])}" for column, rows in wrong.items()]
    assert not told, "\n".join(told)
    assert compared, "nothing was compared"
    return compared


def test_every_record_belongs_to_the_oracles_partner_by_the_oracles_rule(sides: Sides) -> None:
    rows = sides.shaped.rows("select source, source_id, rule, partner_id from identity.partner_links")
    together: dict[str, set[Record]] = defaultdict(set)
    for source, source_id, _, partner in rows:
        together[partner].add((source, source_id))
    identity = sides.company.identity
    wanted: Rows = {
        key: {"rule": link.rule, "together with": sorted(r.key for r in identity.partners[link.root].records)}
        for key, link in identity.links.items()
    }
    found: Rows = {(row[0], row[1]): {"rule": row[2], "together with": sorted(together[row[3]])} for row in rows}
    assert_same(wanted, found)


def test_what_is_known_of_a_partner_is_what_systems_that_know_it_offer(sides: Sides) -> None:
    known: dict[str, set[str]] = defaultdict(set)
    for partner, entity in sides.shaped.rows("select partner_id, entity from identity.partner_knowledge"):
        known[partner].add(entity)
    wanted: Rows = {root: {"entities": sorted(entities)} for root, entities in sides.company.knowledge.items()}
    found: Rows = {root: {"entities": sorted(known[partner])} for partner, root in sides.roots.items()}
    assert_same(wanted, found)


@pytest.mark.parametrize("window", WINDOWS)
def test_every_metric_has_the_oracles_value_in_every_quarter(sides: Sides, window: str) -> None:
    model, looks_at = WINDOWS[window]
    metrics = sides.metrics[model]
    names = {row[0] for row in sides.shaped.rows("select metric from seeds.metric_catalogue")}
    wanted: Rows = {}
    for partner in sides.company.roster:
        for quarter in metrics.quarters(partner):
            for metric in names:
                value = metrics.value(metric, partner, quarter, looks_at)
                wanted[metric, partner, quarter] = {"value": decimal(value), "is_observed": value is not None}
    rows = sides.shaped.rows(
        "select metric, partner_id, quarter_index, value, is_observed from metrics.metric_values "
        f"where window_id = '{window}'"
    )
    found: Rows = {(row[0], sides.roots[row[1]], row[2]): {"value": row[3], "is_observed": row[4]} for row in rows}
    assert len(found) == len(rows), "a value stands twice"
    assert_same(wanted, found)


def test_every_metric_of_the_catalogue_has_values_and_none_is_constant(crafted: Shaped) -> None:
    # A definition that no row of the edge cases touches would be compared in vain.
    rows = crafted.rows("select metric, count(distinct value) from metrics.metric_values group by metric")
    names = {row[0] for row in crafted.rows("select metric from seeds.metric_catalogue")}
    assert {metric for metric, values in rows if values >= 2} == names


def test_the_funnel_is_the_oracles(sides: Sides) -> None:
    wanted = sides.marts.funnel()
    columns = list(next(iter(wanted.values())))
    assert_same(wanted, sides.mart("partner_funnel", ["partner_number", "quarter"], columns))


def test_the_overlap_is_the_oracles_and_small_counts_stay_blank_where_asked(sides: Sides) -> None:
    wanted = sides.marts.overlap()
    columns = list(next(iter(wanted.values())))
    assert_same(wanted, sides.mart("partner_overlap", ["partner_number", "quarter"], columns))
    below = sides.company.settings.get("privacy", {}).get("suppress_overlap_below", 0)
    is_small = [0 < (row[column] or 0) < below for row in wanted.values() for column in OVERLAP_COUNTS]
    assert not any(is_small)


def test_the_investment_plan_is_the_oracles(sides: Sides) -> None:
    wanted = sides.marts.plan()
    columns = list(next(iter(wanted.values())))
    assert_same(wanted, sides.mart("investment_plan", ["partner_number"], columns))


def test_what_needs_a_look_is_what_the_oracle_would_look_at(sides: Sides) -> None:
    identity = sides.company.identity
    found = sides.mart("identity_review", ["source", "source_id", "reason"], ["partner_number", "is_on_roster"])
    wanted: Rows = {}
    for source, source_id, reason in identity.review():
        link = identity.links.get((source, source_id))
        wanted[source, source_id, reason] = {
            "partner_number": identity.partners[link.root].number if link else source_id,
            "is_on_roster": link is not None and identity.is_on_roster(link.root),
        }
    assert_same(wanted, found)


def test_the_comparison_sees_a_single_wrong_digit() -> None:
    with pytest.raises(AssertionError, match="value differs in 1 rows"):
        assert_same({("a",): {"value": Decimal("1.000001")}}, {("a",): {"value": Decimal("1.000002")}})
    with pytest.raises(AssertionError, match="value differs in 1 rows"):
        assert_same({("a",): {"value": None}}, {("a",): {"value": Decimal(0)}})
    with pytest.raises(AssertionError, match="1 rows are not there"):
        assert_same({("a",): {"value": 1}}, {})
    with pytest.raises(AssertionError, match="1 rows too many"):
        assert_same({}, {("a",): {"value": 1}})

"""What a policy reads of a partner: steps and bounds of metrics, and derived values beside those of the engine."""

from __future__ import annotations

import random
from decimal import Decimal

from pipelines.catalogue import catalogue
from pipelines.evaluation import evaluate, one_quarter
from pipelines.policy import Policy, read_policy
from pipelines.policy_review.facts import Space, Value, space_of
from policy_review.programmes import HEAD, ladder

BARS = ladder(
    "{all: [{metric: share, at_least: 0.5}, {metric: kept, at_least: 3}, {metric: win_rate, at_least: 0.125}]}",
    "{any: [{metric: mixed, at_least: 3}, {metric: active_quarters, at_least: 2}, {metric: fine, at_most: 2.5}]}",
)
MADE = """\
declares:
  a: {aggregate: sum}
  b: {aggregate: sum, absent: zero}
  c: {aggregate: count}
derived:
  share: {ratio: [a, b]}
  mixed: {sum: [a, c, 0.5], skip_unknown: true}
  left: {difference: [a, b, c], skip_unknown: true}
  times: {product: [a, c, 0.3], round: 2}
  least: {min: [left, times, 40], skip_unknown: true}
  most: {max: [least, share]}
  kept: {floor: most}
  fine: {ratio: [kept, mixed]}
"""


def read(body: str) -> tuple[Policy, Space]:
    policy = read_policy(HEAD + body, catalogue(), file="acme.yml")
    return policy, space_of(policy.rows(), catalogue())


def test_steps_and_bounds_follow_from_the_unit_and_the_bars() -> None:
    _, space = read(MADE + BARS)
    measures = space.measures
    assert measures["win_rate"].step == Decimal("0.001")  # as fine as its bar, finer than a hundredth
    assert (measures["win_rate"].low, measures["win_rate"].top) == (0, 1)
    assert (measures["active_quarters"].step, measures["active_quarters"].top) == (1, 4)  # no more than the window has
    for measure in measures.values():
        assert {*measure.bars} <= {*measure.grid}
        assert {measure.low, measure.top} <= {*measure.grid}
        assert all(measure.low <= value <= measure.top for value in measure.grid)
        assert measure.worst != measure.best


def test_metrics_that_decide_nothing_are_left_alone() -> None:
    guarded = ladder("{metric: won_deals, at_least: 5}", "{metric: won_deals, at_least: 2}").replace(
        "    movement: none\n", "    movement: none\n    guardrails: {no_promotion_without: [csat_average]}\n"
    )
    _, space = read(guarded)
    assert set(space.measures) == {"won_deals"}


def test_derived_values_are_those_of_the_engine() -> None:
    policy, space = read(MADE + BARS)
    chance = random.Random(7)
    partners: dict[str, dict[str, Value]] = {}
    for index in range(300):
        numbers = {name: Decimal(chance.randrange(-50, 900)) / chance.choice([1, 1, 7]) for name in "abc"}
        known = [name for name in "abc" if chance.random() < 0.8]
        partners[f"{index}"] = {name: numbers[name].quantize(Decimal("0.000001")) for name in known}
    with evaluate([policy], one_quarter([policy], partners)) as con:
        found = con.execute("select partner_id, metric, value from metrics.policy_values where is_observed").fetchall()
    engine: dict[str, dict[str, Decimal]] = {partner: {} for partner in partners}
    for partner, metric, value in found:
        engine[partner][metric] = value
    assert sum(len(values) for values in engine.values()) > 2000
    for partner, facts in partners.items():
        assert space.values(facts) == engine[partner], facts


def test_turning_points_lie_on_both_sides_of_a_bar() -> None:
    _, space = read(MADE + BARS)
    facts: dict[str, Value] = {"a": Decimal(70), "b": Decimal(123)}
    points = space.turning_points(facts, space.measures["b"])
    shares = [space.values({**facts, "b": point})["share"] for point in points]
    assert min(shares, key=lambda share: abs(Decimal(share) - Decimal("0.5"))) == Decimal("0.5")  # 70 of 140
    assert any(Decimal("0.49") < Decimal(share) < Decimal("0.5") for share in shares)

"""Worked examples that scores decide: points, tracks and levels computed for one partner from its facts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.policy import Policy, read_policy
from pipelines.policy.conditions import alternatives
from pipelines.policy.examples import Outcome, outcome_of, scores_of, with_derived
from pipelines.policy.score_checks import score_bounds

Make = Callable[..., str]
Read = Callable[[str], Policy]
Refusal = Callable[[str], str]

CATALOGUE = ("won_deals", "win_rate", "decided_deals", "new_customers")
DEALS = "points: {per_unit: {each: 10}}"
NO_BAR = ("{score: total, at_least: 100}", "{metric: sales_cycle_days, at_least: 1}")


def decimals(facts: dict[str, Any]) -> dict[str, Decimal | str]:
    return {name: value if isinstance(value, str) else Decimal(str(value)) for name, value in facts.items()}


def scores(policy: Policy, track: str = "", **facts: Any) -> dict[tuple[str, str], Decimal | None]:
    document = policy.document
    assert document.score is not None
    return scores_of(document, document.score, track, with_derived(document, decimals(facts)))


def outcome(policy: Policy, **facts: Any) -> Outcome:
    document = policy.document
    normal = {
        name: [alternatives(None if level.outside else ladder.gate, level.enter) for level in ladder.levels]
        for name, ladder in document.ladders.items()
    }
    return outcome_of(document, normal, decimals(facts))


# --- points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "facts", "points"),
    [
        (DEALS, {"won_deals": 3.5}, "35"),
        ("points: {per_unit: {each: 10, whole_units: true}}", {"won_deals": 3.9}, "30"),
        (f"{DEALS}, max: 20", {"won_deals": 3}, "20"),
        (f"{DEALS}, min: 5", {"won_deals": 0}, "5"),
        (DEALS, {}, "0"),
        ("points: {range: {low: 10, high: 20}}", {"won_deals": 12.5}, "25"),
        ("points: {range: {low: 20, high: 10}}", {"won_deals": 12.5}, "75"),
        ("points: {range: {low: 10, high: 20}}, max: 30", {"won_deals": 99}, "30"),
        ("points: {flag: 50}", {"won_deals": 0.5}, "50"),
        ("points: {flag: 50}", {"won_deals": 0}, "0"),
        ("points: {bands: [{below: 6, points: 120}, {below: 12, points: 80}]}", {"won_deals": 6}, "80"),
        ("points: {bands: [{below: 6, points: 120}, {below: 12, points: 80}]}", {"won_deals": 12}, "0"),
        (f"{DEALS}, multiplier: {{metric: win_rate}}", {"won_deals": 3, "win_rate": 0.5}, "15"),
        (f"{DEALS}, multiplier: {{metric: win_rate}}", {"won_deals": 3}, "0"),
        # The factor works before the cap and before the rounding.
        (f"{DEALS}, max: 40, multiplier: {{metric: win_rate}}", {"won_deals": 9, "win_rate": 0.4}, "36"),
        (
            f"{DEALS}, multiplier: {{metric: win_rate, bands: [{{at_least: 0.5, factor: 2}}]}}",
            {"won_deals": 3, "win_rate": 0.5},
            "60",
        ),
        (
            f"{DEALS}, multiplier: {{metric: win_rate, bands: [{{at_least: 0.5, factor: 2}}]}}",
            {"won_deals": 3, "win_rate": 0.4},
            "30",
        ),
        # A failed requirement gives nothing, not even the minimum; unknown never holds.
        (f"{DEALS}, min: 5, requires: [{{metric: win_rate, above: 0}}]", {"won_deals": 3, "win_rate": 0}, "0"),
        (f"{DEALS}, min: 5, requires: [{{metric: win_rate, above: 0}}]", {"won_deals": 3}, "0"),
        (f"{DEALS}, requires: [{{attribute: region, equals: emea}}]", {"won_deals": 3, "region": "emea"}, "30"),
        (f"{DEALS}, requires: [{{attribute: region, equals: emea}}]", {"won_deals": 3, "region": "apac"}, "0"),
        ("points: {per_unit: {each: 0.333}}, round: {digits: 0, mode: up}", {"won_deals": 1}, "1"),
        ("points: {per_unit: {each: 0.999}}, round: {digits: 2, mode: down}", {"won_deals": 1}, "0.99"),
        ("points: {per_unit: {each: -0.5}}, round: {digits: 0}", {"won_deals": 1}, "-1"),
    ],
)
def test_a_criterion_gives(read: Read, summed: Make, criterion: str, facts: dict[str, Any], points: str) -> None:
    found = scores(read(summed((DEALS, criterion), NO_BAR)), **facts)
    assert found["points", "deals"] == Decimal(points)
    assert found["score", "total"] == Decimal(points)


def test_an_unknown_value_can_block_the_whole_score(read: Read, summed: Make) -> None:
    text = summed((DEALS, f"dimension: reach, {DEALS}"), ("criteria:", "missing: {deals: block}\n  criteria:"))
    found = scores(read(text), win_rate=1)
    assert found == {("points", "deals"): None, ("dimension", "reach"): None, ("score", "total"): None}


WEIGHTED = ("points: {percentile: {within: [region]}}", "points: {range: {low: 0, high: 100}}")


@pytest.mark.parametrize(
    ("facts", "performance", "potential", "total"),
    [
        ({"sourced_won_amount": 50, "win_rate": 0.3, "won_deals": 4}, "50", "40", "47"),
        ({"sourced_won_amount": 50, "won_deals": 4}, "50", "40", "47"),  # the rate's weight goes to the sales
        ({"won_deals": 4}, None, "40", "40"),
        ({"sourced_won_amount": 1, "win_rate": 0.5, "won_deals": 0}, "40.6", "0", "28.42"),
        ({}, None, None, None),
    ],
)
def test_weights_of_the_unknown_go_to_the_known(
    read: Read, scored: Make, facts: dict[str, Any], performance: str | None, potential: str | None, total: str | None
) -> None:
    found = scores(read(scored(WEIGHTED)), **facts)
    wanted = {
        ("dimension", "performance"): performance,
        ("dimension", "potential"): potential,
        ("score", "total"): total,
    }
    assert {key: found[key] for key in wanted} == {
        key: None if value is None else Decimal(value) for key, value in wanted.items()
    }


@pytest.mark.parametrize(("per", "total"), [("criterion", "0.9"), ("total", "1")])
def test_sums_are_made_of_rounded_points_or_rounded_once(read: Read, summed: Make, per: str, total: str) -> None:
    thirds = "\n".join(
        f"    - {{id: c{n}, metric: won_deals, points: {{per_unit: {{each: 0.3334}}}}}}" for n in range(3)
    )
    text = summed(
        (f"    - {{id: deals, metric: won_deals, {DEALS}}}", thirds),
        ("window:", f"rounding: {{digits: 1, per: {per}}}\nwindow:"),
        NO_BAR,
    )
    assert scores(read(text), won_deals=1)["score", "total"] == Decimal(total)


def test_a_score_with_a_percentile_stays_open_but_its_other_parts_do_not(read: Read, scored: Make) -> None:
    found = scores(read(scored()), sourced_won_amount=1, win_rate=0.5, won_deals=3)
    assert found == {("points", "rate"): 100, ("points", "deals"): 30, ("dimension", "potential"): 30}


amounts = st.one_of(st.none(), st.decimals(min_value=-50, max_value=200, places=2))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["criterion", "total"]),
    st.sampled_from(["half_up", "down", "up"]),
    st.sampled_from(["zero", "renormalise", "block"]),
    st.fixed_dictionaries(dict.fromkeys(CATALOGUE, amounts)),
)
def test_no_score_leaves_the_bounds_that_levels_are_judged_by(
    per: str, mode: str, missing: str, facts: dict[str, Decimal | None]
) -> None:
    document = read_policy(
        f"""\
policy: bounds
version: "1"
effective_from: 2026-01-01
window: {{quarters: 4}}
rounding: {{digits: 1, mode: {mode}, per: {per}}}
score:
  combine: weighted
  dimensions: {{a: 0.6, b: 0.4}}
  criteria:
    - id: banded
      metric: won_deals
      dimension: a
      weight: 0.7
      points: {{bands: [{{below: 20, points: 12.34}}, {{below: 90, points: 66.67}}]}}
      multiplier: {{metric: win_rate, bands: [{{below: 0, factor: 0.3}}, {{at_least: 100, factor: 1.2}}]}}
    - {{id: flagged, metric: new_customers, dimension: a, weight: 0.3, points: {{flag: 33.33}}, min: 5}}
    - id: ranged
      metric: decided_deals
      dimension: b
      weight: 1
      max: 70.05
      points: {{range: {{low: 0, high: 150}}}}
      requires: [{{metric: win_rate, above: 0}}]
  missing: {{default: {missing}}}
ladders:
  tier: {{audience: partner, levels: [{{level: top, enter: {{score: total, above: 0}}}}, {{level: base}}]}}
""",
        CATALOGUE,
    ).document
    assert document.score is not None
    known = {name: value for name, value in facts.items() if value is not None}
    bounds = score_bounds(document, document.score)
    for key, value in scores_of(document, document.score, "", known).items():
        assert value is None or value in bounds[key], (key, value, bounds[key])


# --- tracks -----------------------------------------------------------------------------------------------------

TRACKED = (
    f"  criteria:\n    - {{id: deals, metric: won_deals, {DEALS}}}\n",
    "  tracks: {large: {when: {metric: decided_deals, at_least: 5}}, small: {when: {metric: win_rate, above: 0}}}\n"
    "  criteria:\n"
    f"    - {{id: deals, metric: won_deals, {DEALS}, track: large}}\n"
    "    - {id: rate, metric: win_rate, points: {per_unit: {each: 200}}, track: small}\n",
)


@pytest.mark.parametrize(
    ("choose", "facts", "track", "level", "total"),
    [
        ("first_match", {"decided_deals": 9, "won_deals": 6, "win_rate": 0.9}, "large", "registered", 60),
        ("best", {"decided_deals": 9, "won_deals": 6, "win_rate": 0.9}, "small", "gold", 180),
        ("best", {"decided_deals": 9, "won_deals": 6, "win_rate": 0.2}, "large", "registered", 60),
        ("best", {"decided_deals": 9, "won_deals": 6, "win_rate": 0.3}, "large", "registered", 60),
        ("first_match", {"decided_deals": 4, "won_deals": 20, "win_rate": 0.9}, "small", "gold", 180),
        ("best", {"won_deals": 20}, None, "registered", None),
    ],
)
def test_a_partner_is_scored_in_the_first_or_the_best_track_it_fits(
    read: Read, summed: Make, choose: str, facts: dict[str, Any], track: str | None, level: str, total: int | None
) -> None:
    found = outcome(read(summed(TRACKED, ("combine: points", f"combine: points\n  choose: {choose}"))), **facts)
    assert (found.track, found.levels) == (track, {"tier": level})
    assert found.total == total


def test_the_better_level_counts_more_than_the_higher_total(read: Read, summed: Make) -> None:
    gold = ("{score: total, at_least: 100}", "{points: deals, at_least: 60}")
    found = outcome(
        read(summed(TRACKED, ("combine: points", "combine: points\n  choose: best"), gold)),
        decided_deals=9,
        won_deals=6,
        win_rate=0.9,
    )
    assert (found.track, found.levels) == ("large", {"tier": "gold"})
    assert found.total == 60


# --- examples in a policy ---------------------------------------------------------------------------------------


def test_an_example_of_a_score_is_decided_and_a_wrong_one_shows_the_total(
    read: Read, refusal: Refusal, summed: Make
) -> None:
    assert read(summed() + "examples: [{facts: {won_deals: 10}, expect: {tier: gold}}]\n")
    message = refusal(summed() + "examples: [{facts: {won_deals: 9.99}, expect: {tier: gold}}]\n")
    assert (
        "`examples[0].expect.tier`: the example expects gold, the rules give registered (a total score of 99.9), "
        "expected them to agree"
    ) in message


def test_facts_may_be_declared_metrics_and_derived_ones_are_computed(read: Read, refusal: Refusal, plain: Make) -> None:
    own = (
        "ladders:",
        "declares: {seats: {aggregate: sum}}\n"
        "derived: {before: {metric: seats, lag: 4}, growth: {ratio: [seats, before]}}\nladders:",
    )
    text = plain(own, ("metric: won_deals, at_least: 10", "metric: growth, at_least: 1.5"))
    assert read(text + "examples: [{facts: {seats: 3, before: 2}, expect: {tier: gold}}]\n")
    assert read(text + "examples: [{facts: {seats: 3, before: 0}, expect: {tier: registered}}]\n")
    message = refusal(text + "examples: [{facts: {growth: 2}, expect: {tier: gold}}]\n")
    assert (
        "`examples[0].facts.growth`: growth follows from seats, before, expected facts about what it is made of"
        in message
    )
    message = refusal(text + "examples: [{facts: {seat: 2}, expect: {tier: gold}}]\n")
    assert '`examples[0].facts.seat`: found the text "seat", expected a metric or an attribute of partners' in message
    assert "did you mean `seats`?" in message


def test_what_hangs_on_others_stays_open_in_every_track(refusal: Refusal, summed: Make) -> None:
    text = summed(
        TRACKED,
        ("points: {per_unit: {each: 200}}", "points: {percentile: {}}"),
        ("combine: points", "combine: points\n  choose: best"),
    )
    example = "examples: [{facts: {decided_deals: 9, won_deals: 6, win_rate: 0.9}, expect: {tier: registered}}]\n"
    message = refusal(text + example)
    assert (
        "facts alone do not decide it: the best of 2 tracks is taken, and gold asks for total score at least 100"
        in message
    )


# --- published programmes ---------------------------------------------------------------------------------------

# A vendor's capability score: five categories with caps, prerequisites, and no category may be empty.
CAPABILITY = """\
policy: capability
version: "2023-10"
effective_from: 2023-10-01
window: {quarters: 4}
declares:
  net_adds: {aggregate: sum}
  administrators: {of: subject, aggregate: count_distinct, facts: certificates, where: {certificate: administrator}}
  architects: {of: subject, aggregate: count_distinct, facts: certificates, where: {certificate: architect}}
  intermediate: {of: subject, aggregate: count_distinct, facts: certificates, where: {level: intermediate}}
  advanced: {of: subject, aggregate: count_distinct, facts: certificates, where: {level: advanced}}
  usage_growth: {aggregate: last}
  services: {of: subject, aggregate: count_distinct, facts: usage, where: {value: {above: 0}}}
score:
  combine: points
  criteria:
    - {id: adds, metric: net_adds, min: 0, max: 30, points: {per_unit: {each: 10}}}
    - id: skilled
      metric: intermediate
      max: 20
      points: {per_unit: {each: 4}}
      requires: [{metric: administrators, at_least: 2}]
    - id: expert
      metric: advanced
      max: 20
      points: {per_unit: {each: 4}}
      requires: [{metric: architects, at_least: 2}]
    - {id: usage, metric: usage_growth, min: 0, max: 20, points: {per_unit: {each: 1}}}
    - {id: deployed, metric: services, max: 10, points: {per_unit: {each: 2}}}
ladders:
  designation:
    audience: partner
    levels:
      - level: attained
        enter:
          all:
            - {score: total, at_least: 70}
            - {points: adds, above: 0}
            - {points: skilled, above: 0}
            - {points: expert, above: 0}
            - {points: usage, above: 0}
            - {points: deployed, above: 0}
      - level: open
"""


@pytest.mark.parametrize(
    ("facts", "total", "level"),
    [
        ((3, 2, 5, 2, 5, 20, 5), 100, "attained"),
        ((2, 2, 3, 2, 2, 20, 5), 70, "attained"),
        ((3, 2, 5, 2, 5, 20, 0), 90, "open"),
        ((3, 2, 5, 1, 5, 20, 5), 80, "open"),
        ((3, 2, 2, 2, 2, 9, 3), 61, "open"),
        ((3, 2, 2, 2, 2, 18, 3), 70, "attained"),
        ((0, 2, 5, 2, 5, Decimal("764.8"), 5), 70, "open"),
    ],
)
def test_a_published_capability_score_comes_out_as_printed(
    read: Read, facts: tuple[Any, ...], total: int, level: str
) -> None:
    names = ("net_adds", "administrators", "intermediate", "architects", "advanced", "usage_growth", "services")
    found = outcome(read(CAPABILITY), **dict(zip(names, facts, strict=True)))
    assert found.levels["designation"] == level
    assert found.total == total


# An accountants' programme: a plain sum over clients and certificates, and levels by bands of points.
SUBSCRIPTIONS = """\
policy: subscriptions
version: "1"
effective_from: 2020-01-01
window: {quarters: 4}
declares:
  online: {aggregate: sum, absent: zero}
  self_employed: {aggregate: sum, absent: zero}
  payroll: {aggregate: sum, absent: zero}
  certified: {aggregate: sum, absent: zero}
  advanced: {aggregate: sum, absent: zero}
  desktop: {aggregate: sum, absent: zero}
score:
  combine: points
  criteria:
    - {id: online, metric: online, points: {per_unit: {each: 50}}}
    - {id: self_employed, metric: self_employed, points: {per_unit: {each: 25}}}
    - {id: payroll, metric: payroll, points: {per_unit: {each: 50}}}
    - {id: certified, metric: certified, points: {per_unit: {each: 100}}}
    - {id: advanced, metric: advanced, points: {per_unit: {each: 200}}}
    - {id: desktop, metric: desktop, points: {flag: 100}}
ladders:
  tier:
    audience: partner
    levels:
      - {level: elite, enter: {score: total, at_least: 1600}}
      - {level: platinum, enter: {score: total, at_least: 800}}
      - {level: gold, enter: {score: total, at_least: 200}}
      - {level: silver}
"""


@pytest.mark.parametrize(
    ("facts", "total", "level"),
    [
        ({"online": 3}, 150, "silver"),
        ({"online": 4}, 200, "gold"),
        ({"online": 3, "self_employed": 1, "desktop": 2}, 275, "gold"),
        ({"online": 10, "certified": 2}, 700, "gold"),
        ({"online": 12, "certified": 1, "advanced": 1}, 900, "platinum"),
        ({"online": 31, "self_employed": 1}, 1575, "platinum"),
        ({"online": 20, "payroll": 4, "certified": 2, "advanced": 1}, 1600, "elite"),
    ],
)
def test_a_published_sum_of_points_comes_out_as_printed(
    read: Read, facts: dict[str, int], total: int, level: str
) -> None:
    found = outcome(read(SUBSCRIPTIONS), **facts)
    assert found.levels["tier"] == level
    assert found.total == total

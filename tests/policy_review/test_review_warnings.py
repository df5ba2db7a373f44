"""Each warning on the smallest policy that earns it, its partners judged again by the engine, and what earns none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from policy_review.programmes import Reviewed, ladder, total

Review = Callable[[str], Reviewed]

PLAIN_SCORE = """\
score:
  combine: weighted
  dimensions: {all: 1}
  criteria:
    - {id: rate, metric: win_rate, dimension: all, weight: 0.3, points: {range: {low: 0.1, high: 0.5}}}
    - {id: deals, metric: won_deals, dimension: all, weight: 0.5, points: {range: {low: 0, high: 10}}}
    - {id: cycle, metric: sales_cycle_days, dimension: all, weight: 0.2, points: {range: {low: 90, high: 20}}}
  missing: {default: zero}
"""


def summed(*criteria: str, more: str = "") -> str:
    """A plain sum of criteria, one line each."""
    return "".join(["score:\n  combine: points\n", more, "  criteria:\n", *(f"    - {each}\n" for each in criteria)])


# --- nothing to say -------------------------------------------------------------------------------------------------


def test_a_plain_policy_earns_no_warning(reviewed: Review) -> None:
    levels = ladder(
        "{all: [{score: total, at_least: 80}, {metric: sales_cycle_days, at_most: 60}]}",
        "{score: total, at_least: 40}",
        "movement: {buffer: 2.5, demote_after: 2, max_steps: {up: 1, down: 1}}\n"
        "    guardrails: {max_share: {gold: 0.1}}",
    )
    benefits = "entitlements: {tier.gold: {discount_share: 0.2}, tier.silver: {discount_share: 0.1}}\n"
    found = reviewed(PLAIN_SCORE + levels + benefits)
    assert found.warnings == []
    # What decides over most is worth knowing all the same.
    (note,) = found.findings
    assert note.kind == "cliff"
    found.confirm(note)


def test_a_metric_that_is_better_when_lower_may_have_upper_bars(reviewed: Review) -> None:
    declares = "declares: {churn: {aggregate: last, direction: lower}}\n"
    bars = ladder("{metric: churn, at_most: 0.06}", "{metric: churn, at_most: 0.12}")
    assert reviewed(declares + bars).findings == []


def test_growth_may_fall_with_what_was_before(reviewed: Review) -> None:
    made = "derived: {before: {metric: won_deals, lag: 4}, growth: {difference: [won_deals, before]}}\n"
    assert reviewed(made + ladder("{metric: growth, at_least: 10}", "{metric: growth, at_least: 5}")).findings == []


# --- doing more, getting less ---------------------------------------------------------------------------------------


def test_an_upper_bar_on_a_benefit(reviewed: Review) -> None:
    gold = "{all: [{metric: sourced_won_amount, at_least: 100000}, {metric: won_deals, at_most: 20}]}"
    found = reviewed(ladder(gold, "{metric: sourced_won_amount, at_least: 50000}"))
    warning = found.only("loses_by_more")
    assert warning.place == "ladders.tier.levels[0].enter.all[1]"
    assert [partner.facts["won_deals"] for partner in warning.partners] == [20, 21]
    assert [partner.levels["tier"] for partner in warning.partners] == ["gold", "silver"]
    assert "won_deals from 20 to 21" in warning.sentence
    found.confirm(warning)


def test_bands_that_fall(reviewed: Review) -> None:
    bands = "[{below: 5, points: 40}, {below: 10, points: 80}, {points: 60}]"
    people = "{id: people, metric: certified_people, points: {per_unit: {each: 10}}, max: 50}"
    found = reviewed(summed(f"{{id: deals, metric: won_deals, points: {{bands: {bands}}}}}", people) + total(100, 60))
    warning = found.only("loses_by_more")
    assert warning.place == "score.criteria[0].points.bands"
    assert [partner.facts["won_deals"] for partner in warning.partners] == [9, 10]
    assert [partner.points["deals"] for partner in warning.partners] == [80, 60]
    assert warning.partners[0].levels["tier"] != warning.partners[1].levels["tier"]
    found.confirm(warning)


def test_a_range_the_wrong_way_round(reviewed: Review) -> None:
    score = PLAIN_SCORE.replace("{low: 0.1, high: 0.5}", "{low: 0.5, high: 0.1}")
    found = reviewed(score + total(80, 40))
    warning = found.only("loses_by_more")
    assert warning.place == "score.criteria[0].points.range"
    assert warning.fix == "swap low and high, as higher is better"
    found.confirm(warning)


def test_a_multiplier_that_falls_names_the_declared_direction(reviewed: Review) -> None:
    factors = "{metric: revenue, bands: [{below: 100000, factor: 1.5}, {factor: 1}]}"
    deals = f"{{id: deals, metric: won_deals, points: {{per_unit: {{each: 10}}}}, max: 100, multiplier: {factors}}}"
    found = reviewed("declares: {revenue: {aggregate: sum}}\n" + summed(deals) + total(80, 40))
    warning = found.only("loses_by_more")
    assert warning.place == "score.criteria[0].multiplier"
    assert [partner.facts["revenue"] for partner in warning.partners] == [99_999, 100_000]
    assert "`direction: lower` in declares.revenue" in warning.fix
    found.confirm(warning)


def test_a_requirement_that_more_does_not_meet(reviewed: Review) -> None:
    deals = (
        "{id: deals, metric: won_deals, points: {per_unit: {each: 10}}, requires: [{metric: decided_deals, below: 8}]}"
    )
    found = reviewed(summed(deals) + total(80, 40))
    warning = found.only("loses_by_more")
    assert warning.place == "score.criteria[0].requires[0]"
    assert [partner.facts["decided_deals"] for partner in warning.partners] == [7, 8]
    found.confirm(warning)


def test_a_deduction_that_waits_for_enough_answers_is_meant(reviewed: Review) -> None:
    deals = "{id: deals, metric: won_deals, points: {per_unit: {each: 10}}, max: 100}"
    bands = "[{below: 0.5, points: -30}, {points: 0}]"
    needed = "[{metric: csat_responses, at_least: 5}]"
    answers = f"{{id: answers, metric: csat_average, points: {{bands: {bands}}}, requires: {needed}}}"
    found = reviewed(summed(deals, answers) + total(80, 40, "movement: {max_steps: {up: 1, down: 1}}"))
    assert [warning.kind for warning in found.warnings] == []


def test_a_ratio_that_falls_when_the_partner_sells_more(reviewed: Review) -> None:
    made = "declares: {recurring: {aggregate: sum}, all_sales: {aggregate: sum}}\n"
    made += "derived: {recurring_share: {ratio: [recurring, all_sales]}}\n"
    gold = "{all: [{metric: all_sales, at_least: 750000}, {metric: recurring_share, at_least: 0.5}]}"
    found = reviewed(made + ladder(gold, "{metric: all_sales, at_least: 100000}"))
    warning = found.only("ratio_falls")
    assert warning.place == "derived.recurring_share.ratio"
    a, b = warning.partners
    assert b.facts["all_sales"] == Decimal(str(a.facts["all_sales"])) + 1
    assert (a.levels["tier"], b.levels["tier"]) == ("gold", "silver")
    assert "takes recurring_share from 0.5 to 0.499999" in warning.sentence
    found.confirm(warning)


def test_a_track_that_costs_who_grows_into_it(reviewed: Review) -> None:
    tracks = "  tracks: {large: {when: {metric: won_deals, at_least: 20}}, small: {}}\n"
    criteria = (
        "{id: big, track: large, metric: sourced_won_amount, points: {range: {low: 0, high: 1000000}}}",
        "{id: few, track: small, metric: sourced_won_amount, points: {range: {low: 0, high: 100000}}}",
    )
    found = reviewed(summed(*criteria, more=tracks) + total(80, 40))
    warning = found.only("track_loses")
    assert [partner.track for partner in warning.partners] == ["small", "large"]
    assert [partner.facts["won_deals"] for partner in warning.partners] == [19, 20]
    found.confirm(warning)
    # The better of the tracks is the remedy that is named.
    assert "`choose: best`" in warning.fix
    mended = tracks.replace("  tracks:", "  choose: best\n  tracks:").replace("small: {}", "small: {}")
    assert reviewed(summed(*criteria, more=mended) + total(80, 40)).warnings == []


# --- gaps -----------------------------------------------------------------------------------------------------------


def test_a_gap_between_bands(reviewed: Review) -> None:
    bands = "[{at_least: 1, below: 5, points: 40}, {at_least: 8, points: 50}]"
    found = reviewed(summed(f"{{id: deals, metric: won_deals, points: {{bands: {bands}}}}}") + total(50, 40))
    warning = found.only("gap")
    assert warning.place == "score.criteria[0].points.bands"
    assert "(5 to 8)" in warning.sentence
    assert [partner.facts["won_deals"] for partner in warning.partners] == [4, 5]
    assert [partner.points["deals"] for partner in warning.partners] == [40, 0]
    found.confirm(warning)


def test_no_gap_where_the_metric_has_no_value(reviewed: Review) -> None:
    bands = "[{at_least: 1, at_most: 4, points: 40}, {at_least: 5, points: 50}]"
    assert (
        reviewed(summed(f"{{id: deals, metric: won_deals, points: {{bands: {bands}}}}}") + total(50, 40)).findings == []
    )


def test_nothing_below_the_first_band_is_no_gap(reviewed: Review) -> None:
    bands = "[{at_least: 5, below: 8, points: 40}, {at_least: 8, points: 50}]"
    assert [
        f.kind
        for f in reviewed(
            summed(f"{{id: deals, metric: won_deals, points: {{bands: {bands}}}}}") + total(50, 40)
        ).warnings
    ] == []


# --- out of reach ---------------------------------------------------------------------------------------------------


def test_criteria_that_exclude_each_other_put_a_level_out_of_reach(reviewed: Review) -> None:
    criteria = (
        "{id: many, metric: won_deals, points: {range: {low: 0, high: 10}}}",
        "{id: few, metric: won_deals, points: {range: {low: 10, high: 0}}}",
    )
    levels = ladder(
        "{all: [{points: many, at_least: 70}, {points: few, at_least: 70}]}", "{points: many, at_least: 40}"
    )
    found = reviewed(summed(*criteria) + levels)
    (warning,) = [each for each in found.warnings if each.kind == "out_of_reach"]
    assert warning.place == "ladders.tier.levels[0]"
    assert "gets tier.gold" in warning.sentence
    assert "points of few at least 70" in warning.sentence
    assert all(partner.levels["tier"] != "gold" for partner in warning.partners)
    for partner, judged in zip(warning.partners, found.again(warning), strict=True):
        assert judged.levels == partner.levels


def test_a_level_that_only_a_narrow_path_reaches_is_found(reviewed: Review) -> None:
    made = "declares: {a: {aggregate: sum}, b: {aggregate: sum}}\n"
    made += "derived: {difference: {difference: [a, b]}, part: {ratio: [a, b]}}\n"
    gold = "{all: [{metric: difference, equals: 17}, {metric: part, at_most: 1.05}]}"
    found = reviewed(made + ladder(gold, "{metric: a, at_least: 100}"))
    assert "out_of_reach" not in [warning.kind for warning in found.warnings]


# --- cliffs ---------------------------------------------------------------------------------------------------------

FLAGGED = summed(
    "{id: deals, metric: won_deals, points: {per_unit: {each: 10}}, max: 60}",
    "{id: chosen, metric: strategic_flag, points: {flag: 50}}",
)
BENEFITS = "entitlements:\n  tier.gold: {discount_share: 0.2, logo: gold}\n  tier.silver: {discount_share: 0.1}\n"


def test_one_step_past_a_level(reviewed: Review) -> None:
    found = reviewed(FLAGGED + total(100, 70) + BENEFITS)
    warning = found.only("cliff")
    assert warning.place == "ladders.tier.levels[0]"
    a, b = warning.partners
    assert (a.levels["tier"], b.levels["tier"]) == ("registered", "gold")
    assert (a.facts["strategic_flag"], b.facts["strategic_flag"]) == (0, 1)
    assert "past silver" in warning.sentence
    assert "discount_share none -> 0.2" in warning.sentence
    found.confirm(warning)


def test_movement_by_one_level_makes_a_note_of_it(reviewed: Review) -> None:
    limited = "movement: {max_steps: {up: 1, down: 1}}"
    found = reviewed(FLAGGED + total(100, 70, limited) + BENEFITS)
    assert found.warnings == []
    (note,) = found.findings
    assert note.kind == "cliff"
    assert "one level at a time" in note.sentence


# --- what is not known ----------------------------------------------------------------------------------------------


def test_one_known_value_carries_the_score(reviewed: Review) -> None:
    found = reviewed(PLAIN_SCORE.replace("default: zero", "default: renormalise") + total(80, 40))
    warning = found.only("single_value")
    assert warning.place == "score.missing"
    a, b = warning.partners
    assert len(a.facts) == 1
    assert len(b.facts) == 2
    assert (a.total, a.levels["tier"]) == (100, "gold")
    assert b.levels["tier"] != "gold"
    found.confirm(warning)


def test_a_criterion_with_most_of_the_weight_may_carry_it(reviewed: Review) -> None:
    score = """\
score:
  combine: weighted
  dimensions: {all: 1}
  criteria: [{id: deals, metric: won_deals, dimension: all, weight: 1, points: {range: {low: 0, high: 10}}}]
"""
    assert reviewed(score + total(80, 40)).warnings == []


# --- tracks ---------------------------------------------------------------------------------------------------------


def test_partners_whom_no_track_takes(reviewed: Review) -> None:
    tracks = (
        "  tracks: {large: {when: {metric: won_deals, at_least: 20}}, small: {when: {metric: won_deals, below: 10}}}\n"
    )
    criteria = "{id: won, metric: sourced_won_amount, points: {range: {low: 0, high: 100000}}}"
    found = reviewed(summed(criteria, more=tracks) + total(80, 40))
    warning = found.only("no_track")
    assert warning.place == "score.tracks.small"
    a, b = warning.partners
    assert a.track is not None
    assert b.track is None
    assert b.total is None
    found.confirm(warning)


def test_a_track_that_nobody_gets_into(reviewed: Review) -> None:
    # Each of the first two may be missed, but not both.
    bars = {"many": "at_least: 5", "few": "below: 5", "rest": "at_least: 0"}
    tracks = ", ".join(f"{name}: {{when: {{metric: won_deals, {bar}}}}}" for name, bar in bars.items())
    criteria = "{id: won, metric: sourced_won_amount, points: {range: {low: 0, high: 100000}}}"
    found = reviewed(summed(criteria, more=f"  tracks: {{{tracks}}}\n") + total(80, 40))
    (warning,) = [each for each in found.warnings if each.kind == "out_of_reach"]
    assert warning.place == "score.tracks.rest"
    assert "gets the track rest" in warning.sentence


# --- promises, movement, entitlements -------------------------------------------------------------------------------

HOURS = """\
entitlements:
  tier.gold: {hours_per_quarter: 40}
  tier.silver: {hours_per_quarter: 10}
capacity: {partner_managers: 1, hours_per_week: 40, weeks: 12, utilisation: 0.7}
"""
DEALS = summed("{id: deals, metric: won_deals, points: {per_unit: {each: 10}}, max: 100}")


def capped(gold: int, silver: int) -> str:
    levels = total(80, 40).replace(
        "        enter: {score: total, at_least: 80}",
        f"        enter: {{score: total, at_least: 80}}\n        capacity: {gold}",
    )
    return levels.replace(
        "        enter: {score: total, at_least: 40}",
        f"        enter: {{score: total, at_least: 40}}\n        capacity: {silver}",
    )


def test_more_hours_than_there_are(reviewed: Review) -> None:
    warning = reviewed(DEALS + capped(10, 20) + HOURS).only("over_capacity")
    assert warning.place == "capacity"
    # 1 x 40 x 12 x 0.7 = 336 hours; 10 x 40 + 20 x 10 = 600.
    assert "336 h" in warning.sentence
    assert "264 h too many" in warning.sentence
    assert reviewed(DEALS + capped(5, 10) + HOURS).warnings == []  # 300 of 336


def test_hours_for_any_number_of_partners(reviewed: Review) -> None:
    warnings = reviewed(DEALS + total(80, 40) + HOURS).warnings
    assert [(warning.kind, warning.place) for warning in warnings] == [
        ("over_capacity", 'entitlements["tier.gold"]'),
        ("over_capacity", 'entitlements["tier.silver"]'),
    ]


def test_a_buffer_wider_than_the_distance(reviewed: Review) -> None:
    found = reviewed(DEALS + total(60, 50, "movement: {buffer: 12}"))
    warning = found.only("wide_buffer")
    assert warning.place == "ladders.tier.movement.buffer"
    a, b = warning.partners
    assert a.facts["total"] == b.facts["total"] == 55
    # Kept with bars lowered by 12: gold from 48. Reached with bars raised by 12: silver from 62.
    assert (a.levels["tier"], b.levels["tier"]) == ("gold", "registered")
    assert reviewed(DEALS + total(60, 50, "movement: {buffer: 10}")).warnings == []


@pytest.mark.parametrize("rule", ["demote_after: 2", "new_partner_grace: 2", "hold_until: anniversary"])
def test_grace_without_a_cap(reviewed: Review, rule: str) -> None:
    movement = f"movement: {{{rule}, max_steps: {{up: 1, down: 1}}}}"
    warning = reviewed(DEALS + total(80, 40, movement) + BENEFITS).only("uncapped_grace")
    assert warning.place == "ladders.tier.movement"
    assert rule in warning.sentence


def test_grace_with_a_cap_is_fine(reviewed: Review) -> None:
    movement = "movement: {demote_after: 2}\n    guardrails: {max_share: {gold: 0.1}}"
    assert reviewed(DEALS + total(80, 40, movement) + BENEFITS).warnings == []


def test_levels_that_give_nothing_of_their_own(reviewed: Review) -> None:
    none = reviewed(DEALS + total(80, 40) + "entitlements: {tier.gold: {logo: gold}}\n").only("empty_level")
    assert none.place == "ladders.tier.levels[1]"
    same = "entitlements: {tier.gold: {logo: x}, tier.silver: {logo: x}, tier.registered: {logo: y}}\n"
    assert reviewed(DEALS + total(80, 40) + same).only("empty_level").place == 'entitlements["tier.gold"]'


# --- places among few -----------------------------------------------------------------------------------------------


def test_percentiles_in_groups_without_shrink(reviewed: Review) -> None:
    score = """\
score:
  combine: weighted
  dimensions: {all: 1}
  criteria:
    - {id: won, metric: sourced_won_amount, dimension: all, weight: 1, points: {percentile: {within: [region]}}}
  missing: {default: zero}
"""
    found = reviewed(score + total(80, 40))
    warning = found.only("tiny_groups")
    assert warning.place == "score.criteria[0].points.percentile"
    assert [partner.points["won"] for partner in warning.partners] == [0, 100]
    found.confirm(warning)
    assert reviewed(score.replace("[region]", "[region], shrink: 20") + total(80, 40)).warnings == []


def test_shares_within_groups_of_one(reviewed: Review) -> None:
    share = "{{top_share: {{share: {share}, by: sourced_won_amount, within: [region]}}}}"
    warning = reviewed(ladder(share.format(share=0.1), share.format(share=0.5))).only("tiny_groups")
    assert warning.place == "ladders.tier.levels[0].enter"
    a, b = warning.partners
    assert a.facts["region"] != b.facts["region"]
    assert a.facts["sourced_won_amount"] == b.facts["sourced_won_amount"]
    assert (a.levels["tier"], b.levels["tier"]) == ("gold", "registered")


def test_what_is_assumed_about_the_roster_is_said(reviewed: Review) -> None:
    score = summed(
        "{id: won, metric: sourced_won_amount, points: {percentile: {}}, max: 60}",
        "{id: chosen, metric: strategic_flag, points: {flag: 50}}",
    )
    warning = reviewed(score + total(100, 70)).only("cliff")
    assert warning.assumed.startswith(
        "places among partners are those in a roster spread evenly over sourced_won_amount"
    )

"""Points, bands, multipliers, requirements, roundings and tracks: the rows they make and what they can come to."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.policy import Policy
from pipelines.policy.bands import BandFault, PointsBand, leaves_gaps, resolved, worth_of
from pipelines.policy.score_checks import score_bounds

Make = Callable[..., str]
Read = Callable[[str], Policy]
Refusal = Callable[[str], str]

DEALS = "{per_unit: {each: 10}}"


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def bands_of(written: list[dict[str, Any]]) -> list[PointsBand]:
    return [PointsBand.model_validate(band) for band in written]


# --- bands ------------------------------------------------------------------------------------------------------

edges = st.lists(st.integers(-20, 20).map(Decimal), min_size=1, max_size=5, unique=True).map(sorted)
numbers = st.integers(-25, 25).map(Decimal)


Written = list[dict[str, Any]]


def by_edges(bounds: list[Decimal], low: str, high: str) -> tuple[Written, Written]:
    """0, 1, 2, ... points for what these numbers part, once written by lower and once by upper edges."""
    points = list(range(len(bounds) + 1))
    rising: Written = [{low: edge, "points": n} for n, edge in enumerate(bounds, start=1)]
    ending: Written = [{high: edge, "points": n} for n, edge in enumerate(bounds)]
    return [{"points": points[0]}, *rising], [*ending, {"points": points[-1]}]


@given(edges, numbers)
def test_bands_may_be_written_by_their_lower_or_upper_edges_and_in_either_order(
    bounds: list[Decimal], value: Decimal
) -> None:
    by_low, by_high = by_edges(bounds, "at_least", "below")
    wanted = sum(edge <= value for edge in bounds)  # the lower edge is in, the upper one is out
    for written in (by_low, by_low[::-1], by_high, by_high[::-1]):
        steps = resolved(bands_of(written))
        assert not isinstance(steps, BandFault)
        assert worth_of(value, steps) == wanted
        assert not leaves_gaps(steps)


@given(edges, numbers)
def test_with_at_most_and_above_the_edge_belongs_below(bounds: list[Decimal], value: Decimal) -> None:
    by_low, by_high = by_edges(bounds, "above", "at_most")
    for written in (by_low, by_high, by_high[::-1]):
        steps = resolved(bands_of(written))
        assert not isinstance(steps, BandFault)
        assert worth_of(value, steps) == sum(edge < value for edge in bounds)


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ([{"at_least": 5, "points": 1}], [5, 9], [4]),
        ([{"below": 5, "points": 1}, {"at_least": 7, "points": 1}], [4, 7], [5, 6]),
        ([{"above": 5, "below": 7, "points": 1}, {"above": 7, "points": 1}], [6, 8], [5, 7]),
        ([{"at_least": 3, "at_most": 3, "points": 1}], [3], [2, 4]),
    ],
)
def test_a_value_in_no_band_is_worth_nothing(
    written: list[dict[str, Any]], inside: list[int], outside: list[int]
) -> None:
    steps = resolved(bands_of(written))
    assert not isinstance(steps, BandFault)
    assert leaves_gaps(steps)
    assert [worth_of(Decimal(value), steps) for value in inside] == [Decimal(1)] * len(inside)
    assert [worth_of(Decimal(value), steps) for value in outside] == [None] * len(outside)


@pytest.mark.parametrize(
    ("bands", "place", "words"),
    [
        ("[{below: 5, at_least: 7, points: 1}]", "[0]", "no number is in it: it begins at 7 and ends at 5"),
        ("[{below: 5, points: 1}, {below: 3, points: 2}, {below: 4, points: 3}]", "[1]", "begins at 4 and ends at 3"),
        ("[{below: 5, points: 1}, {at_least: 4, points: 2}]", "[1]", "it overlaps its neighbour, which ends at 5"),
        ("[{at_most: 5, points: 1}, {at_least: 5, points: 2}]", "[1]", "overlaps"),
        ("[{points: 1}, {points: 2}]", "[0]", "the edge between it and its neighbour is not said"),
        ("[{at_least: 5, above: 5, points: 1}]", "[0]", "one of at_least, above"),
        ("[{below: 5, at_most: 5, points: 1}]", "[0]", "one of below, at_most"),
        ("[{below: 5}]", "[0]", "the key `points` is missing"),
        ("[{below: 5, factor: 2}]", "[0].factor", "unknown key"),
        ("[{to: 5, points: 1}]", "[0].to", "unknown key"),
    ],
)
def test_bands_without_a_meaning_are_refused_at_their_place(
    refusal: Refusal, summed: Make, bands: str, place: str, words: str
) -> None:
    message = refusal(summed((DEALS, f"{{bands: {bands}}}")))
    assert f"line 8, `score.criteria[0].points.bands{place}`: " in message
    assert words in message


def test_bands_become_rows_from_the_lowest_to_the_highest(read: Read, summed: Make) -> None:
    bands = "{bands: [{at_least: 20, points: 120}, {at_least: 5, below: 10, points: 50}, {at_most: 0, points: -10}]}"
    rows = read(summed((DEALS, bands))).rows()
    columns = ("criterion", "purpose", "band", "low", "is_low_open", "high", "is_high_open", "value")
    assert only(rows["criterion_bands"], *columns) == [
        ("deals", "points", 1, None, False, 0, False, -10),
        ("deals", "points", 2, 5, False, 10, True, 50),
        ("deals", "points", 3, 20, False, None, False, 120),
    ]
    assert only(rows["criteria"], "kind", "min_points", "max_points") == [("bands", None, None)]


# --- flags, multipliers, limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["50", "{points: 50}"])
def test_a_flag_gives_its_points_or_none(read: Read, summed: Make, flag: str) -> None:
    rows = read(summed((DEALS, f"{{flag: {flag}}}"), ("at_least: 100", "at_least: 50"))).rows()
    assert only(rows["criteria"], "kind", "flag_points", "max_points") == [("flag", 50, None)]


@pytest.mark.parametrize(
    ("points", "limits"),
    [
        ("{flag: 50}", (None, None)),
        ("{bands: [{below: 5, points: 500}]}", (None, None)),
        ("{per_unit: {each: 10}}", (None, None)),
        ("{range: {low: 0, high: 1}}", (0, 100)),
        ("{percentile: {}}", (0, 100)),
    ],
)
def test_points_of_a_plain_sum_have_limits_only_where_they_are_a_share(
    read: Read, summed: Make, points: str, limits: tuple[Any, ...]
) -> None:
    policy = read(summed((DEALS, points), ("at_least: 100", "at_least: 50")))
    assert only(policy.rows()["criteria"], "min_points", "max_points") == [limits]


@pytest.mark.parametrize("points", ["{flag: 50}", "{bands: [{below: 5, points: 500}]}", DEALS, "{percentile: {}}"])
def test_points_of_a_weighted_score_are_0_to_100(read: Read, scored: Make, points: str) -> None:
    policy = read(scored((DEALS, points)))
    assert only(policy.rows()["criteria"], "min_points", "max_points")[2] == (0, 100)


def test_a_plain_sum_may_give_more_than_100_points_for_a_share_but_no_cap_is_negative(
    read: Read, refusal: Refusal, summed: Make
) -> None:
    points = (DEALS + "}", "{range: {low: 0, high: 10}}, max: 250}")
    assert read(summed(points, ("at_least: 100", "at_least: 250"))).rows()["criteria"][0]["max_points"] == 250
    message = refusal(summed((DEALS + "}", DEALS + ", max: -10}")))
    assert "`score.criteria[0].max`: found -10, expected a cap not below zero" in message


def test_a_multiplier_is_a_factor_by_bands_or_the_value_itself(read: Read, summed: Make) -> None:
    factor = "multiplier: {metric: win_rate, bands: [{below: 0.1, factor: 0.5}, {at_least: 0.5, factor: 2}]}"
    rows = read(summed((DEALS + "}", f"{DEALS}, {factor}}}"))).rows()
    columns = ("purpose", "low", "high", "value")
    assert only(rows["criteria"], "multiplier_metric", "multiplier_kind") == [("win_rate", "bands")]
    assert only(rows["criterion_bands"], *columns) == [
        ("multiplier", None, Decimal("0.1"), Decimal("0.5")),
        ("multiplier", Decimal("0.5"), None, Decimal(2)),
    ]
    assert "win_rate" in {row["metric"] for row in rows["metric_uses"]}
    rows = read(summed((DEALS + "}", DEALS + ", multiplier: {metric: win_rate}}"))).rows()
    assert only(rows["criteria"], "multiplier_metric", "multiplier_kind") == [("win_rate", "value")]
    assert rows["criterion_bands"] == []


@pytest.mark.parametrize(
    ("multiplier", "path", "words"),
    [
        ("{metric: win_rates}", "multiplier.metric", "did you mean `win_rate`?"),
        ("{metric: win_rate, bands: []}", "multiplier.bands", "at least 1"),
        ("{metric: win_rate, bands: [{factor: -1}]}", "multiplier.bands[0].factor", "a number not below zero"),
        ("{metric: win_rate, bands: [{below: 1, points: 2}]}", "multiplier.bands[0].points", "unknown key"),
        ("{metric: win_rate, bands: [{above: 1, below: 0, factor: 2}]}", "multiplier.bands[0]", "no number is in it"),
        ("2", "multiplier", "a mapping with the keys metric, bands"),
    ],
)
def test_a_wrong_multiplier_is_refused(refusal: Refusal, summed: Make, multiplier: str, path: str, words: str) -> None:
    message = refusal(summed((DEALS + "}", f"{DEALS}, multiplier: {multiplier}}}")))
    assert f"line 8, `score.criteria[0].{path}`: " in message
    assert words in message


# --- what a score can come to -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "low", "high"),
    [
        ("points: {per_unit: {each: 10}}", None, None),
        ("points: {per_unit: {each: 10}}, min: -30, max: 40", -30, 40),
        ("points: {range: {low: 0, high: 1}}", 0, 100),
        ("points: {percentile: {}}, max: 30", 0, 30),
        ("points: {flag: 50}", 0, 50),
        ("points: {flag: -50}", -50, 0),
        ("points: {bands: [{below: 1, points: 20}, {below: 2, points: -5}]}", -5, 20),
        ("points: {bands: [{below: 1, points: 20}, {points: 30}]}", 0, 30),
        ("points: {bands: [{below: 1, points: 20}]}, max: 12.5", 0, Decimal("12.5")),
        ("points: {flag: 50}, multiplier: {metric: win_rate}", None, None),
        ("points: {flag: 50}, multiplier: {metric: win_rate}, min: 0, max: 70", 0, 70),
        ("points: {flag: 50}, multiplier: {metric: win_rate, bands: [{below: 1, factor: 3}]}", 0, 150),
        ("points: {flag: 50}, multiplier: {metric: win_rate, bands: [{below: 1, factor: 0.5}]}", 0, 50),
        ("points: {flag: -50}, multiplier: {metric: win_rate, bands: [{below: 1, factor: 3}]}", -150, 0),
        ("points: {per_unit: {each: 1}}, multiplier: {metric: win_rate, bands: [{factor: 0}]}", 0, 0),
        ("points: {flag: 0.25}, round: {digits: 1}", 0, Decimal("0.3")),
        ("points: {flag: 0.25}, round: {digits: 1, mode: down}", 0, Decimal("0.2")),
    ],
)
def test_the_points_a_criterion_can_give(read: Read, summed: Make, criterion: str, low: Any, high: Any) -> None:
    text = summed(
        (f"points: {DEALS}", criterion), ("{score: total, at_least: 100}", "{metric: won_deals, at_least: 10}")
    )
    document = read(text).document
    assert document.score is not None
    reach = score_bounds(document, document.score)["points", "deals"]
    assert (reach.low, reach.high) == (low, high)


@pytest.mark.parametrize(
    "points",
    ["{flag: 99}", "{bands: [{below: 1, points: 50}, {points: 99}]}", "{range: {low: 0, high: 1}}, max: 99"],
)
def test_a_bar_above_what_the_points_can_give_is_refused(refusal: Refusal, summed: Make, points: str) -> None:
    message = refusal(summed((DEALS, points)))
    assert (
        "no partner can reach gold: it needs total score at least 100, but the rules can only give 0 to 99" in message
    )


def test_rounding_up_counts_in_what_can_be_reached(read: Read, refusal: Refusal, summed: Make) -> None:
    points = (DEALS, "{flag: 99.996}")
    assert read(summed(points))  # two decimals, half up: 100.00
    message = refusal(summed(points, ("window:", "rounding: {mode: down}\nwindow:")))
    assert "can only give 0 to 99.99" in message


# --- requirements -----------------------------------------------------------------------------------------------


def test_requirements_are_conditions_on_metrics_and_attributes(read: Read, summed: Make) -> None:
    both = "{all: [{metric: new_customers, at_least: 1}, {attribute: region, in: [a, b]}]}"
    nested = f"{{any: [{{metric: win_rate, above: 0.2}}, {both}]}}"
    requires = f"requires: [{{metric: decided_deals, at_least: 5}}, {nested}]"
    rows = read(summed((DEALS + "}", f"{DEALS}, {requires}}}"))).rows()
    columns = (
        "requirement",
        "alternative",
        "condition",
        "kind",
        "subject",
        "metric",
        "operator",
        "value",
        "text_values",
    )
    assert only(rows["criterion_requirements"], *columns) == [
        (1, 1, 1, "metric", "decided_deals", "decided_deals", "at_least", 5, None),
        (2, 1, 1, "metric", "win_rate", "win_rate", "above", Decimal("0.2"), None),
        (2, 2, 2, "metric", "new_customers", "new_customers", "at_least", 1, None),
        (2, 2, 3, "attribute", "region", None, "in", None, '["a", "b"]'),
    ]
    assert [row["needed"] for row in rows["criterion_requirements"]] == [
        "decided_deals at least 5",
        *["win_rate above 0.2 or (new_customers at least 1 and region is one of a, b)"] * 3,
    ]


@pytest.mark.parametrize(
    ("requirement", "path", "words"),
    [
        ("{score: total, above: 1}", "requires[0].score", "expected conditions on metrics and attributes"),
        ("{points: deals, above: 1}", "requires[0].points", "which is known only when the score is"),
        ("{all: [{dimension: a, above: 1}]}", "requires[0].all[0].dimension", "conditions on metrics and attributes"),
        ("{top_share: {share: 0.1, by: won_deals}}", "requires[0].top_share", "conditions on metrics and attributes"),
        ("{metric: won_deal, above: 1}", "requires[0].metric", "did you mean `won_deals`?"),
        ("{attribute: regoin, equals: a}", "requires[0].attribute", "did you mean `region`?"),
        ("{all: [{metric: won_deals, above: 1}, {metric: won_deals, below: 1}]}", "requires[0]", "no partner can meet"),
    ],
)
def test_a_wrong_requirement_is_refused(
    refusal: Refusal, summed: Make, requirement: str, path: str, words: str
) -> None:
    message = refusal(summed((DEALS + "}", f"{DEALS}, requires: [{requirement}]}}")))
    assert f"`score.criteria[0].{path}`: " in message
    assert words in message


# --- rounding ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounding", "own", "policy_row", "criterion_row"),
    [
        ("{}", "", (2, "half_up", "criterion"), (2, "half_up")),
        ("{digits: 0, mode: down}", "", (0, "down", "criterion"), (0, "down")),
        ("{digits: 1, mode: up, per: total}", "", (1, "up", "total"), (6, "up")),
        ("{digits: 1}", ", round: {digits: 3}", (1, "half_up", "criterion"), (3, "half_up")),
        ("{digits: 1, per: total}", ", round: {digits: 0, mode: down}", (1, "half_up", "total"), (0, "down")),
        ("{digits: 1, mode: up, per: total}", ", round: {mode: down}", (1, "up", "total"), (6, "down")),
    ],
)
def test_points_are_rounded_by_their_own_rule_else_by_the_policys(
    read: Read, summed: Make, rounding: str, own: str, policy_row: tuple[Any, ...], criterion_row: tuple[Any, ...]
) -> None:
    rows = read(summed((DEALS + "}", f"{DEALS}{own}}}"), ("window:", f"rounding: {rounding}\nwindow:"))).rows()
    assert only(rows["policies"], "rounding_digits", "rounding_mode", "rounding_per") == [policy_row]
    assert only(rows["criteria"], "rounding_digits", "rounding_mode") == [criterion_row]


@pytest.mark.parametrize(
    ("rounding", "words"),
    [
        ("{mode: half_even}", "`half_up`, `down` or `up`"),
        ("{per: dimension}", "`criterion` or `total`"),
        ("{digits: 7}", "a whole number from 0 to 6"),
    ],
)
def test_a_rounding_that_is_none_is_refused(refusal: Refusal, summed: Make, rounding: str, words: str) -> None:
    assert words in refusal(summed(("window:", f"rounding: {rounding}\nwindow:")))


# --- tracks -----------------------------------------------------------------------------------------------------

TRACKED = (
    "  criteria:\n    - {id: deals, metric: won_deals, points: {per_unit: {each: 10}}}\n",
    "  tracks: {large: {when: {metric: decided_deals, at_least: 5}}, small: {}}\n  criteria:\n"
    "    - {id: deals, metric: won_deals, points: {per_unit: {each: 10}}, track: large}\n"
    "    - {id: few, metric: won_deals, points: {per_unit: {each: 20}}, track: [small]}\n"
    "    - {id: both, metric: win_rate, points: {flag: 5}}\n",
)


def test_a_policy_without_tracks_has_one_without_a_name(read: Read, plain: Make, summed: Make) -> None:
    for text in (plain(), summed()):
        rows = read(text).rows()
        assert only(rows["tracks"], "track", "position", "has_conditions") == [("", 1, False)]
        assert rows["track_conditions"] == []
        assert rows["policies"][0]["choose"] == "first_match"
    assert only(rows["criteria"], "track", "criterion") == [("", "deals")]


def test_a_criterion_is_a_row_of_each_track_it_stands_in(read: Read, summed: Make) -> None:
    rows = read(summed(TRACKED, ("combine: points", "combine: points\n  choose: best"))).rows()
    assert rows["policies"][0]["choose"] == "best"
    assert only(rows["tracks"], "track", "position", "has_conditions") == [("large", 1, True), ("small", 2, False)]
    columns = ("track", "alternative", "condition", "kind", "subject", "operator", "value", "text_values", "needed")
    assert only(rows["track_conditions"], *columns) == [
        ("large", 1, 1, "metric", "decided_deals", "at_least", 5, None, "decided_deals at least 5")
    ]
    assert only(rows["criteria"], "track", "criterion", "position") == [
        ("large", "deals", 1),
        ("small", "few", 2),
        ("large", "both", 3),
        ("small", "both", 3),
    ]
    assert "decided_deals" in {row["metric"] for row in rows["metric_uses"]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("track: large", "track: lagre", '`score.criteria[0].track`: found the text "lagre", expected a track of this'),
        ("track: [small]", "track: [small, smal]", '`score.criteria[1].track[1]`: found the text "smal"'),
        ("track: [small]", "track: [small, small]", "`score.criteria[1].track[1]`: small stands twice"),
        (
            "small: {}",
            "small: {}, other: {}",
            "`score.tracks.other`: no partner gets here: small above takes everybody",
        ),
        (
            "small: {}",
            "small: {when: {metric: decided_deals, at_least: 9}}",
            "no partner gets here: whoever meets decided_deals at least 9 is already in large",
        ),
        ("small: {}", "small: {if: 1}", "`score.tracks.small.if`: unknown key"),
        ("{metric: decided_deals, at_least: 5}", "{metric: deals, at_least: 5}", "`score.tracks.large.when.metric`"),
        ("{metric: decided_deals, at_least: 5}", "{score: total, above: 5}", "conditions on metrics and attributes"),
        (
            "{metric: decided_deals, at_least: 5}",
            "{all: [{metric: win_rate, above: 1}, {metric: win_rate, below: 1}]}",
            "no partner can meet large's condition",
        ),
        ("combine: points", "combine: points\n  choose: worst", "`first_match` or `best`"),
    ],
)
def test_wrong_tracks_are_refused(refusal: Refusal, summed: Make, old: str, new: str, words: str) -> None:
    assert words in refusal(summed(TRACKED, (old, new)))


def test_tracks_that_overlap_are_fine_where_the_best_counts(read: Read, summed: Make) -> None:
    assert read(
        summed(TRACKED, ("small: {}", "small: {}, other: {}"), ("combine: points", "combine: points\n  choose: best"))
    )


def test_a_track_without_criteria_and_criteria_without_tracks_are_refused(refusal: Refusal, summed: Make) -> None:
    both = ("    - {id: both, metric: win_rate, points: {flag: 5}}\n", "")
    message = refusal(summed(TRACKED, both, ("track: [small]", "track: [large]")))
    assert "`score.tracks.small`: no criterion stands in it, expected at least one criterion" in message
    message = refusal(
        summed((DEALS + "}", DEALS + ", track: large}"), ("combine: points", "combine: points\n  choose: best"))
    )
    assert "`score.criteria[0].track`: found large, but the score has no tracks" in message
    assert "`score.choose`: found best, but there are no tracks" in message


def test_weights_add_up_in_every_track(read: Read, refusal: Refusal, scored: Make) -> None:
    changes = (
        ("  criteria:", "  tracks: {large: {when: {metric: won_deals, at_least: 5}}, small: {}}\n  criteria:"),
        (
            "weight: 0.4, points: {range: {low: 0.1, high: 0.5}}}",
            "weight: 0.4, points: {range: {low: 0.1, high: 0.5}}, track: large}\n"
            "    - {id: new, track: small, dimension: performance, metric: win_rate, weight: 0.4, points: {flag: 100}}",
        ),
    )
    assert read(scored(*changes))
    message = refusal(scored(*changes).replace("weight: 0.4, points: {flag: 100}", "weight: 0.3, points: {flag: 100}"))
    assert "weights within performance in track small add up to 0.9 (won 0.6 + new 0.3), expected a sum of 1" in message
    assert "track large" not in message
    message = refusal(scored(*changes).replace("{per_unit: {each: 10}}}", "{per_unit: {each: 10}}, track: large}"))
    assert "`score.dimensions.potential`: no criterion belongs to it in track small" in message


def test_a_level_must_be_reachable_in_some_track(read: Read, refusal: Refusal, summed: Make) -> None:
    bars = ("{score: total, at_least: 100}", "{all: [{points: deals, above: 0}, {points: few, above: 0}]}")
    message = refusal(summed(TRACKED, bars))
    assert "no partner can reach gold: it needs points of few above 0, which the rules never give" in message
    # Who is scored as small has fewer than five decided deals.
    bars = ("{score: total, at_least: 100}", "{all: [{points: deals, above: 0}, {metric: decided_deals, below: 5}]}")
    assert "no partner can reach gold: decided_deals" in refusal(summed(TRACKED, bars))
    assert read(summed(TRACKED, ("{score: total, at_least: 100}", "{points: few, above: 0}")))


def test_partners_in_no_track_still_reach_levels_that_ask_for_no_score(read: Read, summed: Make) -> None:
    only_large = (
        "  criteria:\n",
        "  tracks: {large: {when: {attribute: region, equals: emea}}}\n  criteria:\n",
    )
    gold = ("{score: total, at_least: 100}", "{attribute: region, equals: apac}")
    assert read(summed(only_large, gold))


def test_the_order_of_tracks_and_of_ladders_is_content(read: Read, summed: Make) -> None:
    swapped = (
        "{large: {when: {metric: decided_deals, at_least: 5}}, small: {}}",
        "{small: {when: {metric: decided_deals, below: 5}}, large: {}}",
    )
    again = (swapped[1], "{large: {}, small: {when: {metric: decided_deals, below: 5}}}")
    best = ("combine: points", "combine: points\n  choose: best")
    one, other = read(summed(TRACKED, swapped, best)), read(summed(TRACKED, swapped, best).replace(*again))
    assert one.content_hash != other.content_hash
    assert one.rows()["tracks"] != other.rows()["tracks"]

    ladder = (
        "  other:\n    audience: internal\n    levels: [{level: a, enter: {metric: won_deals, above: 1}}, {level: b}]\n"
    )
    text = summed()
    behind, before = read(text + ladder), read(text.replace("ladders:\n", "ladders:\n" + ladder))
    assert only(behind.rows()["ladders"], "ladder", "position") == [("other", 2), ("tier", 1)]
    assert only(before.rows()["ladders"], "ladder", "position") == [("other", 1), ("tier", 2)]
    assert behind.content_hash != before.content_hash


# --- movement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("movement", "row"),
    [
        ("none", ("none", 0, "none", False)),
        ("{buffer: 1}", ("buffered", 0, "none", True)),
        ("{new_partner_grace: 2}", ("buffered", 2, "none", True)),
        ("{hold_until: anniversary, freeze: false}", ("buffered", 0, "anniversary", False)),
        ("{hold_until: policy_year}", ("buffered", 0, "policy_year", True)),
    ],
)
def test_movement_says_how_long_falls_wait(read: Read, summed: Make, movement: str, row: tuple[Any, ...]) -> None:
    rows = read(summed(("movement: none", f"movement: {movement}"))).rows()
    assert only(rows["movement"], "rule", "new_partner_grace", "hold_until", "freeze") == [row]

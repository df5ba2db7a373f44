"""What a policy file may not say, and that the refusal tells where, what stands there and what should."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import PolicyError
from pipelines.policy import Policy, read_policies, read_policy

Make = Callable[..., str]
Refusal = Callable[[str], str]
Read = Callable[[str], Policy]


def test_the_smallest_policies_are_read(read: Read, plain: Make, scored: Make) -> None:
    assert read(plain()).key == "acme@1"
    assert read(scored()).key == "acme-scored@1"


# --- the file ---------------------------------------------------------------------------------------------------


def test_a_syntax_error_names_file_line_and_column(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("window: {quarters: 4}", "window: {quarters: 4")))
    assert message.startswith("acme.yml: line 5, column 8: not YAML: while parsing a flow mapping (begun on line 4): ")


def test_an_empty_file_is_refused(refusal: Refusal) -> None:
    for text in ("", "# only a comment\n", "---\n"):
        assert "the file is empty" in refusal(text)


@pytest.mark.parametrize(("text", "found"), [("- policy: a\n", "a list"), ("policy\n", "a text"), ("4\n", "a number")])
def test_a_file_that_is_no_mapping_is_refused(refusal: Refusal, text: str, found: str) -> None:
    assert f"found {found} at the top, expected a mapping" in refusal(text)


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path, plain: Make, catalogue: list[str]) -> None:
    path = tmp_path / "acme.yml"
    path.write_bytes(plain(("window:", "owner: Jos\xe9\nwindow:")).encode("latin-1"))
    with pytest.raises(PolicyError, match=r"acme\.yml: line 4, byte 0xe9 is not UTF-8, expected a text file"):
        read_policy(path, catalogue)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path, plain: Make, catalogue: list[str]) -> None:
    path = tmp_path / "acme.yml"
    path.write_bytes(plain().encode("utf-8-sig"))
    assert read_policy(path, catalogue).name == "acme"


def test_a_control_character_is_refused_with_its_line(refusal: Refusal, plain: Make) -> None:
    assert "line 4, character U+0007 is not allowed" in refusal(plain(("window:", "owner: \x07\nwindow:")))


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path, catalogue: list[str]) -> None:
    (tmp_path / "acme.yml").mkdir()
    with pytest.raises(PolicyError, match=r"acme\.yml: cannot be read"):
        read_policies(tmp_path, catalogue)


def test_a_file_far_too_large_for_a_policy_is_not_parsed(tmp_path: Path, catalogue: list[str]) -> None:
    path = tmp_path / "acme.yml"
    path.write_text("# much\n" * 200_000)
    with pytest.raises(PolicyError, match="found 1,400,000 bytes, expected at most 1,000,000"):
        read_policy(path, catalogue)


def test_a_key_that_stands_twice_is_refused_with_both_lines(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("    movement: none", "    movement: none\n    audience: internal")))
    assert message == (
        "acme.yml: line 15, `ladders.tier.audience`: the key stands twice, on lines 7 and 15, expected each key once"
    )


def test_anchors_tags_and_second_documents_are_refused(refusal: Refusal, plain: Make) -> None:
    assert "anchor or alias" in refusal(plain(("{quarters: 4}", "&w {quarters: 4}")))
    assert "found the tag" in refusal(plain(("version: ", "version: !!python/name:os.system ")))
    assert "line 5, column 1: not YAML: expected a single document" in refusal(plain(("ladders:", "---\nladders:")))


@pytest.mark.parametrize("opening", ["[", "{a: "])
@pytest.mark.parametrize("depth", [40, 5000])
def test_a_file_nested_beyond_reason_is_refused(refusal: Refusal, opening: str, depth: int) -> None:
    closing = {"[": "]", "{a: ": "}"}[opening]
    assert "nested too deeply" in refusal("policy: " + opening * depth + closing * depth)


def test_a_missing_folder_and_a_folder_without_policies_are_refused(tmp_path: Path, catalogue: list[str]) -> None:
    with pytest.raises(PolicyError, match="the policy folder cannot be read"):
        read_policies(tmp_path / "nowhere", catalogue)
    (tmp_path / "exceptions.yml").write_text("- anything\n")
    with pytest.raises(PolicyError, match="holds no policy"):
        read_policies(tmp_path, catalogue)


def test_every_problem_of_a_file_is_told_at_once_in_the_order_of_its_lines(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("quarters: 4", "quarters: 0"), ("at_least: 10", "at_least: ten"), ("tner", "tners")))
    assert message.splitlines() == [
        "acme.yml: 3 problems",
        "  line 4, `window.quarters`: found 0, expected a whole number from 1 to 40",
        '  line 7, `ladders.tier.audience`: found the text "partners", expected `internal` or `partner`; '
        "did you mean `partner`?",
        '  line 10, `ladders.tier.levels[0].enter.at_least`: found the text "ten", expected a number without quotes',
    ]


# --- keys and values --------------------------------------------------------------------------------------------


def test_an_unknown_key_names_the_known_ones_and_the_nearest(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("movement: none", "movement: {demote_afer: 2}")))
    assert "line 14, `ladders.tier.movement.demote_afer`: unknown key" in message
    assert "one of the keys buffer, promote_after, demote_after, max_steps, new_partner_grace, " in message
    assert message.endswith("did you mean `demote_after`?")


def test_tracks_belong_to_the_score(refusal: Refusal, plain: Make) -> None:
    assert "`tracks`: unknown key, expected one of the keys " in refusal(plain(("window:", "tracks: {}\nwindow:")))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("range: {low: 0, high: 1}, per_unit: {each: 1}", "exactly one of range, per_unit, percentile, flag, bands"),
        ("", "exactly one of range, per_unit, percentile, flag, bands"),
        ("band: [{points: 1}]", "did you mean `bands`?"),
        ("bands: []", "`score.criteria[2].points.bands`: found a list with nothing in it, expected at least 1 of them"),
        ("flag: {}", "`score.criteria[2].points.flag`: the key `points` is missing"),
        ("flag: much", '`score.criteria[2].points.flag`: found the text "much", expected a number without quotes'),
        ("flag: 0", "`score.criteria[2].points.flag`: found 0, expected points"),
    ],
)
def test_points_are_of_exactly_one_kind(refusal: Refusal, scored: Make, kind: str, expected: str) -> None:
    message = refusal(scored(("per_unit: {each: 10}", kind)))
    assert "score.criteria[2].points" in message
    assert expected in message


@pytest.mark.parametrize("key", ["policy", "version", "effective_from", "window"])
def test_a_missing_key_is_named(refusal: Refusal, plain: Make, key: str) -> None:
    text = "\n".join(line for line in plain().splitlines() if not line.startswith(f"{key}:"))
    assert f"the key `{key}` is missing, expected " in refusal(text)


@pytest.mark.parametrize(
    ("version", "found"),
    [("2026", "2026"), ("1.10", "1.1"), ("2026-01-01", "the date 2026-01-01"), ("true", "true")],
)
def test_a_version_without_quotes_is_refused_and_the_pitfall_explained(
    refusal: Refusal, plain: Make, version: str, found: str
) -> None:
    message = refusal(plain(('"1"', version)))
    assert f'line 2, `version`: found {found}, expected text in quotes, such as "2026-01"' in message


def test_a_version_that_only_looks_like_a_date_stays_text(read: Read, plain: Make) -> None:
    assert read(plain(('"1"', "2026-01"))).version == "2026-01"


@pytest.mark.parametrize("day", ["2026-02-30", "01.02.2026", "2026-01-01T00:00:00Z", "2026"])
def test_a_day_that_is_none_is_refused(refusal: Refusal, plain: Make, day: str) -> None:
    assert "`effective_from`: found" in refusal(plain(("2026-01-01", day)))


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "1"])
def test_yes_and_no_are_no_booleans(refusal: Refusal, plain: Make, word: str) -> None:
    message = refusal(plain(("quarters: 4", f"quarters: 4, complete: {word}")))
    assert "`window.complete`" in message
    assert "expected true or false" in message


def test_no_is_a_region_like_any_other(read: Read, plain: Make) -> None:
    policy = read(plain(("{metric: won_deals, at_least: 10}", "{attribute: region, in: [NO, SE]}")))
    assert policy.rows()["level_conditions"][0]["text_values"] == '["NO", "SE"]'


@pytest.mark.parametrize("number", [".nan", ".inf", "1e400", "0.1234567", "'10'", "true", "10_000", "~", "[1]"])
def test_a_bar_that_is_no_plain_number_is_refused(refusal: Refusal, plain: Make, number: str) -> None:
    assert "line 10, `ladders.tier.levels[0].enter" in refusal(plain(("at_least: 10", f"at_least: {number}")))


def test_a_key_that_is_no_word_is_refused(refusal: Refusal, plain: Make) -> None:
    assert "`ladders`: the key 2026 is a number, expected a word" in refusal(plain(("  tier:", "  2026:")))


@pytest.mark.parametrize("name", ["Acme", "acme@1", "acme partners", "''"])
def test_a_policy_name_is_a_plain_small_word(refusal: Refusal, plain: Make, name: str) -> None:
    assert "line 1, `policy`: found the text" in refusal(plain(("policy: acme", f"policy: {name}")))


@pytest.mark.parametrize("share", ["0", "1.01", "-0.1", "5"])
def test_a_top_share_is_above_zero_and_at_most_one(refusal: Refusal, plain: Make, share: str) -> None:
    top = f"{{top_share: {{share: {share}, by: won_deals}}}}"
    message = refusal(plain(("{metric: won_deals, at_least: 10}", top)))
    assert f"`ladders.tier.levels[0].enter.top_share.share`: found {share}, expected a share above 0" in message


def test_capacity_and_guardrails_below_zero_are_refused(refusal: Refusal, scored: Make) -> None:
    message = refusal(
        scored(
            ("at_least: 70}", "at_least: 70}\n        capacity: -1"),
            ("down: 1}}", "down: 1}}\n    guardrails: {max_share: {strategic: -0.1}, max_moves_share: 2}"),
        )
    )
    assert "`ladders.segment.levels[0].capacity`: found -1, expected a whole number from 1" in message
    assert "`ladders.segment.guardrails.max_share.strategic`: found -0.1, expected a share from 0 to 1" in message
    assert "`ladders.segment.guardrails.max_moves_share`: found 2, expected a share" in message
    capacity = "capacity: {partner_managers: 4, hours_per_week: -40, weeks: 12, utilisation: 1.2}\n"
    message = refusal(scored() + capacity)
    assert "`capacity.hours_per_week`: found -40, expected a number not below zero" in message
    assert "`capacity.utilisation`: found 1.2, expected a share" in message


@pytest.mark.parametrize(
    ("condition", "path", "words"),
    [
        ("{metrics: won_deals, at_least: 1}", "enter", "did you mean `metric`?"),
        ("{metric: won_deals, atleast: 1}", "enter.atleast", "did you mean `at_least`?"),
        ("{metric: won_deals}", "enter", "exactly one of at_least, above, at_most, below, equals"),
        ("{metric: won_deals, above: 1, below: 9}", "enter", "exactly one of at_least"),
        ("{all: []}", "enter.all", "at least 1"),
        ("{all: {metric: won_deals, above: 1}}", "enter.all", "expected a list"),
        ("{any: [won_deals]}", "enter.any[0]", "expected a condition"),
        ("{at_least: {n: 2, of: [{metric: won_deals, above: 1}]}}", "enter.at_least", "at most 1"),
        ("{at_least: {n: 0, of: [{metric: won_deals, above: 1}]}}", "enter.at_least.n", "a whole number from 1"),
        ("{attribute: region}", "enter", "exactly one of equals, in"),
        ("{attribute: region, in: [4]}", "enter.in[0]", "text (put quotes around it)"),
        ("{attribute: regoin, equals: apac}", "enter.attribute", "did you mean `region`?"),
        ("{top_share: {share: 0.1, by: won_deal}}", "enter.top_share.by", "did you mean `won_deals`?"),
        ("{top_share: {share: 0.1, by: won_deals, within: [nation]}}", "enter.top_share.within[0]", "attribute"),
        ("{top_share: {share: 0.1, by: won_deals, ties: name}}", "enter.top_share.ties", "`partner_number`"),
        ("{all: [{any: [{metric: win_rat, above: 0}]}]}", "enter.all[0].any[0].metric", "did you mean `win_rate`?"),
        ("{score: total, at_least: 50}", "enter.score", "there is no score"),
        ("gold", "enter", "expected a condition"),
    ],
)
def test_a_condition_that_makes_no_sense_is_told_by_its_key_path(
    refusal: Refusal, plain: Make, condition: str, path: str, words: str
) -> None:
    message = refusal(plain(("{metric: won_deals, at_least: 10}", condition)))
    assert f"line 10, `ladders.tier.levels[0].{path}`: " in message
    assert words in message


def test_a_metric_outside_the_catalogue_is_refused_wherever_it_stands(refusal: Refusal, scored: Make) -> None:
    text = scored(
        ("metric: win_rate", "metric: win_rates"),
        ("points: {per_unit: {each: 10}}", "points: {per_unit: {each: 10}}, requires: [{metric: wons, above: 0}]"),
        ("down: 1}}", "down: 1}}\n    guardrails: {no_promotion_without: [sales]}"),
        ("score:\n", "windows: {growth: {quarters: 1}}\nscore:\n"),
    )
    message = refusal(text)
    assert '`windows.growth`: found the text "growth"' in message
    assert "`score.criteria[1].metric`" in message
    assert "one of the 14 metrics of the catalogue; did you mean `win_rate`?" in message
    assert "`score.criteria[2].requires[0].metric`" in message
    assert "`ladders.segment.guardrails.no_promotion_without[0]`" in message


# --- score ------------------------------------------------------------------------------------------------------


def test_dimension_weights_must_add_up_to_one(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored(("potential: 0.3}", "potential: 0.25}")))
    assert (
        "`score.dimensions`: dimension weights add up to 0.95 (performance 0.7 + potential 0.25), "
        "expected a sum of 1: 0.05 too little"
    ) in message


def test_criterion_weights_must_add_up_to_one_within_their_dimension(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored(("weight: 0.4", "weight: 0.5")))
    assert "weights within performance add up to 1.1 (won 0.6 + rate 0.5), expected a sum of 1: 0.1 too much" in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dimension: potential", "dimension: potental", "did you mean `potential`?"),
        ("dimension: potential, weight: 1", "weight: 1", "the key `dimension` is missing"),
        ("dimension: potential, weight: 1", "dimension: potential", "the key `weight` is missing"),
        ("dimension: potential, weight: 1", "dimension: potential, weight: 0", "a share above 0"),
        ("dimension: potential, weight: 1", "dimension: performance, weight: 1", "no criterion belongs to it"),
        ("  dimensions: {performance: 0.7, potential: 0.3}\n", "", "the key `dimensions` is missing"),
        ("id: deals", "id: won", "won is the id of an earlier criterion"),
        ("low: 0.1, high: 0.5", "low: 0.5, high: 0.5", "low and high to differ"),
        ("each: 10}}", "each: 0}}", "each to differ from 0"),
        ("each: 10}}", "each: 10}}, max: 120", "0 to 100, the scale of weighted criteria"),
        ("each: 10}}", "each: 10}}, min: 60, max: 50", "expected min below max"),
        ("within: [region]", "within: [regions]", "did you mean `region`?"),
        ("within: [region]", "within: [region, region]", "each attribute once"),
        ("  criteria:", "  missing: {wn: zero}\n  criteria:", "did you mean `won`?"),
        ("  criteria:", "  missing: {default: ignore}\n  criteria:", "`renormalise`, `zero` or `block`"),
    ],
)
def test_a_score_that_cannot_be_computed_is_refused(
    refusal: Refusal, scored: Make, old: str, new: str, words: str
) -> None:
    assert words in refusal(scored((old, new)))


def test_a_plain_sum_has_no_weights_and_leaves_nothing_out(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored(("combine: weighted", "combine: points\n  missing: {default: renormalise}")))
    assert "`score.dimensions`: a plain sum has no dimension weights" in message
    assert "`score.criteria[0].weight`: a plain sum has no weights" in message
    assert "a plain sum has no weights to share out" in message


# --- ladders ----------------------------------------------------------------------------------------------------


def test_two_levels_with_one_name_are_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("level: silver", "level: Gold")))
    assert "line 11, `ladders.tier.levels[1].level`: Gold is already the name of levels[0] (gold)" in message


def test_a_bar_above_the_highest_possible_total_cannot_be_reached(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored(("at_least: 70", "at_least: 101")))
    assert (
        "`ladders.segment.levels[0].enter`: no partner can reach strategic: it needs total score at least 101, "
        "but the rules can only give 0 to 100"
    ) in message


def test_a_cap_on_points_lowers_the_total_that_can_be_reached(refusal: Refusal, read: Read, scored: Make) -> None:
    capped = (("each: 10}}", "each: 10}}, max: 50"), ("at_least: 70", "at_least: 90"), ("buffer: 2.5, ", ""))
    zero = ("combine: weighted", "combine: weighted\n  missing: {default: zero}")
    assert "can only give 0 to 85" in refusal(scored(zero, *capped))
    # Left out when unknown, the capped criterion passes its weight on, and 100 is possible again.
    assert read(scored(*capped))


def test_a_buffer_that_lifts_a_bar_out_of_reach_is_refused(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored(("at_least: 70", "at_least: 98")))
    assert "`ladders.segment.movement.buffer`: with a buffer of 2.5 nobody can rise to strategic" in message


def test_a_buffer_without_a_score_bar_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("movement: none", "movement: {buffer: 2}")))
    assert "`ladders.tier.movement.buffer`: found 2, but no level asks for a score" in message


@pytest.mark.parametrize(("gold", "silver"), [("at_least: 4", "at_least: 5"), ("above: 4", "at_least: 5")])
def test_bars_that_do_not_rise_with_rank_are_refused(refusal: Refusal, plain: Make, gold: str, silver: str) -> None:
    message = refusal(plain(("at_least: 10", gold), ("at_least: 5}", silver + "}")))
    assert "`ladders.tier.levels[1].enter`: silver needs won_deals at least 5" in message
    assert "but the higher level gold only won_deals" in message
    assert "expected bars that rise with the level" in message


def test_bars_are_compared_inside_nested_conditions_too(refusal: Refusal, plain: Make) -> None:
    gold = "{all: [{metric: won_deals, at_least: 4}, {metric: win_rate, at_least: 0.5}]}"
    silver = "{any: [{metric: won_deals, at_least: 6}, {metric: won_deals, at_least: 5}]}"
    message = refusal(plain(("{metric: won_deals, at_least: 10}", gold), ("{metric: won_deals, at_least: 5}", silver)))
    assert "silver needs won_deals at least 5, but the higher level gold only won_deals at least 4" in message


def test_a_top_share_that_does_not_grow_downwards_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(
        plain(
            ("{metric: won_deals, at_least: 10}", "{top_share: {share: 0.2, by: won_deals}}"),
            ("{metric: won_deals, at_least: 5}", "{top_share: {share: 0.05, by: won_deals}}"),
        )
    )
    assert "silver needs top 5 % by won_deals, but the higher level gold only top 20 % by won_deals" in message


def test_a_lower_level_may_ask_for_other_things(read: Read, plain: Make) -> None:
    gold = "{all: [{metric: won_deals, at_least: 5}, {metric: win_rate, at_least: 0.5}]}"
    assert read(plain(("{metric: won_deals, at_least: 10}", gold)))  # silver asks for the same deals, without the rate


@pytest.mark.parametrize(
    "silver",
    [
        "{metric: won_deals, at_least: 10}",
        "{metric: won_deals, equals: 12}",
        "{all: [{metric: win_rate, above: 0}, {metric: won_deals, above: 10}]}",
        "{any: [{metric: won_deals, equals: 11}, {metric: won_deals, equals: 12}]}",
    ],
)
def test_a_level_hidden_behind_a_higher_one_is_refused(refusal: Refusal, plain: Make, silver: str) -> None:
    message = refusal(plain(("{metric: won_deals, at_least: 5}", silver)))
    assert "`ladders.tier.levels[1].enter`: " in message
    assert "whoever meets its condition already meets gold's" in message or "rise with the level" in message


def test_a_level_below_one_without_condition_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("        enter: {metric: won_deals, at_least: 10}\n", "")))
    assert "no partner can reach silver: gold above has no condition" in message
    assert "no partner can reach registered: gold above has no condition" in message
    message = refusal(plain(("- level: registered", "- level: registered\n      - {level: none, outside: true}")))
    assert "no partner can reach none: registered above has no condition" in message


def test_conditions_that_contradict_each_other_are_refused(refusal: Refusal, plain: Make) -> None:
    both = "{all: [{metric: won_deals, above: 10}, {metric: won_deals, at_most: 10}]}"
    assert "won_deals at most 10 contradicts" in refusal(plain(("{metric: won_deals, at_least: 10}", both)))
    both = "{all: [{attribute: region, equals: apac}, {attribute: region, in: [emea, latam]}]}"
    assert "contradicts another condition on region" in refusal(plain(("{metric: won_deals, at_least: 10}", both)))


def test_the_last_level_takes_whoever_is_left(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("- level: registered", "- {level: registered, enter: {metric: won_deals, above: 0}}")))
    assert "registered is the last level, expected no condition, or a level with `outside: true` after it" in message


def test_the_outside_level_is_the_last_and_has_no_condition(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("- level: silver", "- level: silver\n        outside: true")))
    assert "silver is outside but not the last level" in message
    assert "silver is outside, expected no condition" in message


def test_a_gate_needs_an_outside_level(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("audience: partner", "audience: partner\n    gate: {metric: won_deals, above: 0}")))
    assert "`ladders.tier.gate`: a gate needs a place for partners who do not pass it" in message


def test_capacity_needs_a_score_and_a_level_below(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("- level: silver", "- level: silver\n        capacity: 5")))
    assert "`ladders.tier.levels[1].capacity`: capacity takes the best by total score, but there is no score" in message
    message = refusal(plain(("- level: registered", "- {level: registered, capacity: 5}")))
    assert "registered is the last level, expected no capacity" in message


def test_a_condition_with_too_many_alternatives_is_refused_before_it_is_expanded(refusal: Refusal, plain: Make) -> None:
    bars = ", ".join(f"{{metric: won_deals, equals: {number}}}" for number in range(100, 140))
    message = refusal(plain(("{metric: won_deals, at_least: 10}", f"{{at_least: {{n: 20, of: [{bars}]}}}}")))
    assert "gold's condition expands to 137,846,528,820 alternatives, expected at most 64" in message


def test_a_guardrail_or_entitlement_for_an_unknown_level_is_refused(refusal: Refusal, plain: Make) -> None:
    text = plain(("movement: none", "guardrails: {max_share: {gld: 0.1}}"))
    message = refusal(text + "entitlements: {tier.silvr: {discount: 1}}\n")
    assert '`ladders.tier.guardrails.max_share.gld`: found the text "gld", expected a level of tier' in message
    assert "did you mean `gold`?" in message
    assert '`entitlements["tier.silvr"]`: found the text "tier.silvr"' in message
    assert "did you mean `tier.silver`?" in message


@pytest.mark.parametrize(
    ("movement", "words"),
    [
        ("nothing", "expected `none`"),
        ("{demote_after: 0}", "`ladders.tier.movement.demote_after`: found 0, expected a whole number from 1"),
        ("{promote_after: 1.5}", "`ladders.tier.movement.promote_after`: found 1.5"),
        ("{max_steps: 1}", "expected a mapping with the keys up, down"),
        ("{max_steps: {sideways: 1}}", "`ladders.tier.movement.max_steps.sideways`: unknown key"),
        ("{buffer: -1}", "`ladders.tier.movement.buffer`: found -1, expected a number not below zero"),
        (
            "{new_partner_grace: -1}",
            "`ladders.tier.movement.new_partner_grace`: found -1, expected a whole number from 0",
        ),
        ("{hold_until: aniversary}", "expected `none`, `anniversary` or `policy_year`; did you mean `anniversary`?"),
        ("{freeze: no}", '`ladders.tier.movement.freeze`: found the text "no", expected true or false'),
    ],
)
def test_a_wrong_movement_rule_is_refused(refusal: Refusal, plain: Make, movement: str, words: str) -> None:
    assert words in refusal(plain(("movement: none", f"movement: {movement}")))


@pytest.mark.parametrize(
    ("attribution", "words"),
    [
        ("primry", "did you mean `primary`?"),
        ("{model: role_weighted}", "the key `weights` is missing"),
        ("{model: role_weighted, weights: {sorced: 1}}", "did you mean `sourced`?"),
        ("{model: role_weighted, weights: {sourced: 0}}", "at least one role with a weight above 0"),
    ],
)
def test_a_wrong_attribution_is_refused(refusal: Refusal, plain: Make, attribution: str, words: str) -> None:
    assert words in refusal(plain(("window:", f"attribution: {attribution}\nwindow:")))


# --- examples ---------------------------------------------------------------------------------------------------


def test_an_example_that_the_rules_contradict_is_refused(refusal: Refusal, plain: Make, read: Read) -> None:
    assert read(plain() + "examples: [{facts: {won_deals: 5}, expect: {tier: silver}}]\n")
    message = refusal(plain() + "examples: [{facts: {won_deals: 10}, expect: {tier: silver}}]\n")
    assert (
        "line 15, `examples[0].expect.tier`: the example expects silver, the rules give gold, expected them to agree"
    ) in message


def test_an_unknown_fact_passes_no_bar(read: Read, plain: Make) -> None:
    below = ("{metric: won_deals, at_least: 10}", "{metric: sales_cycle_days, at_most: 30}")
    assert read(plain(below) + "examples: [{facts: {won_deals: 1}, expect: {tier: registered}}]\n")


def test_an_example_that_names_unknown_things_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(
        plain() + "examples:\n"
        "  - {facts: {won_deal: 5}, expect: {tier: silver}}\n"
        "  - {facts: {won_deals: many}, expect: {tier: silver}}\n"
        "  - {facts: {won_deals: 5}, expect: {tiers: silver}}\n"
        "  - {facts: {won_deals: 5}, expect: {tier: slver}}\n"
    )
    assert "`examples[0].facts.won_deal`" in message
    assert "did you mean `won_deals`?" in message
    assert "`examples[1].facts.won_deals`: found many, expected a number without quotes" in message
    assert "`examples[2].expect.tiers`" in message
    assert "`examples[3].expect.tier`" in message
    assert "did you mean `silver`?" in message


def test_an_example_that_facts_cannot_decide_is_refused(refusal: Refusal, scored: Make) -> None:
    message = refusal(scored() + "examples: [{facts: {won_deals: 5}, expect: {segment: managed}}]\n")
    assert "facts alone do not decide it: strategic asks for total score at least 70" in message


def test_a_benefit_said_twice_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain() + "entitlements: {tier.gold: {sla: {days: 5}, sla.days: 6}}\n")
    assert '`entitlements["tier.gold"]`: sla.days is said twice, expected each benefit once' in message


def test_a_benefit_below_zero_is_refused(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain() + "entitlements: {tier.gold: {discount_share: -0.1, sla: {days: -5}}}\n")
    assert '`entitlements["tier.gold"].discount_share`: found -0.1, expected a benefit not below zero' in message
    assert '`entitlements["tier.gold"].sla.days`: found -5' in message


# --- anything at all --------------------------------------------------------------------------------------------

FILES = [
    Path(__file__).parents[2] / "policies" / "adventureworks-weighted.yml",
    Path(__file__).parent / "everything.yml",
]
TEXTS = [
    [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    for path in FILES
]
METRICS = ("sourced_won_amount", "average_deal_amount", "active_quarters", "won_deals", "growth_rate", "win_rate")
WORDS = sorted({word for text in TEXTS for line in text for word in re.findall(r"[A-Za-z_]+|[0-9.]+", line)})
SCRAPS = st.sampled_from(
    ["", "~", "[]", "{}", "-1", "1e99", "no", "2026-01-01", "- x", "a: b", "'", "&a", "*a", "!t", "0"]
)


@pytest.mark.parametrize("text", TEXTS, ids=[path.stem for path in FILES])
def test_the_texts_that_are_damaged_below_are_right_before(text: list[str]) -> None:
    assert read_policy("\n".join(text), METRICS).rows()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0), st.integers(0, 5), st.sampled_from(WORDS)), max_size=3)
)
def test_a_policy_with_words_exchanged_is_read_or_refused_but_never_breaks_the_checks(
    text: list[str], exchanges: list[tuple[int, int, str]]
) -> None:
    lines = list(text)
    for index, place, word in exchanges:
        line = lines[index % len(lines)]
        found = list(re.finditer(r"[A-Za-z_]+|[0-9.]+", line))
        if place < len(found):
            lines[index % len(lines)] = line[: found[place].start()] + word + line[found[place].end() :]
    with suppress(PolicyError):
        read_policy("\n".join(lines), METRICS, file="acme.yml").rows()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0), st.integers(0, 60), SCRAPS), min_size=1, max_size=3))
def test_a_damaged_policy_is_read_or_refused_but_never_breaks_the_reader(
    text: list[str], damage: list[tuple[int, int, str]]
) -> None:
    lines = list(text)
    for any_index, column, scrap in damage:
        index = any_index % len(lines)
        head, colon, _ = lines[index].partition(": ")
        lines[index] = f"{head}{colon}{scrap}" if column % 2 else lines[index][:column] + scrap
    with suppress(PolicyError):
        read_policy("\n".join(lines), METRICS, file="acme.yml").rows()

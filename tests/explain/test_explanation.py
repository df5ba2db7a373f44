"""What an explanation says in every situation a partner can be in, on a release small enough to read."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal

import pytest
from rich.console import Console

from pipelines.errors import ConfigError, InputError
from review.explanation import print_explanation
from tests.explain.conftest import MOVEMENT, Release

Made = Callable[..., Release]


def printed(release: Release, **asked: object) -> str:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    print_explanation(release.told(**asked), out)  # type: ignore[arg-type]
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


# --- why a level is held --------------------------------------------------------------------------------------------


def test_a_level_that_is_earned_is_kept(release: Made) -> None:
    made = release()
    made.review("2026Q1", "silver", "silver", "entered")
    made.review("2026Q2", "silver", "silver", "kept")
    made.gates(45, 3)
    story = made.tier()
    assert story.reason == "earned silver and keeps it."
    assert (story.previous, story.held_since, story.reviews_held) == ("silver", "2026Q1", 2)
    assert story.to_keep is None


def test_a_partner_within_the_buffer_is_not_raised_and_hears_how_much_is_missing(release: Made) -> None:
    made = release()
    made.review("2026Q2", "gold", "silver", "kept", reason_codes="kept, within_buffer")
    made.gates(62, 6)
    story = made.tier()
    assert story.reason == "earned gold, holds silver: it passes the bar of gold, but not with the buffer of 5 on top."
    assert story.to_rise == "gold needs total score at least 65 (now 62, 3 more, the bar of 60 plus the buffer)."
    assert story.next_by
    assert story.next_by.has_passed


def test_a_partner_within_the_buffer_is_not_lowered(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "gold", "kept", reason_codes="kept, within_buffer")
    made.gates(58, 6)
    story = made.tier()
    assert story.reason == "earned silver, holds gold: it misses the bar of gold by less than the buffer of 5."
    assert story.to_rise == "gold is the top of tier."


def test_on_watch_says_which_review_it_is_and_what_keeps_the_level(release: Made) -> None:
    made = release()
    made.review("2026Q1", "gold", "gold", "entered")
    made.review("2026Q2", "silver", "gold", "on_watch", reviews_below=1)
    made.gates(50, 6)
    story = made.tier()
    assert story.reason == "earned silver, holds gold: on watch, review 1 of 2 in a row below it."
    assert story.to_keep == (
        "gold needs total score at least 55 (now 50, 5 more, the bar of 60 less the buffer); "
        "otherwise it is lost at the next review."
    )


def test_a_hold_says_what_the_fall_waits_for(release: Made) -> None:
    made = release(MOVEMENT.replace("max_steps", "hold_until: policy_year, max_steps"))
    made.review("2026Q2", "silver", "gold", "on_watch", reason_codes="on_watch, hold_until", reviews_below=3)
    made.gates(40, 6)
    story = made.tier()
    assert "below the level for 3 reviews, and falls wait until the end of the policy year" in story.reason
    assert story.to_keep
    assert "otherwise" not in story.to_keep


def test_frozen_says_what_it_hangs_on(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "gold", "frozen", reason_codes="frozen, unknown_value")
    # Way 1 misses a point that is known, way 2 would hold if somebody knew.
    made.gate("gold", 1, 60, 54)
    made.gate("gold", 2, 3, None, kind="metric", subject="certified_people", alternative=2)
    story = made.tier()
    assert story.held_by
    assert story.held_by.alternative == 2
    assert story.reason == (
        "earned silver, holds gold: that hangs on certified_people, which nobody knows, and nobody falls for that."
    )
    assert story.to_keep == (
        "gold needs certified_people at least 3, which is unknown today (the partner portal does not know the partner)."
    )


def test_frozen_for_old_news_says_so(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "gold", "frozen", reason_codes="frozen, unknown_value")
    made.gate("gold", 1, 5, 3, kind="metric", subject="won_deals")
    assert "a value that is unknown or out of date" in made.tier().reason


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ("stale_source", "prm was last read on 2026-06-20"),
        ("partial_source", "prm has brought no training_records since 2026-06-20"),
        ("unknown_value, records_set_aside", "nobody knows csat_average, 2 records of opportunities were set aside"),
    ],
)
def test_frozen_for_a_doubt_says_which_and_names_no_source_to_partners(release: Made, codes: str, words: str) -> None:
    made = release()
    reasons = f"reached silver: ...; frozen: it would fall only because {words}"
    made.review("2026Q2", "silver", "gold", "frozen", reason_codes=f"frozen, {codes}", reasons=reasons)
    made.gate("gold", 1, 5, 3, kind="metric", subject="won_deals")
    assert made.tier().reason == (
        f"earned silver, holds gold: it would fall only because {words}, and nobody falls for that."
    )
    for_partners = made.tier(audience="partner").reason
    assert words not in for_partners
    assert "it would fall for a value that is unknown or out of date" in for_partners


def test_a_released_level_is_explained_by_its_own_decision(release: Made) -> None:
    made = release()
    because = "; frozen: it would fall only because"
    made.review(
        "2026Q2",
        "base",
        "silver",
        "frozen",
        reason_codes="frozen, stale_source",
        reasons=f"reached base{because} crm is old",
        released_level="gold",
        released_action="frozen",
        released_state="010000F0505",
        released_reason_codes="frozen, records_set_aside",
        released_reasons=f"reached base{because} 1 record of transactions was set aside",
    )
    made.gate("gold", 1, 5, 3, kind="metric", subject="won_deals")
    story = made.tier()
    assert story.reason_codes == ("frozen", "records_set_aside")
    assert "only because 1 record of transactions was set aside, and nobody falls for that" in story.reason


def test_grace_says_how_long_it_lasts(release: Made) -> None:
    made = release(MOVEMENT.replace("max_steps", "new_partner_grace: 2, max_steps"))
    made.review("2026Q2", "silver", "gold", "kept", reason_codes="kept, new_partner_grace")
    made.gates(40, 1)
    assert "a new partner does not fall in the first 2 reviews" in made.tier().reason


def test_a_rise_that_takes_several_reviews_counts_them(release: Made) -> None:
    made = release(MOVEMENT.replace("promote_after: 1", "promote_after: 3"))
    made.review("2026Q2", "gold", "silver", "kept", reason_codes="kept, awaiting_promotion", reviews_above=1)
    made.gates(70, 6)
    story = made.tier()
    assert story.reason == "earned gold, holds silver: review 1 of 3 in a row above it."
    assert story.to_rise == "gold needs 2 reviews more above its bars."


def test_a_step_at_a_time_is_told(release: Made) -> None:
    made = release()
    made.review("2026Q1", "base", "base", "entered")
    made.review("2026Q2", "gold", "silver", "promoted", reason_codes="promoted, step_limit")
    made.gates(70, 6)
    story = made.tier()
    assert story.reason == "earned gold and rose from base to silver; at most 1 level per review."
    assert story.to_rise == "gold needs nothing more: every bar is passed, and the next review decides."
    assert (story.held_since, story.reviews_held, story.previous) == ("2026Q2", 1, "base")


def test_a_full_level_needs_a_place(release: Made) -> None:
    made = release()
    made.review("2026Q2", "plain", "plain", "kept", ladder="desk", reason_codes="kept, level_full")
    made.gate("inner_circle", 1, 80, 85, ladder="desk")
    (story,) = made.told(ladder="desk").ladders
    assert story.reason == "earned plain and keeps it; inner_circle is full."
    assert story.to_rise.startswith("inner_circle needs a place")


def test_an_exception_is_told_with_what_the_rules_would_give(release: Made) -> None:
    made = release()
    signed = "strategic bet (approved by the board, until 2026-12-31)"
    made.review(
        "2026Q2", "silver", "gold", "overridden",
        exception=signed, released_level="gold", released_action="overridden", released_state="020000K0404",
    )  # fmt: skip
    made.gates(40, 1)
    story = made.tier()
    assert story.exception
    assert (story.exception.level, story.exception.rules_give, story.exception.signed) == ("gold", "silver", signed)
    assert story.reason == "a signed exception gives gold; the rules alone speak of silver."
    assert "approved by the board" in printed(made).replace("\n", " ")
    for_partner = made.tier(audience="partner")
    assert for_partner.exception
    assert for_partner.exception.signed is None


# --- the record -----------------------------------------------------------------------------------------------------


def test_what_is_on_record_speaks_and_the_replay_is_told_beside_it(release: Made) -> None:
    made = release()
    made.review("2026Q1", "silver", "silver", "kept")
    made.review(
        "2026Q2", "silver", "silver", "kept",
        released_level="gold", released_action="on_watch", released_state="010001W", released_in="2026Q2-old",
    )  # fmt: skip
    made.gates(40, 6)
    story = made.tier()
    assert (story.held, story.action, story.restated, story.reviews_below) == ("gold", "on_watch", "silver", 1)
    # On watch it stayed where it was, whatever the replay makes of the quarter before.
    assert story.previous == "gold"
    assert "replay gives silver" in " ".join(printed(made).split())


def test_a_state_with_an_age_says_how_long_a_level_is_held(release: Made) -> None:
    made = release()
    for quarter in ("2025Q3", "2025Q4", "2026Q1"):
        made.review(quarter, "silver", "silver", "kept")
    made.review(
        "2026Q2", "gold", "silver", "kept",
        released_level="gold", released_action="kept", released_state="010000K0205",
    )  # fmt: skip
    story = made.tier()
    assert (story.held_since, story.reviews_held) == ("2025Q4", 3)


# --- the nearest way ------------------------------------------------------------------------------------------------


def test_the_nearest_way_is_the_one_with_the_fewest_conditions_missing(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    made.gates(55, 49)
    way = made.tier().next_by
    assert way
    # Way 1 misses 5 of 60 points, way 2 one of 50 deals: one condition each, and 2 % is nearer than 8 %.
    assert (way.alternative, way.ways, len(way.failed)) == (2, 2, 1)


def test_a_known_gap_is_nearer_than_an_unknown_value(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    made.gate("gold", 1, 5, None, kind="metric", subject="won_deals")
    made.gate("gold", 2, 60, 1, alternative=2)
    way = made.tier().next_by
    assert way
    assert way.alternative == 2


# --- unknown values -------------------------------------------------------------------------------------------------


def test_an_unknown_value_says_which_system_does_not_know_the_partner(release: Made) -> None:
    made = release()
    made.review("2026Q2", "base", "base", "entered")
    made.score(50, None)
    story = made.told()
    assert story.score
    lines = {line.criterion: line for line in story.score.criteria}
    assert lines["people"].unknown_because == "the partner portal does not know the partner"
    assert lines["people"].counted_weight is None
    # The only known criterion takes all the weight.
    assert lines["won"].counted_weight == Decimal("1.000000")
    assert story.score.total == story.score.contributions == Decimal(50)
    assert "unknown, left out of the score" in printed(made)


# --- for partners ---------------------------------------------------------------------------------------------------


def test_partners_do_not_see_internal_ladders(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    made.review("2026Q2", "inner_circle", "inner_circle", "kept", ladder="desk")
    made.gates(45, 3)
    made.gate("inner_circle", 1, 80, 85, ladder="desk")
    made.score(50, 40)
    assert {story.ladder for story in made.told().ladders} == {"tier", "desk"}
    told = made.told(audience="partner")
    assert [story.ladder for story in told.ladders] == ["tier"]
    assert told.score
    assert told.score.rank is None
    whole = f"{told.as_dict()}{printed(made, audience='partner')}"
    for word in ("desk", "inner_circle", "hours_per_quarter"):
        assert word not in whole
    with pytest.raises(InputError, match="no ladder 'desk'"):
        made.told(audience="partner", ladder="desk")


def test_without_the_policy_nothing_is_told_to_partners(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    with pytest.raises(ConfigError, match="which ladders partners may see"):
        made.told(audience="partner", is_known=False)
    assert made.told(is_known=False).ladders[0].audience is None


# --- who, when, which release ----------------------------------------------------------------------------------------


def test_accents_and_capitals_do_not_matter(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    for wanted in ("arzte & sohne", "SÖHNE", "a-1", "p_1", "  A-1 "):
        assert made.told(wanted).partner_id == "p_1"


def test_an_unknown_partner_hears_the_nearest_names(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept")
    with pytest.raises(InputError, match=r"nearest: A-1 Ärzte & Söhne"):
        made.told("Aerzte")


def test_a_quarter_without_a_review_is_refused_with_those_there_are(release: Made) -> None:
    made = release()
    made.review("2026Q1", "silver", "silver", "kept")
    made.review("2026Q2", "silver", "silver", "kept")
    assert made.told(quarter="2026q1").quarter == "2026Q1"
    with pytest.raises(InputError) as refused:
        made.told(quarter="2019Q1")
    assert "2026Q1, 2026Q2" in refused.value.next_step


def test_who_left_the_roster_is_explained_as_of_the_last_review(release: Made) -> None:
    made = release()
    made.review("2026Q1", "silver", "silver", "kept")
    told = made.told()
    assert told.quarter == "2026Q1"
    assert "not on the roster of 2026Q2" in told.notes[0]


def test_a_release_without_the_newer_columns_is_explained_all_the_same(release: Made) -> None:
    made = release(missing=("reason_codes", "released_reason_codes", "exception", "track", "outcome"))
    made.review("2026Q1", "gold", "gold", "kept")
    made.review("2026Q2", "gold", "silver", "kept")
    made.gates(70, None)
    made.score(50, 40)
    story = made.tier()
    assert story.reason_codes == ("kept", "within_buffer")
    assert story.next_by
    assert [condition.outcome for condition in story.next_by.conditions] == ["passed", "unknown"]


def test_only_the_track_that_counts_is_shown(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "silver", "kept", track="large")
    made.score(50, 40, track="large")
    made.add(
        "partner_score_contributions",
        quarter="2026Q2", track="small", criterion="other", metric="won_deals", is_observed=True, weight=Decimal(1),
    )  # fmt: skip
    told = made.told()
    assert told.score
    assert told.score.track == "large"
    assert [line.criterion for line in told.score.criteria] == ["won", "people"]
    assert "track large" in printed(made)


def test_every_line_fits_eighty_columns_and_ends_without_spaces(release: Made) -> None:
    made = release()
    made.review("2026Q2", "silver", "gold", "on_watch", reviews_below=1)
    made.gates(12, 3)
    made.score(1234567.891234, None)
    for line in printed(made).splitlines():
        assert len(line) <= 80
        assert line == line.rstrip()

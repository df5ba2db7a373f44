"""Breakers on results: each is held against numbers worked out by hand, on both sides of its limit."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import pytest

from tests.gate.conftest import Pair

SAME_AS_BEFORE = [10] * 10


def lay_scores(pair: Pair, now: Sequence[int]) -> None:
    """A last release of 100 partners with scores 1 to 100, and now as many per tenth of it as `now` says."""
    pair.change(
        """
        delete from released.scores;
        insert into released.scores
        select 'quarter_before', 'acme', '2026-01', 'p' || n, 'P-' || n, n from range(1, 101) as t (n);
        update released.compared set partner_count = 100 where compared_with = 'quarter_before';
        """,
        candidate=False,
    )
    parts = [f"select {tenth * 10 + 5} as score from range({count})" for tenth, count in enumerate(now)]
    pair.change(
        f"""
        create temp table laid as select row_number() over () as n, score from ({" union all ".join(parts)});
        create temp table one as select * from partner_segments where partner_id = 'p4';
        delete from partner_segments;
        insert into partner_segments by name
        select one.* replace ('p' || n as partner_id, 'P-' || n as partner_number, score as total_score)
        from one cross join laid;
        """
    )


def failed(pair: Pair, suite: str = "breakers", **parameters: Any) -> dict[str, str]:
    """The failures of a suite: expectation -> its first sample. Nothing may have raised."""
    results = [one for one in pair.judge_by(suite, **parameters).results if one.suite == suite]
    assert not any(one.raised for one in results)
    return {one.expectation: (*one.sample, "")[0] for one in results if not one.success}


def test_psi_is_the_one_worked_out_by_hand(good: Pair) -> None:
    lay_scores(good, [30, 10, 10, 10, 10, 10, 10, 10, 0, 0])
    # 30 partners in the first tenth, 10 in seven, none in two, where half a partner stands for none: of 101 in all.
    share = [30 / 101, *[10 / 101] * 7, *[0.5 / 101] * 2]
    psi = sum((actual - 0.1) * log(actual / 0.1) for actual in share)
    assert round(psi, 3) == 0.786
    found = failed(good)
    assert found["scores_are_distributed_as_before"].endswith("release=r1, psi=0.786, limit=0.433")
    # 100 partners twice: chance alone gives (1/100 + 1/100) times a chi-square with 9 degrees of freedom.
    assert found["scores_drift_slowly"].endswith("psi=0.786, limit=0.338")


def test_the_configured_limit_speaks_where_the_roster_is_large(good: Pair) -> None:
    lay_scores(good, SAME_AS_BEFORE)
    grow = "insert into {0} by name select o.* replace (o.partner_id || '-' || n as partner_id) from {0} as o "
    grow += "cross join range(1, 20) as t (n)"
    good.change(grow.format("released.scores"), candidate=False)
    good.change("update released.compared set partner_count = 2000 where release is not null", candidate=False)
    good.change(grow.format("partner_segments"))
    assert failed(good) == {}
    # 15 of 20 in the first tenth rise to the last one: shares 0.025 and 0.175 instead of 0.1.
    good.change("update partner_segments set total_score = 95 where total_score = 5 and partner_id not like '%-1_'")
    psi = (0.05 - 0.1) * log(0.05 / 0.1) + (0.15 - 0.1) * log(0.15 / 0.1)
    found = failed(good, score_shift_limit=round(psi - 0.001, 3), score_shift_warning=0.5)
    assert list(found) == ["scores_are_distributed_as_before"]
    assert failed(good, score_shift_limit=round(psi + 0.001, 3), score_shift_warning=0.5) == {}


@pytest.mark.parametrize("now", [SAME_AS_BEFORE, [12, 8, 11, 9, 10, 10, 9, 11, 8, 12]])
def test_a_distribution_as_before_holds(good: Pair, now: list[int]) -> None:
    lay_scores(good, now)
    assert failed(good) == {}


def test_small_rosters_are_not_asked(good: Pair) -> None:
    lay_scores(good, [100, *[0] * 9])
    assert "scores_are_distributed_as_before" in failed(good)
    assert failed(good, score_shift_min_partners=101) == {}


def test_scores_under_another_version_are_not_compared_and_that_is_told(good: Pair) -> None:
    lay_scores(good, [100, *[0] * 9])
    for table in ("scores", "compared"):
        good.change(f"update released.{table} set version = '2025-01' where version is not null", candidate=False)
    assert list(failed(good)) == ["scores_can_be_compared"]


def test_tied_scores_make_fewer_bins_and_no_error(good: Pair) -> None:
    lay_scores(good, [100, *[0] * 9])
    good.change("update released.scores set total_score = 5", candidate=False)
    assert failed(good) == {}
    good.change("update partner_segments set total_score = 6")
    assert "scores_are_distributed_as_before" in failed(good)


def test_partners_who_lost_their_score_break_above_a_share_and_never_by_twos(good: Pair) -> None:
    lay_scores(good, SAME_AS_BEFORE)
    lose = "update partner_segments set total_score = null where partner_id in ({})"
    good.change(lose.format("'p1', 'p2', 'p3', 'p4', 'p5'"))
    assert list(failed(good)) == ["no_partner_lost_its_score"]
    good.change(lose.format("'p6'"))
    assert "few_partners_lost_their_score" in failed(good)
    assert list(failed(good, max_lost_scores_share=0.06)) == ["no_partner_lost_its_score"]
    good.change("update partner_segments set total_score = 5 where partner_id not in ('p1', 'p2')")
    assert "few_partners_lost_their_score" not in failed(good, max_lost_scores_share=0.0)


def test_partners_who_are_none_any_more_break_above_a_share_and_never_by_twos(good: Pair) -> None:
    lay_scores(good, SAME_AS_BEFORE)
    leave = "delete from partner_segments where partner_id in ({})"
    good.change(leave.format(", ".join(f"'p{n}'" for n in range(1, 11))))
    assert failed(good) == {}
    good.change(leave.format("'p11'"))
    found = failed(good)
    assert list(found) == ["few_partners_left"]
    assert "left_count=11" in found["few_partners_left"]
    assert failed(good, max_left_partners_share=0.11) == {}
    # A partner whose records have gone on to another one has not left.
    good.change(
        "insert into identity_changes by name select * replace ('merged' as change, 'p11' as from_partner_id) "
        "from identity_changes limit 1"
    )
    assert failed(good) == {}
    good.change("update partner_segments set partner_id = 'p1' where partner_id = 'p98'")
    good.change("update partner_segments set partner_id = 'p2' where partner_id = 'p99'")
    assert list(failed(good, max_left_partners_share=0.0)) == ["few_partners_left"]
    good.change("delete from partner_segments where partner_id not in ('p1', 'p2', 'p12')")
    good.change("delete from released.scores where partner_id not in ('p1', 'p2', 'p12', 'p4', 'p5')", candidate=False)
    assert "few_partners_left" not in failed(good, max_left_partners_share=0.0)


def test_a_ladder_without_a_guardrail_has_the_deployments_limit(good: Pair) -> None:
    good.change("delete from policy.guardrails where kind = 'max_moves_share'", candidate=False)
    # Three of four partners go up on both ladders.
    assert failed(good)["moves_are_fewer_than_usual_limits"].startswith("ladder=segment, moved_count=3")
    assert failed(good, max_moves_share=0.75) == {}
    # Without a release of an earlier quarter the moves are a replay's, and nobody was told of the levels before.
    good.change("update released.compared set release = null, policy = null", candidate=False)
    assert failed(good) == {}


def test_partners_who_leave_a_ladder_move_and_those_who_are_new_do_not(good: Pair) -> None:
    rule = "no_more_moves_than_the_guardrail"
    good.change("update policy.guardrails set value = 0.7 where kind = 'max_moves_share'", candidate=False)
    both = failed(good, "partner_level_history")
    assert both[rule].startswith("ladder=segment, moved_count=3, partner_count=4")
    good.change("update partner_level_history set released_action = 'kept' where released_action <> 'entered'")
    assert failed(good, "partner_level_history")[rule].startswith("ladder=tier, moved_count=3, partner_count=4")
    good.change("delete from partner_level_history where ladder = 'tier' and quarter = '2026Q1'")
    assert rule not in failed(good, "partner_level_history")
    good.change("update partner_level_history set released_action = 'exited' where ladder = 'tier'")
    assert failed(good, "partner_level_history")[rule].startswith("ladder=tier, moved_count=4")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("set reasons = ' ' where released_action = 'promoted'", "no_move_up_without_a_reason"),
        ("set reason_codes = null where released_action = 'entered'", "no_move_up_without_a_reason"),
        ("set released_reasons = ' ' where released_action = 'promoted'", "no_move_up_without_a_reason"),
        ("set released_reason_codes = null where released_action = 'entered'", "no_move_up_without_a_reason"),
        ("set earned_level = 'self_serve' where released_action = 'promoted'", "no_move_up_without_a_reason"),
        ("set released_action = 'demoted' where released_action = 'promoted'", "no_move_down_without_a_reason"),
        ("set released_action = 'exited', reasons = null where ladder = 'tier'", "no_move_down_without_a_reason"),
    ],
)
def test_a_move_without_a_reason_breaks(good: Pair, change: str, rule: str) -> None:
    assert failed(good, "partner_level_history") == {}
    good.change(f"update partner_level_history {change} and quarter = '2026Q2'")
    assert rule in failed(good, "partner_level_history")


FROZEN = "'reached gold; frozen: it would fall only because crm was last read on 2026-01-01'"


@pytest.mark.parametrize(
    "change",
    [
        "released_action = 'frozen'",
        "released_action = 'frozen', released_reason_codes = 'frozen, stale_source'",
        f"released_action = 'demoted', released_reason_codes = 'demoted', released_reasons = {FROZEN}",
        "released_reasons = null",
        "released_in = 'r1'",
    ],
)
def test_reasons_of_another_decision_break(good: Pair, change: str) -> None:
    rule = "released_reasons_are_of_the_released_action"
    only = "where quarter = '2026Q2' and ladder = 'tier' and partner_id = 'p4'"
    good.change(
        "update partner_level_history set released_action = 'frozen', released_reason_codes = 'frozen, stale_source', "
        f"released_reasons = {FROZEN} {only}"
    )
    assert rule not in failed(good, "partner_level_history")
    # An exception that has ended moves a partner to a level that the rules freeze.
    good.change(
        f"update partner_level_history set released_action = 'demoted', "
        f"released_reason_codes = 'demoted, exception_ended, stale_source' {only}"
    )
    assert rule not in failed(good, "partner_level_history")
    good.change(
        "update partner_level_history set released_action = 'kept', released_reason_codes = 'kept', "
        f"released_reasons = 'reached gold' {only}"
    )
    assert rule not in failed(good, "partner_level_history")
    good.change(f"update partner_level_history set {change} {only}")
    assert rule in failed(good, "partner_level_history")


def test_partners_are_shown_the_reasons_of_the_decision(good: Pair) -> None:
    assert "level_is_the_one_decided" not in failed(good, "partner_segments")
    good.change("update partner_level_history set released_reasons = 'another reason' where ladder = 'tier'")
    assert "level_is_the_one_decided" in failed(good, "partner_segments")


def test_a_signed_exception_is_its_own_reason(good: Pair) -> None:
    good.change("update partner_level_history set earned_level = 'self_serve' where released_action = 'promoted'")
    good.change("update partner_level_history set exception = 'promised' where quarter = '2026Q1'")
    assert "no_move_up_without_a_reason" not in failed(good, "partner_level_history")


@pytest.mark.parametrize("change", ["released_level = 'gold'", "released_in = 'r7'", "released_level = null"])
def test_levels_of_released_quarters_are_those_on_record(good: Pair, change: str) -> None:
    good.change(f"update partner_level_history set {change} where quarter = '2026Q1' and ladder = 'tier'")
    assert "released_quarters_are_as_on_record" in failed(good)
    good.change("update partner_level_history set exception = 'promised' where quarter = '2026Q1'")
    assert failed(good) == {}


def test_a_release_that_was_not_read_back_whole_breaks(good: Pair) -> None:
    good.change("delete from released.scores where partner_id = 'p1'", candidate=False)
    assert list(failed(good)) == ["last_release_was_read_back_whole"]


def test_production_of_the_movements_is_the_partners(good: Pair) -> None:
    good.change("update segment_movement set sourced_won_amount = 0 where action = 'promoted'")
    assert list(failed(good, "segment_movement")) == ["production_is_the_partners"]

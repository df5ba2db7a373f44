"""Random policies over random facts: every value, every point and every level of the engine beside the reference's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from engine.generators import random_company, random_policy
from engine.reference import Company, Data, Decision, Programme, Value, history, rounded
from engine.tables import Rows, assert_same, inputs_of, policy_of, rows
from pipelines.errors import PolicyError
from pipelines.evaluation import evaluate
from pipelines.policy import Policy

COMPANIES = 3
POLICIES = 8
PARTNERS = 200
ACTIVE = 3
REVIEWED = "policy, version, partner_id, quarter_index"


@dataclass
class Sides:
    """A company judged by both: the reference's programmes, and the engine's tables."""

    company: Company
    programmes: list[Programme]
    con: duckdb.DuckDBPyConnection
    refused: int
    histories: dict[tuple[str, str], dict[tuple[str, str], list[Decision]]]

    def reviews(self) -> Iterator[tuple[Programme, int, tuple[str, str, str, int], Any]]:
        """Everybody in every quarter under every policy."""
        for programme in self.programmes:
            for quarter in programme.quarters:
                for partner, judged in programme.judged(quarter).items():
                    yield programme, quarter, (*programme.key, partner, quarter), judged

    def levels(self) -> Iterator[tuple[tuple[str, str, str, str, int], Decision]]:
        for programme in self.programmes:
            for (ladder, partner), decisions in self.histories[programme.key].items():
                for decision in decisions:
                    yield (*programme.key, ladder, partner, decision.quarter), decision


@pytest.fixture(scope="module", params=range(COMPANIES))
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    company = random_company(request.param, PARTNERS)
    written: list[Data] = []
    read: list[Policy] = []
    refused = 0
    seed = 1000 * request.param
    while len(read) < POLICIES:
        policy = random_policy(seed := seed + 1, company)
        try:
            read.append(policy_of(policy))
            written.append(policy)
        except PolicyError:
            refused += 1
    programmes = [Programme(policy, company) for policy in written]
    with evaluate(read, inputs_of(company)) as con:
        yield Sides(company, programmes, con, refused, {one.key: history([one]) for one in programmes})


def number(value: Value) -> Decimal | None:
    """A reference's number as a table holds it."""
    return None if value is None else Decimal(value.numerator) / Decimal(value.denominator)


def test_most_random_policies_can_be_read(sides: Sides) -> None:
    assert sides.refused <= POLICIES


def test_every_metric_value_is_the_references(sides: Sides) -> None:
    found = rows(sides.con, f"metric, {REVIEWED}", "value", "metrics.policy_values")
    stale = rows(sides.con, f"metric, {REVIEWED}", "is_stale", "metrics.policy_values")
    wanted: Rows = {}
    wanted_stale: Rows = {}
    for programme in sides.programmes:
        own = {*programme.policy["declares"], *programme.policy["derived"]}
        read = {metric for metric, policy, *_ in found if policy == programme.key[0]}
        for metric in sorted(own | read):
            for quarter in programme.quarters:
                for partner in sides.company.roster(quarter):
                    key = (metric, *programme.key, partner.id, quarter)
                    wanted[key] = number(programme.metrics.value(metric, partner.id, quarter))
                    wanted_stale[key] = programme.metrics.is_stale(metric, quarter)
    assert_same("metric values", wanted, found)
    assert_same("staleness", wanted_stale, stale)


def test_every_partner_is_in_the_references_track(sides: Sides) -> None:
    wanted = {key: judged.scored.track for _, _, key, judged in sides.reviews() if judged.scored}
    found = rows(sides.con, REVIEWED, "track", "scoring.partner_scores")
    assert_same("tracks", wanted, found)


def test_every_criterions_points_are_the_references_in_every_track(sides: Sides) -> None:
    wanted: Rows = {}
    for programme, quarter, key, judged in sides.reviews():
        for track in programme.candidates(judged.partner, quarter) if programme.score else []:
            scored = programme.scored(track, judged.partner, quarter)
            for criterion, points in scored.points.items():
                wanted[(criterion, track or "", *key)] = number(points)
    found = rows(sides.con, f"criterion, coalesce(track, ''), {REVIEWED}", "points", "scoring.criterion_points")
    assert_same("points", wanted, found)


def test_every_contribution_is_the_references(sides: Sides) -> None:
    # They are kept for the policy of the run alone, so each of these has a run of its own.
    scored = [
        programme
        for programme in sides.programmes
        if any(judged.scored for judged in programme.judged(programme.quarters[-1]).values())
    ]
    for programme in scored[:ACTIVE]:
        wanted: Rows = {}
        for quarter in programme.quarters:
            for partner in sides.company.roster(quarter):
                for track in programme.candidates(partner, quarter):
                    for criterion, contribution in programme.scored(track, partner, quarter).contributions.items():
                        wanted[(criterion, track or "", *programme.key, partner.id, quarter)] = number(contribution)
        with evaluate([policy_of(programme.policy)], inputs_of(sides.company)) as con:
            keys = f"criterion, coalesce(track, ''), {REVIEWED}"
            # Where a value blocks the score there is no total for a contribution to be a part of.
            counted = "case when not is_blocked then contribution end"
            found = rows(con, keys, counted, "scoring.criterion_contributions")
        assert_same(f"contributions of {programme.key[0]}", wanted, found)


def test_every_total_is_the_references(sides: Sides) -> None:
    wanted = {key: number(judged.scored.total) for _, _, key, judged in sides.reviews() if judged.scored}
    assert_same("totals", wanted, rows(sides.con, REVIEWED, "total_score", "scoring.partner_scores"))


def test_every_dimension_is_the_references(sides: Sides) -> None:
    wanted = {
        (name, *key): number(value)
        for _, _, key, judged in sides.reviews()
        if judged.scored
        for name, value in judged.scored.dimensions.items()
    }
    assert_same("dimensions", wanted, rows(sides.con, f"dimension, {REVIEWED}", "score", "scoring.dimension_scores"))


def test_every_share_of_evidence_is_the_references(sides: Sides) -> None:
    wanted = {key: number(rounded(judged.scored.evidence, 6)) for _, _, key, judged in sides.reviews() if judged.scored}
    assert_same(
        "evidence", wanted, rows(sides.con, REVIEWED, "cast(evidence_share as decimal(9, 6))", "scoring.partner_scores")
    )


@pytest.mark.parametrize("rank", ["reached", "earned", "raised", "lowered", "possible"])
def test_every_level_that_a_partner_brings_is_the_references(sides: Sides, rank: str) -> None:
    wanted = {key: getattr(decision.ranks, rank) for key, decision in sides.levels()}
    keys = "policy, version, ladder, partner_id, quarter_index"
    assert_same(rank, wanted, rows(sides.con, keys, f"{rank}_rank", "ladders.levels_earned"))


def test_every_level_held_and_every_decision_is_the_references(sides: Sides) -> None:
    keys = "policy, version, ladder, partner_id, quarter_index"
    wanted = {key: decision.after.text for key, decision in sides.levels()}
    assert_same("states", wanted, rows(sides.con, keys, "state", "ladders.levels_held"))
    actions = {key: decision.after.action for key, decision in sides.levels()}
    assert_same("actions", actions, rows(sides.con, keys, "action", "ladders.levels_held"))


def test_every_reason_code_is_the_references(sides: Sides) -> None:
    keys = "policy, version, ladder, partner_id, quarter_index"
    wanted = {key: decision.reasons for key, decision in sides.levels()}
    found = rows(sides.con, keys, "reason_codes", "ladders.levels_held")
    assert_same("reasons", wanted, {key: frozenset(text.replace(" ", "").split(",")) for key, text in found.items()})

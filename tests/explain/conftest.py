"""A release small enough to read: one partner, one ladder or two, as many quarters as a test needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from pipelines.explanation import Audience, Explanation, LadderStory, explain
from pipelines.policy import read_policies, read_policy
from pipelines.policy.model import PolicyDocument
from pipelines.shape import metric_names
from tests.conftest import ROOT

POLICY = """\
policy: acme
version: "1"
effective_from: 2025-01-01
window: {quarters: 4}
score:
  combine: weighted
  dimensions: {sales: 0.6, skills: 0.4}
  criteria:
    - {id: won, metric: sourced_won_amount, dimension: sales, weight: 1, points: {range: {low: 0, high: 100}}}
    - {id: people, metric: certified_people, dimension: skills, weight: 1, points: {per_unit: {each: 20}}}
ladders:
  desk:
    audience: internal
    levels:
      - {level: inner_circle, enter: {score: total, at_least: 80}, capacity: 1}
      - {level: plain}
    movement: none
  tier:
    audience: partner
    levels:
      - level: gold
        enter: {any: [{all: [{score: total, at_least: 60}, {metric: won_deals, at_least: 5}]}, {metric: won_deals, at_least: 50}]}
      - {level: silver, enter: {score: total, at_least: 30}}
      - {level: base}
    movement: MOVEMENT
entitlements:
  tier.gold: {discount_share: 0.2}
  tier.silver: {discount_share: 0.1}
  desk.inner_circle: {hours_per_quarter: 40}
"""  # noqa: E501
MOVEMENT = "{buffer: 5, promote_after: 1, demote_after: 2, max_steps: {up: 1, down: 1}}"

_GATES = """
partner_id varchar, quarter varchar, policy varchar, version varchar, ladder varchar, level varchar,
alternative integer, condition integer, kind varchar, subject varchar, operator varchar, needed varchar,
needed_value decimal(28,6), actual_value decimal(28,6), actual varchar, is_observed boolean, has_passed boolean,
outcome varchar, distance decimal(28,6)
"""
_HISTORY = """
partner_id varchar, partner_number varchar, partner_name varchar, quarter varchar, quarter_end date, policy varchar,
version varchar, ladder varchar, earned_level varchar, held_level varchar, previous_level varchar, held_rank integer,
action varchar, reasons varchar, reason_codes varchar, exception varchar, track varchar, held_since varchar,
reviews_above integer, reviews_below integer, released_level varchar, released_action varchar, released_reasons varchar,
released_reason_codes varchar, released_state varchar, released_in varchar
"""
_SCORES = """
partner_id varchar, quarter varchar, policy varchar, version varchar, track varchar, total_score decimal(18,6),
dimension_scores varchar, score_rank integer, evidence_share double
"""
_CONTRIBUTIONS = """
partner_id varchar, quarter varchar, policy varchar, version varchar, track varchar, criterion varchar, metric varchar,
dimension varchar, value decimal(28,6), is_observed boolean, points decimal(18,6), max_points decimal(18,6),
lost_to_cap decimal(18,6), weight decimal(9,6), contribution decimal(18,6), share_of_total double, reason varchar
"""
_SEGMENTS = """
partner_id varchar, quarter varchar, policy varchar, version varchar, release varchar, known_at timestamp,
systems varchar, entitlements varchar
"""
_SUMMARY = "quarter varchar, policy varchar, version varchar, ladder varchar, level varchar, level_rank integer"
_QUARTERS = {
    "2025Q3": date(2025, 9, 30),
    "2025Q4": date(2025, 12, 31),
    "2026Q1": date(2026, 3, 31),
    "2026Q2": date(2026, 6, 30),
}


@dataclass
class Release:
    """Released tables in the making; what is left out of a row is null."""

    con: duckdb.DuckDBPyConnection
    document: PolicyDocument
    missing: tuple[str, ...] = ()
    key: dict[str, Any] = field(default_factory=lambda: {"partner_id": "p_1", "policy": "acme", "version": "1"})

    def add(self, table: str, **row: Any) -> None:
        """One row; columns that a test has taken away are left out."""
        values = {name: value for name, value in {**self.key, **row}.items() if name not in self.missing}
        names = {row[0] for row in self.con.execute(f"describe {table}").fetchall()}
        values = {name: value for name, value in values.items() if name in names}
        holders = ", ".join(f"${name}" for name in values)
        self.con.execute(f"insert into {table} ({', '.join(values)}) values ({holders})", values)

    def review(self, quarter: str, earned: str, held: str, action: str, **row: Any) -> None:
        """One review on the ladder for partners, not on record unless `row` says so."""
        ranks = {"gold": 1, "silver": 2, "base": 3, "inner_circle": 1, "plain": 2}
        row = {"ladder": "tier", "reason_codes": action, "reviews_above": 0, "reviews_below": 0, "reasons": "", **row}
        self.add(
            "partner_level_history",
            partner_number="A-1",
            partner_name="Ärzte & Söhne",
            quarter=quarter,
            quarter_end=_QUARTERS[quarter],
            earned_level=earned,
            held_level=held,
            held_rank=ranks[held],
            action=action,
            **row,
        )

    def gate(
        self,
        level: str,
        condition: int,
        bar: float,
        actual: float | None,
        *,
        kind: str = "score",
        subject: str = "total",
        alternative: int = 1,
        quarter: str = "2026Q2",
        ladder: str = "tier",
    ) -> None:
        """One condition `subject at least bar`."""
        has_passed = actual is not None and actual >= bar
        said = "total score" if kind == "score" else subject
        self.add(
            "partner_gates",
            quarter=quarter,
            ladder=ladder,
            level=level,
            alternative=alternative,
            condition=condition,
            kind=kind,
            subject=subject,
            operator="at_least",
            needed=f"{said} at least {bar}",
            needed_value=Decimal(str(bar)),
            actual_value=None if actual is None else Decimal(str(actual)),
            actual="unknown" if actual is None else str(actual),
            is_observed=actual is not None,
            has_passed=has_passed,
            outcome="passed" if has_passed else "unknown" if actual is None else "failed",
            distance=None if actual is None else Decimal(0) if has_passed else Decimal(str(bar)) - Decimal(str(actual)),
        )

    def gates(self, total: float, deals: float | None, quarter: str = "2026Q2") -> None:
        """All conditions of the ladder for partners."""
        self.gate("gold", 1, 60, total, quarter=quarter)
        self.gate("gold", 2, 5, deals, kind="metric", subject="won_deals", quarter=quarter)
        self.gate("gold", 3, 50, deals, kind="metric", subject="won_deals", alternative=2, quarter=quarter)
        self.gate("silver", 1, 30, total, quarter=quarter)

    def score(self, won: float, people: float | None, quarter: str = "2026Q2", **row: Any) -> None:
        """The score of sales 0.6 and skills 0.4, of points that are given."""
        parts = {"won": (won, "0.6", "sales"), "people": (people, "0.4", "skills")}
        known = sum(Decimal(weight) for points, weight, _ in parts.values() if points is not None)
        total = Decimal(0)
        for criterion, (points, weight, dimension) in parts.items():
            adds = None if points is None else Decimal(str(points)) * Decimal(weight) / known
            total += adds or 0
            self.add(
                "partner_score_contributions",
                quarter=quarter,
                criterion=criterion,
                metric="sourced_won_amount" if criterion == "won" else "certified_people",
                dimension=dimension,
                value=None if points is None else Decimal(str(points)),
                is_observed=points is not None,
                points=None if points is None else Decimal(str(points)),
                max_points=Decimal(100),
                lost_to_cap=Decimal(0),
                weight=Decimal(weight),
                contribution=adds,
                reason="unknown, left out of the score" if points is None else None,
                **row,
            )
        scores = {"sales": won, "skills": people}
        self.add(
            "partner_scores",
            quarter=quarter,
            total_score=total,
            dimension_scores=json.dumps(scores),
            score_rank=1,
            evidence_share=float(known),
            **row,
        )

    def told(
        self, wanted: str = "A-1", *, is_known: bool = True, audience: Audience = "internal", **asked: Any
    ) -> Explanation:
        """The story, with the policy's document at hand unless a test takes it away."""
        documents = {"acme@1": self.document} if is_known else {}
        return explain(self.con, wanted, documents=documents, audience=audience, **asked)

    def tier(self, **asked: Any) -> LadderStory:
        """The story of the ladder for partners."""
        (story,) = self.told(ladder="tier", **asked).ladders
        return story


def made_release(movement: str = MOVEMENT, missing: tuple[str, ...] = ()) -> Release:
    """An empty release of the policy above; `missing` are columns that its version does not have yet."""
    con = duckdb.connect()
    for table, columns in {
        "partner_gates": _GATES,
        "partner_level_history": _HISTORY,
        "partner_scores": _SCORES,
        "partner_score_contributions": _CONTRIBUTIONS,
        "partner_segments": _SEGMENTS,
        "segment_summary": _SUMMARY,
    }.items():
        kept = [column.strip() for column in columns.replace("\n", " ").split(", ")]
        kept = [column for column in kept if column.split(" ")[0] not in missing]
        con.execute(f"create table {table} ({', '.join(kept)})")
    document = read_policy(POLICY.replace("MOVEMENT", movement), metric_names()).document
    release = Release(con, document, missing)
    release.add(
        "partner_segments",
        quarter="2026Q2",
        release="2026Q2-abc",
        known_at="2026-07-05",
        systems="crm",
        entitlements=None,
    )
    for quarter in _QUARTERS:
        for ladder, levels in {"desk": ["inner_circle", "plain"], "tier": ["gold", "silver", "base"]}.items():
            for rank, level in enumerate(levels, 1):
                release.add("segment_summary", quarter=quarter, ladder=ladder, level=level, level_rank=rank)
    return release


@pytest.fixture
def release() -> Callable[..., Release]:
    """Makes an empty release; see `made_release`."""
    return made_release


@pytest.fixture(scope="session")
def documents() -> dict[str, PolicyDocument]:
    """The policies of the repository by `name@version`."""
    return {policy.key: policy.document for policy in read_policies(ROOT / "policies", metric_names())}

"""One policy under review: its document, the partners tried so far, and how places in it are named and told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipelines.policy.conditions import plain
from pipelines.policy.model import PolicyDocument
from pipelines.policy.reading import KeyPath
from pipelines.policy_review.engine import Assumed, Outcome
from pipelines.policy_review.facts import Facts, Row, Space, Value
from pipelines.policy_review.findings import Finding, Partner
from pipelines.policy_review.search import Claim, Explorer, Step, Weight, passes

SCORES = ("score", "dimension", "points")


@dataclass(frozen=True)
class Suspect:
    """A step that may be worth telling: how much it weighs, what is claimed of it, and how that is told.

    Of those with the same `group` only the heaviest is told, and not even that where there is nothing left to tell.
    """

    step: Step
    weight: Callable[[Step], Weight]
    claim: Callable[[Step], Claim]
    tell: Callable[[Step, Claim], Finding | None]
    group: object


@dataclass(frozen=True)
class Telling:
    """A claim about partners, and how it is told once it is as short as it can be."""

    claim: Claim
    tell: Callable[[Claim], Finding | None]


@dataclass(frozen=True)
class Case:
    """A policy under review and what was found out about it."""

    document: PolicyDocument
    explorer: Explorer
    assumed: Mapping[str, Assumed]

    @property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        return self.explorer.rows

    @property
    def space(self) -> Space:
        return self.explorer.space

    def level(self, ladder: str, rank: int) -> str:
        return self.document.ladders[ladder].levels[rank - 1].level

    def from_to(self, step: Step, ladder: str) -> str:
        """`from gold to silver`."""
        was, became = step.was.levels[ladder], step.became.levels[ladder]
        return f"from {self.level(ladder, was)} to {self.level(ladder, became)}"

    def partner(self, facts: Facts, outcome: Outcome) -> Partner:
        """As it is told: levels by name."""
        levels = {ladder: self.level(ladder, rank) for ladder, rank in outcome.levels.items()}
        return Partner(facts, levels, outcome.points, outcome.total, outcome.track or None)

    def partners(self, claim: Claim) -> tuple[Partner, ...]:
        outcomes = self.explorer.outcomes(claim.partners)
        return tuple(self.partner(facts, outcome) for facts, outcome in zip(claim.partners, outcomes, strict=True))

    def assumption(self, partners: Iterable[Facts]) -> str:
        """What was assumed about the roster for these partners; empty where nothing was."""
        known = {name for facts in partners for name in facts}
        used = [
            each
            for each in self.assumed.values()
            if each.metric in known or any(self.space.is_made_of(each.metric, name) for name in known)
        ]
        if not used:
            return ""
        spreads = " and ".join(f"{each.metric} from {plain(each.low)} to {plain(each.high)}" for each in used)
        return f"places among partners are those in a roster spread evenly over {spreads}"

    def criterion(self, name: str) -> KeyPath:
        """Where a criterion stands."""
        assert self.document.score is not None
        ids = [criterion.id for criterion in self.document.score.criteria]
        return ("score", "criteria", ids.index(name))

    def reads_scores(self) -> bool:
        """Whether any level hangs on the score."""
        return any(row["kind"] in SCORES for row in self.rows.get("level_conditions", ()))

    def requirements(self, criterion: str) -> dict[int, list[list[Row]]]:
        """requirement -> its alternatives, each a list of conditions."""
        found: dict[int, dict[int, list[Row]]] = {}
        for row in self.rows.get("criterion_requirements", ()):
            if row["criterion"] == criterion:
                found.setdefault(row["requirement"], {}).setdefault(row["alternative"], []).append(row)
        return {number: list(alternatives.values()) for number, alternatives in found.items()}

    def facts_of(self, criterion: str) -> set[str]:
        """The facts that the points of a criterion hang on."""
        metrics: set[str] = set()
        for row in self.rows["criteria"]:
            if row["criterion"] == criterion:
                metrics |= {row["metric"], row["multiplier_metric"] or row["metric"]}
        for row in self.rows.get("criterion_requirements", ()):
            if row["criterion"] == criterion:
                metrics.add(row["subject"])
        found = {name for name in self.space.measures if any(self.space.is_made_of(each, name) for each in metrics)}
        return found | (metrics & set(self.space.attributes))

    def overlays(self) -> list[Facts]:
        """Nothing, and the conditions of some levels: what partners along a line have in common."""
        return [{}, *self.explorer.overlays()[:5]]


def holds(row: Row, values: Mapping[str, Value]) -> bool:
    """Whether values (facts and what is derived from them) pass a condition on a metric or an attribute."""
    value = values.get(row["subject"])
    if row["kind"] == "attribute":
        return value in json.loads(row["text_values"])
    return isinstance(value, Decimal) and passes(row["operator"], value, row["value"])


def move(step: Step) -> str:
    """`Raising won_deals from 9 to 10`."""
    before, after = step.values
    return f"{'Raising' if after > before else 'Lowering'} {step.measure.name} from {plain(before)} to {plain(after)}"

"""What is not known: where unknown values are left out, little can be taken for everything."""

from __future__ import annotations

from decimal import Decimal

from pipelines.policy.conditions import plain
from pipelines.policy.reading import KeyPath
from pipelines.policy_review.case import Case
from pipelines.policy_review.engine import Outcome
from pipelines.policy_review.facts import ZERO, Facts, Row, Value
from pipelines.policy_review.findings import Finding

_HALF = Decimal("0.5")


Alone = tuple[str, Decimal, Facts]
"""A criterion, its share of the weight, and the facts that give it most points."""


def single_value(case: Case, alone: list[Alone]) -> list[Finding]:
    """Where unknown values are left out, one known value can carry the score: shown by who gets a level that way."""
    outcomes = case.explorer.outcomes([facts for _, _, facts in alone])
    reaching = [
        (_gained(case, outcome), -share, name, facts)
        for (name, share, facts), outcome in zip(alone, outcomes, strict=True)
        if _gained(case, outcome) and sum(points is not None for points in outcome.points.values()) == 1
    ]
    if not reaching:
        return []
    _, negative, name, facts = max(reaching, key=lambda each: each[:2])
    fuller = _fuller(case, facts)
    outcomes = case.explorer.outcomes([facts, *fuller])
    shown = max(zip(fuller, outcomes[1:], strict=True), key=lambda each: _harm(outcomes[0], each[1]), default=None)
    if shown is None or not _fallen(outcomes[0], shown[1]):
        return []
    ladders = [ladder for ladder, rank in outcomes[0].levels.items() if shown[1].levels[ladder] > rank]
    added = next(fact for fact in shown[0] if fact not in facts)
    operator = "at_least" if case.space.measures[added].is_higher_better else "at_most"
    got = " and ".join(f"{ladder}.{case.level(ladder, outcomes[0].levels[ladder])}" for ladder in ladders)
    path: KeyPath = ("score", "missing") if case.document.score and case.document.score.missing else ("score",)
    return [
        Finding(
            kind="single_value",
            path=path,
            sentence=(
                f"{name} carries {plain((-negative * 100).quantize(Decimal('0.1')))} % of the weight, but where "
                f"nothing else is known it is the whole score and gives {got}; once {added} is known to be "
                f"{plain(_decimal(shown[0][added]))}, that is lost."
            ),
            fix=(
                "`missing: {default: zero}` (or `block`), or a bar on a metric that has to be known, such as "
                f"{{metric: {added}, {operator}: {plain(_decimal(shown[0][added])).replace(',', '')}}}"
            ),
            partners=(case.partner(facts, outcomes[0]), case.partner(*shown)),
            tells=("total", *(f"ladder:{ladder}" for ladder in ladders)),
            assumed=case.assumption([facts]),
        )
    ]


def to_try(case: Case, alone: list[Alone]) -> list[Facts]:
    """The partners that `single_value` looks at: those, and those of whom one fact more is known."""
    partners = [facts for _, _, facts in alone]
    return [*partners, *(fuller for facts in partners for fuller in _fuller(case, facts))]


def known_alone(case: Case) -> list[Alone]:
    """Every criterion with less than half of the weight; none where a score has no weights to share out."""
    found: list[Alone] = []
    if case.document.score is None or case.document.score.combine != "weighted":
        return found
    best = _best_points(case)
    for row in case.rows["criteria"]:
        needed = case.facts_of(row["criterion"])
        facts = {fact: value for fact, value in best.get(row["criterion"], {}).items() if fact in needed}
        if facts and (share := _nominal(case, row)) < _HALF:
            found.append((row["criterion"], share, facts))
    return found


def _fuller(case: Case, facts: Facts) -> list[Facts]:
    return [
        {**facts, measure.name: measure.worst} for measure in case.space.measures.values() if measure.name not in facts
    ]


def _decimal(value: Value) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def _nominal(case: Case, row: Row) -> Decimal:
    """The criterion's share of the whole weight."""
    weights = {each["dimension"]: Decimal(each["weight"]) for each in case.rows["dimensions"]}
    return weights[row["dimension"]] * Decimal(row["weight"])


def _best_points(case: Case) -> dict[str, Facts]:
    """criterion -> a partner with the most points for it."""
    best: dict[str, tuple[Decimal, Facts]] = {}
    for facts, outcome in case.explorer.seen():
        for name, points in outcome.points.items():
            if points is not None and points > best.get(name, (ZERO, facts))[0]:
                best[name] = (points, facts)
    return {name: facts for name, (_, facts) in best.items()}


def _gained(case: Case, outcome: Outcome) -> int:
    """Levels above the lowest, on all ladders."""
    lowest = {row["ladder"]: row["lowest_rank"] for row in case.rows["ladders"]}
    return sum(lowest[ladder] - rank for ladder, rank in outcome.levels.items())


def _harm(before: Outcome, after: Outcome) -> tuple[int, Decimal]:
    return _fallen(before, after), -(after.total or ZERO)


def _fallen(before: Outcome, after: Outcome) -> int:
    return sum(max(after.levels[ladder] - rank, 0) for ladder, rank in before.levels.items())

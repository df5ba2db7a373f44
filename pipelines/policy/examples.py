"""Worked examples against the rules: what stated facts come to, computed in plain Python.

Derived metrics, points and scores are computed here as the SQL models compute them, for one partner whose facts are
written down. What hangs on other partners (percentiles, top shares, capacity) stays open. Part of `checks.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import reduce
from operator import mul

from pipelines.policy.bands import worth_of
from pipelines.policy.conditions import Alternative, alternatives, passes, plain, words
from pipelines.policy.declared import Derived
from pipelines.policy.model import FULL_POINTS, Criterion, Example, PolicyDocument, Score
from pipelines.policy.numbers import EXACT, VALUE_DIGITS, rounded
from pipelines.policy.reading import KeyPath, Problem, unknown
from pipelines.policy.rows import bands_of, dimension_weights, missing_rule, points_limits, rounding_of, tracks_of

Normal = dict[str, list[tuple[Alternative, ...]]]
Known = Mapping[str, Decimal | str]
ZERO = Decimal(0)


def example_problems(
    index: int,
    example: Example,
    document: PolicyDocument,
    normal: Normal,
    catalogue: Collection[str],
    attributes: Collection[str],
) -> Iterator[Problem]:
    """Facts and levels nobody knows, and levels the rules do not give; `normal` are the conditions of each level."""
    path: KeyPath = ("examples", index)
    stated = {name for name, derived in document.derived.items() if derived.metric is not None}
    known = {*catalogue, *attributes, *document.declares, *stated}
    is_sound = True
    for fact, value in example.facts.items():
        place = (*path, "facts", fact)
        problem = None
        if fact in document.derived and fact not in stated:
            parts = ", ".join(name for _, name in document.derived[fact].mentions())
            problem = Problem(place, f"{fact} follows from {parts}", "facts about what it is made of")
        elif fact not in known:
            problem = unknown(place, fact, known, "a metric or an attribute of partners")
        elif (fact in attributes) != isinstance(value, str):
            problem = Problem(place, f"found {value}", "a text" if fact in attributes else "a number without quotes")
        if problem:
            is_sound = False
            yield problem
    expected: dict[str, str] = {}
    for name, level in example.expect.items():
        place = (*path, "expect", name)
        if name not in document.ladders:
            yield unknown(place, name, document.ladders, "a ladder of this policy")
        elif level not in (levels := [each.level for each in document.ladders[name].levels]):
            yield unknown(place, level, levels, f"a level of {name}")
        else:
            expected[name] = level
    if is_sound and expected:
        yield from _contradictions((*path, "expect"), expected, outcome_of(document, normal, example.facts))


def _contradictions(path: KeyPath, expected: Mapping[str, str], outcome: Outcome) -> Iterator[Problem]:
    for name, level in expected.items():
        if name in outcome.open:
            why = f"facts alone do not decide it: {outcome.open[name]}"
            yield Problem((*path, name), why, "an example that hangs on this one partner only")
        elif outcome.levels[name] != level:
            total = outcome.total
            score = "" if total is None else f" (a total score of {plain(total)})"
            found = f"the example expects {level}, the rules give {outcome.levels[name]}{score}"
            yield Problem((*path, name), found, "them to agree")


@dataclass
class Outcome:
    """What facts come to: a level per ladder, and for ladders that stay open the reason."""

    track: str | None
    total: Decimal | None = None
    levels: dict[str, str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)


def outcome_of(document: PolicyDocument, normal: Normal, facts: Known) -> Outcome:
    """The levels one partner reaches by its facts, in the track that is chosen for it; capacity is left aside."""
    known = with_derived(document, facts)
    score = document.score
    if score is None:
        return _judged(document, normal, known, None, {})
    fitting = [
        name
        for name, track in tracks_of(score).items()
        if track is None or passes(alternatives(track.when), known) is True
    ]
    if not fitting:
        nothing = {("score", "total"): None}
        nothing |= {("dimension", name): None for name in dimension_weights(score)}
        nothing |= {("points", criterion.id): None for criterion in score.criteria}
        return _judged(document, normal, known, None, nothing)
    if score.choose == "first_match":
        fitting = fitting[:1]
    judged = [_judged(document, normal, known, name, scores_of(document, score, name, known)) for name in fitting]
    if len(judged) > 1:
        open_ones = {name: why for outcome in judged for name, why in outcome.open.items()}
        if open_ones:
            why = f"the best of {len(judged)} tracks is taken, and {next(iter(open_ones.values()))}"
            return Outcome(None, open=dict.fromkeys(document.ladders, why))
    # Of equals min() takes the first, which is the first track.
    return min(
        judged,
        key=lambda outcome: (
            *(outcome.ranks.get(name, 0) for name in document.ladders),
            outcome.total is None,
            -(outcome.total or ZERO),
        ),
    )


def _judged(
    document: PolicyDocument,
    normal: Normal,
    known: Known,
    track: str | None,
    scores: Mapping[tuple[str, str], Decimal | None],
) -> Outcome:
    outcome = Outcome(track, scores.get(("score", "total")))
    for name, ladder in document.ladders.items():
        for rank, (level, found) in enumerate(zip(ladder.levels, normal[name], strict=True), start=1):
            passed = passes(found, known, scores)
            if passed is None:
                undecided = (
                    bar for alternative in found for bar in alternative if passes([(bar,)], known, scores) is None
                )
                outcome.open[name] = f"{level.level} asks for {words(next(undecided))}"
                break
            if passed:
                outcome.levels[name], outcome.ranks[name] = level.level, rank
                break
    return outcome


# --- metrics ----------------------------------------------------------------------------------------------------


def with_derived(document: PolicyDocument, facts: Known) -> dict[str, Decimal | str]:
    """The facts and what derived metrics make of them; what is unknown is absent."""
    known = {
        name: rounded(value, VALUE_DIGITS) if isinstance(value, Decimal) else value for name, value in facts.items()
    }
    for name, derived in document.derived.items():
        value = None if derived.metric is not None else derived_value(derived, known)
        if value is not None:
            known[name] = value
    return known


def derived_value(derived: Derived, known: Known) -> Decimal | None:
    """What an operation gives for known metrics, rounded as values are; None: unknown."""
    values: list[Decimal | None] = []
    for operand in derived.operands:
        value = known.get(operand) if isinstance(operand, str) else operand
        values.append(value if isinstance(value, Decimal) else None)
    there = [value for value in values if value is not None]
    if not there or (len(there) < len(values) and not derived.skip_unknown):
        return None
    with localcontext(EXACT):
        made = _operated(derived.operation, values, there)
        return None if made is None else rounded(made, VALUE_DIGITS if derived.round is None else derived.round)


def _operated(operation: str, values: list[Decimal | None], there: list[Decimal]) -> Decimal | None:
    match operation:
        case "ratio":
            return there[0] / there[1] if there[1] else None
        case "sum":
            return sum(there, ZERO)
        case "difference":  # what is left out is neither there nor taken away
            first = values[0] or ZERO
            return first - sum((value for value in values[1:] if value is not None), ZERO)
        case "product":
            return reduce(mul, there)
        case "min":
            return min(there)
        case "max":
            return max(there)
        case _:
            return there[0].quantize(Decimal(1), rounding=ROUND_FLOOR)


# --- points and scores ------------------------------------------------------------------------------------------


def scores_of(
    document: PolicyDocument, score: Score, track: str, known: Known
) -> dict[tuple[str, str], Decimal | None]:
    """The points of each criterion of a track, the dimensions and the total; None: unknown, absent: open.

    A percentile says where a partner stands among others, so it is open, and so is every sum it stands in.
    """
    made: dict[tuple[str, str], Decimal | None] = {("points", criterion.id): None for criterion in score.criteria}
    counted: list[tuple[Criterion, Decimal]] = []
    is_open: set[str | None] = set()
    is_blocked = False
    for criterion in score.criteria:
        if not criterion.stands_in(track):
            continue
        if criterion.points.percentile:
            del made["points", criterion.id]
            is_open.add(criterion.dimension)
            continue
        points, is_observed = points_of(document, score, criterion, known)
        made["points", criterion.id] = points
        is_blocked = is_blocked or (not is_observed and missing_rule(score, criterion) == "block")
        if points is not None:
            counted.append((criterion, points))
    sums: dict[str | None, Decimal | None] = {
        name: _mean_or_sum(score, [pair for pair in counted if pair[0].dimension == name])
        for name in dimension_weights(score)
    }
    if score.combine == "points":
        total = _mean_or_sum(score, counted)
    else:
        weights = dimension_weights(score)
        parts = [(weights[name] or ZERO, value) for name, value in sums.items() if name and value is not None]
        total = _mean(parts)
    for name in dimension_weights(score):
        if is_blocked or name not in is_open:
            made["dimension", name] = None if is_blocked else _final(document, sums[name])
    if is_blocked or not is_open:
        made["score", "total"] = None if is_blocked else _final(document, total)
    return made


def points_of(
    document: PolicyDocument, score: Score, criterion: Criterion, known: Known
) -> tuple[Decimal | None, bool]:
    """The points of a criterion that has no percentile, and whether they rest on known values."""
    value = known.get(criterion.metric)
    factor: Decimal | None = Decimal(1)
    if criterion.multiplier:
        found = known.get(criterion.multiplier.metric)
        factor = found if isinstance(found, Decimal) else None
        if factor is not None and criterion.multiplier.bands:
            within = worth_of(factor, bands_of(criterion)["multiplier"])
            factor = Decimal(1) if within is None else within
    if not isinstance(value, Decimal) or factor is None:
        return (ZERO if missing_rule(score, criterion) == "zero" else None), False
    if any(passes(alternatives(requirement), known) is not True for requirement in criterion.requires):
        return ZERO, True
    low, high = points_limits(score, criterion)
    with localcontext(EXACT):
        points = _raw(criterion, value, high) * factor
        points = points if low is None else max(points, low)
        points = points if high is None else min(points, high)
        return rounded(points, *rounding_of(document, criterion)), True


def _raw(criterion: Criterion, value: Decimal, high: Decimal | None) -> Decimal:
    points = criterion.points
    if points.range:
        share = (value - points.range.low) / (points.range.high - points.range.low)
        return max(ZERO, min(Decimal(1), share)) * (FULL_POINTS if high is None else high)
    if points.per_unit:
        units = value.quantize(Decimal(1), rounding=ROUND_FLOOR) if points.per_unit.whole_units else value
        return units * points.per_unit.each
    if points.flag_points is not None:
        return points.flag_points if value > 0 else ZERO
    return worth_of(value, bands_of(criterion)["points"]) or ZERO


def _mean_or_sum(score: Score, counted: list[tuple[Criterion, Decimal]]) -> Decimal | None:
    if score.combine == "points":
        return sum((points for _, points in counted), ZERO) if counted else None
    return _mean([(criterion.weight or ZERO, points) for criterion, points in counted])


def _mean(parts: list[tuple[Decimal, Decimal]]) -> Decimal | None:
    weight = sum((weight for weight, _ in parts), ZERO)
    with localcontext(EXACT):
        return sum((weight * value for weight, value in parts), ZERO) / weight if weight else None


def _final(document: PolicyDocument, value: Decimal | None) -> Decimal | None:
    return None if value is None else rounded(value, document.rounding.digits, document.rounding.mode)

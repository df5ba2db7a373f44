"""Whether a score can be computed, and what it can come to: weights, points, bands, tracks, requirements.

Part of `checks.py`, which says what a finding is. `score_bounds` is what the reasoning about levels stands on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from pipelines.policy.bands import Band, BandFault, Step, leaves_gaps, resolved
from pipelines.policy.conditions import (
    ALWAYS,
    MAX_ALTERNATIVES,
    Alternative,
    Interval,
    TooManyAlternativesError,
    alternatives,
    atom,
    implies,
    impossible_because,
    in_words,
    plain,
    words,
)
from pipelines.policy.metric_checks import RESERVED
from pipelines.policy.model import FULL_POINTS, Criterion, PolicyDocument, Rounding, Score
from pipelines.policy.numbers import rounded
from pipelines.policy.reading import KeyPath, Problem, unknown
from pipelines.policy.rows import (
    bands_of,
    bars_of_score,
    dimension_weights,
    missing_rule,
    points_limits,
    rounding_of,
    tracks_of,
)

Bounds = Mapping[tuple[str, str], Interval]
# What never comes about: the points of a criterion that stands in no track of the partner.
NOTHING = Interval(Decimal(0), Decimal(0), is_low_open=True, is_high_open=True)
ZERO = Decimal(0)


def score_problems(score: Score) -> Iterator[Problem]:
    """Everything that keeps a score from being computed."""
    seen: set[str] = set()
    for index, criterion in enumerate(score.criteria):
        path: KeyPath = ("score", "criteria", index)
        if criterion.id in seen:
            yield Problem((*path, "id"), f"{criterion.id} is the id of an earlier criterion", "an id of its own")
        if criterion.id in RESERVED:
            yield Problem((*path, "id"), f"{criterion.id} is a word of the policy language", "another name")
        seen.add(criterion.id)
        yield from _limits(path, score, criterion)
        yield from _bands((*path, "points", "bands"), criterion.points.bands or [])
        if criterion.multiplier:
            yield from _bands((*path, "multiplier", "bands"), criterion.multiplier.bands or [])
        if criterion.points.flag_points is not None and not criterion.points.flag_points:
            yield Problem((*path, "points", "flag"), "found 0", "points: without them the criterion says nothing")
        yield from _requirements(path, criterion)
    known = seen | {criterion.metric for criterion in score.criteria} | {"default"}
    for key, rule in score.missing.items():
        if key not in known:
            yield unknown(("score", "missing", key), key, known, "default, or a criterion or metric of this score")
        elif rule == "renormalise" and score.combine == "points":
            yield Problem(
                ("score", "missing", key), "found renormalise", "zero or block: a plain sum has no weights to share out"
            )
    for path, condition in bars_of_score(score):
        bar = atom(condition)
        if bar.kind not in ("metric", "attribute"):
            found = f"a condition on {words(bar)}, which is known only when the score is"
            yield Problem((*path, bar.kind), found, "conditions on metrics and attributes")
    yield from _tracks(score)
    yield from _weighted(score) if score.combine == "weighted" else _plain_sum(score)


def _limits(path: KeyPath, score: Score, criterion: Criterion) -> Iterator[Problem]:
    low, high = points_limits(score, criterion)
    if low is not None and high is not None and low >= high:
        yield Problem(path, f"min {plain(low)} and max {plain(high)} points", "min below max")
    if score.combine == "weighted":
        for key, value in (("min", criterion.min), ("max", criterion.max)):
            if value is not None and not 0 <= value <= FULL_POINTS:
                yield Problem((*path, key), f"found {plain(value)}", "0 to 100, the scale of weighted criteria")
    elif criterion.max is not None and criterion.max < 0:
        yield Problem((*path, "max"), f"found {plain(criterion.max)}", "a cap not below zero")


def _bands(path: KeyPath, bands: Iterable[Band]) -> Iterator[Problem]:
    found = resolved(list(bands))
    if isinstance(found, BandFault):
        yield Problem((*path, found.index), found.found, found.expected)


def _requirements(path: KeyPath, criterion: Criterion) -> Iterator[Problem]:
    for number, requirement in enumerate(criterion.requires):
        yield from condition_problems((*path, "requires", number), requirement, f"{criterion.id}'s requirement")


def condition_problems(path: KeyPath, condition: object, whose: str) -> Iterator[Problem]:
    """A condition that is too long to expand or that nobody can meet, whatever the score."""
    try:
        found = alternatives(condition)
    except TooManyAlternativesError as error:
        yield Problem(
            path,
            f"{whose} expands to {error.count:,} alternatives",
            f"at most {MAX_ALTERNATIVES}: fewer nested any and at_least",
        )
        return
    reasons = [impossible_because(alternative, {}) for alternative in found]
    if all(reasons):
        yield Problem(path, f"no partner can meet {whose}: {reasons[0]}", "a condition that can be met")


# --- tracks -----------------------------------------------------------------------------------------------------


def _tracks(score: Score) -> Iterator[Problem]:
    names = score.tracks or {}
    if not names and "choose" in score.model_fields_set:
        yield Problem(("score", "choose"), f"found {score.choose}, but there are no tracks", "`tracks`, or no key")
    for index, criterion in enumerate(score.criteria):
        path: KeyPath = ("score", "criteria", index, "track")
        for place, name in enumerate(criterion.tracks):
            where = path if isinstance(criterion.track, str) else (*path, place)
            if not names:
                yield Problem(where, f"found {name}, but the score has no tracks", "`tracks` in the score, or no key")
            elif name not in names:
                yield unknown(where, name, names, "a track of this score")
            elif name in criterion.tracks[:place]:
                yield Problem(where, f"{name} stands twice", "each track once")
    earlier: dict[str, tuple[Alternative, ...]] = {}
    for name, track in names.items():
        place_of = ("score", "tracks", name)
        if not any(criterion.stands_in(name) for criterion in score.criteria):
            yield Problem(place_of, "no criterion stands in it", "at least one criterion")
        if track.when is not None:
            problems = list(condition_problems((*place_of, "when"), track.when, f"{name}'s condition"))
            yield from problems
            if problems:
                continue
        found = alternatives(track.when)
        hidden = next((other for other, theirs in earlier.items() if covers(theirs, found)), None)
        if hidden and score.choose == "first_match":
            shown = f"whoever meets {in_words(track.when)}" if track.when is not None else "everybody"
            why = f"{shown} is already in {hidden}" if earlier[hidden] != ALWAYS else f"{hidden} above takes everybody"
            yield Problem(place_of, f"no partner gets here: {why}", "narrower tracks first, or choose: best")
        earlier[name] = found


def covers(higher: Iterable[Alternative], lower: Iterable[Alternative]) -> bool:
    """Whether whoever meets `lower` also meets `higher` (as far as single bars tell)."""
    wider = list(higher)
    return all(
        any(all(any(implies(mine, bar) for mine in alternative) for bar in other) for other in wider)
        for alternative in lower
    )


# --- weights ----------------------------------------------------------------------------------------------------


def _weighted(score: Score) -> Iterator[Problem]:
    if not score.dimensions:
        yield Problem(("score",), "the key `dimensions` is missing", "dimensions with weights that add up to 1")
        return
    yield from _adds_up(("score", "dimensions"), "dimension weights", score.dimensions)
    complete = True
    for index, criterion in enumerate(score.criteria):
        path: KeyPath = ("score", "criteria", index)
        for key in ("dimension", "weight"):
            if getattr(criterion, key) is None:
                complete = False
                yield Problem(path, f"the key `{key}` is missing", "a dimension and a weight in a weighted score")
        if criterion.dimension is not None and criterion.dimension not in score.dimensions:
            complete = False
            yield unknown((*path, "dimension"), criterion.dimension, score.dimensions, "a dimension of the score")
    for name in score.dimensions if complete else ():
        told: set[tuple[str, ...]] = set()
        for track in tracks_of(score):
            members = [
                (index, criterion)
                for index, criterion in enumerate(score.criteria)
                if criterion.dimension == name and criterion.stands_in(track)
            ]
            ids = tuple(criterion.id for _, criterion in members)
            if ids in told:
                continue  # the same criteria as in an earlier track
            told.add(ids)
            inside = f" in track {track}" if track else ""
            if not members:
                found = f"no criterion belongs to it{inside}"
                yield Problem(("score", "dimensions", name), found, "at least one criterion")
            else:
                weights = {criterion.id: criterion.weight or ZERO for _, criterion in members}
                place: KeyPath = ("score", "criteria", members[0][0], "weight")
                yield from _adds_up(place, f"weights within {name}{inside}", weights)


def _adds_up(path: KeyPath, what: str, weights: Mapping[str, Decimal]) -> Iterator[Problem]:
    total = sum(weights.values(), ZERO)
    if total != 1:
        difference = f"{plain(abs(total - 1))} too {'much' if total > 1 else 'little'}"
        listed = " + ".join(f"{name} {plain(weight)}" for name, weight in weights.items())
        yield Problem(path, f"{what} add up to {plain(total)} ({listed})", f"a sum of 1: {difference}")


def _plain_sum(score: Score) -> Iterator[Problem]:
    if score.dimensions:
        yield Problem(("score", "dimensions"), "a plain sum has no dimension weights", "combine: weighted, or no key")
    for index, criterion in enumerate(score.criteria):
        if criterion.weight is not None:
            path = ("score", "criteria", index, "weight")
            yield Problem(path, "a plain sum has no weights", "combine: weighted, or no key")


# --- bounds -----------------------------------------------------------------------------------------------------


def contexts(document: PolicyDocument) -> list[tuple[Bounds, tuple[Alternative, ...]]]:
    """Each way in which a partner can be scored: what the score can come to, and who is scored that way."""
    score = document.score
    if score is None:
        return [({}, ALWAYS)]
    found: list[tuple[Bounds, tuple[Alternative, ...]]] = [
        (score_bounds(document, score, name), alternatives(track.when if track else None))
        for name, track in tracks_of(score).items()
    ]
    if all(when != ALWAYS for _, when in found):  # a partner may be in no track and has no score then
        found.append((dict.fromkeys(found[0][0], NOTHING), ALWAYS))
    return found


def score_bounds(document: PolicyDocument, score: Score, track: str = "") -> dict[tuple[str, str], Interval]:
    """What the total, each dimension and each criterion can reach in a track, whatever the partner does."""
    criteria = [criterion for criterion in score.criteria if criterion.stands_in(track)]
    reach = {criterion.id: _reach(document, score, criterion) for criterion in criteria}
    bounds = {("points", criterion.id): reach.get(criterion.id, NOTHING) for criterion in score.criteria}
    dimensions = dimension_weights(score)
    if score.combine == "points":
        for name in dimensions:
            inside = [reach[criterion.id] for criterion in criteria if criterion.dimension == name]
            bounds["dimension", name] = _rounded(_sum(inside), document.rounding) if inside else NOTHING
        bounds["score", "total"] = _rounded(_sum(list(reach.values())), document.rounding)
        return bounds
    parts = []
    for name, weight in dimensions.items():
        items = []
        for criterion in criteria:
            high = reach[criterion.id].high
            if criterion.dimension == name and criterion.weight is not None and high is not None:
                items.append((criterion.weight, high, missing_rule(score, criterion) == "renormalise"))
        best = _best_mean(items)
        bounds["dimension", name] = _rounded(Interval(ZERO, best), document.rounding)
        parts.append((weight or ZERO, best, all(can_be_left_out for _, _, can_be_left_out in items)))
    bounds["score", "total"] = _rounded(Interval(ZERO, _best_mean(parts)), document.rounding)
    return bounds


def _reach(document: PolicyDocument, score: Score, criterion: Criterion) -> Interval:
    """The points a criterion can give; 0 is always among them: for a failed requirement, for a value nobody knows."""
    low, high = points_limits(score, criterion)
    raw = _times(_raw(criterion, high), _factors(criterion))
    allowed = Interval(_clipped(raw.low, low, high, low), _clipped(raw.high, low, high, high))
    digits, mode = rounding_of(document, criterion)
    return Interval(
        None if allowed.low is None else rounded(allowed.low, digits, mode),
        None if allowed.high is None else rounded(allowed.high, digits, mode),
    ).hull(Interval(ZERO, ZERO))


def _clipped(
    end: Decimal | None, low: Decimal | None, high: Decimal | None, open_end: Decimal | None
) -> Decimal | None:
    if end is None:
        return open_end
    end = end if low is None else max(end, low)
    return end if high is None else min(end, high)


def _raw(criterion: Criterion, high: Decimal | None) -> Interval:
    points = criterion.points
    if points.range or points.percentile:
        return Interval(ZERO, FULL_POINTS if high is None else high)
    if points.flag_points is not None:
        return Interval(points.flag_points, points.flag_points).hull(Interval(ZERO, ZERO))
    if points.bands:
        return _worth(bands_of(criterion)["points"], ZERO)
    return Interval()


def _factors(criterion: Criterion) -> Interval:
    if criterion.multiplier is None:
        return Interval(Decimal(1), Decimal(1))
    if criterion.multiplier.bands is None:
        return Interval()
    return _worth(bands_of(criterion)["multiplier"], Decimal(1))


def _worth(steps: list[Step], otherwise: Decimal) -> Interval:
    worths = [step.worth for step in steps] + ([otherwise] if leaves_gaps(steps) else [])
    return Interval(min(worths), max(worths))


def _times(raw: Interval, factor: Interval) -> Interval:
    if raw.low == 0 == raw.high or factor.low == 0 == factor.high:
        return Interval(ZERO, ZERO)
    if factor.low is None or factor.high is None:
        return Interval()
    if raw.low is None or raw.high is None:
        return Interval(
            None if raw.low is None else min(raw.low * factor.low, raw.low * factor.high),
            None if raw.high is None else max(raw.high * factor.low, raw.high * factor.high),
        )
    corners = [one * other for one in (raw.low, raw.high) for other in (factor.low, factor.high)]
    return Interval(min(corners), max(corners))


def _rounded(interval: Interval, rounding: Rounding) -> Interval:
    return Interval(
        None if interval.low is None else rounded(interval.low, rounding.digits, rounding.mode),
        None if interval.high is None else rounded(interval.high, rounding.digits, rounding.mode),
    )


def _sum(intervals: list[Interval]) -> Interval:
    lows = [interval.low for interval in intervals if interval.low is not None]
    highs = [interval.high for interval in intervals if interval.high is not None]
    return Interval(
        sum(lows, ZERO) if len(lows) == len(intervals) else None,
        sum(highs, ZERO) if len(highs) == len(intervals) else None,
    )


def _best_mean(items: list[tuple[Decimal, Decimal, bool]]) -> Decimal:
    """The highest weighted mean of (weight, value, may be left out): an unknown part's weight goes to the others."""
    weight = sum((w for w, _, optional in items if not optional), ZERO)
    total = sum((w * value for w, value, optional in items if not optional), ZERO)
    for w, value, optional in sorted(items, key=lambda item: -item[1]):
        if optional and (not weight or value * weight > total):
            weight, total = weight + w, total + w * value
    return total / weight if weight else ZERO

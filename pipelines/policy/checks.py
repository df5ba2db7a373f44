"""Whether a policy makes sense: its parts against each other, against the metric catalogue, against other versions.

Shapes and single values were judged before (`model.py`, `parts.py`); here every finding is a `Problem` with the key
path to mend, so that one reading of a file shows all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal

from pipelines.policy.conditions import (
    MAX_ALTERNATIVES,
    Alternative,
    Atom,
    Interval,
    TooManyAlternativesError,
    alternatives,
    atom,
    implies,
    impossible_because,
    passes,
    plain,
    words,
)
from pipelines.policy.model import FULL_POINTS, Buffered, Criterion, Example, Ladder, PolicyDocument, Score
from pipelines.policy.parts import nearest
from pipelines.policy.reading import KeyPath, Problem
from pipelines.policy.rows import bars_of, dimension_weights, flat_benefits, missing_rule, points_limits, used_metrics

# The texts about a partner that conditions and peer groups may use.
ATTRIBUTES = ("region", "country", "industry", "motion", "program_group")

Normal = dict[str, list[tuple[Alternative, ...]]]
SCORE_KINDS = ("score", "dimension", "points")


def problems_of(
    document: PolicyDocument, catalogue: Collection[str], attributes: Collection[str] = ATTRIBUTES
) -> list[Problem]:
    """Everything that is wrong with a policy of the right shape."""
    found = list(_metrics(document, catalogue))
    found += _attributes(document, attributes)
    bounds: dict[tuple[str, str], Interval] = {}
    if document.score:
        found += _score(document.score)
        bounds = score_bounds(document.score)
    normal: Normal = {}
    for name, ladder in document.ladders.items():
        found += _ladder_shape(name, ladder, document.score)
        found += _subjects(name, ladder, document.score)
        expanded = list(_expanded(name, ladder))
        found += [problem for problem in expanded if isinstance(problem, Problem)]
        if len(kept := [item for item in expanded if not isinstance(item, Problem)]) == len(ladder.levels):
            normal[name] = kept
    if not found:  # what follows reasons with weights, names and levels that the checks above have confirmed
        for name, levels in normal.items():
            found += _reach(name, document.ladders[name], levels, bounds)
    found += _guardrails(document)
    found += _entitlements(document)
    if not found:
        for index, example in enumerate(document.examples):
            found += _example(index, example, document, normal, catalogue, attributes)
    return found


# --- names ------------------------------------------------------------------------------------------------------


def _unknown(path: KeyPath, name: str, known: Collection[str], what: str) -> Problem:
    listed = f" ({', '.join(sorted(known))})" if 0 < len(known) <= 12 else ""
    return Problem(path, f'found the text "{name}"', f"{what}{listed}", nearest(name, known))


def _metrics(document: PolicyDocument, catalogue: Collection[str]) -> Iterator[Problem]:
    for path, metric in used_metrics(document):
        if metric not in catalogue:
            yield _unknown(path, metric, catalogue, f"one of the {len(catalogue)} metrics of the catalogue")


def _attributes(document: PolicyDocument, attributes: Collection[str]) -> Iterator[Problem]:
    groups: list[tuple[KeyPath, list[str]]] = []
    for index, criterion in enumerate(document.score.criteria if document.score else []):
        if criterion.points.percentile:
            groups.append(
                (("score", "criteria", index, "points", "percentile", "within"), criterion.points.percentile.within)
            )
    for name, ladder in document.ladders.items():
        for path, condition in bars_of(name, ladder):
            bar = atom(condition)
            if bar.kind == "attribute" and bar.subject not in attributes:
                yield _unknown((*path, "attribute"), bar.subject, attributes, "an attribute of partners")
            if bar.kind == "top_share":
                groups.append(((*path, "top_share", "within"), list(bar.within)))
    for path, within in groups:
        for index, attribute in enumerate(within):
            if attribute not in attributes:
                yield _unknown((*path, index), attribute, attributes, "an attribute of partners")
            elif attribute in within[:index]:
                yield Problem((*path, index), f"{attribute} stands twice", "each attribute once")


def _subjects(name: str, ladder: Ladder, score: Score | None) -> Iterator[Problem]:
    criteria = {criterion.id for criterion in score.criteria} if score else set()
    dimensions = set(dimension_weights(score)) if score else set()
    for path, condition in bars_of(name, ladder):
        bar = atom(condition)
        if bar.kind in SCORE_KINDS and score is None:
            expected = "`score` in this policy, or a condition on a metric"
            yield Problem((*path, bar.kind), f"a condition on {words(bar)}, but there is no score", expected)
        elif bar.kind == "dimension" and bar.subject not in dimensions:
            yield _unknown((*path, "dimension"), bar.subject, dimensions, "a dimension of the score")
        elif bar.kind == "points" and bar.subject not in criteria:
            yield _unknown((*path, "points"), bar.subject, criteria, "the id of a criterion")


# --- score ------------------------------------------------------------------------------------------------------


def _score(score: Score) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, criterion in enumerate(score.criteria):
        path: KeyPath = ("score", "criteria", index)
        if criterion.id in seen:
            yield Problem((*path, "id"), f"{criterion.id} is the id of an earlier criterion", "an id of its own")
        seen.add(criterion.id)
        yield from _criterion_limits(path, score, criterion)
    known = seen | {criterion.metric for criterion in score.criteria} | {"default"}
    for key, rule in score.missing.items():
        if key not in known:
            yield _unknown(("score", "missing", key), key, known, "default, or a criterion or metric of this score")
        elif rule == "renormalise" and score.combine == "points":
            yield Problem(
                ("score", "missing", key), "found renormalise", "zero or block: a plain sum has no weights to share out"
            )
    yield from _weighted(score) if score.combine == "weighted" else _plain_sum(score)


def _criterion_limits(path: KeyPath, score: Score, criterion: Criterion) -> Iterator[Problem]:
    low, high = points_limits(score, criterion)
    if low is not None and high is not None and low >= high:
        yield Problem(path, f"min {plain(low)} and max {plain(high)} points", "min below max")
    if score.combine == "weighted" or criterion.points.kind != "per_unit":
        for key, value in (("min", criterion.min), ("max", criterion.max)):
            if value is not None and not 0 <= value <= FULL_POINTS:
                why = "weighted criteria" if score.combine == "weighted" else f"{criterion.points.kind} points"
                yield Problem((*path, key), f"found {plain(value)}", f"0 to 100, the scale of {why}")


def _weighted(score: Score) -> Iterator[Problem]:
    if not score.dimensions:
        yield Problem(("score",), "the key `dimensions` is missing", "dimensions with weights that add up to 1")
        return
    yield from _adds_up(("score", "dimensions"), "dimension weights", score.dimensions)
    within: dict[str, dict[str, Decimal]] = {name: {} for name in score.dimensions}
    complete = True
    for index, criterion in enumerate(score.criteria):
        path: KeyPath = ("score", "criteria", index)
        for key in ("dimension", "weight"):
            if getattr(criterion, key) is None:
                complete = False
                yield Problem(path, f"the key `{key}` is missing", "a dimension and a weight in a weighted score")
        if criterion.dimension is not None and criterion.dimension not in within:
            complete = False
            yield _unknown((*path, "dimension"), criterion.dimension, score.dimensions, "a dimension of the score")
        elif criterion.dimension is not None and criterion.weight is not None:
            within[criterion.dimension][criterion.id] = criterion.weight
    for name, weights in within.items() if complete else ():
        if not weights:
            yield Problem(("score", "dimensions", name), "no criterion belongs to it", "at least one criterion")
        else:
            first = next(i for i, criterion in enumerate(score.criteria) if criterion.dimension == name)
            yield from _adds_up(("score", "criteria", first, "weight"), f"weights within {name}", weights)


def _adds_up(path: KeyPath, what: str, weights: Mapping[str, Decimal]) -> Iterator[Problem]:
    total = sum(weights.values(), Decimal(0))
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


def score_bounds(score: Score) -> dict[tuple[str, str], Interval]:
    """What the total, each dimension and each criterion can reach, whatever the partner does."""
    reach = {criterion.id: Interval(*points_limits(score, criterion)) for criterion in score.criteria}
    # A criterion whose `requires` fails gives 0 points, whatever its minimum.
    reach = {name: Interval(None if i.low is None else min(i.low, Decimal(0)), i.high) for name, i in reach.items()}
    bounds = {("points", name): interval for name, interval in reach.items()}
    dimensions = dimension_weights(score)
    if score.combine == "points":
        for name in dimensions:
            bounds[("dimension", name)] = _sum([reach[c.id] for c in score.criteria if c.dimension == name])
        bounds[("score", "total")] = _sum(list(reach.values()))
        return bounds
    parts = []
    for name, weight in dimensions.items():
        items = []
        for criterion in score.criteria:
            high = reach[criterion.id].high
            if criterion.dimension == name and criterion.weight is not None and high is not None:
                items.append((criterion.weight, high, missing_rule(score, criterion) == "renormalise"))
        best = _best_mean(items)
        bounds[("dimension", name)] = Interval(Decimal(0), best)
        parts.append((weight or Decimal(0), best, all(can_be_left_out for _, _, can_be_left_out in items)))
    bounds[("score", "total")] = Interval(Decimal(0), _best_mean(parts))
    return bounds


def _sum(intervals: list[Interval]) -> Interval:
    lows = [interval.low for interval in intervals if interval.low is not None]
    highs = [interval.high for interval in intervals if interval.high is not None]
    return Interval(
        sum(lows, Decimal(0)) if len(lows) == len(intervals) else None,
        sum(highs, Decimal(0)) if len(highs) == len(intervals) else None,
    )


def _best_mean(items: list[tuple[Decimal, Decimal, bool]]) -> Decimal:
    """The highest weighted mean of (weight, value, may be left out): an unknown part's weight goes to the others."""
    weight = sum((w for w, _, optional in items if not optional), Decimal(0))
    total = sum((w * value for w, value, optional in items if not optional), Decimal(0))
    for w, value, optional in sorted(items, key=lambda item: -item[1]):
        if optional and (not weight or value * weight > total):
            weight, total = weight + w, total + w * value
    return total / weight if weight else Decimal(0)


# --- ladders ----------------------------------------------------------------------------------------------------


def _ladder_shape(name: str, ladder: Ladder, score: Score | None) -> Iterator[Problem]:
    base: KeyPath = ("ladders", name, "levels")
    seen: dict[str, int] = {}
    last = len(ladder.levels) - 1
    has_outside = any(level.outside for level in ladder.levels)
    for index, level in enumerate(ladder.levels):
        path = (*base, index)
        if level.level.casefold() in seen:
            earlier = ladder.levels[seen[level.level.casefold()]].level
            found = f"{level.level} is already the name of levels[{seen[level.level.casefold()]}] ({earlier})"
            yield Problem((*path, "level"), found, "a name of its own")
        seen.setdefault(level.level.casefold(), index)
        if level.outside and index != last:
            yield Problem((*path, "outside"), f"{level.level} is outside but not the last level", "it to be the last")
        if level.outside and level.enter is not None:
            yield Problem((*path, "enter"), f"{level.level} is outside", "no condition: it is what is left")
        if index == last and not level.outside and level.enter is not None:
            expected = "no condition, or a level with `outside: true` after it, for partners who meet no other level"
            yield Problem((*path, "enter"), f"{level.level} is the last level", expected)
        if level.capacity is not None and index == last:
            expected = "no capacity: it takes whoever finds no other place"
            yield Problem((*path, "capacity"), f"{level.level} is the last level", expected)
        elif level.capacity is not None and score is None:
            found = "capacity takes the best by total score, but there is no score"
            yield Problem((*path, "capacity"), found, "`score` in this policy, or no capacity")
    if ladder.gate is not None and not has_outside:
        found = "a gate needs a place for partners who do not pass it"
        yield Problem(("ladders", name, "gate"), found, "a last level with `outside: true`")


def _expanded(name: str, ladder: Ladder) -> Iterator[tuple[Alternative, ...] | Problem]:
    for index, level in enumerate(ladder.levels):
        try:
            yield alternatives(None if level.outside else ladder.gate, level.enter)
        except TooManyAlternativesError as error:
            path = ("ladders", name, "levels", index, "enter") if level.enter is not None else ("ladders", name, "gate")
            gate = " together with the gate" if ladder.gate is not None else ""
            yield Problem(
                path,
                f"{level.level}'s condition{gate} expands to {error.count:,} alternatives",
                f"at most {MAX_ALTERNATIVES}: fewer nested any and at_least",
            )


def _reach(
    name: str, ladder: Ladder, normal: list[tuple[Alternative, ...]], bounds: Mapping[tuple[str, str], Interval]
) -> Iterator[Problem]:
    for index, level in enumerate(ladder.levels):
        path: KeyPath = ("ladders", name, "levels", index)
        if level.enter is not None:
            path = (*path, "enter")
        reasons = [impossible_because(alternative, bounds) for alternative in normal[index]]
        if all(reasons):
            yield Problem(path, f"no partner can reach {level.level}: {reasons[0]}", "a condition that can be met")
            continue
        falling = _falling_bar(normal, index)
        if falling:
            higher, upper_bar, lower_bar = falling
            found = (
                f"{level.level} needs {words(lower_bar)}, but the higher level {ladder.levels[higher].level} "
                f"only {words(upper_bar)}"
            )
            yield Problem(path, found, "bars that rise with the level")
            continue
        above = [higher for higher in range(index) if _covers(normal[higher], normal[index])]
        open_above = next((higher for higher in range(index) if () in normal[higher]), None)
        if open_above is not None:
            found = f"no partner can reach {level.level}: {ladder.levels[open_above].level} above has no condition"
            yield Problem(path, found, "a condition on every level but the last")
        elif above or (
            index and _covers([alternative for higher in normal[:index] for alternative in higher], normal[index])
        ):
            names = ladder.levels[above[0]].level if above else "a higher level"
            found = f"no partner can reach {level.level}: whoever meets its condition already meets {names}'s"
            yield Problem(path, found, "a condition that is easier to meet than those above")
    yield from _buffer(name, ladder, normal, bounds)


def _covers(higher: list[Alternative] | tuple[Alternative, ...], lower: tuple[Alternative, ...]) -> bool:
    """Whether whoever meets `lower` also meets `higher` (as far as single bars tell)."""
    return all(
        any(all(any(implies(mine, bar) for mine in alternative) for bar in other) for other in higher)
        for alternative in lower
    )


def _falling_bar(normal: list[tuple[Alternative, ...]], index: int) -> tuple[int, Atom, Atom] | None:
    """A higher level with an easier bar on something that both levels ask for in every alternative."""
    mine = _necessary(normal[index])
    for higher in range(index - 1, -1, -1):
        theirs = _necessary(normal[higher])
        for key, bar in mine.items():
            other = theirs.get(key)
            if other is not None and implies(bar, other) and not implies(other, bar):
                return higher, other, bar
    return None


def _necessary(found: tuple[Alternative, ...]) -> dict[tuple[object, ...], Atom]:
    """The easiest bar per subject and direction, of those that every alternative sets."""
    per_alternative: list[dict[tuple[object, ...], Atom]] = []
    for alternative in found:
        bars: dict[tuple[object, ...], Atom] = {}
        for bar in alternative:
            key = _direction(bar)
            if key is not None and (key not in bars or implies(bar, bars[key])):
                bars[key] = bar
        per_alternative.append(bars)
    easiest: dict[tuple[object, ...], Atom] = {}
    for key in per_alternative[0] if per_alternative else ():
        if all(key in bars for bars in per_alternative):
            bar = per_alternative[0][key]
            for bars in per_alternative[1:]:
                bar = bars[key] if implies(bar, bars[key]) else bar
            easiest[key] = bar
    return easiest


def _direction(bar: Atom) -> tuple[object, ...] | None:
    if bar.kind == "top_share":
        return ("top_share", bar.subject, bar.of, frozenset(bar.within), bar.round_digits, bar.ties)
    if bar.operator in ("at_least", "above"):
        return (bar.kind, bar.subject, "low")
    if bar.operator in ("at_most", "below"):
        return (bar.kind, bar.subject, "high")
    return None


def _buffer(
    name: str, ladder: Ladder, normal: list[tuple[Alternative, ...]], bounds: Mapping[tuple[str, str], Interval]
) -> Iterator[Problem]:
    movement = ladder.movement
    if not isinstance(movement, Buffered) or not movement.buffer:
        return
    path: KeyPath = ("ladders", name, "movement", "buffer")
    bars = [bar for level in normal for alternative in level for bar in alternative if bar.kind in SCORE_KINDS]
    if not bars:
        found = f"found {plain(movement.buffer)}, but no level asks for a score"
        yield Problem(path, found, "no buffer: it raises and lowers score bars only")
    for index, level in enumerate(normal):
        raised = [tuple(_raised(bar, movement.buffer) for bar in alternative) for alternative in level]
        reasons = [impossible_because(alternative, bounds) for alternative in raised]
        if all(reasons):
            found = f"with a buffer of {plain(movement.buffer)} nobody can rise to {ladder.levels[index].level}"
            yield Problem(path, f"{found}: {reasons[0]}", "a smaller buffer or a lower bar")


def _raised(bar: Atom, buffer: Decimal) -> Atom:
    if bar.kind not in SCORE_KINDS or bar.value is None or bar.operator == "equals":
        return bar
    step = buffer if bar.operator in ("at_least", "above") else -buffer
    return Atom(bar.kind, bar.subject, bar.operator, bar.value + step)


def _guardrails(document: PolicyDocument) -> Iterator[Problem]:
    for name, ladder in document.ladders.items():
        known = [level.level for level in ladder.levels]
        for level in ladder.guardrails.max_share:
            if level not in known:
                yield _unknown(("ladders", name, "guardrails", "max_share", level), level, known, f"a level of {name}")


def _entitlements(document: PolicyDocument) -> Iterator[Problem]:
    known = [f"{name}.{level.level}" for name, ladder in document.ladders.items() for level in ladder.levels]
    for place in document.entitlements:
        if place not in known:
            yield _unknown(("entitlements", place), place, known, "ladder.level")
        names = [name for name, _ in flat_benefits(document.entitlements[place])]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Problem(("entitlements", place), f"{name} is said twice", "each benefit once")


# --- examples ---------------------------------------------------------------------------------------------------


def _example(
    index: int,
    example: Example,
    document: PolicyDocument,
    normal: Normal,
    catalogue: Collection[str],
    attributes: Collection[str],
) -> Iterator[Problem]:
    path: KeyPath = ("examples", index)
    known = {*catalogue, *attributes}
    sound = True
    for fact, value in example.facts.items():
        place = (*path, "facts", fact)
        if fact not in known:
            sound = False
            yield _unknown(place, fact, known, "a metric of the catalogue or an attribute of partners")
        elif (fact in attributes) != isinstance(value, str):
            sound = False
            yield Problem(place, f"found {value}", "a text" if fact in attributes else "a number without quotes")
    for name, level in example.expect.items():
        place = (*path, "expect", name)
        if name not in document.ladders:
            yield _unknown(place, name, document.ladders, "a ladder of this policy")
        elif level not in (levels := [each.level for each in document.ladders[name].levels]):
            yield _unknown(place, level, levels, f"a level of {name}")
        elif sound:
            yield from _contradiction(place, example, level, levels, normal[name])


def _contradiction(
    path: KeyPath, example: Example, expected: str, levels: list[str], normal: list[tuple[Alternative, ...]]
) -> Iterator[Problem]:
    for level, found in zip(levels, normal, strict=True):
        outcome = passes(found, example.facts)
        if outcome is None:
            why = next(bar for alternative in found for bar in alternative if bar.kind not in ("metric", "attribute"))
            problem = f"facts alone do not decide it: {level} asks for {words(why)}"
            yield Problem(path, problem, "an example of a ladder with conditions on metrics and attributes only")
            return
        if outcome:
            if level != expected:
                yield Problem(path, f"the example expects {expected}, the rules give {level}", "them to agree")
            return

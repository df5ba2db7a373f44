"""Whether a policy makes sense: its parts against each other, against the metric catalogue, against other versions.

Shapes and single values were judged before (`model.py`, `parts.py`); here every finding is a `Problem` with the key
path to mend, so that one reading of a file shows all of them. Ladders are judged here, metrics in `metric_checks.py`,
scores in `score_checks.py`, worked examples in `examples.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal

from pipelines.policy.conditions import (
    MAX_ALTERNATIVES,
    Alternative,
    Atom,
    TooManyAlternativesError,
    alternatives,
    atom,
    implies,
    impossible_because,
    plain,
    words,
)
from pipelines.policy.examples import Normal, example_problems
from pipelines.policy.metric_checks import metric_problems
from pipelines.policy.model import Buffered, Ladder, PolicyDocument, Score
from pipelines.policy.reading import KeyPath, Problem, unknown
from pipelines.policy.rows import bars_of, bars_of_score, dimension_weights, flat_benefits
from pipelines.policy.score_checks import Bounds, contexts, covers, score_problems

# The texts about a partner that conditions and peer groups may use.
ATTRIBUTES = ("region", "country", "industry", "motion", "program_group")

Ways = list[tuple[Bounds, tuple[Alternative, ...]]]
SCORE_KINDS = ("score", "dimension", "points")


def problems_of(
    document: PolicyDocument, catalogue: Collection[str], attributes: Collection[str] = ATTRIBUTES
) -> list[Problem]:
    """Everything that is wrong with a policy of the right shape."""
    found = list(metric_problems(document, catalogue, attributes))
    found += _attributes(document, attributes)
    if document.score:
        found += score_problems(document.score)
    normal: Normal = {}
    for name, ladder in document.ladders.items():
        found += _ladder_shape(name, ladder, document.score)
        found += _subjects(name, ladder, document.score)
        expanded = list(_expanded(name, ladder))
        found += [problem for problem in expanded if isinstance(problem, Problem)]
        if len(kept := [item for item in expanded if not isinstance(item, Problem)]) == len(ladder.levels):
            normal[name] = kept
    if not found:  # what follows reasons with weights, names and levels that the checks above have confirmed
        ways = contexts(document)
        for name, levels in normal.items():
            found += _reach(name, document.ladders[name], levels, ways)
    found += _guardrails(document)
    found += _entitlements(document)
    if not found:
        for index, example in enumerate(document.examples):
            found += example_problems(index, example, document, normal, catalogue, attributes)
    return found


# --- names ------------------------------------------------------------------------------------------------------


def _attributes(document: PolicyDocument, attributes: Collection[str]) -> Iterator[Problem]:
    groups: list[tuple[KeyPath, list[str]]] = []
    for index, criterion in enumerate(document.score.criteria if document.score else []):
        if criterion.points.percentile:
            groups.append(
                (("score", "criteria", index, "points", "percentile", "within"), criterion.points.percentile.within)
            )
    bars = list(bars_of_score(document.score))
    for name, ladder in document.ladders.items():
        bars += bars_of(name, ladder)
    for path, condition in bars:
        bar = atom(condition)
        if bar.kind == "attribute" and bar.subject not in attributes:
            yield unknown((*path, "attribute"), bar.subject, attributes, "an attribute of partners")
        if bar.kind == "top_share":
            groups.append(((*path, "top_share", "within"), list(bar.within)))
    for path, within in groups:
        for index, attribute in enumerate(within):
            if attribute not in attributes:
                yield unknown((*path, index), attribute, attributes, "an attribute of partners")
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
            yield unknown((*path, "dimension"), bar.subject, dimensions, "a dimension of the score")
        elif bar.kind == "points" and bar.subject not in criteria:
            yield unknown((*path, "points"), bar.subject, criteria, "the id of a criterion")


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


def _impossible(level: Iterable[Alternative], ways: Ways) -> str:
    """Why nobody can meet any of these alternatives in any way of being scored ("" if somebody may)."""
    reasons = [
        impossible_because((*alternative, *who), bounds)
        for bounds, when in ways
        for alternative in level
        for who in when
    ]
    return reasons[0] if all(reasons) else ""


def _reach(name: str, ladder: Ladder, normal: list[tuple[Alternative, ...]], ways: Ways) -> Iterator[Problem]:
    for index, level in enumerate(ladder.levels):
        path: KeyPath = ("ladders", name, "levels", index)
        if level.enter is not None:
            path = (*path, "enter")
        if reason := _impossible(normal[index], ways):
            yield Problem(path, f"no partner can reach {level.level}: {reason}", "a condition that can be met")
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
        above = [higher for higher in range(index) if covers(normal[higher], normal[index])]
        open_above = next((higher for higher in range(index) if () in normal[higher]), None)
        if open_above is not None:
            found = f"no partner can reach {level.level}: {ladder.levels[open_above].level} above has no condition"
            yield Problem(path, found, "a condition on every level but the last")
        elif above or (
            index and covers([alternative for higher in normal[:index] for alternative in higher], normal[index])
        ):
            names = ladder.levels[above[0]].level if above else "a higher level"
            found = f"no partner can reach {level.level}: whoever meets its condition already meets {names}'s"
            yield Problem(path, found, "a condition that is easier to meet than those above")
    yield from _buffer(name, ladder, normal, ways)


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


def _buffer(name: str, ladder: Ladder, normal: list[tuple[Alternative, ...]], ways: Ways) -> Iterator[Problem]:
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
        if reason := _impossible(raised, ways):
            found = f"with a buffer of {plain(movement.buffer)} nobody can rise to {ladder.levels[index].level}"
            yield Problem(path, f"{found}: {reason}", "a smaller buffer or a lower bar")


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
                yield unknown(("ladders", name, "guardrails", "max_share", level), level, known, f"a level of {name}")


def _entitlements(document: PolicyDocument) -> Iterator[Problem]:
    known = [f"{name}.{level.level}" for name, ladder in document.ladders.items() for level in ladder.levels]
    for place in document.entitlements:
        if place not in known:
            yield unknown(("entitlements", place), place, known, "ladder.level")
        names = [name for name, _ in flat_benefits(document.entitlements[place])]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Problem(("entitlements", place), f"{name} is said twice", "each benefit once")
        for inside, number in _numbers_of(document.entitlements[place]):
            if number < 0:
                yield Problem(("entitlements", place, *inside), f"found {plain(number)}", "a benefit not below zero")


def _numbers_of(benefits: Mapping[str, object], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Decimal]]:
    for name, value in benefits.items():
        if isinstance(value, dict):
            yield from _numbers_of(value, (*path, name))
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            yield (*path, name), Decimal(value)

"""Getting less by doing more: steps towards the better that cost points, a level or a better track, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipelines.policy.conditions import atom, plain, walk
from pipelines.policy.model import PolicyDocument
from pipelines.policy.reading import KeyPath
from pipelines.policy_review.case import Case, Suspect, holds, move
from pipelines.policy_review.engine import Outcome
from pipelines.policy_review.facts import ONE, ZERO, Facts, Row, Value
from pipelines.policy_review.findings import Finding, Partner
from pipelines.policy_review.search import Claim, Step


@dataclass(frozen=True)
class Cause:
    """Why a step towards the better costs something: the place in the policy that makes it so.

    `subject` is the metric that is read there, `criterion` the one whose points fall (empty: a condition is missed).
    """

    kind: str
    path: KeyPath
    measure: str
    subject: str = ""
    criterion: str = ""


class Losses:
    """The steps that cost something, by cause."""

    def __init__(self, case: Case, steps: Sequence[Step]) -> None:
        self._case = case
        self._by_cause: dict[Cause, list[Step]] = {}
        for step in steps:
            for cause in _causes(case, step):
                self._by_cause.setdefault(cause, []).append(step)

    def worth_a_line(self) -> list[tuple[Step, set[str]]]:
        """For each cause that costs points only so far, its worst step with the facts that it needs.

        Partners who stand just above a bar may lose a level by the same step.
        """
        if not self._case.reads_scores():
            return []
        return [(_worst(cause, steps), self._case.facts_of(cause.criterion)) for cause, steps in self._open()]

    def add(self, found: Sequence[Sequence[Step]]) -> None:
        """Take in what came of `worth_a_line`, in its order."""
        for (cause, known), steps in zip(self._open() if found else (), found, strict=True):
            known += [step for step in steps if step.lost() and cause in set(_causes(self._case, step))]

    def _open(self) -> list[tuple[Cause, list[Step]]]:
        return [
            (cause, steps)
            for cause, steps in self._by_cause.items()
            if cause.criterion and not any(step.lost() for step in steps)
        ]

    def measures(self) -> set[str]:
        """The metrics whose steps cost something."""
        return {step.measure.name for steps in self._by_cause.values() for step in steps}

    def suspects(self) -> list[Suspect]:
        """The worst step of every cause; of one place and kind only the heaviest is told."""
        return [self._suspect(cause, _worst(cause, steps)) for cause, steps in self._by_cause.items()]

    def _suspect(self, cause: Cause, step: Step) -> Suspect:
        return Suspect(
            step,
            _loss(cause),
            lambda narrow: _claim(cause, narrow),
            lambda narrow, claim: _finding(self._case, cause, narrow, claim),
            (cause.kind, cause.path),
        )


def _loss(cause: Cause) -> Callable[[Step], tuple[int, Decimal]]:
    """How much a step costs: levels first, then points of the criterion that is at fault."""

    def weight(step: Step) -> tuple[int, Decimal]:
        levels = sum(max(step.became.levels[name] - rank, 0) for name, rank in step.was.levels.items())
        was, now = step.was.points.get(cause.criterion), step.became.points.get(cause.criterion)
        return levels, max(was - now, ZERO) if was is not None and now is not None else ZERO

    return weight


def _worst(cause: Cause, steps: Sequence[Step]) -> Step:
    """The step that costs most; of equal ones the smallest."""
    loss = _loss(cause)
    return max(steps, key=lambda step: (*loss(step), -step.width))


def _causes(case: Case, step: Step) -> Iterator[Cause]:
    was, became = step.was.total, step.became.total
    is_less = bool(step.lost()) or (was is not None and became is not None and became < was)
    fewer = step.fewer_points() if is_less else []
    if step.was.track != step.became.track:
        if step.lost() and step.was.track is not None and step.became.track is not None:
            yield Cause("track_loses", ("score", "tracks"), step.measure.name)
        return
    for name in fewer:
        yield from _cause_in_criterion(case, step, name)
    for ladder in step.lost():
        yield from _cause_in_conditions(case, step, ladder)


def _cause_in_criterion(case: Case, step: Step, name: str) -> Iterator[Cause]:
    space, measure = case.space, step.measure.name
    path = case.criterion(name)
    row = next(each for each in case.rows["criteria"] if each["criterion"] == name)
    before, after = space.values(step.before), space.values(step.after)
    for index, alternatives in sorted(case.requirements(name).items()):
        if _hold(alternatives, before) and not _hold(alternatives, after):
            yield Cause("loses_by_more", (*path, "requires", index - 1), measure, criterion=name)
            return
    multiplier = row["multiplier_metric"]
    if not any(space.is_made_of(metric, measure) for metric in (row["metric"], multiplier)):
        return  # a requirement is met now and lets in points below 0: a deduction that somebody wrote on purpose
    if multiplier and space.is_made_of(multiplier, measure) and _factor(case, row, after) < _factor(case, row, before):
        yield _in_formula(case, multiplier, step, (*path, "multiplier"), name)
        return
    value = after.get(row["metric"])
    if row["kind"] == "bands" and isinstance(value, Decimal) and _is_gap(case, name, value):
        yield Cause("gap", (*path, "points", "bands"), measure, subject=row["metric"], criterion=name)
        return
    yield _in_formula(case, row["metric"], step, (*path, "points", row["kind"]), name)


def _in_formula(case: Case, metric: str, step: Step, path: KeyPath, criterion: str) -> Cause:
    """The derived metric that turns more into less, or the place that reads the metric itself."""
    for derived in case.space.derived.values():
        if derived.name != metric and not case.space.is_made_of(metric, derived.name):
            continue
        turned = [
            operand
            for operand in derived.operands[1:]
            if isinstance(operand, str) and case.space.is_made_of(operand, step.measure.name)
        ]
        if turned and derived.operation in ("ratio", "difference"):
            kind = "ratio_falls" if derived.operation == "ratio" else "loses_by_more"
            place: KeyPath = ("derived", derived.name, derived.operation)
            return Cause(kind, place, step.measure.name, subject=derived.name, criterion=criterion)
    return Cause("loses_by_more", path, step.measure.name, subject=metric, criterion=criterion)


def _cause_in_conditions(case: Case, step: Step, ladder: str) -> Iterator[Cause]:
    space = case.space
    before, after = space.values(step.before), space.values(step.after)
    rank = step.was.levels[ladder]
    for row in case.rows.get("level_conditions", ()):
        if (row["ladder"], row["rank"]) != (ladder, rank) or row["kind"] != "metric":
            continue
        if not space.is_made_of(row["subject"], step.measure.name):
            continue
        if holds(row, before) and not holds(row, after):
            path = _condition_path(case.document, ladder, rank, row)
            yield _in_formula(case, row["subject"], step, path, "")


def _condition_path(document: PolicyDocument, ladder: str, rank: int, row: Row) -> KeyPath:
    """Where a condition of a level stands: in the level, or in the gate."""
    level: KeyPath = ("ladders", ladder, "levels", rank - 1, "enter")
    places = [(document.ladders[ladder].levels[rank - 1].enter, level)]
    places.append((document.ladders[ladder].gate, ("ladders", ladder, "gate")))
    for condition, path in places:
        for place, bar in walk(condition, path) if condition is not None else ():
            found = atom(bar)
            if (found.kind, found.subject, found.operator) == (row["kind"], row["subject"], row["operator"]) and (
                found.value == row["value"]
            ):
                return place
    return level


def _hold(alternatives: list[list[Row]], values: Mapping[str, Value]) -> bool:
    return any(all(holds(row, values) for row in rows) for rows in alternatives)


def _bands(case: Case, criterion: str, purpose: str) -> list[Row]:
    found = [
        row
        for row in case.rows.get("criterion_bands", ())
        if row["criterion"] == criterion and row["purpose"] == purpose
    ]
    return sorted(found, key=lambda row: (row["low"] is not None, row["low"] or ZERO))


def _is_inside(row: Row, value: Decimal) -> bool:
    low, high = row["low"], row["high"]
    above = low is None or value > low or (value == low and not row["is_low_open"])
    return above and (high is None or value < high or (value == high and not row["is_high_open"]))


def _is_gap(case: Case, criterion: str, value: Decimal) -> bool:
    """Whether the value lies in no band while bands on both sides give points."""
    bands = _bands(case, criterion, "points")
    if any(_is_inside(row, value) for row in bands):
        return False
    below = any(row["high"] is not None and row["high"] <= value and row["value"] > 0 for row in bands)
    return below and any(row["low"] is not None and row["low"] >= value and row["value"] > 0 for row in bands)


def _gap_in_words(case: Case, cause: Cause, inside: Partner) -> str:
    """` (5 to 8)`: from where the band below ends to where the next one begins."""
    value = case.space.values(inside.facts).get(cause.subject)
    if not isinstance(value, Decimal):
        return ""
    bands = _bands(case, cause.criterion, "points")
    begin = max(row["high"] for row in bands if row["high"] is not None and row["high"] <= value)
    end = min(row["low"] for row in bands if row["low"] is not None and row["low"] >= value)
    return f" ({plain(begin)} to {plain(end)})"


def _factor(case: Case, row: Row, values: Mapping[str, Value]) -> Decimal:
    value = values.get(row["multiplier_metric"])
    if not isinstance(value, Decimal):
        return ZERO
    if row["multiplier_kind"] == "value":
        return value
    bands = _bands(case, row["criterion"], "multiplier")
    return next((Decimal(band["value"]) for band in bands if _is_inside(band, value)), ONE)


def _claim(cause: Cause, step: Step) -> Claim:
    lost = step.lost()
    kept = {step.measure.name}

    def is_so(_: Sequence[Facts], outcomes: Sequence[Outcome]) -> bool:
        was, became = outcomes
        same = all(
            was.levels[name] == step.was.levels[name] and became.levels[name] == step.became.levels[name]
            for name in lost
        )
        if not cause.criterion:
            return same and (was.track, became.track) == (step.was.track, step.became.track)
        pairs = ((was, step.was), (became, step.became))
        return same and all(now.points.get(cause.criterion) == then.points[cause.criterion] for now, then in pairs)

    return Claim((step.before, step.after), frozenset(kept), is_so)


def _finding(case: Case, cause: Cause, step: Step, claim: Claim) -> Finding:
    partners = case.partners(claim)
    lost = step.lost()
    tells = [f"ladder:{name}" for name in lost]
    costs = [f"the {name} falls {case.from_to(step, name)}" for name in lost]
    if cause.criterion:
        was, now = (partner.points.get(cause.criterion) for partner in partners)
        costs.insert(0, f"{cause.criterion} gives {plain(now)} points in the place of {plain(was)}")
        tells = [f"points:{cause.criterion}", *(("total",) if lost else ()), *tells]
    if cause.kind == "track_loses":
        tells.insert(0, "track")
    return Finding(
        kind=cause.kind,
        path=cause.path,
        sentence=f"{move(step)} {_made_into(case, cause, step, partners)}: {' and '.join(costs)}.",
        fix=_fix(case, cause, step),
        partners=partners,
        tells=tuple(tells),
        assumed=case.assumption(claim.partners),
    )


def _made_into(case: Case, cause: Cause, step: Step, partners: tuple[Partner, ...]) -> str:
    """What the step does on the way to the loss."""
    if cause.kind == "track_loses":
        before, after = (partner.track or "none" for partner in partners)
        return f"moves the partner from the track {before} to {after}"
    if cause.kind == "gap":
        return f"leads into a gap between bands that give points{_gap_in_words(case, cause, partners[1])}"
    values = [case.space.values(partner.facts).get(cause.subject) for partner in partners]
    if cause.path[0] == "derived" and all(isinstance(value, Decimal) for value in values):
        before, after = (plain(value) if isinstance(value, Decimal) else "" for value in values)
        return f"takes {cause.subject} from {before} to {after}"
    return f"is a loss, although {'more' if step.measure.is_higher_better else 'less'} of it is better"


def _fix(case: Case, cause: Cause, step: Step) -> str:
    name = step.measure.name
    if cause.kind == "gap":
        return "let one band end where the next begins, or leave an edge out: it then follows from its neighbour"
    if cause.kind == "track_loses":
        return "`choose: best` gives a partner the better of the tracks whose `when` holds; drop upper bars from `when`"
    if cause.kind == "ratio_falls":
        return (
            f"offer a way in that does not shrink with {name}, such as an amount in an `any` beside {cause.subject}; "
            "leave it where the mix itself is the aim"
        )
    declared = any(row["metric"] == name for row in case.rows.get("declared_metrics", ()))
    better = "higher" if step.measure.is_higher_better else "lower"
    other = "lower" if step.measure.is_higher_better else "higher"
    if cause.path[-1] == "range":
        mend = f"swap low and high, as {better} is better"
    elif cause.path[-1] in ("bands", "multiplier"):
        mend = f"order the values so that they do not fall towards {better} {cause.subject}"
    elif cause.path[-1] == "per_unit":
        mend = "give `each` the other sign"
    elif cause.path[0] == "ladders" or "requires" in cause.path:
        mend = f"drop the bar, or turn it round: {better} {name} is better"
    else:
        mend = f"use a metric for which {name} does not count against the partner"
    return f"{mend}; where less is meant, say `direction: {other}` in declares.{name}" if declared else mend

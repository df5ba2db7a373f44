"""Small steps, large changes: the step of one metric that decides over most at once."""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import Decimal

from pipelines.policy.rows import flat_benefits
from pipelines.policy_review.case import Case, Suspect, move
from pipelines.policy_review.engine import Outcome
from pipelines.policy_review.facts import ZERO, Facts
from pipelines.policy_review.findings import Finding
from pipelines.policy_review.search import Claim, Step

_JUMPS_TRIED = 4
_SUSPECTED = 4
_BENEFITS_TOLD = 4


def worth_a_line(case: Case, steps: Sequence[Step]) -> list[tuple[Step, set[str]]]:
    """The steps that win most points at once, one per metric, with the facts behind those points.

    Partners who stand so many points below a bar may pass several by them.
    """
    if not case.reads_scores():
        return []
    best: dict[str, Step] = {}
    for step in steps:
        if step.measure.name not in best or _rise(step) > _rise(best[step.measure.name]):
            best[step.measure.name] = step
    chosen = sorted(best.values(), key=_rise, reverse=True)[:_JUMPS_TRIED]
    return [(step, _deciding(case, step)) for step in chosen if _rise(step)]


def suspects(case: Case, steps: Sequence[Step], losing: Container[str]) -> list[Suspect]:
    """The highest rises that skip a level or decide over something; the heaviest of them is told.

    Metrics that lose something on the way up (`losing`) are left out: what they win back is no cliff of its own.
    """
    rises = [step for step in steps if step.measure.name not in losing and _is_worth_telling(_height(case, step))]
    rises.sort(key=lambda step: (_height(case, step), -step.width), reverse=True)
    # One of each metric first: the same rise stands around many partners.
    firsts = list({step.measure.name: step for step in reversed(rises)}.values())
    firsts.sort(key=lambda step: _height(case, step), reverse=True)
    return [
        Suspect(
            step,
            lambda each: _height(case, each),
            lambda narrow: _claim(case, narrow),
            lambda narrow, claim: _finding(case, narrow, claim),
            "cliff",
        )
        for step in firsts[:_SUSPECTED]
    ]


def _claim(case: Case, step: Step) -> Claim:
    ladders = _ladders(case, step)

    def is_so(_: Sequence[Facts], outcomes: Sequence[Outcome]) -> bool:
        return all(
            now.levels[name] == then.levels[name]
            for now, then in zip(outcomes, (step.was, step.became), strict=True)
            for name in ladders
        )

    return Claim((step.before, step.after), frozenset({step.measure.name}), is_so)


def _ladders(case: Case, step: Step) -> list[str]:
    """The ladders climbed, the most levels first."""
    return sorted((name for name in step.won() if _climbed(case, step, name)), key=lambda n: -_climbed(case, step, n))


def _rise(step: Step) -> Decimal:
    was, became = step.was.total, step.became.total
    return became - was if was is not None and became is not None else ZERO


def _deciding(case: Case, step: Step) -> set[str]:
    """The facts behind the points that the step changes."""
    changed = [name for name, points in step.was.points.items() if step.became.points.get(name) != points]
    return set().union(*(case.facts_of(name) for name in changed))


def _climbed(case: Case, step: Step, ladder: str) -> int:
    """Levels won at once; coming in from outside is an entry and no climb."""
    was, became = step.was.levels[ladder], step.became.levels[ladder]
    is_outside = case.document.ladders[ladder].levels[was - 1].outside
    return 0 if is_outside else max(was - became, 0)


def _height(case: Case, step: Step) -> tuple[int, int, int]:
    climbed = [_climbed(case, step, name) for name in step.won()]
    if not climbed or step.lost() or None in (step.was.track, step.became.track):
        return 0, 0, 0
    benefits = sum(len(_won_benefits(case, step, name)) for name in step.won())
    return max(climbed), benefits, sum(climbed)


def _is_worth_telling(height: tuple[int, int, int]) -> bool:
    climbed, benefits, _ = height
    return climbed > 1 or benefits > 0


def _is_limited(case: Case, ladder: str) -> bool:
    """Whether movement lets the held level follow by one level at a time only."""
    row = next(each for each in case.rows["movement"] if each["ladder"] == ladder)
    return bool(row["rule"] != "none" and row["max_up"] == 1 and row["max_down"] == 1)


def _won_benefits(case: Case, step: Step, ladder: str) -> list[str]:
    place = [case.level(ladder, outcome.levels[ladder]) for outcome in (step.was, step.became)]
    before, after = (dict(flat_benefits(case.document.entitlements.get(f"{ladder}.{level}", {}))) for level in place)
    return [
        f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    ]


def _finding(case: Case, step: Step, claim: Claim) -> Finding | None:
    ladders = _ladders(case, step)
    if not _is_worth_telling(_height(case, step)):
        return None  # of a rise over a wider step, not even the largest part is
    ladder = ladders[0]
    before, after = step.was.levels[ladder], step.became.levels[ladder]
    skipped = [case.level(ladder, rank) for rank in range(before - 1, after, -1)]
    is_warning = bool(skipped) and not _is_limited(case, ladder)
    past = f"past {' and '.join(skipped)} " if skipped else ""
    climb = f"from {case.level(ladder, before)} {past}to {case.level(ladder, after)}"
    others = "".join(f" and the {name} {case.from_to(step, name)}" for name in ladders[1:])
    won = [benefit for name in ladders for benefit in _won_benefits(case, step, name)]
    more = f" and {len(won) - _BENEFITS_TOLD} more" if len(won) > _BENEFITS_TOLD else ""
    listed = f" It decides over {'; '.join(won[:_BENEFITS_TOLD])}{more}." if won else ""
    limited = "" if is_warning or not skipped else " Movement lets the level held follow one level at a time."
    return Finding(
        kind="cliff",
        path=("ladders", ladder, "levels", after - 1),
        sentence=f"{move(step)} takes the {ladder} {climb}{others}.{listed}{limited}",
        fix="spread the points over more values, or let movement follow one at a time: `max_steps: {up: 1, down: 1}`"
        if is_warning
        else "",
        partners=case.partners(claim),
        tells=(*(("total",) if _rise(step) else ()), *(f"ladder:{name}" for name in ladders)),
        assumed=case.assumption(claim.partners),
        is_note=not is_warning,
    )

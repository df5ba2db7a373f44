"""One policy under review: who is tried, what is looked for, in which order it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from pipelines.catalogue import Metric
from pipelines.policy import Policy
from pipelines.policy_review import cliffs, groups, reach, structure, unknowns
from pipelines.policy_review.case import Case, Suspect, Telling
from pipelines.policy_review.engine import Evaluate, evenly_spread
from pipelines.policy_review.facts import space_of
from pipelines.policy_review.findings import KINDS, Finding
from pipelines.policy_review.losses import Losses
from pipelines.policy_review.search import Explorer, Step


def review(policy: Policy, evaluate: Evaluate, catalogue: Mapping[str, Metric]) -> list[Finding]:
    """Everything worth saying about a policy, in the order of `KINDS`, notes last; the same for the same policy."""
    rows = policy.rows()
    space = space_of(rows, catalogue)
    spread, assumed = evenly_spread(rows, space)
    case = Case(policy.document, Explorer(spread, space_of(spread, catalogue), evaluate), assumed)
    found = _behaviour(case)
    found += structure.over_capacity(policy.document)
    found += structure.wide_buffer(policy.document, rows)
    found += structure.uncapped_grace(policy.document, rows)
    found += structure.empty_level(policy.document)
    found += groups.tiny_groups(policy.document, rows, space, evaluate)
    order = list(KINDS)
    once: dict[object, Finding] = {}
    for finding in found:
        once.setdefault((finding.kind, finding.path), finding)
    return sorted(once.values(), key=lambda each: (each.is_note, order.index(each.kind)))


def _behaviour(case: Case) -> list[Finding]:
    """What partners show. Each paragraph asks the engine once or twice, for everything that is looked for."""
    explorer = case.explorer
    explorer.survey()
    goals = reach.unreached(case)

    ways = explorer.ways(explorer.bases())
    alone = unknowns.known_alone(case)
    explorer.outcomes([*unknowns.to_try(case, alone), *(facts for _, way in ways for facts in way)])
    steps = [step for step in explorer.steps(ways) if not step.measure.is_past]

    losses, jumps = Losses(case, steps), cliffs.worth_a_line(case, steps)
    exposed = losses.worth_a_line()
    lines = explorer.along_lines([*exposed, *jumps], case.overlays())
    losses.add(lines[: len(exposed)])
    along = [step for line in lines for step in line]

    suspects = [
        *losses.suspects(),
        *cliffs.suspects(case, [*steps, *along], losses.measures()),
        *reach.no_track(case, steps),
    ]
    tellings = [*_narrowed(case, suspects), *reach.out_of_reach(goals)]
    claims = explorer.simplified([telling.claim for telling in tellings])
    told = [telling.tell(claim) for telling, claim in zip(tellings, claims, strict=True)]
    return [*(finding for finding in told if finding is not None), *unknowns.single_value(case, alone)]


def _narrowed(case: Case, suspects: Sequence[Suspect]) -> Iterator[Telling]:
    """The heaviest of each group, at its smallest step."""
    groups: dict[object, list[Suspect]] = {}
    for suspect in suspects:
        groups.setdefault(suspect.group, []).append(suspect)
    left: list[Suspect] = []
    for group in groups.values():
        group.sort(key=lambda each: each.weight(each.step), reverse=True)
        # A part of a step weighs no more than the whole: who cannot be narrowed any more has won.
        left += group[:1] if group[0].step.width <= 1 else group
    heaviest: dict[object, tuple[Suspect, Step]] = {}
    for suspect, step in zip(left, case.explorer.narrowed([(each.step, each.weight) for each in left]), strict=True):
        best = heaviest.get(suspect.group)
        if best is None or suspect.weight(step) > best[0].weight(best[1]):
            heaviest[suspect.group] = (suspect, step)
    for suspect, step in heaviest.values():
        yield Telling(suspect.claim(step), partial(suspect.tell, step))

"""Levels and tracks that nobody gets, and partners whom no track takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipelines.policy.reading import KeyPath
from pipelines.policy_review.case import Case, Suspect, Telling, holds
from pipelines.policy_review.engine import Outcome
from pipelines.policy_review.facts import ONE, Facts, Row, Value
from pipelines.policy_review.findings import Finding
from pipelines.policy_review.search import Claim, Step, passes

_NEAREST = 200


@dataclass(frozen=True)
class Goal:
    """A level or a track to get to, and how far somebody is from it."""

    case: Case
    ladder: str = ""
    rank: int = 0
    track: str = ""

    @property
    def name(self) -> str:
        return f"the track {self.track}" if self.track else f"{self.ladder}.{self.case.level(self.ladder, self.rank)}"

    @property
    def path(self) -> KeyPath:
        return ("score", "tracks", self.track) if self.track else ("ladders", self.ladder, "levels", self.rank - 1)

    def is_reached(self, outcome: Outcome) -> bool:
        return outcome.track == self.track if self.track else outcome.levels[self.ladder] == self.rank

    def distance(self, facts: Facts, outcome: Outcome) -> float:
        """0 for who is there; conditions that fail count 1 to 2 each, of the alternative that is nearest."""
        if self.is_reached(outcome):
            return 0.0
        values = self.case.space.values(facts)
        ways = [sum(_shortfall(row, values, outcome) for row in rows) for rows in self._alternatives()]
        # All conditions hold and still something else comes first: then away from that.
        return min(ways) or 0.5

    def missed(self, facts: Facts, outcome: Outcome) -> frozenset[str]:
        """The conditions that fail, of the alternative that is nearest, in words."""
        values = self.case.space.values(facts)
        nearest = min(self._alternatives(), key=lambda rows: sum(_shortfall(row, values, outcome) for row in rows))
        return frozenset(row["needed"] for row in nearest if _shortfall(row, values, outcome))

    def _alternatives(self) -> list[list[Row]]:
        table = "track_conditions" if self.track else "level_conditions"
        wanted: Row = {"track": self.track} if self.track else {"ladder": self.ladder, "rank": self.rank}
        found: dict[int, list[Row]] = {}
        for row in self.case.rows.get(table, ()):
            if all(row[key] == value for key, value in wanted.items()):
                found.setdefault(row["alternative"], []).append(row)
        return list(found.values()) or [[]]


def unreached(case: Case) -> list[Goal]:
    """Levels and tracks that nobody tried so far gets, nor anybody on the way from the nearest ones."""
    goals = [Goal(case, track=row["track"]) for row in case.rows.get("tracks", ()) if row["track"]]
    goals += [Goal(case, ladder=row["ladder"], rank=row["rank"]) for row in case.rows["levels"]]
    outcomes = [outcome for _, outcome in case.explorer.seen()]
    still = [goal for goal in goals if not any(goal.is_reached(outcome) for outcome in outcomes)]
    arrived = case.explorer.climb([goal.distance for goal in still])
    return [goal for goal, is_there in zip(still, arrived, strict=True) if not is_there]


def out_of_reach(goals: Sequence[Goal]) -> list[Telling]:
    """What is told of each: the two partners who came nearest, with what each of them misses."""
    outcomes = [outcome for goal in goals[:1] for _, outcome in goal.case.explorer.seen()]
    return [_telling(goal) for goal in goals if not any(goal.is_reached(outcome) for outcome in outcomes)]


def _telling(goal: Goal) -> Telling:
    case = goal.case
    nearest = sorted(case.explorer.seen(), key=lambda each: goal.distance(*each))[:_NEAREST]
    first = nearest[0]
    other = next((each for each in nearest if not goal.missed(*each) >= goal.missed(*first)), None)
    shown = [first] if other is None else [first, other]
    levels = [outcome.levels for _, outcome in shown]
    missed = [goal.missed(*each) for each in shown]

    def is_so(partners: Sequence[Facts], outcomes: Sequence[Outcome]) -> bool:
        now = [goal.missed(facts, outcome) for facts, outcome in zip(partners, outcomes, strict=True)]
        return now == missed and [outcome.levels for outcome in outcomes] == levels

    def tell(claim: Claim) -> Finding:
        lacking = "; ".join(
            f"{letter} misses {' and '.join(sorted(names))}"
            for letter, names in zip("AB", missed, strict=False)
            if names
        )
        tells = ("track",) if goal.track else (*(("total",) if case.reads_scores() else ()), f"ladder:{goal.ladder}")
        return Finding(
            kind="out_of_reach",
            path=goal.path,
            sentence=f"None of {case.explorer.tried:,} partners tried gets {goal.name}{lacking and f': {lacking}'}.",
            fix="change the conditions that exclude each other, or take it out",
            partners=case.partners(claim),
            tells=tells,
            assumed=case.assumption(claim.partners),
        )

    return Telling(Claim(tuple(facts for facts, _ in shown), frozenset(), is_so), tell)


def _shortfall(row: Row, values: Mapping[str, Value], outcome: Outcome) -> float:
    """0 where a condition holds, else between 1 and 2: nearer is less."""
    kind, subject = row["kind"], row["subject"]
    if kind == "attribute":
        return 0.0 if holds(row, values) else 1.5
    found: Value | None
    if kind == "metric":
        found = values.get(subject)
    elif kind == "points":
        found = outcome.points.get(subject)
    else:
        found = outcome.total if kind == "score" else outcome.dimensions.get(subject)
    if not isinstance(found, Decimal):
        return 2.0
    bar = Decimal(row["value"])
    if passes(row["operator"], found, bar):
        return 0.0
    away = abs(found - bar)
    return 1.0 + float(away / (away + abs(bar) + ONE))


def no_track(case: Case, steps: Sequence[Step]) -> list[Suspect]:
    """Partners whom the `when` of no track lets in, beside the nearest who has one."""
    named = [row["track"] for row in case.rows.get("tracks", ()) if row["track"]]
    found = max(filter(_is_at_the_edge, steps), key=lambda step: len(step.won()) + len(step.lost()), default=None)
    if not named or found is None:
        return []

    def claim(step: Step) -> Claim:
        results = [(outcome.track, outcome.levels) for outcome in (step.was, step.became)]
        return Claim(
            (step.before, step.after),
            frozenset({step.measure.name}),
            lambda _, outcomes: [(outcome.track, outcome.levels) for outcome in outcomes] == results,
        )

    def tell(_: Step, claim: Claim) -> Finding:
        partners = sorted(case.partners(claim), key=lambda partner: partner.track is None)
        ladders = [name for name, level in partners[0].levels.items() if partners[1].levels[name] != level]
        return Finding(
            kind="no_track",
            path=("score", "tracks", named[-1]),
            sentence="Every track has a `when`, and B passes none: no track, no score, no level that asks for a score.",
            fix="a last track without `when`, for everybody else",
            partners=tuple(partners),
            tells=("track", "total", *(f"ladder:{name}" for name in ladders)),
        )

    return [
        Suspect(
            found, lambda step: (_is_at_the_edge(step), len(step.won()) + len(step.lost())), claim, tell, "no_track"
        )
    ]


def _is_at_the_edge(step: Step) -> bool:
    """Whether the partner has a track at one end of the step only."""
    return (step.was.track is None) != (step.became.track is None)

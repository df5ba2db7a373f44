"""Finds partners worth looking at: some on every level, and around each of them every step that a bar could turn on.

The engine is asked in few large passes, because a pass costs more than a partner in it. Everything is deterministic:
what is left to chance comes from one seed, and ties go to what was made first.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from pipelines.policy_review.engine import Evaluate, Outcome
from pipelines.policy_review.facts import ONE, ZERO, Facts, Measure, Row, Rows, Space, Value

SEED = 20260101
_LINE = tuple(Decimal(number) / 20 for number in range(21))
_STRETCHES, _PARTS_OF_A_STRETCH = 3, 12
_OVERLAID = (Decimal("0.8"), ZERO, ONE, Decimal("0.5"))
_RANDOM = 250
_MOST_OVERLAYS = 150
_CLIMBS, _CLIMBERS = 6, 4
# Partners that are looked around from: more find little more, and each costs hundreds of rows.
_BASES_PER_PLACE = 3
_MOST_STEPS = 4_000
_MOST_PAIRS = 400
_PARTS_OF_A_PASS = 4_000

Key = tuple[tuple[str, Value], ...]
# How much a step matters: compared part by part, the first that differs decides.
Weight = tuple[Decimal | int, ...]
# A metric and partners who differ in it only, from worse to better.
Way = tuple[Measure, Sequence[Facts]]


@dataclass(frozen=True)
class Step:
    """One metric a little better, everything else the same."""

    measure: Measure
    before: Facts
    after: Facts
    was: Outcome
    became: Outcome

    @property
    def values(self) -> tuple[Decimal, Decimal]:
        before, after = self.before[self.measure.name], self.after[self.measure.name]
        assert isinstance(before, Decimal)
        assert isinstance(after, Decimal)
        return before, after

    @property
    def width(self) -> Decimal:
        """How far apart the two values are, in smallest steps."""
        before, after = self.values
        return abs(after - before) / self.measure.step

    def lost(self) -> list[str]:
        """Ladders on which the partner stands lower afterwards."""
        return [name for name, rank in self.was.levels.items() if self.became.levels[name] > rank]

    def won(self) -> list[str]:
        """Ladders on which the partner stands higher afterwards."""
        return [name for name, rank in self.was.levels.items() if self.became.levels[name] < rank]

    def fewer_points(self) -> list[str]:
        """Criteria that give fewer points afterwards, of those that give any at both ends."""
        pairs = [(name, points, self.became.points.get(name)) for name, points in self.was.points.items()]
        return [name for name, points, now in pairs if points is not None and now is not None and now < points]


class Explorer:
    """Asks the engine about partners of one policy, and remembers every answer."""

    def __init__(self, rows: Rows, space: Space, evaluate: Evaluate) -> None:
        self.rows = rows
        self.space = space
        self._evaluate = evaluate
        self._known: dict[Key, Outcome] = {}
        self._overlays: list[Facts] | None = None
        self._random = random.Random(SEED)  # noqa: S311  repeatable choices, no secrets
        self.passes = 0

    @property
    def tried(self) -> int:
        """How many partners were judged so far."""
        return len(self._known)

    def outcomes(self, partners: Sequence[Facts]) -> list[Outcome]:
        """What the policy makes of each; those seen before cost nothing."""
        keys = [_key(partner) for partner in partners]
        unseen = list(dict.fromkeys(key for key in keys if key not in self._known))
        if unseen:
            self.passes += 1
            for key, outcome in zip(unseen, self._evaluate(self.rows, [dict(key) for key in unseen]), strict=True):
                self._known[key] = outcome
        return [self._known[key] for key in keys]

    def seen(self) -> Iterator[tuple[Facts, Outcome]]:
        """Every partner judged so far with what came of it, in the order of asking."""
        for key, outcome in self._known.items():
            yield dict(key), outcome

    # --- partners on every level ------------------------------------------------------------------------------------

    def survey(self) -> None:
        """A first look: from worst to best in everything, every way into every level, and some by chance."""
        partners: list[dict[str, Value]] = [{}, *(self.line(share) for share in _LINE)]
        for overlay in self.overlays():
            partners += [{**self.line(share, overlay), **overlay} for share in _OVERLAID]
        partners += [self._by_chance() for _ in range(_RANDOM)]
        self.outcomes(partners)

    def line(self, share: Decimal, taken: Facts | None = None) -> dict[str, Value]:
        """A partner of whom everything is known, this share of the way from worst to best."""
        made: dict[str, Value] = {name: measure.between(share) for name, measure in self.space.measures.items()}
        for name, texts in self.space.attributes.items():
            made[name] = texts[0]
        return {**made, **(taken or {})}

    def overlays(self) -> list[Facts]:
        """Facts that meet the conditions of one alternative of one level, or of one track, just so."""
        if self._overlays is None:
            found = self._meeting_all()
            self._overlays = [*found[:: len(found) // _MOST_OVERLAYS + 1]]
        return self._overlays

    def _meeting_all(self) -> list[Facts]:
        groups: dict[tuple[object, ...], list[Row]] = {}
        for row in self.rows.get("track_conditions", ()):
            groups.setdefault(("track", row["track"], row["alternative"]), []).append(row)
        tracks = [self._meeting(rows) for rows in groups.values()]
        groups = {}
        for row in self.rows.get("level_conditions", ()):
            groups.setdefault((row["ladder"], row["rank"], row["alternative"]), []).append(row)
        levels = [self._meeting(rows) for rows in groups.values()]
        both = [{**track, **level} for track, level in itertools.product(tracks, levels)]
        found = [*levels, *tracks, *both[: 4 * len(levels)]]
        return [dict(key) for key in dict.fromkeys(_key(each) for each in found)]

    def _meeting(self, conditions: Sequence[Row]) -> dict[str, Value]:
        made: dict[str, Value] = {}
        derived: list[Row] = []
        for row in conditions:
            kind = row.get("kind", "metric")
            if kind == "attribute":
                made[row["subject"]] = json.loads(row["text_values"])[0]
            elif kind == "metric" and row["subject"] in self.space.measures:
                made[row["subject"]] = _just_passing(self.space.measures[row["subject"]], row)
            elif kind == "metric":
                derived.append(row)
        for row in derived:
            made.update(self._turned(row, made))
        return made

    def _turned(self, row: Row, made: Facts) -> Facts:
        """A value of one operand with which a derived metric passes its bar."""
        full = self.line(Decimal("0.5"), made)
        for name, measure in self.space.measures.items():
            if name in made or not self.space.is_made_of(row["subject"], name):
                continue
            for value in [*self.space.turning_points(full, measure), *measure.grid]:
                result = self.space.values({**full, name: value}).get(row["subject"])
                if isinstance(result, Decimal) and passes(row["operator"], result, row["value"]):
                    others = {other: full[other] for other in self.space.measures if self._beside(row, other, made)}
                    return {**others, name: value}
        return {}

    def _beside(self, row: Row, other: str, made: Facts) -> bool:
        return other not in made and self.space.is_made_of(row["subject"], other)

    def _by_chance(self) -> dict[str, Value]:
        made: dict[str, Value] = {}
        for name, measure in self.space.measures.items():
            made[name] = self._random.choice(measure.grid)
        for name, texts in self.space.attributes.items():
            made[name] = self._random.choice(texts)
        return made

    def climb(self, distances: Sequence[Callable[[Facts, Outcome], float]]) -> list[bool]:
        """Go from the nearest partners towards distance 0, one fact at a time; for each, whether anybody got there."""
        arrived = [False] * len(distances)
        for _ in range(_CLIMBS):
            everyone = list(self.seen())
            tried: list[dict[str, Value]] = []
            for index, distance in enumerate(distances):
                nearest = sorted(everyone, key=lambda each, far=distance: far(*each))[:_CLIMBERS]  # type: ignore[misc]
                arrived[index] = distance(*nearest[0]) <= 0
                tried += [] if arrived[index] else [near for facts, _ in nearest for near in self._neighbours(facts)]
            before = self.tried
            self.outcomes(tried)
            if self.tried == before:
                break
        return arrived

    def _neighbours(self, facts: Facts) -> Iterator[dict[str, Value]]:
        for name, measure in self.space.measures.items():
            for value in dict.fromkeys([*measure.grid, *self.space.turning_points(facts, measure)]):
                yield {**facts, name: value}
        yield from itertools.islice(self._together(facts), _MOST_PAIRS)
        for name in facts:  # to know less can lead somewhere too
            yield {other: value for other, value in facts.items() if other != name}
        for name, texts in self.space.attributes.items():
            for text in texts:
                yield {**facts, name: text}

    def _together(self, facts: Facts) -> Iterator[dict[str, Value]]:
        """Two facts changed at once, where a derived metric ties them to each other."""
        pairs = list(itertools.permutations(self.space.measures.values(), 2))
        self._random.shuffle(pairs)
        for first, second in pairs:
            if not self.space.dependents.get(first.name, frozenset()) & self.space.dependents.get(
                second.name, frozenset()
            ):
                continue
            for value in [
                *first.grid[:: len(first.grid) // 8 + 1],
                *(first.snapped(first.top * far) for far in (2, 5, 20)),
            ]:
                moved = {**facts, first.name: value}
                for turn in self.space.turning_points(moved, second):
                    yield {**moved, second.name: turn}

    def bases(self) -> list[Facts]:
        """Partners to look around from: a few on each level and track, of whom as much as possible is known."""
        chosen: dict[object, list[Facts]] = {}
        for facts, outcome in self.seen():
            if len(facts) < len(self.space.measures) + len(self.space.attributes):
                continue
            for ladder, rank in outcome.levels.items():
                place = chosen.setdefault((outcome.track, ladder, rank), [])
                if len(place) < _BASES_PER_PLACE:
                    place.append(facts)
        # The first of every place before the second of any.
        layers = itertools.chain.from_iterable(itertools.zip_longest(*chosen.values()))
        return [dict(key) for key in dict.fromkeys(_key(facts) for facts in layers if facts is not None)]

    # --- steps around them ------------------------------------------------------------------------------------------

    def ways(self, bases: Sequence[Facts]) -> list[Way]:
        """The ways from worst to best in each metric around the bases, with every value that a bar could turn on."""
        found: list[Way] = []
        count = 0
        for base in bases:
            for measure in self.space.measures.values():
                own = base.get(measure.name)
                values = {*measure.grid, *self.space.turning_points(base, measure)}
                values |= {own} if isinstance(own, Decimal) else set()
                found.append((measure, [{**base, measure.name: value} for value in measure.towards_better(values)]))
                count += len(values)
            if count > _MOST_STEPS:
                break
        return found

    def steps(self, ways: Sequence[Way]) -> list[Step]:
        """The single steps of ways along one metric each, judged in one pass."""
        found = iter(self.outcomes([facts for _, way in ways for facts in way]))
        made: list[Step] = []
        for measure, way in ways:
            outcomes = [next(found) for _ in way]
            for (before, was), (after, became) in itertools.pairwise(zip(way, outcomes, strict=True)):
                made.append(Step(measure, before, after, was, became))
        return made

    def narrowed(self, steps: Sequence[tuple[Step, Callable[[Step], Weight]]]) -> list[Step]:
        """Each step as small as it can be while its heaviest part lies inside, by a weight of its own."""
        current = [step for step, _ in steps]
        parts = min(400, max(24, _PARTS_OF_A_PASS // max(len(steps), 1)))
        for _ in range(4):
            ways = [(step.measure, _divided(step, parts)) for step in current]
            if all(len(way) == 2 for _, way in ways):
                break
            made = self.steps(ways)
            smaller: list[Step] = []
            for (_, way), (_, weight) in zip(ways, steps, strict=True):
                own, made = made[: len(way) - 1], made[len(way) - 1 :]
                smaller.append(max(own, key=weight))
            current = smaller
        return current

    def along_lines(self, steps: Sequence[tuple[Step, set[str]]], overlays: Sequence[Facts]) -> list[list[Step]]:
        """Each step again, taken by partners anywhere between worst and best in everything else.

        Facts named beside a step stay as they are in it; overlays put others to the conditions of a level. Where a
        level changes along the way it is looked at more closely, to find partners who stand just before a bar.
        """
        lines = [(index, overlay) for index in range(len(steps)) for overlay in overlays]
        shares: list[Sequence[Decimal]] = [_LINE] * len(lines)
        found: list[list[Step]] = [[] for _ in steps]
        for _ in range(2):
            ways: list[Way] = []
            for (index, overlay), tried in zip(lines, shares, strict=True):
                step, names = steps[index]
                same = {name: value for name, value in step.before.items() if name in names}
                for share in tried:
                    partner = {**self.line(share), **overlay, **same}
                    ends = [{**partner, step.measure.name: value} for value in step.values]
                    ways.append((step.measure, ends))
            made = self.steps(ways)
            finer: list[Sequence[Decimal]] = []
            for (index, _), tried in zip(lines, shares, strict=True):
                own, made = made[: len(tried)], made[len(tried) :]
                found[index] += own
                finer.append(_where_levels_change(own, tried))
            shares = finer
        return found

    # --- less to look at --------------------------------------------------------------------------------------------

    def simplified(self, claims: Sequence[Claim]) -> list[Claim]:
        """The same claims with few facts; what is left out is unknown.

        First each fact is left out alone, then as many as possible of those that alone were not needed.
        """
        # What is 0 when nothing is handed in is never unknown: leaving it out would say something else.
        stated = {name for name, measure in self.space.measures.items() if measure.is_zero_when_absent}
        claims = [replace(claim, kept=claim.kept | stated) for claim in claims]
        singles = [[claim.without([name]) for name in claim.droppable()] for claim in claims]
        self._ask(singles)
        shorter: list[list[Claim]] = []
        for claim, tried in zip(claims, singles, strict=True):
            names = [name for name, each in zip(claim.droppable(), tried, strict=True) if self.holds(each)]
            orders = (names, names[::-1], sorted(names), sorted(names, key=lambda name: name[::-1]))
            shorter.append([claim.without(order[:count]) for count in range(len(names), 0, -1) for order in orders])
        self._ask(shorter)
        return [
            next((each for each in tried if self.holds(each)), claim)
            for claim, tried in zip(claims, shorter, strict=True)
        ]

    def _ask(self, claims: Iterable[Sequence[Claim]]) -> None:
        self.outcomes([facts for group in claims for claim in group for facts in claim.partners])

    def holds(self, claim: Claim) -> bool:
        """Whether the engine confirms the claim."""
        return claim.is_so(claim.partners, self.outcomes(claim.partners))


@dataclass(frozen=True)
class Claim:
    """Something said about partners, which the engine confirms or not."""

    partners: tuple[Facts, ...]
    kept: frozenset[str]
    """Facts that the claim is about."""
    is_so: Callable[[Sequence[Facts], Sequence[Outcome]], bool]

    def droppable(self) -> list[str]:
        names = dict.fromkeys(name for partner in self.partners for name in partner)
        return [name for name in names if name not in self.kept]

    def without(self, names: Sequence[str]) -> Claim:
        gone = set(names)
        return Claim(
            tuple({name: value for name, value in each.items() if name not in gone} for each in self.partners),
            self.kept,
            self.is_so,
        )


def passes(operator: str, value: Decimal, bar: Decimal) -> bool:
    """Whether a known value passes a bar."""
    return {
        "at_least": value >= bar,
        "above": value > bar,
        "at_most": value <= bar,
        "below": value < bar,
        "equals": value == bar,
    }[operator]


def _just_passing(measure: Measure, row: Row) -> Decimal:
    move = {"above": measure.step, "below": -measure.step}.get(row["operator"], ZERO)
    return Decimal(row["value"]).normalize() + ZERO + move


def _divided(step: Step, parts: int) -> list[dict[str, Value]]:
    """The ends of a step and up to `parts` values between them."""
    before, after = step.values
    measure = step.measure
    values = {before, after}
    if abs(after - before) > measure.step:
        for part in range(1, parts):
            value = before + (after - before) * part / parts
            value = (value / measure.step).to_integral_value() * measure.step
            if min(before, after) < value < max(before, after):
                values.add(value.normalize() + ZERO)
    return [{**step.before, measure.name: value} for value in measure.towards_better(values)]


def _where_levels_change(steps: Sequence[Step], shares: Sequence[Decimal]) -> list[Decimal]:
    """The stretches of a line on which a level changes before the step, divided again."""
    changes = [
        (shares[index - 1], shares[index])
        for index in range(1, len(steps))
        if steps[index].was.levels != steps[index - 1].was.levels
    ][:_STRETCHES]
    parts = _PARTS_OF_A_STRETCH
    return [low + (high - low) * number / parts for low, high in changes for number in range(1, parts)]


def _key(facts: Facts) -> Key:
    return tuple(sorted(facts.items()))

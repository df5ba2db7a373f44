"""Bands: which numbers give which points (or which factor), and the edges that neighbours give each other.

A list of bands may say every edge or only the lower or only the upper ones; `resolved` says what it means as intervals.
What the intervals are worth is said in `model.py`, whether they fit the rest of a policy in `checks.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import Field, model_validator

from pipelines.policy.conditions import Interval, plain
from pipelines.policy.parts import AtLeastZero, Number, Part, complaint


class Band(Part):
    """Numbers from a lower to an upper edge."""

    at_least: Number | None = Field(None, description="lower edge, itself included")
    above: Number | None = Field(None, description="lower edge, itself left out")
    below: Number | None = Field(None, description="upper edge, itself left out")
    at_most: Number | None = Field(None, description="upper edge, itself included")

    @model_validator(mode="after")
    def _has_at_most_one_edge_of_each_kind(self) -> Band:
        if self.at_least is not None and self.above is not None:
            raise complaint("one of at_least, above for the lower edge")
        if self.below is not None and self.at_most is not None:
            raise complaint("one of below, at_most for the upper edge")
        return self

    @property
    def worth(self) -> Decimal:
        raise NotImplementedError

    @property
    def low(self) -> Decimal | None:
        """The lower edge as written, if any."""
        return self.at_least if self.above is None else self.above

    @property
    def high(self) -> Decimal | None:
        """The upper edge as written, if any."""
        return self.at_most if self.below is None else self.below


class PointsBand(Band):
    """Numbers that give the same points."""

    points: Number = Field(description="the points of a value in this band")

    @property
    def worth(self) -> Decimal:
        return self.points


class FactorBand(Band):
    """Numbers that multiply points in the same way."""

    factor: AtLeastZero = Field(description="what the points are multiplied with")

    @property
    def worth(self) -> Decimal:
        return self.factor


@dataclass(frozen=True)
class Step:
    """One band with both its edges: the numbers in it and what they are worth."""

    interval: Interval
    worth: Decimal


@dataclass(frozen=True)
class BandFault:
    """Why a list of bands has no meaning: the place in the list as it is written, what stands there, what should."""

    index: int
    found: str
    expected: str


def resolved(bands: Sequence[Band]) -> list[Step] | BandFault:
    """The bands from the lowest to the highest, edges that are left out taken from the neighbours.

    A list is read as rising and, where that makes no sense, as falling.
    """
    rising = _resolved(list(enumerate(bands)))
    if isinstance(rising, list):
        return rising
    falling = _resolved(list(enumerate(bands))[::-1])
    if isinstance(falling, list):
        return falling
    return falling if _falls(bands) else rising


def _falls(bands: Sequence[Band]) -> bool:
    """Whether the edges go down as they are written: tells which of two faults is the one people would look for."""
    for edges in ([band.low for band in bands], [band.high for band in bands]):
        written = [edge for edge in edges if edge is not None]
        if len(written) > 1 and written[0] != written[-1]:
            return written[0] > written[-1]
    return False


def _resolved(bands: list[tuple[int, Band]]) -> list[Step] | BandFault:
    steps: list[Step] = []
    for place, (index, band) in enumerate(bands):
        before = bands[place - 1][1] if place else None
        after = bands[place + 1][1] if place + 1 < len(bands) else None
        low, is_low_open = band.low, band.above is not None
        if low is None and before is not None:
            if before.high is None:
                return BandFault(index, "the edge between it and its neighbour is not said", "a lower or an upper edge")
            low, is_low_open = before.high, before.at_most is not None
        high, is_high_open = band.high, band.below is not None
        if high is None and after is not None:
            if after.low is None:
                return BandFault(index, "the edge between it and its neighbour is not said", "a lower or an upper edge")
            high, is_high_open = after.low, after.above is None
        interval = Interval(low, high, is_low_open, is_high_open)
        if interval.is_empty:
            found = f"no number is in it: it begins at {plain(low)} and ends at {plain(high)}"
            return BandFault(index, found, "bands in the order of their edges, each ending above its beginning")
        if steps and not (steps[-1].interval & interval).is_empty:
            found = f"it overlaps its neighbour, which ends at {plain(steps[-1].interval.high)}"
            return BandFault(index, found, "each number in one band")
        steps.append(Step(interval, band.worth))
    return steps


def worth_of(value: Decimal, steps: Sequence[Step]) -> Decimal | None:
    """What a number is worth; None where no band holds it."""
    return next((step.worth for step in steps if value in step.interval), None)


def leaves_gaps(steps: Sequence[Step]) -> bool:
    """Whether some number is in no band."""
    if not steps or steps[0].interval.low is not None or steps[-1].interval.high is not None:
        return True
    return any(
        below.interval.high != above.interval.low or (below.interval.is_high_open and above.interval.is_low_open)
        for below, above in itertools.pairwise(steps)
    )

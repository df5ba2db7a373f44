"""The hours partner managers have, the hours a programme promises, and what is missing between the two.

Arithmetic on a policy document alone. Hours are hours per quarter; `partners` and `sizes` map (ladder, level) to a
number of partners. All numbers are exact decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from pipelines.policy.model import Capacity, PolicyDocument
from pipelines.policy.rows import flat_benefits

Place = tuple[str, str]

# The benefit that takes partner managers' time, as `segment_summary` reads it too.
HOURS = "hours_per_quarter"


@dataclass(frozen=True)
class Demand:
    """What one level asks for: so many partners, so many hours each."""

    ladder: str
    level: str
    partners: int
    hours_each: Decimal

    @property
    def hours(self) -> Decimal:
        """Hours for the whole level."""
        return self.partners * self.hours_each


@dataclass(frozen=True)
class Balance:
    """Hours there are beside hours needed. `uncounted`: levels that promise hours to nobody knows how many partners."""

    capacity: Capacity | None
    demands: tuple[Demand, ...]
    uncounted: tuple[Place, ...] = ()

    @property
    def hours_there(self) -> Decimal | None:
        """Hours of all partner managers; None where the policy states no capacity."""
        return hours_there(self.capacity) if self.capacity else None

    @property
    def hours_needed(self) -> Decimal:
        """Hours that the counted levels need together."""
        return sum((demand.hours for demand in self.demands), Decimal(0))

    @property
    def hours_missing(self) -> Decimal:
        """Hours needed beyond those there are; 0 where they suffice or where no capacity is stated."""
        there = self.hours_there
        return Decimal(0) if there is None else max(self.hours_needed - there, Decimal(0))

    @property
    def managers_missing(self) -> Decimal | None:
        """Further partner managers needed, in tenths and never too few; None where one more would add no hours."""
        if not self.hours_missing:
            return Decimal(0)
        assert self.capacity is not None
        each = hours_there(self.capacity) / self.capacity.partner_managers
        return (self.hours_missing / each).quantize(Decimal("0.1"), rounding=ROUND_CEILING) if each else None

    def text(self) -> str:
        """The whole calculation in one line."""
        needed = self._needed()
        if self.capacity is None:
            return f"{needed}; the policy states no capacity"
        there = hours_there(self.capacity)
        if not self.hours_missing:
            return f"{_calculation(self.capacity)}; {needed}: {_plain(there - self.hours_needed)} h left"
        managers = self.managers_missing
        more = f", {_plain(managers)} managers more" if managers is not None else ""
        return f"{_calculation(self.capacity)}; {needed}: {_plain(self.hours_missing)} h too many{more}"

    def _needed(self) -> str:
        counted = [demand for demand in self.demands if demand.hours]
        if not counted:
            said = "nobody needs hours"
        elif len(counted) == 1:
            (only,) = counted
            who, needs = ("partner", "needs") if only.partners == 1 else ("partners", "need")
            said = f"{only.partners:,} {who} at {_plain(only.hours_each)} h {needs} {_plain(only.hours)} h"
        else:
            parts = [f"{demand.partners:,} {demand.level} at {_plain(demand.hours_each)} h" for demand in counted]
            said = f"{' + '.join(parts)} need {_plain(self.hours_needed)} h"
        if self.uncounted:
            listed = ", ".join(f"{ladder}.{level}" for ladder, level in self.uncounted)
            said += f" (without {listed}, which promises hours and has no capacity)"
        return said


def hours_there(capacity: Capacity) -> Decimal:
    """Hours of all partner managers in a quarter: managers x hours a week x weeks x utilisation."""
    return capacity.partner_managers * capacity.hours_per_week * capacity.weeks * capacity.utilisation


def hours_per_partner(document: PolicyDocument) -> dict[Place, Decimal]:
    """Hours a quarter that each level promises one of its partners, in the order of ladders and levels.

    Levels that promise none are left out, and so is a promise that is no number.
    """
    promised: dict[Place, Decimal] = {}
    for name, ladder in document.ladders.items():
        for level in ladder.levels:
            benefits = dict(flat_benefits(document.entitlements.get(f"{name}.{level.level}", {})))
            hours = _number(benefits.get(HOURS))
            if hours is not None and hours > 0:
                promised[name, level.level] = hours
    return promised


def balance_when_full(document: PolicyDocument, partners: Mapping[Place, int] | None = None) -> Balance:
    """The balance with every level at its stated capacity; `partners` speaks for levels that state none."""
    capacities = {
        (name, level.level): level.capacity for name, ladder in document.ladders.items() for level in ladder.levels
    }
    demands: list[Demand] = []
    uncounted: list[Place] = []
    for place, hours in hours_per_partner(document).items():
        capacity = capacities[place]
        count = capacity if capacity is not None else (partners or {}).get(place)
        if count is None:
            uncounted.append(place)
        else:
            demands.append(Demand(*place, count, hours))
    return Balance(document.capacity, tuple(demands), tuple(uncounted))


def balance_of(document: PolicyDocument, sizes: Mapping[Place, int]) -> Balance:
    """The balance for levels as they are: `sizes` counts the partners on each; a level that is absent has none."""
    demands = (Demand(*place, sizes.get(place, 0), hours) for place, hours in hours_per_partner(document).items())
    return Balance(document.capacity, tuple(demands))


def capacity_warning(document: PolicyDocument, partners: Mapping[Place, int] | None = None) -> str | None:
    """What is wrong with the promise of hours in one line; None where it can be kept or no capacity is stated.

    A level that promises hours and states no capacity can need any number of them: without a number in `partners` it
    is named, but it is no reason to warn by itself.
    """
    balance = balance_when_full(document, partners)
    return balance.text() if balance.hours_missing else None


def _calculation(capacity: Capacity) -> str:
    managers = f"{capacity.partner_managers:,} manager{'' if capacity.partner_managers == 1 else 's'}"
    week, weeks = _plain(capacity.hours_per_week), _plain(capacity.weeks)
    used = _plain(capacity.utilisation * 100)
    return f"{managers} x {week} h x {weeks} weeks x {used} % = {_plain(hours_there(capacity))} h"


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _plain(number: Decimal) -> str:
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

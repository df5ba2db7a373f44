"""Fiscal quarters: the text `2026Q3`, its first and last day, and the arithmetic between them.

SQL does no calendar arithmetic of its own: it joins the quarters that `shape.py` lays down as rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pipelines.errors import ConfigError

_LABEL = re.compile(r"^(\d{4})Q([1-4])$")


@dataclass(frozen=True, order=True)
class Quarter:
    """One fiscal quarter. `first_day` and `last_day` are both inside it."""

    first_day: date
    last_day: date
    label: str


@dataclass(frozen=True)
class FiscalCalendar:
    """Quarters of a year that begins with `first_month` and is named by the calendar year it starts or ends in."""

    first_month: int = 1
    named_by: Literal["start", "end"] = "end"

    def quarter_of(self, day: date) -> Quarter:
        """The quarter that holds `day`."""
        months = day.year * 12 + day.month - 1
        return self._from_start((months - (self.first_month - 1)) // 3 * 3 + self.first_month - 1)

    def parse(self, label: str) -> Quarter:
        """The quarter a label such as `2026Q3` names.

        Raises:
            ConfigError: the text is no quarter label.
        """
        match = _LABEL.match(label.strip().upper())
        if not match:
            raise ConfigError(f"quarter: found {label!r}, expected a year and quarter such as 2026Q3")
        named_year, number = int(match[1]), int(match[2])
        start_year = named_year if self.first_month == 1 or self.named_by == "start" else named_year - 1
        return self._from_start(start_year * 12 + self.first_month - 1 + 3 * (number - 1))

    def shift(self, quarter: Quarter, quarters: int) -> Quarter:
        """The quarter that lies `quarters` later (negative: earlier)."""
        months = quarter.first_day.year * 12 + quarter.first_day.month - 1
        return self._from_start(months + 3 * quarters)

    def last_ended(self, day: date) -> Quarter:
        """The newest quarter whose last day is not after `day`."""
        current = self.quarter_of(day)
        return current if current.last_day == day else self.shift(current, -1)

    def spine(self, last: Quarter, count: int) -> list[Quarter]:
        """`count` quarters that end with `last`, oldest first."""
        return [self.shift(last, offset) for offset in range(1 - count, 1)]

    def _from_start(self, months: int) -> Quarter:
        first = date(months // 12, months % 12 + 1, 1)
        after = months + 3
        last = date(after // 12, after % 12 + 1, 1) - timedelta(days=1)
        into_year = (months - (self.first_month - 1)) % 12
        start_year = (months - into_year) // 12
        year = start_year if self.first_month == 1 or self.named_by == "start" else start_year + 1
        return Quarter(first, last, f"{year}Q{into_year // 3 + 1}")

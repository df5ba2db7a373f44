"""The oracle's ground floor: template CSV files, words, moments, quarters and money, without any of `pipelines`."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).resolve().parent.parent.parent / "dbt_project" / "seeds"
KINDS = ("crm", "prm", "account_mapping")
"""Kinds of systems in the order in which they are believed about who a partner is."""
ENTITIES = {
    "crm": (
        "accounts opportunities opportunity_partners opportunity_stage_changes meetings program_memberships "
        "metric_facts"
    ),
    "account_mapping": "partners account_overlaps overlap_counts metric_facts",
    "prm": (
        "partners partner_users deal_registrations leads training_records activity_events mdf_requests mdf_claims "
        "transactions rewards csat_responses business_plans metric_facts"
    ),
}

Row = dict[str, Any]
FileRow = dict[str, str]
Value = Fraction | None
Record = tuple[str, str]
"""A source and the id of a record in it."""

VALUE_DIGITS = 6


def half_up(number: Fraction | int, digits: int) -> Fraction:
    """A number rounded to `digits` decimals, halves away from zero."""
    above, below = abs(number.numerator) * 10**digits, number.denominator
    whole = (2 * above + below) // (2 * below)
    return Fraction(whole if number >= 0 else -whole, 10**digits)


def decimal(number: Value, digits: int = VALUE_DIGITS) -> Decimal | None:
    """A number as the decimal that a table holds."""
    if number is None:
        return None
    rounded = half_up(number, digits)
    return Decimal(rounded.numerator) / Decimal(rounded.denominator)


def seed(name: str) -> list[FileRow]:
    """A list of words that the project keeps as data."""
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _words() -> dict[tuple[str, str], FileRow]:
    found: dict[tuple[str, str], FileRow] = defaultdict(dict)
    for row in seed("value_map"):
        found[row["entity"], row["field"]][row["raw_value"]] = row["value"]
    return found


WORDS = _words()


def word(entity: str, column: str, text: str | None, unknown: str = "unknown") -> str:
    """The common word for a value as a source spells it."""
    return WORDS[entity, column].get((text or "").strip().lower(), unknown)


def is_true(text: str | None) -> bool:
    return bool(text) and str(text).strip().lower() in ("true", "t", "1", "yes", "y", "x")


def moment(text: str | None) -> datetime | None:
    """A moment in UTC; without an offset it is UTC already."""
    bare = (text or "").strip()
    if not bare:
        return None
    found = datetime.fromisoformat(bare)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def day(text: str | None) -> date | None:
    """The day of a moment in UTC, or a day."""
    found = moment(text)
    return found.date() if found else None


def number(text: str | None) -> Value:
    return Fraction(text.strip()) if text and text.strip() else None


@dataclass(frozen=True)
class Source:
    """A folder of template files of one system."""

    name: str
    kind: str
    folder: Path
    default_currency: str | None = None
    _read: dict[str, list[FileRow]] = field(default_factory=dict, compare=False)

    @cached_property
    def offered(self) -> set[str]:
        """The entities of which there is a file."""
        return {entity for entity in ENTITIES[self.kind].split() if (self.folder / f"{entity}.csv").exists()}

    def table(self, entity: str) -> list[FileRow]:
        """The rows that count: those that are deleted or tests do not."""
        if entity not in self._read:
            self._read[entity] = self._rows(entity) if entity in self.offered else []
        return self._read[entity]

    def _rows(self, entity: str) -> list[FileRow]:
        with (self.folder / f"{entity}.csv").open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle))
        return [row for row in rows if not is_true(row.get("is_deleted")) and not is_true(row.get("is_test"))]

    def currency(self, row: FileRow) -> str | None:
        """The currency of a row's amounts, None for the reporting currency."""
        return (row.get("currency") or "").strip() or self.default_currency


@dataclass(frozen=True)
class Calendar:
    """The fiscal quarters of the history, numbered from 1."""

    labels: tuple[str, ...]
    ends: tuple[date, ...]
    first_day: date

    @classmethod
    def of(cls, settings: Row) -> Calendar:
        fiscal = settings.get("fiscal_calendar", {})
        first_month, named_by = fiscal.get("first_month", 1), fiscal.get("named_by", "end")
        tomorrow: date = settings["as_of"] + timedelta(days=1)  # a quarter that ends today has ended
        months = tomorrow.year * 12 + tomorrow.month - 1
        after_last = months - (months - (first_month - 1)) % 3
        starts = [after_last - 3 * back for back in range(settings.get("history_quarters", 40), -1, -1)]
        labels = []
        for start in starts[:-1]:
            into_year = (start - (first_month - 1)) % 12
            year = (start - into_year) // 12
            named = year if first_month == 1 or named_by == "start" else year + 1
            labels.append(f"{named}Q{into_year // 3 + 1}")
        days = [date(start // 12, start % 12 + 1, 1) for start in starts]
        return cls(tuple(labels), tuple(one - timedelta(days=1) for one in days[1:]), days[0])

    def index(self, one: date | None) -> int | None:
        """The number of the quarter that holds a day; None outside of the history."""
        if one is None or one < self.first_day or one > self.ends[-1]:
            return None
        return 1 + sum(one > end for end in self.ends)

    def end(self, quarter: int) -> date:
        return self.ends[quarter - 1]

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class Rates:
    """What one unit of a currency is worth in the reporting currency, by day."""

    reporting: str
    dated: tuple[tuple[str, date, Fraction], ...]

    @classmethod
    def of(cls, settings: Row) -> Rates:
        return cls(
            settings.get("reporting_currency", "USD"),
            tuple((r["currency"], r["from"], Fraction(str(r["rate"]))) for r in settings.get("exchange_rates", [])),
        )

    def convert(self, amount: Value, currency: str | None, on: date | None) -> Fraction:
        """An amount in the reporting currency, in ten-thousandths; no amount is 0."""
        if amount is None:
            return Fraction(0)
        if currency in (None, self.reporting):
            return half_up(amount, 4)
        assert on is not None
        newest = max((since, rate) for name, since, rate in self.dated if name == currency and since <= on)
        return half_up(amount * newest[1], 4)

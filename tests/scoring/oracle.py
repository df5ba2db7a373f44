"""The decision rules a second time, in plain Python and from the specification: CSV files in, released rows out.

It shares nothing with dbt_project but the seed of role names, and nothing with pipelines but the rows of a policy, so
that a mistake would have to be made twice to go unseen. Numbers are exact fractions, rounded only where a rule says
so. How the two are compared is in test_against_oracle.py.
"""

from __future__ import annotations

import csv
import json
import math
import operator
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pipelines.policy import read_policies

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = ROOT / "dbt_project" / "seeds"

Row = dict[str, Any]
Value = Fraction | None

# Money is split in whole units of 1/10000 of the reporting currency.
UNITS = 10_000
VALUE_DIGITS = 6
STRENGTH = {"sourced": 0, "fulfilled": 1, "unknown": 2, "influenced": 3}


def half_up(number: Fraction | int, digits: int) -> Fraction:
    """A number rounded to `digits` decimals, halves away from zero."""
    above, below = abs(number.numerator) * 10**digits, number.denominator
    whole = (2 * above + below) // (2 * below)
    return Fraction(whole if number >= 0 else -whole, 10**digits)


def decimal(number: Value, digits: int = VALUE_DIGITS) -> Decimal | None:
    """A fraction that has at most `digits` decimals, as the decimal a table holds."""
    if number is None:
        return None
    made = Decimal(number.numerator) / Decimal(number.denominator)
    assert Fraction(made) == number, f"{number} has more than {digits} decimals"
    return made


# --- the company ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partner:
    """A partner account that is scored."""

    id: str
    number: str
    name: str
    attributes: dict[str, str | None]
    joined: date | None


@dataclass(frozen=True)
class Part:
    """One partner on one deal, its roles taken together."""

    partner: Partner
    role: str
    is_primary: bool
    is_influencing: bool


@dataclass(frozen=True)
class Deal:
    """An opportunity in units of the reporting currency, with its partners in the order that splits it."""

    id: str
    customer: str
    units: int
    is_closed: bool
    is_won: bool
    created: date | None
    closes: date
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Company:
    """What the exports say, read as the domain asks for it."""

    partners: list[Partner]
    deals: list[Deal]


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def _is(text: str | None) -> bool:
    return (text or "").strip().lower() == "true"


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def read_company(inputs: Path, settings: Row) -> Company:
    """Partners and deals of a Salesforce export: deleted rows and pseudo-partners left out, amounts converted."""
    pseudo = {name.strip().lower() for name in settings.get("pseudo_partners", [])}
    partners: dict[str, Partner] = {}
    for row in _table(inputs, "Account"):
        names = {row["Id"].lower(), row["Name"].strip().lower(), row.get("AccountNumber", "").strip().lower()}
        if _is(row["IsPartner"]) and not _is(row.get("IsDeleted")) and not names & pseudo:
            attributes = {
                "region": row.get("Region__c") or None,
                "country": row.get("BillingCountry") or None,
                "industry": row.get("Industry") or None,
            }
            number = row.get("AccountNumber") or row["Id"]
            partners[row["Id"]] = Partner(row["Id"], number, row["Name"], attributes, _day(row.get("CreatedDate")))

    roles = {row["role_raw"]: row["role"] for row in _seed("partner_role_map")}
    on_deal: dict[str, dict[str, list[tuple[str, bool]]]] = defaultdict(lambda: defaultdict(list))
    for row in _table(inputs, "OpportunityPartner"):
        if row["AccountToId"] in partners and not _is(row.get("IsDeleted")):
            role = roles.get(row.get("Role", "").strip().lower(), "unknown")
            on_deal[row["OpportunityId"]][row["AccountToId"]].append((role, _is(row.get("IsPrimary"))))

    deals = []
    for row in _table(inputs, "Opportunity"):
        if _is(row.get("IsDeleted")):
            continue
        parts = [
            Part(
                partner=partners[account],
                role=min((role for role, _ in found), key=STRENGTH.__getitem__),
                is_primary=any(primary for _, primary in found),
                is_influencing=any(role == "influenced" for role, _ in found),
            )
            for account, found in on_deal[row["Id"]].items()
        ]
        parts.sort(key=lambda part: (not part.is_primary, STRENGTH[part.role], part.partner.number))
        closes = date.fromisoformat(row["CloseDate"])
        currency = row.get("CurrencyIsoCode") or settings.get("reporting_currency", "USD")
        amount = half_up(Fraction(row["Amount"]) * _rate(settings, currency, closes), 4)
        deals.append(
            Deal(
                id=row["Id"],
                customer=row["AccountId"],
                units=int(amount * UNITS),
                is_closed=_is(row["IsClosed"]),
                is_won=_is(row["IsWon"]),
                created=_day(row.get("CreatedDate")),
                closes=closes,
                parts=tuple(parts),
            )
        )
    return Company(sorted(partners.values(), key=lambda partner: partner.number), deals)


def _seed(name: str) -> list[dict[str, str]]:
    return _table(SEEDS, name)


def _rate(settings: Row, currency: str, on: date) -> Fraction:
    if currency == settings.get("reporting_currency", "USD"):
        return Fraction(1)
    dated = [
        (rate["from"], Fraction(str(rate["rate"])))
        for rate in settings["exchange_rates"]
        if rate["currency"] == currency and rate["from"] <= on
    ]
    return max(dated)[1]


@dataclass(frozen=True)
class Calendar:
    """The quarters of the history, numbered from 1."""

    first_month: int
    named_by: str
    labels: tuple[str, ...]
    ends: tuple[date, ...]
    first_start: date

    @classmethod
    def of(cls, settings: Row) -> Calendar:
        fiscal = settings.get("fiscal_calendar", {})
        first_month, named_by = fiscal.get("first_month", 1), fiscal.get("named_by", "end")
        as_of: date = settings["as_of"] + timedelta(days=1)  # a quarter that ends today has ended
        months = as_of.year * 12 + as_of.month - 1
        after_last = months - (months - (first_month - 1)) % 3
        count = settings.get("history_quarters", 40)
        starts = [after_last - 3 * back for back in range(count, -1, -1)]
        days = [date(start // 12, start % 12 + 1, 1) for start in starts]
        labels = []
        for start in starts[:-1]:
            into_year = (start - (first_month - 1)) % 12
            year = (start - into_year) // 12
            named = year if first_month == 1 or named_by == "start" else year + 1
            labels.append(f"{named}Q{into_year // 3 + 1}")
        ends = tuple(day - timedelta(days=1) for day in days[1:])
        return cls(first_month, named_by, tuple(labels), ends, days[0])

    def index(self, day: date | None) -> int | None:
        """The number of the quarter that holds a day; None outside of the history."""
        if day is None or day < self.first_start or day > self.ends[-1]:
            return None
        return 1 + sum(day > end for end in self.ends)


# --- credit -----------------------------------------------------------------------------------------------------


def split(units: int, weights: Sequence[Fraction]) -> list[int]:
    """Units divided by cumulative shares, so that the parts add up to the whole; the parts' order matters."""
    total = sum(weights)
    made: list[int] = []
    running = Fraction(0)
    for weight in weights:
        running += weight
        made.append(math.trunc(units * running / total) - sum(made))
    return made


def production_credits(deal: Deal, model: str, weights: dict[str, Fraction]) -> list[tuple[Part, int]]:
    """Who holds credit for a deal, and how many units of it; nobody does for a direct deal."""
    if not deal.parts:
        return []
    if model == "primary":
        return [(deal.parts[0], deal.units)]
    shares = [Fraction(1) for _ in deal.parts]
    if model == "role_weighted":
        weighted = [weights.get(part.role, Fraction(0)) for part in deal.parts]
        shares = weighted if any(weighted) else shares
    return list(zip(deal.parts, split(deal.units, shares), strict=True))


def influence_credits(deal: Deal) -> list[tuple[Part, int]]:
    """The deal's units in equal parts among partners that influenced it: a measure beside production."""
    influencing = [part for part in deal.parts if part.is_influencing]
    if not influencing:
        return []
    return list(zip(influencing, split(deal.units, [Fraction(1)] * len(influencing)), strict=True))


# --- metrics ----------------------------------------------------------------------------------------------------

SUMS_OF_MONEY = {
    "sourced_pipeline_amount": "sourced_pipeline",
    "influenced_pipeline_amount": "influenced_pipeline",
    "sourced_won_amount": "sourced_won",
    "influenced_won_amount": "influenced_won",
}
COUNTS = {"won_deals": "won", "decided_deals": "decided", "new_customers": "new_customers"}
Measures = dict[tuple[str, int], dict[str, int]]


class Metrics:
    """Values of the catalogue's metrics for one way of giving credit."""

    def __init__(self, company: Company, calendar: Calendar, model: str, weights: dict[str, Fraction]) -> None:
        self.measures: Measures = defaultdict(lambda: defaultdict(int))
        self.first_won: dict[str, date] = {}
        self.partners = {partner.id: partner for partner in company.partners}
        first_of_customer: dict[str, tuple[date, str]] = {}
        for deal in company.deals:
            if deal.is_won:
                key = (deal.closes, deal.id)
                first_of_customer[deal.customer] = min(first_of_customer.get(deal.customer, key), key)
        for deal in company.deals:
            created = calendar.index(deal.created)
            closed = calendar.index(deal.closes) if deal.is_closed else None
            for part, units in production_credits(deal, model, weights):
                partner = part.partner.id
                sourced = units if part.role == "sourced" else 0
                if created:
                    self._add(partner, created, sourced_pipeline=sourced)
                if closed:
                    self._add(partner, closed, decided=1)
                if closed and deal.is_won:
                    self._add(partner, closed, sourced_won=sourced, credited_won=units, won=1)
                    if deal.created:
                        self._add(partner, closed, cycles=1, cycle_days=(deal.closes - deal.created).days)
                    if first_of_customer[deal.customer] == (deal.closes, deal.id):
                        self._add(partner, closed, new_customers=1)
                if deal.is_won and deal.is_closed:
                    self.first_won[partner] = min(self.first_won.get(partner, deal.closes), deal.closes)
            for part, units in influence_credits(deal):
                if created:
                    self._add(part.partner.id, created, influenced_pipeline=units)
                if closed and deal.is_won:
                    self._add(part.partner.id, closed, influenced_won=units)
        self.seen: dict[str, int] = {}
        for deal in company.deals:
            # Whoever stands on a deal produces, whatever part of it a model credits.
            quarters = [calendar.index(deal.created), calendar.index(deal.closes) if deal.is_closed else None]
            for part, _ in production_credits(deal, "equal", weights):
                for quarter in filter(None, quarters):
                    self.seen[part.partner.id] = min(self.seen.get(part.partner.id, quarter), quarter)
        self.start = min(self.seen.values(), default=1)
        self.calendar = calendar

    def _add(self, partner: str, quarter: int, **amounts: int) -> None:
        for measure, amount in amounts.items():
            self.measures[partner, quarter][measure] += amount

    def value(self, metric: str, partner: str, quarter: int, use: Row) -> Value:
        """What a metric says of a partner in a quarter, rounded once; None is unknown."""
        last = quarter - use["window_lag"]
        first = last - use["window_quarters"] + 1
        if last < self.start or (use["window_complete"] and first < self.start):
            return None
        quarters = range(max(first, self.start), last + 1)
        found = self._value(metric, partner, quarters, use["window_quarters"])
        return None if found is None else half_up(found, VALUE_DIGITS)

    def _value(self, metric: str, partner: str, quarters: range, length: int) -> Value:
        def total(measure: str, over: Iterable[int] = quarters) -> int:
            return sum(
                self.measures[partner, quarter][measure] for quarter in over if (partner, quarter) in self.measures
            )

        def ratio(above: str, below: str) -> Value:
            count = total(below)
            return Fraction(total(above), count) if count else None

        if metric in SUMS_OF_MONEY:
            return Fraction(total(SUMS_OF_MONEY[metric]), UNITS)
        if metric in COUNTS:
            return Fraction(total(COUNTS[metric]))
        if metric == "win_rate":
            return ratio("won", "decided")
        if metric == "average_deal_amount":
            average = ratio("credited_won", "won")
            return None if average is None else average / UNITS
        if metric == "sales_cycle_days":
            return ratio("cycle_days", "cycles")
        if metric == "active_quarters":
            return Fraction(sum(total("won", [quarter]) > 0 for quarter in quarters))
        if metric == "pipeline_velocity_amount":
            average, rate, cycle = ratio("credited_won", "won"), ratio("won", "decided"), ratio("cycle_days", "cycles")
            return (
                None if average is None or rate is None or not cycle else total("won") * average * rate / cycle / UNITS
            )
        if metric == "growth_rate":
            end = quarters[-1] - length
            if end - length + 1 < self.start:
                return None
            before = total("sourced_won", range(end - length + 1, end + 1))
            return Fraction(total("sourced_won"), before) - 1 if before > 0 else None
        assert metric == "days_to_first_deal", f"no rule for {metric}"
        joined, first = self.partners[partner].joined, self.first_won.get(partner)
        if joined is None or first is None or first > self.calendar.ends[quarters[-1] - 1]:
            return None
        return Fraction((first - joined).days)

    def roster(self, partner: Partner) -> range:
        """The quarters in which a partner stands: from joining or first production, once there is any production."""
        last = len(self.calendar.ends)
        seen = [self.seen[partner.id]] if partner.id in self.seen else []
        if partner.joined is None:
            seen.append(1)  # nobody knows better than that it was always there
        elif partner.joined <= self.calendar.ends[-1]:
            seen.append(self.calendar.index(partner.joined) or 1)
        return range(max(min(seen, default=last + 1), self.start), last + 1)


# --- scores -----------------------------------------------------------------------------------------------------


COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
    "equals": operator.eq,
}


def holds(operator_name: str, value: Value, bar: Fraction) -> bool:
    """Whether a value passes a bar; an unknown one never does."""
    if value is None:
        return False
    return COMPARISONS[operator_name](value, bar)


def millionths(value: Fraction) -> int:
    """A rounded value as a whole number."""
    return value.numerator * (10**VALUE_DIGITS // value.denominator)


def percent_rank(value: Fraction, among: Sequence[int]) -> Fraction:
    """The share of the others that are below, `among` being sorted; the middle when there are no others."""
    return Fraction(bisect_left(among, millionths(value)), len(among) - 1) if len(among) > 1 else Fraction(1, 2)


# Values have six decimals, so whole numbers order them as well and much faster.
Peers = dict[tuple[str | None, ...] | None, list[int]]


@dataclass
class Scored:
    """A partner's score in a quarter."""

    values: dict[str, Value] = field(default_factory=dict)
    points: dict[str, Value] = field(default_factory=dict)
    contributions: dict[str, Value] = field(default_factory=dict)
    dimensions: dict[str, Value] = field(default_factory=dict)
    total: Value = None
    evidence: Fraction = Fraction(0)


class Programme:
    """One policy version: scores and levels of every partner in every quarter it decides."""

    def __init__(self, rows: dict[str, list[Row]], company: Company, calendar: Calendar) -> None:
        self.rows, self.company, self.calendar = rows, company, calendar
        self.policy: Row = rows["policies"][0]
        self.digits: int = self.policy["rounding_digits"]
        weights = {row["role"]: Fraction(row["weight"]) for row in rows["attributions"] if row["role"]}
        self.metrics = Metrics(company, calendar, rows["attributions"][0]["model"], weights)
        self.uses = {row["metric"]: row for row in rows["metric_uses"]}
        self.partners = {partner.id: partner for partner in company.partners}
        self._values: dict[tuple[str, str, int], Value] = {}
        self.rosters = {partner.id: self.metrics.roster(partner) for partner in company.partners}

    @property
    def key(self) -> tuple[str, str]:
        return self.policy["policy"], self.policy["version"]

    @cached_property
    def quarters(self) -> list[int]:
        """The quarters whose last day this version decides."""
        until = self.policy["effective_to"]
        return [
            quarter
            for quarter, end in enumerate(self.calendar.ends, start=1)
            if quarter >= self.metrics.start and self.policy["effective_from"] <= end and (until is None or end < until)
        ]

    def roster(self, quarter: int) -> list[str]:
        """The partners that stand in a quarter, by partner number."""
        return [partner for partner, quarters in self.rosters.items() if quarter in quarters]

    def value(self, metric: str, partner: str, quarter: int) -> Value:
        """A metric over the window this policy looks at."""
        key = (metric, partner, quarter)
        if key not in self._values:
            self._values[key] = self.metrics.value(metric, partner, quarter, self.uses[metric])
        return self._values[key]

    def own_window(self, metric: str, partner: str, quarter: int) -> Value:
        """A metric over the window of the whole policy, whatever window the metric has of its own."""
        return self.metrics.value(metric, partner, quarter, {**self.policy, "window_lag": 0})

    @cached_property
    def scores(self) -> dict[tuple[int, str], Scored]:
        """Every score by quarter and partner; empty for a policy without one."""
        made: dict[tuple[int, str], Scored] = {}
        if self.policy["combine"] == "none":
            return made
        for quarter in self.quarters:
            roster = self.roster(quarter)
            made |= {(quarter, partner): Scored() for partner in roster}
            for criterion in self.rows["criteria"]:
                peers = self._peers(criterion, roster, quarter)
                for partner in roster:
                    scored = made[quarter, partner]
                    scored.values[criterion["criterion"]] = self.value(criterion["metric"], partner, quarter)
                    scored.points[criterion["criterion"]] = self._points(criterion, partner, quarter, peers)
            for partner in roster:
                self._combine(made[quarter, partner])
        return made

    def _peers(self, criterion: Row, roster: list[str], quarter: int) -> Peers:
        """The known values of a criterion's metric, sorted: everybody's under None, and those of each peer group."""
        made: Peers = defaultdict(list)
        for partner in roster:
            value = self.value(criterion["metric"], partner, quarter)
            if value is not None:
                made[None].append(millionths(value))
                made[self._group(criterion, partner)].append(millionths(value))
        for values in made.values():
            values.sort()
        return made

    def _group(self, criterion: Row, partner: str) -> tuple[str | None, ...]:
        attributes = self.partners[partner].attributes
        peers = self.rows["criterion_peers"]
        return tuple(attributes[row["attribute"]] for row in peers if row["criterion"] == criterion["criterion"])

    def _points(self, criterion: Row, partner: str, quarter: int, peers: Peers) -> Value:
        """Points of one criterion, None where it is left out."""
        value = self.value(criterion["metric"], partner, quarter)
        if value is None:
            return Fraction(0) if criterion["missing"] == "zero" else None
        for asked in self.rows["criterion_requirements"]:
            if asked["criterion"] == criterion["criterion"]:
                found = self.value(asked["metric"], partner, quarter)
                if not holds(asked["operator"], found, Fraction(asked["value"])):
                    return Fraction(0)
        most = None if criterion["max_points"] is None else Fraction(criterion["max_points"])
        if criterion["kind"] == "per_unit":
            units = Fraction(math.floor(value)) if criterion["whole_units"] else value
            points = units * Fraction(criterion["each_points"])
        elif criterion["kind"] == "range":
            low, high = Fraction(criterion["low"]), Fraction(criterion["high"])
            points = min(max((value - low) / (high - low), Fraction(0)), Fraction(1)) * (most or 0)
        else:
            own = peers[self._group(criterion, partner)]
            trust = Fraction(len(own)) / (len(own) + Fraction(criterion["shrink"]))
            place = trust * percent_rank(value, own) + (1 - trust) * percent_rank(value, peers[None])
            points = place * (most or 0)
        if criterion["min_points"] is not None:
            points = max(points, Fraction(criterion["min_points"]))
        if most is not None:
            points = min(points, most)
        return half_up(points, self.digits)

    def _combine(self, scored: Scored) -> None:
        criteria = self.rows["criteria"]
        is_weighted = self.policy["combine"] == "weighted"
        overall = {row["dimension"]: Fraction(row["weight"] or 0) for row in self.rows["dimensions"]}

        def weight(row: Row) -> Fraction:
            return Fraction(row["weight"]) if is_weighted else Fraction(1)

        def outer(row: Row) -> Fraction:
            return overall[row["dimension"]] if is_weighted else Fraction(1)

        scored.evidence = sum(
            (weight(row) * outer(row) for row in criteria if scored.values[row["criterion"]] is not None), Fraction(0)
        ) / sum((weight(row) * outer(row) for row in criteria), Fraction(0))
        counted = [row for row in criteria if scored.points[row["criterion"]] is not None]
        is_blocked = any(row["missing"] == "block" and scored.points[row["criterion"]] is None for row in criteria)
        inner: dict[str, Fraction] = defaultdict(Fraction)
        sums: dict[str, Fraction] = defaultdict(Fraction)
        for row in counted:
            inner[row["dimension"]] += weight(row)
            sums[row["dimension"]] += weight(row) * (scored.points[row["criterion"]] or 0)
        for dimension in overall:
            known = dimension in inner and not is_blocked
            exact = sums[dimension] / (inner[dimension] if is_weighted else 1) if known else None
            scored.dimensions[dimension] = None if exact is None else half_up(exact, self.digits)
        shared = sum((overall[dimension] for dimension in inner if is_weighted), Fraction(0))
        running = Fraction(0)
        for row in criteria:
            scored.contributions[row["criterion"]] = None
            if row in counted and not is_blocked:
                before = half_up(running, self.digits)
                part = weight(row) * outer(row) / inner[row["dimension"]] / shared if is_weighted else Fraction(1)
                running += part * (scored.points[row["criterion"]] or 0)
                scored.contributions[row["criterion"]] = half_up(running, self.digits) - before
        scored.total = half_up(running, self.digits) if counted and not is_blocked else None

    # --- levels -------------------------------------------------------------------------------------------------

    def levels(self, ladder: str) -> list[Row]:
        """A ladder's levels, the best first."""
        return sorted((row for row in self.rows["levels"] if row["ladder"] == ladder), key=lambda row: row["rank"])

    def _reached(self, ladder: Row, quarter: int, shift: int) -> dict[str, int]:
        """The best rank whose conditions hold, by partner; `shift` times the buffer is added to bars on scores."""
        roster = self.roster(quarter)
        buffer = shift * Fraction(self._movement(ladder["ladder"])["buffer"])
        bars = [row for row in self.rows["level_conditions"] if row["ladder"] == ladder["ladder"]]
        passed = {(bar["rank"], bar["condition"]): self._passing(bar, roster, quarter, buffer) for bar in bars}
        made = dict.fromkeys(roster, ladder["lowest_rank"])
        for level in reversed(self.levels(ladder["ladder"])):
            ways: dict[int, list[set[str]]] = defaultdict(list)
            for bar in bars:
                if bar["rank"] == level["rank"]:
                    ways[bar["alternative"]].append(passed[bar["rank"], bar["condition"]])
            for partner in roster:
                is_open = not level["has_conditions"] and not level["is_outside"]
                if is_open or any(all(partner in found for found in way) for way in ways.values()):
                    made[partner] = level["rank"]
        return made

    def _passing(self, bar: Row, roster: list[str], quarter: int, buffer: Fraction) -> set[str]:
        kind, subject = bar["kind"], bar["subject"]
        if kind == "top_share":
            return self._top_share(bar, roster, quarter)
        if kind == "attribute":
            texts = json.loads(bar["text_values"])
            return {partner for partner in roster if self.partners[partner].attributes[subject] in texts}
        if kind == "metric":
            found = {partner: self.value(subject, partner, quarter) for partner in roster}
            return {who for who, value in found.items() if holds(bar["operator"], value, Fraction(bar["value"]))}
        if bar["operator"] in ("at_most", "below"):
            buffer = -buffer
        elif bar["operator"] == "equals":
            buffer = Fraction(0)
        scores = {partner: self.scores[quarter, partner] for partner in roster}
        found = {
            partner: {"score": lambda s=s: s.total, "dimension": lambda s=s: s.dimensions[subject],
                      "points": lambda s=s: s.points[subject]}[kind]()
            for partner, s in scores.items()
        }  # fmt: skip
        return {who for who, value in found.items() if holds(bar["operator"], value, Fraction(bar["value"]) + buffer)}

    def _top_share(self, bar: Row, roster: list[str], quarter: int) -> set[str]:
        within = [
            row["attribute"]
            for row in self.rows["condition_peers"]
            if (row["ladder"], row["level"], row["condition"]) == (bar["ladder"], bar["level"], bar["condition"])
        ]
        groups: dict[tuple[str | None, ...], list[tuple[Fraction, str, str]]] = defaultdict(list)
        for who in roster:
            value = self.value(bar["subject"], who, quarter)
            counted = bar["of_metric"] is None or holds(
                bar["of_operator"], self.value(bar["of_metric"], who, quarter), Fraction(bar["of_value"])
            )
            if value is not None and counted:
                partner = self.partners[who]
                tie = partner.number if bar["ties"] == "partner_number" else partner.id
                group = tuple(partner.attributes[attribute] for attribute in within)
                groups[group].append((-half_up(value, bar["round_digits"]), tie, who))
        passing: set[str] = set()
        for members in groups.values():
            places = math.ceil(Fraction(bar["value"]) * len(members))
            passing |= {who for _, _, who in sorted(members)[:places]}
        return passing

    def _movement(self, ladder: str) -> Row:
        return next(row for row in self.rows["movement"] if row["ladder"] == ladder)

    def ranks(self, ladder: Row, quarter: int) -> dict[str, tuple[int, int, int]]:
        """(earned, raised, lowered) by partner, after capacities."""
        reached, raised, lowered = (self._reached(ladder, quarter, shift) for shift in (0, 1, -1))
        earned = dict(reached)
        for level in self.levels(ladder["ladder"]):
            here = [partner for partner, rank in earned.items() if rank == level["rank"]]
            if level["capacity"] is not None and len(here) > level["capacity"]:
                here.sort(key=lambda partner: (self._total_first(quarter, partner), self.partners[partner].number))
                for partner in here[level["capacity"] :]:
                    earned[partner] = level["rank"] + 1
        return {
            partner: (
                earned[partner],
                max(raised[partner], earned[partner]),
                earned[partner] if earned[partner] > reached[partner] else lowered[partner],
            )
            for partner in reached
        }

    def _total_first(self, quarter: int, partner: str) -> tuple[bool, Fraction]:
        total = self.scores[quarter, partner].total if self.scores else None
        return total is None, -(total or Fraction(0))

    def history(self, ladder: Row, states: dict[str, Standing]) -> list[Row]:
        """Every review of a ladder, replayed from the first quarter with what is known now.

        `states` is where earlier versions of the policy left each partner; the reviews move it on.
        """
        names = {row["rank"]: row["level"] for row in self.levels(ladder["ladder"])}
        movement = self._movement(ladder["ladder"])
        rules = Rules(
            promote_after=movement["promote_after"],
            demote_after=movement["demote_after"],
            max_up=movement["max_up"],
            max_down=movement["max_down"],
            outside=ladder["outside_rank"],
        )
        made: list[Row] = []
        for quarter in self.quarters:
            for partner, (earned, raised, lowered) in self.ranks(ladder, quarter).items():
                before = states.get(partner)
                after = review(before, earned, raised, lowered, quarter, rules)
                states[partner] = after
                made.append(
                    {
                        "partner_number": self.partners[partner].number,
                        "quarter": self.calendar.labels[quarter - 1],
                        "ladder": ladder["ladder"],
                        "earned_level": names[earned],
                        "held_level": names[after.held],
                        "previous_level": names[before.held] if before else None,
                        "action": after.action,
                        "reviews_above": after.above,
                        "reviews_below": after.below,
                        "held_since": self.calendar.labels[after.since - 1],
                    }
                )
        return made


@dataclass(frozen=True)
class Rules:
    """How a ladder moves; None is no limit, or no level that stands for being outside."""

    promote_after: int = 1
    demote_after: int = 1
    max_up: int | None = None
    max_down: int | None = None
    outside: int | None = None


@dataclass(frozen=True)
class Standing:
    """What a review leaves behind."""

    held: int
    above: int
    below: int
    action: str
    since: int


def review(before: Standing | None, earned: int, raised: int, lowered: int, quarter: int, rules: Rules) -> Standing:
    """One review of one partner: ranks are 1 for the top, `raised` >= `earned` >= `lowered`."""
    if before is None or before.held == rules.outside:
        is_still_out = earned == rules.outside
        since = before.since if before and is_still_out else quarter
        return Standing(earned, 0, 0, "outside" if is_still_out else "entered", since)
    held = before.held
    if raised < held:
        above = before.above + 1
        if above < rules.promote_after:
            return Standing(held, above, 0, "kept", before.since)
        best = raised if rules.max_up is None else max(raised, held - rules.max_up)
        return Standing(best, 0, 0, "promoted", quarter)
    if lowered > held:
        below = before.below + 1
        if below < rules.demote_after:
            return Standing(held, 0, below, "on_watch", before.since)
        if lowered == rules.outside:
            return Standing(lowered, 0, 0, "exited", quarter)
        worst = lowered if rules.max_down is None else min(lowered, held + rules.max_down)
        return Standing(worst, 0, 0, "demoted", quarter)
    return Standing(held, 0, 0, "kept", before.since)


# --- a deployment -----------------------------------------------------------------------------------------------


class Oracle:
    """Everything a deployment should release, from its file alone."""

    def __init__(self, file: Path) -> None:
        self.settings: Row = yaml.safe_load(file.read_text(encoding="utf-8"))
        paths = {name: (file.parent / folder).resolve() for name, folder in self.settings["paths"].items()}
        (source,) = self.settings["sources"].values()
        self.calendar = Calendar.of(self.settings)
        self.company = read_company(paths["inputs"] / source.get("options", {}).get("folder", "."), self.settings)
        catalogue = [row["metric"] for row in _seed("metric_catalogue")]
        chosen = self.settings["policy"]
        self.active: str = chosen["active"]
        wanted = {name.partition("@")[0] for name in (chosen["active"], *chosen.get("compare", []))}
        self.programmes = [
            Programme(policy.rows(), self.company, self.calendar)
            for policy in read_policies(paths["policies"], catalogue)
            if policy.name in wanted
        ]

    def scores(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """partner_scores by policy, version, quarter and partner number; a place counts everybody that is better."""
        totals: dict[tuple[Any, ...], list[Fraction]] = defaultdict(list)
        for programme in self.programmes:
            for (quarter, _), scored in programme.scores.items():
                if scored.total is not None:
                    totals[programme.key, quarter].append(scored.total)
        ranks = {
            (programme.key, quarter, partner): None
            if scored.total is None
            else 1 + sum(other > scored.total for other in totals[programme.key, quarter])
            for programme in self.programmes
            for (quarter, partner), scored in programme.scores.items()
        }
        return {
            (*programme.key, self.calendar.labels[quarter - 1], programme.partners[partner].number): {
                "total_score": decimal(scored.total),
                "evidence_share": float(scored.evidence),
                "score_rank": ranks[programme.key, quarter, partner],
                "dimension_scores": {name: _shown(value) for name, value in scored.dimensions.items()} or None,
            }
            for programme in self.programmes
            for (quarter, partner), scored in programme.scores.items()
        }

    def contributions(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """partner_score_contributions of the active policy by quarter, partner and criterion."""
        return {
            (*programme.key, self.calendar.labels[quarter - 1], programme.partners[partner].number, criterion): {
                "value": decimal(scored.values[criterion]),
                "points": decimal(scored.points[criterion]),
                "contribution": decimal(scored.contributions[criterion]),
            }
            for programme in self.programmes
            if programme.key[0] == self.active
            for (quarter, partner), scored in programme.scores.items()
            for criterion in scored.values
        }

    @cached_property
    def _histories(self) -> list[tuple[Programme, Row, list[Row]]]:
        states: dict[tuple[str, str], dict[str, Standing]] = defaultdict(dict)
        return [
            (programme, ladder, programme.history(ladder, states[programme.key[0], ladder["ladder"]]))
            for programme in self.programmes
            for ladder in programme.rows["ladders"]
        ]

    def history(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """partner_level_history by policy, version, ladder, quarter and partner."""
        return {
            (*programme.key, row["ladder"], row["quarter"], row["partner_number"]): {
                name: row[name]
                for name in (
                    "earned_level",
                    "held_level",
                    "previous_level",
                    "action",
                    "reviews_above",
                    "reviews_below",
                    "held_since",
                )
            }
            for programme, _, rows in self._histories
            for row in rows
        }

    def summary(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """segment_summary by policy, version, ladder, quarter and level; a level nobody holds has a row too."""
        made: dict[tuple[str, ...], dict[str, Any]] = {}
        ids = {partner.number: partner.id for partner in self.company.partners}
        for programme, ladder, rows in self._histories:
            for quarter in programme.quarters:
                label = self.calendar.labels[quarter - 1]
                for level in programme.levels(ladder["ladder"]):
                    holders = [
                        ids[row["partner_number"]]
                        for row in rows
                        if (row["quarter"], row["held_level"]) == (label, level["level"])
                    ]
                    amounts = [programme.own_window("sourced_won_amount", partner, quarter) for partner in holders]
                    known = [amount for amount in amounts if amount is not None]
                    made[(*programme.key, ladder["ladder"], label, level["level"])] = {
                        "partner_count": len(holders),
                        "sourced_won_amount": decimal(sum(known, Fraction(0))) if known or not holders else None,
                    }
        return made

    def headlines(self) -> dict[str, dict[str, Any]]:
        """The amounts of partner_segments by partner, over the active policy's own window."""
        last = len(self.calendar.ends)
        programme = next(p for p in self.programmes if p.key[0] == self.active and last in p.quarters)
        return {
            programme.partners[partner].number: {
                metric: _money(programme.own_window(metric, partner, last))
                for metric in ("sourced_won_amount", "influenced_won_amount", "sourced_pipeline_amount")
            }
            for partner in programme.roster(last)
        }


def _shown(value: Value) -> Decimal | None:
    return None if value is None else decimal(half_up(value, 2))


def _money(value: Value) -> Decimal | None:
    found = decimal(value)
    return None if found is None else found.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)

"""Partners and their metrics a second time, in plain Python, from the definitions: template CSV files in, values out.

It shares nothing with dbt_project but two lists of words (which spelling of a status means what, which domains are
public) and nothing with pipelines at all, so that a mistake would have to be made twice to go unseen. Numbers are exact
fractions, rounded only where a definition says so. Files, partners, facts and overlaps are in the modules beside this
one; how the two implementations are compared is in test_metrics_against_oracle.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from metrics.facts import (
    UNITS,
    credits,
    first_deals,
    production_sums,
    read_activity,
    read_certificates,
    read_deals,
    read_first_enabled,
    read_flags,
    read_last_touch,
)
from metrics.identity import Deployment
from metrics.overlaps import OVERLAP_COUNTS, Overlaps
from metrics.reading import VALUE_DIGITS, Record, Row, Value, decimal, half_up


class Company(Deployment):
    """A deployment with everything that its systems say of its partners."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.deals = read_deals(self)
        self.first_deal = first_deals(self.deals, self.calendar)
        self.activity = read_activity(self)
        self.certificates = read_certificates(self)
        self.first_enabled = read_first_enabled(self)
        self.flags = read_flags(self)
        self.last_touch = read_last_touch(self)
        overlaps, quarters = Overlaps(self, self.deals), range(1, len(self.calendar) + 1)
        self.overlaps = {quarter: overlaps.at_the_end_of(quarter) for quarter in quarters}


@dataclass(frozen=True)
class Window:
    """How a policy looks at a metric."""

    quarters: int
    is_complete: bool = False
    lag: int = 0


PRODUCTION = ("opportunities", "opportunity_partners")
NEEDS: dict[str, tuple[str, ...]] = {
    "certified_people": ("training_records",),
    "active_certifications": ("training_records",),
    "trainings_completed": ("training_records",),
    "days_to_enablement": ("training_records",),
    "registrations_submitted": ("deal_registrations",),
    "registrations_accepted": ("deal_registrations",),
    "acceptance_rate": ("deal_registrations",),
    "registrations_won": ("deal_registrations",),
    "portal_active_days": ("activity_events",),
    "content_views": ("activity_events",),
    "mdf_requested_amount": ("mdf_requests",),
    "mdf_spent_amount": ("mdf_claims",),
    "mdf_return_ratio": ("mdf_claims", *PRODUCTION),
    "csat_average": ("csat_responses",),
    "csat_responses": ("csat_responses",),
    "business_plans_held": ("business_plans",),
    "product_lines_sold": ("transactions",),
    "partner_manager_hours": ("meetings",),
    "meetings_held": ("meetings",),
}
"""What systems that know the partner must offer; overlaps depend on what it shares, flags on there being a list."""
OVERLAP_METRICS = {
    "overlap_accounts",
    "icp_overlap_accounts",
    "icp_overlap_share",
    "overlap_open_amount",
    "overlap_customers",
    "whitespace_accounts",
    "unique_reach_accounts",
}
OF_A_DAY = {
    *OVERLAP_METRICS,
    "certified_people",
    "active_certifications",
    "days_to_enablement",
    "strategic_flag",
}
"""Metrics of the quarter's last day: they have no window that could be full or not."""
SUMS_OF_MONEY = {
    "sourced_pipeline_amount": "sourced_pipeline",
    "influenced_pipeline_amount": "influenced_pipeline",
    "sourced_won_amount": "sourced_won",
    "influenced_won_amount": "influenced_won",
}
COUNTS = {"won_deals": "won", "decided_deals": "decided", "new_customers": "new_customers"}
PRODUCTION_METRICS = {
    *SUMS_OF_MONEY,
    *COUNTS,
    "win_rate",
    "average_deal_amount",
    "sales_cycle_days",
    "pipeline_velocity_amount",
    "growth_rate",
    "active_quarters",
    "days_to_first_deal",
}
ACTIVITY_SUMS = {
    "trainings_completed": "trainings",
    "registrations_submitted": "submitted",
    "registrations_accepted": "accepted",
    "registrations_won": "registrations_won",
    "content_views": "views",
    "mdf_requested_amount": "mdf_requested",
    "mdf_spent_amount": "mdf_spent",
    "csat_responses": "answers",
    "business_plans_held": "plans",
    "meetings_held": "meetings",
}
DIFFERENT_THINGS = {"portal_active_days": "active_days", "product_lines_sold": "products"}


class Metrics:
    """Values of the catalogue's metrics for one way of giving credit."""

    def __init__(self, company: Company, model: str, weights: dict[str, Fraction]) -> None:
        self.company, self.calendar = company, company.calendar
        self._production_sums = production_sums(company.deals, company.calendar, model, weights)
        self._first_won: dict[Record, date] = {}
        for deal in company.deals:
            for part, _ in credits(deal, model, weights) if deal.is_won else []:
                assert deal.closes is not None
                self._first_won[part.partner] = min(self._first_won.get(part.partner, deal.closes), deal.closes)
        self.start = min(company.first_deal.values(), default=1)

    def quarters(self, partner: Record) -> range:
        """The quarters in which a partner stands: from joining or its first deal, once anybody has a deal."""
        last = len(self.calendar)
        joined = self.company.identity.partners[partner].first(lambda record: record.joined)
        first_deal = self.company.first_deal.get(partner)
        begins = [first_deal] if first_deal else []
        if joined is None:
            begins.append(1)  # nobody knows better than that it was always there
        elif joined <= self.calendar.ends[-1]:
            begins.append(self.calendar.index(joined) or 1)
        return range(max(min(begins, default=last + 1), self.start), last + 1)

    def value(self, metric: str, partner: Record, quarter: int, window: Window) -> Value:
        """What a metric says of a partner in a quarter, rounded once; None is unknown."""
        last = quarter - window.lag
        first = last - window.quarters + 1
        is_too_early = last < self.start or (window.is_complete and first < self.start)
        if (last < 1) if metric in OF_A_DAY else is_too_early:
            return None
        needed = PRODUCTION if metric in PRODUCTION_METRICS else NEEDS.get(metric, ())
        if not self.company.knowledge[partner].issuperset(needed):
            return None
        found = self._value(metric, partner, range(max(first, 1), last + 1), window.quarters)
        return None if found is None else half_up(found, VALUE_DIGITS)

    def _value(self, metric: str, partner: Record, quarters: range, length: int) -> Value:
        if metric in PRODUCTION_METRICS:
            return self._production(metric, partner, quarters, length)
        if metric in OVERLAP_METRICS:
            return self._overlap(metric, partner, quarters[-1])
        if metric in OF_A_DAY:
            return self._standing(metric, partner, self.calendar.end(quarters[-1]))
        if metric in ACTIVITY_SUMS:
            return self._happened(partner, ACTIVITY_SUMS[metric], quarters)
        if metric in DIFFERENT_THINGS:
            things = [self.company.activity.things.get((partner, quarter), {}) for quarter in quarters]
            return Fraction(len(set().union(*(seen.get(DIFFERENT_THINGS[metric], ()) for seen in things))))
        return self._ratio(metric, partner, quarters, length)

    def _happened(self, partner: Record, measure: str, quarters: Iterable[int]) -> Fraction:
        sums = (self.company.activity.sums.get((partner, quarter), {}) for quarter in quarters)
        return sum((found[measure] for found in sums if measure in found), Fraction(0))

    def _ratio(self, metric: str, partner: Record, quarters: range, length: int) -> Value:
        def total(measure: str) -> Fraction:
            return self._happened(partner, measure, quarters)

        if metric == "partner_manager_hours":
            return total("minutes") / 60
        if metric == "acceptance_rate":
            decided = total("accepted") + total("declined")
            return total("accepted") / decided if decided else None
        if metric == "csat_average":
            return total("points") / total("answers") if total("answers") else None
        assert metric == "mdf_return_ratio", f"no rule for {metric}"
        won = self._production("sourced_won_amount", partner, quarters, length)
        return won / total("mdf_spent") if won is not None and total("mdf_spent") > 0 else None

    def _overlap(self, metric: str, partner: Record, quarter: int) -> Value:
        told = self.company.overlaps[quarter].get(partner)
        if told is None:
            return None
        if metric == "icp_overlap_share":
            fitting, known = told["icp_overlap_accounts"], told["overlap_accounts"]
            return None if fitting is None or not known else Fraction(fitting, known)
        return None if told[metric] is None else Fraction(told[metric])

    def _standing(self, metric: str, partner: Record, last: date) -> Value:
        if metric == "days_to_enablement":
            records = self.company.identity.partners[partner].records
            joined = min((r.joined for r in records if r.kind == "prm" and r.joined), default=None)
            first = self.company.first_enabled.get(partner)
            return None if joined is None or first is None or first > last else Fraction((first - joined).days)
        if metric == "strategic_flag":
            told = [(who, value) for on, who, value in self.company.flags if on <= last]
            mine = [value for who, value in told if who == partner]
            return mine[-1] if mine else Fraction(0) if told else None
        valid = [one for one in self.company.certificates.get(partner, []) if one.is_valid_on(last)]
        if metric == "active_certifications":
            return Fraction(len(valid))
        assert metric == "certified_people", f"no rule for {metric}"
        return Fraction(len({certificate.person for certificate in valid}))

    def _production(self, metric: str, partner: Record, quarters: range, length: int) -> Value:
        def total(measure: str, over: Iterable[int] = quarters) -> int:
            sums = (self._production_sums.get((partner, quarter)) for quarter in over)
            return sum(found[measure] for found in sums if found)

        def ratio(above: str, below: str) -> Value:
            count = total(below)
            return Fraction(total(above), count) if count else None

        if metric in SUMS_OF_MONEY:
            return Fraction(total(SUMS_OF_MONEY[metric]), UNITS)
        if metric in COUNTS:
            return Fraction(total(COUNTS[metric]))
        if metric == "win_rate":
            return ratio("won", "decided")
        if metric == "sales_cycle_days":
            return ratio("cycle_days", "cycles")
        if metric == "average_deal_amount":
            average = ratio("credited_won", "won")
            return None if average is None else average / UNITS
        if metric == "pipeline_velocity_amount":
            average, rate, cycle = ratio("credited_won", "won"), ratio("won", "decided"), ratio("cycle_days", "cycles")
            if average is None or rate is None or not cycle:
                return None
            return total("won") * average * rate / cycle / UNITS
        if metric == "active_quarters":
            return Fraction(sum(total("won", [quarter]) > 0 for quarter in quarters))
        if metric == "growth_rate":
            end = quarters[-1] - length
            before = total("sourced_won", range(end - length + 1, end + 1)) if end - length + 1 >= self.start else 0
            return Fraction(total("sourced_won"), before) - 1 if before > 0 else None
        assert metric == "days_to_first_deal", f"no rule for {metric}"
        created = self.company.identity.partners[partner].first(lambda record: record.joined, "crm")
        first = self._first_won.get(partner)
        is_known = created is not None and first is not None and first <= self.calendar.end(quarters[-1])
        return Fraction((first - created).days) if is_known and first else None


# --- released tables ------------------------------------------------------------------------------------------------

Rows = dict[tuple[Any, ...], dict[str, Any]]


class Marts:
    """The tables about metrics that analysts read, for one policy."""

    def __init__(self, company: Company, metrics: Metrics, policy: Row) -> None:
        self.company, self.metrics, self.policy = company, metrics, policy

    def _roster(self) -> Iterator[tuple[Record, str, int]]:
        for partner in self.company.roster:
            for quarter in self.metrics.quarters(partner):
                yield partner, self.company.identity.partners[partner].number, quarter

    def _label(self, quarter: int) -> str:
        return self.company.calendar.labels[quarter - 1]

    def funnel(self) -> Rows:
        """partner_funnel by partner number and quarter."""
        made: Rows = {}
        for partner, name, quarter in self._roster():
            if "deal_registrations" not in self.company.knowledge[partner]:
                continue
            sums = self.company.activity.sums.get((partner, quarter), {})
            accepted, declined, won = (int(sums.get(x, 0)) for x in ("accepted", "declined", "registrations_won"))
            waited = int(sums.get("waited", 0))
            made[name, self._label(quarter)] = {
                "registered": int(sums.get("submitted", 0)),
                "accepted": accepted,
                "declined": declined,
                "won": won,
                "acceptance_rate": accepted / (accepted + declined) if accepted + declined else None,
                "won_per_accepted": won / accepted if accepted else None,
                "decision_days": float(sums["days_waited"] / waited) if waited else None,
            }
        return made

    def overlap(self) -> Rows:
        """partner_overlap by partner number and quarter, small counts left blank as the deployment asks."""
        below = self.company.settings.get("privacy", {}).get("suppress_overlap_below", 0)
        made: Rows = {}
        for partner, name, quarter in self._roster():
            told = self.company.overlaps[quarter].get(partner)
            if told is None:
                continue
            small = [column for column in OVERLAP_COUNTS if told[column] is not None and 0 < told[column] < below]
            made[name, self._label(quarter)] = {
                "rests_on": told["rests_on"],
                **{column: None if column in small else told[column] for column in OVERLAP_COUNTS},
                "overlap_open_amount": decimal(told["overlap_open_amount"], 4),
                "is_suppressed": bool(small),
            }
        return made

    def plan(self) -> Rows:
        """investment_plan by partner number."""
        made: Rows = {}
        last = len(self.company.calendar)
        for partner, name, quarter in self._roster():
            if quarter != last:
                continue
            level = self._level(partner, quarter)
            entitled = self.policy.get("entitlements", {}).get(f"segment.{level}", {})
            hours = entitled.get("hours_per_quarter")
            spent = self.metrics.value("partner_manager_hours", partner, quarter, Window(1))
            made[(name,)] = {
                "segment": level,
                "partner_manager": entitled.get("partner_manager"),
                "owner": self.company.identity.partners[partner].looked_after_by,
                "hours_entitled": None if hours is None else decimal(Fraction(hours), 4),
                "hours_spent": decimal(spent, 4),
                "hours_gap": None if hours is None or spent is None else decimal(hours - spent, 4),
                "meetings_held": decimal(self.metrics.value("meetings_held", partner, quarter, Window(1))),
                "last_touch": self.company.last_touch.get(partner),
            }
        return made

    def _level(self, partner: Record, quarter: int) -> str:
        """The level of the ladder `segment`, of which every level asks for one metric or for nothing."""
        for level in self.policy["ladders"]["segment"]["levels"]:
            enter = level.get("enter")
            if not enter:
                return str(level["level"])
            found = self.metrics.value(enter["metric"], partner, quarter, Window(self.policy["window"]["quarters"]))
            if found is not None and found >= enter["at_least"]:
                return str(level["level"])
        raise AssertionError("the last level asks for nothing")

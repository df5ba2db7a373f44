"""The oracle's facts: deals and credit for them, what portals and calendars saw, certificates, declarations."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from metrics.identity import Deployment
from metrics.reading import Calendar, FileRow, Record, Source, day, is_true, number, word

# Money is split in whole units of 1/10000 of the reporting currency.
UNITS = 10_000
STRENGTH = {"sourced": 0, "fulfilled": 1, "unknown": 2, "influenced": 3}


# --- production -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One partner on one deal, its accounts and roles taken together."""

    partner: Record
    role: str
    is_primary: bool
    is_influencing: bool


@dataclass(frozen=True)
class Deal:
    """An opportunity in the reporting currency, with its partners in the order that splits it."""

    id: str
    customer: Record
    amount: Fraction
    is_closed: bool
    is_won: bool
    created: date | None
    closes: date | None
    parts: tuple[Part, ...]

    @property
    def units(self) -> int:
        return int(self.amount * UNITS)

    def is_open_on(self, last: date) -> bool:
        """Whether it was there on a day and not yet decided at its end; without a day it was always there."""
        is_there = self.created is None or self.created <= last
        return is_there and (not self.is_closed or (self.closes is not None and self.closes > last))


def read_deals(deployment: Deployment) -> list[Deal]:
    """The CRM's opportunities with those partners that are partners."""
    crms = [source for source in deployment.sources if source.kind == "crm"]
    return [
        _deal(deployment, crm, row, parts.get(row["source_id"], {}))
        for crm in crms
        for parts in [_parts(deployment, crm)]
        for row in crm.table("opportunities")
    ]


Roles = dict[Record, list[tuple[str, bool]]]


def _parts(deployment: Deployment, crm: Source) -> dict[str, Roles]:
    made: dict[str, Roles] = defaultdict(lambda: defaultdict(list))
    for row in crm.table("opportunity_partners"):
        partner = deployment.identity.partner_of(crm.name, row["account_id"])
        if partner:
            by_raw = word("opportunity_partners", "role", row.get("role_raw"))
            role = word("opportunity_partners", "role", row.get("role"), by_raw)
            made[row["opportunity_id"]][partner].append((role, is_true(row.get("is_primary"))))
    return made


def _deal(deployment: Deployment, crm: Source, row: FileRow, roles: Roles) -> Deal:
    parts = [
        Part(
            partner=partner,
            role=min((role for role, _ in found), key=STRENGTH.__getitem__),
            is_primary=any(primary for _, primary in found),
            is_influencing=any(role == "influenced" for role, _ in found),
        )
        for partner, found in roles.items()
    ]
    partners = deployment.identity.partners
    parts.sort(key=lambda part: (not part.is_primary, STRENGTH[part.role], partners[part.partner].number))
    created, closes = day(row.get("created_at")), day(row.get("close_date"))
    return Deal(
        id=row["source_id"],
        customer=(crm.name, row["account_id"]),
        amount=deployment.rates.convert(number(row.get("amount")), crm.currency(row), closes or created),
        is_closed=is_true(row["is_closed"]),
        is_won=is_true(row["is_won"]),
        created=created,
        closes=closes,
        parts=tuple(parts),
    )


def split(units: int, weights: Sequence[Fraction]) -> list[int]:
    """Units divided by cumulative shares, so that the parts add up to the whole."""
    total, running = sum(weights), Fraction(0)
    made: list[int] = []
    for weight in weights:
        running += weight
        made.append(math.trunc(units * running / total) - sum(made))
    return made


def credits(deal: Deal, model: str, weights: dict[str, Fraction]) -> list[tuple[Part, int]]:
    """Who holds credit for a deal, and how many units of it."""
    if not deal.parts:
        return []
    if model == "primary":
        return [(deal.parts[0], deal.units)]
    shares = [Fraction(1) for _ in deal.parts]
    if model == "role_weighted":
        weighted = [weights.get(part.role, Fraction(0)) for part in deal.parts]
        shares = weighted if any(weighted) else shares
    return list(zip(deal.parts, split(deal.units, shares), strict=True))


def first_deals(deals: list[Deal], calendar: Calendar) -> dict[Record, int]:
    """By partner the first quarter in which a deal that it stands on was made or decided, whoever holds the credit."""
    made: dict[Record, int] = {}
    for deal in deals:
        moments = (calendar.index(deal.created), calendar.index(deal.closes) if deal.is_closed else None)
        for quarter in filter(None, moments):
            for part in deal.parts:
                made[part.partner] = min(made.get(part.partner, quarter), quarter)
    return made


Sums = dict[tuple[Record, int], Counter[str]]


def production_sums(deals: list[Deal], calendar: Calendar, model: str, weights: dict[str, Fraction]) -> Sums:
    """By partner and quarter what adds up over quarters: amounts in units, counts of deals."""
    made: Sums = defaultdict(Counter)
    first: dict[Record, tuple[date, str]] = {}
    for deal in deals:
        if deal.is_won and deal.closes:
            mine = (deal.closes, deal.id)
            first[deal.customer] = min(first.get(deal.customer, mine), mine)
    for deal in deals:
        created, closed = calendar.index(deal.created), calendar.index(deal.closes) if deal.is_closed else None
        for part, units in credits(deal, model, weights):
            sourced = units if part.role == "sourced" else 0
            if created:
                made[part.partner, created].update(sourced_pipeline=sourced)
            if closed:
                made[part.partner, closed].update(decided=1)
            if closed and deal.is_won:
                days = [(deal.closes - deal.created).days] if deal.created and deal.closes else []
                made[part.partner, closed].update(
                    sourced_won=sourced,
                    credited_won=units,
                    won=1,
                    cycles=len(days),
                    cycle_days=sum(days),
                    new_customers=int(first[deal.customer][1] == deal.id),
                )
        influencing = [part for part in deal.parts if part.is_influencing]
        for part, units in zip(influencing, split(deal.units, [Fraction(1)] * len(influencing)), strict=True):
            if created:
                made[part.partner, created].update(influenced_pipeline=units)
            if closed and deal.is_won:
                made[part.partner, closed].update(influenced_won=units)
    return made


# --- what portals and calendars saw -------------------------------------------------------------------------------


@dataclass
class Activity:
    """By partner and quarter what happened; `things` are sets of which the size counts."""

    deployment: Deployment
    sums: dict[tuple[Record, int], dict[str, Fraction]] = field(default_factory=lambda: defaultdict(dict))
    things: dict[tuple[Record, int], dict[str, set[Any]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, partner: Record | None, on: date | None, **amounts: Fraction | int) -> None:
        quarter = self.deployment.calendar.index(on)
        if partner and quarter:
            sums = self.sums[partner, quarter]
            for name, amount in amounts.items():
                sums[name] = sums.get(name, Fraction(0)) + amount

    def see(self, partner: Record | None, on: date | None, name: str, thing: Any) -> None:
        quarter = self.deployment.calendar.index(on)
        if partner and quarter:
            self.things[partner, quarter].setdefault(name, set()).add(thing)


def read_activity(deployment: Deployment) -> Activity:
    """Everything that happened on a day, in the quarter that holds it."""
    made = Activity(deployment)
    for source in deployment.sources:
        for row in source.table("meetings"):
            partner = deployment.identity.partner_of(source.name, row["account_id"])
            made.add(partner, day(row["started_at"]), meetings=1, minutes=number(row["minutes"]) or Fraction(0))
        for entity, count in COUNTED.items():
            for row in source.table(entity):
                count(made, source, deployment.identity.partner_of(source.name, row["partner_id"]), row)
    return made


def is_certificate(row: FileRow) -> bool:
    return word("training_records", "record_type", row["record_type"], "other") == "certification"


def is_completed(row: FileRow) -> bool:
    """What was completed stays completed, also once it has expired."""
    return word("training_records", "status", row["status"]) in ("completed", "expired") and bool(row["completed_at"])


def _training(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    if not is_certificate(row) and is_completed(row):
        made.add(partner, day(row["completed_at"]), trainings=1)


def _registration(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    status = word("deal_registrations", "registration_status", row["registration_status"])
    submitted, decided = day(row["submitted_at"]), day(row["decided_at"])
    if status != "draft":
        made.add(partner, submitted, submitted=1)
        if word("deal_registrations", "outcome", row["outcome"]) == "won":
            made.add(partner, day(row["closed_at"]), registrations_won=1)
    if status in ("accepted", "auto_accepted"):
        made.add(partner, decided, accepted=1)
    if status == "declined":
        made.add(partner, decided, declined=1)
    if status in ("accepted", "auto_accepted", "declined") and decided and submitted:
        made.add(partner, decided, waited=1, days_waited=(decided - submitted).days)


def _event(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    on = day(row["occurred_at"])
    made.see(partner, on, "active_days", on)
    if word("activity_events", "event_type", row["event_type"], "other") == "asset_view":
        made.add(partner, on, views=1)


def _request(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    on = day(row["submitted_at"])
    if word("mdf_requests", "status", row["status"]) not in ("draft", "cancelled"):
        amount = made.deployment.rates.convert(number(row["requested_amount"]), source.currency(row), on)
        made.add(partner, on, mdf_requested=amount)


def _claim(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    if word("mdf_claims", "status", row["status"]) in ("approved", "paid", "completed"):
        granted, claimed = number(row["approved_amount"]), number(row["claimed_amount"])
        amount = claimed if granted is None else granted
        on = day(row["paid_at"])
        if on:
            made.add(partner, on, mdf_spent=made.deployment.rates.convert(amount, source.currency(row), on))


def _transaction(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    is_approved = is_true(row["approved"]) or not row["approved"]
    product = row["product"].strip()
    if is_approved and product and (number(row["amount"]) or 0) > 0:
        made.see(partner, day(row["transaction_date"]), "products", product)


def _answer(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    score, best = number(row["score"]), number(row["scale_max"])
    if score is not None and best is not None:  # without the best possible answer a score says nothing
        made.add(partner, day(row["responded_at"]), answers=1, points=score / best)


def _plan(made: Activity, source: Source, partner: Record | None, row: FileRow) -> None:
    if row["status"].strip().lower() not in ("draft", "cancelled", "canceled"):
        made.add(partner, day(row["meeting_date"]), plans=1)


COUNTED = {
    "training_records": _training,
    "deal_registrations": _registration,
    "activity_events": _event,
    "mdf_requests": _request,
    "mdf_claims": _claim,
    "transactions": _transaction,
    "csat_responses": _answer,
    "business_plans": _plan,
}


# --- what is true on a day -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """A certificate of somebody; one that names nobody counts as that of one more person."""

    person: str
    since: date
    until: date | None

    def is_valid_on(self, last: date) -> bool:
        return self.since <= last and (self.until is None or self.until >= last)


def read_certificates(deployment: Deployment) -> dict[Record, list[Certificate]]:
    """By partner the certificates that were ever obtained."""
    made: dict[Record, list[Certificate]] = defaultdict(list)
    for source in deployment.sources:
        ids = {
            (user["partner_id"], user["email"].strip().lower()): user["source_id"]
            for user in source.table("partner_users")
            if user["email"]
        }
        for row in source.table("training_records"):
            partner = deployment.identity.partner_of(source.name, row["partner_id"])
            since = day(row["completed_at"])
            if partner and since and is_certificate(row) and is_completed(row):
                mail = row["user_email"].strip().lower()
                named = row["user_id"] or ids.get((row["partner_id"], mail))
                # An address means one person wherever it stands, an id only in its own system.
                person = f"{source.name}/{named or row['source_id']}" if named or not mail else mail
                made[partner].append(Certificate(person, since, day(row["expires_at"])))
    return made


def read_first_enabled(deployment: Deployment) -> dict[Record, date]:
    """By partner the day of the first completed training, certificates included."""
    made: dict[Record, date] = {}
    for source in deployment.sources:
        for row in source.table("training_records"):
            partner = deployment.identity.partner_of(source.name, row["partner_id"])
            on = day(row["completed_at"])
            if partner and on and is_completed(row):
                made[partner] = min(made.get(partner, on), on)
    return made


Flag = tuple[date, Record | None, Fraction]


def read_flags(deployment: Deployment) -> list[Flag]:
    """Who was declared strategic when, oldest first; facts about partners that nobody knows make a list as well."""
    found: list[Flag] = []
    for source in deployment.sources:
        for row in source.table("metric_facts"):
            on, value = day(row["fact_date"]), number(row["value"])
            if row["metric"].strip() == "strategic_flag" and on and value is not None:
                found.append((on, deployment.identity.by_number(source.name, row["partner"].strip()), value))
    return sorted(found, key=lambda one: one[0])


def read_last_touch(deployment: Deployment) -> dict[Record, date]:
    """By partner the day of the last meeting, call or task up to the end of the history."""
    made: dict[Record, date] = {}
    for source in deployment.sources:
        for row in source.table("meetings"):
            partner, on = deployment.identity.partner_of(source.name, row["account_id"]), day(row["started_at"])
            if partner and on and on <= deployment.calendar.ends[-1]:
                made[partner] = max(made.get(partner, on), on)
    return made

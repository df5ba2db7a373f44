"""Writes the CRM of the sample company in plain templates: accounts, opportunities, opportunity_partners, meetings.

The same world as `demo.salesforce_export`, in the column names of this project, for the `files` connector. Meetings
stand only here: the data export of the CRM vendor does not bring them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from demo.company import (
    EXPORTED_AT,
    FAMOUS_LOGO,
    HIDDEN_POTENTIAL,
    LAST_QUARTER,
    SELLERS,
    World,
    last_closed_day,
    mix,
    poisson,
    quarter_end,
    quarter_number,
    quarter_start,
    salesforce_id,
)
from demo.salesforce_export import role_label
from demo.writing import Cell, drafted

ACCOUNT_COLUMNS = (
    "source_id", "name", "partner_number", "domain", "country", "region", "industry", "employees", "is_partner",
    "owner_id", "parent_id", "created_at",
)  # fmt: skip
OPPORTUNITY_COLUMNS = (
    "source_id", "name", "account_id", "amount", "currency", "stage", "is_closed", "is_won", "created_at", "close_date",
    "owner_id", "is_deleted",
)  # fmt: skip
OPPORTUNITY_PARTNER_COLUMNS = (
    "source_id", "opportunity_id", "account_id", "role_raw", "role", "is_primary", "is_deleted",
)  # fmt: skip
MEETING_COLUMNS = ("source_id", "owner_id", "account_id", "started_at", "minutes", "kind")

CRM_TABLES = ("accounts", "opportunities", "opportunity_partners", "meetings")

_KINDS = ("meeting",) * 5 + ("call",) * 4 + ("task",)
_MINUTES = {"meeting": (30, 45, 60, 60, 90), "call": (15, 20, 30), "task": (30, 60)}


def write_crm(
    folder: Path, world: World, *, as_of: datetime = EXPORTED_AT, tables: Collection[str] = CRM_TABLES
) -> dict[str, int]:
    """Write the named tables as of one moment; return rows per file."""
    unknown = sorted(set(tables) - set(CRM_TABLES))
    if unknown:
        raise ValueError(f"no such crm table: {', '.join(unknown)}; there are {', '.join(CRM_TABLES)}")
    with drafted(folder) as drafts:
        if "accounts" in tables:
            drafts.table("accounts.csv", ACCOUNT_COLUMNS).extend(_accounts(world, as_of))
        if "opportunities" in tables:
            drafts.table("opportunities.csv", OPPORTUNITY_COLUMNS).extend(_opportunities(world, as_of))
        if "opportunity_partners" in tables:
            drafts.table("opportunity_partners.csv", OPPORTUNITY_PARTNER_COLUMNS).extend(_credits(world, as_of))
        if "meetings" in tables:
            drafts.table("meetings.csv", MEETING_COLUMNS).extend(_meetings(world, as_of))
    return drafts.counts()


def _accounts(world: World, as_of: datetime) -> Iterator[tuple[Cell, ...]]:
    for partner in world.partners():
        if partner.joined > as_of.date():
            continue
        yield (
            partner.account_id,
            partner.name,
            partner.number,
            partner.domain,
            partner.country.code,
            partner.region,
            partner.industry,
            partner.employees,
            True,
            partner.manager.user_id,
            None,
            datetime.combine(partner.joined, time(0), tzinfo=UTC),
        )
    for customer in world.customers():
        yield (
            customer.account_id,
            customer.name,
            customer.number,
            customer.domain,
            customer.country.code,
            customer.country.region,
            customer.industry,
            customer.employees,
            False,
            SELLERS[mix(world.seed, 31, customer.index) % len(SELLERS)].user_id,
            world.customer(customer.parent).account_id if customer.parent is not None else None,
            datetime.combine(customer.created, time(0), tzinfo=UTC),
        )


def _opportunities(world: World, as_of: datetime) -> Iterator[tuple[Cell, ...]]:
    for seen in world.deals_seen_at(as_of):
        customer = world.customer(seen.deal.customer)
        yield (
            seen.deal.opportunity_id,
            f"{customer.name} - {seen.deal.product}{' (credit note)' if seen.deal.is_credit_note else ''}",
            customer.account_id,
            seen.amount,
            seen.deal.currency,
            seen.stage,
            seen.is_closed,
            seen.is_won,
            seen.deal.created_at,
            seen.close_date,
            seen.deal.seller.user_id,
            seen.is_deleted,
        )


def _credits(world: World, as_of: datetime) -> Iterator[tuple[Cell, ...]]:
    motions = [partner.motion for partner in world.partners()]
    for seen in world.deals_seen_at(as_of):
        for place, credit in enumerate(seen.credits):
            yield (
                salesforce_id("00I", seen.deal.number * 4 + place),
                seen.deal.opportunity_id,
                salesforce_id("001", credit.partner),
                role_label(credit.role, motions[credit.partner - 1]),
                credit.role,
                credit.is_primary,
                seen.is_deleted,
            )


def meetings_per_quarter(strength: float, index: int, seed: int) -> float:
    """How much of the partner managers' time a partner gets.

    It follows production only loosely, as attention does. Two planted partners break the rule outright: the famous logo
    is met every week, the one with the hidden potential not at all.
    """
    if index == HIDDEN_POTENTIAL:
        return 0.0
    if index == FAMOUS_LOGO:
        return 16.0
    habit = 0.4 + 1.6 * (mix(seed, 40, index) % 1000) / 1000
    return habit * (0.5 + 2.2 * math.pow(strength, 0.35))


def _meetings(world: World, as_of: datetime) -> Iterator[tuple[Cell, ...]]:
    last_day = last_closed_day(as_of)
    for partner in world.partners():
        if partner.is_pseudo:
            continue
        chance = random.Random(f"{world.seed}/meetings/{partner.index}")
        mean = meetings_per_quarter(partner.strength, partner.index, world.seed)
        count = 0
        for quarter in range(world.first_quarter, LAST_QUARTER + 1):
            days = (quarter_end(quarter) - quarter_start(quarter)).days
            for _ in range(poisson(chance, mean) if mean > 0 else 0):
                count += 1
                day = quarter_start(quarter) + timedelta(days=chance.randrange(days + 1))
                # Nobody meets on a Saturday or Sunday: moved to the Friday before.
                day -= timedelta(days=max(0, day.weekday() - 4))
                clock = time(chance.randrange(7, 17), chance.choice((0, 15, 30, 45)))
                kind = chance.choice(_KINDS)
                minutes = chance.choice(_MINUTES[kind])
                has_gone = partner.left is not None and quarter > quarter_number(partner.left)
                if day < partner.joined or has_gone or day > last_day:
                    continue
                yield (
                    salesforce_id("00U", partner.index * 10_000 + count),
                    partner.manager.user_id,
                    partner.account_id,
                    datetime.combine(day, clock, tzinfo=UTC),
                    minutes,
                    kind,
                )

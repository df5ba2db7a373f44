"""Writes the world as a Salesforce data export: one CSV per object, API names as headings.

What is true is decided in `demo.company`; this module only knows how the vendor spells it. The reader of these files is
`pipelines/connectors/salesforce`.

Account.csv holds the partner accounts (IsPartner true, AccountNumber from P-0001 on) and the customers (from C-000001
on). Opportunity.csv holds every deal, OpportunityPartner.csv one row per partner on a deal; a direct deal has none, or
one that names the account 'Direct'.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

from demo.company import (
    DEFAULT_PARTNERS,
    DEFAULT_QUARTERS,
    DEFAULT_SEED,
    EXPORTED_AT,
    FULFILLED,
    INFLUENCED,
    MOTIONS,
    SELLERS,
    SOURCED,
    STAGES,
    Customer,
    Partner,
    SeenDeal,
    World,
    mix,
    salesforce_id,
)
from demo.writing import Cell, Table, drafted

ACCOUNT_COLUMNS = (
    "Id", "Name", "AccountNumber", "Type", "IsPartner", "Sub_Type__c", "ParentId", "OwnerId", "Industry", "Website",
    "Phone", "NumberOfEmployees", "YearStarted", "AnnualRevenue", "BillingCity", "BillingState", "BillingCountry",
    "BillingCountryCode", "Region__c", "Territory_Group__c", "IsDeleted", "CreatedDate", "SystemModstamp",
)  # fmt: skip
OPPORTUNITY_COLUMNS = (
    "Id", "Name", "AccountId", "OwnerId", "StageName", "IsClosed", "IsWon", "Probability", "Amount", "CurrencyIsoCode",
    "CloseDate", "CreatedDate", "Type", "LeadSource", "HasOpportunityLineItem", "IsDeleted", "SystemModstamp",
)  # fmt: skip
OPPORTUNITY_PARTNER_COLUMNS = (
    "Id", "OpportunityId", "AccountToId", "Role", "IsPrimary", "CreatedDate", "SystemModstamp", "IsDeleted",
)  # fmt: skip

# The labels of the Role picklist. A partner's motion decides the word for having found the deal.
ROLE_LABELS: dict[str, str] = {
    "VAR/Reseller": SOURCED,
    "Referral": SOURCED,
    "System Integrator": INFLUENCED,
    "Influencer": INFLUENCED,
    "Distributor": FULFILLED,
}
_RESELLING = frozenset({"reseller", "msp", "distributor"})
# Roles a deal can have, one slot each in the row ids.
_CREDITS_PER_DEAL = 4


def role_label(role: str, motion: str) -> str:
    if role == SOURCED:
        return "VAR/Reseller" if motion in _RESELLING else "Referral"
    if role == INFLUENCED:
        return "System Integrator" if motion == "si" else "Influencer"
    return "Distributor"


def write_salesforce_export(
    folder: Path,
    *,
    seed: int = DEFAULT_SEED,
    partners: int = DEFAULT_PARTNERS,
    quarters: int = DEFAULT_QUARTERS,
    as_of: datetime = EXPORTED_AT,
) -> dict[str, int]:
    """Write Account.csv, Opportunity.csv and OpportunityPartner.csv as of one moment; return rows per file.

    The same arguments give the same bytes. A file appears whole or not at all; a file of another name is left alone.
    """
    world = World(seed, partners, quarters)
    motions = [partner.motion for partner in world.partners()]
    buyers: set[int] = set()
    with drafted(folder) as drafts:
        accounts = drafts.table("Account.csv", ACCOUNT_COLUMNS)
        opportunities = drafts.table("Opportunity.csv", OPPORTUNITY_COLUMNS)
        credits = drafts.table("OpportunityPartner.csv", OPPORTUNITY_PARTNER_COLUMNS)
        for seen in world.deals_seen_at(as_of):
            opportunities.add(*_opportunity_row(world, seen))
            _add_credits(credits, seen, motions)
            if seen.is_won and not seen.is_deleted:
                buyers.add(seen.deal.customer)
        accounts.extend(_partner_row(world, partner) for partner in world.partners() if _exists(partner, as_of))
        accounts.extend(_customer_row(world, customer, customer.index in buyers) for customer in world.customers())
    return drafts.counts()


def _exists(partner: Partner, as_of: datetime) -> bool:
    return _midnight(partner.joined) <= as_of


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)


def _phone(number: int) -> str:
    # 555-01xx is set aside for fiction.
    return f"{200 + number * 37 % 700}-555-01{number % 100:02d}"


def _partner_row(world: World, partner: Partner) -> tuple[Cell, ...]:
    facts = mix(world.seed, 30, partner.index)
    return (
        partner.account_id,
        partner.name,
        partner.number,
        "Channel Partner / Reseller",
        True,
        MOTIONS[partner.motion],
        None,
        partner.manager.user_id,
        partner.industry,
        partner.website,
        "" if partner.is_pseudo else _phone(partner.index),
        partner.employees,
        "" if partner.is_pseudo else 1965 + facts % 50,
        Decimal(partner.employees * (90 + facts % 80) * 1000).quantize(Decimal("0.1")),
        partner.country.city,
        "",
        partner.country.name,
        partner.country.code,
        partner.country.region,
        partner.country.region,
        False,
        _midnight(partner.joined),
        _midnight(partner.joined),
    )


def _customer_row(world: World, customer: Customer, has_bought: bool) -> tuple[Cell, ...]:
    facts = mix(world.seed, 31, customer.index)
    return (
        customer.account_id,
        customer.name,
        customer.number,
        "Customer" if has_bought else "Prospect",
        False,
        "",
        world.customer(customer.parent).account_id if customer.parent is not None else None,
        SELLERS[facts % len(SELLERS)].user_id,
        customer.industry,
        f"https://www.{customer.domain}",
        _phone(customer.index + 50),
        customer.employees,
        1930 + facts % 85,
        Decimal(customer.employees * (110 + facts % 150) * 1000).quantize(Decimal("0.1")),
        customer.country.city,
        "",
        customer.country.name,
        customer.country.code,
        customer.country.region,
        customer.country.region,
        False,
        _midnight(customer.created),
        _midnight(customer.created),
    )


def _opportunity_row(world: World, seen: SeenDeal) -> tuple[Cell, ...]:
    deal = seen.deal
    customer = world.customer(deal.customer)
    return (
        deal.opportunity_id,
        f"{customer.name} - {deal.product}{' (credit note)' if deal.is_credit_note else ''}",
        customer.account_id,
        deal.seller.user_id,
        seen.stage,
        seen.is_closed,
        seen.is_won,
        STAGES[seen.stage],
        seen.amount,
        deal.currency,
        seen.close_date,
        deal.created_at,
        "Existing Business" if deal.is_expansion or deal.is_credit_note else "New Business",
        deal.lead_source,
        True,
        seen.is_deleted,
        seen.modified_at,
    )


def _add_credits(table: Table, seen: SeenDeal, motions: list[str]) -> None:
    for place, credit in enumerate(seen.credits):
        table.add(
            salesforce_id("00I", seen.deal.number * _CREDITS_PER_DEAL + place),
            seen.deal.opportunity_id,
            salesforce_id("001", credit.partner),
            role_label(credit.role, motions[credit.partner - 1]),
            credit.is_primary,
            # A credit that was added late says so: its row is as young as the revision.
            seen.modified_at if seen.deal.revision == "late_partner" else seen.deal.created_at,
            seen.modified_at,
            seen.is_deleted,
        )

"""A small company made of edge cases; the programmes in policies/ use every metric and every rule of the language.

The sample company looks like a real one, so it has few of the things that rules disagree about: partners twice on a
deal, roles nobody mapped, amounts that cannot be divided, numbers that begin like other numbers. This one has little
else. Everything follows from one seed.
"""

from __future__ import annotations

import csv
import random
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

FIRST_DAY, LAST_DAY = date(2023, 8, 1), date(2026, 1, 31)
NUMBERS = ("N1", "N10", "N100", "N2", "N20", "n3", "7", "70", "", "B-1", "B-10", "B-2", "C 1", "C 10", "Ö1", "A")
REGIONS = ("North", "South", "South", "", "Île", "North")
INDUSTRIES = ("Energy", "", "Retail")
ROLES = ("Referral", "Referral", "Influencer", "Distributor", "Sponsor", "", "VAR/Reseller", "Agency")

SETTINGS: dict[str, Any] = {
    "deployment": "crafted",
    "sources": {"crm": {"connector": "salesforce", "options": {"exported_at": "2026-02-03T06:00:00Z"}}},
    "fiscal_calendar": {"first_month": 2, "named_by": "end"},
    "as_of": date(2026, 2, 3),
    "history_quarters": 8,
    "reporting_currency": "EUR",
    "exchange_rates": [
        {"currency": "USD", "from": date(2023, 1, 1), "rate": 0.9137},
        {"currency": "USD", "from": date(2025, 3, 15), "rate": 0.8811},
        {"currency": "JPY", "from": date(2023, 1, 1), "rate": 0.00613},
    ],
    "pseudo_partners": ["direct"],
    "quality": {"max_quarantined_share": 1.0},
    "policy": {"active": "every-metric", "compare": ["weighted", "blocking", "versions"]},
    "paths": {"inputs": "inputs", "state": "state", "policies": "policies"},
}


def write(folder: Path) -> Path:
    """The deployment in a folder of its own; returns its file."""
    shutil.copytree(Path(__file__).parent / "policies", folder / "policies")
    _write_exports(folder / "inputs", random.Random(20260203))
    file = folder / "segments.yml"
    file.write_text(yaml.safe_dump(SETTINGS, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def _write_exports(folder: Path, chance: random.Random) -> None:
    folder.mkdir(parents=True)
    accounts = [_partner(place, number, chance) for place, number in enumerate(NUMBERS)]
    accounts.append({**accounts[0], "Id": "001-direct", "Name": " Direct", "AccountNumber": "D0"})
    accounts.append({**accounts[0], "Id": "001-deleted", "Name": "Gone", "AccountNumber": "G0", "IsDeleted": "true"})
    for place in range(40):
        customer = dict.fromkeys(accounts[0], "")
        named = {"Id": f"001-customer-{place}", "Name": f"Customer {place}", "IsPartner": "false", "IsDeleted": "false"}
        accounts.append({**customer, **named})
    scored = [row["Id"] for row in accounts if row["IsPartner"] == "true" and row["IsDeleted"] == "false"]
    deals, roles = [], []
    for place in range(420):
        deal = _deal(place, chance)
        deals.append(deal)
        # Some partners meet often, so that there is something to win, to lose and to share.
        for who in chance.choices(scored, k=chance.choice((0, 1, 1, 1, 1, 2, 2, 3, 4, 7))):
            roles.append(
                {
                    "Id": f"00I-{len(roles)}",
                    "OpportunityId": deal["Id"],
                    "AccountToId": who,
                    "Role": chance.choice(ROLES),
                    "IsPrimary": str(chance.random() < 0.4).lower(),
                    "IsDeleted": str(chance.random() < 0.05).lower(),
                }
            )
    for name, rows in (("Account", accounts), ("Opportunity", deals), ("OpportunityPartner", roles)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _partner(place: int, number: str, chance: random.Random) -> dict[str, str]:
    joined = chance.choice((date(2019, 5, 1), FIRST_DAY + timedelta(days=chance.randrange(900)), None))
    return {
        "Id": f"001-partner-{place}",
        "Name": f"Partner {place}",
        "AccountNumber": number,
        "IsPartner": "true",
        "Industry": chance.choice(INDUSTRIES),
        "BillingCountry": "Nowhere",
        "Region__c": chance.choice(REGIONS),
        "IsDeleted": "false",
        "CreatedDate": f"{joined}T00:00:00.000Z" if joined else "",
    }


def _deal(place: int, chance: random.Random) -> dict[str, str]:
    created = FIRST_DAY + timedelta(days=chance.randrange((LAST_DAY - FIRST_DAY).days))
    closes = created + timedelta(days=chance.choice((0, 5, 30, 31, 60, 90, 150)))
    outcome = chance.choice(("won", "won", "lost", "open")) if closes <= LAST_DAY else "open"
    cents = chance.choice((1, 2, 7, 100_00, 333_333, 12_345_67, 8_000_01, 25_000_00, -4_321_99))
    return {
        "Id": f"006-{place:04}",
        "Name": f"Deal {place}",
        "AccountId": f"001-customer-{chance.randrange(40)}",
        "StageName": {"won": "Closed Won", "lost": "Closed Lost", "open": "Negotiation"}[outcome],
        "IsClosed": str(outcome != "open").lower(),
        "IsWon": str(outcome == "won").lower(),
        "Amount": f"{cents / 100:.2f}",
        "CurrencyIsoCode": chance.choice(("EUR", "USD", "JPY", "")),
        "CloseDate": str(closes),
        "IsDeleted": str(chance.random() < 0.03).lower(),
        "CreatedDate": f"{created}T{chance.randrange(24):02}:30:00.000Z",
    }

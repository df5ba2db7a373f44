"""A small company made of edge cases of identity and metrics, written as files of the entity templates.

The sample company looks like a real one, so it has few of the things that definitions disagree about: certificates that
end on the last day, ids in two spellings, domains that two companies share. This one has little else. Everything but
the deals is written down here by hand; those follow from one seed.
"""

from __future__ import annotations

import csv
import random
import shutil
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
Tables = dict[str, dict[str, list[dict[str, str]]]]
"""By system and entity the rows."""

COLUMNS = {
    "accounts": "name partner_number domain country region industry employees is_partner owner_id created_at",
    "opportunities": "name account_id amount currency stage is_closed is_won created_at close_date",
    "opportunity_partners": "opportunity_id account_id role_raw role is_primary",
    "meetings": "owner_id account_id started_at minutes kind",
    "metric_facts": "partner metric fact_date value subject attributes",
    "account_overlaps": "partner_id own_account_id domain own_population partner_population matched_at",
    "overlap_counts": "partner_id own_population partner_population account_count",
    "partner_users": "partner_id email is_active",
    "deal_registrations": "partner_id registration_status outcome submitted_at decided_at closed_at",
    "training_records": "partner_id user_id user_email item_name record_type status completed_at expires_at",
    "activity_events": "partner_id user_email event_type occurred_at",
    "mdf_requests": "partner_id status requested_amount approved_amount currency submitted_at",
    "mdf_claims": "partner_id status claimed_amount approved_amount currency submitted_at paid_at",
    "transactions": "partner_id transaction_date amount currency product approved",
    "csat_responses": "partner_id score scale_max responded_at",
    "business_plans": "partner_id plan_type status meeting_date",
}
PARTNER_COLUMNS = {
    "account_mapping": "name domain sharing_level crm_account_id",
    "prm": "name domain crm_account_id status country joined_at manager",
}

SYSTEMS = {
    "account_mapping": "account_mapping",
    "mapping_two": "account_mapping",
    "crm": "crm",
    "crm_two": "crm",
    "prm": "prm",
    "prm_two": "prm",
}
"""Every system and its kind: two of each, as in a company that has bought another."""

# Six quarters: Q1 to Q4 of the year 2026 begin in February, May, August and November 2025; then Q1 and Q2 of 2027.
SETTINGS: dict[str, Any] = {
    "deployment": "crafted_metrics",
    "sources": {
        name: {
            "connector": "files",
            "options": {
                "folder": name,
                "kind": kind,
                "exported_at": "2026-08-03T06:00:00Z",
                **({"default_currency": "USD"} if name == "prm" else {}),
            },
        }
        for name, kind in SYSTEMS.items()
    },
    "fiscal_calendar": {"first_month": 2, "named_by": "end"},
    "timezone": "Pacific/Auckland",
    "as_of": date(2026, 8, 3),
    "history_quarters": 6,
    "reporting_currency": "EUR",
    "exchange_rates": [
        {"currency": "USD", "from": date(2020, 1, 1), "rate": 0.9137},
        {"currency": "USD", "from": date(2026, 2, 1), "rate": 0.8811},
        {"currency": "JPY", "from": date(2020, 1, 1), "rate": 0.00613},
    ],
    "icp": {
        "industries": ["Manufacturing", "retail"],
        "regions": ["North", "South"],
        "employees": {"min": 100, "max": 5000},
    },
    "identity": {"crosswalk": "crosswalk.csv"},
    "privacy": {"suppress_overlap_below": 2},
    "pseudo_partners": ["direct", "House Account", "N-98"],
    "quality": {"max_quarantined_share": 1.0},
    "policy": {"active": "four-quarters", "compare": ["one-quarter", "complete-windows"]},
    "paths": {"inputs": "inputs", "state": "state", "policies": "policies"},
}

CROSSWALK = [
    ("prm", "hazel-p", "N-08", "another name and domain, and the portal names the wrong account"),
    ("crm", "larch-two", "N-10", "the same company in another country"),
    ("account_mapping", "willow-m", "willow-p", "no number, so the id of the record in the portal"),
    ("account_mapping", "quince-m", "quince-one", "a record that belongs to a CRM account itself"),
    ("account_mapping", "larch-m", "N-11", "an account that is assigned to another one itself"),
    ("prm", "xylo-p", "N-77", "a number that nobody has"),
    ("prm", "nobody-p", "N-01", "a record that is not there"),
    ("prm", "baobab-p", "itself", "one name and one domain, and still two companies"),
]


def account_id(fifteen: str) -> str:
    """A Salesforce id of 15 characters with the three that make it safe where case is lost."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    chunks = (fifteen[start : start + 5] for start in (0, 5, 10))
    return fifteen + "".join(alphabet[sum(c.isupper() << place for place, c in enumerate(chunk))] for chunk in chunks)


ALDER, CEDAR, DOGWOOD, FIR = (
    account_id(x) for x in ("001Mx00000aLdEr", "001Mx00000tReEa", "001Mx00000tReea", "001Mx00000fIrrr")
)
GINKGO, MAPLE, NUTMEG, DIRECT = (
    account_id(x) for x in ("001Mx00000gInKg", "001Mx00000mApLe", "001Mx00000nUtMe", "001Mx00000dIrEc")
)
BARE = "001Mx00000bArEe"  # a CRM that shows the short form
VIBURNUM, QUINCE = account_id("001Mx00000vIbUr"), account_id("001Mx00000qUiNc")


def columns_of(system: str, entity: str) -> list[str]:
    """The columns of a file, but for the record's own id."""
    columns = PARTNER_COLUMNS[SYSTEMS[system]] if entity == "partners" else COLUMNS[entity]
    return [*columns.split(), "is_deleted", "is_test"]


class Writer:
    """Collects rows by system and entity; ids number themselves where none is given."""

    def __init__(self) -> None:
        self.tables: Tables = defaultdict(lambda: defaultdict(list))

    def add(self, system: str, entity: str, source_id: str | None = None, **values: Any) -> str:
        rows = self.tables[system][entity]
        columns = columns_of(system, entity)
        unknown = values.keys() - set(columns)
        assert not unknown, f"{entity} has no {unknown}"
        source_id = source_id or f"{entity[:4]}-{len(rows) + 1:03}"
        row = {"source_id": source_id, **dict.fromkeys(columns, "")}
        rows.append(row | {name: "" if value is None else str(value) for name, value in values.items()})
        return source_id

    def crm(self, entity: str, source_id: str | None = None, **values: Any) -> str:
        return self.add("crm", entity, source_id, **values)

    def prm(self, entity: str, source_id: str | None = None, **values: Any) -> str:
        return self.add("prm", entity, source_id, **values)

    def mapping(self, entity: str, source_id: str | None = None, **values: Any) -> str:
        return self.add("account_mapping", entity, source_id, **values)


def tables() -> Tables:
    """Every row of the three systems."""
    made = Writer()
    _crm_partners(made)
    _customers(made)
    _portal_partners(made)
    _mapping_partners(made)
    _deals(made, random.Random(20260803))
    _open_deals(made)
    _meetings(made)
    _trainings(made)
    _registrations(made)
    _events(made)
    _money(made)
    _answers_and_plans(made)
    _flags(made)
    _overlaps(made)
    _second_systems(made)
    return made.tables


def write(
    folder: Path, content: Tables | None = None, *, without: tuple[str, ...] = (), parts: int = 1, **changes: Any
) -> Path:
    """The deployment in a folder of its own, every table in `parts` files; returns its file."""
    shutil.copytree(HERE / "policies", folder / "policies")
    for system, entities in (content or tables()).items():
        for entity, rows in entities.items() if system not in without else ():
            for part in range(parts):
                name = entity if parts == 1 else f"{entity}-{part + 1}"
                write_csv(folder / "inputs" / system / f"{name}.csv", list(rows[0]), rows[part::parts])
    with (folder / "crosswalk.csv").open("w", encoding="utf-8", newline="") as handle:
        header = ("source", "source_id", "partner_number", "why")
        csv.writer(handle).writerows([header, *(row for row in CROSSWALK if row[0] not in without)])
    sources = {name: source for name, source in SETTINGS["sources"].items() if name not in without}
    return write_settings(folder, {**SETTINGS, "sources": sources, **changes})


def write_settings(folder: Path, settings: dict[str, Any]) -> Path:
    file = folder / "segments.yml"
    file.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    """A table with a header, also without rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)


# --- who is who -------------------------------------------------------------------------------------------------


def _crm_partners(made: Writer) -> None:
    def partner(source_id: str, name: str, number: str, domain: str, **more: Any) -> None:
        since = more.pop("created_at", "2024-11-05T10:00:00Z")
        made.crm(
            "accounts", source_id, name=name, partner_number=number, domain=domain, is_partner="true",
            created_at=since, owner_id=f"owner of {name}", **more,
        )  # fmt: skip

    partner(ALDER, "Alder Systems", "N-01", "https://www.alder.example/partners?x=1", region="North")
    partner("birch", "Birch", "N-02", "birch-oracle.co.uk", created_at="2025-06-30T23:30:00Z")
    partner(CEDAR, "Cedar", "N-03", "cedar-oracle.co.uk")
    partner(DOGWOOD, "Dogwood", "N-04", "gmail.com")
    partner("elm-one", "Elm", "N-05", "elm.example")
    partner("elm-two", "Elm Services", "N-06", "WWW.ELM.EXAMPLE")
    partner(FIR, "Fir", "N-07", "fir.example", created_at="2025-11-30T23:00:00-05:00")
    partner("hazel", "Hazel", "N-08", "hazel.example")
    partner("larch-one", "Larch", "N-10", "larch.example", created_at="2025-03-01T00:00:00Z")
    partner("larch-two", "Larch Benelux", "N-11", "larch-benelux.example", created_at="2023-01-01T00:00:00Z")
    partner(MAPLE, "Maple", "", "maple.example", created_at="")
    partner(NUTMEG, "Nutmeg", "N-12", "nutmeg.example", is_deleted="true")
    partner("oak", "Oak", "N-13", "oak.example", is_test="true")
    partner(QUINCE, "Quince", "N-14", "quince.example", created_at="")
    partner("rowan", "Rowan", "N-15", "rowan.example")
    partner("sorrel", "Sorrel", "N-16", "sorrel.example")
    partner("tamarack", "Tamarack", "N-17", "tamarack.example")
    partner("umbra", "Umbra", "N-18", "umbra.example")
    partner(VIBURNUM, "Viburnum", "N-19", "viburnum.example")
    partner("late", "Latecomer", "N-20", "late.example", created_at="2026-08-01T09:00:00Z")
    partner(BARE, "Bare", "N-21", "")
    partner("yew", "Yew", "N-23", "yew.example", created_at="2026-03-01T00:00:00Z")
    partner("hosted", "Hosted", "N-22", "hosted.github.io")
    partner("acacia", "Acacia Räder GmbH", "N-30", "", country="DE")
    partner("poplar-one", "Poplar Works", "N-31", "poplar-one.example", country="US")
    partner("poplar-two", "Poplar Works Inc.", "N-32", "", country="US")
    partner("cypress", "Cypress", "N-33", "cypress.example", country="PT")
    partner("tupelo", "Tupelo", "N-34", "tupelo.example", country="SE")
    partner("sequoia", "Sequoia", "N-35", "sequoia.example", country="NL")
    partner("hawthorn", "Hawthorn", "N-36", "hawthorn.example", country="IE")
    partner("mimosa", "Mimosa AG", "N-37", "", country="CH")
    partner("baobab", "Baobab", "N-38", "baobab.example", country="ZA")
    partner(DIRECT, " Direct ", "N-99", "direct.example")
    partner("own", "Our own shop", "N-98", "own.example")
    # A customer by its flag, whatever the portal says of it.
    made.crm("accounts", GINKGO, name="Ginkgo", domain="ginkgo.example", is_partner="false", created_at="2024-01-01")


def _portal_partners(made: Writer) -> None:
    def partner(source_id: str, name: str, domain: str = "", account: str = "", **more: Any) -> None:
        since = more.pop("joined_at", "2025-01-10T08:00:00Z")
        more.setdefault("manager", f"{source_id}@own.example")
        made.prm(
            "partners", source_id, name=name, domain=domain, crm_account_id=account, status="active",
            joined_at=since, **more,
        )  # fmt: skip

    partner("alder-p", "Alder", "alder-portal.example", ALDER)
    partner("birch-p", "Birch Ltd", "eu.birch-oracle.co.uk", manager="")
    partner("cedar-p", "Cedar Ltd", "", CEDAR[:15])
    partner("dogwood-p", "Dogwood", "gmail.com", joined_at="")
    partner("elm-p", "Elm", "elm.example")
    partner("fir-p", "Fir", "shop.fir.example", account_id("001Mx00000nOnEe"), joined_at="")
    partner("ginkgo-p", "Ginkgo", "ginkgo.example", GINKGO)
    partner("hazel-p", "Haselnuss", "late.example", MAPLE)
    partner("ivy-p", "Ivy", "ivy.example", joined_at="2025-09-20T00:00:00Z")
    partner("house-p", "house account ", "house.example")
    partner("counter-p", "Counter sales", "counter.example", DIRECT)
    partner("maple-p", "Maple", "maple.example", MAPLE, is_deleted="true")
    partner("nutmeg-p", "Nutmeg", "nutmeg.example", NUTMEG)
    partner("oak-p", "Oak", "oak.example", is_test="true")
    partner("quince-one", "Quince", "quince-portal.example", QUINCE)
    partner("quince-two", "Quince GmbH", "quince.example")
    partner("viburnum-p", "Viburnum", "viburnum-software.example", VIBURNUM)
    partner("willow-p", "Willow", "")
    partner("xylo-p", "Xylo", "xylo.example")
    partner("bare-p", "Bare", "", account_id(BARE))
    partner("hosted-p", "Hosted elsewhere", "elsewhere.github.io")
    partner("acacia-p", "ACACIA Raeder", "acacia.example", country="Germany")
    # A name that two have, one domain in two countries, a new name, a subsidiary, another domain, another legal form.
    partner("poplar-p", "Poplar Works", "", country="US")
    partner("cypress-p", "Cypress", "cypress.example", country="Spain")
    partner("tupelo-p", "Nyssa", "tupelo.example", country="Sverige")
    partner("sequoia-p", "Sequoia Leasing", "sequoia.example", country="NL")
    partner("hawthorn-p", "Hawthorn", "whitethorn.example", country="IE")
    partner("mimosa-p", "Mimosa GmbH", "", country="CH")
    partner("baobab-p", "Baobab", "baobab.example", country="ZA")


def _mapping_partners(made: Writer) -> None:
    def partner(source_id: str, name: str, domain: str, sharing: str, **more: Any) -> None:
        made.mapping("partners", source_id, name=name, domain=domain, sharing_level=sharing, **more)

    partner("alder-m", "Alder", "http://alder.example:8080/", "full")
    partner("cedar-m", "Cedar", "cedar-oracle.co.uk", "Full")
    partner("dogwood-m", "Dogwood", "gmail.com", "full")
    partner("elm-m", "Elm", "elm.example", "counts_only")
    partner("fir-m", "Fir", "", "full", crm_account_id=FIR[:15])
    partner("ivy-m", "Ivy", "www.ivy.example", "full")
    partner("juniper-m", "Juniper", "juniper.example", "full")
    partner("direct-m", "Direct", "direct-sales.example", "full")
    partner("rowan-m", "Rowan", "rowan.example", "none")
    partner("sorrel-m", "Sorrel", "sorrel.example", "")
    partner("tamarack-m", "Tamarack", "tamarack.example", "counts_only")
    partner("umbra-m", "Umbra", "umbra.example", "full")
    partner("umbra-eu", "Umbra EU", "eu.umbra.example", "full")
    partner("viburnum-m", "Viburnum", "viburnum-software.example", "full")
    partner("quince-m", "Quitte", "", "full")
    partner("acacia-m", "Acacia Räder", "acacia.example", "full")
    partner("larch-m", "Lärche", "laerche.example", "full", crm_account_id="001MxNowhere")
    partner("hazel-m", "Hazel", "hazel.example", "")
    partner("maple-m", "Maple", "maple.example", "Partial")
    partner("willow-m", "Weide", "weide.example", "counts_only")
    partner("birch-m", "Birch", "birch-oracle.co.uk", "full", is_deleted="true")


# --- CRM ----------------------------------------------------------------------------------------------------------


def _customers(made: Writer) -> None:
    def customer(source_id: str, industry: str, employees: str, region: str, domain: str = "", **more: Any) -> None:
        made.crm(
            "accounts", source_id, name=f"Customer {source_id}", industry=industry, employees=employees,
            region=region, domain=domain, is_partner="false", created_at="2023-05-05", **more,
        )  # fmt: skip

    customer("c-low", "Manufacturing", "100", "North", "c-low.example")
    customer("c-high", " RETAIL ", "5000", "south")
    customer("c-under", "Retail", "99", "North")
    customer("c-over", "Retail", "5001", "North")
    customer("c-heads", "Retail", "", "North")
    customer("c-trade", "", "500", "North")
    customer("c-other", "Energy", "500", "North")
    customer("c-east", "Retail", "500", "East")
    customer("c-place", "Retail", "500", "")
    customer("c-web", "Retail", "500", "North", "https://www.web-only.example/shop")
    customer("c-twin-1", "Retail", "500", "North", "twin.example")
    customer("c-twin-2", "Retail", "500", "North", "twin.example")
    customer(account_id("001Mx00000cUsTo"), "Manufacturing", "800", "South", "salesforce-customer.example")
    customer("c-gone", "Retail", "500", "North", "gone.example", is_deleted="true")
    customer("c-plain", "Retail", "500", "North", "plain.example")


CUSTOMERS = ("c-low", "c-high", "c-under", "c-over", "c-heads", "c-trade", "c-web", "c-twin-1", "c-plain")
ROLES = (
    ("Referral", ""), ("Reseller", "sourced"), ("", "Sourced"), ("Influencer", ""), ("", "influenced"), ("Sponsor", ""),
    ("Distributor", ""), ("VAR/Reseller", ""), ("", ""),
)  # fmt: skip


def _deals(made: Writer, chance: random.Random) -> None:
    accounts = [row["source_id"] for row in made.tables["crm"]["accounts"]]
    partners = [account for account in accounts if account not in CUSTOMERS and account not in ("late", "yew")]
    # Nothing is made or won in the first quarter of the history, only before and after it.
    first, last = date(2025, 5, 1), date(2026, 7, 31)
    for place in range(230):
        created = first + timedelta(days=chance.randrange((last - first).days + 1))
        if place < 12:
            created -= timedelta(days=600)
        closes = created + timedelta(days=chance.choice((0, 5, 30, 60, 90)))
        outcome = chance.choice(("won", "won", "lost", "open")) if closes <= last else "open"
        cents = chance.choice((1, 7, 100_00, 333_333, 12_345_67, 8_000_01, -4_321_99))
        deal = made.crm(
            "opportunities",
            account_id=chance.choice(CUSTOMERS),
            amount=f"{cents / 100:.2f}" if outcome == "won" or chance.random() < 0.9 else "",
            currency=chance.choice(("EUR", "USD", "JPY", "")),
            is_closed=str(outcome != "open").lower(),
            is_won=str(outcome == "won").lower(),
            created_at=f"{created}T{chance.randrange(24):02}:30:00.000Z" if chance.random() < 0.95 else "",
            close_date=closes,
            is_deleted=str(chance.random() < 0.03).lower(),
            is_test=str(chance.random() < 0.03).lower(),
        )
        for who in sorted(set(chance.choices(partners, k=chance.choice((0, 1, 1, 2, 3, 6))))):
            for raw, role in chance.sample(ROLES, chance.choice((1, 1, 1, 2))):
                made.crm(
                    "opportunity_partners", opportunity_id=deal, account_id=who, role_raw=raw, role=role,
                    is_primary=str(chance.random() < 0.4).lower(), is_deleted=str(chance.random() < 0.05).lower(),
                    is_test=str(chance.random() < 0.03).lower(),
                )  # fmt: skip


def _open_deals(made: Writer) -> None:
    """Deals whose state on the last day of a quarter is a question of the day."""

    def deal(customer: str, amount: str, created: str, closes: str, state: str = "open", **more: Any) -> None:
        made.crm(
            "opportunities", account_id=customer, amount=amount, created_at=created, close_date=closes,
            is_closed=str(state != "open").lower(), is_won=str(state == "won").lower(), **more,
        )  # fmt: skip

    deal("c-low", "1000", "2025-07-31T23:59:59Z", "2025-10-31", "won")
    deal("c-low", "2000", "2025-08-01T00:00:00Z", "2025-11-01", "lost")
    deal("c-web", "4000", "2026-01-31T23:59:59Z", "2026-12-31")
    deal("c-high", "8000", "2026-02-01T00:00:00Z", "2026-03-01")
    deal("c-plain", "16000.5", "", "2026-09-30", currency="USD")
    deal("c-plain", "", "2025-06-01T00:00:00Z", "2026-09-30")
    deal("c-plain", "32000", "2025-06-01T00:00:00Z", "2026-09-30", is_deleted="true")
    deal("c-plain", "64000", "2025-06-01T00:00:00Z", "2026-09-30", is_test="true")

    # A partner's first deal, long before its account was made, and the credit is somebody else's under some rules.
    deal("c-plain", "100", "2025-09-01T00:00:00Z", "2025-09-30", "won", source_id="yew-deal")
    for who, is_primary in ((ALDER, "true"), ("yew", "false")):
        made.crm(
            "opportunity_partners", opportunity_id="yew-deal", account_id=who, role="sourced", is_primary=is_primary
        )


def _meetings(made: Writer) -> None:
    def meeting(who: str, at: str, minutes: str = "30", **more: Any) -> None:
        made.crm("meetings", account_id=who, started_at=at, minutes=minutes, kind="call", **more)

    meeting(ALDER, "2025-04-30T23:59:59Z")
    meeting(ALDER, "2025-05-01T00:00:00Z", "45.5")
    meeting(ALDER, "2025-05-01T00:00:00Z", "50")
    meeting(ALDER, "2025-07-31T20:00:00-05:00", "61")
    meeting(ALDER, "2026-07-31T23:59:59.999Z", "20")
    meeting(ALDER, "2026-08-20T10:00:00Z", "90")
    meeting(ALDER, "2026-05-20T10:00:00Z", "600", is_deleted="true")
    meeting(ALDER, "2026-05-20T10:00:00Z", "700", is_test="true")
    meeting("larch-one", "2026-06-01T10:00:00Z", "25")
    meeting("larch-two", "2026-06-02T10:00:00Z", "0")
    meeting("larch-two", "2026-01-02T10:00:00Z", "100")
    meeting("birch", "2026-06-02T10:00:00Z", "")
    meeting("c-plain", "2026-06-02T10:00:00Z", "300")
    meeting(DIRECT, "2026-06-02T10:00:00Z", "300")
    meeting(GINKGO, "2026-06-02T10:00:00Z", "300")
    meeting("hazel", "2026-08-01T00:00:00Z", "15")


def _flags(made: Writer) -> None:
    def fact(partner: str, on: str, value: str = "1", metric: str = "strategic_flag", **more: Any) -> None:
        made.crm("metric_facts", partner=partner, metric=metric, fact_date=on, value=value, **more)

    fact("N-05", "2025-02-20", metric="something_else")
    fact("N-05", "2025-02-20", is_deleted="true")
    fact("N-555", "2025-07-31")  # somebody makes a list, on which nobody stands whom we know
    fact("N-01", "2025-08-15")
    fact("N-01", "2026-01-31", "0")
    fact(" N-01 ", "2026-02-01", metric=" strategic_flag")
    fact("N-02", "2025-11-01")
    fact("N-02", "2026-07-31", "0")
    fact("N-11", "2025-12-01")
    fact(MAPLE, "2026-02-02")
    fact("N-03", "2026-08-02")
    made.prm("metric_facts", partner="ivy-p", metric="strategic_flag", fact_date="2025-11-01", value="1")
    made.prm("metric_facts", partner="N-08", metric="strategic_flag", fact_date="2026-02-01", value="1")
    made.prm("metric_facts", partner="cedar-p", metric="strategic_flag", fact_date="2026-05-01", value="1")


# --- portal -------------------------------------------------------------------------------------------------------


def _trainings(made: Writer) -> None:
    def record(who: str, person: str, kind: str, status: str, done: str, until: str = "", **more: Any) -> None:
        by_mail = "@" in person
        made.prm(
            "training_records", partner_id=who, user_id="" if by_mail else person, user_email=person if by_mail else "",
            record_type=kind, status=status, completed_at=done, expires_at=until, **more,
        )  # fmt: skip

    made.prm("partner_users", "u-ann", partner_id="alder-p", email="Ann@alder.example", is_active="true")
    made.prm("partner_users", "u-bob", partner_id="alder-p", email=" bob@alder.example", is_active="true")
    made.prm("partner_users", "u-cho", partner_id="cedar-p", email="cho@cedar.example", is_active="true")
    alder = "alder-p"
    record(alder, "u-ann", "Certification", "expired", "2025-04-30T23:59:59Z", "2025-07-31T00:00:00Z")
    record(alder, "u-ann", "certificate", "completed", "2025-05-01T00:00:00Z", "2025-10-31T23:59:59Z")
    record(alder, "ann@ALDER.example", "exam", "passed", "2025-06-01T00:00:00Z", "2025-10-30T23:59:59Z")
    record(alder, "u-bob", "certification", "completed", "2025-11-05T10:00:00Z")
    record(alder, "bob@alder.example ", "certification", "completed", "2025-11-06T10:00:00Z")
    record(alder, "guest@alder.example", "certification", "completed", "2026-02-01T00:00:00+09:00", "2026-04-30")
    record(alder, "Guest@Alder.Example", "certification", "completed", "2026-03-01T00:00:00Z", "2027-03-01")
    record(alder, "", "certification", "completed", "2026-05-05T00:00:00Z", "2027-03-01")
    record(alder, "", "certification", "completed", "2026-05-05T00:00:00Z", "2027-03-01")
    record(alder, "u-bob", "certification", "failed", "2025-05-05T00:00:00Z", "2027-03-01")
    record(alder, "u-bob", "certification", "in progress", "", "2027-03-01")
    record(alder, "u-bob", "certification", "completed", "", "2027-03-01")
    record(alder, "u-zed", "certification", "completed", "2025-05-05T00:00:00Z", is_deleted="true")
    record(alder, "u-zed", "certification", "completed", "2025-05-05T00:00:00Z", is_test="true")
    record(alder, "u-ann", "course", "completed", "2025-07-31T23:59:59.5Z")
    record(alder, "u-ann", "learning path", "complete", "2025-08-01T00:00:00Z")
    record(alder, "u-bob", "Module", "expired", "2025-11-02T00:00:00Z", "2025-12-01")
    record(alder, "u-bob", "course", "in_progress", "")
    record(alder, "u-bob", "course", "failed", "2025-08-03T00:00:00Z")
    record(alder, "u-bob", "webinar", "completed", "2025-08-03T00:00:00Z")
    record(alder, "u-bob", "course", "completed", "2025-08-03T00:00:00Z", is_deleted="true")
    record("cedar-p", "u-cho", "webinar", "completed", "2025-02-10T00:00:00Z")
    record("cedar-p", "u-cho", "course", "failed", "2025-03-10T00:00:00Z")
    record("cedar-p", "u-cho", "course", "completed", "2026-01-31T23:59:59Z")
    record("cedar-p", "u-cho", "certification", "completed", "2026-06-01T00:00:00Z", "2026-07-31T23:59:59Z")
    record("fir-p", "fir@fir.example", "course", "completed", "2026-01-05T00:00:00Z")
    record("birch-p", "b@birch.example", "certification", "expired", "2024-01-10T00:00:00Z", "2025-01-10T00:00:00Z")
    record("quince-one", "same@person.example", "course", "failed", "2025-04-01T00:00:00Z")
    record("quince-one", "same@person.example", "certification", "completed", "2025-09-01T00:00:00Z")
    record("quince-two", "same@person.example", "certification", "completed", "2025-09-01T00:00:00Z")
    record("ivy-p", "i@ivy.example", "certification", "completed", "2025-09-25T00:00:00Z", "2026-09-25T00:00:00Z")
    record("dogwood-p", "d@gmail.com", "course", "completed", "2025-09-25T00:00:00Z")
    for nobody in ("house-p", "counter-p", "maple-p", "oak-p"):
        record(nobody, "", "course", "completed", "2025-09-25T00:00:00Z")


def _registrations(made: Writer) -> None:
    def deal(
        who: str, status: str, sent: str, decided: str = "", outcome: str = "open", closed: str = "", **more: Any
    ) -> None:
        made.prm(
            "deal_registrations", partner_id=who, registration_status=status, outcome=outcome, submitted_at=sent,
            decided_at=decided, closed_at=closed, **more,
        )  # fmt: skip

    alder = "alder-p"
    deal(alder, "Accepted", "2025-04-30T23:59:59Z", "2025-05-01T00:00:00Z", "Closed Won", "2025-07-31T23:59:59Z")
    deal(alder, "approved", "2025-04-30T22:00:00-03:00", "2025-05-09T00:00:00Z", "won", "2025-08-01T00:00:00Z")
    deal(alder, "auto_accepted", "2025-06-01T10:00:00Z", "2025-06-01T10:00:00Z", "lost", "2025-09-01T00:00:00Z")
    deal(alder, "rejected", "2025-07-30T10:00:00Z", "2025-08-01T09:00:00Z", "unknown")
    deal(alder, "expired", "2025-07-30T10:00:00Z", "2025-08-20T00:00:00Z", "unknown")
    deal(alder, "returned", "2025-08-30T10:00:00Z", "2025-09-05T00:00:00Z", "unknown")
    deal(alder, "submitted", "2026-07-31T23:59:59Z")
    deal(alder, "draft", "2025-08-30T10:00:00Z")
    deal(alder, "draft", "2025-08-30T10:00:00Z", "", "won", "2025-10-30T00:00:00Z")
    deal(
        alder,
        "accepted",
        "2026-03-30T10:00:00Z",
        "2026-04-01T00:00:00Z",
        "won",
        "2026-04-30T00:00:00Z",
        is_deleted="true",
    )
    deal(
        alder, "accepted", "2026-03-30T10:00:00Z", "2026-04-01T00:00:00Z", "won", "2026-04-30T00:00:00Z", is_test="true"
    )
    deal(alder, "accepted", "2026-02-10T00:00:00Z", "")
    deal(alder, "accepted", "", "2026-02-20T00:00:00Z")
    deal(alder, "accepted", "2026-02-10T00:00:00Z", "2026-02-13T00:00:00Z")
    deal("birch-p", "declined", "2025-03-01T10:00:00Z", "2025-03-02T09:00:00Z")
    deal("birch-p", "accepted", "2025-05-01T10:00:00Z", "2025-12-24T09:00:00Z")
    deal("cedar-p", "accepted", "2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z")
    deal("quince-one", "accepted", "2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z")
    deal("quince-two", "declined", "2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z")
    deal("ivy-p", "accepted", "2025-09-30T00:00:00Z", "2025-10-01T00:00:00Z", "won", "2026-01-05T00:00:00Z")
    deal("hazel-p", "auto-approved", "2025-02-01T00:00:00Z", "2025-02-01T00:00:00Z", "won", "2025-02-02T00:00:00Z")
    for nobody in ("house-p", "counter-p", "maple-p", "oak-p"):
        deal(nobody, "accepted", "2025-05-01T00:00:00Z", "2025-05-03T00:00:00Z")


def _events(made: Writer) -> None:
    def event(who: str, what: str, at: str, **more: Any) -> None:
        made.prm("activity_events", partner_id=who, event_type=what, occurred_at=at, **more)

    alder = "alder-p"
    event(alder, "login", "2025-02-01T00:00:00Z")
    event(alder, "login", "2025-04-30T23:59:59Z")
    event(alder, "Asset Viewed", "2025-04-30T08:00:00Z")
    event(alder, "download", "2025-05-01T00:00:00Z")
    event(alder, "asset_view", "2025-05-01T00:00:00Z")
    event(alder, "something new", "2025-05-02T00:00:00Z")
    event(alder, "comment", "2025-08-01T01:00:00+02:00")
    event(alder, "login", "2025-08-05T01:00:00Z", is_deleted="true")
    event(alder, "asset_view", "2025-08-05T01:00:00Z", is_test="true")
    event("quince-one", "login", "2026-05-05T01:00:00Z")
    event("quince-two", "login", "2026-05-05T02:00:00Z")
    event("cedar-p", "form submitted", "2026-07-31T23:59:59.999Z")
    event("cedar-p", "form submitted", "2026-08-01T00:00:00Z")
    for nobody in ("house-p", "counter-p", "maple-p", "oak-p"):
        event(nobody, "asset_view", "2025-05-01T00:00:00Z")


def _money(made: Writer) -> None:
    def request(who: str, status: str, amount: str, currency: str, sent: str, **more: Any) -> None:
        made.prm(
            "mdf_requests", partner_id=who, status=status, requested_amount=amount, currency=currency,
            submitted_at=sent, approved_amount="1", **more,
        )  # fmt: skip

    def claim(
        who: str, status: str, claimed: str, granted: str, currency: str, sent: str, paid: str = "", **more: Any
    ) -> None:
        made.prm(
            "mdf_claims", partner_id=who, status=status, claimed_amount=claimed, approved_amount=granted,
            currency=currency, submitted_at=sent, paid_at=paid, **more,
        )  # fmt: skip

    def sale(who: str, on: str, product: str, approved: str = "true", **more: Any) -> None:
        more.setdefault("amount", "10")
        made.prm("transactions", partner_id=who, transaction_date=on, product=product, approved=approved, **more)

    alder = "alder-p"
    request(alder, "submitted", "1000.33", "USD", "2026-01-31T23:59:59Z")
    request(alder, "approved", "1000.33", "USD", "2026-02-01T00:00:00Z")
    request(alder, "declined", "77777", "JPY", "2025-05-05T00:00:00Z")
    request(alder, "cancelled", "10", "", "2025-05-05T00:00:00Z")
    request(alder, "draft", "5000", "EUR", "2025-05-05T00:00:00Z")
    request(alder, "paid", "", "EUR", "2025-05-05T00:00:00Z")
    request(alder, "paid", "9000", "EUR", "2025-05-05T00:00:00Z", is_deleted="true")
    request("birch-p", "paid", "12.34565", "EUR", "2025-05-05T00:00:00Z")
    claim(alder, "paid", "500", "400.10", "EUR", "2025-05-01T00:00:00Z", "2025-07-31T23:59:59Z")
    claim(alder, "paid", "300.05", "", "USD", "2025-05-01T00:00:00Z", "2025-08-01T00:00:00Z")
    claim(alder, "paid", "100", "0", "EUR", "2025-09-01T00:00:00Z", "2025-09-05T00:00:00Z")
    claim(alder, "paid", "100", "100", "USD", "2026-01-20T00:00:00Z", "2026-02-20T00:00:00Z")
    claim(alder, "approved", "70", "60", "EUR", "2025-06-01T00:00:00Z")
    claim(alder, "approved", "11", "", "EUR", "2025-11-01T00:00:00Z", "2025-11-05T00:00:00Z")
    claim(alder, "completed", "13", "", "EUR", "2025-11-01T00:00:00Z", "2026-05-05T00:00:00Z")
    claim(alder, "submitted", "700", "", "EUR", "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    claim(alder, "declined", "700", "700", "EUR", "2025-06-01T00:00:00Z", "2025-06-20T00:00:00Z")
    claim(alder, "paid", "900", "900", "EUR", "2025-06-01T00:00:00Z", "2025-06-20T00:00:00Z", is_test="true")
    claim("birch-p", "paid", "50", "50", "EUR", "2025-06-01T00:00:00Z", "2026-08-02T00:00:00Z")
    sale(alder, "2025-07-31", "Planner")
    sale(alder, "2025-08-01", "Planner")
    sale(alder, "2025-08-01", " Scheduler")
    sale(alder, "2025-08-02", "Scheduler")
    sale(alder, "2025-09-01", "Planner")
    sale(alder, "2025-09-02", "Rejected", "false")
    sale(alder, "2026-03-02", "Undecided", "")
    sale(alder, "2026-03-02", "For nothing", amount="0")
    sale(alder, "2025-09-02", "")
    sale(alder, "2025-09-02", "Deleted", is_deleted="true")
    sale(alder, "2025-09-02", "Refunded", amount="-10")
    sale("quince-one", "2026-05-02", "Planner")
    sale("quince-two", "2026-05-02", "Portal")


def _answers_and_plans(made: Writer) -> None:
    def answer(who: str, score: str, best: str, at: str, **more: Any) -> None:
        made.prm("csat_responses", partner_id=who, score=score, scale_max=best, responded_at=at, **more)

    def plan(who: str, on: str, kind: str = "business_plan", **more: Any) -> None:
        more.setdefault("status", "active")
        made.prm("business_plans", partner_id=who, plan_type=kind, meeting_date=on, **more)

    alder = "alder-p"
    answer(alder, "4", "5", "2025-04-30T23:59:59Z")
    answer(alder, "9", "10", "2025-05-01T00:00:00Z")
    answer(alder, "2", "3", "2025-05-02T00:00:00Z")
    answer(alder, "0", "7", "2025-05-03T00:00:00Z")
    answer(alder, "5", "", "2025-05-03T00:00:00Z")
    answer(alder, "5", "5", "2025-05-03T00:00:00Z", is_deleted="true")
    answer(alder, "", "5", "2025-05-04T00:00:00Z")
    answer("birch-p", "5", "", "2025-06-03T00:00:00Z")
    answer("cedar-p", "1", "3", "2026-07-31T23:59:59Z")
    plan(alder, "2025-07-31")
    plan(alder, "2025-08-01", "review")
    plan(alder, "2026-09-01", "qbr")
    plan(alder, "")
    plan(alder, "2025-08-02", is_test="true")
    plan(alder, "2025-08-02", status="Draft")
    plan(alder, "2026-03-02", status=" cancelled")
    plan(alder, "2026-03-02", status="Canceled")
    plan(alder, "2026-03-03", status="")
    plan("cedar-p", "2026-07-31", status="Completed")


# --- mapping platform -----------------------------------------------------------------------------------------------


def _overlaps(made: Writer) -> None:
    def both(who: str, account: str, ours: str, theirs: str, since: str, domain: str = "", **more: Any) -> None:
        made.mapping(
            "account_overlaps", partner_id=who, own_account_id=account, domain=domain, own_population=ours,
            partner_population=theirs, matched_at=since, **more,
        )  # fmt: skip

    def count(who: str, ours: str, theirs: str, accounts: int, **more: Any) -> None:
        made.mapping(
            "overlap_counts",
            partner_id=who,
            own_population=ours,
            partner_population=theirs,
            account_count=accounts,
            **more,
        )

    alder, cedar = "alder-m", "cedar-m"
    both(alder, "c-low", "Customers", "Prospects", "2024-01-01T00:00:00Z", "c-low.example")
    both(alder, "c-low", "Customers", "Customers", "2025-10-31T23:59:59Z", "c-low.example")
    both(alder, "c-high", "Prospects", "Customers", "")
    both(alder, "c-under", "Prospects", "Customers", "2025-08-01T00:00:00Z")
    both(alder, "c-under", "Customers", "Customers", "2026-02-01T00:00:00Z")
    both(alder, "c-over", "Open Opportunities", "Customers", "2025-06-01T00:00:00Z")
    both(alder, "c-over", "Prospects", "Customers", "2025-06-01T00:00:00Z")
    both(alder, "c-heads", "VIP list", "Friends", "2025-06-01T00:00:00Z")
    both(alder, "c-trade", "Prospects", "Prospects", "2025-06-01T00:00:00Z")
    both(alder, "c-other", "Prospects", "Open Opportunities", "2025-06-01T00:00:00Z")
    both(alder, "c-east", "Prospects", "Open Opportunities", "2025-06-01T00:00:00Z")
    both(alder, "c-place", "Prospects", "Open Opportunities", "2025-06-01T00:00:00Z")
    both(alder, "", "Prospects", "Prospects", "2025-07-31T23:59:59Z", "WEB-ONLY.example")
    both(alder, "c-web", "Prospects", "Customers", "2025-08-01T00:00:00Z", "web-only.example")
    both(alder, "", "Prospects", "Customers", "2025-08-01T00:00:00Z", "twin.example")
    both(alder, "", "Prospects", "Customers", "2025-08-01T00:00:00Z", "nobody-knows.example")
    both(alder, "nowhere-1", "Prospects", "Prospects", "2025-08-01T00:00:00Z")
    both(alder, "nowhere-2", "Prospects", "Prospects", "2025-08-01T00:00:00Z", "nobody-either.example")
    both("fir-m", "nowhere-3", "Prospects", "Prospects", "2025-08-01T00:00:00Z", "nobody-either.example")
    both(alder, "c-lost", "Prospects", "Customers", "2025-08-01T00:00:00Z", "plain.example")
    both(alder, account_id("001Mx00000cUsTo")[:15], "Customers", "Customers", "2025-08-01T00:00:00Z")
    both(alder, "c-plain", "Customers", "Customers", "2026-08-02T00:00:00Z")
    both(alder, "c-gone", "Customers", "Customers", "2025-08-01T00:00:00Z", is_deleted="true")
    both(alder, "c-gone", "Customers", "Prospects", "2025-08-01T00:00:00Z", is_test="true")
    both(cedar, "c-low", "Customers", "Customers", "2025-11-01T00:00:00Z")
    both(cedar, "c-twin-1", "Prospects", "Customers", "2025-04-30T23:59:59Z")
    both("fir-m", "c-high", "Prospects", "Prospects", "2026-01-31T23:59:59-08:00")
    both("fir-m", "", "Prospects", "Prospects", "2025-05-01T00:00:00Z", "nobody-knows.example")
    both("ivy-m", "c-web", "Prospects", "Prospects", "2026-05-01T00:00:00Z")
    both("ivy-m", "c-plain", "Customers", "Prospects", "2025-05-01T00:00:00Z")
    both("juniper-m", "c-trade", "Prospects", "Prospects", "2026-02-01T00:00:00Z")
    both("direct-m", "c-other", "Prospects", "Prospects", "2025-02-01T00:00:00Z")
    both("rowan-m", "c-east", "Prospects", "Prospects", "2025-02-01T00:00:00Z")
    both("sorrel-m", "c-place", "Prospects", "Customers", "2025-12-01T00:00:00Z")
    both("tamarack-m", "c-under", "Prospects", "Customers", "2025-02-01T00:00:00Z")
    both("viburnum-m", "c-plain", "Customers", "Customers", "2025-06-30T00:00:00Z")
    both("viburnum-m", "c-heads", "Customers", "Customers", "2026-06-30T00:00:00Z")
    count("elm-m", "Customers", "Customers", 23)
    count("elm-m", "Customers", "Prospects", 1)
    count("elm-m", "Prospects", "Customers", 4)
    count("tamarack-m", "Prospects", "Customers", 7)
    count("tamarack-m", "Open Opportunities", "Customers", 2)
    count("tamarack-m", "Prospects", "Prospects", 500, is_deleted="true")
    count("tamarack-m", "Partners", "Customers", 3)
    count("alder-m", "Customers", "Customers", 99)
    count("rowan-m", "Customers", "Customers", 99)
    count("sorrel-m", "Customers", "Customers", 99)
    both("quince-m", "c-low", "Customers", "Customers", "2025-06-30T00:00:00Z")
    both("quince-m", "c-plain", "Prospects", "Prospects", "2025-06-30T00:00:00Z")
    both("larch-m", "c-heads", "Prospects", "Prospects", "2026-05-01T00:00:00Z")
    count("hazel-m", "Prospects", "Customers", 11)
    count("willow-m", "Customers", "Open Opps", 0)


# --- the second system of every kind --------------------------------------------------------------------------------


def _second_systems(made: Writer) -> None:
    """Ids that mean something else in the first system of the kind, and partners and accounts that both know."""

    def partner(source_id: str, name: str, number: str, domain: str) -> None:
        made.add(
            "crm_two", "accounts", source_id, name=name, partner_number=number, domain=domain, is_partner="true",
            created_at="2024-02-02T00:00:00Z", owner_id="somebody else",
        )  # fmt: skip

    def deal(source_id: str, who: str, amount: str, closes: str, state: str = "won") -> None:
        made.add(
            "crm_two", "opportunities", source_id, account_id="c-low", amount=amount, close_date=closes,
            created_at="2025-06-01", is_closed=str(state != "open").lower(), is_won=str(state == "won").lower(),
        )  # fmt: skip
        made.add("crm_two", "opportunity_partners", opportunity_id=source_id, account_id=who, role="sourced")

    partner("alder-two", "Alder (EMEA)", "X-01", "emea.alder.example")
    partner("birch", "Birnbaum", "X-02", "birnbaum.example")
    partner("zelkova", "Zelkova", "X-03", "zelkova.example")
    made.add("crm_two", "accounts", "c-low", name="Somebody else", industry="Energy", is_partner="false")
    made.add("crm_two", "accounts", "c-two", name="Their customer", industry="Retail", region="North", employees="300")
    deal("oppo-001", "alder-two", "500.5", "2025-08-08")
    deal("oppo-002", "birch", "700", "2025-09-09")
    deal("oppo-003", "zelkova", "900", "2026-12-12", "open")
    made.add("crm_two", "meetings", account_id="alder-two", started_at="2026-07-30T10:00:00Z", minutes="7")
    made.add("crm_two", "meetings", account_id="birch", started_at="2026-07-30T10:00:00Z", minutes="11")

    made.add("prm_two", "partners", "alder-p", name="Alder again", crm_account_id=ALDER, joined_at="2024-12-24")
    made.add("prm_two", "partners", "cedar-p", name="Zelkova", domain="zelkova.example", joined_at="2025-05-05")
    made.add("prm_two", "partners", "ivy-two", name="Ivy", domain="ivy.example", joined_at="2025-05-05")
    for who, at in (
        ("alder-p", "2025-05-02T09:00:00Z"),
        ("alder-p", "2025-05-09T09:00:00Z"),
        ("cedar-p", "2025-06-01"),
    ):
        made.add("prm_two", "activity_events", partner_id=who, event_type="asset_view", occurred_at=at)
    for person, mail in (("u-ann", "other@alder.example"), ("u-9", "bob@alder.example"), ("", "BOB@alder.example")):
        made.add(
            "prm_two", "training_records", partner_id="alder-p", user_id=person, user_email=mail,
            record_type="certification", status="completed", completed_at="2026-02-02",
        )  # fmt: skip

    made.add("mapping_two", "partners", "alder-m", name="Alder", domain="alder.example", sharing_level="counts_only")
    made.add("mapping_two", "partners", "cedar-m", name="Cedar", domain="cedar-oracle.co.uk", sharing_level="full")
    made.add("mapping_two", "partners", "zelkova-m", name="Zelkova", domain="zelkova.example", sharing_level="full")
    made.add(
        "mapping_two", "overlap_counts", partner_id="alder-m", own_population="Customers",
        partner_population="Customers", account_count="77",
    )  # fmt: skip
    for who, account, since in (
        ("cedar-m", "c-low", "2025-06-01"),
        ("cedar-m", "c-two", ""),
        ("zelkova-m", "c-two", ""),
    ):
        made.add(
            "mapping_two", "account_overlaps", partner_id=who, own_account_id=account, own_population="Prospects",
            partner_population="Customers", matched_at=since,
        )  # fmt: skip

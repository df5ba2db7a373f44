"""What HubSpot's records mean in the conformed tables: customers, partners and their parts, stages, hours, levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from demo.vendors.hubspot import HubspotAccount, Pipeline, Stage
from tests.connectors.hubspot.ground import BEGAN, grounds

OBJECT = "p4815162_registrations"
OPTIONS: dict[str, Any] = {
    "settle_minutes": 0,
    "pipelines": ["sales pipeline"],
    "partner_flag": "is_channel=Yes",
    "partner_number_property": "partner_number",
    "region_property": "region",
    "level_property": "partner_level",
    "level_since_property": "partner_since",
    "program": "Channel programme",
    "partner_properties": {"referred_by": "influenced"},
    "partner_labels": {"Champion": "influenced"},
    "primary_label": "Lead partner",
    "partner_object": {"type": OBJECT, "role_property": "part"},
    "task_minutes_property": "minutes_spent",
    "task_minutes": 20,
}


@dataclass
class Told:
    """An account in which everything has a name, and the conformed tables it gives."""

    account: HubspotAccount
    ids: dict[str, int] = field(default_factory=dict)
    con: duckdb.DuckDBPyConnection | None = None

    def company(self, name: str, **properties: str | None) -> int:
        self.ids[name] = self.account.create("companies", {"name": name, **properties})
        return self.ids[name]

    def deal(self, name: str, *partners: tuple[str, ...], customer: str | None = "Customer", **properties: Any) -> int:
        """A deal with its customer and its partners, each a company and the labels it has."""
        values = {"dealname": name, "amount": "100.00", "dealstage": "contractsent", **properties}
        deal = self.ids[name] = self.account.create("deals", values)
        if customer:
            self.account.associate("deals", deal, "companies", self.ids[customer], primary=True)
        for company, *labels in partners:
            self.account.associate("deals", deal, "companies", self.ids[company], *labels)
        return deal

    def activity(self, name: str, kind: str, *companies: str, **properties: str) -> int:
        number = self.ids[name] = self.account.create(kind, dict(properties))
        for company in companies:
            self.account.associate(kind, number, "companies", self.ids[company])
        return number

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        assert self.con is not None
        return self.con.execute(sql, list(values)).fetchall()

    def partners_of(self, deal: str, source: str = "hubspot") -> set[tuple[Any, ...]]:
        """Company, words, part and whether it is the main partner, of those that stand on a deal now."""
        names = {str(number): name for name, number in self.ids.items()}
        found = self.ask(
            "select account_id, role_raw, role, is_primary from conformed.opportunity_partners "
            "where source = ? and opportunity_id = ? and not is_deleted",
            source,
            str(self.ids[deal]),
        )
        return {(names.get(row[0], row[0]), *row[1:]) for row in found}

    def opportunity(self, deal: str, *columns: str) -> tuple[Any, ...]:
        (row,) = self.ask(
            f"select {', '.join(columns)} from conformed.opportunities where source = 'hubspot' and source_id = ?",
            str(self.ids[deal]),
        )
        return row

    def set_aside(self, entity: str) -> dict[str, str]:
        """Reason per record, of those whose reason speaks against them."""
        found = self.ask(f"select source_id, reject_reason from quarantine.{entity} where source = 'hubspot'")
        names = {str(number): name for name, number in self.ids.items()}
        return {names.get(key, key): reason for key, reason in found}


def _companies(told: Told) -> None:
    account = told.account
    for name in ("partner_number", "region", "partner_level", "partner_since", "is_channel"):
        account.define_property("companies", name)
    told.company("Customer", domain="https://www.customer.example/shop", country="DE", numberofemployees="120")
    told.company("Other customer", website="http://other.example")
    told.company(
        "Alpha", type="PARTNER", domain="alpha.example", partner_number="N-1", region="North",
        partner_level="Gold", partner_since="2025-03-01",
    )  # fmt: skip
    told.company("Beta", type="RESELLER", domain="beta.example", partner_number="N-2", partner_level="")
    told.company("Gamma", type="OTHER", is_channel="yes")
    told.company("Rival", type="COMPETITOR")
    told.company("Delta before", type="PARTNER")
    told.company("Delta", type="PARTNER")
    told.company("Epsilon before", type="PARTNER")
    told.company("Epsilon between", type="PARTNER")
    told.company("Epsilon", type="PARTNER")


def _deals(told: Told) -> None:
    account = told.account
    account.define_property("deals", "referred_by")
    account.pipelines.append(Pipeline("77", "Registrations", [Stage("7701", "Received", "0.1", False)]))
    account.pipelines[0].stages.append(Stage("9001", "Won by renewal", "1.0", True))
    told.deal("mapped label", ("Alpha", "Reseller"))
    told.deal("label of an option", ("Gamma", "Champion"))
    told.deal("two labels", ("Alpha", "Reseller", "Implementation Partner"))
    told.deal("label nobody mapped", ("Beta", "Friend of the house"))
    told.deal("no label", ("Beta",))
    told.deal("flagged and no label", ("Gamma",))
    told.deal("no partner", ("Rival", "Competitor"))
    told.deal("its own customer", customer="Alpha")
    told.deal("its own customer and labelled", ("Alpha", "Reseller"), customer="Alpha")
    told.deal("main partner", ("Alpha", "Referral"), ("Beta", "Reseller", "Lead partner"))
    told.deal("property by id", ("Alpha", "Reseller"), referred_by=str(told.ids["Alpha"]))
    told.deal("property by number", ("Beta", "Reseller"), referred_by="n-1")
    told.deal("property by domain", referred_by="alpha.example")
    told.deal("property by name", referred_by=" ALPHA ")
    told.deal("property of nobody", ("Beta", "Reseller"), referred_by="Nobody Ltd")
    told.deal("property of a merged one", referred_by=str(told.ids["Delta before"]))
    told.deal("object")
    told.deal("object with a part")
    told.deal("object and label", ("Alpha", "Reseller"))
    told.deal("merged partner", ("Delta before", "Reseller"))
    told.deal("partner merged twice", ("Epsilon before", "Reseller"))
    told.deal("deleted later", ("Alpha", "Reseller"))
    told.deal("merged away", ("Alpha", "Reseller"))
    told.deal("winner")
    told.deal("without a company", customer=None)
    told.deal("no primary company", ("Alpha", "Reseller"), ("Beta",), ("Other customer",), customer=None)
    told.deal("another pipeline", ("Alpha", "Reseller"), pipeline="77", dealstage="7701")
    for name, part in (("object", None), ("object with a part", "Distributor"), ("object and label", None)):
        record = account.create(OBJECT, {"part": part})
        account.associate(OBJECT, record, "deals", told.ids[name])
        account.associate(OBJECT, record, "companies", told.ids["Alpha" if name == "object and label" else "Beta"])

    told.deal("won", dealstage="closedwon", closedate="2026-02-01T03:30:00Z", deal_currency_code="EUR")
    told.deal("lost", dealstage="closedlost", closedate="2026-02-01T12:00:00Z")
    told.deal("won in a stage of its own", dealstage="9001", closedate="1772668800000")
    told.deal("not computed", dealstage="9001", closedate="2026-02-01T12:00:00Z")
    account.update("deals", told.ids["not computed"], {"hs_is_closed": None, "hs_is_closed_won": None})
    told.deal("stage that is gone", dealstage="4711")
    told.deal("odd amount", amount="12,5")
    told.deal("no amount", amount="")


def _lives(told: Told) -> None:
    """What happens after the first reading, and a deal that goes through stages."""
    account = told.account
    deal = told.deal("travelled", dealstage="appointmentscheduled", amount="50.00")
    account.advance(days=2)
    account.update("deals", deal, {"dealstage": "contractsent", "amount": "80.00"})
    account.advance(days=3)
    account.update("deals", deal, {"amount": "90.00"})
    account.advance(days=1)
    account.update("deals", deal, {"dealstage": "closedwon", "closedate": "2026-03-08T05:00:00Z"})


def _activities(told: Told) -> None:
    account = told.account
    account.define_property("tasks", "minutes_spent", "number")
    at = {"hs_meeting_start_time": "2026-02-02T09:00:00Z", "hs_meeting_end_time": "2026-02-02T09:45:00Z"}
    held = {**at, "hs_meeting_outcome": "COMPLETED", "hubspot_owner_id": "11"}
    told.activity("meeting", "meetings", "Alpha", **held)
    told.activity("of two partners", "meetings", "Alpha", "Beta", **held)
    told.activity("cancelled", "meetings", "Alpha", **{**at, "hs_meeting_outcome": "CANCELED"})
    told.activity("nobody came", "meetings", "Alpha", **{**at, "hs_meeting_outcome": "NO_SHOW"})
    told.activity("no outcome", "meetings", "Beta", **at)
    told.activity("no end", "meetings", "Beta", hs_timestamp="2026-02-03T09:00:00Z")
    group = {**held, "hs_i_cal_uid": "one@calendar.example", "hs_attendee_owner_ids": "11;12;13"}
    told.activity("group, first copy", "meetings", "Gamma", **group)
    told.activity("group, second copy", "meetings", "Gamma", **{**group, "hubspot_owner_id": "12"})
    told.activity("group, third copy", "meetings", "Gamma", "Beta", **{**group, "hubspot_owner_id": "13"})
    later = {"hs_meeting_start_time": "2026-02-09T09:00:00Z", "hs_meeting_end_time": "2026-02-09T10:00:00Z"}
    told.activity("group, a week later", "meetings", "Gamma", **{**group, **later})
    told.activity("with a merged one", "meetings", "Delta before", **held)
    told.activity("with nobody", "meetings", **held)
    told.activity("call", "calls", "Alpha", hs_timestamp="2026-02-04T09:00:00Z", hs_call_duration="90000",
                  hs_call_status="COMPLETED", hubspot_owner_id="12")  # fmt: skip
    told.activity("call by hand", "calls", "Alpha", hs_timestamp="2026-02-04T10:00:00Z")
    told.activity("no answer", "calls", "Alpha", hs_timestamp="2026-02-04T09:00:00Z", hs_call_status="NO_ANSWER")
    done = {"hs_task_status": "COMPLETED", "hs_timestamp": "2026-02-05T00:00:00Z"}
    told.activity("task", "tasks", "Alpha", **done, hs_task_completion_date="2026-02-06T15:00:00Z", minutes_spent="35")
    told.activity("task that does not say", "tasks", "Alpha", **done)
    told.activity("task to do", "tasks", "Alpha", hs_task_status="NOT_STARTED", hs_timestamp="2026-02-05T00:00:00Z")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The account read twice, with some things happening in between. A second source reads it with other options."""
    account = HubspotAccount(clock=BEGAN, first_label_id=401)
    account.additional_currencies = ["EUR", "GBP"]
    account.exchange_rates = [
        {"fromCurrencyCode": code, "toCurrencyCode": "USD", "conversionRate": rate,
         "effectiveAt": "2026-01-01T00:00:00Z", "visibleInUI": True}
        for code, rate in (("EUR", 1.08), ("GBP", 1.25))
    ]  # fmt: skip
    account.define_object(OBJECT, part="enumeration")
    made = Told(account)
    _companies(made)
    _deals(made)
    _activities(made)
    _lives(made)
    monkeypatch = pytest.MonkeyPatch()
    with grounds(tmp_path_factory.mktemp("hubspot-staging"), monkeypatch, account) as ground:
        monkeypatch.setenv("SEGMENTS_WEST_TOKEN", "pat-west")
        account.add_key("pat-west", without=["crm.objects.contacts.read"])
        ground.options = dict(OPTIONS)
        ground.others = {
            "west": {
                "attribution_order": ["label", "property"], "partner_labels": {"Reseller": "fulfilled"},
                "primary_label": None, "pipelines": [], "default_currency": "GBP", "level_property": None,
            }
        }  # fmt: skip
        ground.read()
        account.advance(hours=3)
        account.archive("deals", made.ids["deleted later"])
        account.merge("companies", made.ids["Delta"], made.ids["Delta before"])
        account.merge("companies", made.ids["Epsilon between"], made.ids["Epsilon before"])
        account.merge("deals", made.ids["winner"], made.ids["merged away"])
        account.advance(hours=3)
        ground.read()
        account.merge("companies", made.ids["Epsilon"], made.ids["Epsilon between"])
        account.update("companies", made.ids["Epsilon"], {"hs_merged_object_ids": str(made.ids["Epsilon between"])})
        account.advance(hours=3)
        made.con = ground.shape()
        yield made
        made.con.close()
    monkeypatch.undo()


# -- partners on deals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deal", "expected"),
    [
        ("mapped label", {("Alpha", "Reseller", "sourced", False)}),
        ("label of an option", {("Gamma", "Champion", "influenced", False)}),
        (
            "two labels",
            {("Alpha", "Reseller", "sourced", False), ("Alpha", "Implementation Partner", "fulfilled", False)},
        ),
        ("label nobody mapped", {("Beta", "Friend of the house", "unknown", False)}),
        ("no label", {("Beta", "RESELLER", "unknown", False)}),
        ("flagged and no label", {("Gamma", "OTHER", "unknown", False)}),
        ("no partner", set()),
        ("its own customer", set()),
        ("its own customer and labelled", {("Alpha", "Reseller", "sourced", False)}),
        ("main partner", {("Alpha", "Referral", "sourced", False), ("Beta", "Reseller", "sourced", True)}),
        ("property by id", {("Alpha", "referred_by", "influenced", False)}),
        ("property by number", {("Alpha", "referred_by", "influenced", False), ("Beta", "Reseller", "sourced", False)}),
        ("property by domain", {("Alpha", "referred_by", "influenced", False)}),
        ("property by name", {("Alpha", "referred_by", "influenced", False)}),
        ("property of nobody", {("Beta", "Reseller", "sourced", False)}),
        ("property of a merged one", {("Delta", "referred_by", "influenced", False)}),
        ("object", {("Beta", None, "sourced", False)}),
        ("object with a part", {("Beta", "Distributor", "fulfilled", False)}),
        ("object and label", {("Alpha", "Reseller", "sourced", False)}),
        ("merged partner", {("Delta", "Reseller", "sourced", False)}),
        ("partner merged twice", {("Epsilon", "Reseller", "sourced", False)}),
        ("deleted later", set()),
        ("merged away", set()),
        ("no primary company", {("Alpha", "Reseller", "sourced", False), ("Beta", "RESELLER", "unknown", False)}),
        ("another pipeline", set()),
    ],
)
def test_partners_stand_on_a_deal_with_their_parts(told: Told, deal: str, expected: set[tuple[Any, ...]]) -> None:
    assert told.partners_of(deal) == expected


def test_a_name_that_nobody_bears_is_set_aside_alone(told: Told) -> None:
    (key,) = (f"{told.ids['property of nobody']}/Nobody Ltd/referred_by",)
    assert told.set_aside("opportunity_partners") == {key: "unknown_account"}


def test_the_order_of_ways_and_the_parts_of_labels_are_each_sources_own(told: Told) -> None:
    assert told.partners_of("mapped label", "west") == {("Alpha", "Reseller", "fulfilled", False)}
    assert told.partners_of("property by id", "west") == {("Alpha", "Reseller", "fulfilled", False)}
    assert told.partners_of("property by domain", "west") == {("Alpha", "referred_by", "influenced", True)}
    assert told.partners_of("no label", "west") == set()
    assert told.partners_of("another pipeline", "west") == {("Alpha", "Reseller", "fulfilled", False)}


def test_partners_of_a_deal_that_is_gone_are_gone_with_it(told: Told) -> None:
    for deal in ("deleted later", "merged away"):
        key = str(told.ids[deal])
        assert told.ask(
            "select distinct is_deleted from conformed.opportunity_partners where opportunity_id = ?", key
        ) == [(True,)]


# -- deals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deal", "expected"),
    [
        ("won", (True, True, date(2026, 1, 31), "Closed Won")),
        ("lost", (True, False, date(2026, 2, 1), "Closed Lost")),
        ("won in a stage of its own", (True, True, date(2026, 3, 4), "Won by renewal")),
        ("not computed", (True, True, date(2026, 2, 1), "Won by renewal")),
        ("mapped label", (False, False, None, "Contract Sent")),
        ("stage that is gone", (False, False, None, "4711")),
    ],
)
def test_won_and_lost_are_what_the_stage_means_and_days_are_the_accounts(
    told: Told, deal: str, expected: tuple[Any, ...]
) -> None:
    assert told.opportunity(deal, "is_closed", "is_won", "close_date", "stage") == expected


def test_amounts_are_in_the_deals_currency_else_in_the_accounts(told: Told) -> None:
    assert told.opportunity("won", "amount", "currency") == (Decimal("100.0000"), "EUR")
    assert told.opportunity("lost", "amount", "currency") == (Decimal("100.0000"), "USD")
    assert told.opportunity("no amount", "amount", "currency") == (None, "USD")
    found = told.ask("select distinct currency from conformed.opportunities where source = 'west'")
    assert sorted(found) == [("EUR",), ("GBP",)]


def test_an_amount_that_is_no_number_is_set_aside(told: Told) -> None:
    assert told.set_aside("opportunities") == {"odd amount": "wrong_type"}
    (key,) = told.set_aside("opportunity_stage_changes")
    assert key.startswith(f"{told.ids['odd amount']}/")


def test_a_deal_belongs_to_its_primary_company_else_to_one_that_is_no_partner(told: Told) -> None:
    assert told.opportunity("won", "account_id") == (str(told.ids["Customer"]),)
    assert told.opportunity("no primary company", "account_id") == (str(told.ids["Other customer"]),)
    assert told.opportunity("without a company", "account_id") == ("without-company",)


def test_deals_that_are_gone_are_deleted_and_other_pipelines_do_not_count(told: Told) -> None:
    gone = told.ask("select name from conformed.opportunities where source = 'hubspot' and is_deleted order by 1")
    assert gone == [("deleted later",), ("merged away",)]
    names = {row[0] for row in told.ask("select name from conformed.opportunities where source = 'hubspot'")}
    assert "another pipeline" not in names
    assert {"winner", "won"} <= names


def test_stages_are_gone_through_with_the_amount_of_their_time(told: Told) -> None:
    steps = told.ask(
        "select from_stage, to_stage, amount, changed_at from conformed.opportunity_stage_changes "
        "where source = 'hubspot' and opportunity_id = ? order by changed_at",
        str(told.ids["travelled"]),
    )
    began = BEGAN.replace(tzinfo=None)
    assert steps == [
        (None, "Appointment Scheduled", Decimal("50.0000"), began),
        ("Appointment Scheduled", "Contract Sent", Decimal("80.0000"), began + timedelta(days=2)),
        ("Contract Sent", "Closed Won", Decimal("90.0000"), began + timedelta(days=6)),
    ]


# -- companies -----------------------------------------------------------------------------------------------------


def test_companies_are_partners_by_type_or_flag(told: Told) -> None:
    found = told.ask("select name from conformed.accounts where source = 'hubspot' and is_partner and not is_deleted")
    assert sorted(row[0] for row in found) == ["Alpha", "Beta", "Delta", "Epsilon", "Gamma"]


def test_companies_keep_what_is_known_of_them(told: Told) -> None:
    rows = told.ask(
        "select partner_number, domain, region, country, employees, created_at from conformed.accounts "
        "where source = 'hubspot' and name in ('Alpha', 'Customer', 'Other customer') order by name"
    )
    at = datetime(2026, 3, 2, 6, tzinfo=UTC).replace(tzinfo=None)
    assert rows == [
        ("N-1", "alpha.example", "North", None, None, at),
        (None, "customer.example", None, "DE", 120, at),
        (None, "other.example", None, None, None, at),
    ]


def test_companies_that_were_merged_into_others_are_deleted(told: Told) -> None:
    found = told.ask("select name from conformed.accounts where source = 'hubspot' and is_deleted order by 1")
    assert found == [("Delta before",), ("Epsilon before",), ("Epsilon between",)]


def test_one_account_stands_for_the_customers_of_deals_without_a_company(told: Told) -> None:
    assert told.ask("select name, is_partner from conformed.accounts where source_id = 'without-company' "
                    "and source = 'hubspot'") == [("Deals without a company", False)]  # fmt: skip


def test_levels_are_what_the_company_holds(told: Told) -> None:
    assert told.ask("select source, account_id, program, level, since from conformed.program_memberships") == [
        ("hubspot", str(told.ids["Alpha"]), "Channel programme", "Gold", date(2025, 3, 1))
    ]


def test_rates_are_the_accounts_own(told: Told) -> None:
    found = told.ask("select currency, to_currency, valid_from, rate from conformed.exchange_rates "
                     "where source = 'hubspot' order by 1")  # fmt: skip
    assert found == [
        ("EUR", "USD", date(2026, 1, 1), Decimal("1.08000000")),
        ("GBP", "USD", date(2026, 1, 1), Decimal("1.25000000")),
    ]


# -- hours ---------------------------------------------------------------------------------------------------------


def test_meetings_calls_and_tasks_become_minutes_and_group_events_count_once(told: Told) -> None:
    names = {str(number): name for name, number in told.ids.items()}
    found = told.ask("select source_id, account_id, minutes, kind, owner_id from conformed.meetings "
                     "where source = 'hubspot' and not is_deleted")  # fmt: skip
    assert {(names[key.split("/")[1]], names[company], minutes, kind, owner) for key, company, minutes, kind, owner in
            found} == {
        ("meeting", "Alpha", Decimal(45), "meeting", "11"),
        ("of two partners", "Alpha", Decimal(45), "meeting", "11"),
        ("of two partners", "Beta", Decimal(45), "meeting", "11"),
        ("no outcome", "Beta", Decimal(45), "meeting", None),
        ("no end", "Beta", None, "meeting", None),
        ("group, first copy", "Gamma", Decimal(45), "meeting", "11"),
        ("group, third copy", "Beta", Decimal(45), "meeting", "13"),
        ("group, a week later", "Gamma", Decimal(60), "meeting", "11"),
        ("with a merged one", "Delta", Decimal(45), "meeting", "11"),
        ("call", "Alpha", Decimal("1.5"), "call", "12"),
        ("call by hand", "Alpha", None, "call", None),
        ("task", "Alpha", Decimal(35), "task", None),
        ("task that does not say", "Alpha", Decimal(20), "task", None),
    }  # fmt: skip
    assert told.ask(
        "select started_at from conformed.meetings where source_id like ?", f"task/{told.ids['task']}/%"
    ) == [(datetime(2026, 2, 6, 15),)]
    assert told.set_aside("meetings") == {}


def test_what_the_key_may_not_read_is_unknown(told: Told) -> None:
    found = {(source, entity) for source, entity in told.ask("select source, entity from deployment.capabilities")}
    assert ("hubspot", "meetings") in found
    assert ("west", "meetings") not in found
    assert ("west", "accounts") in found


def test_levels_are_unknown_where_no_property_holds_them(told: Told) -> None:
    found = {(source, entity) for source, entity in told.ask("select source, entity from deployment.capabilities")}
    assert ("hubspot", "program_memberships") in found
    assert ("west", "program_memberships") not in found

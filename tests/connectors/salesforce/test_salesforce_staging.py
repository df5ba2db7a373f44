"""What the objects of an org mean: read over the API in two runs, built once, looked at in the conformed layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.serving import serve
from pipelines.connector import instances
from pipelines.extract import extract
from pipelines.settings import read_settings
from pipelines.shape import build, lay_inputs, plan
from pipelines.warehouse import Places, connect

POLICIES = Path(__file__).resolve().parents[3] / "policies"
BEGAN = datetime(2026, 9, 1, 8, tzinfo=UTC)


@dataclass
class Built:
    """The built warehouse, and the ids of what was told about by the names it has in the tests."""

    places: Places
    ids: dict[str, str]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.places.warehouse, read_only=True) as con:
            return con.execute(sql).fetchall()

    def named(self, sql: str) -> set[tuple[Any, ...]]:
        """Rows with ids in place of which their names stand."""
        names = {key: name for name, key in self.ids.items()}
        return {tuple(names.get(value, value) for value in row) for row in self.ask(sql)}


def first_day(org: SalesforceOrg, ids: dict[str, str]) -> None:
    """The org before the first reading."""
    org.use_several_currencies()
    org.mirrors_partners = True
    for name in ("ChannelProgram", "ChannelProgramLevel", "ChannelProgramMember"):
        org.add_object(name)
    org.add_field("Opportunity", "Referral__c", "reference", refers_to="Account")
    org.add_field("Opportunity", "PartnerAccountId", "reference", refers_to="Account")
    for iso, rate, corporate in (("EUR", 1.0, True), ("GBP", 0.8, False), ("JPY", 160.0, False)):
        org.create("CurrencyType", IsoCode=iso, ConversionRate=rate, IsCorporate=corporate, IsActive=True)
    for start, end, rate in (("2025-01-01", "2026-01-01", 0.5), ("2026-01-01", "9999-12-31", 0.8)):
        org.create("DatedConversionRate", IsoCode="GBP", StartDate=start, NextStartDate=end, ConversionRate=rate)
    for name in ("reseller", "referrer", "integrator", "old", "older"):
        ids[name] = org.create("Account", Name=name, IsPartner=True, AccountNumber=f"N-{name}")
    ids["customer"] = org.create("Account", Name="customer")
    for name in ("deal", "own deal", "portal deal", "emptied deal"):
        account = "reseller" if name == "own deal" else "customer"
        ids[name] = org.create(
            "Opportunity", Name=name, AccountId=ids[account], StageName="Prospecting", Amount=100.0,
            CloseDate="2026-08-14", CurrencyIsoCode="GBP",
        )  # fmt: skip
    org.add_partner(ids["deal"], ids["reseller"], "VAR/Reseller", is_primary=True)
    org.add_partner(ids["deal"], ids["old"], "Never Heard Of")
    org.mirrors_partners = False
    # A reseller that is the account of its own deal, written down once.
    org.add_partner(ids["own deal"], ids["reseller"], "VAR/Reseller", is_primary=True)
    org.update("Opportunity", ids["deal"], Referral__c=ids["referrer"])
    org.update("Opportunity", ids["emptied deal"], Referral__c=ids["referrer"])
    org.update("Opportunity", ids["portal deal"], PartnerAccountId=ids["integrator"])
    program = org.create("ChannelProgram", Name="Alliance", IsActive=True)
    closed = org.create("ChannelProgram", Name="Closed down", IsActive=False)
    level = org.create("ChannelProgramLevel", Name="Gold", ProgramId=program, Rank=3)
    org.create("ChannelProgramMember", ProgramId=program, LevelId=level, PartnerId=ids["reseller"])
    org.create("ChannelProgramMember", ProgramId=program, LevelId=None, PartnerId=ids["integrator"])
    org.create("ChannelProgramMember", ProgramId=closed, LevelId=level, PartnerId=ids["referrer"])
    activities(org, ids)


def activities(org: SalesforceOrg, ids: dict[str, str]) -> None:
    """What stands in calendars and task lists."""

    def event(name: str, minutes: int = 60, account: str | None = "reseller", **values: Any) -> str:
        ids[name] = org.create(
            "Event", Subject=name, AccountId=account and ids[account], DurationInMinutes=minutes,
            StartDateTime="2026-07-01T10:00:00.000+0000", ActivityDate="2026-07-01", **values,
        )  # fmt: skip
        return ids[name]

    def task(name: str, **values: Any) -> None:
        usual = {"IsClosed": True, "TaskSubtype": "Task", "AccountId": ids["reseller"], "ActivityDate": "2026-07-03"}
        ids[name] = org.create("Task", Subject=name, **{**usual, **values})

    event("meeting")
    event("group event", IsGroupEvent=True, GroupEventType="1")
    for guest in ("first", "second"):
        event(f"copy of the {guest} guest", IsGroupEvent=True, IsChild=True, GroupEventType="1")
    pattern = event("pattern", IsRecurrence=True)
    event("occurrence", RecurrenceActivityId=pattern)
    series = event("newer pattern", IsRecurrence2=True)
    event("newer occurrence", IsRecurrence2=True, RecurrenceActivityId=series)
    event("newer without a pattern row", IsRecurrence2=True)
    event("a day", 1440, IsAllDayEvent=True)
    event("a week", 10080, IsAllDayEvent=True)
    event("without an account", account=None)
    event("with a merged partner", account="old")
    task("call", TaskSubtype="Call", CallDurationInSeconds=900, CompletedDateTime="2026-07-02T09:30:00.000+0000")
    task("task", CallDurationInSeconds=1800)
    task("task without a time")
    task("mail", TaskSubtype="Email")
    task("still open", IsClosed=False)
    task("reopened")
    task("pattern of tasks", IsRecurrence=True)


def second_day(org: SalesforceOrg, ids: dict[str, str]) -> None:
    """What changes before the second reading."""
    org.update("Opportunity", ids["deal"], Amount=120.0)
    org.update("Opportunity", ids["deal"], StageName="Closed Won")
    org.update("Opportunity", ids["emptied deal"], Referral__c=None)
    org.update("Task", ids["reopened"], IsClosed=False)
    org.merge("Account", ids["older"], ids["old"])
    # A row that the org forgot to point at the survivor.
    for row in org.tables["OpportunityPartner"].records.values():
        if row["AccountToId"] == ids["older"]:
            row["AccountToId"] = ids["old"]
    org.advance(minutes=1)
    org.merge("Account", ids["integrator"], ids["older"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """An org read twice, a day apart, and shaped."""
    root = tmp_path_factory.mktemp("staging")
    ids: dict[str, str] = {}
    org = SalesforceOrg()
    org.set_clock(BEGAN - timedelta(days=60))
    first_day(org, ids)
    org.set_clock(BEGAN)
    with serve(org.app()) as served, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", org.app_key)
        monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", org.app_secret)
        content = {
            "deployment": "staging",
            "sources": {
                "salesforce": {
                    "connector": "salesforce",
                    "options": {"domain": served.url, "partner_fields": {"Referral__c": "sourced"}},
                }
            },
            "as_of": "2026-10-05",
            "reporting_currency": "EUR",
            "history_quarters": 4,
            "policy": {"active": "adventureworks-baseline"},
            "paths": {"inputs": "inputs", "state": "state", "policies": str(POLICIES)},
        }
        file = root / "segments.yml"
        file.write_text(json.dumps(content))
        for change in (lambda: None, lambda: second_day(org, ids)):
            change()
            org.advance(hours=1)
            monkeypatch.setenv("SEGMENTS_NOW", org.now().isoformat())
            settings = read_settings(file)
            for instance in instances(settings):
                extract(settings, Places.of(settings), instance)
            org.advance(days=1)
        monkeypatch.setenv("SEGMENTS_NOW", "2026-10-05T06:00:00Z")
        run = plan(settings)
        lay_inputs(run)
        build(run)
        yield Built(run.places, ids)


def partners_of(built: Built, deal: str) -> set[tuple[Any, ...]]:
    return built.named(
        "select account_id, role_raw, role, is_primary from conformed.opportunity_partners "
        f"where opportunity_id = '{built.ids[deal]}' and not is_deleted"
    )


def test_a_deal_has_every_partner_that_some_place_names(built: Built) -> None:
    assert partners_of(built, "deal") == {
        ("reseller", "VAR/Reseller", "sourced", True),
        ("integrator", "Never Heard Of", "unknown", False),
        ("referrer", "Opportunity.Referral__c", "sourced", True),
    }
    assert partners_of(built, "portal deal") == {("integrator", "Opportunity.PartnerAccountId", "fulfilled", False)}


def test_a_row_that_only_mirrors_another_is_no_partner(built: Built) -> None:
    rows = built.ask("select count(*) from raw_salesforce.opportunity_partner")[0][0]
    assert rows == 5
    assert "customer" not in {row[0] for row in partners_of(built, "deal")}


def test_a_reseller_may_be_the_account_of_its_own_deal(built: Built) -> None:
    assert partners_of(built, "own deal") == {("reseller", "VAR/Reseller", "sourced", True)}


def test_a_lookup_that_was_emptied_gives_no_credit(built: Built) -> None:
    assert partners_of(built, "emptied deal") == set()


def test_what_pointed_at_a_merged_account_points_at_the_last_survivor(built: Built) -> None:
    assert built.named("select source_id, is_deleted from conformed.accounts where name in ('old', 'older')") == {
        ("old", True), ("older", True),
    }  # fmt: skip
    assert ("with a merged partner", "integrator") in built.named(
        "select source_id, account_id from conformed.meetings"
    )


def test_history_is_one_row_per_change_of_the_stage(built: Built) -> None:
    assert built.named(
        "select opportunity_id, from_stage, to_stage, amount from conformed.opportunity_stage_changes "
        f"where opportunity_id in ('{built.ids['deal']}', '{built.ids['own deal']}')"
    ) == {
        ("deal", None, "Prospecting", Decimal("100.0000")),
        ("deal", "Prospecting", "Closed Won", Decimal("120.0000")),
        ("own deal", None, "Prospecting", Decimal("100.0000")),
    }


def test_meetings_count_once_and_take_the_time_they_took(built: Built) -> None:
    assert built.named("select source_id, kind, minutes from conformed.meetings where not is_deleted") == {
        ("meeting", "meeting", 60),
        ("group event", "meeting", 60),
        ("occurrence", "meeting", 60),
        ("newer occurrence", "meeting", 60),
        ("newer without a pattern row", "meeting", 60),
        ("a day", "meeting", 480),
        ("a week", "meeting", 1440),
        ("with a merged partner", "meeting", 60),
        ("call", "call", 15),
        ("task", "task", 30),
        ("task without a time", "task", None),
    }
    assert built.named("select source_id, started_at from conformed.meetings where kind <> 'meeting'") == {
        ("call", datetime(2026, 7, 2, 9, 30)),
        ("task", datetime(2026, 7, 3)),
        ("task without a time", datetime(2026, 7, 3)),
    }


def test_memberships_of_programmes_that_run(built: Built) -> None:
    assert built.named("select account_id, program, level, since from conformed.program_memberships") == {
        ("reseller", "Alliance", "Gold", (BEGAN - timedelta(days=60)).date()),
        ("integrator", "Alliance", None, (BEGAN - timedelta(days=60)).date()),
    }


def test_the_org_s_own_rates_turn_amounts_into_the_reporting_currency(built: Built) -> None:
    assert built.named("select currency, to_currency, valid_from, rate from conformed.exchange_rates") == {
        ("EUR", "EUR", None, Decimal(1)),
        ("JPY", "EUR", None, Decimal("0.00625000")),
        ("GBP", "EUR", datetime(2025, 1, 1).date(), Decimal(2)),
        ("GBP", "EUR", datetime(2026, 1, 1).date(), Decimal("1.25000000")),
    }
    assert built.named("select source_id, reporting_amount from conformed.opportunities") == {
        ("deal", Decimal("150.0000")),
        ("own deal", Decimal("125.0000")),
        ("portal deal", Decimal("125.0000")),
        ("emptied deal", Decimal("125.0000")),
    }


def test_nothing_is_set_aside_that_should_not_be(built: Built) -> None:
    tables = built.ask("select view_name from duckdb_views() where schema_name = 'quarantine' order by 1")
    assert ("opportunity_partners",) in tables
    rows = [
        row for (name,) in tables for row in built.ask(f"select reject_reason, reject_detail from quarantine.{name}")
    ]
    assert rows == []


def test_what_was_read_is_known(built: Built) -> None:
    assert {row[0] for row in built.ask("select entity from deployment.capabilities")} == {
        "accounts", "opportunities", "opportunity_partners", "opportunity_stage_changes", "meetings",
        "program_memberships", "exchange_rates",
    }  # fmt: skip

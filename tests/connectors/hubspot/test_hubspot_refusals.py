"""HubSpot says no, not now or not at all: what the connector does about it, and what it tells."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from demo.vendors.faults import Fault
from demo.vendors.hubspot import Limits
from pipelines.errors import ConfigError
from pipelines.http import SourceDown, SourceLimited, SourceRefused
from pipelines.pull import Window
from tests.connectors.hubspot.ground import TOKEN, Ground, filled

DEALS = ("GET", r"/crm/objects/2026-03/deals\?limit=100")


def clockwork(ground: Ground, **limits: int) -> None:
    """Limits that go by a clock which only pauses move."""
    at = [1000.0]

    def sleep(seconds: float) -> None:
        ground.slept.append(seconds)
        at[0] += seconds

    ground.monkeypatch.setattr("pipelines.http.sleep", sleep)
    ground.account.limits = Limits(seconds=lambda: at[0], **limits)


# -- limits --------------------------------------------------------------------------------------------------------


def test_the_limit_of_ten_seconds_is_waited_for_ever_longer(ground: Ground) -> None:
    _, made = filled(ground)
    body = {
        "status": "error", "message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT",
        "policyName": "TEN_SECONDLY_ROLLING",
    }  # fmt: skip
    ground.account.faults.add(Fault(DEALS, "status", times=2, code=429, body=body))
    assert len(ground.table("deal")) == len(made)
    assert ground.slept == [10.0, 20.0]


def test_a_pause_that_hubspot_names_is_the_pause(ground: Ground) -> None:
    filled(ground)
    body = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
    ground.account.faults.add(Fault(DEALS, "status", code=429, body=body, headers={"Retry-After": "3"}))
    ground.table("deal")
    assert ground.slept == [3.0]


@pytest.mark.parametrize("policy", [{"policyName": "SECONDLY"}, {}])
def test_the_limit_of_searches_is_over_within_a_second(ground: Ground, policy: dict[str, str]) -> None:
    _, made = filled(ground)
    ground.account.advance(minutes=10)
    body = {"status": "error", "message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT", **policy}
    ground.account.faults.add(Fault(("POST", "/search"), "status", times=2, code=429, body=body))
    assert len(ground.table("deal", ground.last(hours=1))) == len(made)
    assert ground.slept == [1.0, 2.0]


def test_the_daily_limit_ends_the_reading_until_midnight_where_the_account_is(ground: Ground) -> None:
    filled(ground)
    ground.account.clock = datetime(2026, 7, 1, 3, 30, tzinfo=UTC)
    ground.account.limits = Limits(daily=14)
    with pytest.raises(SourceLimited) as caught:
        ground.read()
    assert "the account's daily limit of requests is used up until 2026-07-01 04:00 UTC" in str(caught.value)
    assert "what was read so far is kept" in str(caught.value)
    assert ground.slept == []


def test_after_midnight_the_reading_goes_on_where_it_stopped(ground: Ground) -> None:
    _, made = filled(ground)
    ground.account.limits = Limits(daily=24)
    with pytest.raises(SourceLimited):
        ground.read()
    assert ground.asked("/crm/objects/2026-03/companies")
    ground.account.advance(hours=23)
    ground.account.limits = Limits()
    ground.account.asked.clear()
    assert ground.read()["deal"].rows == len(made)
    listed = [one.path.rsplit("/", 1)[1] for one in ground.account.asked if one.query.get("archived") == "false"
              and "/objects/" in one.path]  # fmt: skip
    assert "companies" not in listed, "it is in the spool already"


def test_bursts_are_slowed_down_before_the_limit_does_it(ground: Ground) -> None:
    filled(ground, 3_000)
    clockwork(ground, burst=40)
    found = ground.table("deal")
    assert len(found) == 3_000
    assert {one.status for one in ground.account.asked} == {200}
    assert ground.slept[:2] == [pytest.approx(10 / 3), pytest.approx(10 / 2)]


def test_a_burst_of_somebody_else_is_waited_for(ground: Ground) -> None:
    _, made = filled(ground)
    clockwork(ground, burst=100)
    for _ in range(100):
        requests.get(f"{ground.url}/account-info/v3/details", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    with ground.client() as client:
        assert client.streams()
    assert ground.slept == [10.0]
    assert len(ground.table("deal")) == len(made)


def test_searches_keep_their_own_pace(ground: Ground) -> None:
    filled(ground, 1_100)
    ground.account.advance(minutes=10)
    clockwork(ground, searches_per_second=5)
    at = ground.account.limits.seconds
    ground.monkeypatch.setattr("pipelines.connectors.hubspot.api.time.monotonic", at)
    assert len(ground.table("deal", ground.last(hours=1), searches_per_second=4)) == 1_100
    assert {one.status for one in ground.asked("/search")} == {200}
    assert ground.slept == [pytest.approx(0.25)] * 5


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}])
def test_locked_records_are_waited_for(ground: Ground, headers: dict[str, str]) -> None:
    filled(ground)
    body = {"status": "error", "message": "locked"}
    ground.account.faults.add(Fault(DEALS, "status", code=423, body=body, headers=headers))
    ground.table("deal")
    assert ground.slept == [7.0 if headers else 2.0]


def test_an_account_that_is_being_moved_is_left_alone_for_as_long_as_it_says(ground: Ground) -> None:
    filled(ground)
    ground.account.faults.add(Fault(DEALS, "status", times=0, code=477, headers={"Retry-After": "86400"}))
    with pytest.raises(SourceLimited, match=r"asks for a pause of 86,400 s, more than the 300 s we wait"):
        ground.table("deal")
    ground.account.faults.clear()
    ground.account.faults.add(Fault(DEALS, "status", code=477, headers={"Retry-After": "120"}))
    ground.table("deal")
    assert ground.slept == [120.0]


@pytest.mark.parametrize("code", [500, 502, 503, 504, 521, 524])
def test_a_page_for_people_in_place_of_an_answer_is_tried_again(ground: Ground, code: int) -> None:
    _, made = filled(ground)
    page = "<html><body>Bad Gateway</body></html>"
    ground.account.faults.add(Fault(DEALS, "status", times=3, code=code, body=page))
    assert len(ground.table("deal")) == len(made)


@pytest.mark.parametrize("kind", ["not_json", "reset", "short", "null_data", "missing_data", "html"])
def test_an_answer_that_is_none_is_asked_for_again(ground: Ground, kind: str) -> None:
    _, made = filled(ground, 150)
    ground.account.faults.add(Fault(DEALS, kind, nth=2))  # type: ignore[arg-type]
    assert len(ground.table("deal")) == len(made)
    assert [one[0] for one in ground.account.faults.struck] == [kind]


def test_a_page_that_leads_to_itself_ends_the_reading(ground: Ground) -> None:
    filled(ground, 350)
    ground.account.faults.add(Fault(DEALS, "same_cursor", nth=2, times=0))
    with pytest.raises(Exception, match=r"read already|same page came twice"):
        ground.table("deal")


def test_hubspot_is_down(ground: Ground) -> None:
    filled(ground)
    ground.account.faults.add(Fault(("*", "/"), "status", times=0, code=503, body="<html></html>"))
    with pytest.raises(SourceDown, match=r"source hubspot: 127\.0\.0\.1:\d+/account-info/2026-03/details: .*503"):
        ground.read()


# -- keys and scopes -----------------------------------------------------------------------------------------------


def test_a_token_that_nobody_knows_is_refused(ground: Ground) -> None:
    ground.account.keys.clear()
    with pytest.raises(SourceRefused) as caught:
        ground.read()
    assert "HubSpot does not know the token (INVALID_AUTHENTICATION); nothing was loaded" in str(caught.value)
    assert "SEGMENTS_<SOURCE>_TOKEN" in caught.value.next_step
    assert len(ground.account.asked) == 1


def test_a_token_that_ran_out_while_reading_is_refused_and_says_since_when(ground: Ground) -> None:
    filled(ground)
    ground.account.faults.add(Fault(DEALS, "expire_token"))
    with pytest.raises(SourceRefused, match=r"the token has run out \(The OAuth token .* expired 75 second"):
        ground.read()
    assert not ground.loads("company")


def test_without_a_token_the_variable_is_named(ground: Ground) -> None:
    ground.monkeypatch.delenv("SEGMENTS_HUBSPOT_TOKEN")
    with pytest.raises(ConfigError, match="SEGMENTS_HUBSPOT_TOKEN is not set"):
        ground.read()


def test_the_key_of_another_account_is_refused(ground: Ground) -> None:
    filled(ground)
    ground.table("deal", portal_id=4_815_162)
    with pytest.raises(SourceRefused, match="the token belongs to HubSpot account 4815162, portal_id says 23"):
        ground.read(portal_id=23)
    assert not ground.loads("company")


@pytest.mark.parametrize("kind", ["companies", "deals"])
def test_companies_and_deals_have_to_be_readable(ground: Ground, kind: str) -> None:
    filled(ground)
    ground.account.add_key(TOKEN, without=[f"crm.objects.{kind}.read"])
    with pytest.raises(SourceRefused) as caught:
        ground.read()
    assert f"source hubspot: {kind}: the key lacks the scope crm.objects.{kind}.read" in str(caught.value)
    assert caught.value.next_step.startswith(f"add the scope crm.objects.{kind}.read to the service key")
    assert not ground.loads("company")


def test_what_else_the_key_may_not_read_is_left_out_and_told(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    filled(ground)
    ground.account.additional_currencies = ["EUR"]
    lacking = ["crm.objects.contacts.read", "crm.objects.owners.read", "settings.currencies.read"]
    ground.account.add_key(TOKEN, without=[*lacking, "crm.objects.line_items.read", "crm.objects.custom.read"])
    ground.account.define_object("p4815162_registrations")
    with caplog.at_level("WARNING", logger="segments"):
        landed = ground.read(line_items=True, partner_object={"type": "p4815162_registrations"})
    assert set(landed) == {
        "account", "association_label", "company", "deal", "deal_company", "deal_stage_history", "merged_record",
        "pipeline_stage",
    }  # fmt: skip
    told = dict(re.findall(r"hubspot\.(\w+): not read \(the key lacks the scope ([\w.]+)\)", caplog.text))
    assert told == {
        "owner": "crm.objects.owners.read", "meeting": "crm.objects.contacts.read",
        "call": "crm.objects.contacts.read", "task": "crm.objects.contacts.read",
        "line_item": "crm.objects.line_items.read", "partner_record": "crm.objects.custom.read",
        "exchange_rate": "settings.currencies.read",
    }  # fmt: skip


def test_a_pipeline_that_the_account_does_not_have_is_a_mistake(ground: Ground) -> None:
    filled(ground)
    ground.table("deal", pipelines=["SALES pipeline"])
    with pytest.raises(
        ConfigError, match=r"options\.pipelines: the account has no pipeline 'Sales'; nothing"
    ) as caught:
        ground.read(pipelines=["Sales"])
    assert caught.value.next_step == "one of: Sales Pipeline"
    assert not ground.loads("deal")


def test_a_label_that_the_account_does_not_have_is_told(ground: Ground) -> None:
    filled(ground)
    ground.account.define_label("deals", "companies", "Reseller")
    with ground.client(partner_labels={"reseller ": "sourced", "Seller": "sourced"}, primary_label="Lead") as client:
        client.streams()
        assert [(one.table, one.column) for one in client.missing()] == [
            ("deal_company", "Seller"),
            ("deal_company", "Lead"),
        ]


def test_a_probe_says_who_we_are_and_what_is_missing(ground: Ground) -> None:
    filled(ground)
    ground.account.add_key(TOKEN, without=["crm.objects.contacts.read"])
    ground.account.drop_property("deals", "deal_currency_code")
    ground.account.limits = Limits(daily=250_000)
    with ground.client() as client:
        probe = client.probe()
    assert probe.identity == "HubSpot account 4815162"
    assert ("time zone", "US/Eastern") in probe.facts
    assert ("requests today", "2 of 250,000") in probe.facts
    assert {one.name: (one.state, one.detail) for one in probe.tables} == {
        "company": ("readable", ""),
        "deal": ("partly", "without deal_currency_code, which the account does not have"),
        "meeting": ("not readable", "the key lacks the scope crm.objects.contacts.read"),
        "call": ("not readable", "the key lacks the scope crm.objects.contacts.read"),
        "task": ("not readable", "the key lacks the scope crm.objects.contacts.read"),
    }
    assert not any("search" in one.path or "batch" in one.path for one in ground.account.asked)


def test_a_time_zone_that_nobody_knows_is_unknown(ground: Ground) -> None:
    filled(ground)
    account = ground.account
    account.time_zone = "Mars/Olympus"
    account.midnight = lambda: account.clock + timedelta(days=1)  # type: ignore[method-assign]
    assert [row["time_zone"] for row in ground.table("account").values()] == [None]


# -- secrets -------------------------------------------------------------------------------------------------------


def _refuse(ground: Ground) -> None:
    ground.account.faults.add(Fault(DEALS, "status", code=400, body={"message": f"no such token {TOKEN}"}))


def _fail(ground: Ground) -> None:
    ground.account.faults.add(Fault(DEALS, "status", times=0, code=500, body=f"<html>{TOKEN}</html>"))


@pytest.mark.parametrize("trouble", [_refuse, _fail])
def test_the_token_stands_nowhere(
    ground: Ground, trouble: Callable[[Ground], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Not in errors or logs, not in the spool of a reading that failed, not in the lake of one that did not."""
    filled(ground)
    trouble(ground)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Exception, match="source hubspot") as caught:
        ground.read()
    ground.account.faults.clear()
    ground.read()
    assert TOKEN not in str(caught.value) + repr(caught.value) + caplog.text
    kept = [path for path in ground.places.state.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    with ground.client() as client:
        assert TOKEN not in repr(client) + repr(client.probe()) + repr([one.read(Window()) for one in client.streams()])

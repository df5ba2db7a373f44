"""Reading an org: pages, jobs, fields that are hidden, answers that break off, and the day's requests."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from demo.vendors.faults import Fault
from pipelines.events import fields_of
from pipelines.http import BadAnswer, SourceDown, SourceLimited, SourceRefused
from pipelines.pull import Window
from tests.connectors.salesforce.conftest import Ground, Row

OWN = {"source", "load_id", "known_at", "file_name", "file_row"}
_QUERY = r"/queryAll\?.*FROM\+Opportunity(\+|$)"


def content(rows: dict[str, Row]) -> dict[str, Row]:
    """Rows without where they came from."""
    return {key: {k: v for k, v in row.items() if k not in OWN} for key, row in rows.items()}


def fill(ground: Ground, count: int = 40) -> None:
    """Deals with everything that makes a value hard to carry."""
    chance = random.Random("fill")
    org = ground.org
    org.use_several_currencies()
    org.add_field("Opportunity", "Partner__c", "reference", refers_to="Account")
    org.add_field("Opportunity", "Score__c", "double")
    org.add_field("Opportunity", "Note__c", "textarea")
    account = next(row["Id"] for row in org.rows("Account") if row["Name"] == "Vela Foods")
    partner = next(row["Id"] for row in org.rows("Account") if row["IsPartner"])
    names = [
        "NA",
        "null",
        "a, b",
        'say "so"',
        "two\nlines",
        "Windows\r\nlines",
        "naïve Ωμ 表",
        "",
        "1e5",
        "007",
        " x ",
        "=1+1",
    ]
    amounts = [0.0, 0.1, 1234567.89, 12345678.0, 1.5e10, -3.25, 1e-7, 100.0, 123456789012.34, None]
    org.set_clock(org.now().replace(year=2025))
    for number in range(count):
        org.advance(hours=chance.choice((0, 1, 48)))
        deal = org.create(
            "Opportunity", Name=names[number % len(names)] or None, AccountId=account, Amount=amounts[number % 10],
            StageName=chance.choice(["Prospecting", "Closed Won", "Closed Lost"]), CurrencyIsoCode="EUR",
            CloseDate="2026-01-31", Partner__c=partner if number % 3 else None,
            Score__c=chance.choice([None, 0.5, 7.0]), Note__c="line\n" * (number * 50) or None,
        )  # fmt: skip
        if number % 7 == 0:
            org.delete("Opportunity", deal)
    org.set_clock(org.now().replace(year=2026))


CUSTOM = {"custom_fields": {"Opportunity": ["Score__c", "Note__c"]}, "partner_fields": {"Partner__c": "sourced"}}


def by(ground: Ground, **options: Any) -> dict[str, Row]:
    """Opportunities as one client reads them, straight from its stream."""
    client = ground.client(**CUSTOM, **options)
    stream = next(one for one in client.streams() if one.origin == "Opportunity")
    rows: dict[str, Row] = {}
    for page in stream.read(Window()):
        for row in page if isinstance(page, list) else page.to_pylist():
            assert row["id"] not in rows
            rows[row["id"]] = row
    client.close()
    return rows


def test_rest_and_bulk_give_the_same_rows_to_the_letter(ground: Ground) -> None:
    fill(ground)
    ground.org.page_size, ground.org.bulk_page_size = 7, 11
    by_rest = by(ground, use_bulk_above=10_000)
    assert len(ground.asked("/query/01g")) >= 6
    assert ground.asked("/jobs/query") == []
    by_bulk = by(ground, use_bulk_above=0)
    assert len(ground.asked("/results?maxRecords=50000&locator=")) >= 3
    assert len(by_rest) == 43
    assert by_rest == by_bulk
    one = next(row for row in by_rest.values() if row["amount"] == "15000000000")
    assert one["created_date"].endswith(".000Z")
    assert one["is_closed"] in ("true", "false")
    assert {row["name"] for row in by_rest.values()} >= {"NA", "null", "two\nlines", "Windows\r\nlines", None}
    assert {row["amount"] for row in by_rest.values()} >= {"0.0000001", "0", "12345678", "123456789012.34", "-3.25"}
    assert {row["partner_fields"] for row in by_rest.values() if row["partner__c"] is None} == {None}
    told = [row for row in by_rest.values() if row["partner__c"]]
    assert told
    assert all(json.loads(row["partner_fields"]) == {"Partner__c": row["partner__c"]} for row in told)


def test_numbers_with_an_exponent_are_the_numbers_they_are(ground: Ground) -> None:
    fill(ground, 12)
    expected = by(ground, use_bulk_above=10_000)
    for record in ground.org.tables["Opportunity"].records.values():
        if record["Amount"] is not None:
            record["Amount"] = f"{record['Amount']:.17E}"
    assert by(ground, use_bulk_above=0) == expected


def test_every_page_of_an_answer_is_read(ground: Ground) -> None:
    fill(ground)
    ground.org.page_size = 1
    ground.read()
    assert len(ground.newest("opportunity")) == 43
    assert len({row["file_row"] for row in ground.newest("opportunity").values()}) == 43


def test_much_goes_by_bulk_and_little_by_rest(ground: Ground) -> None:
    fill(ground)
    ground.read(use_bulk_above=20)
    jobs = ground.asked("POST /services/data/v67.0/jobs/query")
    # Opportunities and their history are more than twenty, and the first of them is asked for right away.
    assert len(jobs) == 2
    assert ground.asked("DELETE")
    assert [x for x in ground.asked("queryAll") if re.search(_QUERY, x)] == []
    ground.later(hours=1).org.requests.clear()
    ground.read(use_bulk_above=20)
    assert ground.asked("/jobs/query") == []


def test_a_stretch_that_turns_out_large_changes_to_bulk(ground: Ground) -> None:
    fill(ground)
    ground.org.user.may_view_setup = False
    ground.read(use_bulk_above=20, settle_minutes=1)
    assert len(ground.newest("opportunity")) == 43
    assert len(ground.asked("POST /services/data/v67.0/jobs/query")) >= 1


@pytest.mark.parametrize("is_empty_body", [False, True])
def test_a_job_without_rows_is_an_empty_table(ground: Ground, is_empty_body: bool) -> None:
    ground.org.bulk_empty_body = is_empty_body
    ground.read(use_bulk_above=0)
    assert {load.table: load.rows for load in ground.loads()}["event"] == 0


def test_answers_come_packed_and_plain(ground: Ground) -> None:
    fill(ground)
    packed = by(ground, use_bulk_above=0)
    ground.org.gzips = False
    assert by(ground, use_bulk_above=0) == packed


def test_long_field_lists_are_asked_for_in_parts(ground: Ground) -> None:
    names = [f"A_Field_With_A_Long_Name_{number:03d}__c" for number in range(400)]
    for name in names:
        ground.org.add_field("Opportunity", name)
    for number, row in enumerate(ground.org.rows("Opportunity")):
        ground.org.update("Opportunity", row["Id"], **{names[0]: f"first {number}", names[-1]: f"last {number}"})
    ground.read(custom_fields={"Opportunity": names})
    told = sorted(
        (row[names[0].lower()], row[names[-1].lower()], row["stage_name"])
        for row in ground.newest("opportunity").values()
    )
    assert told == [(f"first {n}", f"last {n}", "Prospecting") for n in range(3)]
    assert len([x for x in ground.asked("queryAll") if re.search(_QUERY, x)]) == 2
    assert max(len(target) for _, target in ground.org.requests) < ground.org.most_url_bytes


def test_an_address_that_is_too_long_after_all_is_cut_shorter(ground: Ground) -> None:
    ground.org.most_url_bytes = 900
    names = [f"Field_{number:02d}__c" for number in range(30)]
    for name in names:
        ground.org.add_field("Opportunity", name)
    ground.org.update("Opportunity", ground.org.rows("Opportunity")[0]["Id"], **{names[-1]: "there"})
    client = ground.client(custom_fields={"Opportunity": names})
    stream = next(one for one in client.streams() if one.origin == "Opportunity")
    pages = [page for page in stream.read(Window()) if not isinstance(page, list)]
    assert sorted(str(value) for page in pages for value in page[names[-1].lower()].to_pylist()) == [
        "None", "None", "there",
    ]  # fmt: skip
    client.close()


def test_a_query_that_takes_too_long_is_cut_in_half(ground: Ground) -> None:
    fill(ground)
    ground.org.longest_scan = 9
    ground.read()
    assert len(ground.newest("opportunity")) == 43
    bounds = [re.findall(r"SystemModstamp (>=|<) (\S+)", parse_qs(urlsplit(x.split()[1]).query)["q"][0])
              for x in ground.asked("queryAll") if re.search(_QUERY, x)]  # fmt: skip
    assert any(len(bound) == 2 for bound in bounds)


def test_many_rows_of_one_moment_that_take_too_long_are_told(ground: Ground) -> None:
    ground.org.longest_scan = 9
    for number in range(30):
        ground.org.create("Account", Name=f"Account {number}")
    with pytest.raises(BadAnswer, match="Account: a query takes the vendor too long and cannot be made smaller"):
        ground.read()
    assert ground.loads() == []


def test_a_link_that_expires_begins_the_stretch_again(ground: Ground) -> None:
    fill(ground)
    ground.org.page_size = 10
    pages: list[str] = []

    def expire(method: str, target: str) -> None:
        if "/query/01g" in target:
            pages.append(target)
            if len(pages) == 3:
                ground.org.expire_locators()

    ground.org.on_request.append(expire)
    ground.read()
    rows = ground.newest("opportunity")
    assert len(rows) == len(ground.versions("opportunity")) == 43


# -- hidden and missing ------------------------------------------------------------------------------------------------


def test_hidden_fields_are_named_and_unknown(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    ground.org.hide("Opportunity", "LeadSource", "Type")
    caplog.set_level("INFO")
    ground.read()
    assert {row["lead_source"] for row in ground.newest("opportunity").values()} == {None}
    assert all("LeadSource" not in x for x in ground.asked("queryAll"))
    client = ground.client()
    missing = {(one.table, one.column) for one in client.missing()}
    assert {("opportunity", "lead_source"), ("opportunity", "type")} <= missing
    client.close()


def test_an_org_without_a_feature_is_warned_of_once_and_only_where_something_rests_on_it(ground: Ground) -> None:
    client = ground.client()
    assert [one.table for one in client.missing() if one.column is None] == ["channel_program_member"]
    client.close()
    ground.org.add_object("ChannelProgramMember")
    client = ground.client()
    told = [one.table for one in client.missing() if one.column is None]
    assert told == ["channel_program", "channel_program_level"]
    client.close()


def test_a_field_without_which_nothing_can_be_measured_stops_the_run(ground: Ground) -> None:
    ground.org.hide("Opportunity", "Amount", "CloseDate")
    with pytest.raises(
        SourceRefused, match=r"Opportunity: cannot be read .fields Amount, CloseDate not visible"
    ) as caught:
        ground.read()
    assert "docs/salesforce.md" in caught.value.next_step
    assert ground.loads() == []


def test_an_object_that_is_hidden_stops_the_run_or_stays_unknown(ground: Ground) -> None:
    ground.org.hide("Event")
    ground.read()
    assert "event" not in {load.table for load in ground.loads()}
    ground.org.hide("Account")
    with pytest.raises(SourceRefused, match=r"Account: cannot be read .the org has no object Account"):
        ground.later(hours=1).read()


def test_a_field_that_is_hidden_between_describe_and_query_is_left_out(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    client = ground.client()
    stream = next(one for one in client.streams() if one.origin == "Opportunity")
    ground.org.hide("Opportunity", "LeadSource")
    (page,) = [page for page in stream.read(Window()) if not isinstance(page, list)]
    assert page.num_rows == 3
    assert "lead_source" not in page.column_names
    told = [fields_of(record) for record in caplog.records]
    assert ("columns_not_readable", ["lead_source"]) in [(event, fields.get("columns")) for event, fields in told]
    ground.org.hide("Opportunity", "Amount")
    with pytest.raises(SourceRefused, match="Opportunity: field Amount is hidden now"):
        list(stream.read(Window()))
    client.close()


def test_fields_that_are_asked_for_and_no_use_are_named(ground: Ground) -> None:
    ground.org.add_field("Opportunity", "Contact__c", "reference", refers_to="Contact")
    client = ground.client(
        custom_fields={"Account": ["BillingAddress", "Nobody__c"]}, partner_fields={"Contact__c": "sourced"}
    )
    told = {(one.table, one.column): one.why for one in client.missing()}
    assert told["account", "billing_address"] == "a field of type address; ask for its parts"
    assert told["account", "nobody__c"] == "not there, or not visible to the user"
    assert told["opportunity", "contact__c"] == "no lookup to an account"
    client.close()


def test_lookups_on_the_opportunity_make_partners_known_without_partner_rows(ground: Ground) -> None:
    ground.org.hide("OpportunityPartner")
    ground.org.hide("Partner")
    ground.read()
    assert "opportunity_partner" not in {load.table for load in ground.loads()}
    ground.org.add_field("Opportunity", "Partner__c", "reference", refers_to="Account")
    ground.later(hours=1).read(partner_fields={"Partner__c": "sourced"})
    assert {load.table: load.rows for load in ground.loads()}["opportunity_partner"] == 0


def test_a_new_field_is_read_of_all_rows(ground: Ground) -> None:
    ground.org.add_field("Opportunity", "Score__c", "double")
    for row in ground.org.rows("Opportunity"):
        ground.org.tables["Opportunity"].records[row["Id"]]["Score__c"] = 7.0
    ground.read()
    ground.later(days=1).read(custom_fields={"Opportunity": ["Score__c"]})
    assert {row["score__c"] for row in ground.newest("opportunity").values()} == {"7"}


def test_probe_tells_who_we_are_and_what_may_be_read(ground: Ground) -> None:
    ground.org.hide("Event", "AccountId")
    ground.org.hide("Opportunity", "Type")
    client = ground.client()
    probe = client.probe()
    client.close()
    assert probe.identity == f"Sample Org ({ground.org.id}/{ground.org.user.id})"
    assert ("edition", "Developer Edition") in probe.facts
    tables = {one.name: (one.state, one.detail) for one in probe.tables}
    assert tables["opportunity_history"][0] == "readable"
    assert tables["opportunity"][0] == "partly"
    assert "type" in tables["opportunity"][1]
    assert tables["event"] == ("not readable", "field AccountId not visible to the user")
    assert tables["channel_program"][0] == "not readable"
    assert [x for x in ground.asked("query") if "FROM+Organization" not in x] == []


# -- answers that are none ---------------------------------------------------------------------------------------------

_READS = [pytest.param(10_000, id="rest"), pytest.param(0, id="bulk")]
_ROWS_OF = {10_000: _QUERY, 0: r"/results"}


@pytest.mark.parametrize("above", _READS)
@pytest.mark.parametrize("kind", ["reset", "short", "hang", "html", "truncate"])
def test_an_answer_that_breaks_off_once_is_asked_for_again(ground: Ground, above: int, kind: Any) -> None:
    fill(ground)
    ground.options = {"http": {"backoff_seconds": 0.001, "timeout_seconds": 0.5, "attempts": 4}}
    ground.org.faults.add(Fault(("GET", _ROWS_OF[above]), kind, seconds=2))
    assert len(by(ground, use_bulk_above=above)) == 43
    assert [one[0] for one in ground.org.faults.struck] == [kind]


@pytest.mark.parametrize("above", _READS)
@pytest.mark.parametrize("kind", ["html", "truncate"])
def test_an_answer_that_stays_broken_stops_the_run_and_loads_nothing(ground: Ground, above: int, kind: Any) -> None:
    fill(ground)
    ground.org.faults.add(Fault(("GET", _ROWS_OF[above]), kind, times=0))
    with pytest.raises((BadAnswer, SourceDown)):
        ground.read(use_bulk_above=above)
    assert ground.loads() == []
    ground.org.faults.clear()
    ground.later(minutes=5).read(use_bulk_above=above)
    assert len(ground.newest("opportunity")) == 43


@pytest.mark.parametrize("kind", ["null_data", "missing_data"])
def test_a_page_without_records_is_no_page(ground: Ground, kind: Any) -> None:
    ground.org.faults.add(Fault(("GET", _QUERY), kind, times=0))
    with pytest.raises(BadAnswer, match="has no 'records'"):
        ground.read()
    assert ground.loads() == []


def test_a_link_that_leads_in_circles_is_noticed(ground: Ground) -> None:
    ground.org.page_size = 1
    ground.org.faults.add(Fault(("GET", r"/query"), "same_cursor", times=0))
    with pytest.raises(BadAnswer, match="a page that was read already"):
        ground.read()
    ground.org.faults.clear()
    ground.org.bulk_page_size = 1
    ground.org.faults.add(Fault(("GET", r"/results"), "same_cursor", times=0))
    with pytest.raises(BadAnswer, match="leads to a page that was read already"):
        ground.read(use_bulk_above=0)


def test_an_answer_that_ends_too_early_is_noticed(ground: Ground) -> None:
    fill(ground)
    ground.org.page_size = 10
    body = {"totalSize": 43, "done": True, "records": []}
    ground.org.faults.add(Fault(("GET", r"/query/01g\w+-10$"), "error200", body=body))
    ground.read()
    assert len(ground.newest("opportunity")) == 43
    ground.org.faults.add(Fault(("GET", r"/queryAll"), "error200", body=body, times=0))
    with pytest.raises(BadAnswer, match=r"could not be read in one piece, 3 times"):
        ground.later(hours=1).read()


def test_a_job_whose_pages_hold_less_than_it_says_is_not_believed(ground: Ground) -> None:
    fill(ground)
    ground.org.bulk_page_size = 10

    # Pages that are lost together with their counts: only the job's own total can tell.
    headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "0"}
    ground.org.faults.add(Fault(("GET", r"/results.*locator"), "error200", body=b'"Id"\n', times=0, headers=headers))
    with pytest.raises(BadAnswer, match=r"says it has 43 rows, its pages hold 10"):
        ground.read(use_bulk_above=20)
    assert ground.loads() == []


def _refuse(code: str, message: str, status: int = 400) -> Callable[[Ground], None]:
    def apply(ground: Ground) -> None:
        ground.org.faults.add(
            Fault(
                ("POST", r"/jobs/query"), "status", times=0, code=status, body=[{"errorCode": code, "message": message}]
            )
        )

    return apply


def _no_jobs_left(ground: Ground) -> None:
    ground.org.bulk_jobs_left = 0


def _no_view_all(ground: Ground) -> None:
    ground.org.user.may_view_all = False


def _fails(ground: Ground) -> None:
    ground.org.bulk_failures = ["InternalServerError: try again"] * 100


def _gone(ground: Ground) -> None:
    body = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    ground.org.faults.add(Fault(("GET", r"/jobs/query/\w+$"), "status", times=0, code=404, body=body))


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(_refuse("INVALIDENTITY", "Entity 'X' is not supported by the Bulk API."), id="not bulkable"),
        pytest.param(
            _refuse("FEATURENOTENABLED", "Selecting compound data not supported in Bulk Query"), id="compound"
        ),
        pytest.param(_refuse("API_ERROR", "entity X does not support query"), id="no query"),
        pytest.param(_refuse("REQUEST_LIMIT_EXCEEDED", "Bulk requests exceeded", 403), id="bulk requests"),
        pytest.param(_no_jobs_left, id="no jobs left today"),
        pytest.param(_no_view_all, id="no View All Data"),
        pytest.param(_fails, id="jobs fail"),
        pytest.param(_gone, id="jobs disappear"),
    ],
)
def test_what_bulk_does_not_do_rest_does(ground: Ground, refusal: Callable[[Ground], None]) -> None:
    fill(ground)
    refusal(ground)
    assert len(by(ground, use_bulk_above=5)) == 43
    # A request that a fault answers does not reach the org.
    assert ground.asked("POST /services/data/v67.0/jobs/query") or ground.org.faults.struck


def test_a_job_that_takes_too_long_is_given_up(ground: Ground) -> None:
    ground.org.bulk_polls = 1_000_000
    client = ground.client(use_bulk_above=0)
    client._reader._bulk._deadline = client._reader._bulk._deadline * 0  # type: ignore[attr-defined]
    stream = next(one for one in client.streams() if one.origin == "Account")
    assert stream.slices is not None
    (window,) = stream.slices(None, ground.org.now())
    with pytest.raises(SourceDown, match=r"Account: Bulk job \w+ is InProgress after") as caught:
        list(stream.read(window))
    assert "Bulk Data Load Jobs" in caught.value.next_step
    assert ground.asked("PATCH")
    client.close()


# -- quotas ------------------------------------------------------------------------------------------------------------


def test_the_run_stops_while_the_org_still_has_requests_and_goes_on_later(ground: Ground) -> None:
    fill(ground)
    org = ground.org
    org.daily_limit = 100
    org.requests_today = 60
    with pytest.raises(SourceLimited, match=r"used 8\d of its 100 API requests .* we stop at 80%") as caught:
        ground.read()
    assert "stop_at_quota_share" in caught.value.next_step
    assert ground.loads() == []
    read = [x for x in ground.asked("queryAll") if re.search(_QUERY, x)]
    assert len(read) == 1
    org.requests_today = 0
    org.requests.clear()
    ground.later(hours=5).read()
    assert len(ground.newest("opportunity")) == 43
    # What was read before the stop was kept; only what may have changed meanwhile is asked for.
    assert set(read).isdisjoint(ground.asked("queryAll"))


def test_the_vendor_s_own_stop_is_a_stop_and_no_retry(ground: Ground) -> None:
    ground.org.daily_limit = 8
    with pytest.raises(SourceLimited, match=r"API requests of 24 hours are used up \(8 of 8\)"):
        ground.read(stop_at_quota_share=1.0)
    # One that is turned down, and no second try.
    assert len(ground.asked("/services/data/v67.0")) == 9
    ground.org.daily_limit = 1000
    ground.later(hours=1).read(stop_at_quota_share=1.0)
    assert len(ground.newest("opportunity")) == 3


def test_too_many_long_requests_in_the_org_are_waited_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("pipelines.http.sleep", slept.append)
    body = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentPerOrgLongTxn Limit exceeded."}]
    ground.org.faults.add(Fault(("GET", _QUERY), "status", code=403, body=body, times=2))
    ground.read(http={"backoff_seconds": 1.0})
    assert len(ground.newest("opportunity")) == 3
    assert slept == [5.0, 10.0]


def test_a_security_policy_that_stops_us_is_told(ground: Ground) -> None:
    body = [{"errorCode": "TXN_SECURITY_METERING_ERROR", "message": "blocked by policy"}]
    ground.org.faults.add(Fault(("GET", _QUERY), "status", code=403, body=body))
    with pytest.raises(SourceRefused, match="a security policy of the org stops the reading") as caught:
        ground.read()
    assert "except the integration user" in caught.value.next_step


def test_a_retired_version_is_told(ground: Ground) -> None:
    ground.org.api_versions = (21, 30, 67)
    with pytest.raises(SourceRefused, match="this API version has been retired") as caught:
        ground.read(api_version="30.0")
    assert "api_version" in caught.value.next_step


def test_an_org_that_is_down_is_down_after_all_attempts(ground: Ground) -> None:
    body = [{"errorCode": "SERVER_UNAVAILABLE", "message": "Server unavailable, try again later"}]
    ground.org.faults.add(Fault(("*", r"/services"), "status", code=503, body=body, times=0))
    with pytest.raises(SourceDown, match="4 attempts"):
        ground.read()
    assert len(ground.org.faults.struck) == 4

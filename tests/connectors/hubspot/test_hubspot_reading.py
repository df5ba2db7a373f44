"""What the connector reads of an account, table by table: all of it, or what a window of time asks for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from demo.vendors.faults import Fault
from demo.vendors.hubspot import HubspotAccount
from pipelines.pull import Window
from tests.connectors.hubspot.ground import Ground, filled


def deals(account: HubspotAccount, count: int, **properties: str) -> list[int]:
    """So many deals, alike but for their names."""
    return [account.create("deals", {"dealname": f"Deal {n}", **properties}) for n in range(count)]


def links(row: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Companies and labels of a row of deal_company."""
    return [(one["id"], one["label"]) for one in row["companies"]]


# -- everything ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["2026-03", "legacy"])
def test_all_records_come_over_all_pages_in_both_dialects(ground: Ground, dialect: str) -> None:
    _, made = filled(ground, 230)
    found = ground.table("deal", dialect=dialect)
    assert {key: row["dealname"] for key, row in found.items()} == {
        str(deal): f"Deal {n}" for n, deal in enumerate(made)
    }
    paths = {one.path for one in ground.account.asked}
    assert paths == {"/crm/objects/2026-03/deals" if dialect == "2026-03" else "/crm/v3/objects/deals"}
    assert [one.query.get("archived") for one in ground.account.asked] == ["false"] * 3 + ["true"]


def test_values_stay_as_they_came_but_for_cleared_ones_and_moments_in_milliseconds(ground: Ground) -> None:
    ground.account.define_property("deals", "registration")
    deal = ground.account.create(
        "deals",
        {"dealname": " Two  blanks ", "amount": "1500.00", "closedate": "1772668800000", "dealtype": "",
         "registration": '007 "quoted"'},
    )  # fmt: skip
    row = ground.table("deal", custom_properties={"deals": ["registration"]})[str(deal)]
    assert (row["dealname"], row["amount"], row["dealtype"]) == (" Two  blanks ", "1500.00", None)
    assert row["closedate"] == "2026-03-05T00:00:00.000Z"
    assert row["custom_properties"] == {"registration": '007 "quoted"'}


def test_the_history_of_a_deal_is_one_row_per_value(ground: Ground) -> None:
    account = ground.account
    deal = account.create("deals", {"dealstage": "contractsent", "amount": "5"})
    account.advance(hours=1)
    account.update("deals", deal, {"dealstage": "closedwon"})
    rows = ground.table("deal_stage_history").values()
    assert {row["deal_id"] for row in rows} == {str(deal)}
    assert sorted((row["property"], row["value"], row["changed_at"]) for row in rows) == [
        ("amount", "5", "2026-03-02T06:00:00.000Z"),
        ("dealstage", "closedwon", "2026-03-02T07:00:00.000Z"),
        ("dealstage", "contractsent", "2026-03-02T06:00:00.000Z"),
    ]


def test_requests_stay_within_the_sizes_that_hubspot_allows(ground: Ground) -> None:
    filled(ground, 1_030)
    ground.account.advance(minutes=10)
    for table in ("deal", "deal_company", "deal_stage_history"):
        for window in (Window(), ground.last(hours=3)):
            assert ground.table(table, window)
            assert {one.status for one in ground.account.asked} <= {200, 207}
            for one in ground.account.asked:
                if "limit" in one.query:
                    assert int(one.query["limit"]) <= (50 if "propertiesWithHistory" in one.query else 100)
                elif one.path.endswith("/batch/read") and "associations" not in one.path:
                    assert len(one.body["inputs"]) <= (50 if one.body["propertiesWithHistory"] else 100)
                elif "associations" in one.path:
                    assert len(one.body["inputs"]) <= 1_000


def test_more_properties_than_fit_into_a_url_are_read_in_batches(ground: Ground) -> None:
    names = [f"a_property_with_a_rather_long_name_{n:03d}" for n in range(80)]
    for name in names:
        ground.account.define_property("deals", name)
    (deal,) = deals(ground.account, 1, **{names[0]: "first", names[-1]: "last"})
    found = ground.table("deal", custom_properties={"deals": names})
    assert found[str(deal)]["custom_properties"] == {names[0]: "first", names[-1]: "last"}
    assert all(len(one.query.get("properties", "")) < 2_000 for one in ground.account.asked)
    assert [len(one.body["properties"]) for one in ground.asked("/batch/read")] == [93]


def test_a_url_that_is_too_long_all_the_same_is_asked_for_in_batches(ground: Ground) -> None:
    _, made = filled(ground)
    page = "<html><body>URI Too Long</body></html>"
    ground.account.faults.add(
        Fault(("GET", r"/deals\?limit=100&properties=amount"), "status", times=0, code=414, body=page)
    )
    found = ground.table("deal")
    assert {key: row["amount"] for key, row in found.items()} == {str(deal): "10.00" for deal in made}
    assert ground.account.faults.struck


def test_what_last_changed_before_the_start_date_is_left_out_but_for_companies(ground: Ground) -> None:
    account = ground.account
    long_ago = account.clock - timedelta(days=400)
    company = account.create("companies", {"name": "Old"}, at=long_ago)
    account.create("deals", {"dealname": "Old", "dealstage": "closedwon"}, at=long_ago)
    (young,) = deals(account, 1, dealstage="closedwon")
    assert list(ground.table("deal", start_date="2026-01-01")) == [str(young)]
    assert {row["deal_id"] for row in ground.table("deal_stage_history", start_date="2026-01-01").values()} == {
        str(young)
    }
    assert list(ground.table("company", start_date="2026-01-01")) == [str(company)]


def test_a_property_that_the_account_does_not_have_is_told_and_not_asked_for(ground: Ground) -> None:
    filled(ground)
    ground.account.drop_property("deals", "hs_is_closed_won")
    with ground.client(partner_number_property="partner_no") as client:
        streams = {stream.table.name: stream for stream in client.streams()}
        assert [(one.table, one.column) for one in client.missing()] == [
            ("company", "partner_no"),
            ("deal", "hs_is_closed_won"),
        ]
        assert "hs_is_closed_won" not in streams["deal"].selected
        (page, _) = streams["deal"].read(Window())
    assert {row["hs_is_closed_won"] for row in page} == {None}  # type: ignore[union-attr]
    asked = [one.query["properties"] for one in ground.asked("/deals") if "properties" in one.query]
    assert asked
    assert not any("hs_is_closed_won" in names for names in asked)


def test_owners_who_left_are_there_too(ground: Ground) -> None:
    for number in range(1, 151):
        ground.account.add_owner(number, f"owner.{number}@example.com", is_archived=number > 120)
    found = ground.table("owner")
    assert sum(row["is_deleted"] for row in found.values()) == 30
    assert (found["150"]["user_id"], found["150"]["email"]) == (1_000_150, "owner.150@example.com")


def test_stages_come_with_their_meaning(ground: Ground) -> None:
    found = ground.table("pipeline_stage")
    assert found["default/closedwon"] == {
        "id": "default/closedwon", "is_deleted": False, "pipeline_id": "default", "pipeline_label": "Sales Pipeline",
        "stage_id": "closedwon", "stage_label": "Closed Won", "display_order": 5, "is_closed": "true",
        "probability": "1.0",
    }  # fmt: skip
    assert len(found) == 7


def test_archived_records_come_after_the_others(ground: Ground) -> None:
    _, made = filled(ground)
    ground.account.archive("deals", made[0])
    found = ground.table("deal")
    assert {key: row["is_deleted"] for key, row in found.items()} == {
        str(made[1]): False, str(made[2]): False, str(made[0]): True,
    }  # fmt: skip
    assert found[str(made[0])]["archived_at"] == "2026-03-02T06:00:00.000Z"


def test_a_window_shows_only_what_was_archived_since(ground: Ground) -> None:
    _, made = filled(ground)
    ground.account.archive("deals", made[0])
    ground.account.advance(hours=5)
    ground.account.archive("deals", made[1])
    assert list(ground.table("deal", ground.last(hours=1))) == [str(made[1])]


# -- what a window asks for ----------------------------------------------------------------------------------------


def test_a_mass_update_beyond_the_search_cap_is_read_whole(ground: Ground) -> None:
    """12,000 deals with one and the same modification stamp: a search shows 10,000 results and then ends with 400."""
    account = ground.account
    made = deals(account, 12_000, dealtype="renewal")
    deals(account, 5)
    account.advance(hours=3)
    for deal in made:
        account.update("deals", deal, {"dealtype": "new"})
    account.advance(minutes=10)
    found = ground.table("deal", ground.last(hours=1))
    assert set(found) == {str(deal) for deal in made}
    assert {row["dealtype"] for row in found.values()} == {"new"}
    assert [one.status for one in ground.asked("/search")] == [200] * 60
    assert {one.body["after"] for one in ground.asked("/search")} == {"0"}


def test_a_search_in_disorder_loses_nothing(ground: Ground) -> None:
    ground.account.is_search_disordered = True
    made = deals(ground.account, 1_500)
    ground.account.advance(minutes=10)
    assert set(ground.table("deal", ground.last(hours=1))) == {str(deal) for deal in made}


def test_a_search_that_shows_too_little_is_asked_again(ground: Ground) -> None:
    """The index says how many there are and leaves some out: the set is gone through again."""
    made = deals(ground.account, 300)
    ground.account.advance(minutes=10)
    first = {"total": 300, "results": [{"id": str(deal)} for deal in made[:200]]}
    ground.account.faults.add(Fault(("POST", r"/deals/search"), "error200", body=first))
    assert set(ground.table("deal", ground.last(hours=1))) == {str(deal) for deal in made}


def test_a_window_ends_before_its_last_moment_and_holds_its_first(ground: Ground) -> None:
    account = ground.account
    (first,) = deals(account, 1)
    since = account.clock
    account.advance(seconds=10)
    (second,) = deals(account, 1)
    until = account.clock
    account.advance(hours=1)
    assert list(ground.table("deal", Window(since, until))) == [str(first)]
    assert list(ground.table("deal", Window(since, until + timedelta(milliseconds=1)))) == [str(first), str(second)]


def test_a_record_that_changes_between_search_and_batch_comes_as_it_is_by_then(ground: Ground) -> None:
    _, made = filled(ground)
    account = ground.account
    account.advance(minutes=10)
    window = ground.last(hours=1)
    account.faults.add(Fault(("POST", "/deals/batch/read"), "status", code=502, body="<html>Bad Gateway</html>"))
    ground.monkeypatch.setattr(
        "pipelines.http.sleep", lambda seconds: account.update("deals", made[0], {"amount": "13.00"})
    )
    found = ground.table("deal", window)
    assert found[str(made[0])]["amount"] == "13.00"
    assert len(found) == 3


def test_a_record_that_is_gone_between_search_and_batch_is_no_failure(ground: Ground) -> None:
    _, made = filled(ground)
    account = ground.account
    account.advance(minutes=10)
    account.faults.add(Fault(("POST", "/deals/batch/read"), "status", code=503, body=""))
    ground.monkeypatch.setattr("pipelines.http.sleep", lambda seconds: account.archive("deals", made[0]))
    found = ground.table("deal", ground.last(hours=1))
    assert {key: row["is_deleted"] for key, row in found.items()} == {
        str(made[1]): False, str(made[2]): False, str(made[0]): True,
    }  # fmt: skip
    assert 207 in {one.status for one in account.asked}


def test_windows_that_join_up_list_everything_again_once_a_week(ground: Ground) -> None:
    """An hour's look-back makes them overlap; a boundary still lies in one of them alone."""
    (_, made), account = filled(ground), ground.account
    account.advance(days=1)
    listings: list[bool] = []
    last = account.clock
    for _ in range(28):
        account.advance(hours=12)
        window = Window(last - timedelta(hours=1), account.clock)
        listings.append(len(ground.table("deal", window)) == len(made))
        last = account.clock
    first, second = [number for number, is_whole in enumerate(listings) if is_whole]
    assert second - first == 14


# -- associations --------------------------------------------------------------------------------------------------


def test_labels_stand_with_the_companies_of_a_deal(ground: Ground) -> None:
    companies, made = filled(ground)
    ground.account.associate("deals", made[0], "companies", companies[0], "Reseller", "Lead partner")
    found = ground.table("deal_company")
    assert links(found[str(made[0])]) == [
        (str(companies[0]), None), (str(companies[0]), "Reseller"), (str(companies[0]), "Lead partner"),
        (str(companies[1]), "Primary"), (str(companies[1]), None),
    ]  # fmt: skip
    assert [one["category"] for one in found[str(made[0])]["companies"]] == [
        "HUBSPOT_DEFINED", "USER_DEFINED", "USER_DEFINED", "HUBSPOT_DEFINED", "HUBSPOT_DEFINED",
    ]  # fmt: skip


def test_a_window_asks_for_the_companies_of_changed_and_of_open_deals(ground: Ground) -> None:
    _, made = filled(ground, 4)
    account = ground.account
    account.update("deals", made[0], {"dealstage": "closedwon"})
    account.update("deals", made[1], {"dealstage": "closedlost"})
    account.advance(hours=5)
    account.update("deals", made[1], {"amount": "1.00"})
    account.advance(minutes=10)
    assert set(ground.table("deal_company", ground.last(hours=1))) == {str(deal) for deal in made[1:]}


def test_open_deals_are_found_by_their_stage_where_nobody_computed_it(ground: Ground) -> None:
    _, made = filled(ground)
    ground.account.update("deals", made[0], {"dealstage": "closedwon"})
    ground.account.drop_property("deals", "hs_is_closed")
    ground.account.advance(hours=5)
    assert set(ground.table("deal_company", ground.last(hours=1))) == {str(deal) for deal in made[1:]}


def test_a_deal_with_more_companies_than_fit_on_a_page_keeps_them_all(ground: Ground) -> None:
    ground.account.association_page = 3
    companies = [ground.account.create("companies", {"name": f"Company {n}"}) for n in range(11)]
    one, other = deals(ground.account, 2)
    for company in companies:
        ground.account.associate("deals", one, "companies", company, "Reseller")
    ground.account.associate("deals", other, "companies", companies[0])
    found = ground.table("deal_company")
    assert [name for name, label in links(found[str(one)]) if label] == [str(company) for company in companies]
    assert links(found[str(other)]) == [(str(companies[0]), None)]
    assert len(ground.asked("/deals/companies/batch/read")) == 4


def test_a_deal_without_a_company_is_a_row_with_none(ground: Ground) -> None:
    filled(ground)
    (alone,) = deals(ground.account, 1)
    assert ground.table("deal_company")[str(alone)] == {"id": str(alone), "companies": []}
    assert [one.status for one in ground.asked("/deals/companies/batch/read")] == [207]


def test_an_error_in_a_batch_that_is_not_absence_is_a_failure(ground: Ground) -> None:
    filled(ground)
    body = {
        "status": "COMPLETE", "results": [], "numErrors": 1,
        "errors": [{"status": "error", "category": "RATE_LIMITS", "message": "too much at once"}],
    }  # fmt: skip
    ground.account.faults.add(Fault(("POST", r"/associations/"), "status", code=207, body=body))
    with pytest.raises(Exception, match="associations of deals: RATE_LIMITS: too much at once; nothing was loaded"):
        ground.table("deal_company")


def test_association_types_are_told_by_name_as_their_numbers_differ_between_accounts(ground: Ground) -> None:
    ground.account.define_label("deals", "companies", "Reseller")
    found = {row["label"]: (row["category"], row["type_id"]) for row in ground.table("association_label").values()}
    assert found == {
        None: ("HUBSPOT_DEFINED", 341), "Primary": ("HUBSPOT_DEFINED", 5), "Reseller": ("USER_DEFINED", 28),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["meetings", "calls", "tasks"])
def test_activities_stand_with_their_companies(ground: Ground, kind: str) -> None:
    companies, _ = filled(ground, 8)
    account = ground.account
    number = account.create(kind, {"hs_timestamp": "2026-02-01T10:00:00Z"})
    other = account.create(kind, {"hs_timestamp": "2026-02-01T10:00:00Z"})
    for company in (companies[7], companies[0]):
        account.associate(kind, number, "companies", company)
    for window in (Window(), ground.last(hours=1)):
        account.advance(minutes=1)
        found = ground.table(kind.removesuffix("s"), Window(window.since, account.clock) if window.since else window)
        assert found[str(number)]["companies"] == [str(companies[0]), str(companies[7])]
        assert found[str(other)]["companies"] == []


def test_merged_records_lead_to_the_one_that_is_left(ground: Ground) -> None:
    companies, made = filled(ground, 4)
    account = ground.account
    account.merge("companies", companies[0], companies[1])
    account.merge("companies", companies[2], companies[0])
    account.merge("deals", made[3], made[0])
    found = {(row["object_type"], row["loser_id"], row["winner_id"]) for row in ground.table("merged_record").values()}
    assert found == {
        ("company", str(companies[0]), str(companies[2])),
        ("company", str(companies[1]), str(companies[2])),
        ("deal", str(made[0]), str(made[3])),
    }


def test_a_winner_that_lost_later_leads_to_the_last_one(ground: Ground) -> None:
    """HubSpot may tell each merge at its own winner only, and goes on showing a winner that lost for a while."""
    companies, _ = filled(ground, 4)
    account = ground.account
    account.update("companies", companies[1], {"hs_merged_object_ids": "9001"})
    account.update("companies", companies[2], {"hs_merged_object_ids": f"{companies[1]};9002"})
    found = {row["loser_id"]: row["winner_id"] for row in ground.table("merged_record").values()}
    assert found == {str(companies[1]): str(companies[2]), "9001": str(companies[2]), "9002": str(companies[2])}


# -- the custom object, line items and rates -----------------------------------------------------------------------


def test_a_custom_object_stands_with_its_companies_and_deals(ground: Ground) -> None:
    companies, made = filled(ground)
    account = ground.account
    account.define_object("p4815162_registrations", role="enumeration")
    one = account.create("p4815162_registrations", {"role": "Reseller"})
    gone = account.create("p4815162_registrations", {"role": "Reseller"})
    account.associate("p4815162_registrations", one, "deals", made[0])
    account.associate("p4815162_registrations", one, "companies", companies[0])
    account.archive("p4815162_registrations", gone)
    named = {"partner_object": {"type": "p4815162_registrations", "role_property": "role"}}
    account.advance(minutes=10)
    for window in (Window(), ground.last(hours=1)):
        found = ground.table("partner_record", window, **named)
        assert (found[str(one)]["companies"], found[str(one)]["deals"]) == ([str(companies[0])], [str(made[0])])
        assert found[str(one)]["custom_properties"] == {"role": "Reseller"}
        assert {key: row["is_deleted"] for key, row in found.items()} == {str(one): False, str(gone): True}


def test_a_custom_object_that_is_not_there_is_told(ground: Ground) -> None:
    with ground.client(partner_object={"type": "p4815162_registrations"}) as client:
        assert "partner_record" not in [stream.table.name for stream in client.streams()]
        assert [(one.table, one.why) for one in client.missing()] == [
            ("partner_record", "the account has no object p4815162_registrations")
        ]


def test_line_items_are_read_where_they_are_wanted(ground: Ground) -> None:
    _, made = filled(ground)
    item = ground.account.create("line_items", {"name": "Seats", "quantity": "3", "price": "9.50"})
    ground.account.associate("line_items", item, "deals", made[0])
    with ground.client() as client:
        assert "line_item" not in [stream.table.name for stream in client.streams()]
    row = ground.table("line_item", line_items=True)[str(item)]
    assert (row["quantity"], row["price"], row["deals"]) == ("3", "9.50", [str(made[0])])


def test_exchange_rates_are_read_of_accounts_with_several_currencies(ground: Ground) -> None:
    ground.account.exchange_rates = [
        {"fromCurrencyCode": "EUR", "toCurrencyCode": "USD", "conversionRate": 1.08,
         "effectiveAt": "2026-01-01T00:00:00Z", "visibleInUI": True},
    ]  # fmt: skip
    with ground.client() as client:
        assert "exchange_rate" not in [stream.table.name for stream in client.streams()]
    ground.account.additional_currencies = ["EUR"]
    assert ground.table("exchange_rate")["1001"] == {
        "id": "1001", "from_currency_code": "EUR", "to_currency_code": "USD", "conversion_rate": 1.08,
        "effective_at": "2026-01-01T00:00:00Z", "visible_in_ui": True,
    }  # fmt: skip


def test_bodies_and_titles_of_activities_are_never_asked_for(ground: Ground) -> None:
    for table in ("meeting", "call", "task"):
        ground.pages(table)
        names = json.dumps([one.query for one in ground.account.asked])
        assert "hs_timestamp" in names
        assert not any(word in names for word in ("body", "title", "subject"))

"""Our own HubSpot account keeps to HubSpot's rules, so that a connector that gets by with it gets by with HubSpot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests

from demo.vendors.hubspot import HubspotAccount, Limits
from demo.vendors.serving import serve
from tests.connectors.hubspot.ground import BEGAN, TOKEN

DEALS = "/crm/objects/2026-03/deals"


@dataclass
class Line:
    """An account and a way to ask it."""

    account: HubspotAccount
    url: str

    def ask(self, method: str, path: str, *, token: str = TOKEN, **asked: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, timeout=10, **asked)

    def refused(self, status: int, method: str, path: str, **asked: Any) -> dict[str, Any]:
        """The body of an answer with this status."""
        answer = self.ask(method, path, **asked)
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def search(self, *filters: dict[str, Any], **body: Any) -> requests.Response:
        return self.ask("POST", f"{DEALS}/search", json={"filterGroups": [{"filters": list(filters)}], **body})

    def found(self, *filters: dict[str, Any], **body: Any) -> list[str]:
        answer = self.search(*filters, **body)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["results"]]


@pytest.fixture
def line() -> Iterator[Line]:
    account = HubspotAccount(clock=BEGAN)
    account.add_key(TOKEN)
    with serve(account.app()) as served:
        yield Line(account, served.url)


def deals(line: Line, count: int, **properties: str) -> list[int]:
    return [line.account.create("deals", {"dealname": f"Deal {n}", **properties}) for n in range(count)]


def test_a_list_ends_with_a_page_that_leads_nowhere(line: Line) -> None:
    made = deals(line, 25)
    first = line.ask("GET", DEALS).json()
    assert len(first["results"]) == 10
    assert first["paging"]["next"]["after"] == str(made[10])
    last = line.ask("GET", DEALS, params={"limit": 100, "after": made[10]}).json()
    assert [one["id"] for one in last["results"]] == [str(deal) for deal in made[10:]]
    assert "paging" not in last
    assert set(first["results"][0]["properties"]) == {
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id", "pipeline",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (DEALS, {"params": {"limit": "101"}}),
        (DEALS, {"params": {"limit": "51", "propertiesWithHistory": "dealstage"}}),
        (DEALS, {"params": {"after": "next"}}),
        ("/crm/objects/2026-03/unicorns", {}),
    ],
)
def test_a_list_turns_down_what_hubspot_does_not_know(line: Line, path: str, asked: dict[str, Any]) -> None:
    assert line.refused(400, "GET", path, **asked)["category"] == "VALIDATION_ERROR"


def test_unknown_properties_are_left_out_without_a_word_and_long_lists_of_them_are_too_much(line: Line) -> None:
    deals(line, 1)
    answer = line.ask("GET", DEALS, params={"properties": "amount,no_such_thing"}).json()
    assert "no_such_thing" not in answer["results"][0]["properties"]
    assert line.ask("GET", DEALS, params={"properties": ",".join(["a" * 50] * 200)}).status_code == 414


@pytest.mark.parametrize(("count", "history", "status"), [(100, [], 200), (101, [], 400), (50, ["amount"], 200),
                                                          (51, ["amount"], 400)])  # fmt: skip
def test_a_batch_holds_so_many(line: Line, count: int, history: list[str], status: int) -> None:
    inputs = [{"id": str(deal)} for deal in deals(line, count)]
    body = {"inputs": inputs, "properties": ["amount"], "propertiesWithHistory": history}
    assert line.ask("POST", f"{DEALS}/batch/read", json=body).status_code == status


def test_a_batch_says_which_records_are_gone(line: Line) -> None:
    there, archived = deals(line, 2)
    line.account.archive("deals", archived)
    body = {"inputs": [{"id": str(n)} for n in (there, archived, 77)], "properties": [], "propertiesWithHistory": []}
    answer = line.ask("POST", f"{DEALS}/batch/read", json=body)
    assert (answer.status_code, [one["id"] for one in answer.json()["results"]]) == (207, [str(there)])
    (error,) = answer.json()["errors"]
    assert (error["category"], error["context"]["ids"]) == ("OBJECT_NOT_FOUND", [str(archived), "77"])
    found = line.ask("POST", f"{DEALS}/batch/read", params={"archived": "true"}, json=body).json()["results"]
    assert [(one["id"], one["archived"]) for one in found] == [(str(archived), True)]


def test_history_has_the_newest_value_first(line: Line) -> None:
    (deal,) = deals(line, 1, amount="1")
    line.account.advance(hours=1)
    line.account.update("deals", deal, {"amount": "2"})
    line.account.update("deals", deal, {"amount": "2"})
    (record,) = line.ask("GET", DEALS, params={"propertiesWithHistory": "amount"}).json()["results"]
    assert [one["value"] for one in record["propertiesWithHistory"]["amount"]] == ["2", "1"]


# -- search --------------------------------------------------------------------------------------------------------


def test_a_search_ends_after_ten_thousand_results(line: Line) -> None:
    made = deals(line, 10_050)
    page = line.search(limit=200, after="9800").json()
    assert (page["total"], page["results"][-1]["id"]) == (10_050, str(made[9_999]))
    assert page["paging"]["next"]["after"] == "10000"
    assert line.search(limit=200, after="10000").status_code == 400
    assert line.search(limit=200, after="9801").status_code == 400


def _filter(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (_filter("amount", "EQ", "9"), [0]),
        (_filter("amount", "EQ", "9.00"), [0]),
        (_filter("amount", "GT", "9"), [1]),
        (_filter("amount", "GTE", "9"), [0, 1]),
        (_filter("amount", "LT", "10"), [0]),
        (_filter("amount", "LTE", "10"), [0, 1]),
        (_filter("amount", "NEQ", "10"), [0]),
        (_filter("amount", "BETWEEN", "9.5", highValue="10"), [1]),
        (_filter("amount", "HAS_PROPERTY"), [0, 1]),
        (_filter("amount", "NOT_HAS_PROPERTY"), [2]),
        (_filter("dealstage", "IN", values=["closedwon", "closedlost"]), [1]),
        (_filter("dealstage", "NOT_IN", values=["closedwon"]), [0, 2]),
        (_filter("hs_lastmodifieddate", "GTE", str(int(BEGAN.timestamp() * 1000) + 2)), [2]),
        (_filter("hs_lastmodifieddate", "LT", "2026-03-02T06:00:00.002Z"), [0, 1]),
    ],
)
def test_filters_compare_numbers_as_numbers_and_moments_as_milliseconds(
    line: Line, condition: dict[str, Any], expected: list[int]
) -> None:
    account = line.account
    made = [
        account.create("deals", {"amount": "9", "dealstage": "contractsent"}),
        account.create("deals", {"amount": "10", "dealstage": "closedwon"}),
    ]
    account.clock += timedelta(milliseconds=2)
    made.append(account.create("deals", {"dealname": "third", "dealstage": "contractsent"}))
    assert line.found(condition) == [str(made[place]) for place in expected]


def test_what_search_does_not_know_is_turned_down(line: Line) -> None:
    known = _filter("amount", "GT", "1")
    for wrong in (
        {"filterGroups": [{"filters": [_filter("no_such_thing", "EQ", "1")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "LIKE", "1")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "EQ")]}]},
        {"filterGroups": [{"filters": [_filter("amount", "GT", "many")]}]},
        {"filterGroups": [{"filters": [known] * 7}]},
        {"filterGroups": [{"filters": [known]}] * 6},
        {"filterGroups": [{"filters": [known] * 5}] * 4},
        {"sorts": [{"propertyName": name, "direction": "ASCENDING"} for name in ("amount", "hs_object_id")]},
        {"limit": 201},
        {"after": "next"},
    ):
        assert line.refused(400, "POST", f"{DEALS}/search", json=wrong)["category"] == "VALIDATION_ERROR"


def test_search_sorts_pages_and_leaves_archived_records_out(line: Line) -> None:
    made = [line.account.create("deals", {"amount": amount}) for amount in ("9", "10", "8", "7")]
    line.account.archive("deals", made[3])
    by_amount = [{"propertyName": "amount", "direction": "DESCENDING"}]
    assert line.found(sorts=by_amount) == [str(made[1]), str(made[0]), str(made[2])]
    page = line.search(sorts=by_amount, limit=2).json()
    assert (page["total"], page["paging"]["next"]["after"]) == (3, "2")
    assert line.found(sorts=by_amount, limit=2, after="2") == [str(made[2])]
    groups = [{"filters": [_filter("amount", "EQ", number)]} for number in ("8", "9")]
    both = line.ask("POST", f"{DEALS}/search", json={"filterGroups": groups}).json()
    assert [one["id"] for one in both["results"]] == [str(made[0]), str(made[2])]


def test_an_index_that_is_late_shows_yesterdays_values(line: Line) -> None:
    account = line.account
    (deal,) = deals(line, 1, amount="1")
    account.search_lag = timedelta(minutes=10)
    account.update("deals", deal, {"amount": "2"})
    (new,) = deals(line, 1, amount="2")
    assert line.found(_filter("amount", "EQ", "2")) == []
    account.advance(minutes=10)
    assert line.found(_filter("amount", "EQ", "2")) == [str(deal), str(new)]


def test_an_index_in_disorder_shows_everything_and_nothing_in_its_place(line: Line) -> None:
    made = [str(deal) for deal in deals(line, 60)]
    line.account.is_search_disordered = True
    found = line.found(limit=200)
    assert found != made
    assert sorted(found) == sorted(made)


# -- associations --------------------------------------------------------------------------------------------------


def test_associations_have_other_numbers_in_the_other_direction(line: Line) -> None:
    account = line.account
    (deal,) = deals(line, 1)
    company = account.create("companies", {"name": "Acme"})
    account.associate("deals", deal, "companies", company, "Reseller", primary=True)
    for one, other, key, numbers in (
        ("deals", "companies", deal, {341, 5, 28}), ("companies", "deals", company, {342, 6, 29}),
    ):  # fmt: skip
        path = f"/crm/associations/2026-03/{one}/{other}/batch/read"
        (found,) = line.ask("POST", path, json={"inputs": [{"id": str(key)}]}).json()["results"]
        assert {one["typeId"] for one in found["to"][0]["associationTypes"]} == numbers
        assert isinstance(found["to"][0]["toObjectId"], int)


def test_archived_records_show_no_associations(line: Line) -> None:
    account = line.account
    made = deals(line, 2)
    company = account.create("companies", {"name": "Acme"})
    for deal in made:
        account.associate("deals", deal, "companies", company)
    account.archive("deals", made[0])
    path, body = "/crm/v4/associations/deals/companies/batch/read", {"inputs": [{"id": str(deal)} for deal in made]}
    answer = line.ask("POST", path, json=body)
    assert (answer.status_code, len(answer.json()["results"])) == (207, 1)
    assert answer.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    account.archive("companies", company)
    assert line.ask("POST", path, json=body).json()["results"] == []


def test_a_batch_of_associations_holds_a_thousand(line: Line) -> None:
    inputs = [{"id": str(n)} for n in range(1, 1_002)]
    path = "/crm/v4/associations/deals/companies/batch/read"
    assert line.ask("POST", path, json={"inputs": inputs[:1_000]}).status_code == 207
    line.refused(400, "POST", path, json={"inputs": inputs})


def test_a_merge_leaves_the_winner_with_everything_and_no_trace_of_the_loser(line: Line) -> None:
    account = line.account
    one, other = (account.create("companies", {"name": name}) for name in ("one", "other"))
    (deal,) = deals(line, 1)
    account.associate("deals", deal, "companies", other, "Reseller")
    account.merge("companies", one, other)
    body = {"inputs": [{"id": str(deal)}]}
    (found,) = line.ask("POST", "/crm/v4/associations/deals/companies/batch/read", json=body).json()["results"]
    assert [to["toObjectId"] for to in found["to"]] == [one]
    for archived in ("true", "false"):
        listed = line.ask("GET", "/crm/v3/objects/companies", params={
            "archived": archived, "properties": "hs_merged_object_ids"}).json()["results"]  # fmt: skip
        assert [(x["id"], x["properties"]["hs_merged_object_ids"]) for x in listed] == (
            [] if archived == "true" else [(str(one), str(other))]
        )


# -- keys and limits -----------------------------------------------------------------------------------------------


def test_keys_are_unknown_expired_or_too_narrow_in_hubspots_own_words(line: Line) -> None:
    for token in ("", "pat-unknown"):
        assert line.refused(401, "GET", DEALS, token=token)["category"] == "INVALID_AUTHENTICATION"
    line.account.add_key("narrow", scopes=["crm.objects.companies.read"])
    body = line.refused(403, "GET", DEALS, token="narrow")
    assert body["category"] == "MISSING_SCOPES"
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.deals.read"]
    path = "/crm/v4/associations/deals/companies/batch/read"
    assert line.refused(403, "POST", path, token="narrow", json={"inputs": []})["category"] == "MISSING_SCOPES"
    line.account.expire_keys()
    body = line.refused(401, "GET", DEALS)
    assert (body["category"], body["message"]) == (
        "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 75 second(s) ago.",
    )  # fmt: skip


def test_the_three_limits_are_told_apart(line: Line) -> None:
    at = [0.0]
    line.account.limits = Limits(burst=3, searches_per_second=2, daily=9, seconds=lambda: at[0])
    left = [line.ask("GET", DEALS).headers["X-HubSpot-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    assert line.refused(429, "GET", DEALS)["policyName"] == "TEN_SECONDLY_ROLLING"
    answer = line.search()
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]
    line.search()
    assert line.refused(429, "POST", f"{DEALS}/search", json={})["policyName"] == "SECONDLY"
    at[0] += 10.0
    answers = [line.ask("GET", DEALS) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 200]
    assert answers[-1].headers["X-HubSpot-RateLimit-Daily-Remaining"] == "1"
    line.search()
    assert line.refused(429, "POST", f"{DEALS}/search", json={})["policyName"] == "DAILY"
    assert line.refused(429, "GET", DEALS)["message"] == "You have reached your daily limit."
    line.account.clock = line.account.midnight()
    at[0] += 10.0
    assert line.ask("GET", DEALS).status_code == 200


def test_a_path_that_leads_nowhere_is_404(line: Line) -> None:
    assert line.refused(404, "GET", "/crm/v3/unknown")["message"] == "resource not found"
    assert line.refused(404, "DELETE", f"{DEALS}/1")["message"] == "resource not found"
    assert line.refused(400, "POST", f"{DEALS}/search", data="{")["category"] == "VALIDATION_ERROR"

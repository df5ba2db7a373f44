"""The fake org answers as the vendor's documents say; else what is tested against it proves nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import requests

from demo.vendors.faults import Fault, Faults
from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.serving import serve
from demo.vendors.soql import SoqlError, parse

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
BASE = "/services/data/v67.0"


class Asking:
    """Somebody with a session who asks the org."""

    def __init__(self, org: SalesforceOrg, url: str) -> None:
        self.org, self.url = org, url
        self.session = requests.Session()
        self.sign_in()

    def sign_in(self) -> None:
        told = self.session.post(
            f"{self.url}/services/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(self.org.app_key, self.org.app_secret),
        ).json()
        self.session.headers["Authorization"] = f"Bearer {told['access_token']}"

    def get(self, path: str, **params: Any) -> requests.Response:
        path = path if path.startswith("/services") else f"{BASE}/{path}"
        return self.session.get(f"{self.url}{path}", params=params)

    def rows(self, soql: str, *, everything: bool = False) -> list[dict[str, Any]]:
        """All records of a query, page after page."""
        page = self.get("queryAll" if everything else "query", q=soql).json()
        found = list(page["records"])
        while not page["done"]:
            page = self.get(page["nextRecordsUrl"]).json()
            found += page["records"]
        assert len(found) == page["totalSize"]
        return found

    def error(self, answer: requests.Response) -> tuple[int, str, str]:
        body = answer.json()
        return answer.status_code, body[0]["errorCode"], body[0]["message"]


@pytest.fixture
def asking() -> Iterator[Asking]:
    org = SalesforceOrg()
    org.set_clock(NOW)
    account = org.create("Account", Name="O'Brien & Sons", NumberOfEmployees=12, AnnualRevenue=1.5)
    for number in range(5):
        org.create("Opportunity", Name=f"Deal {number}", AccountId=account, Amount=100.0 * number,
                   StageName="Prospecting", CloseDate=f"2026-0{number + 1}-01")  # fmt: skip
    with serve(org.app()) as served:
        yield Asking(org, served.url)


# -- SOQL --------------------------------------------------------------------------------------------------------------


def test_conditions_select_what_they_say(asking: Asking) -> None:
    def names(where: str) -> list[str]:
        return sorted(row["Name"] for row in asking.rows(f"SELECT Name FROM Opportunity WHERE {where}"))

    assert names("Amount >= 300") == ["Deal 3", "Deal 4"]
    assert names("Amount > 100 AND Amount <= 300.0") == ["Deal 2", "Deal 3"]
    assert names("Name != 'Deal 1' and CloseDate < 2026-03-01") == ["Deal 0"]
    assert names("name in ('Deal 1', 'Deal 4')") == ["Deal 1", "Deal 4"]
    assert names("IsClosed = false AND NextStep = null") == [f"Deal {n}" for n in range(5)]
    assert names("Account.Name = 'O\\'Brien & Sons'") == [f"Deal {n}" for n in range(5)]
    assert names("SystemModstamp < 2026-09-01T10:00:00+02:00") == []
    assert names("SystemModstamp >= 2026-09-01T10:00:00+02:00") == [f"Deal {n}" for n in range(5)]
    rows = asking.rows("SELECT Name FROM Opportunity ORDER BY Amount DESC LIMIT 2")
    assert [row["Name"] for row in rows] == ["Deal 4", "Deal 3"]
    assert asking.get("query", q="SELECT count() FROM Opportunity").json() == {
        "totalSize": 5, "done": True, "records": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "SELECT FROM Account", "SELECT Id", "SELECT Id FROM Account WHERE", "SELECT Id FROM Account WHERE Id LIKE 'a%'",
        "SELECT Id FROM Account LIMIT x", "SELECT Id, Id FROM Account", "SELECT Id FROM Account GROUP BY Id",
        "SELECT Id FROM Account WHERE Name = \"x\"", "UPDATE Account", "",
    ],
)  # fmt: skip
def test_what_is_no_soql_is_malformed_and_never_guessed(text: str) -> None:
    with pytest.raises(SoqlError) as caught:
        parse(text)
    assert caught.value.code == "MALFORMED_QUERY"


def test_errors_are_worded_as_the_vendor_words_them(asking: Asking) -> None:
    status, code, message = asking.error(asking.get("query", q="SELECT Id, X FROM Opportunity"))
    assert (status, code) == (400, "INVALID_FIELD")
    assert message.startswith(
        "\nSELECT Id, X FROM Opportunity\n           ^\nERROR at Row:1:Column:12\nNo such column 'X'"
    )
    status, code, message = asking.error(asking.get("query", q="select count() from XYZZY"))
    assert (status, code) == (400, "INVALID_TYPE")
    assert "ERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported." in message
    asked = asking.get("query", q="SELECT Id FROM Account WHERE ChannelProgramName = 'x'")
    assert asking.error(asked) == (
        400,
        "INVALID_FIELD",
        "field 'ChannelProgramName' can not be filtered in a query call",
    )
    asking.org.expire_tokens()
    assert asking.error(asking.get("limits")) == (401, "INVALID_SESSION_ID", "Session expired or invalid")


def test_values_come_as_json_has_them(asking: Asking) -> None:
    (row,) = asking.rows("SELECT Id, NumberOfEmployees, AnnualRevenue, IsPartner, CreatedDate, ParentId FROM Account")
    key = row["Id"]
    assert row == {
        "attributes": {"type": "Account", "url": f"{BASE}/sobjects/Account/{key}"}, "Id": key, "NumberOfEmployees": 12,
        "AnnualRevenue": 1.5, "IsPartner": False, "CreatedDate": "2026-09-01T08:00:00.000+0000", "ParentId": None,
    }  # fmt: skip
    assert len(key) == 18


# -- pages and locators ------------------------------------------------------------------------------------------------


def test_a_cursor_holds_its_records_and_dies_when_nobody_asks(asking: Asking) -> None:
    org = asking.org
    org.page_size = 2
    page = asking.get("queryAll", q="SELECT Id FROM Opportunity").json()
    assert (page["totalSize"], page["done"], len(page["records"])) == (5, False, 2)
    org.create("Opportunity", Name="Later", StageName="Prospecting")
    second = asking.get(page["nextRecordsUrl"]).json()
    assert asking.get(page["nextRecordsUrl"]).json() == second
    last = asking.get(second["nextRecordsUrl"]).json()
    assert (last["done"], len(last["records"])) == (True, 1)
    assert "nextRecordsUrl" not in last
    org.advance(minutes=16)
    asking.sign_in()
    status, code, _ = asking.error(asking.get(page["nextRecordsUrl"]))
    assert (status, code) == (400, "INVALID_QUERY_LOCATOR")


def test_the_recycle_bin_is_for_query_all(asking: Asking) -> None:
    org = asking.org
    first = org.rows("Opportunity")[0]["Id"]
    org.advance(minutes=1)
    org.delete("Opportunity", first)
    assert len(asking.rows("SELECT Id FROM Opportunity")) == 4
    binned = [row for row in asking.rows("SELECT Id, IsDeleted FROM Opportunity", everything=True) if row["IsDeleted"]]
    assert [row["Id"] for row in binned] == [first]
    told = asking.get(
        "sobjects/Opportunity/deleted/", start=(NOW - timedelta(days=1)).isoformat(), end="2026-09-02T00:00:00+00:00"
    ).json()
    assert told["deletedRecords"] == [{"id": first, "deletedDate": "2026-09-01T08:01:00.000+0000"}]
    asked = asking.get("sobjects/OpportunityPartner/deleted/", start="x", end="y")
    assert asked.status_code == 400
    old = asking.get(
        "sobjects/Opportunity/deleted/", start="2026-01-01T00:00:00+00:00", end="2026-09-02T00:00:00+00:00"
    )
    assert asking.error(old)[1] == "INVALID_REPLICATION_DATE"
    org.purge("Opportunity", first)
    assert len(asking.rows("SELECT Id FROM Opportunity", everything=True)) == 4


# -- describes, limits, versions ---------------------------------------------------------------------------------------


def test_a_describe_is_told_to_the_running_user(asking: Asking) -> None:
    asking.org.hide("Opportunity", "Amount")
    asking.org.hide("Task")
    names = [one["name"] for one in asking.get("sobjects").json()["sobjects"]]
    assert "Opportunity" in names
    assert "Task" not in names
    fields = {one["name"]: one for one in asking.get("sobjects/Opportunity/describe").json()["fields"]}
    assert "Amount" not in fields
    assert fields["AccountId"]["referenceTo"] == ["Account"]
    assert fields["Description"]["filterable"] is False
    assert asking.get("sobjects/Task/describe").status_code == 404
    assert asking.error(asking.get("query", q="SELECT Id FROM Task"))[1] == "INVALID_TYPE"


def test_every_answer_tells_the_usage_and_the_day_ends(asking: Asking) -> None:
    org = asking.org
    org.daily_limit = org.requests_today + 2
    assert asking.get("limits").headers["Sforce-Limit-Info"] == f"api-usage={org.daily_limit - 1}/{org.daily_limit}"
    told = asking.get("limits/recordCount", sObjects="Account,Opportunity,Nope").json()
    assert told == {"sObjects": [{"count": 1, "name": "Account"}, {"count": 5, "name": "Opportunity"}]}
    assert asking.error(asking.get("limits")) == (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def test_versions_are_listed_retired_and_unknown(asking: Asking) -> None:
    listed = requests.get(f"{asking.url}/services/data/", timeout=10).json()
    assert listed[-1]["version"] == "68.0"
    asking.org.api_versions = (30, 67)
    assert asking.get("/services/data/v30.0/limits").status_code == 410
    assert asking.get("/services/data/v66.0/limits").status_code == 404
    assert asking.get("query", q="SELECT " + "x" * 17_000).status_code == 414


# -- jobs --------------------------------------------------------------------------------------------------------------


def job(asking: Asking, soql: str, **more: str) -> requests.Response:
    return asking.session.post(f"{asking.url}{BASE}/jobs/query", json={"operation": "queryAll", "query": soql, **more})


def test_a_job_goes_through_its_states_and_pages(asking: Asking) -> None:
    org = asking.org
    org.bulk_page_size = 2
    org.update("Opportunity", org.rows("Opportunity")[0]["Id"], Name='Line one\nline two, "quoted"')
    made = job(asking, "SELECT Id, Name, Amount, IsWon, SystemModstamp, NextStep FROM Opportunity").json()
    assert (made["state"], made["object"], made["apiVersion"]) == ("UploadComplete", "Opportunity", 67.0)
    path = f"jobs/query/{made['id']}"
    assert asking.get(f"{path}/results").status_code == 400
    assert asking.get(path).json()["state"] == "InProgress"
    done = asking.get(path).json()
    assert (done["state"], done["numberRecordsProcessed"]) == ("JobComplete", 5)
    texts, locator = [], None
    while locator != "null":
        answer = asking.get(f"{path}/results", maxRecords=50_000, **({"locator": locator} if locator else {}))
        locator = answer.headers["Sforce-Locator"]
        texts.append(answer.text)
        assert answer.text.startswith('"Id","Name","Amount","IsWon","SystemModstamp","NextStep"\n')
    assert len(texts) == 3
    assert '"Line one\nline two, ""quoted""","0.0","false","2026-09-01T08:00:00.000Z",""\n' in "".join(texts)
    assert asking.get(f"/services/data/v66.0/{path}/results").status_code == 409
    assert asking.get(f"{path}/results", locator="bm9uZQ").status_code == 400
    assert asking.session.delete(f"{asking.url}{BASE}/{path}").status_code == 204
    assert asking.error(asking.get(path))[:2] == (404, "NOT_FOUND")


def test_what_bulk_does_not_do_is_said_at_once_and_what_fails_fails_later(asking: Asking) -> None:
    refused = {
        "SELECT Id FROM PartnerRole": "Entity 'PartnerRole' is not supported by the Bulk API.",
        "SELECT Id, BillingAddress FROM Account": "Selecting compound data not supported in Bulk Query",
        "SELECT count() FROM Account": "Aggregate Relationships not supported in Bulk Query",
    }
    assert {soql: asking.error(job(asking, soql))[2] for soql in refused} == refused
    asking.org.bulk_polls = 0
    made = job(asking, "SELECT Nothing FROM Account").json()
    told = asking.get(f"jobs/query/{made['id']}").json()
    assert told["state"] == "Failed"
    assert "No such column 'Nothing'" in told["errorMessage"]
    asking.org.bulk_jobs_left = 0
    assert asking.error(job(asking, "SELECT Id FROM Account"))[1] == "LIMIT_EXCEEDED"


# -- lives of records --------------------------------------------------------------------------------------------------


def test_the_lives_of_records() -> None:
    org = SalesforceOrg()
    org.set_clock(NOW)
    winner, loser = (org.create("Account", Name=name) for name in ("winner", "loser"))
    deal = org.create("Opportunity", AccountId=loser, StageName="Prospecting", Amount=1.0)
    org.add_partner(deal, winner, "Reseller", is_primary=True)
    second = org.add_partner(deal, loser, "Reseller", is_primary=True)
    org.advance(hours=1)
    org.update("Opportunity", deal, NextStep="no history")
    org.update("Opportunity", deal, StageName="Closed Won")
    with org.late(NOW - timedelta(minutes=5)):
        org.update("Account", winner, Industry="late")
    org.merge("Account", winner, loser)
    accounts = {row["Name"]: row for row in org.rows("Account")}
    assert accounts["loser"]["MasterRecordId"] == winner
    (row,) = org.rows("Opportunity")
    assert (row["AccountId"], row["IsWon"], row["Probability"]) == (winner, True, 100.0)
    history = org.rows("OpportunityHistory")
    assert [(step["StageName"], step["PrevAmount"]) for step in history] == [("Prospecting", None), ("Closed Won", 1.0)]
    primary = {row["Id"]: (row["IsPrimary"], row["AccountToId"]) for row in org.rows("OpportunityPartner")}
    assert sorted(primary.values()) == [(False, winner), (True, winner)]
    assert primary[second] == (True, winner)
    with pytest.raises(ValueError, match="Account has no field Nme"):
        org.create("Account", Nme="typo")


def test_a_block_answers_as_its_records_would() -> None:
    org = SalesforceOrg()
    stamps = [f"2026-01-01T00:{minute:02d}:00.000+0000" for minute in range(50)]
    records = pa.table(
        {
            "Id": [f"006{n:015d}" for n in range(50)],
            "Amount": pa.array([n / 2 for n in range(50)]),
            "Name": ["a, b"] * 50,
            "IsDeleted": pa.array([False] * 50),
            "SystemModstamp": stamps,
        }
    )
    org.load_block("Opportunity", records)
    org.page_size = org.bulk_page_size = 20
    org.bulk_polls = 0
    with serve(org.app()) as served:
        asking = Asking(org, served.url)
        where = "SystemModstamp >= 2026-01-01T00:05:00Z AND SystemModstamp < 2026-01-01T00:45:00Z"
        rows = asking.rows(f"SELECT Id, Amount FROM Opportunity WHERE {where}")
        assert [row["Amount"] for row in rows] == [n / 2 for n in range(5, 45)]
        made = job(asking, f"SELECT Id, Name, SystemModstamp FROM Opportunity WHERE {where}").json()
        assert asking.get(f"jobs/query/{made['id']}").json()["numberRecordsProcessed"] == 40
        text = asking.get(f"jobs/query/{made['id']}/results").text
        assert text.splitlines()[1] == '"006000000000000005","a, b","2026-01-01T00:05:00.000Z"'


# -- faults ------------------------------------------------------------------------------------------------------------


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An app whose answer is three hundred numbers and the way on."""
    body = b'{"records":[' + b",".join(b"1" for _ in range(300)) + b'],"next":"%s"}' % scope["query_string"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def faults() -> Faults:
    return Faults(data_keys=("records",), cursors=(("next",),))


def test_a_fault_strikes_the_request_it_waits_for_and_no_other(faults: Faults) -> None:
    faults.add(Fault(("GET", r"/wanted"), "status", nth=2, times=2, code=418, body={"a": 1}, headers={"X-Own": "yes"}))
    with serve(faults.around(plain)) as served:
        codes = [requests.get(f"{served.url}/{path}", timeout=5).status_code
                 for path in ("wanted", "other", "wanted", "other", "wanted", "wanted")]  # fmt: skip
    assert codes == [200, 200, 418, 200, 418, 200]
    assert faults.struck == [("status", "GET", "/wanted")] * 2


def test_answers_break_off_as_told(faults: Faults) -> None:
    def get(url: str) -> Any:
        try:
            answer = requests.get(f"{url}/x?1", timeout=0.3)
        except requests.RequestException as problem:
            return type(problem).__name__
        return answer

    with serve(faults.around(plain)) as served:
        for kind in ("reset", "short"):
            faults.add(Fault(("GET", "/x"), kind))  # type: ignore[arg-type]
            assert get(served.url) in ("ConnectionError", "ChunkedEncodingError")
        faults.add(Fault(("GET", "/x"), "hang", seconds=5))
        assert get(served.url) == "ReadTimeout"
        faults.add(Fault(("GET", "/x"), "truncate"))
        cut = get(served.url)
        assert int(cut.headers["content-length"]) == len(cut.content) < 400
        faults.add(Fault(("GET", "/x"), "null_data"), Fault(("GET", "/x"), "missing_data", nth=2))
        assert get(served.url).json() == {"records": None, "next": "1"}
        assert get(served.url).json() == {"next": "1"}
        faults.add(Fault(("GET", "/x"), "slow", seconds=0.2))
        assert len(get(served.url).json()["records"]) == 300


def test_the_same_cursor_again_and_again(faults: Faults) -> None:
    faults.add(Fault(("GET", "/x"), "same_cursor", nth=2, times=0))
    with serve(faults.around(plain)) as served:
        told = [requests.get(f"{served.url}/x?{n}", timeout=5).json()["next"] for n in (7, 8, 9)]
    assert told == ["7", "7", "7"]


def test_a_fake_that_breaks_cannot_pass_for_a_vendor_with_a_bad_day() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with pytest.raises(RuntimeError, match="the app raised ZeroDivisionError"), serve(broken) as served:
        assert requests.get(served.url, timeout=5).status_code == 500


def test_a_server_ends_at_once_also_with_a_request_that_hangs(faults: Faults) -> None:
    faults.add(Fault(("GET", "/x"), "hang", seconds=60))
    with serve(faults.around(plain)) as served:
        host, port = served.url.removeprefix("http://").split(":")
        waiting = socket.create_connection((host, int(port)))
        waiting.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    waiting.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)))

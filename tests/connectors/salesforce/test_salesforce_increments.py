"""What changed since the last reading, however it changed: nothing is lost and nothing is there twice."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from demo.vendors.faults import Fault
from pipelines.http import BadAnswer, SourceDown
from tests.connectors.salesforce.conftest import BEGAN, Ground, Row

# A small org shrinks by a large share when one deal is purged.
FEWER = frozenset({"salesforce.opportunity_partner", "salesforce.partner"})


def deals(ground: Ground) -> list[str]:
    return sorted(row["Id"] for row in ground.org.rows("Opportunity"))


def truth(ground: Ground, table: str, name: str) -> dict[str, tuple[Any, ...]]:
    """What the org holds of an object, as far as the lake should say the same."""
    return {
        row["Id"]: tuple(_told(row.get(field)) for field in ("StageName", "Amount", "IsDeleted", "AccountId"))
        for row in ground.org.rows(name)
    }


def _told(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    return None if value is None else str(value)


def told(ground: Ground) -> dict[str, tuple[Any, ...]]:
    """What the lake says of the opportunities that are not gone."""
    return {
        key: (row["stage_name"], row["amount"] and f"{float(row['amount']):.2f}", row["is_deleted"], row["account_id"])
        for key, row in ground.newest("opportunity").items()
    }


def test_only_what_changed_is_read_and_landed(ground: Ground) -> None:
    ground.read()
    one = deals(ground)[0]
    ground.later(days=1)
    ground.org.update("Opportunity", one, StageName="Closed Won")
    ground.later(minutes=5).org.requests.clear()
    landed = {x.table: x for x in ground.read() if x.is_new}
    assert set(landed) == {"opportunity", "opportunity_history"}
    assert landed["opportunity"].rows == 1
    assert told(ground) == truth(ground, "opportunity", "Opportunity")
    assert [row["stage_name"] for row in ground.versions("opportunity") if row["id"] == one] == [
        "Prospecting", "Closed Won",
    ]  # fmt: skip


def test_a_run_with_nothing_new_lands_nothing(ground: Ground) -> None:
    ground.read()
    count = len(ground.loads())
    ground.later(minutes=1)
    assert [x.table for x in ground.read() if x.is_new] == []
    assert len(ground.loads()) == count


def test_deleted_undeleted_purged(ground: Ground) -> None:
    first, second, third = deals(ground)
    ground.read()
    ground.later(hours=1).org.delete("Opportunity", first)
    ground.later(minutes=1).read()
    assert ground.newest("opportunity")[first]["is_deleted"] == "true"
    ground.later(hours=1).org.undelete("Opportunity", first)
    ground.later(minutes=1).read()
    assert ground.newest("opportunity")[first]["is_deleted"] == "false"
    ground.org.purge("Opportunity", second)
    ground.later(hours=1).read(accept_shrunk=FEWER)
    assert ground.newest("opportunity")[second]["is_deleted"] == "false", "nothing tells of it"
    ground.later(days=8).read(accept_shrunk=FEWER)
    rows = ground.newest("opportunity")
    assert {key: row["is_deleted"] for key, row in rows.items()} == {first: "false", second: "true", third: "false"}
    assert rows[second]["amount"] == "1001.5"
    history = ground.newest("opportunity_history").values()
    assert {row["opportunity_id"]: row["is_deleted"] for row in history}[second] == "true"


def test_what_goes_into_the_bin_and_out_of_it_with_its_parent_is_noticed(ground: Ground) -> None:
    """A cascade leaves the stamp of the child as it was."""
    one = deals(ground)[0]

    def marks() -> tuple[list[str], list[str]]:
        return tuple(  # type: ignore[return-value]
            [row["is_deleted"] for row in ground.newest(table).values() if row["opportunity_id"] == one]
            for table in ("opportunity_history", "opportunity_partner")
        )

    ground.read()
    ground.later(hours=1).org.delete("Opportunity", one)
    ground.later(minutes=1).read()
    assert marks() == (["true"], ["true"])
    ground.later(hours=1).org.undelete("Opportunity", one)
    ground.later(minutes=1).read()
    assert marks() == (["false"], ["false"])


def test_a_short_list_of_ids_deletes_nothing(ground: Ground) -> None:
    ground.read()
    count = len(ground.loads())
    body = {"totalSize": 3, "done": True, "records": [{"Id": deals(ground)[0]}]}
    ground.org.faults.add(
        Fault(("GET", r"/queryAll\?q=SELECT\+Id\+FROM\+Opportunity\+WHERE\+IsDeleted"), "error200", body=body, times=0)
    )
    with pytest.raises(BadAnswer, match="the list of ids says it has 3, its pages hold 1"):
        ground.later(days=8).read()
    assert len(ground.loads()) == count


def test_what_is_archived_is_not_gone(ground: Ground) -> None:
    account = ground.org.rows("Account")[0]["Id"]
    old = ground.org.create("Event", AccountId=account, DurationInMinutes=60, IsArchived=True)
    new = ground.org.create("Event", AccountId=account, DurationInMinutes=30)
    gone = ground.org.create("Event", AccountId=account, DurationInMinutes=30)
    ground.read()
    ground.org.purge("Event", gone)
    ground.later(days=8).read()
    marks = {key: row["is_deleted"] for key, row in ground.newest("event").items()}
    assert marks == {old: "false", new: "false", gone: "true"}


def test_merged_accounts_name_their_survivor(ground: Ground) -> None:
    accounts = {row["Name"]: row["Id"] for row in ground.org.rows("Account")}
    winner, loser = accounts["Castlegate"], accounts["Brightwater Systems"]
    ground.read()
    ground.later(hours=1).org.merge("Account", winner, loser)
    ground.later(minutes=1).read()
    rows = ground.newest("account")
    assert (rows[loser]["is_deleted"], rows[loser]["master_record_id"]) == ("true", winner)
    assert {row["account_to_id"] for row in ground.newest("opportunity_partner").values()} == {winner}


def test_a_change_that_commits_late_is_not_lost(ground: Ground) -> None:
    """Its transaction began before the last reading, and its stamp says so."""
    one = deals(ground)[0]
    began = ground.org.now() - timedelta(minutes=8)
    ground.read()
    with ground.later(minutes=1).org.late(began):
        ground.org.update("Opportunity", one, Amount=7.0)
    ground.later(hours=1).read()
    assert ground.newest("opportunity")[one]["amount"] == "7"


@pytest.mark.parametrize(("options", "is_found"), [({"lookback_minutes": 0}, False), ({"lookback_minutes": 20}, True)])
def test_the_lookback_decides_how_late_is_too_late(ground: Ground, options: dict[str, int], is_found: bool) -> None:
    one = deals(ground)[0]
    began = ground.org.now() - timedelta(minutes=15)
    ground.read(**options)
    with ground.later(minutes=1).org.late(began):
        ground.org.update("Opportunity", one, Amount=7.0)
    ground.later(hours=1).read(**options)
    assert (ground.newest("opportunity")[one]["amount"] == "7") is is_found


def test_what_is_younger_than_it_should_be_waits_for_the_next_reading(ground: Ground) -> None:
    one = deals(ground)[0]
    ground.read(settle_minutes=10)
    ground.later(days=1).org.update("Opportunity", one, Amount=7.0)
    ground.later(minutes=5).read(settle_minutes=10)
    assert ground.newest("opportunity")[one]["amount"] == "1000.5"
    ground.later(minutes=6).read(settle_minutes=10)
    assert ground.newest("opportunity")[one]["amount"] == "7"


def test_many_rows_of_one_stamp_are_all_read(ground: Ground) -> None:
    ground.org.page_size = 7
    ground.read()
    ground.later(hours=1)
    account = ground.org.rows("Account")[0]["Id"]
    for number in range(50):
        ground.org.create("Opportunity", Name=f"Mass {number}", AccountId=account, StageName="Prospecting")
    ground.read()
    # One more of the same second, after the reading.
    ground.org.create("Opportunity", Name="Late sibling", AccountId=account, StageName="Prospecting")
    ground.later(hours=1).read()
    assert told(ground) == truth(ground, "opportunity", "Opportunity")


@pytest.mark.parametrize("above", [10_000, 0], ids=["rest", "bulk"])
def test_rows_that_change_while_others_are_read_are_neither_lost_nor_doubled(ground: Ground, above: int) -> None:
    org = ground.org
    account = org.rows("Account")[0]["Id"]
    for number in range(30):
        org.set_clock(BEGAN - timedelta(days=200 - number))
        org.create("Opportunity", Name=f"Deal {number}", AccountId=account, StageName="Prospecting", Amount=1.0)
    org.set_clock(BEGAN)
    org.page_size = org.bulk_page_size = 5
    pages = [0]

    def move(method: str, target: str) -> None:
        if "/query/01g" in target or "/results" in target:
            pages[0] += 1
            org.advance(seconds=1)
            org.update("Opportunity", deals(ground)[pages[0] % 33], Amount=100.0 + pages[0])
            if pages[0] % 4 == 0:
                org.purge("Opportunity", deals(ground)[-1])

    org.on_request.append(move)
    ground.read(use_bulk_above=above)
    org.on_request.clear()
    assert pages[0] >= 5
    ground.later(minutes=1).read(use_bulk_above=above)
    ground.later(days=8).read(use_bulk_above=above)
    there = truth(ground, "opportunity", "Opportunity")
    lake = told(ground)
    assert {key: lake[key] for key in there} == there
    assert {lake[key][2] for key in set(lake) - set(there)} <= {"true"}
    for load in {row["load_id"] for row in ground.versions("opportunity")}:
        ids = [row["id"] for row in ground.versions("opportunity") if row["load_id"] == load]
        assert len(ids) == len(set(ids))


def test_a_first_reading_in_parts_goes_on_after_a_stop(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    org = ground.org
    account = org.rows("Account")[0]["Id"]
    for number in range(60):
        org.set_clock(BEGAN - timedelta(days=300 - 5 * number))
        org.create("Opportunity", Name=f"Deal {number}", AccountId=account, StageName="Prospecting", Amount=1.0)
    org.set_clock(BEGAN)
    monkeypatch.setattr("pipelines.connectors.salesforce.reading._ROWS_PER_WINDOW", 10)
    org.faults.add(Fault(("GET", r"/queryAll.*FROM\+Opportunity\+WHERE"), "status", nth=4, times=0, code=503))
    with pytest.raises(SourceDown):
        ground.read()
    parts = [x for x in ground.asked("queryAll") if "FROM+Opportunity+WHERE" in x]
    assert len(parts) == 3
    assert len(org.faults.struck) == 4
    assert ground.loads() == []
    org.faults.clear()
    org.requests.clear()
    # A change in a part that is read already must not be missed by the rest.
    ground.later(hours=1).org.update("Opportunity", deals(ground)[5], Amount=77.0)
    ground.read()
    rest = [x for x in ground.asked("queryAll") if "FROM+Opportunity+WHERE" in x]
    assert rest
    assert set(parts).isdisjoint(rest)
    ground.later(hours=1).read()
    assert told(ground) == truth(ground, "opportunity", "Opportunity")


def test_a_start_date_leaves_older_deals_and_what_belongs_to_them_out(ground: Ground) -> None:
    """Accounts are read from the beginning: what is younger points at them."""
    start = sorted(row["SystemModstamp"] for row in ground.org.rows("Opportunity"))[1][:10]
    ground.read(start_date=start)
    kept = {row["id"] for row in ground.versions("opportunity")}
    assert len(kept) == 2
    assert {row["opportunity_id"] for row in ground.versions("opportunity_partner")} == kept
    assert {row["opportunity_id"] for row in ground.versions("opportunity_history")} == kept
    assert len(ground.versions("account")) == 3
    old = next(key for key in deals(ground) if key not in kept)
    ground.later(hours=1).org.update("Opportunity", old, Amount=9.0)
    ground.later(minutes=1).read(start_date=start)
    assert old in ground.newest("opportunity")
    assert len(ground.newest("opportunity_partner")) == 3


def live(ground: Ground, chance: random.Random, count: int, *, purges: bool = True) -> None:
    """So many random events in the lives of the org's opportunities."""
    org = ground.org
    accounts = [row["Id"] for row in org.rows("Account")]
    for _ in range(count):
        org.advance(seconds=chance.choice((0, 0, 1, 240, 3600)))
        rows = org.rows("Opportunity")
        alive = [row["Id"] for row in rows if not row["IsDeleted"]]
        binned = [row["Id"] for row in rows if row["IsDeleted"]]
        began = org.now() - timedelta(seconds=chance.choice((0, 0, 30, 500)))
        with org.late(began):
            step = chance.random()
            if step < 0.35 or not alive:
                org.create(
                    "Opportunity", AccountId=chance.choice(accounts), Name="Deal", Amount=float(chance.randrange(9999)),
                    StageName="Prospecting",
                )  # fmt: skip
            elif step < 0.6:
                org.update("Opportunity", chance.choice(alive), Amount=float(chance.randrange(9999)))
            elif step < 0.75:
                org.update("Opportunity", chance.choice(alive), StageName=chance.choice(["Closed Won", "Closed Lost"]))
            elif step < 0.85:
                org.delete("Opportunity", chance.choice(alive))
            elif step < 0.95 and binned:
                org.undelete("Opportunity", chance.choice(binned))
            elif step < 0.97 and purges:
                org.purge("Opportunity", chance.choice(alive))


@pytest.mark.parametrize("seed", range(2))
def test_random_lives_in_many_readings_end_where_one_reading_does(ground: Ground, seed: int) -> None:
    chance = random.Random(seed)
    org = ground.org
    org.page_size, org.bulk_page_size = 6, 9
    # Hours go by between two pages.
    org.locator_lifetime = org.token_lifetime = timedelta(days=30)

    def meanwhile(method: str, target: str) -> None:
        if "/query/01g" in target and chance.random() < 0.3:
            live(ground, chance, 1, purges=False)

    for _ in range(5):
        live(ground, chance, 25)
        org.on_request.append(meanwhile)
        ground.read(use_bulk_above=chance.choice((0, 10, 10_000)), accept_shrunk=FEWER)
        org.on_request.clear()
        ground.later(minutes=chance.choice((0, 3, 60)))
    ground.later(minutes=30).read(accept_shrunk=FEWER)
    ground.later(days=8).read(accept_shrunk=FEWER)
    there = truth(ground, "opportunity", "Opportunity")
    lake = told(ground)
    assert {key: lake.get(key) for key in there} == there
    assert {lake[key][2] for key in set(lake) - set(there)} <= {"true"}
    newest: dict[str, Row] = ground.newest("opportunity_history")
    alive = {row["Id"] for row in org.rows("OpportunityHistory") if not row["IsDeleted"]}
    assert {key for key, row in newest.items() if row["is_deleted"] == "false"} == alive

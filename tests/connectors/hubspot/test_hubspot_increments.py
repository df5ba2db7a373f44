"""What stands in the lake after several readings: nothing lost, nothing twice, whatever the account went through."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from demo.vendors.hubspot import HubspotAccount
from pipelines.lake import Reads
from tests.connectors.hubspot.ground import BEGAN, Ground, busy, filled, grounds

DAY = 24 * 60


def test_a_first_reading_fills_the_tables_and_a_second_brings_only_what_changed(ground: Ground) -> None:
    companies, made = filled(ground)
    first = ground.read()
    assert {table: one.rows for table, one in first.items() if one.rows} == {
        "account": 1, "association_label": 2, "company": 3, "deal": 3, "deal_company": 3, "deal_stage_history": 6,
        "pipeline_stage": 7,
    }  # fmt: skip
    ground.account.advance(hours=5)
    ground.account.update("deals", made[0], {"amount": "11.00"})
    new = ground.account.create("deals", {"dealname": "New"})
    second = ground.next_read()
    assert {table: one.rows for table, one in second.items() if one.is_new} == {
        "deal": 2, "deal_company": 1, "deal_stage_history": 1,
    }  # fmt: skip
    assert ground.newest("deal", "amount") == {
        str(made[0]): "11.00", str(made[1]): "10.00", str(made[2]): "10.00", str(new): None,
    }  # fmt: skip
    assert [load.mode for load in ground.loads("deal")] == ["snapshot", "increment"]
    ground.next_read(minutes=600)
    assert len(ground.loads("deal")) == 2, "nothing new is no load"
    mark = Reads.of(ground.places.lake, "hubspot").cursor("deal")
    assert mark == ground.account.clock - timedelta(minutes=5)
    assert len(companies) == 3


def test_a_change_that_search_shows_late_is_found_by_the_next_reading(ground: Ground) -> None:
    _, made = filled(ground)
    ground.read()
    account = ground.account
    account.search_lag = timedelta(minutes=40)
    account.advance(minutes=30)
    account.update("deals", made[0], {"amount": "77.00"})
    account.advance(minutes=20)
    ground.read()
    assert ground.newest("deal", "amount")[str(made[0])] == "10.00", "search does not show it yet"
    ground.next_read(minutes=30)
    assert ground.newest("deal", "amount")[str(made[0])] == "77.00", "its stamp lies before the last reading"


def test_a_change_at_the_moment_of_reading_is_left_to_the_next_one(ground: Ground) -> None:
    _, made = filled(ground)
    ground.read()
    ground.account.advance(hours=2)
    ground.account.update("deals", made[0], {"amount": "12.00"})
    ground.read()
    assert ground.newest("deal", "amount")[str(made[0])] == "10.00", "younger than the settling time"
    ground.next_read(minutes=6)
    assert ground.newest("deal", "amount")[str(made[0])] == "12.00"


def test_a_newly_wanted_property_is_read_for_all_records(ground: Ground) -> None:
    _, made = filled(ground)
    ground.account.define_property("deals", "registration")
    ground.account.update("deals", made[2], {"registration": "R-1"})
    ground.read()
    landed = ground.next_read(minutes=2 * DAY, custom_properties={"deals": ["registration"]})
    assert (landed["deal"].rows, ground.loads("deal")[-1].mode) == (3, "snapshot")
    assert ground.newest("deal", "custom_properties")[str(made[2])] == '{"registration":"R-1"}'


def test_an_association_that_changes_without_a_stamp_is_seen_on_an_open_deal_at_once(ground: Ground) -> None:
    companies, made = filled(ground)
    ground.read()
    ground.account.advance(hours=5)
    ground.account.associate("deals", made[0], "companies", companies[0], "Reseller")
    ground.account.dissociate("deals", made[1], "companies", companies[1])
    landed = ground.next_read()
    assert {table: one.rows for table, one in landed.items() if one.is_new} == {
        "association_label": 3, "deal_company": 2,
    }  # fmt: skip
    assert (str(companies[0]), "Reseller") in ground.companies_of(made[0])
    assert ground.companies_of(made[1]) == []


def test_an_association_of_a_closed_deal_is_seen_within_a_week(ground: Ground) -> None:
    companies, made = filled(ground)
    busy(ground)
    ground.account.update("deals", made[0], {"dealstage": "closedwon"})
    ground.account.advance(hours=3)
    ground.read()
    ground.account.advance(hours=5)
    ground.account.associate("deals", made[0], "companies", companies[0], "Reseller")
    ground.next_read()
    assert (str(companies[0]), "Reseller") not in ground.companies_of(made[0])
    seen = [False]
    for _ in range(3):
        ground.next_read(minutes=2.5 * DAY)
        seen.append((str(companies[0]), "Reseller") in ground.companies_of(made[0]))
    assert seen[-1]
    assert sum(now and not before for before, now in pairwise(seen)) == 1


def test_an_archived_record_is_deleted_and_may_come_back(ground: Ground) -> None:
    _, made = filled(ground)
    ground.read()
    ground.account.advance(hours=2)
    ground.account.archive("deals", made[1])
    assert ground.next_read()["deal"].rows == 1
    assert ground.newest("deal", "is_deleted", "dealname")[str(made[1])] == ("true", "Deal 1")
    assert not ground.next_read()["deal"].is_new, "it stays in the archive and is no news"
    ground.account.advance(hours=1)
    ground.account.restore("deals", made[1])
    ground.next_read()
    assert ground.newest("deal", "is_deleted")[str(made[1])] == "false"


def test_a_purged_record_is_marked_deleted_by_the_weekly_pass(ground: Ground) -> None:
    _, made = filled(ground)
    busy(ground)
    ground.read()
    ground.account.purge("deals", made[0])
    ground.next_read()
    assert str(made[0]) in ground.live("deal"), "nothing tells of it"
    ground.next_read(minutes=8 * DAY)
    assert ground.live("deal") == {str(made[1]), str(made[2])}
    assert ground.newest("deal", "dealname")[str(made[0])] == "Deal 0"


def test_an_object_without_records_is_no_hindrance_to_the_weekly_pass(ground: Ground) -> None:
    filled(ground)
    ground.read()
    landed = ground.next_read(minutes=8 * DAY)
    assert (landed["meeting"].rows, landed["meeting"].is_new) == (0, False)


# -- life stories --------------------------------------------------------------------------------------------------


class Story:
    """Something happens to a record, at random."""

    def __init__(self, account: HubspotAccount, seed: int) -> None:
        self._account = account
        self._chance = random.Random(seed)
        for n in range(4):
            account.create("companies", {"name": f"Company {n}"})
        self._deal()

    def happen(self) -> None:
        """One step: something is made, changed, moved, archived, restored, purged, merged or associated."""
        account, chance = self._account, self._chance
        account.advance(minutes=chance.choice((0, 0, 1, 7, 50)))
        live = [n for n, one in account.records["deals"].items() if one.archived_at is None]
        gone = [n for n, one in account.records["deals"].items() if one.archived_at is not None]
        what = chance.choice(
            ("create", "create", "amend", "amend", "move", "stamp_late", "archive", "restore", "purge", "merge", "link",
             "unlink")
        )  # fmt: skip
        if what == "create" or len(live) < 3:
            self._deal()
        elif what == "amend":
            account.update("deals", chance.choice(live), {"amount": f"{chance.randrange(10_000)}.00"})
        elif what == "move":
            account.update("deals", chance.choice(live), {"dealstage": chance.choice(("contractsent", "closedwon"))})
        elif what == "stamp_late":
            late = account.clock - timedelta(minutes=chance.randrange(40))
            account.update("deals", chance.choice(live), {"amount": "1.23"}, at=late)
        elif what == "archive":
            account.archive("deals", chance.choice(live))
        elif what == "restore" and gone:
            account.restore("deals", chance.choice(gone))
        elif what == "purge":
            account.purge("deals", chance.choice(live))
        elif what == "merge":
            winner, loser = chance.sample(live, 2)
            account.merge("deals", winner, loser)
        elif what == "link":
            account.associate("deals", chance.choice(live), "companies", chance.randrange(101, 105), "Reseller")
        elif what == "unlink":
            account.dissociate("deals", chance.choice(live), "companies", chance.randrange(101, 105))

    def _deal(self) -> None:
        stage = self._chance.choice(("contractsent", "closedwon"))
        deal = self._account.create("deals", {"amount": "5.00", "dealstage": stage})
        self._account.associate("deals", deal, "companies", self._chance.randrange(101, 105), primary=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_life_read_in_pieces_ends_as_a_life_read_at_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deals that are made, changed, moved, archived, restored, purged and merged, read at random moments; then read
    once by somebody who was not there."""
    account = HubspotAccount(clock=BEGAN)
    (tmp_path / "pieces").mkdir()
    (tmp_path / "whole").mkdir()
    chance = random.Random(1000 + seed)
    with grounds(tmp_path / "pieces", monkeypatch, account) as pieces:
        story = Story(account, seed)
        busy(pieces)
        pieces.account.search_lag = timedelta(minutes=chance.choice((0, 3, 20)))
        for _ in range(4):
            pieces.next_read()
            for _ in range(30):
                story.happen()
        # Two readings more than a week apart see what went without a stamp.
        pieces.next_read(minutes=8 * DAY)
        pieces.next_read(minutes=8 * DAY)
        with grounds(tmp_path / "whole", monkeypatch, account) as whole:
            whole.read()
            live = whole.live("deal")
            assert live == {str(n) for n, one in account.records["deals"].items() if one.archived_at is None}
            assert pieces.live("deal") == live
            for table, columns in {
                "deal": ("amount", "dealstage", "hs_is_closed_won"), "deal_company": ("companies",),
                "merged_record": ("winner_id",),
            }.items():  # fmt: skip
                there, again = (one.newest(table, *columns) for one in (whole, pieces))
                # Whoever was there all the time knows of merges whose winner is gone by now.
                wanted = live if table != "merged_record" else set(there)
                assert {key: again.get(key) for key in wanted} == {key: there[key] for key in wanted}, table
            kept = whole.newest("deal_stage_history", "value")
            assert {key: pieces.newest("deal_stage_history", "value").get(key) for key in kept} == kept

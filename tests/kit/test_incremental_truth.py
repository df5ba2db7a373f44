"""Ten readings at random moments of a vendor that never stands still end where one full reading ends.

A thousand records live through random stories: they are created, change, are deleted, come back, vanish without a word,
and carry stamps that are late or equal; some of it happens between two pages of a reading, and some readings break off
and are resumed. Whatever the seed: nothing lost, nothing twice. A seed that fails is told by the test's name.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from demo.vendors.faults import Fault
from demo.vendors.hubspot import HubspotAccount
from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.serving import serve
from pipelines.connector import Instance, find
from pipelines.extract import extract
from pipelines.http import SourceError
from pipelines.lake import chosen, lay_views, loads
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places, memory
from tests.kit.vendor import BEGAN, Orchard, instance

RECORDS, READINGS = 1000, 10
# More seeds on a machine that has the time: STORY_SEEDS=100 pytest -m slow tests/kit/test_incremental_truth.py
SEEDS = int(os.environ.get("STORY_SEEDS", "4"))
ATTEMPTS = 2
# How far a stamp may lie behind the moment of its change, and our clock beside the vendor's. Together they stay within
# the look-back of ten minutes; nothing can be promised beyond it.
LATEST, CLOCKS_APART = 6, 3

State = tuple[str | None, ...]


class Story(Protocol):
    """What the test needs of a fake vendor, whichever it is."""

    table: str
    """The raw table that is watched."""
    key: str
    deleted: str
    """Raw columns: the id, and the mark of a deleted record ('true')."""
    watched: tuple[str, ...]
    """Raw columns that make up a record's state."""

    def running(self) -> Any:
        """A context in which the vendor can be asked."""
        ...

    def instance(self) -> Instance:
        """The source, as a deployment has it."""
        ...

    def spelled(self, raw: State) -> State:
        """A row of the lake in the words of `truth`."""
        ...

    def now(self) -> datetime: ...
    def wait(self, minutes: float) -> None: ...
    def names(self) -> list[str]: ...
    def gone(self) -> list[str]:
        """Records that were deleted and can be brought back."""
        ...

    def create(self, late: int = 0) -> None: ...
    def change(self, name: str, chance: random.Random, late: int = 0) -> None: ...
    def change_again(self, name: str, chance: random.Random) -> None:
        """Another change with the very stamp of the last one, where that is not too long ago."""
        ...

    def delete(self, name: str) -> None: ...
    def undelete(self, name: str) -> None: ...
    def purge(self, name: str) -> None:
        """Remove it without a word."""
        ...

    def on_page(self, event: Callable[[], None] | None) -> None:
        """Have something happen before every page."""
        ...

    def break_off(self, chance: random.Random) -> None:
        """Let a page of the next reading fail for good."""
        ...

    def mend(self) -> None: ...
    def truth(self) -> dict[str, State]:
        """What is watched of every record that exists and is not deleted."""
        ...


@dataclass
class OrchardStory:
    """The invented vendor."""

    by_position: bool = False
    window_hours: int | None = None
    table: str = "orders"
    key: str = "id"
    deleted: str = "is_deleted"
    watched: tuple[str, ...] = ("amount", "stage", "changed_at")
    orchard: Orchard = field(default_factory=lambda: Orchard(page_size=100))
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        self.orchard.pages_by_position = self.by_position
        with self.orchard.running() as self.url:
            yield

    def instance(self) -> Instance:
        http = {"attempts": ATTEMPTS, "backoff_seconds": 0, "timeout_seconds": 20}
        return instance(self.url, window_hours=self.window_hours, reconcile_hours=24 * 5, http=http)

    def spelled(self, raw: State) -> State:
        return raw

    def now(self) -> datetime:
        return self.orchard.now

    def wait(self, minutes: float) -> None:
        self.orchard.minutes += round(minutes)

    def names(self) -> list[str]:
        return sorted(name for name, row in self.orchard.orders.items() if not row["is_deleted"])

    def gone(self) -> list[str]:
        return sorted(name for name, row in self.orchard.orders.items() if row["is_deleted"])

    def _stamp(self, name: str, late: int) -> datetime:
        """Late, but never before the record's own last stamp: a record is changed by one transaction at a time."""
        last = self.orchard.orders.get(name, {}).get("changed_at", BEGAN.isoformat())
        return max(self.now() - timedelta(minutes=late), datetime.fromisoformat(last))

    def create(self, late: int = 0) -> None:
        name = f"o{len(self.orchard.orders):05d}"
        while name in self.orchard.orders:
            name = f"{name}x"
        self.orchard.put(name, at=self._stamp(name, late), amount=0, stage="new")

    def change(self, name: str, chance: random.Random, late: int = 0) -> None:
        what = chance.choice(({"stage": chance.choice("abcdef")}, {"amount": chance.randint(1, 10**6) / 100}))
        self.orchard.put(name, at=self._stamp(name, late), **what)

    def change_again(self, name: str, chance: random.Random) -> None:
        self.change(name, chance, LATEST)

    def delete(self, name: str) -> None:
        self.orchard.delete(name)

    def undelete(self, name: str) -> None:
        self.orchard.put(name, is_deleted=False)

    def purge(self, name: str) -> None:
        self.orchard.purge(name)

    def on_page(self, event: Callable[[], None] | None) -> None:
        self.orchard.on_page = (lambda orchard: event()) if event else None

    def break_off(self, chance: random.Random) -> None:
        orders, nth = ("GET", "/v1/(orders|ids)"), chance.choice((1, 1, 2, 2, 3, 8))
        self.orchard.faults.add(chance.choice((
            Fault(orders, "status", nth=nth, times=ATTEMPTS, code=503),
            Fault(orders, "reset", nth=nth, times=ATTEMPTS),
            Fault(orders, "null_data", nth=nth, times=ATTEMPTS),
            Fault(orders, "error200", nth=nth, times=ATTEMPTS, body={"error": "try later"}),
            Fault(orders, "status", nth=nth, code=429, headers={"X-Quota": "0"}),
        )))  # fmt: skip

    def mend(self) -> None:
        self.orchard.faults.clear()

    def truth(self) -> dict[str, State]:
        return {name: self._state(name) for name in self.names()}

    def _state(self, name: str) -> State:
        row = self.orchard.orders[name]
        return (str(row["amount"]), row["stage"], row["changed_at"])


@dataclass
class SalesforceStory:
    """Opportunities of an org, by SystemModstamp and queryAll; with `bulk` what is much comes as Bulk jobs."""

    bulk: bool = False
    table: str = "opportunity"
    key: str = "id"
    deleted: str = "is_deleted"
    watched: tuple[str, ...] = ("amount", "stage_name", "system_modstamp")
    org: SalesforceOrg = field(default_factory=SalesforceOrg)
    account: str = ""
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        self.org.set_clock(BEGAN)
        self.account = self.org.create("Account", Name="Vela Foods", IsPartner=True, AccountNumber="P-1")
        with pytest.MonkeyPatch.context() as patch, serve(self.org.app()) as served:
            patch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", self.org.app_key)
            patch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", self.org.app_secret)
            # Bulk jobs are polled.
            patch.setattr("pipelines.http.sleep", lambda seconds: None)
            self.url = served.url
            yield

    def instance(self) -> Instance:
        connector = find("salesforce")
        options = connector.options(
            domain=self.url, reconcile_every_days=5, use_bulk_above=300 if self.bulk else 10**6,
            http={"attempts": ATTEMPTS, "backoff_seconds": 0, "timeout_seconds": 20},
        )  # fmt: skip
        return Instance("salesforce", connector, options, Path())

    def spelled(self, raw: State) -> State:
        amount, stage, stamp = raw
        return (f"{float(amount or 'nan'):.2f}", stage, datetime.fromisoformat(stamp or "").isoformat())

    def now(self) -> datetime:
        return self.org.now()

    def wait(self, minutes: float) -> None:
        self.org.advance(minutes=minutes)

    def _keys(self, *, is_deleted: bool) -> list[str]:
        return sorted(row["Id"] for row in self.org.rows("Opportunity") if row["IsDeleted"] is is_deleted)

    def names(self) -> list[str]:
        return self._keys(is_deleted=False)

    def gone(self) -> list[str]:
        return self._keys(is_deleted=True)

    def create(self, late: int = 0) -> None:
        with self.org.late(self.now() - timedelta(minutes=late)):
            self.org.create(
                "Opportunity", Name="Deal", AccountId=self.account, StageName="Prospecting", Amount=0.5,
                CloseDate="2026-08-14",
            )  # fmt: skip

    def change(self, name: str, chance: random.Random, late: int = 0) -> None:
        last = datetime.fromisoformat(self.org.tables["Opportunity"].records[name]["SystemModstamp"])
        with self.org.late(max(last, self.now() - timedelta(minutes=late))):
            if chance.random() < 0.5:
                stage = chance.choice(("Prospecting", "Qualification", "Closed Won", "Closed Lost"))
                self.org.update("Opportunity", name, StageName=stage)
            else:
                self.org.update("Opportunity", name, Amount=chance.randint(1, 10**6) / 100)

    def change_again(self, name: str, chance: random.Random) -> None:
        self.change(name, chance, LATEST)

    def delete(self, name: str) -> None:
        self.org.delete("Opportunity", name)

    def undelete(self, name: str) -> None:
        self.org.undelete("Opportunity", name)

    def purge(self, name: str) -> None:
        self.org.purge("Opportunity", name)

    def on_page(self, event: Callable[[], None] | None) -> None:
        self.org.on_request[:] = [lambda method, target: event()] if event else []

    def break_off(self, chance: random.Random) -> None:
        rows, nth = ("*", r"/quer|/jobs/"), chance.randint(1, 25)
        spent = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
        self.org.faults.add(chance.choice((
            Fault(rows, "status", nth=nth, times=ATTEMPTS, code=503),
            Fault(rows, "reset", nth=nth, times=ATTEMPTS),
            Fault(rows, "short", nth=nth, times=ATTEMPTS),
            Fault(rows, "html", nth=nth, times=ATTEMPTS),
            Fault(rows, "status", nth=nth, code=403, body=spent),
        )))  # fmt: skip

    def mend(self) -> None:
        self.org.faults.clear()

    def truth(self) -> dict[str, State]:
        return {
            row["Id"]: self.spelled((str(row["Amount"]), row["StageName"], row["SystemModstamp"]))
            for row in self.org.rows("Opportunity")
            if not row["IsDeleted"]
        }


@dataclass
class HubspotStory:
    """Deals of an account. `lag`: for so many minutes search knows nothing of a change; its pages are in disorder."""

    lag: int = 0
    table: str = "deal"
    key: str = "id"
    deleted: str = "is_deleted"
    watched: tuple[str, ...] = ("amount", "dealstage", "updated_at")
    account: HubspotAccount = field(default_factory=lambda: HubspotAccount(clock=BEGAN))
    url: str = ""
    event: Callable[[], None] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self.account.add_key("pat-story")
        self.account.create("companies", {"name": "Vela Foods", "type": "PARTNER"})
        self.account.search_lag = timedelta(minutes=self.lag)
        self.account.is_search_disordered = bool(self.lag)
        answers = self.account.app()

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            if self.event:
                self.event()
            await answers(scope, receive, send)

        with pytest.MonkeyPatch.context() as patch, serve(watched) as served:
            patch.setenv("SEGMENTS_HUBSPOT_TOKEN", "pat-story")
            patch.setattr("pipelines.http.sleep", lambda seconds: None)
            self.url = served.url
            yield

    def instance(self) -> Instance:
        connector = find("hubspot")
        options = connector.options(
            base_url=self.url, searches_per_second=1000, reconcile_every_days=5,
            http={"attempts": ATTEMPTS, "backoff_seconds": 0, "timeout_seconds": 20},
        )  # fmt: skip
        return Instance("hubspot", connector, options, Path())

    def spelled(self, raw: State) -> State:
        amount, stage, stamp = raw
        return (amount, stage, datetime.fromisoformat(stamp or "").isoformat())

    def now(self) -> datetime:
        return self.account.clock

    def wait(self, minutes: float) -> None:
        self.account.advance(minutes=minutes)

    def _ids(self, *, is_archived: bool) -> list[str]:
        with self.account.lock:
            deals = self.account.records["deals"]
            return [str(id) for id, deal in sorted(deals.items()) if (deal.archived_at is not None) is is_archived]

    def names(self) -> list[str]:
        return self._ids(is_archived=False)

    def gone(self) -> list[str]:
        return self._ids(is_archived=True)

    def create(self, late: int = 0) -> None:
        at = self.now() - timedelta(minutes=late)
        self.account.create("deals", {"dealname": "Deal", "amount": "0.50", "dealstage": "contractsent"}, at=at)

    def change(self, name: str, chance: random.Random, late: int = 0) -> None:
        at = max(self.account.records["deals"][int(name)].updated, self.now() - timedelta(minutes=late))
        stages = ("appointmentscheduled", "contractsent", "closedwon", "closedlost")
        amount = f"{chance.randint(1, 10**6) / 100:.2f}"
        ways: list[dict[str, str | None]] = [{"dealstage": chance.choice(stages)}, {"amount": amount}]
        self.account.update("deals", int(name), chance.choice(ways), at=at)

    def change_again(self, name: str, chance: random.Random) -> None:
        self.change(name, chance, LATEST)

    def delete(self, name: str) -> None:
        self.account.archive("deals", int(name))

    def undelete(self, name: str) -> None:
        self.account.restore("deals", int(name))

    def purge(self, name: str) -> None:
        self.account.purge("deals", int(name))

    def on_page(self, event: Callable[[], None] | None) -> None:
        self.event = event

    def break_off(self, chance: random.Random) -> None:
        deals, nth = ("*", r"/deals|/objects/0-3"), chance.randint(1, 12)
        self.account.faults.add(chance.choice((
            Fault(deals, "status", nth=nth, times=ATTEMPTS, code=502),
            Fault(deals, "reset", nth=nth, times=ATTEMPTS),
            Fault(deals, "missing_data", nth=nth, times=ATTEMPTS),
            Fault(deals, "html", nth=nth, times=ATTEMPTS),
        )))  # fmt: skip

    def mend(self) -> None:
        self.account.faults.clear()

    def truth(self) -> dict[str, State]:
        with self.account.lock:
            there = {id: deal for id, deal in self.account.records["deals"].items() if deal.archived_at is None}
            return {
                str(id): (deal.properties["amount"], deal.properties["dealstage"], deal.updated.isoformat())
                for id, deal in there.items()
            }


STORIES: dict[str, Callable[[], Story]] = {
    "orchard": OrchardStory,
    "orchard in windows": lambda: OrchardStory(window_hours=24 * 4),
    "orchard by position": lambda: OrchardStory(by_position=True),
    "salesforce": SalesforceStory,
    "salesforce with bulk": lambda: SalesforceStory(bulk=True),
    "hubspot": HubspotStory,
    "hubspot with a search that lags": lambda: HubspotStory(lag=3),
}


def happens(story: Story, chance: random.Random, *, is_quiet: bool = False) -> None:
    """One random thing. `is_quiet`: only what no way of paging can lose, which is what comes in behind."""
    late = chance.choice((0, 0, 0, *range(1, LATEST + 1)))
    living, gone = story.names(), story.gone()
    what = "create" if is_quiet or not living else chance.choices(
        ("create", "change", "again", "delete", "undelete", "purge"), (4, 60, 10, 6, 6, 4)
    )[0]  # fmt: skip
    if what == "create":
        story.create(late)
    elif what == "change":
        story.change(chance.choice(living), chance, late)
    elif what == "again":
        story.change_again(chance.choice(living), chance)
    elif what == "delete":
        story.delete(chance.choice(living))
    elif what == "undelete" and gone:
        story.undelete(chance.choice(gone))
    elif what == "purge":
        story.purge(chance.choice([*living, *gone]))


def read(settings: Settings, story: Story, monkeypatch: pytest.MonkeyPatch, *, apart: int = 0) -> None:
    monkeypatch.setenv("SEGMENTS_NOW", (story.now() + timedelta(minutes=apart)).isoformat())
    extract(settings, Places.of(settings), story.instance())


def deployment(folder: Path) -> Settings:
    folder.mkdir()
    file = folder / "segments.yml"
    file.write_text("sources: {one: {connector: files, options: {kind: crm}}}\npolicy: {active: none}\n")
    return read_settings(file)


def newest(settings: Settings, story: Story) -> tuple[dict[str, State], set[str]]:
    """What is watched of every record by its newest load, and which of them that load says are deleted.

    Also holds that no load has an id twice.
    """
    one = story.instance()
    with memory() as con:
        lay_views(con, Places.of(settings).lake, [one], known_at=None)
        table = f"raw_{one.connector.name}.{story.table}"
        _hold_once(con, table, story.key)
        rows = con.execute(
            f"select {story.key}, coalesce({story.deleted}, 'false') = 'true', {', '.join(story.watched)} from {table} "
            f"qualify row_number() over (partition by {story.key} order by known_at desc, "
            "cast(load_id as double) desc) = 1"
        ).fetchall()
    return {row[0]: story.spelled(row[2:]) for row in rows if not row[1]}, {row[0] for row in rows if row[1]}


def _hold_once(con: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    twice = con.execute(f"select load_id, {key}, count(*) from {table} group by all having count(*) > 1").fetchall()
    assert twice == [], "an id stands twice in one load"


def tell(story: Story, chance: random.Random, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the records live and read them ten times; how many readings broke off."""
    is_quiet = getattr(story, "by_position", False)
    broken = 0

    def meanwhile() -> None:
        for _ in range(chance.randint(0, 5)):
            happens(story, chance, is_quiet=is_quiet)

    for reading in range(READINGS):
        for _ in range(chance.randint(0, 150)):
            happens(story, chance)
            story.wait(chance.choice((0, 0, 0, 1, 5)))
        story.wait(chance.randint(15, 60 * 24 * 3))
        if chance.random() < 0.4:
            story.on_page(meanwhile)
        if chance.random() < 0.4 and reading < READINGS - 1:
            story.break_off(chance)
        apart = chance.randint(-CLOCKS_APART, CLOCKS_APART)
        try:
            read(settings, story, monkeypatch, apart=apart)
        except SourceError:
            broken += 1
        story.mend()
        story.on_page(None)
    return broken


def hold(story: Story, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(f"{seed} of a thousand records")
    parted, whole = deployment(folder / "parted"), deployment(folder / "whole")
    with story.running():
        for _ in range(RECORDS):
            story.create()
            story.wait(chance.choice((0, 0, 1, 30, 60)))
        tell(story, chance, parted, monkeypatch)
        # What vanished without a word is looked for every so often: that long after the last event all is known.
        story.wait(60 * 24 * 8)
        read(parted, story, monkeypatch)
        read(whole, story, monkeypatch)
        truth = story.truth()
        living, deleted = newest(parted, story)
        assert newest(whole, story)[0] == truth
        assert living.keys() == truth.keys()
        assert living == truth
        assert not deleted & truth.keys()
        # What a reading brought comes again with the next one's look-back, and is nothing new.
        story.change(story.names()[0], chance)
        counts = []
        for minutes in (7, 3):
            story.wait(minutes)
            read(parted, story, monkeypatch)
            counts.append(len({load.load_id for load in loads(Places.of(parted).lake, story.instance().name)}))
        assert counts[0] == counts[1], "a reading of nothing new landed something"
        assert newest(parted, story)[0] == story.truth()


# The vendors' own fakes have twenty tables where the invented one has one: half as many seeds.
TOLD = [(vendor, seed) for vendor in STORIES for seed in range(SEEDS if vendor.startswith("orchard") else SEEDS // 2)]
FEW = [("orchard", 0), ("orchard in windows", 1)]


@pytest.mark.parametrize(("vendor", "seed"), FEW)
def test_ten_readings_end_where_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, seed: int
) -> None:
    hold(STORIES[vendor](), seed, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(("vendor", "seed"), [one for one in TOLD if one not in FEW])
def test_ten_readings_end_where_one_ends_for_many_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, seed: int
) -> None:
    hold(STORIES[vendor](), seed, tmp_path, monkeypatch)


def test_the_stories_are_as_wild_as_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings break off, most of what is read are increments, and records vanish without a word: else the comparison
    above would say little."""
    story, chance = OrchardStory(window_hours=24 * 4), random.Random("0 of a thousand records")
    settings = deployment(tmp_path / "one")
    with story.running():
        for _ in range(RECORDS):
            story.create()
            story.wait(chance.choice((0, 0, 1, 30, 60)))
        broken = tell(story, chance, settings, monkeypatch)
        story.wait(60 * 24 * 8)
        read(settings, story, monkeypatch)
        increments = len(chosen(loads(Places.of(settings).lake, "orchard"), "orders")) - 1
        vanished = newest(settings, story)[1] - set(story.gone())
    assert broken >= 2
    assert increments >= 5
    assert len(vanished) >= 10

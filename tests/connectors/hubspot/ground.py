"""A HubSpot account over loopback HTTP, a lake beside it, and what stands in the lake after a reading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from demo.vendors.hubspot import Asked, HubspotAccount
from demo.vendors.serving import serve
from pipelines import http
from pipelines.connector import Instance, instances
from pipelines.connectors.hubspot.client import HubspotClient
from pipelines.extract import Landed, extract
from pipelines.lake import Load, lay_views, loads
from pipelines.pull import Window
from pipelines.settings import Settings, read_settings
from pipelines.shape import build, lay_inputs, plan
from pipelines.warehouse import Places, connect, memory, quoted

TOKEN = "pat-eu1-0b5e6a3c-not-a-real-one"
POLICIES = Path(__file__).resolve().parents[3] / "policies"
BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
Row = dict[str, Any]


@dataclass
class Ground:
    """One deployment over one account that is up."""

    root: Path
    account: HubspotAccount
    url: str
    monkeypatch: pytest.MonkeyPatch
    slept: list[float]
    options: dict[str, Any] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further sources over the same account: name and what their options have beside the first one's."""
    files: dict[str, Any] | None = None
    """Options of a source of files beside them."""
    rates: dict[str, float] = field(default_factory=dict)
    """Exchange rates of the deployment."""

    def settings(self, **options: Any) -> Settings:
        """The deployment file as it stands, with other options for this once."""
        own = {
            "base_url": self.url,
            "searches_per_second": 1000,
            "http": {"backoff_seconds": 0.01},
            **self.options,
            **options,
        }
        content = {
            "sources": {
                "hubspot": {"connector": "hubspot", "options": own},
                **{name: {"connector": "hubspot", "options": {**own, **more}} for name, more in self.others.items()},
                **({"files": {"connector": "files", "options": self.files}} if self.files else {}),
            },
            "as_of": self.account.clock.date(),
            "history_quarters": 4,
            "exchange_rates": [
                {"currency": code, "from": "2020-01-01", "rate": rate} for code, rate in self.rates.items()
            ],
            "policy": {"active": "sample-programme"},
            "paths": {"inputs": "inputs", "state": "state", "policies": str(POLICIES)},
        }
        file = self.root / "segments.yml"
        file.write_text(json.dumps(content, default=str), encoding="utf-8")
        return read_settings(file)

    def instance(self, **options: Any) -> Instance:
        """The source."""
        return instances(self.settings(**options))[0]

    @property
    def places(self) -> Places:
        """Where the lake is."""
        return Places.of(self.settings())

    @contextmanager
    def client(self, **options: Any) -> Iterator[HubspotClient]:
        """The connector's own session, without a lake."""
        self.monkeypatch.setenv("SEGMENTS_NOW", self.account.clock.isoformat())
        client = HubspotClient(self.instance(**options))
        try:
            yield client
        finally:
            client.close()

    def pages(self, table: str, window: Window | None = None, **options: Any) -> list[list[Row]]:
        """What the connector gives of one table: all of it, or what a window of time asks for."""
        with self.client(**options) as client:
            streams = {stream.table.name: stream for stream in client.streams()}
            self.account.asked.clear()
            return [list(page) for page in streams[table].read(window or Window())]  # type: ignore[arg-type]

    def table(self, table: str, window: Window | None = None, **options: Any) -> dict[str, Row]:
        """The same as rows by their ids; an id that comes twice is a mistake unless the rows are alike."""
        found: dict[str, Row] = {}
        for row in (row for page in self.pages(table, window, **options) for row in page):
            assert found.get(row["id"], row) == row, row["id"]
            found[row["id"]] = row
        return found

    def last(self, **duration: float) -> Window:
        """The window of so much time up to now."""
        return Window(self.account.clock - timedelta(**duration), self.account.clock)

    def read(self, **options: Any) -> dict[str, Landed]:
        """One extraction at the account's own time; what happened per table."""
        self.monkeypatch.setenv("SEGMENTS_NOW", self.account.clock.isoformat())
        settings = self.settings(**options)
        return {one.table: one for one in extract(settings, self.places, instances(settings)[0])}

    def next_read(self, minutes: float = 60, **options: Any) -> dict[str, Landed]:
        """One extraction some time later."""
        self.account.advance(minutes=minutes)
        return self.read(**options)

    def shape(self) -> duckdb.DuckDBPyConnection:
        """The conformed tables of what the lake holds, read-only; all sources are read first."""
        self.monkeypatch.setenv("SEGMENTS_NOW", self.account.clock.isoformat())
        settings = self.settings()
        for instance in instances(settings):
            extract(settings, self.places, instance)
        run = plan(settings)
        lay_inputs(run)
        build(run, select="+path:models/intermediate/conformed")
        return connect(run.places.warehouse, read_only=True)

    def rows(self, table: str) -> list[Row]:
        """What a raw view holds: every version of every row, oldest load first."""
        with memory() as con:
            lay_views(con, self.places.lake, [self.instance()], known_at=None)
            found = con.execute(
                f"select * from raw_hubspot.{quoted(table)} order by known_at, cast(load_id as double), file_row"
            )
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def newest(self, table: str, *columns: str) -> dict[str, Any]:
        """The newest version of every row by its id: one column of it, or several."""
        found = {row["id"]: tuple(row[name] for name in columns) for row in self.rows(table)}
        return {key: values[0] if len(columns) == 1 else values for key, values in found.items()}

    def live(self, table: str) -> set[str]:
        """Ids that are not deleted, as the newest version says."""
        return {key for key, deleted in self.newest(table, "is_deleted").items() if deleted != "true"}

    def companies_of(self, deal: int) -> list[tuple[str, str | None]]:
        """The companies of a deal with their labels, as the newest row says."""
        return [(one["id"], one["label"]) for one in json.loads(self.newest("deal_company", "companies")[str(deal)])]

    def loads(self, table: str) -> list[Load]:
        """The loads of one table, oldest first."""
        return [load for load in loads(self.places.lake, "hubspot") if load.table == table]

    def asked(self, end: str) -> list[Asked]:
        """The requests so far whose path ends so."""
        return [one for one in self.account.asked if one.path.endswith(end)]


@contextmanager
def grounds(root: Path, monkeypatch: pytest.MonkeyPatch, account: HubspotAccount | None = None) -> Iterator[Ground]:
    """Serve an account and lay out a deployment that reads it; pauses are noted and not slept."""
    account = account or HubspotAccount(clock=BEGAN)
    account.add_key(TOKEN)
    slept: list[float] = []
    monkeypatch.setattr(http, "sleep", slept.append)
    monkeypatch.setenv("SEGMENTS_HUBSPOT_TOKEN", TOKEN)
    with serve(account.app()) as served:
        yield Ground(root, account, served.url, monkeypatch, slept)


def filled(ground: Ground, count: int = 3) -> tuple[list[int], list[int]]:
    """Companies, the first a partner, and as many open deals, all of the second company."""
    account = ground.account
    companies = [account.create("companies", {"name": f"Company {n}"}) for n in range(max(count, 2))]
    account.update("companies", companies[0], {"type": "PARTNER"})
    deals = [
        account.create("deals", {"dealname": f"Deal {n}", "amount": "10.00", "dealstage": "contractsent"})
        for n in range(count)
    ]
    for deal in deals:
        account.associate("deals", deal, "companies", companies[1], primary=True)
    return companies, deals


def busy(ground: Ground) -> None:
    """A meeting, a call and a task with the first company."""
    account = ground.account
    for kind in ("meetings", "calls", "tasks"):
        activity = account.create(kind, {"hs_timestamp": "2026-02-01T10:00:00Z"})
        account.associate(kind, activity, "companies", min(account.records["companies"]))

"""An org that is up, a deployment that reads it, and what stands in the lake after a reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.serving import serve
from pipelines.connector import Instance, find
from pipelines.extract import Landed, extract
from pipelines.lake import Load, lay_views, loads
from pipelines.pull import Client
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places, memory

BEGAN = datetime(2026, 9, 1, 8, tzinfo=UTC)

Row = dict[str, Any]


@dataclass
class Ground:
    """One deployment over one org that is up; the org's clock is the run's."""

    settings: Settings
    org: SalesforceOrg
    url: str
    monkeypatch: pytest.MonkeyPatch
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def places(self) -> Places:
        return Places.of(self.settings)

    def instance(self, **options: Any) -> Instance:
        """The source, with its usual options and these."""
        connector = find("salesforce")
        usual = {"domain": self.url, "http": {"backoff_seconds": 0.001, "timeout_seconds": 5, "attempts": 4}}
        chosen = connector.options(**{**usual, **self.options, **options})
        return Instance("salesforce", connector, chosen, self.settings.folder("inputs"))

    def client(self, **options: Any) -> Client:
        """A session of the connector, as the kit opens it, at the org's own time."""
        self.monkeypatch.setenv("SEGMENTS_NOW", self.org.now().isoformat())
        instance = self.instance(**options)
        assert instance.connector.connect is not None
        return instance.connector.connect(instance)

    def read(self, *, accept_shrunk: frozenset[str] = frozenset(), **options: Any) -> list[Landed]:
        """One extraction at the org's own time."""
        self.monkeypatch.setenv("SEGMENTS_NOW", self.org.now().isoformat())
        return extract(self.settings, self.places, self.instance(**options), accept_shrunk=accept_shrunk)

    def later(self, **amounts: float) -> Ground:
        """Let time pass in the org and here."""
        self.org.advance(**amounts)
        return self

    def loads(self) -> list[Load]:
        return loads(self.places.lake, "salesforce")

    def versions(self, table: str) -> list[Row]:
        """Every version of every row of a raw table, oldest load first."""
        with memory() as con:
            lay_views(con, self.places.lake, [self.instance()], known_at=None)
            found = con.execute(f'select * from raw_salesforce."{table}" order by known_at, load_id, id')
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def newest(self, table: str) -> dict[str, Row]:
        """The version of every row that counts, by id: what the conformed layer takes."""
        return {row["id"]: row for row in self.versions(table)}

    def asked(self, pattern: str) -> list[str]:
        """The requests whose method and address hold a text."""
        return [f"{method} {target}" for method, target in self.org.requests if pattern in f"{method} {target}"]


@pytest.fixture
def org() -> SalesforceOrg:
    """An org whose clock stands at one moment."""
    made = SalesforceOrg()
    made.set_clock(BEGAN - timedelta(days=400))
    return made


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, org: SalesforceOrg) -> Iterator[Ground]:
    """The org with two partners, a customer and three deals, served, and the right secrets in the environment."""
    file = tmp_path / "segments.yml"
    file.write_text("sources: {salesforce: {connector: salesforce}}\npolicy: {active: none}\n")
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", org.app_key)
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", org.app_secret)
    first = org.create("Account", Name="Brightwater Systems", IsPartner=True, AccountNumber="P-1")
    org.create("Account", Name="Castlegate", IsPartner=True, AccountNumber="P-2")
    customer = org.create("Account", Name="Vela Foods", AccountNumber="C-1")
    for number in range(3):
        org.advance(days=30)
        deal = org.create(
            "Opportunity", Name=f"Deal {number}", AccountId=customer, StageName="Prospecting",
            Amount=1000.5 + number, CloseDate="2026-08-14",
        )  # fmt: skip
        org.add_partner(deal, first, "VAR/Reseller", is_primary=True)
    org.set_clock(BEGAN)
    with serve(org.app()) as served:
        yield Ground(read_settings(file), org, served.url, monkeypatch)

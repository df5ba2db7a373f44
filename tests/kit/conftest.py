"""A lake, an invented vendor and what stands in the lake after a reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.extract import Landed, extract
from pipelines.lake import lay_views, loads
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places, memory
from tests.kit.vendor import Orchard, instance


@dataclass
class Ground:
    """One deployment over one invented vendor that is up."""

    settings: Settings
    orchard: Orchard
    url: str
    monkeypatch: pytest.MonkeyPatch
    ahead: int = 0

    @property
    def places(self) -> Places:
        return Places.of(self.settings)

    def read(
        self, *, accept_shrunk: frozenset[str] = frozenset(), is_full: bool = False, **options: Any
    ) -> list[Landed]:
        """One extraction, at the vendor's own time."""
        moment = self.orchard.now + timedelta(minutes=self.ahead)
        self.monkeypatch.setenv("SEGMENTS_NOW", moment.isoformat())
        source = instance(self.url, **options)
        return extract(self.settings, self.places, source, accept_shrunk=accept_shrunk, is_full=is_full)

    def rows(self) -> list[dict[str, Any]]:
        """What the raw view holds: every version of every order, oldest load first."""
        with memory() as con:
            lay_views(con, self.places.lake, [instance(self.url)], known_at=None)
            found = con.execute(
                "select * exclude (file_name) from raw_orchard.orders order by known_at, cast(load_id as double), id"
            )
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def newest(self) -> dict[str, tuple[str | None, str | None]]:
        """Amount and deleted mark of every order as the newest load has it."""
        return {row["id"]: (row["amount"], row["is_deleted"]) for row in self.rows()}

    def load_count(self) -> int:
        return len({load.load_id for load in loads(self.places.lake, "orchard")})


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    file = tmp_path / "segments.yml"
    file.write_text("sources: {orchard: {connector: files, options: {kind: crm}}}\npolicy: {active: none}\n")
    orchard = Orchard(minutes=60 * 24)
    with orchard.running() as url:
        yield Ground(read_settings(file), orchard, url, monkeypatch)

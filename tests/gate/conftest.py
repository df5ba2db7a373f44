"""The gate's fixtures: a good and a bad pair of DuckDB files, built from `seeds/` once per run of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import yaml

from data_quality.gate import judge
from data_quality.promise import critical, never_null, rows_at_least, suite
from data_quality.suite import Suite, read_suites
from data_quality.verdict import Verdict

SEEDS = Path(__file__).parent / "seeds"

PARAMETERS: dict[str, Any] = {
    "quarter": "2026Q2",
    "quarter_start": date(2026, 4, 1),
    "quarter_end": date(2026, 6, 30),
    "as_of": date(2026, 6, 30),
    "known_at": datetime(2026, 7, 1, 6),
    "policy": "acme",
    "version": "2026-01",
    "previous_partner_count": 4,
}

ENTITIES = ("accounts", "deal_registrations", "meetings", "opportunities", "opportunity_partners")
"""What the sources of the seeds offer."""

BAD_PARAMETERS = {
    **PARAMETERS,
    "known_at": datetime(2026, 4, 1),
    "previous_partner_count": 1000,
    "refuse_stale_sources": True,
    "pseudo_partners": ("Pseudo",),
    "suppress_overlap_below": 5,
}
"""The run may know only what was loaded until April, the last release had many more partners, and small counts are
kept back."""


class Pair(NamedTuple):
    """A warehouse file and the candidate folder built from it."""

    warehouse: Path
    candidate: Path

    def change(self, sql: str, *, candidate: bool = True) -> None:
        """Run `sql` in the candidate's file or in the warehouse."""
        _run(self.candidate / "segments.duckdb" if candidate else self.warehouse, sql)

    def copy(self, folder: Path) -> Pair:
        """The same files once more, in another folder."""
        shutil.copytree(self.candidate, folder / "candidate")
        shutil.copy(self.warehouse, folder / "warehouse.duckdb")
        return Pair(folder / "warehouse.duckdb", folder / "candidate")

    def judge_by(self, suite: str, **parameters: Any) -> Verdict:
        """The verdict of one of our suites alone."""
        return self.judge(suites=[one for one in read_suites() if one.suite == suite], **parameters)

    def judge(
        self,
        *,
        suites: Sequence[Suite] | None = None,
        candidate_hash: str = "sha",
        entities: Collection[str] = ENTITIES,
        **parameters: Any,
    ) -> Verdict:
        """The gate's verdict on this pair."""
        return judge(
            warehouse=self.warehouse,
            candidate=self.candidate,
            parameters={**PARAMETERS, **parameters},
            entities=entities,
            candidate_hash=candidate_hash,
            suites=suites,
        )


def _run(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)


def _build(folder: Path, *names: str) -> Pair:
    pair = Pair(folder / "warehouse.duckdb", folder / "candidate")
    pair.candidate.mkdir(parents=True)
    for path, part in ((pair.warehouse, "warehouse"), (pair.candidate / "segments.duckdb", "candidate")):
        _run(path, "\n".join((SEEDS / f"{name}_{part}.sql").read_text(encoding="utf-8") for name in names))
    return pair


@pytest.fixture(scope="session")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Nobody changes these; take `good` for a copy."""
    return _build(tmp_path_factory.mktemp("good"), "good")


@pytest.fixture(scope="session")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The good files with every rule broken."""
    return _build(tmp_path_factory.mktemp("bad"), "good", "bad")


@pytest.fixture
def good(good_files: Pair, tmp_path: Path) -> Pair:
    """A good pair to change."""
    return good_files.copy(tmp_path)


@pytest.fixture(scope="session")
def good_verdict(good_files: Pair) -> Verdict:
    """What the gate says of the good files."""
    return good_files.judge(candidate_hash="sha-of-good")


@pytest.fixture(scope="session")
def bad_verdict(bad_files: Pair) -> Verdict:
    """What the gate says of the bad files."""
    return bad_files.judge(**BAD_PARAMETERS)


@pytest.fixture
def one_rule() -> Callable[..., list[Suite]]:
    """A suite over partner_segments that holds the keys' rules and one rule more, written as a line of YAML."""

    def made(rule: str, *, severity: str = "critical") -> list[Suite]:
        extra = {"name": "extra", "severity": severity, "says": "the extra rule failed: {sample}"}
        return [
            suite(
                "partner_segments",
                place="candidate",
                description="One row per partner.",
                key=["partner_id"],
                floor="there_are_partners",
                promises=[
                    critical("there_are_partners", "there are no partners", rows_at_least(1)),
                    critical("partner_is_named", "partners have no id", never_null("partner_id")),
                    {**extra, **yaml.safe_load(f"{{{rule}}}")},
                ],
            )
        ]

    return made

"""A deployment whose candidates are laid down by hand and whose verdicts are made up: no dbt, no gate, no seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result as Done
from typer.testing import CliRunner

from cli.quality import quality_app
from data_quality.approval import approve
from data_quality.record import remember
from data_quality.releasing import Judged, documents_of, findings_of
from data_quality.report import PAGE, write_page
from data_quality.suite import Severity
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines import release as room
from pipelines.release import Candidate, build_candidate
from pipelines.warehouse import Places, connect
from tests.conftest import ROOT, deployment_in
from tests.journey.test_release import lay_marts

RULES: tuple[tuple[str, Severity], ...] = (
    ("there_are_deals", "critical"),
    ("deal_is_dated", "critical"),
    ("amount_is_usual", "warning"),
    ("owner_is_known", "info"),
)
"""What the made-up verdicts speak of, all of the suite `deals`."""


def outcome(rule: str, severity: Severity, *, holds: bool) -> Result:
    """One rule's result; a failure with everything a failure may have."""
    if holds:
        return Result(suite="deals", table="deals", expectation=rule, severity=severity, success=True, says="it holds")
    return Result(
        suite="deals",
        table="deals",
        expectation=rule,
        severity=severity,
        success=False,
        observed="2 unexpected rows",
        unexpected_count=2,
        sample=("source=crm, source_id=D-7", "source=crm, source_id=D-9"),
        says=f"deals break the rule {rule}",
        sql="select source, source_id, owner from conformed.deals where amount > 100",
        partners=("P-0001", "P-0002"),
        at_risk=("P-0002",),
        reach="touches 2 partners, the level of 1 could differ (P-0002)",
    )


@dataclass
class Made:
    """The deployment, and what a run would do to it."""

    file: Path
    places: Places

    def split_rows(self) -> None:
        """A warehouse with nothing but rows that are believed or set aside."""
        with connect(self.places.warehouse) as con:
            con.execute(QUARANTINE)

    def candidate(self, quarter: str = "2026Q2", amount: int = 100) -> Candidate:
        """A candidate of its own content, with the warehouse it comes from."""
        lay_marts(self.places, quarter, amount=amount)
        self.split_rows()
        return build_candidate(self.places, policy_hash="h")

    def judge(self, candidate: Candidate, *failing: str, rules: Sequence[tuple[str, Severity]] = RULES) -> Judged:
        """A verdict in which these rules fail, written where the gate writes it."""
        results = [outcome(rule, severity, holds=rule not in failing) for rule, severity in rules]
        parameters = {"quarter": candidate.quarter, "policy": candidate.policy, "version": candidate.version}
        verdict = Verdict.of(candidate.hash, parameters, results)
        verdict.write(candidate.folder / VERDICT_FILE)
        remember(self.places, candidate, verdict)
        write_page(verdict, self.places.reports / PAGE)
        return Judged(candidate, verdict, 0.0)

    def release(self, judged: Judged) -> room.Released:
        """Let a judged candidate out as the releasing step does."""
        return room.release(
            self.places,
            judged.candidate,
            verdict_hash=judged.verdict.candidate_hash,
            decision=judged.verdict.decision,
            findings=findings_of(judged.verdict),
            run="test",
            documents=documents_of(self.places, judged),
        )

    def approve(self, judged: Judged) -> room.Released:
        """Let a refused candidate out on a person's word."""
        return approve(self.places, judged.candidate.release, by="head of partners", why="checked by hand")

    def ask(self, *words: str) -> Done:
        """`segments quality WORDS` in this process."""
        return CliRunner().invoke(quality_app, [*words, "-c", str(self.file)], env={"COLUMNS": "200"})


QUARANTINE = """
create schema conformed;
create schema quarantine;
create table conformed.deals as
    select 'crm' as source, 'D-' || i as source_id, 10 * i as amount, 'rep' || i || '@example.com' as owner
    from range(1, 97) t(i);
create table conformed.partners as select 'prm' as source, 'P-' || i as source_id from range(1, 11) t(i);
create table quarantine.deals_set_aside (
    source varchar, source_id varchar, load_id varchar, file_name varchar, file_row bigint, extracted_at timestamp,
    reject_reason varchar, reject_detail varchar);
insert into quarantine.deals_set_aside values
    ('crm', 'D-200', '1.5', 'deals.csv', 201, '2026-07-05', 'wrong_type', 'deals.csv row 201: id D-200: amount'),
    ('crm', 'D-201', '1.5', 'deals.csv', 202, '2026-07-05', 'wrong_type', 'deals.csv row 202: id D-201: amount'),
    ('crm', 'ann@example.com', '1.5', 'deals.csv', 9, '2026-07-05', 'unknown_account', 'of bob@example.com, not there'),
    ('crm', null, '1.5', 'deals.csv', 10, '2026-07-05', 'broken_line', 'too few fields: x;y'),
    ('crm', 'D-1', '1.4', 'deals.csv', 1, '2026-04-05', 'superseded', 'id D-1 stands more than once in one load'),
    ('crm', 'D-300', '1.5', 'deals.csv', 300, '2026-07-05', 'deleted', 'id D-300: amount');
create table quarantine.partners_set_aside as select * from quarantine.deals_set_aside where false;
create view quarantine.deals as
    select * from quarantine.deals_set_aside where reject_reason not in ('superseded', 'deleted');
create view quarantine.partners as select * from quarantine.partners_set_aside;
"""
"""100 deals and 10 partners, 4 deals of them set aside; two more left out that nothing is wrong with."""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A deployment without a run."""
    deployment = deployment_in(tmp_path / "deployment", ROOT / "segments.yml")
    places = Places(deployment.state)
    places.state.mkdir()
    return Made(deployment.file, places)

"""The sample company's run with two deals broken at the source, judged by results that are written down here."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from data_quality.believable import LEVELS, project_as_built
from data_quality.blast import measure
from data_quality.suite import Severity
from data_quality.verdict import Result, Verdict
from pipelines.compiled import Node, Project, rebuild
from pipelines.release import Candidate, read_candidate
from pipelines.settings import read_settings
from pipelines.shape import Run, plan
from tests.conftest import Deployment

QUARANTINE = (("quarantine", "opportunities_set_aside"), ("quarantine", "opportunity_partners_set_aside"))


def failed(suite: str, sql: str, *, severity: Severity = "warning", name: str = "rule", table: str = "") -> Result:
    """A failed expectation that found what `sql` finds."""
    return Result(
        suite=suite,
        table=table or suite,
        expectation=name,
        severity=severity,
        success=False,
        observed="some rows",
        says="something is wrong",
        sql=sql,
    )


@dataclass(frozen=True)
class Deal:
    """A won deal of one partner alone, and that partner's number."""

    source_id: str
    partner_id: str
    number: str


@dataclass(frozen=True)
class Broken:
    """A warehouse in which two deals were set aside: one that its partner's level hangs on, and one that does not."""

    run: Run
    candidate: Candidate
    decisive: Deal
    harmless: Deal

    @property
    def file(self) -> Path:
        """The warehouse."""
        return self.run.places.warehouse

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the warehouse."""
        with duckdb.connect(str(self.file), read_only=True) as con:
            return con.execute(query).fetchall()

    def measured(self, *results: Result, budget: int | None = None) -> Verdict:
        """The verdict on these results, told in partners."""
        return measure(self.with_budget(budget), self.candidate, Verdict.of("sha", {}, list(results)))

    def with_budget(self, budget: int | None) -> Run:
        """The run with that many decisions that may be at risk."""
        quality = self.run.settings.quality.model_copy(update={"max_decisions_at_risk": budget})
        return replace(self.run, settings=self.run.settings.model_copy(update={"quality": quality}))


def _leading_to(project: Project, changed: tuple[str, str], goals: set[tuple[str, str]]) -> list[Node]:
    wanted = set(goals)
    nodes = []
    for node in reversed(project.downstream([changed])):
        if node.address in wanted:
            wanted |= node.depends_on
            nodes.append(node)
    return nodes[::-1]


def _deal_of(con: duckdb.DuckDBPyConnection, condition: str, order: str) -> Deal:
    """A deal won in the run's window, all of whose credit one partner holds, among partners that meet a condition."""
    found = con.execute(
        f"""
        select c.opportunity_id, p.partner_id, p.partner_number
        from metrics.opportunity_credits as c
        inner join identity.partners as p on c.partner_id = p.partner_id
        inner join ladders.levels_held as h
            on p.partner_id = h.partner_id and h.is_active and h.ladder = 'tier'
            and h.quarter_index = (select quarter_index from deployment.run_context)
        inner join scoring.partner_scores as s
            on p.partner_id = s.partner_id and s.quarter_index = h.quarter_index
        inner join metrics.policy_values as v
            on p.partner_id = v.partner_id and v.quarter_index = h.quarter_index and v.metric = 'sourced_won_amount'
        inner join deployment.quarters as q on q.quarter_index = h.quarter_index
        where c.kind = 'production' and c.is_won and c.role_rank = 1 and c.credit_share = 1
            and c.close_date between q.quarter_start and q.quarter_end and {condition}
        order by {order}, c.opportunity_id
        limit 1
        """
    ).fetchall()
    return Deal(*found[0])


@pytest.fixture(scope="session")
def broken(company: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    folder = tmp_path_factory.mktemp("blast")
    shutil.copytree(company.state, folder / "state", ignore=shutil.ignore_patterns("lake", "dlt", "logs", "reports"))
    content = yaml.safe_load(company.file.read_text(encoding="utf-8"))
    content["paths"]["state"] = str(folder / "state")
    (folder / "segments.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    run = plan(read_settings(folder / "segments.yml"))
    project = project_as_built(run)
    with duckdb.connect(str(run.places.warehouse)) as con:
        # Levels follow their bars at once, so that what a deal changes is seen in its quarter.
        con.execute("update policy.movement set rule = 'none'")
        con.execute("update ladders.conditions set bar_shift = 0")
        decisive = _deal_of(con, "h.released_rank = 3 and s.total_score >= 45", "c.credited_amount desc")
        harmless = _deal_of(con, "h.released_rank = 4 and s.total_score < 25", "s.total_score")
        # The bar of silver lies just below what the one has with its deal.
        con.execute(
            "update ladders.conditions set value = (select v.value - 1 from metrics.policy_values as v "
            "where v.metric = 'sourced_won_amount' and v.partner_id = ? "
            "and v.quarter_index = (select quarter_index from deployment.run_context)) "
            "where ladder = 'tier' and level = 'silver' and subject = 'sourced_won_amount'",
            [decisive.partner_id],
        )
        ((view,),) = con.execute(
            "select sql from duckdb_views() where schema_name = 'raw_files' and view_name = 'opportunities'"
        ).fetchall()
        rows = view.partition(" AS ")[2].rstrip(";")
        con.execute(
            "create or replace view raw_files.opportunities as select * replace (case when source_id in "
            f"('{decisive.source_id}', '{harmless.source_id}') then '2031-01-01' else close_date end as close_date) "
            f"from {rows}"
        )
    rebuild(run.places.warehouse, _leading_to(project, ("raw_files", "opportunities"), {LEVELS, *QUARANTINE}))
    return Broken(run, read_candidate(run.places), decisive, harmless)

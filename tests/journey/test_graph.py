"""The graph as Dagster sees it: addresses, steps, checks, partitions, schedules; nothing goes around the gate."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.graph import Graph, define
from assets.names import STEP_OF_SCHEMA
from data_quality.suite import for_entities, read_suites
from pipelines.errors import GateRefused, InputError
from pipelines.release import RELEASED_TABLES
from pipelines.settings import read_settings
from tests.conftest import ROOT, Deployment, deployment_in


@pytest.fixture(scope="module")
def graph(sample: Deployment) -> Graph:
    """The sample company's graph; loading it reads no secret and asks no source."""
    return define(read_settings(sample.file))


def test_every_key_is_an_address_of_a_table(graph: Graph, sample: Deployment) -> None:
    keys = {tuple(key.path) for key in graph.definitions.resolve_asset_graph().get_all_asset_keys()}
    assert all(len(key) == 2 for key in keys)
    with sample.warehouse() as con:
        there = {
            (row[0], row[1])
            for row in con.execute(
                "select schema_name, table_name from duckdb_tables() union all "
                "select schema_name, view_name from duckdb_views() where not internal"
            ).fetchall()
        }
    outside = {("candidate", table) for table in RELEASED_TABLES} | {("released", table) for table in RELEASED_TABLES}
    # The faults of an entity are a view that its model makes beside itself: a look at an asset, none of its own.
    entities = {table for schema, table in there if schema == "conformed"}
    faults = {("quarantine", entity) for entity in entities}
    assert faults <= there
    assert keys - outside == there - faults


def test_groups_are_the_steps(graph: Graph) -> None:
    assets = graph.definitions.resolve_asset_graph()
    groups = {assets.get(key).group_name for key in assets.get_all_asset_keys()}
    assert groups == {"define", "extract", "score", "segment", "align", "deliver"}
    assert groups <= set(STEP_OF_SCHEMA.values())


def test_lineage_runs_from_the_raw_table_to_the_release(graph: Graph) -> None:
    assets = graph.definitions.resolve_asset_graph()
    upstream = dg.AssetSelection.assets(dg.AssetKey(["released", "partner_segments"])).upstream().resolve(assets)
    for key in (
        ["raw_salesforce", "opportunity"],
        ["policy", "criteria"],
        ["conformed", "opportunities"],
        ["ladders", "levels_held"],
    ):
        assert dg.AssetKey(key) in upstream


def test_every_expectation_is_a_check(graph: Graph) -> None:
    checks = graph.definitions.resolve_asset_graph().asset_check_keys
    suites = for_entities(read_suites(), ["accounts", "opportunities", "opportunity_partners"])
    assert len(checks) == sum(len(suite.expectations) for suite in suites)


def test_what_no_source_offers_is_no_check(sample: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.graph.offered_entities", lambda sources: ["accounts"])
    graph = define(read_settings(sample.file))
    judged = {key.asset_key.path[-1] for key in graph.definitions.resolve_asset_graph().asset_check_keys}
    assert "accounts" in judged
    assert not judged & {"opportunities", "opportunity_partners", "production_reconciliation"}


def test_a_partition_is_a_fiscal_quarter(graph: Graph) -> None:
    keys = graph.partitions.get_partition_keys(current_time=datetime(2026, 10, 5, tzinfo=UTC))
    assert keys[-1] == "2026-07-01"
    assert len(keys) == 12


def test_fiscal_years_that_begin_in_february_have_their_own_quarters(sample: Deployment, tmp_path: Path) -> None:
    made = deployment_in(tmp_path, sample.file, fiscal_calendar={"first_month": 2, "named_by": "end"})
    keys = define(read_settings(made.file)).partitions.get_partition_keys(
        current_time=datetime(2026, 10, 5, tzinfo=UTC)
    )
    assert keys[-2:] == ["2026-02-01", "2026-05-01"]


@pytest.mark.parametrize(
    ("name", "job", "tick"),
    [
        ("quarterly_release_schedule", "quarterly_release", datetime(2026, 10, 5, 6, tzinfo=UTC)),
        ("daily_rehearsal_schedule", "daily_rehearsal", datetime(2026, 11, 20, 5, tzinfo=UTC)),
    ],
)
def test_a_tick_asks_for_the_quarter_that_has_ended(graph: Graph, name: str, job: str, tick: datetime) -> None:
    schedule = next(s for s in graph.definitions.schedules or [] if s.name == name)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=tick, repository_def=graph.definitions.get_repository_def()
        )
        request = schedule.evaluate_tick(context).run_requests[0]
    assert schedule.job_name == job
    assert request.partition_key == "2026-07-01"


def test_the_rehearsal_releases_nothing(graph: Graph) -> None:
    job = graph.definitions.resolve_job_def("daily_rehearsal")
    selected = {tuple(key.path) for key in job.asset_layer.executable_asset_keys}
    assert ("candidate", "partner_segments") in selected
    assert ("released", "partner_segments") not in selected


def test_selecting_the_release_alone_does_not_go_around_the_gate(sample: Deployment, tmp_path: Path) -> None:
    shutil.copytree(sample.state, tmp_path / "state", symlinks=True)
    made = deployment_in(tmp_path, sample.file, paths={"policies_absolute": sample.file.parent / "policies"})
    newest = tmp_path / "state" / "candidates" / (tmp_path / "state" / "candidates" / "newest").read_text()
    import duckdb

    with duckdb.connect(str(newest / "segments.duckdb")) as con:
        con.execute("update partner_segments set partner_number = null")
    before = (tmp_path / "state" / "released" / "current" / "manifest.json").read_bytes()
    graph = define(read_settings(made.file))
    job = graph.definitions.resolve_job_def("quarterly_release")
    released = [dg.AssetKey(["released", table]) for table in RELEASED_TABLES]
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(GateRefused, match="partner_number"):
        job.execute_in_process(partition_key="2026-07-01", instance=instance, asset_selection=released)
    assert (tmp_path / "state" / "released" / "current" / "manifest.json").read_bytes() == before


def test_a_candidate_that_cannot_be_read_fails_every_check_in_words(sample: Deployment, tmp_path: Path) -> None:
    shutil.copytree(sample.state, tmp_path / "state", symlinks=True)
    made = deployment_in(tmp_path, sample.file, paths={"policies_absolute": sample.file.parent / "policies"})
    newest = tmp_path / "state" / "candidates" / (tmp_path / "state" / "candidates" / "newest").read_text()
    (newest / "segments.duckdb").write_bytes(b"no database")
    graph = define(read_settings(made.file))
    checks = graph.definitions.resolve_asset_graph().asset_check_keys
    job = graph.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(), asset_check_selection=set(checks)
    )
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(instance=instance, raise_on_error=False)
    told = done.get_asset_check_evaluations()
    assert {one.asset_check_key for one in told} == set(checks)
    assert not any(one.passed for one in told)
    assert {one.severity for one in told} == {dg.AssetCheckSeverity.ERROR}
    assert all("the gate could not ask" in (one.description or "") for one in told)


def test_the_release_alone_takes_no_candidate_of_another_quarter(sample: Deployment, tmp_path: Path) -> None:
    shutil.copytree(sample.state, tmp_path / "state", symlinks=True)
    made = deployment_in(tmp_path, sample.file, paths={"policies_absolute": sample.file.parent / "policies"})
    before = (tmp_path / "state" / "released" / "current" / "manifest.json").read_bytes()
    job = define(read_settings(made.file)).definitions.resolve_job_def("quarterly_release")
    released = [dg.AssetKey(["released", table]) for table in RELEASED_TABLES]
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(InputError, match="is to be released"):
        job.execute_in_process(partition_key="2026-04-01", instance=instance, asset_selection=released)
    assert (tmp_path / "state" / "released" / "current" / "manifest.json").read_bytes() == before


def test_the_code_location_loads_without_a_secret() -> None:
    from assets import definitions

    assert definitions.deployment_file().name == "segments.yml"
    assert definitions.defs.resolve_job_def("quarterly_release")
    assert (ROOT / "workspace.yaml").exists()

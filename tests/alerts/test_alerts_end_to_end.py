"""The whole way: the command line from a damaged export to the recovery, and Dagster with its sensors."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
from typer.testing import CliRunner

from assets.graph import Graph, define
from assets.sensors import alert_sensors
from cli.main import app
from pipelines.alerts import overheard, settle, settle_execution, watching
from pipelines.events import emit
from pipelines.settings import read_settings
from tests.alerts.conftest import SECRET, Desk, Webhook, begun, failed_expectation, judged
from tests.conftest import SALESFORCE, Deployment, deployment_in

ALERTS = [{"name": "ops", "url_env": "SEGMENTS_ALERT_OPS", "events": ["run_failed", "truncated"]}]


@pytest.fixture
def small(tmp_path: Path) -> Deployment:
    """A small Salesforce sample with one alert target."""
    return deployment_in(
        tmp_path,
        SALESFORCE,
        sample={"shape": "salesforce", "seed": 7, "partners": 12},
        pseudo_partners=[],
        alerts=ALERTS,
    )


@pytest.mark.slow
def test_an_export_that_is_cut_short_is_told_once_and_so_is_its_repair(
    sample: Deployment, tmp_path: Path, webhook: Webhook
) -> None:
    for folder in ("inputs", "state"):
        shutil.copytree(sample.file.parent / folder, tmp_path / folder, symlinks=True)
    made = deployment_in(
        tmp_path, sample.file, alerts=ALERTS, paths={"policies_absolute": sample.file.parent / "policies"}
    )
    told = {"SEGMENTS_ALERT_OPS": webhook.url}
    release = json.loads((made.state / "released" / "current" / "manifest.json").read_text())["release"]
    export = tmp_path / "inputs" / "Opportunity.csv"
    whole = export.read_bytes()
    export.write_bytes(b"\n".join(whole.splitlines()[:5]) + b"\n")
    for _ in range(2):
        failed = made.segments("run", check=False, **told)
        assert failed.returncode == 3, failed.stderr
        assert SECRET not in failed.stdout + failed.stderr
    assert webhook.titles == [
        "[CRITICAL] sample_company: the run failed at extract: salesforce.opportunity is cut short or incomplete"
    ]
    message = webhook.got[0]["message"]
    assert f"release {release} stays current" in message
    assert "--accept-shrunk salesforce.opportunity" in message
    export.write_bytes(whole)
    made.segments("run", "--quiet", **told)
    assert webhook.titles[1:] == [
        "[RECOVERED] sample_company: the run failed at extract: salesforce.opportunity is cut short or incomplete"
    ]
    listed = json.loads(made.segments("alerts", "list", "--all", "--json").stdout)
    assert [(one["key"], one["closed_at"] is None) for one in listed if one["kind"] in ("run_failed", "truncated")] == [
        ("run_failed:extract/salesforce.opportunity", False),
        ("truncated:salesforce.opportunity", False),
    ]


@pytest.mark.slow
def test_what_a_release_went_out_with_is_not_told_as_mended_until_it_is(sample: Deployment, tmp_path: Path) -> None:
    for folder in ("inputs", "state", "policies"):
        shutil.copytree(sample.file.parent / folder, tmp_path / folder, symlinks=True)
    # Nobody falls for what is gone, so more hold gold than the policy lets pass.
    policy = tmp_path / "policies" / "sample-programme.yml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("max_share: {gold: 0.30}", "max_share: {gold: 0.50}"))
    made = deployment_in(tmp_path, sample.file, paths={"policies_absolute": tmp_path / "policies"})
    export = tmp_path / "inputs" / "OpportunityPartner.csv"
    whole = export.read_bytes()
    lines = whole.splitlines(keepends=True)
    export.write_bytes(b"".join(lines[: len(lines) * 9 // 10]))
    key = "truncated:salesforce.opportunity_partner/few_records_are_gone"
    for runs in (1, 2):
        made.segments("run", "--quiet")
        found = {one["key"]: one for one in json.loads(made.segments("alerts", "list", "--json").stdout)}
        assert found[key]["runs"] == runs, "nothing was mended in between, so it is found again"
        assert "no later run can prove" not in found[key]["next_step"]
    export.write_bytes(whole)
    made.segments("run", "--quiet")
    assert key not in {one["key"] for one in json.loads(made.segments("alerts", "list", "--json").stdout)}


# -- Dagster -----------------------------------------------------------------------------------------------------------


def test_a_run_of_dagsters_is_told_by_its_sensors_and_only_once(
    small: Deployment, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTS_ALERT_OPS", webhook.url)
    graph = define(read_settings(small.file))
    with dg.DagsterInstance.ephemeral() as instance:
        good = _extracted(graph, instance)
        assert good.success
        _sense(graph, "alerts_of_good_runs", instance, good)
        assert webhook.got == []
        export = small.file.parent / "inputs" / "Opportunity.csv"
        whole = export.read_bytes()
        export.write_bytes(b"")
        failed = _extracted(graph, instance)
        assert not failed.success
        assert webhook.got == [], "the process of the run leaves the telling to the daemon"
        _sense(graph, "alerts_of_failed_runs", instance, failed)
        _sense(graph, "alerts_of_failed_runs", instance, failed)
        expected = "sample_company: the run failed at extract: salesforce.opportunity is cut short or incomplete"
        assert webhook.titles == [f"[CRITICAL] {expected}"]
        assert "the file is empty" in webhook.got[0]["message"]
        export.write_bytes(whole)
        _sense(graph, "alerts_of_good_runs", instance, _extracted(graph, instance))
        assert webhook.titles[1:] == [f"[RECOVERED] {expected}"]


def _extracted(graph: Graph, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = graph.definitions.resolve_job_def("quarterly_release")
    raw = [key for key in job.asset_layer.executable_asset_keys if key.path[0].startswith("raw_")]
    return job.execute_in_process(
        partition_key="2026-07-01", instance=instance, asset_selection=sorted(raw), raise_on_error=False
    )


def _sense(graph: Graph, name: str, instance: dg.DagsterInstance, done: dg.ExecuteInProcessResult) -> None:
    """What the daemon does when it has seen the run's end."""
    sensor = graph.definitions.resolve_sensor_def(name)
    event = done.get_run_success_event() if done.success else done.get_run_failure_event()
    context = dg.build_run_status_sensor_context(
        sensor_name=name, dagster_event=event, dagster_instance=instance, dagster_run=done.dagster_run
    )
    sensor(context if done.success else context.for_run_failure())


def test_the_sensors_are_on_where_somebody_is_to_be_told(small: Deployment, tmp_path: Path) -> None:
    silent = deployment_in(tmp_path / "silent", SALESFORCE)
    for made, status in ((small, dg.DefaultSensorStatus.RUNNING), (silent, dg.DefaultSensorStatus.STOPPED)):
        sensors = alert_sensors(read_settings(made.file), rehearsal="daily_rehearsal")
        assert [(sensor.name, sensor.default_status) for sensor in sensors] == [
            ("alerts_of_failed_runs", status),
            ("alerts_of_good_runs", status),
        ]


def test_a_run_of_dagsters_that_died_without_a_word_is_told(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))
    for _ in range(2):
        settle_execution(settings, "run-1", failed="the worker is gone", is_rehearsal=False)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at start"]
    assert "the worker is gone" in webhook.got[0]["message"]


def test_a_failure_that_the_command_line_has_told_is_not_told_by_the_sensor(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))

    def fail() -> None:
        with watching(settings), overheard(settings, "run-2"):
            # The daemon looks while the command is still running, and again when it is over.
            settle_execution(settings, "run-2", failed="Steps failed", is_rehearsal=False)
            emit("run_failed", "dbt could not build", level=40, step="shape", kind="build")
            raise RuntimeError("dbt could not build")

    with pytest.raises(RuntimeError):
        fail()
    settle_execution(settings, "run-2", failed="Steps failed", is_rehearsal=False)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at shape"]


def test_a_command_that_was_killed_is_told_by_the_sensor_that_comes_by(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))
    desk.store.runs.mkdir(parents=True)
    line = {"event": "execution", "message": "", "at": "2026-10-05T06:00:00+00:00", "level": 20}
    journal = desk.store.runs / "cli-1.jsonl"
    journal.write_text(json.dumps({**line, "fields": {"execution": "run-4"}}) + "\n")
    settle_execution(settings, "run-4", failed="the worker is gone", is_rehearsal=False)
    assert webhook.titles == ["[CRITICAL] acme: the run was killed"]


def test_a_damaged_journal_of_dagsters_does_not_stop_its_sensor(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))
    desk.store.runs.mkdir(parents=True)
    line = {"event": "expectation_failed", "message": "", "at": "2026-10-05T06:00:00+00:00", "level": 20}
    journal = desk.store.runs / "run-5.jsonl"
    journal.write_text(json.dumps({**line, "fields": {"expectation": "x", "partner_count": "many"}}) + "\n")
    settle_execution(settings, "run-5", failed="the worker is gone", is_rehearsal=False)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at start"]
    assert [path.name for path in desk.store.runs.iterdir()] == ["run-5.jsonl.damaged"]


def test_the_journal_of_a_step_that_goes_on_is_left_to_it(desk: Desk) -> None:
    settings = desk.settings
    with overheard(settings, "run-3"):
        emit("source_unread", "source crm: down", source="crm")
        path = desk.store.runs / "run-3.jsonl"
        os.utime(path, (0, 0))
        assert settle(settings) == []
        assert path.exists()
    os.utime(path, (0, 0))
    settle(settings)
    assert not path.exists(), "nobody came for it: Dagster's daemon is off"
    assert set(desk.book.open) == {"source_down:crm"}, "what it said is told, and no death is made up"


@pytest.mark.parametrize("is_swept_before", [False, True], ids=["by its sensor", "by a command before its sensor"])
def test_a_run_that_died_while_the_daemon_was_off_is_told_when_it_is_back(
    desk: Desk, webhook: Webhook, is_swept_before: bool
) -> None:
    settings = desk.configure(desk.target(webhook.url))
    with overheard(settings, "run-6"):
        emit("source_unread", "source crm: down", source="crm")
        emit("quarter_begun", "2026Q3", quarter="2026Q3")
    os.utime(desk.store.runs / "run-6.jsonl", (0, 0))
    if is_swept_before:
        settle(settings)
    for _ in range(2):
        settle_execution(settings, "run-6", failed="the worker is gone", is_rehearsal=False)
    step = "start" if is_swept_before else "define"
    assert sorted(webhook.titles) == [
        f"[CRITICAL] acme: the run failed at {step}",
        "[WARNING] acme: source crm could not be read",
    ]


def test_a_failure_that_a_swept_journal_has_told_is_not_told_by_the_sensor(desk: Desk, webhook: Webhook) -> None:
    settings = desk.configure(desk.target(webhook.url))
    with overheard(settings, "run-7"):
        emit("run_failed", "dbt could not build", level=40, step="shape", kind="build")
    os.utime(desk.store.runs / "run-7.jsonl", (0, 0))
    settle(settings)
    settle_execution(settings, "run-7", failed="Steps failed", is_rehearsal=False)
    assert webhook.titles == ["[CRITICAL] acme: the run failed at shape"]


# -- commands ----------------------------------------------------------------------------------------------------------


def test_the_commands_list_send_test_and_close(desk: Desk, webhook: Webhook) -> None:
    def ask(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["alerts", *words, "--config", str(desk.folder / "segments.yml")])
        return done.exit_code, " ".join(done.output.split())

    desk.configure(desk.target(webhook.url), desk.target("json://127.0.0.1:9/x", "gone", min_severity="critical"))
    assert ask("list") == (0, "nothing is open; --all shows what was")
    webhook.status = 500
    desk.run(begun(), failed_expectation("late"), judged())
    code, said = ask("list")
    assert code == 0
    assert "2026-10-05 06:00 WARNING expectation_failed:opportunities/late" in said
    assert "told: nobody; still to tell: ops" in said
    code, said = ask("send")
    assert code == 1
    assert "ops: 0 sent, 1 kept: the service did not take it (HTTP 500)" in said
    webhook.status = 200
    code, said = ask("test")
    assert code == 1
    assert "ops: taken" in said
    assert "gone: not taken: the service did not take it" in said
    assert ask("test", "ops") == (0, "ops: taken")
    assert ask("test", "duty")[0] == 2
    code, said = ask("close", "expectation_failed:opportunities/late", "--by", "ops lead", "--why", "meant")
    assert code == 0
    assert "expectation_failed:opportunities/late closed" in said
    assert ask("close", "nothing", "--by", "ops lead", "--why", "meant")[0] == 2
    assert "CLOSED expectation_failed:opportunities/late" in ask("list", "--all")[1]
    assert webhook.titles.count("[RECOVERED] acme: opportunities: 1 expectation failed") == 1


def test_sending_from_a_folder_that_cannot_be_used_fails_and_names_it(desk: Desk, webhook: Webhook) -> None:
    desk.configure(desk.target(webhook.url))
    desk.store.folder.parent.mkdir()
    desk.store.folder.write_text("a file where the folder should be")
    for command in ("send", "list"):
        done = CliRunner().invoke(app, ["alerts", command, "--config", str(desk.folder / "segments.yml")])
        assert done.exit_code == 1
        assert f"{desk.store.folder}: incidents cannot be" in done.output
        assert "nothing was due" not in done.output
        assert isinstance(done.exception, SystemExit), "told, no trace"


def test_every_command_in_a_message_exists_with_its_options(desk: Desk) -> None:
    refused = failed_expectation("x", refuses=True)
    unread = ("source_unread", {"source": "crm"})
    desk.run(unread, begun(), refused, judged("refuse"), ("run_failed", {"step": "shape", "kind": "build"}))
    commands = [command for one in desk.book.every() for command in one.reproduce]
    assert {" ".join(command.split()[:3]) for command in commands} == {
        "segments run --rehearse", "segments sources probe", "segments quality --config", "segments quality sql",
    }  # fmt: skip
    for command in commands:
        chosen: Any = typer.main.get_command(app)
        words = shlex.split(command)[1:]
        while words and words[0] in getattr(chosen, "commands", {}):
            chosen = chosen.commands[words.pop(0)]
        options = {flag for parameter in chosen.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, command


def test_without_targets_a_test_says_how_to_name_one(desk: Desk) -> None:
    done = CliRunner().invoke(app, ["alerts", "test", "--config", str(desk.folder / "segments.yml")])
    assert done.exit_code == 2
    assert "docs/alerts.md" in done.output

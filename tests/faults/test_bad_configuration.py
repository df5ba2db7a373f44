"""A wrong deployment file or policy stops everything before anything is read: exit code 2, file, place, no secret."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from pipelines.connector import instances
from pipelines.errors import ConfigError, PolicyError
from pipelines.events import LOGGER
from pipelines.settings import read_settings, secret
from pipelines.shape import plan
from tests.faults.exports import POLICIES, Deployment

SECRET = "xoxb-2417-9f3c0e-hush"


def complaint(made: Deployment, kind: type[ConfigError] = ConfigError) -> str:
    """What is said when a run is planned; nothing may be read or written."""
    with pytest.raises(kind) as caught:
        plan(read_settings(made.file))
    assert caught.value.exit_code == 2
    assert not (made.root / "state").exists()
    return str(caught.value)


def write(made: Deployment, text: str) -> None:
    """Put a text in place of the deployment file."""
    made.file.write_text(text, encoding="utf-8")


# -- sources -----------------------------------------------------------------------------------------------------------


def test_two_sources_of_one_name_are_a_mistake_with_its_line(ground: Deployment) -> None:
    write(
        ground,
        "sources:\n"
        "  salesforce: {connector: salesforce}\n"
        "  salesforce: {connector: salesforce, options: {folder: other}}\n"
        "policy: {active: adventureworks-baseline}\n",
    )
    message = complaint(ground)
    assert f"{ground.file}: line 3, column 3: the key 'salesforce' stands twice; nothing was run" in message


def test_two_sources_whose_names_differ_in_case_are_one_name(ground: Deployment) -> None:
    write(ground, "sources:\n  sales: {connector: salesforce}\n  Sales: {connector: salesforce}\npolicy: {active: x}\n")
    message = complaint(ground)
    assert f"{ground.file}: sources.Sales: a source named 'sales' stands already" in message
    assert "nothing was run" in message


def test_one_export_under_two_names_would_count_twice(ground: Deployment) -> None:
    ground.sources(sales={}, channel={})
    assert "sources.channel: has the connector and options of sources.sales" in complaint(ground)


def test_an_unknown_connector_is_named_with_those_there_are(ground: Deployment) -> None:
    ground.configure(sources={"crm": {"connector": "salesfroce"}})
    message = complaint(ground)
    assert "sources.crm.connector: connector 'salesfroce': unknown; did you mean 'salesforce'?" in message


def test_a_wrong_option_names_its_key_path(ground: Deployment) -> None:
    ground.configure(sources={"crm": {"connector": "salesforce", "options": {"foldr": "x", "exported_at": "soon"}}})
    message = complaint(ground)
    assert "sources.crm.options: foldr: unknown key; did you mean 'folder'?" in message
    assert "sources.crm.options: exported_at: found 'soon'" in message


@pytest.mark.parametrize("name", ["sf_", "a__b", "sf2", "s" * 40])
def test_a_source_may_have_any_allowed_name_and_its_lake_is_found_again(ground: Deployment, name: str) -> None:
    ground.sources(**{name: {}})
    assert [one.is_new for one in ground.extract()] == [True, True, True]
    assert [one.is_new for one in ground.extract()] == [False, False, False]
    assert ground.rows()["account"] == 6


# -- the policy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"policy: [unclosed\n", ("line 2",)),
        (b"\xff\xfepolicy", ("not UTF-8",)),
        (b"", ("the file is empty",)),
        (b"- a list\n", ("found a list at the top",)),
        (b"{}\n", ("policy",)),
    ],
)
def test_an_unreadable_policy_names_the_file_and_runs_nothing(
    ground: Deployment, content: bytes, words: tuple[str, ...]
) -> None:
    folder = ground.root / "policies"
    shutil.copytree(POLICIES, folder)
    (folder / "broken.yml").write_bytes(content)
    ground.configure(paths={"inputs": "inputs", "state": "state", "policies": "policies"})
    message = complaint(ground, PolicyError)
    assert "broken.yml" in message
    for word in words:
        assert word in message


def test_a_policy_that_is_not_there_is_named_with_those_there_are(ground: Deployment) -> None:
    ground.configure(policy={"active": "adventureworks-basline"})
    message = complaint(ground, PolicyError)
    assert "adventureworks-basline" in message
    assert "adventureworks-baseline" in message


def test_a_policy_folder_that_is_not_there_is_named(ground: Deployment) -> None:
    ground.configure(paths={"inputs": "inputs", "state": "state", "policies": "nowhere"})
    assert str(ground.root / "nowhere") in complaint(ground, PolicyError)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_missing_secret_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGMENTS_CRM_CLIENT_SECRET", raising=False)
    with pytest.raises(ConfigError, match="source crm: the environment variable SEGMENTS_CRM_CLIENT_SECRET is not set"):
        secret("crm", "client_secret")


def test_a_secret_in_the_deployment_file_is_refused_and_not_repeated(ground: Deployment) -> None:
    ground.configure(sources={"crm": {"connector": "salesforce", "options": {"client_secret": SECRET}}})
    message = complaint(ground)
    assert "client_secret: unknown key" in message
    assert SECRET not in message


def test_an_address_in_place_of_its_variable_is_refused_and_not_repeated(ground: Deployment) -> None:
    ground.configure(alerts=[{"name": "ops", "url_env": f"https://hooks.example.com/{SECRET}"}])
    message = complaint(ground)
    assert "alerts[0].url_env" in message
    assert SECRET not in message


def test_a_secret_of_the_environment_reaches_no_file_and_no_event(
    ground: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("SEGMENTS_ALERT_OPS", SECRET)
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    before = LOGGER.level
    LOGGER.setLevel(logging.DEBUG)
    try:
        ground.extract()
        ground.lay()
    finally:
        LOGGER.setLevel(before)
    assert records
    assert not [record for record in records if SECRET in json.dumps(record.__dict__, default=str)]
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err
    holding = [p for p in ground.root.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holding == []


def test_the_deployment_file_decides_alone_whatever_the_shell_says(
    ground: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEPLOYMENT", "other")
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "elsewhere"))
    ground.extract()
    assert ground.settings().deployment == "faults"
    assert ground.rows()["account"] == 6
    assert [one.name for one in instances(ground.settings())] == ["salesforce"]

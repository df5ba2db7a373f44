"""Telemetry is off before a library can send any: the switches are set, and they are the ones the libraries read."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

SWITCHES = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
}


def in_a_clean_process(program: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("room", ["pipelines", "pipelines.settings", "data_quality.gate", "assets", "cli.main"])
def test_importing_a_room_sets_every_switch(room: str) -> None:
    program = f"import json, os, {room}; print(json.dumps({{n: os.environ.get(n) for n in {sorted(SWITCHES)}}}))"
    assert json.loads(in_a_clean_process(program).splitlines()[-1]) == SWITCHES


@pytest.mark.parametrize("room", ["pipelines", "data_quality.gate", "assets.graph", "cli.main"])
def test_the_switches_are_set_before_a_library_is_imported(room: str) -> None:
    program = f"""
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dlt", "dbt", "dagster", "great_expectations"):
            missing = [n for n in {sorted(SWITCHES)} if n not in os.environ]
            if missing:
                print("imported", name, "without", missing)
                sys.exit()
        return None

sys.meta_path.insert(0, Watch())
import {room}
"""
    assert in_a_clean_process(program) == ""


def test_the_libraries_read_these_switches() -> None:
    program = """
import pipelines
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
print("dlt sends:", resolve_configuration(RuntimeConfiguration()).dlthub_telemetry)
from dagster._core.telemetry_upload import is_running_in_test
print("dagster sends:", not is_running_in_test())
from dbt.cli import params
flag = params.send_anonymous_usage_stats(lambda: None).__click_params__[0]
print("dbt listens:", "DBT_SEND_ANONYMOUS_USAGE_STATS" in flag.envvar)
"""
    said = [line for line in in_a_clean_process(program).splitlines() if line]
    assert said == ["dlt sends: False", "dagster sends: False", "dbt listens: True"]


def test_great_expectations_has_nothing_to_send_with() -> None:
    # Older versions sent through this package; the switch stays set in case a later one brings it back.
    assert importlib.util.find_spec("posthog") is None


def test_dbt_is_told_in_its_project_too() -> None:
    project = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False


def test_dagster_is_told_in_its_instance_settings_too() -> None:
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert settings["telemetry"] == {"enabled": False}


def test_duckdb_never_fetches_an_extension() -> None:
    from pipelines.warehouse import memory

    with memory() as con:
        switches = dict(
            con.execute(
                "select name, value from duckdb_settings() where name like 'auto%_known_extensions' order by 1"
            ).fetchall()
        )
    assert switches == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    profiles = yaml.safe_load((ROOT / "dbt_project" / "profiles.yml").read_text(encoding="utf-8"))
    options = profiles["partner_segments"]["outputs"]["duckdb"]["config_options"]
    assert {name: value for name, value in options.items() if name in switches} == switches

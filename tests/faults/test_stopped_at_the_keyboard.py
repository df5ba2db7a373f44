"""Ctrl-C is no defect: one line, exit code 130, nothing left running, and nobody is written to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SALESFORCE, deployment_in

SAYS = "stopped; the last release is untouched; run again, nothing has to be cleaned up\n"


def children_of(process: int) -> dict[int, str]:
    """The processes that a process has started and that are still there, with their command lines."""
    table = subprocess.run(["ps", "-wweo", "ppid=,pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = (line.split(None, 2) for line in table.splitlines())
    return {int(own): words for parent, own, words in lines if int(parent) == process}


# When to interrupt: (the run's process, what it has said so far) -> now.


def has_landed_something(process: int, said: Path) -> bool:
    return '"table_landed"' in said.read_text(encoding="utf-8")


def is_building(process: int, said: Path) -> bool:
    if not any("dbt_program.py" in words and " build " in words for words in children_of(process).values()):
        return False
    time.sleep(3)
    return True


@pytest.mark.parametrize(
    ("step", "reaches"),
    [
        (has_landed_something, os.kill),
        (has_landed_something, os.killpg),
        (is_building, os.kill),
        (is_building, os.killpg),
    ],
    ids=["extract", "extract with its children", "shape", "shape with its children"],
)
def test_a_run_that_is_interrupted_ends_in_one_line(
    step: Callable[[int, Path], bool], reaches: Callable[[int, int], None], tmp_path: Path
) -> None:
    made = deployment_in(tmp_path / "made", SALESFORCE)
    command = [sys.executable, "-m", "cli.main", "run", "--json", "--config", str(made.file)]
    said, complained = tmp_path / "said", tmp_path / "complained"
    with (
        said.open("w") as out,
        complained.open("w") as err,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=err,
            start_new_session=True,  # a group of its own, as a terminal gives it
        ) as run,
    ):
        while not step(run.pid, said):
            assert run.poll() is None, "it ended before it could be stopped"
            time.sleep(0.02)
        started = children_of(run.pid)
        reaches(run.pid, signal.SIGINT)
        code = run.wait(timeout=60)
    assert complained.read_text(encoding="utf-8").endswith(SAYS)
    assert "Traceback" not in complained.read_text(encoding="utf-8")
    assert code == 130
    *before, last = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    assert (last["event"], last["exit_code"], last["kind"]) == ("ended", 130, "stopped")
    assert not [line for line in before if line["level"] in ("warning", "error")]
    time.sleep(1)  # Python's own helper goes when it finds its process gone
    table = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    alive = {int(number) for number, state in map(str.split, table.splitlines()) if not state.startswith("Z")}
    assert not {number: words for number, words in started.items() if number in alive}
    assert json.loads(made.segments("alerts", "list", "--all", "--json").stdout) == []

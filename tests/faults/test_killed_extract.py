"""A run killed while it lands leaves the lake as it was or with the whole new load, and the next run is right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.exports import Deployment, Export, deployment

ROOT = Path(__file__).resolve().parents[2]
KILLS = 12
# Says when landing begins, so that the kill falls into it and not into two seconds of imports.
LAND = """
import sys
import dlt
from pathlib import Path
from pipelines import extract
from tests.faults.exports import Deployment
land = extract._land
def said(*arguments):
    print("landing", flush=True)
    landed = land(*arguments)
    print("landed", flush=True)
    return landed
extract._land = said
Deployment(Path(sys.argv[1])).extract()
"""


def as_of_partners(count: int) -> dict[str, int]:
    """Rows of the raw tables of an export with `count` partners."""
    return {"account": count + 1, "opportunity": 4 * count, "opportunity_partner": 4 * count}


@pytest.mark.slow
def test_a_run_killed_while_it_lands_leaves_a_whole_lake_and_the_next_run_is_right(tmp_path: Path) -> None:
    chance = random.Random(20260930)
    made = Deployment(tmp_path).configure()
    Export.of(20).write(made.inputs)
    whole = _seconds_of_landing(made)
    held, cut_short = 20, 0
    for kill in range(KILLS):
        wanted = held + 1
        Export.of(wanted).write(made.inputs)
        cut_short += _killed_while_landing(made, after=chance.uniform(0, whole))
        # Before anything is repaired: the old load or the new one, never a mixture.
        assert made.rows() in (as_of_partners(held), as_of_partners(wanted)), f"kill {kill}"
        made.extract()
        assert made.rows() == as_of_partners(wanted), f"kill {kill}"
        held = wanted
        assert [one.is_new for one in made.extract()] == [False, False, False]
    assert cut_short >= KILLS // 4, "the kills came too late to say anything"


@pytest.mark.slow
def test_a_first_run_killed_while_it_lands_leaves_nothing_or_all_and_the_next_run_is_right(tmp_path: Path) -> None:
    chance = random.Random(1)
    for kill in range(KILLS // 2):
        made = deployment(tmp_path / str(kill), Export.of(20))
        _killed_while_landing(made, after=chance.uniform(0, 0.6))
        assert made.rows() in (as_of_partners(20), dict.fromkeys(as_of_partners(20), 0)), f"kill {kill}"
        made.extract()
        assert made.rows() == as_of_partners(20), f"kill {kill}"


def _started(made: Deployment) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LAND, str(made.root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "landing\n"
    return process


def _killed_while_landing(made: Deployment, *, after: float) -> bool:
    """Start a run, kill it some time after landing began; whether landing was cut short."""
    with _started(made) as process:
        assert process.stdout is not None
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        return "landed" not in process.stdout.read()


def _seconds_of_landing(made: Deployment) -> float:
    with _started(made) as process:
        assert process.stdout is not None
        began = time.monotonic()
        assert process.stdout.readline() == "landed\n"
        return time.monotonic() - began

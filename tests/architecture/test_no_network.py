"""A whole run, from export to release and a look at it, with no way out of this machine: nobody even tries.

Covered is everything that goes through Python's sockets, in the command and in the dbt process it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import SALESFORCE

ROOT = Path(__file__).resolve().parents[2]
GUARD = Path(__file__).parent / "guard"

# What could hide an attempt or cause one: nothing of the caller's switches may decide the result.
SWITCHES = ("TELEMETRY", "DO_NOT_TRACK", "ANALYTICS", "ANONYMOUS", "DAGSTER", "SEGMENTS", "PROXY", "RUNTIME__")


def guarded(command: list[str], folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a command behind the guard; returns what it did and what the guard wrote down."""
    log = folder / "network.log"
    log.touch()
    environment = {
        name: value for name, value in os.environ.items() if not any(word in name.upper() for word in SWITCHES)
    }
    environment |= {"PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}", "SEGMENTS_TEST_NETWORK_LOG": str(log)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    return done, log.read_text(encoding="utf-8").splitlines()


def tries(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("guarded ")]


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('203.0.113.1', 80), timeout=5)",
        "import socket; socket.getaddrinfo('example.invalid', 443)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.1', 53))",
        "import asyncio; asyncio.run(asyncio.open_connection('203.0.113.1', 80))",
        "import urllib.request; urllib.request.urlopen('http://203.0.113.1/', timeout=5)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket; "
        'socket.gethostbyname("example.invalid")\'], check=True)',
    ],
)
def test_the_guard_refuses_and_writes_down_every_way_out(attempt: str, tmp_path: Path) -> None:
    done, lines = guarded([sys.executable, "-c", attempt], tmp_path)
    assert done.returncode != 0
    assert len(tries(lines)) == 1, lines


def test_the_guard_lets_a_process_talk_to_its_own_machine(tmp_path: Path) -> None:
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); socket.getaddrinfo('localhost', 1); a, b = socket.socketpair()"
    )
    done, lines = guarded([sys.executable, "-c", program], tmp_path)
    assert (done.returncode, done.stderr, tries(lines)) == (0, "", [])


@pytest.mark.slow
def test_a_whole_run_asks_nobody_outside_this_machine_for_anything(tmp_path: Path) -> None:
    deployment = yaml.safe_load(SALESFORCE.read_text(encoding="utf-8"))
    deployment["sample"]["partners"] = 12
    deployment["pseudo_partners"] = []
    deployment["paths"] = {"inputs": "inputs", "state": "data", "policies": str(ROOT / "policies")}
    (tmp_path / "segments.yml").write_text(yaml.safe_dump(deployment), encoding="utf-8")

    done, lines = guarded([sys.executable, "-m", "cli.main", "run"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tries(lines) == []
    assert any("cli.main run" in line for line in lines)
    assert any("dbt_program.py" in line for line in lines), "the dbt process was not guarded"
    assert (tmp_path / "data" / "released" / "segments.duckdb").exists()

    for command in (["show"], ["query", "from partner_segments"], ["releases"]):
        done, lines = guarded([sys.executable, "-m", "cli.main", *command], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert tries(lines) == []

"""The company of edge cases, released once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import crafted as edge_cases
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def crafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployment file of the company of edge cases, with its release beside it. Read it, do not change it."""
    file = edge_cases.write(tmp_path_factory.mktemp("crafted"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENTS_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "--quiet", "--config", str(file)],
        cwd=file.parent,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return file

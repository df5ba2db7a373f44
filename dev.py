#!/usr/bin/env python3
"""One word for each thing a developer does: run, drill, test, check, format, ui, setup. CI calls the same words.

Needs nothing but Python 3.11 to 3.13: it makes .venv beside this file (with uv where there is uv, else with venv
and pip), installs the pinned dependencies, compiles them to bytecode, and goes on inside it.

    python3 dev.py run            set up, then the main job on the sample company (segments run && segments show)
    python3 dev.py drill          set up, then break the sample's exports in every way there is and see who notices
    python3 dev.py test           set up, then the tests; further words go to pytest
    python3 dev.py check          lint, import contracts, types, SQL, the Dagster code location
    python3 dev.py format         let ruff rewrite what it can
    python3 dev.py ui             Dagster's UI with the project's instance settings
    python3 dev.py setup          only set up
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("SEGMENTS_VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
ROOMS = ["pipelines", "data_quality", "assets", "review", "cli", "demo"]


def setup() -> None:
    """Make the environment, or bring it up to date; does nothing when it fits pyproject.toml and constraints.txt."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}: run dev.py with one of them")
    stamp = VENV / "segments.stamp"
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
        + f"{ROOT} {sys.version}".encode()
    ).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"setting up {VENV.name}, a minute or two the first time", flush=True)
    install = ["install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), "--editable", f"{ROOT}[dev]"]
    uv = shutil.which("uv")
    if uv:
        call([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])
        call([uv, "pip", install[0], "--compile-bytecode", "--python", str(PYTHON), *install[1:]])
    else:
        call([sys.executable, "-m", "venv", "--clear", str(VENV)])
        call([str(PYTHON), "-m", "pip", "--disable-pip-version-check", *install])
    # Without bytecode every start compiles every import: 9.5 s in place of 2.8 s for Great Expectations alone.
    packages = subprocess.run(
        [str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    call([str(PYTHON), "-m", "compileall", "-q", "-j", "0", *[str(ROOT / room) for room in ROOMS]])
    if not uv:
        subprocess.run([str(PYTHON), "-m", "compileall", "-q", "-j", "0", packages], check=False)
    stamp.write_text(wanted)


def call(command: list[str], **more: str) -> None:
    """Run a command, with more of an environment; end with its exit code if it fails."""
    done = subprocess.run(command, cwd=ROOT, env={**environment(), **more}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def environment() -> dict[str, str]:
    """The shell's environment with the project's own first on the path."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV)}


def run(extra: list[str]) -> None:
    """The main job: the sample company from its export to a release, and a look at it."""
    call([str(BIN / "segments"), "run", *extra])
    call([str(BIN / "segments"), "show", "--config", "segments.yml", "--limit", "10"])


def drill(extra: list[str]) -> None:
    """The drill on the sample company; a critical mutation that nobody noticed ends it with 1."""
    call([str(BIN / "segments"), "quality", "drill", *extra])


def test(extra: list[str]) -> None:
    """The tests; `-m "not slow"` leaves out faults and scale, `-n 0` runs them in one process."""
    workers = [] if any(word.startswith("-n") for word in extra) else ["-n", "2", "--dist", "loadgroup"]
    call([str(PYTHON), "-m", "pytest", *workers, *extra])


def check(extra: list[str]) -> None:
    """Everything that can be said about the code without running the tests."""
    call([str(BIN / "ruff"), "check", "."])
    call([str(BIN / "ruff"), "format", "--check", "."])
    call([str(BIN / "lint-imports")])
    call([str(BIN / "mypy")])
    call([str(PYTHON), "-m", "tests.architecture.portable_sql"])
    call([str(BIN / "dagster"), "definitions", "validate", "-w", "workspace.yaml"])
    lint_sql()


def lint_sql() -> None:
    """sqlfluff on the dbt project, which dbt compiles for it; nothing is built, so the warehouse is one in memory."""
    call([str(BIN / "sqlfluff"), "lint", "--processes", "2", "dbt_project/models"], SEGMENTS_WAREHOUSE=":memory:")


def reformat(extra: list[str]) -> None:
    """Rewrite what ruff can."""
    call([str(BIN / "ruff"), "check", "--fix", "--quiet", "."])
    call([str(BIN / "ruff"), "format", "."])


def ui(extra: list[str]) -> None:
    """Dagster's UI and daemon."""
    call([str(BIN / "dagster"), "dev", "-w", "workspace.yaml", *extra])


WORDS = {"run": run, "drill": drill, "test": test, "check": check, "format": reformat, "ui": ui}


def main() -> None:
    """Read the word and do it."""
    word, extra = (sys.argv[1] if len(sys.argv) > 1 else "help"), sys.argv[2:]
    if word == "setup":
        setup()
    elif word in WORDS:
        setup()
        WORDS[word](extra)
    else:
        print(__doc__)
        sys.exit(0 if word in ("help", "-h", "--help") else 2)


if __name__ == "__main__":
    main()

"""What several test folders share: the sample company, built whole and as its CRM alone, and AdventureWorks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
SALESFORCE = ROOT / "examples" / "salesforce-export" / "segments.yml"
"""The sample company's CRM alone, and one quarter: the deployment for tests that need any release, as it is quick."""
AW_FOLDER = ROOT.parent / "shared" / "data" / "adventureworks_salesforce_export"


@dataclass(frozen=True)
class Deployment:
    """A deployment of a test: its file and where its state lies."""

    file: Path
    state: Path
    data: Path | None = None

    def segments(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `segments WORDS` on this deployment in a process of its own, as a user would."""
        where = ["--config", str(self.file)]
        if self.data is not None and words[0] in ("run", "check"):
            where += ["--data", str(self.data)]
        done = segments(*words, *where, cwd=self.file.parent, **environment)
        if check and done.returncode:
            raise AssertionError(
                f"segments {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def released(self) -> duckdb.DuckDBPyConnection:
        """The current release, read-only."""
        return duckdb.connect(str(self.state / "released" / "segments.duckdb"), read_only=True)

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """The private warehouse of the last run, read-only."""
        return duckdb.connect(str(self.state / "warehouse.duckdb"), read_only=True)


def segments(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENTS_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        cwd=cwd or ROOT,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def deployment_in(folder: Path, template: Path, *, data: Path | None = None, **changes: object) -> Deployment:
    """A copy of a deployment file in a folder of its own, with its state beside it."""
    content = yaml.safe_load(template.read_text(encoding="utf-8"))
    content.update(changes)
    paths = dict(content.get("paths", {}))
    content["paths"] = {
        "inputs": str(data or folder / "inputs"),
        "state": str(folder / "state"),
        "policies": str(paths.get("policies_absolute", ROOT / "policies")),
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "segments.yml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return Deployment(file, folder / "state", data)


# Warehouses that are built once: whoever reads one runs on the worker that has built it.
SHARED = ("company", "adventureworks", "sample", "story", "crafted")
# Folders whose tests share warehouses of their own.
TOGETHER = ("demo", "gate", "identity", "metrics")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the suite runs on several workers: keep tests of one shared warehouse together, and the tests of a module,
    so that nothing is built twice."""
    for item in items:
        folder = item.path.parent.name
        asked = [*getattr(item, "fixturenames", ()), *getattr(getattr(item, "callspec", None), "params", {}).values()]
        used = [name for name in SHARED if name in asked]
        if folder in TOGETHER:
            group = folder
        elif used:
            group = used[0]
        else:
            group = item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def adventureworks_rows() -> Path:
    """The folder of the AdventureWorks rows, which this repository does not ship."""
    if not AW_FOLDER.is_dir():
        pytest.skip("the AdventureWorks rows are not beside this clone")
    return AW_FOLDER


@pytest.fixture(scope="session")
def adventureworks(adventureworks_rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """AdventureWorks released once by the command line. Read it, do not change it."""
    folder = tmp_path_factory.mktemp("adventureworks")
    made = deployment_in(folder, ROOT / "examples" / "adventureworks" / "segments.yml", data=adventureworks_rows)
    made.segments("run", "--quiet")
    return made


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The sample company's Salesforce export released once, with the test policies evaluated beside its own.

    Read it, do not change it. The whole company is `company`.
    """
    folder = tmp_path_factory.mktemp("sample")
    policies = folder / "policies"
    shutil.copytree(ROOT / "policies", policies)
    for extra in sorted((GOLDEN / "policies").glob("*.yml")):
        shutil.copy(extra, policies)
    names = [
        yaml.safe_load(path.read_text(encoding="utf-8"))["policy"]
        for path in sorted((GOLDEN / "policies").glob("*.yml"))
    ]
    made = deployment_in(
        folder,
        SALESFORCE,
        policy={"active": "sample-programme", "compare": names},
        paths={"policies_absolute": policies},
    )
    made.segments("run", "--quiet")
    return made


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The whole sample company, all three systems and both quarters, released once. Read it, do not change it."""
    made = deployment_in(tmp_path_factory.mktemp("company"), ROOT / "segments.yml")
    made.segments("run", "--quiet")
    return made

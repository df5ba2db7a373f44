"""The company of edge cases and the sample company, extracted and shaped with every metric; no gate, no release."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from demo.sample_company import write_sample_company
from metrics import crafted as edge_cases
from pipelines.extract import extract
from pipelines.settings import read_settings
from pipelines.shape import build, lay_inputs, plan

ROOT = Path(__file__).resolve().parent.parent.parent
SECOND_DROP = date(2026, 10, 5)


@dataclass(frozen=True)
class Shaped:
    """A deployment after shaping: its file and the tables that came of it."""

    file: Path

    @property
    def warehouse(self) -> Path:
        return self.file.parent / "state" / "warehouse.duckdb"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            return con.execute(sql).fetchall()


Shape = Callable[[Path], Shaped]


@pytest.fixture(scope="session")
def shape() -> Shape:
    """Extracts and shapes a deployment; the parsed project of the first one serves the others of this session."""
    parsed: list[Path] = []

    def shaped(file: Path) -> Shaped:
        settings = read_settings(file)
        run = plan(settings)
        if parsed and not run.places.dbt_target.exists():
            shutil.copytree(parsed[0], run.places.dbt_target)
        for source in run.sources:
            extract(settings, run.places, source)
        lay_inputs(run)
        build(run)
        parsed.append(run.places.dbt_target)
        return Shaped(file)

    return shaped


@pytest.fixture(scope="session")
def crafted(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Shaped:
    """The company of edge cases. Read it, do not change it."""
    return shape(edge_cases.write(tmp_path_factory.mktemp("crafted-metrics")))


@pytest.fixture(scope="session")
def whole_sample(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Shaped:
    """The sample company as of its second drop, with every metric. Read it, do not change it."""
    folder = tmp_path_factory.mktemp("sample-metrics")
    write_sample_company(folder / "inputs")
    settings = yaml.safe_load((ROOT / "segments.yml").read_text(encoding="utf-8"))
    for name in ("first_release", "sample"):
        settings.pop(name, None)
    for source in settings["sources"].values():
        options = source["options"]
        options["folder"] = f"{options['folder']}/{SECOND_DROP}"
        options["exported_at"] = f"{SECOND_DROP}T06:00:00Z"
    settings["policy"] = edge_cases.SETTINGS["policy"]
    settings["paths"] = {"inputs": "inputs", "state": "state", "policies": str(edge_cases.HERE / "policies")}
    return shape(edge_cases.write_settings(folder, settings))

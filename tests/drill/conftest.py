"""One base for all tests of the drill: the sample released once without dbt, and run once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_quality.drill import Base, prepare
from demo.sample_company import write_sample_company
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return prepare(ROOT / "segments.yml", tmp_path_factory.mktemp("drill"))


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company's files. Copy what you break."""
    folder = tmp_path_factory.mktemp("exports")
    write_sample_company(folder)
    return folder

"""The faults' fixtures: a fresh deployment, one loaded once, and one that was released and then refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_quality.releasing import judge_candidate, release_judged
from tests.faults.exports import Deployment, add_line, deployment
from tests.faults.story import Story, bad_export, good_export, segments


@pytest.fixture
def ground(tmp_path: Path) -> Deployment:
    """A deployment with a right export; nothing is loaded."""
    return deployment(tmp_path)


@pytest.fixture(scope="session")
def _loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    made = deployment(tmp_path_factory.mktemp("loaded"))
    made.extract()
    return made


@pytest.fixture
def loaded(_loaded_once: Deployment, tmp_path: Path) -> Deployment:
    """A deployment of one's own whose lake holds the right export."""
    shutil.copytree(_loaded_once.root, tmp_path / "loaded")
    return Deployment(tmp_path / "loaded")


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One release, then a whole run of the command line with every kind of bad row. Read it, do not change it."""
    root = tmp_path_factory.mktemp("story")
    made = deployment(root, good_export())
    run = made.shape()
    judged = judge_candidate(run, made.candidate(run))
    released = release_judged(run, judged, run_name="tests/faults")
    copy = Path(shutil.copy(made.places.warehouse, root / "released_warehouse.duckdb"))
    bad_export().write(made.inputs)
    add_line(made.inputs / "Opportunity.csv", '"CUT","Deal that was cut"')
    return Story(made, judged, released, segments(made, "run", "--quiet"), copy)

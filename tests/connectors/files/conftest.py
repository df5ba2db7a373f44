"""The fixtures of the file connector's tests."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.connectors.files.ground import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A PRM without files yet."""
    return Ground(tmp_path)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the rooms say while a test runs."""
    caplog.set_level(logging.INFO, logger="segments")
    return caplog

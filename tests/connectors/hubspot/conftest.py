"""An account over loopback HTTP for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.hubspot.ground import Ground, grounds


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A deployment over an account with nothing in it but its owner's key."""
    with grounds(tmp_path, monkeypatch) as made:
        yield made

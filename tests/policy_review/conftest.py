"""Reviews of small policies by the real models, and folders of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.catalogue import catalogue
from pipelines.policy import read_policy
from pipelines.policy_review import by_the_models, review
from policy_review.programmes import HEAD, Reviewed


@pytest.fixture
def reviewed() -> Callable[[str], Reviewed]:
    """Review the policy that this text makes together with `HEAD`."""

    def make(body: str) -> Reviewed:
        policy = read_policy(HEAD + body, catalogue(), file="acme.yml")
        return Reviewed(policy, review(policy, by_the_models, catalogue()))

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A folder with these files (name without ending -> text)."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        return tmp_path

    return make

"""Folders with programmes and cases that tests change, and the command on them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.policy import app
from tests.conftest import ROOT

REFERENCE = ROOT / "policies" / "reference"

PLAIN = """\
policy: plain
version: "1"
effective_from: 2024-01-01
window: {quarters: 4}
declares:
  people: {aggregate: count_distinct, facts: certificates, where: {certificate: [basic, expert]}, window: {months: 6}}
  revenue: {aggregate: sum, facts: invoices, where: {value: {at_least: 100}}}
  latest: {aggregate: last, facts: invoices}
  visits: {aggregate: count, absent: zero}
derived:
  revenue_each: {ratio: [revenue, people]}
  won_before: {metric: won_deals, lag: 1}
ladders:
  tier:
    audience: partner
    levels:
      - {level: gold, enter: {all: [{metric: won_deals, at_least: 10}, {attribute: region, in: [emea]}]}}
      - {level: silver, enter: {any: [{metric: people, at_least: 2}, {metric: revenue_each, at_least: 50},
          {metric: won_before, at_least: 5}, {metric: visits, at_least: 3}, {metric: latest, at_least: 1000}]}}
      - {level: registered}
"""


@dataclass(frozen=True)
class Said:
    """What the command printed, and the code it ended with."""

    code: int
    text: str

    @property
    def words(self) -> str:
        """The text with all spaces alike, for phrases that may break over lines."""
        return re.sub(r"\s+", " ", self.text)


@pytest.fixture
def conform_command() -> Callable[..., Said]:
    """`segments policy conform WORDS`."""

    def run(*words: str | Path) -> Said:
        done = CliRunner().invoke(app, ["conform", *(str(word) for word in words)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.output)

    return run


@pytest.fixture
def reference(tmp_path: Path) -> Callable[..., Path]:
    """A copy of some reference programmes, by their names, that a test may change."""

    def copy(*names: str) -> Path:
        for path in REFERENCE.iterdir():
            if any(path.stem == name or path.stem.startswith(f"{name}-2") for name in names):
                shutil.copy(path, tmp_path)
        return tmp_path

    return copy


@pytest.fixture
def plain(tmp_path: Path) -> Callable[[str], Path]:
    """The programme `plain` with the lines of a CSV beside it."""

    def write(text: str, *, policy: str = PLAIN) -> Path:
        (tmp_path / "plain.yml").write_text(policy, encoding="utf-8")
        (tmp_path / "plain.csv").write_text(text, encoding="utf-8")
        return tmp_path

    return write

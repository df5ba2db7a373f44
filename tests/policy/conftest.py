"""The smallest policies that can be right, and ways to read changed ones; the tests say what each change means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import PolicyError
from pipelines.policy import Policy, read_policies, read_policy

CATALOGUE = (
    "sourced_pipeline_amount",
    "influenced_pipeline_amount",
    "sourced_won_amount",
    "influenced_won_amount",
    "won_deals",
    "decided_deals",
    "win_rate",
    "average_deal_amount",
    "sales_cycle_days",
    "pipeline_velocity_amount",
    "growth_rate",
    "active_quarters",
    "days_to_first_deal",
    "new_customers",
)

PLAIN = """\
policy: acme
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
ladders:
  tier:
    audience: partner
    levels:
      - level: gold
        enter: {metric: won_deals, at_least: 10}
      - level: silver
        enter: {metric: won_deals, at_least: 5}
      - level: registered
    movement: none
"""

SCORED = """\
policy: acme-scored
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
score:
  combine: weighted
  dimensions: {performance: 0.7, potential: 0.3}
  criteria:
    - id: won
      metric: sourced_won_amount
      dimension: performance
      weight: 0.6
      points: {percentile: {within: [region]}}
    - {id: rate, metric: win_rate, dimension: performance, weight: 0.4, points: {range: {low: 0.1, high: 0.5}}}
    - {id: deals, metric: won_deals, dimension: potential, weight: 1, points: {per_unit: {each: 10}}}
ladders:
  segment:
    audience: internal
    levels:
      - level: strategic
        enter: {score: total, at_least: 70}
      - level: managed
        enter: {score: total, at_least: 40}
      - level: self_serve
    movement: {buffer: 2.5, demote_after: 2, max_steps: {up: 1, down: 1}}
"""

SUMMED = """\
policy: acme-points
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
score:
  combine: points
  criteria:
    - {id: deals, metric: won_deals, points: {per_unit: {each: 10}}}
ladders:
  tier:
    audience: partner
    levels:
      - level: gold
        enter: {score: total, at_least: 100}
      - level: registered
    movement: none
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """`text` with each (old, new) replaced; an old part that is not there is a mistake of the test."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


@pytest.fixture
def catalogue() -> tuple[str, ...]:
    return CATALOGUE


@pytest.fixture
def plain() -> Callable[..., str]:
    """A policy without a score, with (old, new) changes."""
    return lambda *changes: changed(PLAIN, *changes)


@pytest.fixture
def scored() -> Callable[..., str]:
    """A weighted policy, with (old, new) changes."""
    return lambda *changes: changed(SCORED, *changes)


@pytest.fixture
def summed() -> Callable[..., str]:
    """A policy whose score is a plain sum of one criterion, with (old, new) changes."""
    return lambda *changes: changed(SUMMED, *changes)


@pytest.fixture
def read() -> Callable[[str], Policy]:
    return lambda text: read_policy(text, CATALOGUE, file="acme.yml")


@pytest.fixture
def refusal() -> Callable[[str], str]:
    """What a person reads when this text is refused."""

    def message(text: str) -> str:
        with pytest.raises(PolicyError) as caught:
            read_policy(text, CATALOGUE, file="acme.yml")
        assert caught.value.exit_code == 2
        assert caught.value.next_step
        assert caught.value.message.startswith("acme.yml: ")
        return caught.value.message

    return message


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A policy folder with these files (name without ending -> text)."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def folder_refusal(folder: Callable[..., Path]) -> Callable[..., str]:
    def message(**files: str) -> str:
        with pytest.raises(PolicyError) as caught:
            read_policies(folder(**files), CATALOGUE)
        return caught.value.message

    return message

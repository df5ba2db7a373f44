"""The programme written by hand gives the engine's numbers, so that comparing their times means something."""

from __future__ import annotations

import pytest

from benchmarks.policy_engine import Programme, engine_seconds, inputs
from pipelines.policy import read_policy
from pipelines.shape import metric_names
from pipelines.warehouse import memory

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("variant", [0, 3])
def test_both_ways_give_the_same_totals_and_levels(variant: int) -> None:
    programme = Programme(25, variant)
    other = Programme(25, variant + 1)
    policies = [read_policy(x.text(), metric_names(), file="bench.yml") for x in (programme, other)]
    with memory() as con:
        given = inputs(con, 60, 8, programme.metrics)
    found = engine_seconds(policies, given, programme)
    assert found["different"] == {"totals": 0, "held levels": 0}
    assert found["compared"]["totals"] == 60 * 8
    assert found["compared"]["held levels"] == 2 * 60 * 8

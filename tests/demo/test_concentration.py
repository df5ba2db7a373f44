"""The sample channel is as uneven and as steady as real channels are.

The ranges are those measured on real channels: Gini of partner production 0.65-0.86, top tenth 43-80 % of production,
rank correlation of consecutive quarters 0.6-0.97 among active partners, 80-99 % of active partners active again.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from demo.channel import Channel, gini, read_channel, top_tenth_share
from demo.salesforce_export import write_salesforce_export


@pytest.fixture(scope="module")
def channel(export: Path) -> Channel:
    return read_channel(export)


@pytest.mark.parametrize("last_quarters", [None, 4])
def test_production_is_as_concentrated_as_in_real_channels(channel: Channel, last_quarters: int | None) -> None:
    totals = channel.totals(last_quarters)
    assert 0.65 <= gini(totals) <= 0.86
    assert 0.43 <= top_tenth_share(totals) <= 0.80


def test_a_quarter_predicts_the_next_as_well_as_in_real_channels(channel: Channel) -> None:
    pairs = channel.persistence()
    assert len(pairs) == 11
    for correlation, active_again in pairs:
        assert 0.60 <= correlation <= 0.97
        assert 0.80 <= active_again <= 0.99


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_seeds_stay_within_the_ranges_too(tmp_path: Path, seed: int) -> None:
    write_salesforce_export(tmp_path, seed=seed)
    other = read_channel(tmp_path)
    assert 0.65 <= gini(other.totals()) <= 0.86
    assert 0.43 <= top_tenth_share(other.totals()) <= 0.80
    correlations, again = zip(*other.persistence(), strict=True)
    assert 0.60 <= fmean(correlations) <= 0.97
    assert 0.80 <= fmean(again) <= 0.99


def test_some_partners_of_the_roster_never_produce(channel: Channel) -> None:
    silent = sum(total == 0 for total in channel.totals())
    assert 5 <= silent <= 30

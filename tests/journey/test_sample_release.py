"""The sample company, from its export to the released tables."""

from __future__ import annotations

import csv

from tests.conftest import GOLDEN, Deployment


def test_the_release_is_the_golden_one(sample: Deployment) -> None:
    with sample.released() as con:
        rows = con.execute(
            "select partner_number, segment, segment_action, tier, tier_action, cast(sourced_won_amount as varchar), "
            "cast(total_score as varchar) from partner_segments order by partner_number"
        ).fetchall()
    with (GOLDEN / "sample_partner_segments.csv").open(encoding="utf-8", newline="") as handle:
        expected = [tuple(row) for row in list(csv.reader(handle))[1:]]
    assert [tuple("" if v is None else v for v in row) for row in rows] == expected

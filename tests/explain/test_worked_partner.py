"""docs/scoring.md works one partner by hand: its numbers are the released ones, and its sums are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pytest

from tests.conftest import ROOT, Deployment

DOCUMENT = (ROOT / "docs" / "scoring.md").read_text(encoding="utf-8")
WORKED = DOCUMENT.split("## One partner, step by step")[1]
PARTNER = re.search(r"\((P-\d{4})\) under", WORKED)[1]  # type: ignore[index]
QUARTER = re.search(r"in (\d{4}Q\d), as", WORKED)[1]  # type: ignore[index]
CENT = Decimal("0.01")


def table(first: str, *, second: str = "") -> list[dict[str, str]]:
    """The rows of the worked example's table whose heading begins with these columns."""
    for block in re.findall(r"((?:^\|.*\n)+)", WORKED, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        if lines[0][0] == first and second in ("", lines[0][1]):
            return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    raise AssertionError(f"no table {first} {second}")


def number(text: str) -> Decimal | None:
    return None if text in ("", "unknown") else Decimal(text.replace(",", ""))


@pytest.fixture(scope="module")
def released(company: Deployment) -> Iterator[duckdb.DuckDBPyConnection]:
    with company.released() as con:
        yield con


def test_values_and_points_are_the_released_ones(released: duckdb.DuckDBPyConnection) -> None:
    rows = released.execute(
        "select criterion, value, points from partner_score_contributions where partner_number = $1 and quarter = $2",
        [PARTNER, QUARTER],
    ).fetchall()
    told = {
        row["criterion"]: (number(row["value"]), number(row["points"])) for row in table("criterion", second="value")
    }
    assert told == {criterion: (value, points) for criterion, value, points in rows}


def test_the_worked_partner_shows_what_it_is_meant_to_show(released: duckdb.DuckDBPyConnection) -> None:
    reasons = [
        row[0]
        for row in released.execute(
            "select coalesce(reason, '') from partner_score_contributions where partner_number = $1 and quarter = $2",
            [PARTNER, QUARTER],
        ).fetchall()
    ]
    assert any(reason.startswith("requires ") for reason in reasons)
    assert any(reason.startswith("unknown") for reason in reasons)


def test_the_place_among_peers_is_that_of_the_warehouse(company: Deployment) -> None:
    rows = {row["among"]: row for row in table("among")}
    with company.warehouse() as con:
        found = con.execute(
            """
            with values_known as (
                select p.partner_number, p.region, v.value
                from scoring.criterion_points as v
                inner join identity.partners as p on v.partner_id = p.partner_id
                inner join deployment.quarters as q on v.quarter_index = q.quarter_index
                where v.criterion = 'won' and v.is_observed and q.quarter = $2 and v.policy = 'partner-programme'
            ),
            ranked as (
                select
                    *,
                    count(*) over (partition by region) as region_count,
                    rank() over (partition by region order by value) as region_rank,
                    count(*) over () as roster_count,
                    rank() over (order by value) as roster_rank
                from values_known
            )
            select region_count, region_rank, roster_count, roster_rank from ranked where partner_number = $1
            """,
            [PARTNER, QUARTER],
        ).fetchone()
    told = tuple(
        int(rows[among][column]) for among in ("region", "roster") for column in ("known values", "rank from below")
    )
    assert told == found
    shares = {}
    for among, row in rows.items():
        shares[among] = Decimal(int(row["rank from below"]) - 1) / (int(row["known values"]) - 1)
        assert round(shares[among], 6) == Decimal(row["share"])
    n = int(rows["region"]["known values"])
    mixed = (n * shares["region"] + 20 * shares["roster"]) / (n + 20)
    assert f"= {mixed:.6f}, so {(mixed * 100).quantize(CENT, ROUND_HALF_UP)} points" in WORKED


def test_the_sums_follow_from_the_points_and_end_at_the_released_total(released: duckdb.DuckDBPyConnection) -> None:
    released_rows = dict(
        released.execute(
            "select criterion, contribution from partner_score_contributions "
            "where partner_number = $1 and quarter = $2",
            [PARTNER, QUARTER],
        ).fetchall()
    )
    points = {row["criterion"]: row for row in table("criterion", second="value")}
    counted = {"performance": Decimal("0.45") / Decimal("0.65"), "strategic_fit": Decimal("0.20") / Decimal("0.65")}
    so_far = before = Decimal(0)
    for row in table("criterion", second="sum so far"):
        name = row["criterion"]
        is_fit = name in ("certified", "acceptance", "engagement")
        within = Decimal(points[name]["weight in its dimension"]) / (Decimal("0.80") if is_fit else 1)
        so_far += Decimal(points[name]["points"]) * within * counted["strategic_fit" if is_fit else "performance"]
        assert Decimal(row["sum so far"]) == so_far.quantize(Decimal("0.000001"), ROUND_HALF_UP)
        rounded = so_far.quantize(CENT, ROUND_HALF_UP)
        assert Decimal(row["rounded"]) == rounded
        assert Decimal(row["adds"]) == rounded - before == released_rows[name]
        before = rounded
    total, evidence, dimensions = released.execute(
        "select total_score, evidence_share, dimension_scores from partner_scores "
        "where partner_number = $1 and quarter = $2",
        [PARTNER, QUARTER],
    ).fetchall()[0]
    assert before == total
    assert f"The total is {total:.2f}. It rests on {evidence} of the weight" in WORKED
    for row in table("dimension"):
        assert f'"{row["dimension"]}": {row["score"]}' in dimensions
        assert Decimal(row["counts with"]) == counted[row["dimension"]].quantize(Decimal("0.0001"))
    assert sum(Decimal(row["adds"]) for row in table("dimension")) == total
    others = {name: adds for name, adds in released_rows.items() if adds}
    assert set(others) == {row["criterion"] for row in table("criterion", second="sum so far")}


def test_conditions_and_levels_are_the_released_ones(released: duckdb.DuckDBPyConnection) -> None:
    for row in table("ladder", second="level"):
        found = released.execute(
            "select actual_value, has_passed, is_observed from partner_gates "
            "where partner_number = $1 and quarter = $2 and ladder = $3 and level = $4 and alternative = $5 "
            "and needed = $6",
            [PARTNER, QUARTER, row["ladder"], row["level"], int(row["way"]), row["needed"]],
        ).fetchall()
        assert len(found) == 1, row
        actual, has_passed, is_observed = found[0]
        assert number(row["there is"]) == actual
        assert row["outcome"] == ("passed" if has_passed else "failed" if is_observed else "unknown")
    for row in table("ladder", second="earned"):
        found = released.execute(
            "select earned_level, held_level, action, reviews_below, held_since from partner_level_history "
            "where partner_number = $1 and quarter = $2 and ladder = $3 and policy = 'partner-programme'",
            [PARTNER, QUARTER, row["ladder"]],
        ).fetchall()
        assert found == [(row["earned"], row["held"], row["action"], int(row["reviews below"]), row["held since"])]

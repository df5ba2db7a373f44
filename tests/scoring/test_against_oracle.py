"""What the SQL released, row by row beside what the plain-Python oracle says of the same exports and policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from oracle import Oracle

Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]

COMPANIES = ["sample", "crafted", pytest.param("adventureworks", marks=pytest.mark.aw)]


@dataclass(frozen=True)
class Sides:
    """A released deployment and the oracle's view of it."""

    oracle: Oracle
    file: Path

    def released(self, table: str, key: list[str], columns: list[str]) -> Rows:
        """A released table by its key."""
        with duckdb.connect(str(self.file.parent / "state" / "released" / "segments.duckdb"), read_only=True) as con:
            rows = con.execute(f"select {', '.join(key + columns)} from {table}").fetchall()
        made = {row[: len(key)]: dict(zip(columns, row[len(key) :], strict=True)) for row in rows}
        assert len(made) == len(rows), f"{table}: {', '.join(key)} is no key"
        return made


@cache
def _oracle(file: Path) -> Oracle:
    return Oracle(file)


@pytest.fixture(scope="module", params=COMPANIES)
def sides(request: pytest.FixtureRequest) -> Sides:
    made = request.getfixturevalue(request.param)
    file = made if isinstance(made, Path) else made.file
    return Sides(_oracle(file), file)


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(wanted - found) < 1e-6
    return bool(wanted == found)


def assert_same(wanted: Rows, found: Rows) -> None:
    """No row too few or too many, and no value that differs; the message counts and gives the first of each column."""
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    told = [f"{len(missing)} rows were not released, first {key}" for key in sorted(missing)[:1]]
    told += [f"{len(extra)} rows too many, first {key}" for key in sorted(extra)[:1]]
    both = sorted(wanted.keys() & found.keys())
    for column in next(iter(wanted.values()), {}):
        wrong = [key for key in both if not _same(wanted[key][column], found[key][column])]
        told += [
            f"{column} differs in {len(wrong)} of {len(both)} rows, first {key}: "
            f"oracle {wanted[key][column]}, released {found[key][column]}"
            for key in wrong[:1]
        ]
    assert not told, "\n".join(told)


def test_every_score_is_the_oracles(sides: Sides) -> None:
    columns = ["total_score", "score_rank", "evidence_share", "dimension_scores"]
    found = sides.released("partner_scores", ["policy", "version", "quarter", "partner_number"], columns)
    for row in found.values():
        shown = row["dimension_scores"]
        row["dimension_scores"] = json.loads(shown, parse_float=Decimal, parse_int=Decimal) if shown else None
    assert_same(sides.oracle.scores(), found)


def test_every_value_its_points_and_its_contribution_are_the_oracles(sides: Sides) -> None:
    key = ["policy", "version", "quarter", "partner_number", "criterion"]
    found = sides.released("partner_score_contributions", key, ["value", "points", "contribution"])
    assert_same(sides.oracle.contributions(), found)


HISTORY = [
    "earned_level",
    "held_level",
    "previous_level",
    "action",
    "reviews_above",
    "reviews_below",
    "held_since",
]


def _history(sides: Sides, is_wanted: Callable[[str], bool]) -> tuple[Rows, Rows]:
    key = ["policy", "version", "ladder", "quarter", "partner_number"]
    found = sides.released("partner_level_history", key, HISTORY)
    return (
        {k: row for k, row in sides.oracle.history().items() if is_wanted(k[0])},
        {k: row for k, row in found.items() if is_wanted(k[0])},
    )


def test_every_level_earned_and_held_is_the_oracles(sides: Sides) -> None:
    assert_same(*_history(sides, lambda policy: policy != "versions"))


def test_each_version_of_a_policy_moves_partners_by_its_own_rules(crafted: Path) -> None:
    wanted, found = _history(Sides(_oracle(crafted), crafted), lambda policy: policy == "versions")
    assert {version for _, version, *_ in wanted} == {"1", "2"}
    assert_same(wanted, found)


def test_every_level_has_the_size_and_production_the_oracle_counts(sides: Sides) -> None:
    key = ["policy", "version", "ladder", "quarter", "level"]
    found = sides.released("segment_summary", key, ["partner_count", "sourced_won_amount"])
    wanted = sides.oracle.summary()
    assert_same(*({k: row for k, row in rows.items() if k[0] != "versions"} for rows in (wanted, found)))


def test_every_headline_amount_is_the_oracles(sides: Sides) -> None:
    amounts = ["sourced_won_amount", "influenced_won_amount", "sourced_pipeline_amount"]
    found = sides.released("partner_segments", ["partner_number"], amounts)
    assert_same({(number,): row for number, row in sides.oracle.headlines().items()}, found)


def test_the_comparison_sees_a_single_wrong_digit() -> None:
    with pytest.raises(AssertionError, match="points differs in 1 of 1 rows"):
        assert_same({("a",): {"points": 1}}, {("a",): {"points": 2}})
    with pytest.raises(AssertionError, match="1 rows were not released"):
        assert_same({("a",): {"points": 1}}, {})
    with pytest.raises(AssertionError, match="1 rows too many"):
        assert_same({}, {("a",): {"points": 1}})

"""The floor is a second, independent way to the released numbers: where the two differ, one of them is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest

from benchmarks.exports import replicate, sample, write_deployment
from benchmarks.floor import COMPARED, differences, run_floor
from pipelines import shape
from pipelines.extract import extract
from pipelines.release import build_candidate
from pipelines.settings import read_settings

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Both:
    """The same export, computed twice."""

    floor: Path
    candidate: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("floor")
    export = sample(folder / "once", partners=60, quarters=8)
    replicate(export.folder, folder / "twice", 2)
    settings = read_settings(write_deployment(folder / "run", replace(export, folder=folder / "twice")))
    run = shape.plan(settings)
    for instance in run.sources:
        extract(settings, run.places, instance)
    shape.lay_inputs(run)
    shape.build(run)
    candidate = build_candidate(run.places, policy_hash=run.active.content_hash)
    run_floor(settings, run.quarter, settings.folder("inputs"), folder / "floor.duckdb", threads=2)
    return Both(folder / "floor.duckdb", candidate.folder / "segments.duckdb")


def test_the_floor_gives_the_released_numbers_on_several_currencies_roles_and_a_pseudo_partner(both: Both) -> None:
    assert [difference.sentence() for difference in differences(both.floor, both.candidate)] == []


def test_no_compared_table_is_empty(both: Both) -> None:
    with duckdb.connect(str(both.floor), read_only=True) as con:
        empty = [name for name in COMPARED if con.execute(f"select count(*) from {name}").fetchall() == [(0,)]]
    assert empty == []


def test_every_level_is_held_by_somebody_so_the_comparison_means_something(both: Both) -> None:
    with duckdb.connect(str(both.floor), read_only=True) as con:
        held = con.execute("select distinct tier from partner_segments order by tier").fetchall()
    assert [row[0] for row in held] == ["T1", "T2", "T3", "T4", "none"]


def test_one_wrong_amount_is_found_and_said_in_words(both: Both, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.duckdb"
    wrong.write_bytes(both.floor.read_bytes())
    with duckdb.connect(str(wrong)) as con:
        con.execute(
            "update partner_segments set sourced_won_amount = sourced_won_amount + 0.0001 "
            "where partner_number = (select min(partner_number) from partner_segments where sourced_won_amount > 0)"
        )
    found = differences(wrong, both.candidate)
    assert [(x.table, x.only_in_floor, x.only_in_release) for x in found] == [("partner_segments", 1, 1)]
    assert "1 rows only in the floor" in found[0].sentence()


def test_a_channel_copied_once_is_the_channel_itself(tmp_path: Path) -> None:
    export = sample(tmp_path / "sample", partners=40, quarters=4)
    rows = replicate(export.folder, tmp_path / "copy", 1)
    thrice = replicate(export.folder, tmp_path / "thrice", 3)
    assert {name: count * 3 for name, count in rows.items()} == thrice
    with duckdb.connect() as con:
        for name in rows:
            before, after = (
                f"read_csv('{x}/{name}.csv', all_varchar = true)" for x in (export.folder, tmp_path / "copy")
            )
            assert con.execute(f"select count(*) from (from {before} except all from {after})").fetchall() == [(0,)]
            many = f"read_csv('{tmp_path}/thrice/{name}.csv', all_varchar = true)"
            assert con.execute(f"select count(*) - count(distinct Id) from {many}").fetchall() == [(0,)]

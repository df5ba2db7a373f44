"""The generated channel: a lake like any other, in the ratio that is asked for, with the same numbers by both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from benchmarks.channel import table
from benchmarks.channel_floor import COMPARED, compare, run_floor
from benchmarks.channel_lake import SOURCES, Channel, replicas_for, write_channel, write_template
from pipelines import shape
from pipelines.lake import loads
from pipelines.settings import read_settings

pytestmark = pytest.mark.slow

PARTNERS = 300


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    folder = tmp_path_factory.mktemp("channel")
    return write_channel(folder / "channel", write_template(folder / "sample"), PARTNERS)


@dataclass(frozen=True)
class Both:
    """The same lake, computed twice."""

    floor: Path
    warehouse: Path


@pytest.fixture(scope="module")
def both(channel: Channel) -> Both:
    settings = read_settings(channel.deployment)
    run = shape.plan(settings)
    shape.lay_inputs(run)
    shape.build(run)
    floor = channel.deployment.with_name("floor.duckdb")
    run_floor(settings, floor, threads=2, memory_limit="1GB")
    return Both(floor, run.places.warehouse)


def select(channel: Channel, source: str, table: str) -> str:
    return f"read_parquet('{channel.lake}/{source}/{table}/*/*.parquet')"


def test_the_lake_holds_one_completed_load_per_table(channel: Channel) -> None:
    for source, tables in SOURCES.items():
        assert {load.table: load.rows for load in loads(channel.lake, source)} == {
            name: channel.rows[name] for name in tables
        }


def test_there_are_a_hundred_deals_and_five_hundred_overlaps_per_partner(channel: Channel) -> None:
    partners = 120 * replicas_for(PARTNERS)
    assert partners == 360
    assert channel.rows["opportunities"] == pytest.approx(100 * partners, rel=0.02)
    assert channel.rows["account_overlaps"] == pytest.approx(500 * partners, rel=0.02)


def test_replicas_are_companies_of_their_own(channel: Channel) -> None:
    accounts = select(channel, "crm", "accounts")
    with duckdb.connect() as con:
        rows, ids, numbers, domains = con.execute(
            "select count(*), count(distinct source_id), count(distinct partner_number), count(distinct domain) "
            f"from {accounts}"
        ).fetchall()[0]
        once = con.execute(
            f"select count(*), count(distinct domain) from {accounts} where source_id like '001001%'"
        ).fetchall()[0]
        replicas = replicas_for(PARTNERS)
        assert (rows, ids, numbers, domains) == (once[0] * replicas, rows, rows, once[1] * replicas)


def test_every_row_points_at_rows_that_are_there(channel: Channel) -> None:
    pointers = (
        ("crm.opportunities", "account_id", "crm.accounts"),
        ("crm.opportunity_partners", "opportunity_id", "crm.opportunities"),
        ("crm.opportunity_partners", "account_id", "crm.accounts"),
        ("account_mapping.account_overlaps", "own_account_id", "crm.accounts"),
        ("account_mapping.account_overlaps", "partner_id", "account_mapping.partners"),
        ("account_mapping.overlap_counts", "partner_id", "account_mapping.partners"),
    )
    with duckdb.connect() as con:
        for rows, column, target in pointers:
            lost = con.execute(
                f"select count(*) from {select(channel, *rows.split('.'))} as r "
                f"anti join {select(channel, *target.split('.'))} as t on t.source_id = r.{column}"
            ).fetchall()
            assert (rows, column, lost) == (rows, column, [(0,)])


def test_the_floor_gives_the_numbers_of_the_project(both: Both) -> None:
    counts, differing = compare(both.floor, both.warehouse)
    assert [difference.sentence() for difference in differing] == []
    assert set(counts) == set(COMPARED)
    assert min(counts.values()) > 0


def test_levels_above_the_lowest_are_held_on_both_ladders_so_the_comparison_means_something(both: Both) -> None:
    with duckdb.connect(str(both.floor), read_only=True) as con:
        held = {row[0] for row in con.execute("select distinct held_level from partner_level_history").fetchall()}
        known = con.execute(
            "select count(*) filter (unique_reach_accounts > 0), count(potential), count(growth_rate) "
            "from partner_quarters"
        ).fetchall()[0]
    assert held == {"strategic", "managed", "self_serve", "gold", "silver", "registered"}
    assert min(known) > 0


def test_one_wrong_overlap_is_found_and_said_in_words(both: Both, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.duckdb"
    wrong.write_bytes(both.floor.read_bytes())
    with duckdb.connect(str(wrong)) as con:
        con.execute(
            "update partner_quarters set icp_overlap_accounts = icp_overlap_accounts + 1 where quarter = '2026Q3' "
            "and partner_number = (select min(partner_number) from partner_quarters where icp_overlap_accounts > 0)"
        )
    _, found = compare(wrong, both.warehouse)
    assert [(x.table, x.only_in_floor, x.only_in_release) for x in found] == [("overlaps by partner and quarter", 1, 1)]


def test_the_table_shows_sizes_side_by_side_growth_and_the_aim() -> None:
    def found(partners: int, seconds: float) -> dict[str, object]:
        return {
            "partners": partners,
            "rows": {"opportunities": 100 * partners, "account_overlaps": 500 * partners},
            "floor": {"seconds": seconds, "cpu": seconds, "memory": 100.0},
            "seconds": {"lay_inputs": 1.0, "dbt": 4.0, "candidate": 1.0, "judge": 1.0, "release": 1.0},
            "cpu": 9.0,
            "nodes_span": 3.0,
            "whole": 8.0,
            "memory": {"dbt": 300.0, "rest": 200.0},
            "nodes": {"int_partners": 0.5},
            "verdict": None,
            "compared": {"levels": 7},
            "differences": [],
        }

    said = table([found(1_000, 1.0), found(10_000, 4.0)], slowest=1)
    assert "1,000 to 10,000" in said
    assert "1,000 partners: 8.0, not met" in said
    assert "10,000 partners: 2.0, met" in said
    assert said.count("the numbers are equal") == 2

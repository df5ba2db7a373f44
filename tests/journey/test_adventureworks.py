"""Real rows with known totals: every fact must be met exactly. The rows lie beside the repository, not in it."""

from __future__ import annotations

import pytest

from tests.conftest import AW_FOLDER, Deployment

pytestmark = pytest.mark.aw

# quarter: partners, opportunities, amount by close date
PRODUCTION = {
    "2010Q4": (38, 38, "489328.58"),
    "2011Q1": (175, 175, "3549026.39"),
    "2011Q2": (153, 153, "4027080.34"),
    "2011Q3": (183, 220, "4952085.98"),
    "2011Q4": (225, 225, "5664610.01"),
    "2012Q1": (323, 323, "8288704.13"),
    "2012Q2": (312, 312, "6556571.37"),
    "2012Q3": (312, 312, "5814080.11"),
    "2012Q4": (329, 330, "7534275.93"),
    "2013Q1": (453, 460, "10542661.42"),
    "2013Q2": (444, 448, "8656657.46"),
    "2013Q3": (438, 441, "7644679.64"),
    "2013Q4": (357, 359, "6730835.64"),
}


def test_every_row_of_the_export_is_believed(adventureworks: Deployment) -> None:
    with adventureworks.warehouse() as con:
        counts = con.execute(
            "select (select count(*) from conformed.accounts), (select count(*) from conformed.opportunities), "
            "(select count(*) from conformed.opportunity_partners), (select count(*) from quarantine.opportunities)"
        ).fetchone()
    assert counts == (701, 3796, 3796, 0)


def test_the_total_is_met_to_the_cent(adventureworks: Deployment) -> None:
    with adventureworks.warehouse() as con:
        total = con.execute(
            "select cast(round(sum(won_amount), 2) as varchar) from metrics.partner_quarter_measures"
        ).fetchone()
        crm = con.execute(
            "select crm_won_amount = partner_won_amount, direct_won_amount = 0 from metrics.production_reconciliation"
        ).fetchall()
    assert total == ("80450596.98",)
    assert all(row == (True, True) for row in crm)


def test_production_by_quarter_is_met(adventureworks: Deployment) -> None:
    with adventureworks.warehouse() as con:
        rows = con.execute(
            "select quarter, count(*), sum(won_deals), cast(round(sum(won_amount), 2) as varchar) "
            "from metrics.partner_quarter_measures where won_deals > 0 group by quarter"
        ).fetchall()
    assert {row[0]: row[1:] for row in rows} == PRODUCTION


def test_635_partners_have_production_and_66_have_none(adventureworks: Deployment) -> None:
    with adventureworks.warehouse() as con:
        producing = con.execute(
            "select count(distinct partner_id) from metrics.partner_quarter_measures where won_deals > 0"
        ).fetchone()
        partners = con.execute("select count(*) from identity.partners").fetchone()
    assert producing == (635,)
    assert partners == (701,)


def test_all_4227_expected_tiers_are_held_and_no_other(adventureworks: Deployment) -> None:
    with adventureworks.released() as con:
        con.execute(
            f"create temp table expected as select quarter, account_number, trailing_4q_amount, rank, tier "
            f"from read_csv('{AW_FOLDER}/expected_tiers.csv')"
        )
        held = """
            select h.quarter, h.partner_number, h.held_level from partner_level_history as h
            where h.policy = 'adventureworks-baseline' and h.held_level <> 'none'
        """
        assert con.execute(f"select count(*) from ({held})").fetchone() == (4227,)
        expected = "select quarter, account_number, tier from expected"
        assert con.execute(f"({expected}) except all ({held})").fetchall() == []
        assert con.execute(f"({held}) except all ({expected})").fetchall() == []


def test_the_place_in_the_ranking_is_the_expected_one(adventureworks: Deployment) -> None:
    with adventureworks.released() as con:
        wrong = con.execute(
            f"""
            select e.quarter, e.account_number, e.rank, g.actual_value
            from read_csv('{AW_FOLDER}/expected_tiers.csv') as e
            left join partner_gates as g
                on g.quarter = e.quarter and g.partner_number = e.account_number
                and g.kind = 'top_share' and g.level = 'T1'
            where g.actual_value is distinct from e.rank
            """
        ).fetchall()
    assert wrong == []


def test_movement_is_the_expected_one(adventureworks: Deployment) -> None:
    with adventureworks.released() as con:
        expected = con.execute(f"select * from read_csv('{AW_FOLDER}/expected_movement.csv') order by q_to").fetchall()
        found = con.execute(
            """
            select
                lag(quarter) over (order by quarter) as q_from, quarter,
                coalesce(sum(partner_count) filter (where action = 'kept'), 0),
                coalesce(sum(partner_count) filter (where action = 'promoted'), 0),
                coalesce(sum(partner_count) filter (where action = 'demoted'), 0),
                coalesce(sum(partner_count) filter (where action = 'entered'), 0),
                coalesce(sum(partner_count) filter (where action = 'exited'), 0)
            from segment_movement where policy = 'adventureworks-baseline' group by quarter order by quarter
            """
        ).fetchall()
    assert [tuple(row) for row in found if row[1] >= "2011Q4"] == [tuple(row) for row in expected]


def test_the_weighted_example_is_evaluated_beside_and_decides_nothing(adventureworks: Deployment) -> None:
    with adventureworks.released() as con:
        assert con.execute("select distinct policy from partner_segments").fetchall() == [("adventureworks-baseline",)]
        scored = con.execute(
            "select count(*) from partner_scores where policy = 'adventureworks-weighted' and quarter = '2013Q4'"
        ).fetchone()
    assert scored == (701,)


def test_the_weighted_example_may_itself_be_released(adventureworks_rows: object, tmp_path: object) -> None:
    from pathlib import Path

    from tests.conftest import ROOT, deployment_in

    made = deployment_in(
        Path(str(tmp_path)),
        ROOT / "examples" / "adventureworks" / "segments.yml",
        data=AW_FOLDER,
        policy={"active": "adventureworks-weighted"},
    )
    made.segments("run", "--quiet")
    with made.released() as con:
        segments = dict(con.execute("select segment, count(*) from partner_segments group by 1").fetchall())
    assert set(segments) == {"strategic", "managed", "self_serve"}

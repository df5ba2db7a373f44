"""Every story planted in the sample company is found in the released tables alone, as docs/sample-company.md tells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.conftest import Deployment


@pytest.fixture(scope="module")
def released(company: Deployment) -> Any:
    con = company.released()
    yield con
    con.close()


def row(con: duckdb.DuckDBPyConnection, table: str, number: str, **more: str) -> dict[str, Any]:
    where = " and ".join(["partner_number = $number", *(f"{name} = ${name}" for name in more)])
    result = con.execute(f"select * from {table} where {where}", {"number": number, **more})
    names = [column[0] for column in result.description]
    found = result.fetchall()
    assert len(found) == 1, f"{len(found)} rows of {table} for {number} {more}"
    return dict(zip(names, found[0], strict=True))


def levels(con: duckdb.DuckDBPyConnection, number: str, ladder: str, quarter: str) -> dict[str, Any]:
    return row(con, "partner_level_history", number, ladder=ladder, quarter=quarter)


def test_the_famous_logo_is_met_weekly_and_sells_nothing(released: duckdb.DuckDBPyConnection) -> None:
    partner = row(released, "partner_segments", "P-0003")
    assert partner["sourced_won_amount"] == 0
    assert partner["segment"] == "self_serve"
    busiest = released.execute(
        "select partner_number from partner_segments order by partner_manager_hours desc limit 5"
    )
    assert ("P-0003",) in busiest.fetchall()


def test_the_hidden_potential_is_strategic_and_nobody_has_met_it(released: duckdb.DuckDBPyConnection) -> None:
    plan = row(released, "investment_plan", "P-0017")
    assert (plan["segment"], plan["hours_spent"], plan["last_touch"]) == ("strategic", 0, None)
    assert plan["hours_gap"] == plan["hours_entitled"] > 0
    counts = released.execute(
        "select partner_number, icp_overlap_accounts from partner_overlap where quarter = '2026Q3' "
        "order by icp_overlap_accounts desc nulls last limit 2"
    ).fetchall()
    assert counts[0][0] == "P-0017"
    assert counts[0][1] > 3 * counts[1][1]


def test_the_stalled_partner_is_on_watch_before_it_falls(released: duckdb.DuckDBPyConnection) -> None:
    won = released.execute(
        "select quarter, value from partner_score_contributions "
        "where partner_number = 'P-0005' and criterion = 'steadiness' and quarter in ('2026Q1', '2026Q3') order by 1"
    ).fetchall()
    assert [value for _, value in won] == [Decimal(4), Decimal(2)]
    assert levels(released, "P-0005", "segment", "2026Q2")["held_level"] == "strategic"
    now = levels(released, "P-0005", "segment", "2026Q3")
    assert (now["held_level"], now["earned_level"], now["action"]) == ("strategic", "self_serve", "on_watch")


def test_the_lucky_deal_earns_a_level_that_the_buffer_holds_back(released: duckdb.DuckDBPyConnection) -> None:
    for ladder, kept, earned in (("tier", "silver", "gold"), ("segment", "self_serve", "managed")):
        now = levels(released, "P-0011", ladder, "2026Q3")
        assert (now["held_level"], now["earned_level"], now["action"]) == (kept, earned, "kept")
    bar = row(released, "partner_gates", "P-0011", ladder="segment", level="managed", quarter="2026Q3")
    assert bar["has_passed"]
    assert bar["needed_value"] <= bar["actual_value"] < bar["needed_value"] + Decimal("2.5")


def test_the_same_company_twice_is_listed_and_not_merged(released: duckdb.DuckDBPyConnection) -> None:
    twins = released.execute(
        "select partner_number, detail from identity_review where reason = 'domain_shared' order by 1"
    ).fetchall()
    assert [number for number, _ in twins] == ["P-0014", "P-0031"]
    assert all("P-0014, P-0031" in detail for _, detail in twins)
    assert (
        row(released, "partner_segments", "P-0014")["partner_id"]
        != row(released, "partner_segments", "P-0031")["partner_id"]
    )


def test_the_pseudo_partner_is_scored_nowhere_and_its_deals_are_direct(
    released: duckdb.DuckDBPyConnection, company: Deployment
) -> None:
    for table in ("partner_segments", "investment_plan", "identity_review"):
        assert released.execute(f"select count(*) from {table} where partner_name = 'Direct'").fetchall() == [(0,)]
    with company.warehouse() as con:
        totals = con.execute(
            "select crm_won_amount, partner_won_amount + direct_won_amount, direct_won_amount "
            "from metrics.production_reconciliation"
        ).fetchall()
    assert totals
    for crm, parts, direct in totals:
        assert crm == parts
        assert direct > 0


def test_the_expired_team_has_no_certified_people_left(released: duckdb.DuckDBPyConnection) -> None:
    values = released.execute(
        "select quarter, value from partner_score_contributions where partner_number = 'P-0023' "
        "and criterion = 'certified' and quarter in ('2026Q2', '2026Q3') order by 1"
    ).fetchall()
    assert values == [("2026Q2", Decimal(9)), ("2026Q3", Decimal(0))]
    bars = released.execute(
        "select quarter, has_passed from partner_gates where partner_number = 'P-0023' and ladder = 'tier' "
        "and level = 'platinum' and subject = 'certified_people' and quarter in ('2026Q2', '2026Q3') order by 1"
    ).fetchall()
    assert bars == [("2026Q2", True), ("2026Q3", False)]
    assert levels(released, "P-0023", "tier", "2026Q3")["action"] == "on_watch"


def test_counts_only_is_a_known_number_of_unknown_accounts(released: duckdb.DuckDBPyConnection) -> None:
    overlap = row(released, "partner_overlap", "P-0029", quarter="2026Q3")
    assert overlap["rests_on"] == "counts"
    assert overlap["overlap_accounts"] > 0
    assert overlap["icp_overlap_accounts"] is None
    assert overlap["unique_reach_accounts"] is None
    contribution = row(released, "partner_score_contributions", "P-0029", criterion="ideal_overlap", quarter="2026Q3")
    assert (contribution["value"], contribution["is_observed"], contribution["points"]) == (None, False, None)


def test_partners_of_one_system_keep_their_unknowns(released: duckdb.DuckDBPyConnection) -> None:
    crm_only = row(released, "partner_segments", "P-0027")
    assert crm_only["systems"] == "crm"
    assert crm_only["sourced_won_amount"] > 0
    assert (crm_only["certified_people"], crm_only["icp_overlap_accounts"]) == (None, None)
    assert crm_only["evidence_share"] < 0.5
    portal_only = released.execute(
        "select systems, sourced_won_amount, certified_people, tier from partner_segments "
        "where partner_name = 'Ibarra Cloud Works'"
    ).fetchall()
    assert portal_only == [("prm", None, 0, "registered")]
    alone = released.execute(
        "select partner_name, kind, is_on_roster from identity_review where reason = 'one_system_only' "
        "and partner_name in ('Old Harbour Computing', 'Ibarra Cloud Works', 'Saltmarsh Robotics') order by 1"
    ).fetchall()
    assert alone == [
        ("Ibarra Cloud Works", "prm", True),
        ("Old Harbour Computing", "crm", True),
        ("Saltmarsh Robotics", "account_mapping", False),
    ]


def test_one_company_under_two_domains_is_told_by_its_name(released: duckdb.DuckDBPyConnection) -> None:
    details = released.execute(
        "select kind, detail from identity_review where partner_name = 'Novotná Bridge Informatics'"
    ).fetchall()
    assert [kind for kind, _ in details] == ["account_mapping"]
    assert "same name is P-0037" in details[0][1]
    assert row(released, "partner_segments", "P-0037")["systems"] == "crm, prm"


def test_the_second_export_restates_what_the_first_released(released: duckdb.DuckDBPyConnection) -> None:
    chain = released.execute("select quarter, cast(known_at as date) from releases order by position").fetchall()
    assert [(quarter, str(day)) for quarter, day in chain] == [("2026Q2", "2026-07-05"), ("2026Q3", "2026-10-05")]
    on_record = released.execute(
        "select count(*), count(*) filter (where released_level <> held_level) from partner_level_history "
        "where quarter = '2026Q2' and released_in is not null"
    ).fetchall()[0]
    assert on_record[0] > 200
    assert on_record[1] > 0

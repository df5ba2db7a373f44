"""What a sound company may do from one release to the next without a refusal, beside what it may not."""

from __future__ import annotations

import pytest

from tests.gate.conftest import Pair


def failed(pair: Pair, suite: str) -> dict[str, str]:
    """The promises that failed, with their severity."""
    verdict = pair.judge_by(suite)
    assert not any(result.raised for result in verdict.results)
    return {result.expectation: result.severity for result in verdict.failures() if result.suite == suite}


@pytest.mark.parametrize(
    ("entity", "column", "count", "promises"),
    [
        ("opportunities", "amount", "scaled_rows", {"numbers_keep_their_unit": "critical"}),
        ("meetings", "duration_in_minutes", "scaled_rows", {"numbers_keep_their_unit": "critical"}),
        ("opportunity_stage_changes", "probability", "scaled_rows", {"other_numbers_keep_their_unit": "warning"}),
        ("business_plans", "actual_amount", "scaled_rows", {"other_numbers_keep_their_unit": "warning"}),
        ("training_records", "progress_pct", "scaled_rows", {}),
        ("overlap_counts", "count", "scaled_rows", {"counts_keep_their_size": "warning"}),
        ("opportunities", "closedate", "jumped_rows", {"dates_stay_in_their_year": "critical"}),
        ("opportunities", "created_date", "jumped_rows", {"dates_stay_in_their_year": "critical"}),
        ("business_plans", "period_start", "jumped_rows", {"other_dates_stay_in_their_year": "warning"}),
        ("partner_users", "last_login_at", "jumped_rows", {}),
        (
            "opportunities",
            "closedate",
            "gone_rows",
            {"records_are_still_there": "critical", "few_records_are_gone": "warning"},
        ),
        ("program_memberships", "level", "gone_rows", {}),
    ],
)
def test_what_changed_is_as_bad_as_what_rests_on_it(
    good: Pair, entity: str, column: str, count: str, promises: dict[str, str]
) -> None:
    counts = {"changed_rows": 0, count: 15 if entity == "program_memberships" else 60}
    replaced = ", ".join(f"{number} as {name}" for name, number in counts.items())
    good.change(
        "insert into deployment.load_changes by name "
        f"select * replace ('{entity}' as entity, '{column}' as column_name, {replaced}) "
        "from deployment.load_changes limit 1",
        candidate=False,
    )
    assert failed(good, "load_changes") == promises


def test_a_company_before_its_first_win_has_nothing_to_show(good: Pair) -> None:
    good.change("delete from conformed.deal_registrations; delete from conformed.meetings;", candidate=False)
    good.change("update conformed.opportunities set close_date = '2020-01-01'", candidate=False)
    assert failed(good, "quarters") == {"something_happened": "critical"}
    good.change("update conformed.opportunities set is_won = false", candidate=False)
    assert failed(good, "quarters") == {}


QUARTERS = """
    insert into {table} by name
    select o.* replace ('{source}' as source, 'h' || row_number() over () as source_id, {replaced})
    from {table} as o cross join (
      select 0 as months, n from range({newest}) as rows (n) union all
      select m, n from (values (3), (6), (9), (12)) as months (m) cross join range(30) as rows (n)) as made
    where o.source_id = '{id}'
"""


def with_quarters(pair: Pair, *, amount: str, newest: int = 30, currency: str = "'EUR'", is_deal: bool = True) -> None:
    """Five quarters of a source that won 30 deals in each of them, or registered so many."""
    day = "(timestamp '2026-05-10' - to_months(months::integer))"
    money = f"{amount} as amount, {currency} as currency"
    pair.change(
        QUARTERS.format(
            table="conformed.opportunities" if is_deal else "conformed.deal_registrations",
            source="yen",
            id="o5" if is_deal else "d1",
            newest=newest,
            replaced=f"{day}::date as close_date, {amount} as reporting_amount, {money}"
            if is_deal
            else f"{day} as submitted_at, {money}",
        ),
        candidate=False,
    )


def test_amounts_are_of_the_size_they_were_in_their_currency(good: Pair) -> None:
    # Of the deals of each quarter before a few were in yen; in the newest all of them are.
    with_quarters(
        good,
        amount="case when months = 0 or n < 3 then 100 else 10000 end",
        currency="case when months = 0 or n < 3 then 'JPY' else 'EUR' end",
    )
    assert "amounts_keep_their_unit" not in failed(good, "quarters")


@pytest.mark.parametrize(
    ("newest", "is_deal", "severity"), [(30, True, "critical"), (30, False, "warning"), (19, True, None)]
)
def test_another_unit_of_deals_refuses_and_of_others_is_told(
    good: Pair, newest: int, is_deal: bool, severity: str | None
) -> None:
    with_quarters(good, amount="case when months = 0 then 10000 else 100 end", newest=newest, is_deal=is_deal)
    found = failed(good, "quarters")
    assert found.get("amounts_keep_their_unit" if is_deal else "other_amounts_keep_their_unit") == severity
    assert ("other_amounts_keep_their_unit" if is_deal else "amounts_keep_their_unit") not in found


def test_a_quarter_of_few_deals_is_no_measure(good: Pair) -> None:
    with_quarters(good, amount="case when months = 0 then 10000 else 100 end")
    good.change(
        "delete from conformed.opportunities where source = 'yen' and close_date = '2025-08-10' and "
        "try_cast(substr(source_id, 2) as integer) % 2 = 0",
        candidate=False,
    )
    assert "amounts_keep_their_unit" not in failed(good, "quarters")


@pytest.mark.parametrize(
    ("now", "before", "is_told"),
    [(5, 0, True), (4, 0, False), (5, 2, False), (8, 2, True)],
    ids=["more than ever", "a handful at most", "as usual", "four times as usual"],
)
def test_turned_signs_are_told_where_credit_notes_are_not_as_many(
    good: Pair, now: int, before: int, is_told: bool
) -> None:
    with_quarters(
        good, amount=f"case when n < case when months = 0 then {now} else {before} end then -100 else 100 end"
    )
    assert ("few_won_deals_are_negative" in failed(good, "opportunities")) is is_told

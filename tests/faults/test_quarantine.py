"""A row that cannot be believed is set aside with its reason, its file and its row; the rows beside it count.

All bad rows stand in one export (`bad_export` in conftest.py), so that the whole way is walked once.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest

from tests.faults.story import Story, bad_export

PLACE = {row["Id"]: number for number, row in enumerate(bad_export().opportunities, 1)}
"""Row of Opportunity.csv in which an id stands (for the last time)."""


def test_a_wrong_type_in_row_3001_is_set_aside_and_the_release_goes_out(story: Story) -> None:
    assert PLACE["WRONG"] == 3001
    with duckdb.connect(str(story.warehouse_of_release), read_only=True) as con:
        assert con.execute(
            "select source, source_id, reject_reason, reject_detail, file_name, file_row from quarantine.opportunities"
        ).fetchall() == [
            (
                "salesforce",
                "WRONG",
                "wrong_type",
                "Opportunity.csv row 3001: id WRONG: amount = 'twelve'; ",
                "Opportunity.csv",
                3001,
            )
        ]
        assert con.execute("select count(*) from conformed.opportunities").fetchall() == [(3000,)]
    assert story.judged.verdict.decision == "release"
    (said,) = [result.sentence() for result in story.judged.verdict.failures() if result.suite == "quarantine"]
    assert "rows were set aside and count nowhere until they are corrected" in said
    assert "reject_reason=wrong_type, row_count=1" in said


@pytest.mark.parametrize(
    ("key", "reason", "words"),
    [
        ("WRONG", "wrong_type", "amount = 'twelve'"),
        ("X-ACCOUNT", "unknown_account", "points at account NOBODY, which is not there or was set aside"),
        ("X-NO-ACCOUNT", "unknown_account", "points at account (none)"),
        ("X-RATE", "no_exchange_rate", "no rate for CHF on 2026-08-14"),
        ("X-OLD-RATE", "no_exchange_rate", "no rate for EUR on 2025-12-31"),
        ("X-FUTURE", "close_date_in_future", "closed on 2027-08-14, after the export was taken (2026-10-05)"),
        ("X-CREATED", "created_in_future", "created at 2026-12-24 00:00:00, after the export was taken"),
        ("X-THOUSANDS", "wrong_type", "amount = '1,234.56'"),
        ("X-COMMA", "wrong_type", "amount = '1234,56'"),
        ("X-SWAPPED-ISO", "wrong_type", "close_date = '2026-14-08'"),
        ("X-SWAPPED-US", "wrong_type", "close_date = '08/14/2026'"),
        ("X-WON-OPEN", "won_but_open", "won but not closed"),
        ("X-NO-DATE", "close_date_missing", "closed without a close date"),
        ("X-NO-AMOUNT", "amount_missing", "won without an amount"),
        ("X-NO-STATE", "state_missing", "IsClosed or IsWon is blank"),
    ],
)
def test_an_opportunity_that_cannot_be_believed_says_why(story: Story, key: str, reason: str, words: str) -> None:
    ((found, detail, row),) = story.quarantined()[key]
    assert (found, row) == (reason, PLACE[key])
    assert detail.startswith(f"Opportunity.csv row {PLACE[key]}: id {key}: ")
    assert words in detail
    assert story.believed(key) == []


def test_a_row_without_id_and_a_cut_line_are_set_aside_by_their_row(story: Story) -> None:
    aside = story.quarantined()["(none)"]
    assert ("missing_id", f"Opportunity.csv row {PLACE['']}: id (none): the row has no id", PLACE[""]) in aside
    cut = len(bad_export().opportunities) + 1
    (line,) = [found for found in aside if found[0] == "broken_line"]
    assert line[2] == cut
    assert line[1] == f'Opportunity.csv row {cut}: the line has 2 fields, the header 13: "CUT","Deal that was cut"'


def test_a_copy_of_a_row_is_set_aside_and_one_stays(story: Story) -> None:
    ((reason, detail, _),) = story.quarantined()["DUP-SAME"]
    assert reason == "duplicate_id"
    assert "id DUP-SAME stands more than once in one load" in detail
    assert story.believed("DUP-SAME") == [Decimal("1.00")]


def test_of_two_versions_of_a_row_the_newer_stays(story: Story) -> None:
    assert [reason for reason, _, _ in story.quarantined()["DUP-NEWER"]] == ["duplicate_id"]
    assert story.believed("DUP-NEWER") == [Decimal("2.00")]


def test_two_versions_of_one_moment_leave_nothing_to_choose_by_and_both_go(story: Story) -> None:
    assert [reason for reason, _, _ in story.quarantined()["DUP-CONFLICT"]] == ["duplicate_id_conflict"] * 2
    assert story.believed("DUP-CONFLICT") == []


def test_accounts_are_held_to_the_same_rules(story: Story) -> None:
    aside = story.quarantined("accounts")
    assert {key: found[0][0] for key, found in aside.items()} == {
        "A-CREATED": "created_in_future",
        "A-NUMBER": "wrong_type",
    }
    assert "Account.csv row 8: id A-NUMBER: number_of_employees = 'many'" in aside["A-NUMBER"][0][1]


def test_partner_roles_that_point_nowhere_are_set_aside(story: Story) -> None:
    aside = story.quarantined("opportunity_partners")
    assert "points at opportunity NOWHERE" in aside["R-DEAL"][0][1]
    assert "points at account NOBODY" in aside["R-ACCOUNT"][0][1]
    assert "points at opportunity X-RATE, which is not there or was set aside" in aside["R-X-RATE"][0][1]
    assert aside["R-DEAL"][0][0] == "unknown_opportunity"
    assert aside["R-ACCOUNT"][0][0] == "unknown_account"


def test_what_the_source_deleted_counts_nowhere_and_is_no_fault(story: Story) -> None:
    assert story.believed("T-DELETED", "is_deleted") == [True]
    aside = story.quarantined()
    for key in ("T-DELETED", "X-DELETED"):
        assert key not in aside
    assert "R-DELETED" not in story.quarantined("opportunity_partners")
    assert story.made.ask("select count(*) from metrics.opportunity_credits where opportunity_id = 'T-DELETED'") == [
        (0,)
    ]


def test_every_row_of_the_file_is_on_one_side_or_was_deleted(story: Story) -> None:
    believed = story.made.one("select count(*) from conformed.opportunities")
    aside = story.made.one("select count(*) from quarantine.opportunities_set_aside")
    assert believed + aside == len(bad_export().opportunities) + 1
    assert story.made.ask(
        "select source_id from quarantine.opportunities_set_aside where reject_reason = 'deleted'"
    ) == [("X-DELETED",)]


def test_an_open_deal_may_be_expected_in_the_future(story: Story) -> None:
    assert story.believed("T-EXPECTED", "close_date") == [date(2027, 8, 14)]


def test_the_rate_of_the_day_counts_from_its_first_day(story: Story) -> None:
    assert story.believed("T-RATE", "reporting_amount") == [Decimal("1.10")]


def test_a_moment_with_an_offset_is_counted_in_utc(story: Story) -> None:
    assert story.believed("T-OFFSET", "created_at") == [datetime(2026, 2, 28, 22, 30)]
    assert story.believed("T-PLAIN", "created_at") == [datetime(2026, 3, 1, 0, 30)]


def test_a_credit_note_counts_against_its_partner(story: Story) -> None:
    with duckdb.connect(str(story.warehouse_of_release), read_only=True) as con:
        amounts = con.execute(
            "select partner_number, sourced_won_amount from marts.partner_segments order by 1"
        ).fetchall()
    assert amounts[:2] == [("N001", Decimal("3750.00")), ("N002", Decimal("8000.00"))]


def test_a_field_nobody_asked_for_is_kept_in_the_lake(story: Story) -> None:
    assert story.made.one("select count(distinct kept__c) from raw_salesforce.opportunity") == 1

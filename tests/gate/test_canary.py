"""The canary: a gate is only as good as its proof that every rule can fail, and that none fails on good data.

If a pinned library changes how results come back (it has happened: every expectation raised), this is where it shows.
"""

from __future__ import annotations

import duckdb
import pytest

from data_quality.suite import UNIONS, Suite, read_suites
from data_quality.verdict import Verdict
from tests.gate.conftest import ENTITIES, Pair

ALL_SUITES = read_suites()

NEEDS_ANOTHER_STATE = {
    ("accounts", "somebody_is_a_partner"): "update conformed.accounts set is_partner = false",
    ("opportunities", "quarter_has_won_deals"): "delete from conformed.opportunities where close_date > '2026-03-31'",
}
"""Rules that the bad files cannot break, as one right row satisfies them: what breaks them."""


def by_name(suite: Suite) -> str:
    return suite.suite


def tables_of(suite: Suite) -> list[str]:
    used = [schema for name, (schema, _) in UNIONS.items() if f"{{{name}}}" in (suite.source or "")]
    if used:
        return [f"{schema}.{entity}" for schema in used for entity in ENTITIES]
    return [suite.relation.removeprefix("candidate.")]


@pytest.mark.parametrize("suite", ALL_SUITES, ids=by_name)
def test_every_rule_holds_on_the_good_files(suite: Suite, good_verdict: Verdict) -> None:
    results = {result.expectation: result for result in good_verdict.results if result.suite == suite.suite}
    assert set(results) == {rule.name for rule in suite.expectations}
    assert [result.sentence() for result in results.values() if not result.success or result.raised] == []


@pytest.mark.parametrize("suite", ALL_SUITES, ids=by_name)
def test_every_rule_fails_on_the_bad_files(suite: Suite, bad_verdict: Verdict) -> None:
    results = {result.expectation: result for result in bad_verdict.results if result.suite == suite.suite}
    excused = {rule for name, rule in NEEDS_ANOTHER_STATE if name == suite.suite} | {suite.floor}
    assert {name for name, result in results.items() if result.success} <= excused
    assert {rule.name for rule in suite.expectations} <= set(results)
    assert [result.sentence() for result in results.values() if result.raised] == []


@pytest.mark.parametrize("suite", ALL_SUITES, ids=by_name)
def test_an_empty_table_falls_through_the_floor(suite: Suite, good: Pair) -> None:
    for table in tables_of(suite):
        good.change(f"delete from {table}", candidate=suite.place == "candidate")
    verdict = good.judge_by(suite.suite)
    failed = {result.expectation for result in verdict.failures() if result.suite == suite.suite}
    assert suite.floor in failed
    assert not any(result.raised for result in verdict.results)
    assert verdict.decision == "refuse"


@pytest.mark.parametrize("suite", ALL_SUITES, ids=by_name)
def test_a_table_of_nulls_fails_every_key_and_raises_nothing(suite: Suite, good: Pair) -> None:
    is_candidate = suite.place == "candidate"
    for table in tables_of(suite):
        path = good.candidate / "segments.duckdb" if is_candidate else good.warehouse
        with duckdb.connect(str(path)) as connection:
            columns = [row[0] for row in connection.execute(f"describe {table}").fetchall()]
            connection.execute(f"update {table} set " + ", ".join(f'"{column}" = null' for column in columns))
    verdict = good.judge_by(suite.suite)
    guards = {
        rule.name
        for rule in suite.expectations
        if rule.type == "ExpectColumnValuesToNotBeNull" and rule.kwargs["column"] in suite.key
    }
    failed = {result.expectation for result in verdict.failures()}
    assert guards
    assert guards <= failed
    assert not any(result.raised for result in verdict.results)
    assert verdict.decision == "refuse"


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("partner_segments", "evidence_share"),
        ("partner_scores", "evidence_share"),
        ("partner_score_contributions", "share_of_total"),
        ("segment_summary", "partner_share"),
        ("segment_summary", "production_share"),
    ],
)
def test_nan_is_no_number(table: str, column: str, good: Pair) -> None:
    good.change(f"update {table} set {column} = 'nan'::double")
    failed = {result.expectation for result in good.judge_by(table).failures()} - {"table_has_a_suite"}
    assert failed & {
        "score_and_evidence_are_possible",
        "points_keep_within_their_cap",
        "shares_are_shares",
    }


@pytest.mark.parametrize(("suite", "rule"), sorted(NEEDS_ANOTHER_STATE))
def test_what_one_right_row_satisfies_fails_without_it(suite: str, rule: str, good: Pair) -> None:
    good.change(NEEDS_ANOTHER_STATE[suite, rule], candidate=False)
    assert rule in {result.expectation for result in good.judge_by(suite).failures()}


def test_every_released_table_of_the_good_candidate_has_a_suite(good_files: Pair) -> None:
    with duckdb.connect(str(good_files.candidate / "segments.duckdb"), read_only=True) as connection:
        tables = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
    assert tables == {suite.table for suite in ALL_SUITES if suite.place == "candidate"}


def test_the_seeds_break_nothing_by_being_unreadable(bad_verdict: Verdict) -> None:
    assert not any(result.raised for result in bad_verdict.results)
    assert bad_verdict.decision == "refuse"

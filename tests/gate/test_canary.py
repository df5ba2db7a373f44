"""The canary: a gate is only as good as its proof that every rule can fail, and that none fails on good data.

If a pinned library changes how results come back (it has happened: every expectation raised), this is where it shows.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pytest

from data_quality.facts import FACTS
from data_quality.suite import NOT_NULL, ROW_COUNT, UNIONS, Suite, read_suites
from data_quality.verdict import Verdict
from tests.gate.conftest import ENTITIES, Pair

ALL_SUITES = read_suites()

NEEDS_ANOTHER_STATE = {
    ("accounts", "somebody_is_a_partner"): "update conformed.accounts set is_partner = false",
    ("accounts", "partners_did_not_multiply"): (
        "insert into conformed.accounts by name select a.* replace ('m' || n as source_id) "
        "from conformed.accounts as a cross join range(11) as t (n) where a.source_id = 'a1'"
    ),
    ("opportunities", "quarter_has_won_deals"): "delete from conformed.opportunities where close_date > '2026-03-31'",
}
"""Rules that the bad files cannot break, as one right row satisfies them: what breaks them."""


def by_name(suite: Suite) -> str:
    return suite.suite


def tables_of(suite: Suite) -> list[str]:
    source = suite.source or ""
    used = [schema for name, (schema, _) in UNIONS.items() if f"{{{name}}}" in source]
    used += ["conformed" for name in FACTS if f"{{{name}}}" in source]
    if used:
        return [f"{schema}.{entity}" for schema in dict.fromkeys(used) for entity in ENTITIES]
    return [suite.relation.removeprefix("candidate.")]


def empty(pair: Pair, suites: Iterable[Suite]) -> None:
    """Take every row out of what the suites judge."""
    for is_candidate, tables in by_place(suites).items():
        pair.change("".join(f"delete from {table};" for table in tables), candidate=is_candidate)


def blank(pair: Pair, suites: Iterable[Suite]) -> None:
    """Leave nothing but nulls in what the suites judge."""
    for is_candidate, tables in by_place(suites).items():
        path = pair.candidate / "segments.duckdb" if is_candidate else pair.warehouse
        with duckdb.connect(str(path)) as connection:
            for table in tables:
                columns = [row[0] for row in connection.execute(f"describe {table}").fetchall()]
                connection.execute(f"update {table} set " + ", ".join(f'"{column}" = null' for column in columns))


def by_place(suites: Iterable[Suite]) -> dict[bool, list[str]]:
    """The tables of the suites: those of the candidate, and those of the warehouse."""
    found: dict[bool, list[str]] = {}
    for suite in suites:
        found.setdefault(suite.place == "candidate", []).extend(tables_of(suite))
    return {is_candidate: list(dict.fromkeys(tables)) for is_candidate, tables in found.items()}


def counts_alone(suite: Suite) -> bool:
    """Whether its floor counts its own rows, so that what other tables hold cannot help or hurt it."""
    return next(rule.type for rule in suite.expectations if rule.name == suite.floor) == ROW_COUNT


def guards_of(suite: Suite) -> set[str]:
    return {rule.name for rule in suite.expectations if rule.type == NOT_NULL and rule.kwargs["column"] in suite.key}


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


def test_empty_tables_fall_through_the_floors_that_count(good: Pair) -> None:
    suites = [suite for suite in ALL_SUITES if counts_alone(suite)]
    assert len(suites) >= 10
    empty(good, suites)
    verdict = good.judge(suites=suites)
    failed = {(result.suite, result.expectation) for result in verdict.failures()}
    assert {(suite.suite, suite.floor) for suite in suites} - failed == set()
    assert [result.sentence() for result in verdict.results if result.raised] == []
    assert verdict.decision == "refuse"


@pytest.mark.parametrize("suite", [one for one in ALL_SUITES if not counts_alone(one)], ids=by_name)
def test_an_empty_table_falls_through_a_floor_that_compares(suite: Suite, good: Pair) -> None:
    empty(good, [suite])
    verdict = good.judge_by(suite.suite)
    assert suite.floor in {result.expectation for result in verdict.failures() if result.suite == suite.suite}
    assert not any(result.raised for result in verdict.results)
    assert verdict.decision == "refuse"


@pytest.mark.parametrize("of_a_source", [False, True], ids=["tables", "sources"])
def test_tables_of_nulls_fail_every_key_and_raise_nothing(of_a_source: bool, good: Pair) -> None:
    # What a suite selects may join a table that another one judges: those are asked each with its own tables blank.
    groups = [[one] for one in ALL_SUITES if one.source] if of_a_source else [[x for x in ALL_SUITES if not x.source]]
    for place, suites in enumerate(groups):
        pair = good.copy(good.warehouse.parent / f"copy_{place}")
        blank(pair, suites)
        verdict = pair.judge(suites=suites)
        failed = {(result.suite, result.expectation) for result in verdict.failures()}
        for suite in suites:
            assert guards_of(suite)
            assert {(suite.suite, guard) for guard in guards_of(suite)} <= failed
        assert [result.sentence() for result in verdict.results if result.raised] == []
        assert verdict.decision == "refuse"


def test_nan_is_no_number(good: Pair) -> None:
    columns = {
        ("partner_segments", "evidence_share"): "score_and_evidence_are_possible",
        ("partner_scores", "evidence_share"): "score_and_evidence_are_possible",
        ("partner_score_contributions", "share_of_total"): "points_keep_within_their_cap",
        ("segment_summary", "partner_share"): "shares_are_shares",
    }
    for table, column in columns:
        good.change(f"update {table} set {column} = 'nan'::double")
    asked = {table for table, _ in columns}
    verdict = good.judge(suites=[suite for suite in ALL_SUITES if suite.suite in asked])
    failed = {(result.suite, result.expectation) for result in verdict.failures()}
    assert {(table, rule) for (table, _), rule in columns.items()} <= failed


def test_nan_is_no_share_of_production(good: Pair) -> None:
    good.change("update segment_summary set production_share = 'nan'::double")
    assert "shares_are_shares" in {result.expectation for result in good.judge_by("segment_summary").failures()}


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

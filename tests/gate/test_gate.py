"""How the gate decides, and what it does when it cannot ask."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from data_quality.gate import failing_places, judge
from data_quality.suite import Suite, read_suites
from data_quality.verdict import Result, Verdict
from pipelines.errors import ConfigError, InputError
from tests.gate.conftest import BAD_PARAMETERS, ENTITIES, PARAMETERS, Pair

FAILS = "type: UnexpectedRowsExpectation, query: select partner_id from candidate.partner_segments"
HOLDS = "type: UnexpectedRowsExpectation, query: select partner_id from candidate.partner_segments where false"


def extra(verdict: Verdict) -> Result:
    return next(result for result in verdict.results if result.expectation == "extra")


@pytest.fixture
def small(good: Pair) -> Pair:
    """A candidate with one table, for the one-rule suite."""
    with duckdb.connect(str(good.candidate / "segments.duckdb")) as connection:
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            if table != "partner_segments":
                connection.execute(f"drop table {table}")
    return good


@pytest.mark.parametrize(
    ("severity", "decision"), [("critical", "refuse"), ("warning", "release"), ("info", "release")]
)
def test_only_a_critical_failure_refuses(
    severity: str, decision: str, small: Pair, one_rule: Callable[..., list[Suite]]
) -> None:
    verdict = small.judge(suites=one_rule(FAILS, severity=severity))
    assert not extra(verdict).success
    assert verdict.decision == decision


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
@pytest.mark.parametrize("query", ["select nothing_of_the_kind from candidate.partner_segments", "select from where"])
def test_a_rule_that_raises_refuses_whatever_its_severity(
    severity: str, query: str, small: Pair, one_rule: Callable[..., list[Suite]]
) -> None:
    rule = f"type: UnexpectedRowsExpectation, query: {query}"
    verdict = small.judge(suites=one_rule(rule, severity=severity))
    assert extra(verdict).raised
    assert not extra(verdict).success
    assert extra(verdict).observed
    assert [result.expectation for result in verdict.failures()] == ["extra"]
    assert verdict.decision == "refuse"


def test_a_missing_column_raises_and_refuses(small: Pair, one_rule: Callable[..., list[Suite]]) -> None:
    rule = "type: ExpectColumnValuesToNotBeNull, kwargs: {column: nobody_made_this}"
    verdict = small.judge(suites=one_rule(rule, severity="info"))
    assert extra(verdict).raised
    assert verdict.decision == "refuse"


def test_a_missing_table_refuses_for_each_of_its_rules(small: Pair, one_rule: Callable[..., list[Suite]]) -> None:
    suites = one_rule(HOLDS)
    small.change("drop table partner_segments")
    verdict = small.judge(suites=suites)
    assert {result.expectation for result in verdict.results} == {"there_are_partners", "partner_is_named", "extra"}
    assert all(result.raised for result in verdict.results)
    assert verdict.decision == "refuse"


def test_a_released_table_without_a_suite_refuses(small: Pair, one_rule: Callable[..., list[Suite]]) -> None:
    suites = one_rule(HOLDS)
    assert small.judge(suites=suites).decision == "release"
    small.change("create table extra_table as select 1 as one")
    verdict = small.judge(suites=suites)
    assert [(result.table, result.expectation) for result in verdict.failures()] == [
        ("extra_table", "table_has_a_suite")
    ]
    assert verdict.decision == "refuse"


def test_a_table_that_stands_only_in_the_candidates_list_or_as_a_file_needs_a_suite_too(
    small: Pair, one_rule: Callable[..., list[Suite]]
) -> None:
    (small.candidate / "candidate.json").write_text(json.dumps({"tables": {"listed": {}, "partner_segments": {}}}))
    (small.candidate / "stray.parquet").write_bytes(b"")
    verdict = small.judge(suites=one_rule(HOLDS))
    assert [result.table for result in verdict.failures()] == ["listed", "stray"]
    assert verdict.decision == "refuse"


def test_a_missing_or_broken_file_is_a_refusal_and_no_crash(good: Pair) -> None:
    (good.candidate / "segments.duckdb").write_bytes(b"this is no database")
    assert good.judge().decision == "refuse"
    (good.candidate / "segments.duckdb").unlink()
    verdict = good.judge()
    assert verdict.decision == "refuse"
    assert "segments.duckdb is not there" in verdict.failures()[0].observed


def test_no_rules_are_no_permission(good: Pair, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a gate without rules"):
        good.judge(suites=[])
    assert Verdict.of("sha", {}, []).decision == "refuse"


def test_a_missing_parameter_is_named(good_files: Pair) -> None:
    given = {name: value for name, value in PARAMETERS.items() if name != "known_at"}
    with pytest.raises(ConfigError, match="known_at"):
        judge(
            warehouse=good_files.warehouse,
            candidate=good_files.candidate,
            parameters=given,
            entities=ENTITIES,
            candidate_hash="sha",
        )


def test_a_verdict_is_bound_to_the_candidate_it_was_asked_about(good_verdict: Verdict) -> None:
    assert good_verdict.candidate_hash == "sha-of-good"
    assert good_verdict.decision == "release"


def test_the_same_question_gets_the_same_verdict_byte_for_byte(bad_files: Pair, bad_verdict: Verdict) -> None:
    assert bad_files.judge(**BAD_PARAMETERS).json_text() == bad_verdict.json_text()


def test_judging_changes_no_file(good: Pair) -> None:
    files = [good.warehouse, good.candidate / "segments.duckdb"]
    for path in files:
        path.chmod(0o444)
    before = [path.read_bytes() for path in files]
    assert good.judge().decision == "release"
    assert [path.read_bytes() for path in files] == before
    assert {path.name for path in good.candidate.iterdir()} == {"segments.duckdb"}
    assert {path.name for path in good.warehouse.parent.iterdir()} == {"candidate", "warehouse.duckdb"}


def test_the_files_are_free_to_be_written_after_the_judgement(good: Pair, tmp_path: Path) -> None:
    good.judge_by("loads")
    good.change("create table later as select 1 as one")
    good.change("create table conformed.later as select 1 as one", candidate=False)


def test_a_rule_cannot_write(good: Pair, small: Pair, one_rule: Callable[..., list[Suite]]) -> None:
    rule = "type: UnexpectedRowsExpectation, query: delete from candidate.partner_segments returning partner_id"
    assert good.judge(suites=one_rule(rule)).decision == "refuse"
    with duckdb.connect(str(good.candidate / "segments.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from partner_segments").fetchall() == [(4,)]


def test_a_verdict_is_read_as_it_was_written(bad_verdict: Verdict, tmp_path: Path) -> None:
    bad_verdict.write(tmp_path / "deep" / "verdict.json")
    assert Verdict.read(tmp_path / "deep" / "verdict.json") == bad_verdict
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["verdict.json"]


def test_a_decision_that_does_not_follow_from_its_results_is_not_believed(bad_verdict: Verdict, tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(bad_verdict.json_text().replace('"decision": "refuse"', '"decision": "release"'))
    with pytest.raises(InputError, match="does not follow"):
        Verdict.read(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="no readable verdict"):
        Verdict.read(path)


def test_a_refusal_says_in_words_what_failed_and_how_to_see_it(bad_verdict: Verdict) -> None:
    words = bad_verdict.sentences()
    assert words[0].startswith("refuse: ")
    assert any("no rate for CHF on 2026-05-01" in line for line in words)
    assert len(words) == 1 + len(bad_verdict.failures())
    assert all(result.sql for result in bad_verdict.failures())


def test_the_sql_of_a_failure_shows_it_again(bad_files: Pair, bad_verdict: Verdict) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{bad_files.warehouse}' as warehouse (read_only)")
        connection.execute(f"attach '{bad_files.candidate / 'segments.duckdb'}' as candidate (read_only)")
        connection.execute("use warehouse")
        for result in bad_verdict.failures():
            assert connection.execute(result.sql).fetchall(), result.expectation


def test_every_source_and_table_that_fails_is_known_though_a_sample_shows_five_rows(good: Pair) -> None:
    good.change(
        "update deployment.loads set known_at = timestamp '2100-01-01'; "
        "insert into deployment.loads by name select 'zoo' as source, 't' || n as table_name, 'l' as load_id, "
        "timestamp '2100-01-01' as known_at from range(9) as numbers (n)",
        candidate=False,
    )
    failed = good.judge_by("loads").failures()
    late = next(one for one in failed if one.expectation == "load_is_within_what_may_be_known")
    assert not any("t8" in row for row in late.sample)
    told = {**late.model_dump(), "expectation": "told"}
    others = [
        Result(**{**told, "sql": "select source, 1 as rows from deployment.loads"}),
        Result(**{**told, "expectation": "whole", "sql": "select count(*) as row_count from deployment.loads"}),
        Result(**{**told, "expectation": "raised", "raised": True}),
        Result(**{**told, "expectation": "broken", "sql": "select nothing from nowhere"}),
        Result(**{**told, "expectation": "of another kind", "table": "opportunities"}),
    ]
    places = failing_places(good.warehouse, good.candidate / "segments.duckdb", [late, *others])
    assert set(places) == {late.name, "loads.told", "loads.whole"}
    assert {("zoo", f"t{n}") for n in range(9)} < set(places[late.name])
    assert ("zoo", "") in places["loads.told"]
    assert places["loads.whole"] == []
    assert failing_places(good.warehouse, good.candidate / "not there", [late]) == {}


def test_samples_are_few_and_hold_no_address_of_a_person(bad_verdict: Verdict) -> None:
    assert all(len(result.sample) <= 5 for result in bad_verdict.results)
    assert any(result.sample for result in bad_verdict.results)
    shown = json.dumps([[*result.sample, result.says, result.observed] for result in bad_verdict.results])
    assert "kim" not in shown
    assert "a@b" not in shown


def test_a_judgement_says_nothing_on_the_terminal(
    good: Pair, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert good.judge_by("loads").decision == "refuse"  # the released tables' suites are not there
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


def test_reading_the_rules_does_not_import_great_expectations() -> None:
    code = "import sys, data_quality.gate, data_quality.report; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_in_a_parameter_stays_text(small: Pair, one_rule: Callable[..., list[Suite]]) -> None:
    rule = (
        "type: UnexpectedRowsExpectation, "
        "query: \"select partner_id from candidate.partner_segments where policy = {policy} or '{}' = ':x'\""
    )
    verdict = small.judge(suites=one_rule(rule), policy="o'reilly {x} :y $1 %s")
    assert extra(verdict).success, extra(verdict).observed


def test_a_scoreless_policy_owes_no_scores(good: Pair) -> None:
    good.change(
        "update policy.policies set combine = 'none'; delete from policy.criteria; delete from policy.level_conditions "
        "where kind = 'score'; update released.scores set total_score = null",
        candidate=False,
    )
    good.change(
        "delete from partner_scores; delete from partner_score_contributions; "
        "delete from partner_gates where kind = 'score'; "
        "update partner_segments set total_score = null, score_rank = null, evidence_share = null"
    )
    failed = {(result.suite, result.expectation) for result in good.judge().failures()}
    assert failed == {("partner_gates", "earned_level_passed_its_gates")}  # the level was earned by a score


@pytest.mark.parametrize(
    ("suite", "rule"),
    [
        ("accounts", "nothing_was_known_too_late"),
        ("opportunities", "nothing_was_known_too_late"),
        ("loads", "load_is_within_what_may_be_known"),
    ],
)
def test_what_was_learned_too_late_refuses(suite: str, rule: str, good_files: Pair, tmp_path: Path) -> None:
    def failed(known_at: datetime | None) -> set[str]:
        return {result.expectation for result in good_files.judge_by(suite, known_at=known_at).failures()}

    assert rule in failed(datetime(2026, 6, 30))
    assert rule not in failed(None)


@pytest.mark.parametrize(
    ("read_at", "refuse", "failed"),
    [
        ("2026-07-01 06:00:00", True, set()),
        ("2026-06-30 23:00:00", True, set()),
        ("2026-06-29 06:00:00", False, {"sources_were_read_after_the_quarter"}),
        ("2026-06-29 06:00:00", True, {"sources_were_read_after_the_quarter", "no_source_is_stale"}),
    ],
)
def test_a_stale_source_is_told_and_refused_where_the_deployment_says_so(
    read_at: str, refuse: bool, failed: set[str], good_files: Pair, tmp_path: Path
) -> None:
    good_files.change(f"update deployment.loads set read_at = timestamp '{read_at}'", candidate=False)
    verdict = good_files.judge_by("loads", refuse_stale_sources=refuse)
    assert {result.expectation for result in verdict.failures() if result.suite == "loads"} == failed


@pytest.mark.parametrize(
    ("previous", "failed"),
    [
        (0, set()),
        (5, set()),
        (6, {"partners_did_not_dwindle"}),
        (8, {"partners_did_not_dwindle", "partners_did_not_halve"}),
    ],
)
def test_a_shrinking_roster_is_questioned_and_half_a_roster_refused(
    previous: int, failed: set[str], good_files: Pair, tmp_path: Path
) -> None:
    verdict = good_files.judge_by("partner_segments", previous_partner_count=previous)
    found = {result.expectation: result.severity for result in verdict.failures() if result.suite != "gate"}
    assert set(found) == failed
    assert found.get("partners_did_not_dwindle", "warning") == "warning"
    assert found.get("partners_did_not_halve", "critical") == "critical"


def test_every_suite_file_is_read_by_the_gate(good_verdict: Verdict) -> None:
    judged = {result.suite for result in good_verdict.results} - {"gate"}
    assert judged == {suite.suite for suite in read_suites()}


def test_what_no_source_offers_is_not_judged_and_its_table_may_be_missing(good: Pair) -> None:
    # The three that production is counted from are tables also where nobody offers them.
    for entity in ("opportunities", "opportunity_partners"):
        good.change(f"delete from conformed.{entity}; drop table quarantine.{entity}", candidate=False)
    good.change("drop table conformed.deal_registrations; drop table quarantine.deal_registrations", candidate=False)
    good.change("drop table metrics.production_reconciliation", candidate=False)
    verdict = good.judge(entities=("accounts",))
    judged = {result.suite for result in verdict.results}
    assert {"accounts", "entities", "quarantine"} <= judged
    assert not judged & {"opportunities", "opportunity_partners", "reconciliation"}
    assert not any(result.raised for result in verdict.results)


def test_what_a_source_could_offer_and_never_did_is_not_missed(good: Pair, tmp_path: Path) -> None:
    for suite in ("accounts", "opportunities", "opportunity_partners"):
        good.change(f"delete from conformed.{suite}", candidate=False)
    good.change("delete from deployment.capabilities", candidate=False)
    for suite in ("accounts", "opportunities", "opportunity_partners"):
        verdict = good.judge_by(suite)
        assert [result.sentence() for result in verdict.failures() if result.suite == suite] == []


def test_every_entity_that_is_offered_is_in_the_unions(good: Pair, tmp_path: Path) -> None:
    good.change(
        "insert into quarantine.deal_registrations values "
        "('prm', 'q', 'no_exchange_rate', 'deal_registrations.csv row 2: no rate for SEK on 2026-05-01', null)",
        candidate=False,
    )

    def failed(entities: tuple[str, ...]) -> set[str]:
        verdict = good.judge_by("quarantine", entities=entities)
        return {result.expectation for result in verdict.failures() if result.suite == "quarantine"}

    assert {"every_currency_has_a_rate", "nothing_was_set_aside", "share_is_believable"} <= failed(ENTITIES)
    assert failed(tuple(entity for entity in ENTITIES if entity != "deal_registrations")) == set()


def test_a_gate_without_entities_judges_nothing(good_files: Pair) -> None:
    with pytest.raises(ConfigError, match="without entities"):
        good_files.judge(entities=())

"""Whom a failure touches, and whose level could differ, on the sample company with two deals set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_quality import believable, blast, releasing
from data_quality.believable import project_as_built
from data_quality.blast import EXPECTATION
from data_quality.touched import ENTITIES, Trace
from data_quality.verdict import Result, Verdict
from pipelines.errors import GateRefused
from pipelines.events import fields_of
from tests.blast.conftest import Broken, Deal, failed

ASIDE = (
    "select 'opportunities' as entity, source, source_id, reject_reason, reject_detail from quarantine.opportunities"
)


def set_aside(*deals: Deal, name: str = "rule") -> Result:
    listed = ", ".join(f"'{deal.source_id}'" for deal in deals)
    return failed("quarantine", f"{ASIDE} where source_id in ({listed})", name=name)


def budget_of(verdict: Verdict) -> Result:
    (found,) = (result for result in verdict.results if result.expectation == EXPECTATION)
    return found


@pytest.fixture(scope="module")
def of_deals(broken: Broken) -> Verdict:
    """Three failures about the two deals, and no decision that may be at risk."""
    return broken.measured(
        set_aside(broken.decisive, name="decisive"),
        set_aside(broken.harmless, name="harmless"),
        failed(
            "quarantine",
            f"select entity, reject_reason, count(*) as row_count from ({ASIDE}) group by all",
            name="counted",
        ),
        budget=0,
    )


@pytest.fixture(scope="module")
def of_sources(broken: Broken) -> dict[str, Result]:
    """Failures about whole sources and totals, one whose rows are gone, and rows of what is released, by name."""
    partner_id, number = broken.decisive.partner_id, broken.decisive.number
    ((source, account),) = broken.rows(
        f"select source, account_id from identity.partner_accounts where partner_id = '{partner_id}'"
    )
    loads = {
        "stale": "select source, max(read_at) as last_read from deployment.loads where source = 'prm' group by source",
        "shrunk": "select source, table_name from deployment.loads where table_name = 'account_overlaps'",
        "gone": "select 'gone' as source, 'deals' as table_name",
    }
    released = {
        "by_id": f"select '{partner_id}' as partner_id",
        "by_number": f"select 'crm' as source, '{number}' as partner_number",
        "by_account": f"select '{source}' as source, '{account}' as account_id",
        "by_record": f"select '{source}' as source, '{account}' as source_id",
    }
    verdict = broken.measured(
        *(failed("loads", sql, name=name, table="deployment.loads") for name, sql in loads.items()),
        *(failed("partner_segments", sql, name=name) for name, sql in released.items()),
        failed("reconciliation", "select attribution from metrics.production_reconciliation", name="total"),
        failed(
            "opportunities",
            "select cast(null as varchar) as source, cast(null as varchar) as source_id",
            name="nameless",
        ),
        failed("opportunities", "select source, source_id from conformed.nothing_of_the_kind", name="lost"),
        failed("accounts", "", name="raised").model_copy(update={"raised": True}),
        budget=1000,
    )
    return {result.expectation: result for result in verdict.results}


def test_the_warehouse_is_what_the_tests_are_about(broken: Broken) -> None:
    aside = {row[0] for row in broken.rows("select source_id from quarantine.opportunities")}
    assert aside == {broken.decisive.source_id, broken.harmless.source_id}
    # Their credits follow them, so no conformed table knows any more whose they are.
    query = "select 1 from conformed.opportunity_partners as p inner join quarantine.opportunities as q "
    assert broken.rows(f"{query} on p.opportunity_id = q.source_id") == []


def test_a_deal_set_aside_touches_its_partner_which_is_at_risk_iff_a_bar_is_within_reach(
    broken: Broken, of_deals: Verdict
) -> None:
    told = {result.expectation: result for result in of_deals.results}
    number, other = broken.decisive.number, broken.harmless.number
    assert told["decisive"].partners == told["decisive"].at_risk == (number,)
    assert told["decisive"].reach == f"touches 1 partner ({number}); the level of 1 partner ({number}) could differ"
    assert told["decisive"].reach in told["decisive"].sentence()
    assert (told["harmless"].partners, told["harmless"].at_risk) == ((other,), ())
    assert told["harmless"].reach == f"touches 1 partner ({other}); no level could differ by it"
    # Who counts rows by reason means those rows.
    assert told["counted"].partners == tuple(sorted((number, other)))
    assert told["counted"].at_risk == (number,)


def test_a_rule_about_a_source_touches_every_partner_that_rests_on_it(
    broken: Broken, of_sources: dict[str, Result]
) -> None:
    told = of_sources["stale"]
    known = broken.rows(
        "select distinct p.partner_number from identity.partners as p "
        "inner join identity.partner_links as l on p.partner_id = l.partner_id where l.source = 'prm'"
    )
    assert told.partners == tuple(sorted(row[0] for row in known))
    assert 0 < len(told.partners) < len(broken.rows("select 1 from identity.partners"))
    assert 0 < len(told.at_risk) < len(told.partners)
    assert "as it is about prm as a whole" in told.reach
    assert f"({', '.join(told.partners[:5])} and {len(told.partners) - 5} more)" in told.reach


def test_a_rule_about_a_table_touches_those_of_whom_the_source_could_know_such_a_thing(
    broken: Broken, of_sources: dict[str, Result]
) -> None:
    sharing = broken.rows(
        "select p.partner_number from identity.partners as p inner join identity.partner_knowledge as k "
        "on p.partner_id = k.partner_id where k.entity = 'account_overlaps'"
    )
    assert of_sources["shrunk"].partners == tuple(sorted(row[0] for row in sharing))
    assert "as it is about account_mapping/account_overlaps as a whole" in of_sources["shrunk"].reach


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("total", "as its rows name nobody"),
        ("nameless", "as 1 row of it names nobody"),
        ("gone", "as it is about gone/deals as a whole"),
        ("raised", "as it could not be judged"),
    ],
)
def test_what_cannot_be_traced_touches_everybody_and_says_why(
    broken: Broken, of_sources: dict[str, Result], name: str, why: str
) -> None:
    told = of_sources[name]
    assert len(told.partners) == broken.rows("select count(*) from identity.partners")[0][0]
    assert why in told.reach
    assert bool(told.at_risk) == (name != "raised")


@pytest.mark.parametrize("name", ["by_id", "by_number", "by_account", "by_record"])
def test_rows_name_partners_by_record_account_number_or_id(
    broken: Broken, of_sources: dict[str, Result], name: str
) -> None:
    assert of_sources[name].partners == (broken.decisive.number,)
    # What is released is no input: there is nothing to put to an end.
    assert (of_sources[name].at_risk, "no level is computed from it" in of_sources[name].reach) == ((), True)


def test_a_rule_whose_rows_cannot_be_read_again_takes_no_other_along(of_sources: dict[str, Result]) -> None:
    assert of_sources["lost"].partners == ()
    assert "the partners it touches could not be computed (CatalogException" in of_sources["lost"].reach
    # What nobody could count may be more than any budget.
    assert not of_sources[EXPECTATION].success
    assert of_sources[EXPECTATION].observed == "unknown"


def test_what_is_only_worth_knowing_is_not_followed_and_what_holds_costs_nothing(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blast, "project_as_built", lambda run: pytest.fail("nothing had to be computed"))
    info = failed("opportunities", "select 1", severity="info")
    fine = Result(suite="a", table="a", expectation="a", severity="critical", success=True, says="it holds well")
    assert broken.measured(info, fine) == Verdict.of("sha", {}, [info, fine])
    within = budget_of(broken.measured(info, fine, budget=0))
    assert (within.success, within.observed) == (True, "0 at risk")


def test_more_decisions_at_risk_than_the_budget_refuse_and_say_whose(
    broken: Broken, of_deals: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = broken.decisive.number
    assert of_deals.decision == "refuse"
    assert budget_of(of_deals).at_risk == (number,)
    assert budget_of(of_deals).sentence() == (
        "partner_segments: at most 0 decisions may be at risk (quality.max_decisions_at_risk); the levels of 1 partner "
        f"({number}) could differ by what failed (found: 1 at risk) [critical: gate.decisions_at_risk_within_budget]"
    )
    monkeypatch.setattr(blast, "moved_levels", lambda *_: {broken.decisive.partner_id})
    both = set_aside(broken.decisive, broken.harmless)
    within = broken.measured(both, budget=1)
    assert (within.decision, budget_of(within).observed) == ("release", "1 at risk")
    assert broken.measured(both).decision == "release"


def test_a_failure_inside_is_told_and_counts_as_exceeding_a_budget(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("no room left in /srv/state/scratch for ann@acme.example")

    monkeypatch.setattr(blast, "moved_levels", breaks)
    warned = set_aside(broken.decisive)
    verdict = broken.measured(warned)
    words = "could not be computed (RuntimeError: no room left in scratch for (address hidden))"
    assert verdict.decision == "release"
    assert verdict.results[0].reach == f"the partners it touches {words}"
    assert verdict.results[0].model_copy(update={"reach": ""}) == warned
    refused = broken.measured(warned, budget=1000)
    assert refused.decision == "refuse"
    assert budget_of(refused).raised
    assert "how many are could not be computed: RuntimeError" in budget_of(refused).says


def test_the_verdict_and_the_events_tell_the_partners(
    broken: Broken, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result = failed("loads", "select 'prm' as source", table="deployment.loads")
    monkeypatch.setattr(releasing, "judge", lambda **_: Verdict.of(broken.candidate.hash, {}, [result]))
    with caplog.at_level("INFO"):
        judged = releasing.judge_candidate(broken.run, broken.candidate)
    told = judged.verdict.results[0]
    events = dict(fields_of(record) for record in caplog.records)
    fields = events["expectation_failed"]
    assert fields["partners"] == list(told.partners[:20])
    assert (fields["partner_count"], fields["at_risk_count"]) == (told.partner_count, told.at_risk_count)
    assert fields["at_risk"] == list(told.at_risk[:20])
    assert fields["places"] == [("prm", "")]
    assert events["judged"]["blast_seconds"] > 0
    assert Verdict.read(broken.candidate.folder / "verdict.json") == judged.verdict
    page = (broken.run.places.reports / "verdict.html").read_text(encoding="utf-8")
    assert told.partners[0] in page and "could differ" in page


@pytest.mark.parametrize(("budget", "is_told"), [(None, False), (1000, True)])
def test_whoever_needs_no_partners_may_judge_without_unless_there_is_a_budget(
    broken: Broken, monkeypatch: pytest.MonkeyPatch, budget: int | None, is_told: bool
) -> None:
    result = failed("partner_segments", "select partner_id from candidate.partner_segments")
    monkeypatch.setattr(releasing, "judge", lambda **_: Verdict.of(broken.candidate.hash, {}, [result]))
    judged = releasing.judge_candidate(broken.with_budget(budget), broken.candidate, in_partners=False)
    assert any(one.partners for one in judged.verdict.results) == is_told


def test_every_entity_that_is_split_can_be_read_as_its_staging_read_it(broken: Broken) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{broken.file}' as warehouse (read_only)")
        con.execute("use warehouse")
        trace = Trace(con, broken.run, project_as_built(broken.run))
        assert trace.facts.keys() <= ENTITIES.keys()
        for entity, query in trace.facts.items():
            columns = {row[0] for row in con.execute(f"describe select * from ({query})").fetchall()}
            spec = ENTITIES[entity]
            wanted = {"source", "load_id", "file_name", "file_row", "source_id", spec.key, spec.amount, spec.rows}
            assert wanted - {None} <= columns, entity


def test_a_verdict_lists_the_first_numbers_and_counts_them_all(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blast, "LISTED", 1)
    verdict = broken.measured(failed("loads", "select 'prm' as source", table="deployment.loads"), budget=2)
    (told,) = (result for result in verdict.results if result.suite == "loads")
    assert len(told.partners) == len(told.at_risk) == 1
    assert told.partner_count > told.at_risk_count > 2
    assert f"touches {told.partner_count:,} partners ({told.partners[0]}" in told.reach
    assert (len(budget_of(verdict).at_risk), budget_of(verdict).at_risk_count) == (1, told.at_risk_count)
    again = Verdict.model_validate_json(verdict.json_text())
    assert (again, again.decision) == (verdict, "refuse")


def test_a_verdict_that_did_not_count_is_read_with_what_it_lists() -> None:
    told = failed("loads", "").model_dump(exclude={"partner_count", "at_risk_count"})
    read = Result.model_validate({**told, "partners": ["P-1", "P-2"], "at_risk": ["P-2"]})
    assert (read.partner_count, read.at_risk_count) == (2, 1)


def test_the_scratch_file_lies_in_the_state_and_goes(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(believable, "rebuild", lambda scratch, nodes: seen.append(scratch))
    broken.measured(set_aside(broken.decisive))
    assert seen and all(path.is_relative_to(broken.run.places.state) for path in seen)
    assert not [path for path in seen if path.parent.exists()]


def test_the_verdict_decides_from_its_file_alone(broken: Broken, of_deals: Verdict) -> None:
    again = Verdict.model_validate(json.loads(of_deals.json_text()))
    assert again == of_deals == Verdict.of("sha", {}, list(again.results))
    with pytest.raises(GateRefused, match=broken.decisive.number):
        releasing.refuse_unless_good(broken.run, releasing.Judged(broken.candidate, again, 0.0))

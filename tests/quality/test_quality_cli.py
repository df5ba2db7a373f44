"""`segments quality`: what it says to people, to programs, and where there is nothing to say."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import pytest

from data_quality.quarantine import HARMLESS
from pipelines import release as room
from tests.conftest import ROOT
from tests.quality.conftest import Made


def test_nothing_was_judged_yet(made: Made) -> None:
    for words in ((), ("history",), ("sql", "x"), ("quarantine",)):
        done = made.ask(*words)
        assert done.exit_code == 3, done.output
        assert "yet" in done.output
        assert "next: " in done.output


def test_a_refusal_is_told_whole_with_what_stays_and_what_to_do(made: Made) -> None:
    out = made.release(made.judge(made.candidate()))
    refused = made.candidate("2026Q3", amount=200)
    made.judge(refused, "deal_is_dated", "amount_is_usual")
    said = made.ask().output
    assert f"candidate {refused.release}  it is not released" in said
    assert "refuse: 2 of 4 expectations hold, 1 of the failures forbid the release" in said
    assert "1 of 2 critical failed, 1 of 1 warning failed, 0 of 1 info failed" in said
    assert "critical  deals  deals.deal_is_dated  forbids the release" in said
    assert "touches 2 partners, the level of 1 could differ (P-0002)" in said
    assert "source=crm, source_id=D-7" in said
    assert f"current release {out.release}  was let out on" in said
    assert f"release {out.release} stays as it is" in said
    assert "verdict.html" in said
    assert "segments quality sql deals.deal_is_dated" in said
    assert "there_are_deals" not in said
    assert "there_are_deals" in made.ask("--all").output


def test_the_current_release_is_told_once(made: Made) -> None:
    out = made.release(made.judge(made.candidate(), "amount_is_usual"))
    said = made.ask().output
    assert f"candidate {out.release}  it is the current release" in said
    assert "was let out on" not in said
    assert "look at what failed" in said


def test_a_release_that_fails_when_it_is_judged_again_is_told_as_out(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTS_NOW", "2026-07-05T06:00:00Z")
    before = made.release(made.judge(made.candidate(amount=50)))
    candidate = made.candidate()
    made.approve(made.judge(candidate, "there_are_deals", "deal_is_dated"))
    monkeypatch.setenv("SEGMENTS_NOW", "2026-07-06T06:00:00Z")
    made.judge(candidate, "deal_is_dated")
    said = made.ask().output
    assert f"candidate {candidate.release}  it is out, approved by head of partners; judged again it fails" in said
    assert f"kept    release {candidate.release} stays the current one" in said
    assert "not released" not in said
    assert "let it out" not in said
    assert "out already" in made.ask("history").output
    told = json.loads(made.ask("--json").stdout)["candidate"]
    assert (told["became"], told["approval"]["by"]) == ("out already", "head of partners")

    room.roll_back(made.places)
    said = made.ask().output
    assert "it was out, approved by head of partners, and is not the current release; judged again it fails" in said
    assert f"kept    release {before.release} stays as it is" in said
    assert f"segments rollback {candidate.release}" in said


def test_a_rehearsal_is_not_taken_for_a_release(made: Made) -> None:
    made.judge(made.candidate())
    said = made.ask().output
    assert "it is not released yet" in said
    assert "nothing is released" in said
    assert "segments run releases it" in said


def test_as_json(made: Made) -> None:
    made.release(made.judge(made.candidate(), "amount_is_usual"))
    told = json.loads(made.ask("--json").stdout)
    assert told["candidate"]["became"] == "current"
    assert told["candidate"]["counts"]["warning"] == {"failed": 1, "asked": 1}
    (result,) = told["candidate"]["results"]
    assert result["partners"] == ["P-0001", "P-0002"]
    assert result["sentence"].startswith("deals: deals break the rule")
    assert told["current"]["release"] == told["candidate"]["release"]
    assert len(json.loads(made.ask("--json", "--all").stdout)["candidate"]["results"]) == 4


def test_a_candidate_changed_since_it_was_judged_is_told_as_such(made: Made) -> None:
    candidate = made.candidate()
    made.judge(candidate)
    with duckdb.connect(str(candidate.folder / "segments.duckdb")) as con:
        con.execute("create table more as select 1 as x")
    done = made.ask()
    assert done.exit_code == 3
    assert "changed after it was judged" in done.output


def test_history_has_every_judgement_the_latest_first(made: Made) -> None:
    first, second = made.candidate(), None
    made.judge(first, "deal_is_dated")
    second = made.candidate("2026Q3", amount=200)
    made.judge(second, "amount_is_usual", "owner_is_known")
    lines = made.ask("history").output.splitlines()
    assert second.release in lines[1]
    assert "1 warning, 1 info" in lines[1]
    assert "kept back" in lines[1]
    assert first.release in lines[2]
    assert "refused" in lines[2]
    assert "1 of 2 judgements" in made.ask("history", "--limit", "1").output
    told = json.loads(made.ask("history", "--json").stdout)
    assert [x["became"] for x in told["judgements"]] == ["kept back", "refused"]


def test_history_of_one_rule(made: Made) -> None:
    made.judge(made.candidate())
    made.judge(made.candidate(amount=200), "amount_is_usual")
    said = made.ask("history", "--rule", "amount_is_usual").output
    assert "deals.amount_is_usual" in said
    assert "failed (warning)" in said
    assert "held" in said
    assert "failed in 1 of 2 judgements" in said
    told = json.loads(made.ask("history", "--rule", "deals.amount_is_usual", "--json").stdout)
    assert [(x["outcome"], x["partners"], x["at_risk"]) for x in told["judgements"]] == [
        ("failed (warning)", 2, 1),
        ("held", None, None),
    ]
    wrong = made.ask("history", "--rule", "amount_is_usal")
    assert wrong.exit_code == 2
    assert "did you mean deals.amount_is_usual?" in wrong.output


def test_the_sql_of_a_failure_runs_as_it_is_printed(made: Made) -> None:
    made.judge(made.candidate(), "amount_is_usual")
    script = made.ask("sql", "amount_is_usual").stdout
    assert "read_only" in script
    with duckdb.connect() as con:
        assert len(con.execute(script).fetchall()) == 86
    rows = made.ask("sql", "amount_is_usual", "--run", "--limit", "3", "--format", "csv").stdout
    assert rows.splitlines()[0] == "source,source_id,owner"
    assert len(rows.splitlines()) == 4
    assert "@" not in rows


def test_sql_is_not_asked_where_the_warehouse_is_gone_or_held(made: Made) -> None:
    made.judge(made.candidate(), "amount_is_usual")
    holds = f"import duckdb; con = duckdb.connect({str(made.places.warehouse)!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        busy = made.ask("sql", "amount_is_usual", "--run")
        holder.communicate("\n")
    assert busy.exit_code == 6
    assert "a run is writing" in busy.output
    made.places.warehouse.unlink()
    gone = made.ask("sql", "amount_is_usual", "--run")
    assert gone.exit_code == 3
    assert "segments run --rehearse" in gone.output


def test_a_rule_that_held_has_nothing_to_show(made: Made) -> None:
    made.judge(made.candidate(), "amount_is_usual")
    done = made.ask("sql", "there_are_deals")
    assert done.exit_code == 3
    assert "held" in done.output


# --- quarantine ------------------------------------------------------------------------------------------------------


def test_the_harmless_reasons_are_those_of_the_macro() -> None:
    macros = (ROOT / "dbt_project" / "macros" / "entities.sql").read_text(encoding="utf-8")
    assert f"macro harmless_reasons() -%}}{HARMLESS}{{%- endmacro" in macros


def test_what_was_set_aside_is_counted_by_source_entity_and_rule(made: Made) -> None:
    made.split_rows()
    told = json.loads(made.ask("quarantine", "--json").stdout)
    assert (told["row_count"], told["set_aside_count"], told["superseded_or_deleted_count"]) == (110, 4, 2)
    assert [(x["entity"], x["reason"], x["count"], x["rows"], x["share"]) for x in told["shares"]] == [
        ("deals", "wrong_type", 2, 100, 0.02),
        ("deals", "broken_line", 1, 100, 0.01),
        ("deals", "unknown_account", 1, 100, 0.01),
    ]
    said = made.ask("quarantine").output
    assert "4 of 110 rows count nowhere" in said
    assert "come back by themselves" in said


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--entity", "deals"), 4),
        (("--source", "crm"), 4),
        (("--reason", "wrong_type"), 2),
        (("--entity", "deals", "--reason", "broken_line"), 1),
        (("--entity", "deals", "--limit", "3"), 3),
    ],
)
def test_with_a_filter_the_rows_are_listed(made: Made, words: tuple[str, ...], count: int) -> None:
    made.split_rows()
    lines = made.ask("quarantine", *words, "--format", "csv").stdout.splitlines()
    assert lines[0] == "source,entity,source_id,rule,detail,file,row,load,since"
    assert len(lines) == 1 + count


def test_no_address_of_a_person_is_printed(made: Made) -> None:
    made.split_rows()
    for words in (("--format", "csv"), ("--json",), ()):
        said = made.ask("quarantine", "--reason", "unknown_account", *words).output
        assert "deals.csv" in said
        assert "@" not in said
        assert "(address" in said


def test_nothing_set_aside_is_said_and_unknown_names_are_asked_back(made: Made) -> None:
    made.split_rows()
    assert "nothing is set aside of what you asked for" in made.ask("quarantine", "--entity", "partners").output
    for words, hint in ((("--entity", "dealz"), "deals"), (("--source", "crmm"), "crm"), (("--reason", "x"), "known:")):
        done = made.ask("quarantine", *words)
        assert done.exit_code == 2
        assert hint in done.output

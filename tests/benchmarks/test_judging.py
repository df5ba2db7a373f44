"""The judging benchmark, small: the gate and the SQL by hand count the same offenders, whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import judging
from benchmarks.judging_floor import statements
from benchmarks.judging_rows import ENTITIES, counts, write_warehouse

pytestmark = pytest.mark.slow

# What DEFECTS leaves whole: the newest quarter is nearly empty, worthless, one partner's, and credits nobody.
HOLLOW = """
    delete from conformed.opportunities where close_date > date '2026-05-31'
        or (close_date > date '2026-03-31' and hash(source_id) % 5 > 0);
    update conformed.opportunities set amount = 0, reporting_amount = 0 where hash(source_id, 'worth') % 5 > 1;
    update conformed.opportunity_partners set is_deleted = true
    where opportunity_id in (select source_id from conformed.opportunities where close_date > date '2026-03-31');
    update conformed.opportunity_partners set role = 'unknown' where hash(source_id) % 3 = 0;
    delete from conformed.meetings where started_at >= date '2026-06-01'
        or (started_at >= date '2026-04-01' and hash(source_id) % 5 > 0);
    update conformed.meetings set account_id = (select min(account_id) from conformed.meetings)
    where started_at >= date '2026-04-01';
    update conformed.accounts set is_partner = false;
"""
BROKEN_WHERE_HOLLOW = {
    "accounts.somebody_is_a_partner",
    "entities.won_deals_are_worth_something",
    "opportunity_partners.roles_are_mostly_understood",
    "quarters.deals_are_won_in_every_month",
    "quarters.deals_of_the_quarter_are_there",
    "quarters.deals_still_name_partners",
    "quarters.every_month_has_rows",
    "quarters.no_partner_is_the_quarter",
    "quarters.partners_of_the_quarter_are_there",
    "quarters.rows_of_the_quarter_are_there",
}


def both(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Offenders by rule: by hand, and of the gate."""
    return judging.count_by_hand(folder, "1GB")["results"], judging.judge_by_gate(folder)["results"]


def broken(results: dict[str, Any]) -> set[str]:
    return {rule for rule, count in results.items() if count != 0}


def test_the_command_finds_equal_verdicts_and_prints_every_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--rows", "4000", "--build-rows", "0", "--memory-limit", "1GB", "--keep", str(tmp_path)]
    assert judging.main(arguments) == 0
    said = capsys.readouterr().out
    for line in (
        "4,000 generated rows of 7 conformed entities",
        "memory limit 1GB",
        "hand-written SQL, one statement per table",
        "the gate ",
        "  of which samples of what failed",
        "the dbt build was left out",
        "the gate on its small files",
        "CPU, x hand-written SQL",
        "wall, x hand-written SQL",
        "fixed cost, seconds",
        "the verdicts are equal: ",
    ):
        assert f"\n{line}" in said
    assert " 0 of them broken" not in said


def test_sound_rows_break_no_rule(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "warehouse.duckdb", 4_000, defects=False)
    by_hand, by_gate = both(tmp_path)
    assert broken(by_hand) == broken(by_gate) == set()


def test_a_hollow_quarter_is_the_same_to_both(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "warehouse.duckdb", 40_000, defects=False)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute(HOLLOW)
    by_hand, by_gate = both(tmp_path)
    assert judging.differing(by_hand, by_gate) == []
    assert broken(by_gate) >= BROKEN_WHERE_HOLLOW


@pytest.mark.parametrize("rows", [2_000, 12_345])
def test_every_row_that_is_asked_for_is_there(rows: int, tmp_path: Path) -> None:
    write_warehouse(tmp_path / "warehouse.duckdb", rows, defects=False)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as con:
        found = {
            entity: con.execute(f"select count(*) from conformed.{entity}").fetchall()[0][0] for entity in ENTITIES
        }
    assert found == counts(rows)
    assert sum(found.values()) == rows


def test_there_is_one_statement_per_table_and_one_for_all_of_them() -> None:
    assert set(statements()) == {*ENTITIES, "all"}


def test_a_rule_that_differs_or_was_not_answered_is_told_and_one_that_nobody_wrote_is_not() -> None:
    by_gate: dict[str, int | None] = {"a.same": 1, "a.more": 2, "a.unanswered": None, "a.unwritten": 5}
    assert judging.differing({"a.same": 1, "a.more": 3, "a.unanswered": 0, "a.gone": 0}, by_gate) == [
        "a.gone: 0 by hand, no rule of the gate",
        "a.more: 3 by hand, 2 of the gate",
        "a.unanswered: 0 by hand, no answer of the gate",
    ]


def test_the_table_holds_every_aim_against_what_was_found() -> None:
    one = {"seconds": 2.0, "cpu": 2.0, "megabytes": 100.0, "imports": 3.0, "samples": {"seconds": 0.5, "cpu": 0.5}}
    found = {
        "rows": 1000, "memory_limit": None, "rules": 4, "failed": 2, "unknown": ["accounts.new"], "differences": [],
        "sql": one, "gate": {**one, "cpu": 2.4, "seconds": 4.0},
    }  # fmt: skip
    built = {"rows": 500, "build": {**one, "cpu": 4.0, "seconds": 1.0}, "gate": one, "differences": []}
    fixed = {**one, "seconds": 7.0, "rules": 9, "differences": []}
    text = judging.table(found, built, fixed)
    lines = {line.split("  ")[0]: line.split()[-4:] for line in text.splitlines()}
    assert lines["CPU, x hand-written SQL"][1:] == ["1.20", "1.50", "met"]
    assert lines["wall, x hand-written SQL"] == ["2.00", "1.50", "not", "met"]
    assert lines["CPU, x dbt build of 500 rows"][1:] == ["0.50", "1.00", "met"]
    assert lines["wall, x that build"] == ["2.00", "1.00", "not", "met"]
    assert lines["fixed cost, seconds"] == ["7.00", "6.00", "not", "met"]
    assert "not written by hand, and counted for the gate alone: accounts.new" in text
    assert text.endswith("the verdicts are equal: 3 rules, each with the same number of offenders")
    wrong = judging.table(found, None, {**fixed, "differences": ["a.b: fails on the small good files"]})
    assert wrong.endswith("THE VERDICTS DIFFER\n  a.b: fails on the small good files")


@pytest.mark.parametrize("wrong", [["--rows", "10"], ["--repeat", "0"], ["--build-rows", "-1"], ["--rows", "many"]])
def test_what_cannot_be_measured_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        judging.main(wrong)
    assert caught.value.code == 2

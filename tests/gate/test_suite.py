"""What the reader of suites refuses: a rule that could never fail is worse than none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from data_quality.parameters import as_sql, in_sql, in_words, placeholders
from data_quality.suite import for_entities, read_suite, read_suites
from pipelines.errors import ConfigError

FLOOR: dict[str, Any] = {
    "name": "there_are_rows",
    "type": "ExpectTableRowCountToBeBetween",
    "kwargs": {"min_value": 1},
    "severity": "critical",
    "says": "there are no rows",
}
KEY: dict[str, Any] = {
    "name": "id_is_there",
    "type": "ExpectColumnValuesToNotBeNull",
    "kwargs": {"column": "id"},
    "severity": "critical",
    "says": "rows have no id",
}
ROWS: dict[str, Any] = {
    "name": "rows_are_right",
    "type": "UnexpectedRowsExpectation",
    "query": "select id from {judged} where quarter <> {quarter}",
    "severity": "warning",
    "says": "rows of another quarter than {quarter}: {sample}",
}


def write(folder: Path, *rules: dict[str, Any], **changes: Any) -> Path:
    suite: dict[str, Any] = {
        "suite": "things",
        "place": "candidate",
        "table": "things",
        "description": "One row per thing.",
        "key": ["id"],
        "floor": "there_are_rows",
        "expectations": list(rules) or [FLOOR, KEY, ROWS],
    }
    path = folder / "things.yml"
    path.write_text(yaml.safe_dump({**suite, **changes}, sort_keys=False))
    return path


def test_a_sound_suite_is_read(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path))
    assert suite.relation == "candidate.things"
    assert [rule.name for rule in suite.expectations] == ["there_are_rows", "id_is_there", "rows_are_right"]


@pytest.mark.parametrize(
    ("rules", "changes", "message"),
    [
        ([KEY, ROWS], {}, "floor 'there_are_rows' must name a critical row-count floor"),
        ([{**FLOOR, "severity": "warning"}, KEY], {}, "must name a critical row-count floor"),
        ([{**FLOOR, "kwargs": {"min_value": 0}}, KEY], {}, "min_value of at least 1"),
        ([FLOOR, ROWS], {}, "key columns without a critical ExpectColumnValuesToNotBeNull: id"),
        ([FLOOR, {**KEY, "severity": "info"}], {}, "key columns without a critical"),
        ([FLOOR, KEY, KEY], {}, "stand twice: id_is_there"),
        ([FLOOR, KEY], {"key": []}, "things.yml: key: "),
        ([FLOOR, KEY], {"colour": "red"}, "things.yml: colour: Extra inputs"),
        ([FLOOR, {**KEY, "saiz": "x"}], {}, r"things.yml: expectations\[1\].saiz: Extra inputs"),
        ([FLOOR, {**KEY, "severity": "fatal"}], {}, r"expectations\[1\].severity: "),
        ([FLOOR, {**KEY, "name": "Id Is There"}], {}, r"expectations\[1\].name: "),
        ([FLOOR, {**KEY, "type": "ExpectColumnValuesToNotBeNul"}], {}, "did you mean ExpectColumnValuesToNotBeNull"),
        ([FLOOR, {**KEY, "kwargs": {"column": "id", "mostly": 0.5}}], {}, "does not take kwargs mostly"),
        ([FLOOR, {**KEY, "kwargs": {}}], {}, "needs kwargs column"),
        ([FLOOR, KEY, {**ROWS, "query": None}], {}, "a query belongs to UnexpectedRowsExpectation"),
        ([FLOOR, {**KEY, "query": "select 1"}], {}, "and to it alone"),
        ([FLOOR, KEY, {**ROWS, "query": "select {quartre}"}], {}, r"query names unknown \{quartre\}"),
        ([FLOOR, KEY, {**ROWS, "says": "rows of {batch}"}], {}, r"says names unknown \{batch\}"),
        ([FLOOR, KEY], {"place": "moon"}, "things.yml: place: "),
        ([FLOOR, KEY], {"source": "select * from {believed}"}, r"source names unknown \{believed\}"),
        ([FLOOR, KEY], {"place": "conformed", "entity": "leads"}, "expected 'things'"),
        ([FLOOR, KEY], {"place": "warehouse"}, "needs table: <schema>.<table>"),
        ([FLOOR, KEY], {"table": "others"}, "a released table's suite bears its name"),
        ([FLOOR, KEY], {"suite": "others"}, "expected the file's name 'things'"),
        ([FLOOR, KEY], {"table": "x; drop table y"}, "things.yml: table: "),
    ],
)
def test_an_unsound_suite_is_refused_by_file_and_key(
    rules: list[dict[str, Any]], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        read_suite(write(tmp_path, *rules, **changes))
    assert "things.yml" in str(refused.value)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "floor: id_is_there\n")
    with pytest.raises(ConfigError, match="stands twice"):
        read_suite(path)


@pytest.mark.parametrize("text", ["- a list", "suite: [", ""])
def test_a_file_that_is_no_suite_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "things.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"things\.yml"):
        read_suite(path)


def test_our_own_suites_guard_nulls_in_every_row_rule() -> None:
    for suite in read_suites():
        for rule in suite.expectations:
            assert "{batch}" not in (rule.query or ""), rule.name
            assert not (rule.query or "").rstrip().endswith(";"), rule.name
            assert "'{" not in (rule.query or ""), f"{suite.suite}.{rule.name}: a placeholder brings its own quotes"


def test_a_value_becomes_a_literal_that_cannot_end_itself() -> None:
    values = {"quarter": "x' or '1'='1", "pseudo_partners": ["a'b", "c"], "none": None}
    assert in_sql("q = {quarter}", values) == "q = 'x'' or ''1''=''1'"
    assert in_sql("n in {pseudo_partners}", values) == "n in ('a''b', 'c')"
    assert in_sql("n = {none}", values) == "n = null"
    assert as_sql([]) == "(null)"
    assert in_words("{pseudo_partners} and {none}", values) == "a'b, c and none"


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"unknown placeholder \{quartre\}"):
        in_sql("{quartre}", {"quarter": "2026Q2"})


def test_a_union_names_every_entity_once_and_in_one_order(tmp_path: Path) -> None:
    rule = {**ROWS, "query": "select * from {quarantine_rows} as q inner join {believed_rows} as b using (source_id)"}
    (suite,) = for_entities([read_suite(write(tmp_path, FLOOR, KEY, rule))], {"b", "a"})
    query = suite.expectations[-1].query or ""
    assert "select 'a' as entity, source, source_id, reject_reason, reject_detail from quarantine.a union all" in query
    assert query.index("from conformed.a") < query.index("from conformed.b")
    assert placeholders(query) == set()


def test_a_suite_about_an_entity_is_left_out_where_nobody_offers_it(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path, place="warehouse", table="metrics.things", entity="a"))
    assert for_entities([suite], ["b"]) == []
    assert [kept.suite for kept in for_entities([suite], ["a", "b"])] == ["things"]

"""What the reader of suites refuses: a rule that could never fail is worse than none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_quality import suites
from data_quality.parameters import as_sql, in_sql, in_words, placeholders
from data_quality.promise import (
    between,
    critical,
    info,
    never_null,
    no_rows,
    one_of,
    rows_at_least,
    stands_once,
    suite,
    warning,
)
from data_quality.suite import checked, for_entities, read_suites
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


def content(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "suite": "things",
        "place": "candidate",
        "table": "things",
        "description": "One row per thing.",
        "key": ["id"],
        "floor": "there_are_rows",
        "expectations": list(rules) or [FLOOR, KEY, ROWS],
        **changes,
    }


def test_a_sound_suite_is_read(tmp_path: Path) -> None:
    suite = checked(content())
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
        ([FLOOR, KEY], {"key": []}, "suite things: key: "),
        ([FLOOR, KEY], {"colour": "red"}, "suite things: colour: Extra inputs"),
        ([FLOOR, {**KEY, "saiz": "x"}], {}, r"suite things: expectations\[1\].saiz: Extra inputs"),
        ([FLOOR, {**KEY, "severity": "fatal"}], {}, r"expectations\[1\].severity: "),
        ([FLOOR, {**KEY, "name": "Id Is There"}], {}, r"expectations\[1\].name: "),
        ([FLOOR, {**KEY, "type": "ExpectColumnValuesToNotBeNul"}], {}, "did you mean ExpectColumnValuesToNotBeNull"),
        ([FLOOR, {**KEY, "kwargs": {"column": "id", "mostly": 0.5}}], {}, "does not take kwargs mostly"),
        ([FLOOR, {**KEY, "kwargs": {}}], {}, "needs kwargs column"),
        ([FLOOR, KEY, {**ROWS, "query": None}], {}, "a query belongs to UnexpectedRowsExpectation"),
        ([FLOOR, {**KEY, "query": "select 1"}], {}, "and to it alone"),
        ([FLOOR, KEY, {**ROWS, "query": "select {quartre}"}], {}, r"query names unknown \{quartre\}"),
        ([FLOOR, KEY, {**ROWS, "says": "rows of {batch}"}], {}, r"says names unknown \{batch\}"),
        ([FLOOR, KEY], {"place": "moon"}, "suite things: place: "),
        ([FLOOR, KEY], {"source": "select * from {believed}"}, r"source names unknown \{believed\}"),
        ([FLOOR, KEY], {"place": "conformed", "entity": "leads"}, "expected 'things'"),
        ([FLOOR, KEY], {"place": "warehouse"}, "needs table: <schema>.<table>"),
        ([FLOOR, KEY], {"table": "others"}, "a released table's suite bears its name"),
        ([FLOOR, KEY], {"table": "x; drop table y"}, "suite things: table: "),
    ],
)
def test_an_unsound_suite_is_refused_by_name_and_key(
    rules: list[dict[str, Any]], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        checked(content(*rules, **changes))
    assert str(refused.value).startswith("suite things: ")


def test_a_module_without_a_suite_of_its_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text("SUITE = None\n")
    monkeypatch.setattr(suites, "__path__", [str(tmp_path)])
    read_suites.cache_clear()
    with pytest.raises(ConfigError, match=r"suites/nothing\.py: expected SUITE = suite\('nothing'"):
        read_suites()
    monkeypatch.undo()
    read_suites.cache_clear()
    assert read_suites()


def test_the_words_of_a_suite_say_what_the_language_knows() -> None:
    made = suite(
        "things",
        place="warehouse",
        table="metrics.things",
        description="One row per thing.",
        key=["id"],
        floor="there_are_rows",
        promises=[
            critical("there_are_rows", "there are no rows", rows_at_least(1, at_most=9)),
            critical("id_is_there", "rows have no id", never_null("id")),
            warning("id_stands_once", "ids stand twice", stands_once("id")),
            warning("pair_stands_once", "pairs stand twice", stands_once("id", "part")),
            info("colour_is_known", "colours are unknown", one_of("colour", "red", "blue")),
            info("share_is_a_share", "shares are none", between("share", at_least=0, at_most=1)),
            info(
                "no_row_is_odd",
                "rows are odd",
                no_rows("""
                select id
                from {judged}
            """),
            ),
        ],
    )
    assert [rule.type for rule in made.expectations] == [
        "ExpectTableRowCountToBeBetween",
        "ExpectColumnValuesToNotBeNull",
        "UnexpectedRowsExpectation",
        "UnexpectedRowsExpectation",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToBeBetween",
        "UnexpectedRowsExpectation",
    ]
    assert [rule.severity for rule in made.expectations] == ["critical"] * 2 + ["warning"] * 2 + ["info"] * 3
    assert made.expectations[0].kwargs == {"min_value": 1, "max_value": 9}
    assert made.expectations[-1].query == "select id\nfrom {judged}"


def test_our_own_suites_guard_nulls_in_every_row_rule() -> None:
    for one in read_suites():
        for rule in one.expectations:
            assert "{batch}" not in (rule.query or ""), rule.name
            assert not (rule.query or "").rstrip().endswith(";"), rule.name
            assert "'{" not in (rule.query or ""), f"{one.suite}.{rule.name}: a placeholder brings its own quotes"


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
    (suite,) = for_entities([checked(content(FLOOR, KEY, rule))], {"b", "a"})
    query = suite.expectations[-1].query or ""
    assert "select 'a' as entity, source, source_id, reject_reason, reject_detail from quarantine.a union all" in query
    assert query.index("from conformed.a") < query.index("from conformed.b")
    assert placeholders(query) == set()


def test_a_suite_about_an_entity_is_left_out_where_nobody_offers_it(tmp_path: Path) -> None:
    suite = checked(content(place="warehouse", table="metrics.things", entity="a"))
    assert for_entities([suite], ["b"]) == []
    assert [kept.suite for kept in for_entities([suite], ["a", "b"])] == ["things"]

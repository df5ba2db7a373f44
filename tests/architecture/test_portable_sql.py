"""The dbt project keeps to the SQL that DuckDB and Spark share, and the linter that says so finds what it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from portable_sql import RULES, check_project, check_text, masked

ROOT = Path(__file__).resolve().parents[2]

PLANTED: dict[str, list[str]] = {
    "qualify": ["select a from t qualify row_number() over (order by a) = 1"],
    "columns left out of or replaced in *": [
        "select * exclude (a) from t",
        "select t.* EXCEPT (a) from t",
        "select * replace (a + 1 as a) from t",
    ],
    "* exclude": ["select * exclude a from t"],
    "columns(...)": ["select max(columns(*)) from t"],
    "range frame": [
        "select sum(a) over (order by b range between interval '365' day preceding and current row) from t",
        "select sum(a) over (order by b range unbounded preceding) from t",
    ],
    "with recursive": ["with recursive r as (select 1 as a) select a from r"],
    "list or struct function": [
        "select list(a) from t",
        "select list_reduce(a, f, '') from t",
        "select array_length(a) from t",
        "select struct_pack(a) from t",
        "select map(a, b) from t",
    ],
    "unnest": ["select unnest(a) from t", "select explode(a) from t"],
    "list literal, index or slice": ["select a[1] from t", "select x[:19] from t"],
    "struct literal": ["select {'a': 1} as s from t"],
    "arrow (lambda or JSON)": ["select a->'b' from t", "select f(a, lambda x: x + 1) from t"],
    "median of an exact number": [
        "select median(amount) from t",
        "select median(cast(amount as decimal(18,2))) from t",
    ],
    "quantile": ["select quantile_cont(a, 0.5) from t"],
    "log()": ["select log(a) from t"],
    "concat()": ["select concat(a, b) from t"],
    "regular expression match": [
        "select regexp_matches(a, 'x') from t",
        "select a ~ 'x' from t",
        "select a !~ 'x' from t",
        "select a similar to 'x' from t",
        "select a glob 'x*' from t",
    ],
    "regexp_replace or regexp_extract in a model": ["select regexp_replace(a, 'x', 'y') from t"],
    "date - date": [
        "select close_date - created_date from t",
        "select o.closed_at - o.created_at from t as o",
        "select cast(a as date) - cast(b as date) from t",
        "select close_date - date '2026-01-01' from t",
    ],
    "division that may be by 0": ["select a / b from t", "select a / 0 from t", "select a / (b - 1) from t"],
    "//": ["select a // 2 from t"],
    "date function of one engine": ["select datediff('day', a, b) from t", "select date_add(a, 1) from t"],
    "strftime and its like": ["select strftime(a, '%Y') from t", "select date_format(a, 'yyyy') from t"],
    "double-quoted identifier": ['select "a" from t'],
    "pivot or unpivot": ["pivot t on a using sum(b)", "unpivot t on a, b into name n value v"],
    "asof join": ["select a from t asof join u on t.a >= u.a"],
    "positional join": ["select a from t positional join u"],
    "order by all": ["select a from t order by all"],
    "distinct on": ["select distinct on (a) a, b from t"],
    "arg_max, arg_min": ["select arg_max(a, b) from t"],
    "joined texts": ["select string_agg(a, ',' order by a) from t"],
    "hugeint": ["select cast(a as hugeint) from t"],
    "table of numbers": ["select a from generate_series(1, 10) as s(a)", "select a from range(10) as r(a)"],
    "sampling": ["select a from t using sample 10"],
    "format() and its like": ["select format('{}', a) from t", "select printf('%d', a) from t"],
}

ALLOWED = [
    "select a, count(*) from t group by all",
    "select a::double, try_cast(b as bigint), array_agg(c) from t group by all",
    "select median(cast(amount as double)) from t",
    "select a / nullif(b, 0), a / 2, a / 0.5, a / 100.0 from t",
    "select sum(a) over (order by b rows between 3 preceding and current row) from t",
    "select count(*) filter (where a > 0) from t",
    "select a from t except select a from u",
    "select 'qualify [x] {y} \"z\" a / b log(' as words from t",
    "select 'it''s a / b' as words from t",
    "select a -- qualify, a / b\nfrom t /* unnest(a) */",
    "{# log(a), a / b #}select a from {{ ref('t') }}",
    "select '{{ attribute }}' as attribute from t",
    "{%- set rows = ['a', 'b'] -%}{% for row in range(1, 3) %}select {{ row ~ '' }} as a{% endfor %}",
    "select {{ joined(\"'\\\"' || a\", ', ', 'a') }} as a from t",
    "select {{ days_between('created_date', 'close_date') }} as days from t",
    "select interval '1' day + cast(a as timestamp), percent_rank() over (order by a nulls last) from t",
    "select log2(a), catalog, backlog (1) from t",
    "-- portable: never 0\nselect a / b from t",
    "select a / b from t -- portable: never 0",
]


@pytest.mark.parametrize("construct", sorted({rule.name for rule in RULES}))
def test_every_banned_construct_is_found_where_it_is_planted(construct: str) -> None:
    for sql in PLANTED[construct]:
        found = check_text("models/marts/planted.sql", f"select 1 as one\nfrom t\n\n{sql}\n")
        assert (construct, 4) in {(finding.construct, finding.line) for finding in found}, sql


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_both_engines_read_alike_is_left_alone(sql: str) -> None:
    assert [str(finding) for finding in check_text("models/marts/good.sql", sql)] == []


def test_names_of_rules_are_their_own_and_each_says_what_to_write_instead() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) == len(PLANTED)
    assert all(rule.instead for rule in RULES)


def test_sql_inside_the_strings_of_a_macro_is_read_too() -> None:
    text = "{%- macro rates() -%}{{ return([('win_rate', 'won / decided', \"median(amount)\")]) }}{%- endmacro -%}"
    found = [finding.construct for finding in check_text("macros/rates.sql", text)]
    assert found == ["division that may be by 0", "median of an exact number"]


def test_a_macro_may_replace_by_pattern_and_a_model_may_not() -> None:
    sql = "select regexp_replace(a, '^x', '') from t"
    assert check_text("macros/staging.sql", sql) == []
    assert [finding.construct for finding in check_text("models/staging/a.sql", sql)] == [
        "regexp_replace or regexp_extract in a model"
    ]


def test_masking_keeps_every_line_where_it_was() -> None:
    for path in (ROOT / "dbt_project").rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        assert len(masked(text)) == len(text)
        assert masked(text).count("\n") == text.count("\n"), path


def test_the_dbt_project_is_portable() -> None:
    assert [str(finding) for finding in check_project()] == []


def test_the_command_names_file_line_construct_and_remedy_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.sql").write_text("select a\nfrom t\nqualify a = 1\n", encoding="utf-8")
    assert [str(finding) for finding in check_project(tmp_path)] == [
        "models/bad.sql:3: qualify: write a subquery with row_number() and a where"
    ]
    program = (
        "import sys, portable_sql as p; from pathlib import Path; "
        "p.check_project.__defaults__ = (Path(sys.argv[1]),); sys.exit(p.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "models/bad.sql:3: qualify" in done.stdout


def test_the_words_of_the_developer_run_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.architecture.portable_sql"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")

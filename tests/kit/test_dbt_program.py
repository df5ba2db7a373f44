"""Ephemeral models are placed where dbt places them, without its parser."""

from __future__ import annotations

import re

import pytest
from dbt.compilation import inject_ctes_into_sql
from dbt.contracts.graph.nodes import InjectedCTE

from pipelines.dbt_program import placed

CTES = ["one as (\n    select 1 as n\n)", "two as (select * from one)"]
HEADS = ["", "\n\n  ", "-- with a remark\n", "/* with\n two\n */ -- and more\n"]
BODIES = [
    "with own as (select * from two)\nselect * from own",
    "WITH\nown as (select * from two) select * from own",
    "with recursive own as (select 1 as n union all select n + 1 from own where n < 3) select * from own, two",
    "select * from two where exists (with own as (select 1) select * from own)",
    "SELECT\n'with' as word, withheld from two",
]


@pytest.mark.parametrize("head", HEADS, ids=["bare", "space", "line", "block"])
@pytest.mark.parametrize("body", BODIES, ids=["with", "upper", "recursive", "select", "words"])
def test_they_stand_where_dbt_puts_them(head: str, body: str) -> None:
    ours = placed(head + body, CTES)
    assert ours is not None
    theirs = inject_ctes_into_sql(head + body, [InjectedCTE(id=str(n), sql=cte) for n, cte in enumerate(CTES)])
    # On which side of a remark they stand makes no difference.
    bare = ["".join(re.sub(r"--.*|/\*[\s\S]*?\*/", "", text).split()) for text in (ours, theirs)]
    assert bare[0] == bare[1]


@pytest.mark.parametrize("sql", ["(select 1)", "from two", "", "-- nothing but a remark"])
def test_any_other_text_goes_dbts_own_way(sql: str) -> None:
    assert placed(sql, CTES) is None

"""dbt as this project runs it, a program of its own: `python dbt_program.py build ...` takes dbt's own words.

The one difference is time. dbt parses the text of every model that reads an ephemeral one, only to find the word behind
which the ephemeral ones go; of a build of eighty nodes that was a third. Where the word stands at the beginning it is
found there; any other text goes dbt's own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_HEAD = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WITH = re.compile(r"with(?:\s+recursive)?(?=\s)", re.IGNORECASE)
_SELECT = re.compile(r"select\b", re.IGNORECASE)


def placed(sql: str, ctes: list[str]) -> str | None:
    """`sql` with `ctes`, each `name as (...)`, before its own; None where it does not begin with `with` or `select`."""
    head = _HEAD.match(sql)
    start = head.end() if head else 0
    joined = ", ".join(ctes)
    if found := _WITH.match(sql, start):
        return f"{sql[: found.end()]} {joined}, {sql[found.end() :].lstrip()}"
    if _SELECT.match(sql, start):
        return f"{sql[:start]}with {joined} {sql[start:]}"
    return None


def quicken() -> None:
    """Let dbt of this process place ephemeral models without parsing."""
    from dbt import compilation

    own: Callable[[str, list[Any]], str] = compilation.inject_ctes_into_sql

    def inject(sql: str, ctes: list[Any]) -> str:
        found = placed(sql, [cte.sql for cte in ctes]) if ctes else sql
        return own(sql, ctes) if found is None else found

    compilation.inject_ctes_into_sql = inject


if __name__ == "__main__":
    from dbt.cli.main import cli

    quicken()
    cli()

"""The words a suite is written in: one line promises one thing about a table, at a severity, with its failure in words.

    critical("account_stands_once", "accounts stand more than once: {sample}", stands_once("source", "source_id"))

A promise is one of the few kinds of expectation whose verdict has been proven on DuckDB (`suite.TYPES`); everything
else is `no_rows`, SQL that finds the rows that must not be there. A new suite is a module in `suites/` that defines
`SUITE`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, TypedDict

from data_quality.suite import NOT_NULL, ROW_COUNT, ROWS, Suite, checked


class Promise(TypedDict, total=False):
    """A kind of expectation with its arguments."""

    type: str
    kwargs: dict[str, Any]
    query: str


def rows_at_least(count: int, *, at_most: int | None = None) -> Promise:
    """The table holds so many rows."""
    bounds = {"min_value": count} if at_most is None else {"min_value": count, "max_value": at_most}
    return {"type": ROW_COUNT, "kwargs": bounds}


def never_null(column: str) -> Promise:
    """No row leaves the column open."""
    return {"type": NOT_NULL, "kwargs": {"column": column}}


def stands_once(*columns: str) -> Promise:
    """No two rows have the same values in these columns; a row with a null in one of them counts as none.

    Asked as rows: the library's own expectation numbers every row of the table, four times the work of counting.
    """
    listed, present = ", ".join(columns), " and ".join(f"{column} is not null" for column in columns)
    return no_rows(
        f"select {listed}, count(*) as row_count from {{judged}} where {present} group by {listed} having count(*) > 1"
    )


def one_of(column: str, *values: str) -> Promise:
    """Every value that is there is one of these."""
    return {"type": "ExpectColumnValuesToBeInSet", "kwargs": {"column": column, "value_set": list(values)}}


def between(column: str, *, at_least: Any = None, at_most: Any = None) -> Promise:
    """Every value that is there lies within the bounds, both included."""
    bounds = {"min_value": at_least, "max_value": at_most}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"type": "ExpectColumnValuesToBeBetween", "kwargs": {"column": column, **given}}


def no_rows(query: str) -> Promise:
    """There are no such rows; what the query finds are the offenders, their key columns first."""
    return {"type": ROWS, "query": textwrap.dedent(query).strip()}


def critical(name: str, says: str, promise: Promise) -> dict[str, Any]:
    """Broken, it forbids the release."""
    return {"name": name, "severity": "critical", "says": says, **promise}


def warning(name: str, says: str, promise: Promise) -> dict[str, Any]:
    """Broken, it is told; a person looks."""
    return {"name": name, "severity": "warning", "says": says, **promise}


def info(name: str, says: str, promise: Promise) -> dict[str, Any]:
    """Broken, it is worth knowing."""
    return {"name": name, "severity": "info", "says": says, **promise}


def suite(
    name: str,
    *,
    place: str,
    description: str,
    key: Sequence[str],
    floor: str,
    promises: Sequence[dict[str, Any]],
    table: str | None = None,
    entity: str | None = None,
    source: str | None = None,
) -> Suite:
    """The promises about one table.

    Args:
        name: of the suite; the table's, where `table` says nothing else.
        place: `conformed`, `warehouse` (then `table` is schema.table) or `candidate` (a table that would be released).
        description: what one row is, for the documents.
        key: columns that name a row; each needs a critical `never_null`.
        floor: the promise that an empty table breaks.
        promises: what `critical`, `warning` and `info` make.
        table: the table that is judged.
        entity: the conformed entity it is about; the suite is left out where no source offers that.
        source: a SELECT to judge in place of the table.

    Raises:
        ConfigError: a rule that could never fail, an unknown placeholder, a floor that is none.
    """
    content = {
        "suite": name,
        "place": place,
        "table": table or name,
        "description": description,
        "key": list(key),
        "floor": floor,
        "entity": entity,
        "source": textwrap.dedent(source).strip() if source else None,
        "expectations": list(promises),
    }
    return checked(content)

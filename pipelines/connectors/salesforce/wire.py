"""Values as the two APIs spell them, as one text each: a row is the same whether it came by REST or by Bulk.

Moments end in `Z`, whole numbers have no `.0`, truth is `true` or `false`, null and nothing are NULL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.connector import snake
from pipelines.connectors.salesforce.objects import PARTNER_FIELDS

Kinds = Mapping[str, str]
"""Field name to its describe type, in the order they are selected."""

_NUMBERS = frozenset({"currency", "double", "percent"})
# Never selected: Bulk refuses compounds, and their parts are fields of their own; base64 is content.
UNREADABLE = frozenset({"address", "location", "base64", "complexvalue"})


def table_of_records(records: Sequence[Mapping[str, Any]], kinds: Kinds) -> pa.Table:
    """Records of a REST page as text columns."""
    columns = {}
    for field, kind in kinds.items():
        values = [record.get(field) for record in records]
        columns[snake(field)] = pa.array([_text(value, kind) for value in values], pa.string())
    return pa.table(columns)


def _text(value: Any, kind: str) -> str | None:
    if value is None:
        return None
    if type(value) is str:
        if kind == "datetime":
            return value[:-5] + "Z" if value.endswith("+0000") else value
        return value or None
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    return orjson.dumps(value).decode()


def _number(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    # The shortest text that is this number again, never with an exponent.
    text = repr(value)
    return f"{value:.20f}".rstrip("0") if "e" in text else text


def settled(table: pa.Table, kinds: Kinds) -> pa.Table:
    """A page of Bulk CSV, all text, in the spelling of `table_of_records` and under the raw columns' names."""
    columns = {}
    for field, kind in kinds.items():
        column = table[field]
        if kind == "datetime" and pc.any(pc.ends_with(column, "+0000")).as_py():
            column = pc.replace_substring_regex(column, r"\+0000$", "Z")
        elif kind in _NUMBERS:
            column = _settled_numbers(column)
        columns[snake(field)] = column
    return pa.table(columns)


def _settled_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.match_substring_regex(column, "[eE]")).as_py():
        # Large amounts come with an exponent.
        return pa.chunked_array([[None if text is None else _number(float(text)) for text in column.to_pylist()]])
    if not pc.any(pc.match_substring(column, ".")).as_py():
        return column
    return pc.replace_substring_regex(column, r"\.0+$|(\.\d*[1-9])0+$", r"\1")


def with_partner_fields(table: pa.Table, lookups: Sequence[str]) -> pa.Table:
    """The table with one column more: what the lookups hold, as JSON; NULL where all are blank."""
    there = [(field, snake(field)) for field in lookups if snake(field) in table.column_names]
    if not lookups:
        return table
    columns = [table[name].to_pylist() for _, name in there]
    told = []
    for values in zip(*columns, strict=True) if columns else ((),) * table.num_rows:
        held = {field: value for (field, _), value in zip(there, values, strict=True) if value}
        told.append(orjson.dumps(held).decode() if held else None)
    return table.append_column(PARTNER_FIELDS, pa.array(told, pa.string()))

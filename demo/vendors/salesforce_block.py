"""Very many records of one object that never change, rendered once: the ground for speed measurements.

A block answers what a back-fill asks (a stretch of SystemModstamp, a count, the first stamp there is) and nothing else.
"""

from __future__ import annotations

import base64
import io
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from demo.vendors.soql import Query


class Block:
    """Records as an Arrow table in the order of their stamps.

    Every column is named by its field; moments are texts as REST spells them, other values of their own type.
    """

    def __init__(self, records: pa.Table) -> None:
        self.records = records.sort_by("SystemModstamp")
        self.stamps: list[str] = self.records["SystemModstamp"].to_pylist()
        self._pages: dict[tuple[Any, ...], bytes] = {}

    def span(self, query: Query) -> tuple[int, int]:
        """From which to which record a query reaches.

        Raises:
            ValueError: it asks for something that a block does not do.
        """
        start, stop = 0, len(self.stamps)
        for one in query.conditions:
            if one.field.lower() == "isdeleted" and one.op == "=" and one.value is False:
                continue
            if one.field.lower() != "systemmodstamp":
                raise ValueError(f"a block is only asked by SystemModstamp: {query.text}")
            if one.op in (">=", ">"):
                start = max(start, (bisect_left if one.op == ">=" else bisect_right)(self.stamps, one.value))
            elif one.op in ("<", "<="):
                stop = min(stop, (bisect_left if one.op == "<" else bisect_right)(self.stamps, one.value))
            else:
                raise ValueError(f"a block is only asked by SystemModstamp: {query.text}")
        if any(name.lower() != "systemmodstamp" or is_down for name, is_down in query.order):
            raise ValueError(f"a block has one order: {query.text}")
        stop = max(start, stop)
        return start, min(stop, start + query.limit) if query.limit is not None else stop

    def json_rows(self, fields: Sequence[str], start: int, stop: int, object_name: str, version: str) -> bytes:
        """Records as the elements of a JSON list, without its brackets."""
        key = ("json", tuple(fields), start, stop, version)
        if key not in self._pages:
            chosen = self.records.select(list(fields)).slice(start, stop - start).to_pylist()
            ids = self.records["Id"].slice(start, stop - start).to_pylist()
            rows = [
                {
                    "attributes": {
                        "type": object_name,
                        "url": f"/services/data/v{version}/sobjects/{object_name}/{own}",
                    },
                    **row,
                }
                for own, row in zip(ids, chosen, strict=True)
            ]
            self._pages[key] = orjson.dumps(rows)[1:-1]
        return self._pages[key]

    def csv_page(self, fields: Sequence[str], start: int, stop: int) -> bytes:
        """Records as a page of a Bulk result, with its header."""
        key = ("csv", tuple(fields), start, stop)
        if key not in self._pages:
            chosen = self.records.select(list(fields)).slice(start, stop - start)
            texts = [pc.fill_null(_as_text(column), "") for column in chosen.columns]
            out = io.BytesIO()
            pacsv.write_csv(pa.table(texts, names=list(fields)), out, pacsv.WriteOptions(quoting_style="all_valid"))
            self._pages[key] = out.getvalue()
        return self._pages[key]


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = column.cast(pa.string())
    return pc.replace_substring_regex(text, r"(T\d\d:\d\d:\d\d\.\d{3})\+0000$", r"\1Z")


def locator_of(job: str, place: int) -> str:
    """Where a result goes on, in a spelling that nobody should compute with."""
    return base64.urlsafe_b64encode(f"{job[-5:]}:{place}".encode()).decode().rstrip("=")


def place_of(job: str, locator: str) -> int | None:
    """The record a locator stands for; None when it is none of this job's."""
    try:
        own, _, place = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode().partition(":")
        return int(place) if own == job[-5:] else None
    except ValueError:
        return None

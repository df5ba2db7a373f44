"""Reads a query with the Bulk API 2.0: a job is created and polled, its rows come as pages of CSV.

The vendor says how many rows each page and the whole job have, and both are held against what was read: a download that
breaks off, or an edge server that answers in the vendor's stead, cannot pass for a short table.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines import http as transport
from pipelines.connectors.salesforce.limits import errors_of, says
from pipelines.connectors.salesforce.wire import Kinds, settled
from pipelines.events import emit
from pipelines.http import Answer, BadAnswer, Http, Refused, SourceDown, SourceError

_ROWS = 50_000
_LONGEST_PAUSE = 30.0
# One value may be longer than Arrow's usual block.
_BLOCK = 8 * 1024 * 1024
_TRIES = 3
# What a job that cannot be done says; the codes differ between versions, the words do not.
_NOT_FOR_BULK = ("is not supported by the Bulk API", "does not support query", "compound data not supported")
_NOT_NOW = ("LIMIT_EXCEEDED", "REQUEST_LIMIT_EXCEEDED")


class BulkRefused(Exception):
    """The job cannot be done; REST may."""

    def __init__(self, why: str, *, is_for_good: bool) -> None:
        super().__init__(why)
        self.why = why
        self.is_for_good = is_for_good


class Bulk:
    """The Bulk API of one org."""

    def __init__(self, http: Http, base: str, *, deadline: timedelta) -> None:
        self._http = http
        self._base = base
        self._deadline = deadline

    def read(self, name: str, soql: str, kinds: Kinds) -> Iterator[pa.Table]:
        """The rows of a query, those in the recycle bin too, as text under the raw columns' names.

        Raises:
            BulkRefused: the vendor does not do this job, or the job failed.
            SourceError: the rows could not be fetched to the end, or are not as many as the job says.
        """
        job = self._create(soql)
        total = self._wait(job, name)
        count = 0
        for table in self._pages(job, name, kinds):
            count += table.num_rows
            if table.num_rows:
                yield settled(table, kinds)
        if count != total:
            raise self._bad(f"{name}: job {job} says it has {total:,} rows, its pages hold {count:,}")
        self._remove(job)

    def _create(self, soql: str) -> str:
        asked = {
            "operation": "queryAll",
            "query": soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        try:
            told = self._http.json("POST", f"{self._base}/jobs/query", json=asked, expect=("id", "state"))
        except Refused as problem:
            for code, message in errors_of(problem.answer):
                if any(words in message for words in _NOT_FOR_BULK) or "Implementation restriction" in message:
                    raise BulkRefused(message, is_for_good=True) from None
                if code in _NOT_NOW:
                    raise BulkRefused(message, is_for_good=False) from None
            raise
        return str(told["id"])

    def _wait(self, job: str, name: str) -> int:
        """Poll until the job is complete; how many rows it has."""
        began = time.monotonic()
        pause = min(_LONGEST_PAUSE, self._http.options.backoff_seconds)
        while True:
            transport.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
            try:
                told = self._http.json("GET", f"{self._base}/jobs/query/{job}", expect=("state",))
            except Refused as problem:
                if says(problem, "NOT_FOUND"):
                    raise BulkRefused("the job is gone", is_for_good=False) from None
                raise
            state = told["state"]
            if state == "JobComplete":
                if not isinstance(told.get("numberRecordsProcessed"), int):
                    raise self._bad(f"{name}: job {job} is complete and does not say how many rows it has")
                return int(told["numberRecordsProcessed"])
            if state in ("Failed", "Aborted"):
                raise BulkRefused(f"{state}: {told.get('errorMessage', 'without a word')}", is_for_good=False)
            if time.monotonic() - began > self._deadline.total_seconds():
                self._http.request("PATCH", f"{self._base}/jobs/query/{job}", json={"state": "Aborted"})
                raise SourceDown(
                    f"source {self._http.source}: {name}: Bulk job {job} is {state} after {self._deadline}; "
                    "nothing was loaded",
                    next_step="look at Bulk Data Load Jobs in the org's set-up; raise bulk_deadline_minutes if the "
                    "object is that large",
                )

    def _pages(self, job: str, name: str, kinds: Kinds) -> Iterator[pa.Table]:
        seen: set[str] = set()
        locator: str | None = None
        with tempfile.TemporaryDirectory(prefix="segments-bulk-") as folder:
            while True:
                table, following = self._page(job, name, locator, kinds, Path(folder) / "page.csv")
                yield table
                if following == "null":
                    return
                if following in seen:
                    raise self._bad(f"{name}: job {job} leads to a page that was read already")
                seen.add(following)
                locator = following

    def _page(self, job: str, name: str, locator: str | None, kinds: Kinds, path: Path) -> tuple[pa.Table, str]:
        """One page and where the next one is; asked for again when it is not what its headers say."""
        params: dict[str, Any] = {"maxRecords": _ROWS}
        if locator is not None:
            params["locator"] = locator
        why = ""
        for _ in range(_TRIES):
            answer = self._http.download(
                "GET", f"{self._base}/jobs/query/{job}/results", path, params=params, headers={"Accept": "text/csv"}
            )
            table, why = _parsed(path, answer, kinds)
            if table is not None:
                return table, answer.headers["Sforce-Locator"]
        raise self._bad(f"{name}: job {job}: {why}, {_TRIES} times")

    def _remove(self, job: str) -> None:
        """The org keeps results for a week; a job that cannot be removed does no harm."""
        try:
            self._http.request("DELETE", f"{self._base}/jobs/query/{job}")
        except SourceError as problem:
            emit("bulk_job_stays", f"{self._http.source}: Bulk job {job} could not be removed: {problem.message}",
                 level=logging.DEBUG, source=self._http.source, job=job)  # fmt: skip

    def _bad(self, what: str) -> BadAnswer:
        return BadAnswer(
            f"source {self._http.source}: {what}; nothing was loaded", next_step="run again: finished parts are kept"
        )


def _parsed(path: Path, answer: Answer, kinds: Kinds) -> tuple[pa.Table | None, str]:
    """The rows of a downloaded page, or why it is none."""
    told = answer.headers.get("Sforce-NumberOfRecords", "")
    if not told.isdigit() or "Sforce-Locator" not in answer.headers:
        return None, "a page that does not say how many rows it has"
    if int(told) == 0:
        # A header line or nothing at all.
        return pa.table({field: pa.array([], pa.string()) for field in kinds}), ""
    try:
        table = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            # Every default of Arrow that guesses is off: a company may be called "NA", an id may look like a number.
            convert_options=pacsv.ConvertOptions(
                column_types={field: pa.string() for field in kinds},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as problem:
        return None, f"a page that is no CSV ({str(problem).splitlines()[0][:200]})"
    if set(table.column_names) != set(kinds):
        return None, f"a page with the columns {', '.join(table.column_names)[:200]}"
    if table.num_rows != int(told):
        return None, f"a page of {table.num_rows:,} rows that says it has {int(told):,}"
    return table, ""

"""Reads the rows of one object: a stretch of modification stamps by REST or by Bulk, and the ids of all there are.

| what | how |
|---|---|
| much | Bulk API 2.0 (`bulk.py`); a job the vendor refuses is read by REST |
| little | REST `queryAll` along the vendor's own links; the first page says how much it is |

What can go wrong: a link that expires (the stretch is read again), a query that takes too long (its stretch is halved),
an address that is too long (the fields are asked for in parts and joined), a field that disappears between describe and
query (it is left out and told), the day's requests used up (`limits.py`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa

from pipelines.clock import now
from pipelines.connector import snake
from pipelines.connectors.salesforce.bulk import Bulk, BulkRefused
from pipelines.connectors.salesforce.discovery import Readable
from pipelines.connectors.salesforce.limits import Quota, errors_of, says
from pipelines.connectors.salesforce.options import Options
from pipelines.connectors.salesforce.wire import table_of_records, with_partner_fields
from pipelines.events import emit
from pipelines.http import Answer, BadAnswer, Http, Refused, Request, SourceRefused
from pipelines.pull import Page, Window, evenly

# A long reading is cut so that a part has about so many rows: small enough to be read again, large enough for Bulk.
_ROWS_PER_WINDOW = 100_000
_SHORTEST_WINDOW = timedelta(seconds=1)
_RESTARTS = 3
# No org is older.
_EPOCH = datetime(1999, 1, 1, tzinfo=UTC)
_TOOK_TOO_LONG = ("QUERY_TIMEOUT", "OPERATION_TOO_LARGE")


class _TooLong(Exception):
    """The vendor gave up on a query; a smaller one may do."""


class _TooMuch(Exception):
    """More rows than REST is for."""


class _StartAgain(Exception):
    """A stretch has to be read from its beginning."""


class Reader:
    """Reads the objects of one org."""

    def __init__(self, http: Http, options: Options, quota: Quota) -> None:
        self._http = http
        self._options = options
        self._quota = quota
        self._base = f"/services/data/v{options.api_version}"
        self._bulk = Bulk(http, self._base, deadline=timedelta(minutes=options.bulk_deadline_minutes))

    def slices(self, one: Readable, since: datetime | None, until: datetime) -> list[Window]:
        """`[since, until)` in parts of a size to be read again. The last part is open towards now, so that a row that
        changes while others are read is not missed; what is read twice counts once."""
        start = self._options.start_date if one.what.is_dated else None
        one.is_first_pass = since == start
        end = until if self._options.settle_minutes else None
        parts = 1
        if one.is_first_pass:
            if one.count is None:
                one.count = self._total(f"SELECT count() FROM {one.name}")
            parts = max(1, math.ceil((one.count or 0) / _ROWS_PER_WINDOW))
            if parts == 1:
                return [Window(since, end)]
        first = since or self._first_stamp(one) or until
        step = timedelta(days=self._options.window_days)
        if one.is_first_pass:
            step = max(step, (until - first) / parts)
        windows = evenly(first, until, step)
        if not windows:
            return [Window(since, end)]
        windows[0] = replace(windows[0], since=since)
        windows[-1] = replace(windows[-1], until=end)
        return windows

    def _total(self, soql: str) -> int | None:
        """How many rows a query would have; None when the vendor takes too long to count."""
        try:
            return int(
                self._http.json("GET", f"{self._base}/query", params={"q": soql}, expect=("totalSize",))["totalSize"]
            )
        except Refused as problem:
            if says(problem, *_TOOK_TOO_LONG):
                return None
            raise

    def _first_stamp(self, one: Readable) -> datetime | None:
        """The oldest modification there is."""
        soql = f"SELECT {one.cursor} FROM {one.name} ORDER BY {one.cursor} LIMIT 1"
        try:
            page = self._http.json("GET", f"{self._base}/queryAll", params={"q": soql}, expect=("records",))
        except Refused as problem:
            if says(problem, *_TOOK_TOO_LONG):
                return _EPOCH
            raise
        stamps = [record[one.cursor] for record in page["records"]]
        return datetime.fromisoformat(stamps[0]).astimezone(UTC) if stamps else None

    def read(self, one: Readable, window: Window) -> Iterator[Page]:
        """The rows of an object that were modified in a window."""
        if not one.kinds:
            return
        self._quota.hold()
        for table in self._part(one, window):
            yield with_partner_fields(table, one.lookups)
        if one.name == "OpportunityHistory" and one.parent and window.since and not one.is_first_pass:
            # Into the recycle bin and out of it with the opportunity, a row of history keeps its own stamp.
            yield from self._part(one, window, stamp=f"{one.parent}.SystemModstamp")

    def _part(self, one: Readable, window: Window, stamp: str | None = None) -> Iterator[pa.Table]:
        """One stretch, by whichever way the vendor lets us; cut in half when it takes the vendor too long.

        `stamp`: what the stretch is of, if not the object's own modifications.
        """
        goes_bulk = one.is_bulk and one.is_first_pass and (one.count or 0) > self._options.use_bulk_above
        for _ in range(_RESTARTS):
            try:
                if goes_bulk and one.is_bulk:
                    yield from self._bulk.read(one.name, self._soql(one, window, stamp=stamp), one.kinds)
                else:
                    yield from self._by_rest(one, window, stamp)
                return
            except _TooMuch:
                goes_bulk = True
            except BulkRefused as problem:
                goes_bulk = False
                # A job that failed may have been bad luck; what the vendor does not do by Bulk it never does.
                one.is_bulk = one.is_bulk and not problem.is_for_good
                emit("bulk_refused", f"{self._http.source}: {one.name}: not by the Bulk API ({problem}); by REST",
                     level=logging.WARNING, source=self._http.source, table=one.what.table_name)  # fmt: skip
                yield from self._restarting(one, window, stamp)
                return
            except _StartAgain as problem:
                self._tell_again(one, str(problem))
            except _TooLong:
                for half in self._halves(one, window):
                    yield from self._part(one, half, stamp)
                return
            except Refused as problem:
                self._drop_or_raise(one, problem)
        raise self._bad(f"{one.name}: could not be read in one piece, {_RESTARTS} times")

    def _restarting(self, one: Readable, window: Window, stamp: str | None) -> Iterator[pa.Table]:
        """By REST however much it is."""
        for _ in range(_RESTARTS):
            try:
                yield from self._by_rest(one, window, stamp, however_much=True)
                return
            except _StartAgain as problem:
                self._tell_again(one, str(problem))
            except _TooLong:
                for half in self._halves(one, window):
                    yield from self._restarting(one, half, stamp)
                return
            except Refused as problem:
                self._drop_or_raise(one, problem)
        raise self._bad(f"{one.name}: could not be read in one piece, {_RESTARTS} times")

    def _by_rest(
        self, one: Readable, window: Window, stamp: str | None, *, however_much: bool = False
    ) -> Iterator[pa.Table]:
        """The pages of one query; or, where its address would be too long, of several that are joined by id."""
        parts = self._field_parts(one, window, stamp)
        if len(parts) == 1:
            for records in self._pages(one, self._soql(one, window, stamp=stamp), however_much=however_much):
                yield table_of_records(records, one.kinds)
            return
        joined: dict[str, dict[str, Any]] = {}
        for number, names in enumerate(parts):
            found = {
                str(record["Id"]): record
                for records in self._pages(one, self._soql(one, window, names, stamp), however_much=however_much)
                for record in records
            }
            # A row that is not in all parts has moved on meanwhile, and comes again with the stretch it moved to.
            joined = found if number == 0 else {k: {**found[k], **joined[k]} for k in joined if k in found}
        yield table_of_records(list(joined.values()), one.kinds)

    def _field_parts(self, one: Readable, window: Window, stamp: str | None) -> list[list[str]]:
        parts = 1
        names = [name for name in one.kinds if name not in ("Id", one.cursor)]
        shared = ["Id", *([one.cursor] if one.cursor else [])]
        while True:
            size = math.ceil(len(names) / parts)
            cut = [[*shared, *names[place : place + size]] for place in range(0, len(names), size)] or [shared]
            if (
                max(len(quote_plus(self._soql(one, window, part, stamp))) for part in cut) <= one.query_bytes
                or size <= 1
            ):
                return cut
            parts += 1

    def _pages(self, one: Readable, soql: str, *, however_much: bool) -> Iterator[list[dict[str, Any]]]:
        """The records of every page of a query.

        Raises:
            _TooMuch: more rows than REST is for, before any is given.
            _TooLong: the vendor gave up.
            _StartAgain: the answer cannot be read to its end, or ends too early.
        """

        def follow(page: Any, answer: Answer) -> Request | None:
            if page["done"]:
                return None
            if not page.get("nextRecordsUrl"):
                raise self._bad(f"{one.name}: a page that is not the last one and leads nowhere")
            return Request("GET", page["nextRecordsUrl"])

        count, total = 0, 0
        first = Request("GET", f"{self._base}/queryAll", {"q": soql})
        try:
            for page in self._http.pages(first, follow, expect=("records", "totalSize", "done")):
                records = page["records"]
                if count == 0:
                    total = page["totalSize"]
                    if not however_much and one.is_bulk and total > self._options.use_bulk_above:
                        raise _TooMuch
                count += len(records)
                yield records
        except Refused as problem:
            if says(problem, *_TOOK_TOO_LONG):
                raise _TooLong from None
            if says(problem, "INVALID_QUERY_LOCATOR"):
                raise _StartAgain("the vendor let go of the answer") from None
            if problem.status in (414, 431) and one.query_bytes > 500:
                one.query_bytes //= 2
                raise _StartAgain("the address was too long") from None
            raise
        if count < total:
            raise _StartAgain(f"the answer says it has {total:,} rows, its pages hold {count:,}")

    def _soql(self, one: Readable, window: Window, names: Sequence[str] | None = None, stamp: str | None = None) -> str:
        conditions = []
        stamp = stamp or one.cursor
        if stamp and window.since:
            conditions.append(f"{stamp} >= {_literal(window.since)}")
        if stamp and window.until:
            conditions.append(f"{stamp} < {_literal(window.until)}")
        start = self._options.start_date
        if start and one.name == "OpportunityPartner" and one.parent:
            # Partners of opportunities that are not read would point nowhere.
            conditions.append(f"{one.parent}.SystemModstamp >= {_literal(start)}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(names or one.kinds)} FROM {one.name}{where}"

    def _halves(self, one: Readable, window: Window) -> list[Window]:
        """A stretch in two.

        Raises:
            BadAnswer: it is as short as it can be, or the object has no stamp to cut by.
        """
        first = window.since or (self._first_stamp(one) if one.cursor else None)
        last = window.until or now()
        if one.cursor is None or first is None or last - first < 2 * _SHORTEST_WINDOW:
            raise self._bad(f"{one.name}: a query takes the vendor too long and cannot be made smaller")
        middle = first + (last - first) / 2
        return [Window(window.since, middle), Window(middle, window.until)]

    def _drop_or_raise(self, one: Readable, problem: Refused) -> None:
        """Leave out a field that was there a moment ago, and say so.

        Raises:
            Refused: the refusal is about something else.
            SourceRefused: the object is of no use without the field.
        """
        for code, message in errors_of(problem.answer):
            if code != "INVALID_FIELD" or "No such column" not in message:
                continue
            name = message.split("No such column '", 1)[-1].split("'", 1)[0]
            own = next((known for known in one.kinds if known.lower() == name.lower()), None)
            if own is None:
                continue
            if own in one.what.required or own == one.cursor:
                raise SourceRefused(
                    f"source {self._http.source}: {one.name}: field {own} is hidden now; nothing was loaded",
                    next_step="give the user that is read as access to it again",
                )
            del one.kinds[own]
            emit(
                "columns_not_readable",
                f"{self._http.source}.{one.what.table_name}: {own} is hidden now; it is unknown from here on",
                level=logging.WARNING, source=self._http.source, table=one.what.table_name, columns=[snake(own)],
            )  # fmt: skip
            return
        if problem.status == 403:
            raise SourceRefused(
                f"{problem.message}; nothing was loaded",
                next_step=f"give the user that is read as access to all records of {one.name}: docs/salesforce.md",
            )
        raise problem

    def ids(self, one: Readable) -> Iterator[list[str]]:
        """The ids of all rows that are there and not in the recycle bin.

        Archived activities are there, and only `queryAll` shows them.
        """
        self._quota.hold()
        soql = f"SELECT Id FROM {one.name} WHERE IsDeleted = false"
        if one.is_bulk and (one.count or 0) > self._options.use_bulk_above:
            try:
                for table in self._bulk.read(one.name, soql, {"Id": "id"}):
                    yield table["id"].to_pylist()
                return
            except BulkRefused:
                one.is_bulk = False

        def follow(page: Any, answer: Answer) -> Request | None:
            return None if page["done"] else Request("GET", page["nextRecordsUrl"])

        first = Request("GET", f"{self._base}/queryAll", {"q": soql})
        count, total = 0, 0
        for page in self._http.pages(first, follow, expect=("records", "totalSize", "done")):
            total = page["totalSize"]
            count += len(page["records"])
            yield [str(record["Id"]) for record in page["records"]]
        if count < total:
            # Taking a short list for all there is would delete what is missing from it.
            raise self._bad(f"{one.name}: the list of ids says it has {total:,}, its pages hold {count:,}")

    def _tell_again(self, one: Readable, why: str) -> None:
        emit("read_again", f"{self._http.source}: {one.name}: {why}; reading that part again",
             level=logging.DEBUG, source=self._http.source, table=one.what.table_name)  # fmt: skip

    def _bad(self, what: str) -> BadAnswer:
        return BadAnswer(
            f"source {self._http.source}: {what}; nothing was loaded", next_step="run again: finished parts are kept"
        )


def _literal(moment: datetime) -> str:
    """A moment as SOQL takes it: UTC, to the millisecond, without quotes."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"

"""Query jobs of the Bulk API 2.0: created, polled until they are done, their rows fetched as CSV by locator."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from demo.company import salesforce_id
from demo.vendors.salesforce_block import locator_of, place_of
from demo.vendors.salesforce_schema import COMPOUND, NOT_BULK
from demo.vendors.salesforce_wire import ApiError, Asked, Found, Told, told
from demo.vendors.soql import SoqlError, wire_moment

if TYPE_CHECKING:
    from demo.vendors.salesforce import User
    from demo.vendors.salesforce_api import Api

_DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
_NOT_IN_BULK = re.compile(r"\b(group\s+by|offset|typeof|count\s*\(|sum\s*\(|max\s*\(|min\s*\(|fields\s*\()", re.I)


@dataclass
class _Job:
    id: str
    operation: str
    text: str
    version: str
    user: User
    object: str
    delimiter: str
    line_end: str
    created_at: str
    state: str = "UploadComplete"
    polls: int = 0
    found: Found | None = None
    rows: list[list[str]] | None = None
    error: str = ""


class Jobs:
    """The query jobs of one org."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._org = api.org
        self._jobs: dict[str, _Job] = {}

    def routes(self) -> list[tuple[str, str, Callable[..., Told]]]:
        """Method, path below the version, and who answers."""
        return [
            ("POST", r"jobs/query/?", self._create),
            ("GET", r"jobs/query/(\w+)/?", self._poll),
            ("GET", r"jobs/query/(\w+)/results/?", self._results),
            ("PATCH", r"jobs/query/(\w+)/?", self._abort),
            ("DELETE", r"jobs/query/(\w+)/?", self._delete),
        ]

    def _create(self, asked: Asked, user: User, version: str) -> Told:
        try:
            body = orjson.loads(asked.body)
            operation, text = body["operation"], body["query"]
        except (ValueError, KeyError, TypeError):
            raise ApiError(400, "INVALIDJOB", "Unable to parse Job") from None
        delimiter, line_end = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
        if operation not in ("query", "queryAll") or delimiter not in _DELIMITERS or line_end not in ("LF", "CRLF"):
            raise ApiError(400, "INVALIDJOB", f"operation {operation} with {delimiter} and {line_end} is not supported")
        if self._org.bulk_jobs_left <= 0:
            raise ApiError(400, "LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached")
        if _NOT_IN_BULK.search(text):
            raise ApiError(400, "API_ERROR", "Aggregate Relationships not supported in Bulk Query")
        named = re.search(r"\bfrom\s+(\w+)", text, re.I)
        seen = self._api.visible(user, named[1]) if named else None
        if named and seen is None:
            raise ApiError(400, "INVALIDENTITY", f"sObject type '{named[1]}' is not supported.")
        if seen and seen[0] in NOT_BULK:
            raise ApiError(400, "INVALIDENTITY", f"Entity '{seen[0]}' is not supported by the Bulk API.")
        if seen:
            selected = {own.strip().lower() for own in re.split(r"\bfrom\b", text, flags=re.I)[0][6:].split(",")}
            if any(kind.type in COMPOUND and kind.name.lower() in selected for kind in seen[1].fields.values()):
                raise ApiError(400, "FEATURENOTENABLED", "Selecting compound data not supported in Bulk Query")
        if not user.may_view_all and operation == "queryAll":
            message = "Implementation restriction: the job needs the permission View All Data"
            raise ApiError(400, "API_ERROR", message)
        self._org.bulk_jobs_left -= 1
        key = salesforce_id("750", len(self._jobs) + 1)
        moment = wire_moment(self._org.now())
        job = _Job(key, operation, text, version, user, named[1] if named else "", delimiter, line_end, moment)
        self._jobs[key] = job
        return told(self._described(job))

    def _described(self, job: _Job) -> dict[str, Any]:
        state: dict[str, Any] = {
            "id": job.id,
            "operation": job.operation,
            "object": job.object,
            "createdById": job.user.id,
            "createdDate": job.created_at,
            "systemModstamp": wire_moment(self._org.now()),
            "state": job.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(job.version),
            "lineEnding": job.line_end,
            "columnDelimiter": job.delimiter,
        }
        if job.state == "Failed":
            state["errorMessage"] = job.error
        if job.state in ("JobComplete", "Failed", "Aborted"):
            state |= {
                "jobType": "V2Query",
                "numberRecordsProcessed": job.found.total if job.found else 0,
                "retries": 0,
                "totalProcessingTime": 334,
                "isPkChunkingSupported": True,
            }
        return state

    def _job(self, key: str, version: str) -> _Job:
        job = self._jobs.get(key)
        if job is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        if job.version != version:
            raise ApiError(409, "CONFLICT", f"the job was created with API version {job.version}")
        return job

    def _poll(self, asked: Asked, user: User, version: str, key: str) -> Told:
        job = self._job(key, version)
        if job.state in ("UploadComplete", "InProgress"):
            job.polls += 1
            job.state = "InProgress"
            if job.polls > self._org.bulk_polls:
                self._run(job)
        return told(self._described(job))

    def _run(self, job: _Job) -> None:
        """The rows of a job are those of the moment it is done."""
        if self._org.bulk_failures:
            job.state, job.error = "Failed", self._org.bulk_failures.pop(0)
            return
        try:
            found = self._api.find(job.text, job.user, with_deleted=job.operation == "queryAll")
        except SoqlError as problem:
            job.state, job.error = "Failed", f"{problem.code}: {problem.message.strip().splitlines()[-1]}"
            return
        job.state, job.found = "JobComplete", found
        if found.span is None:
            table = next(own for name, own in self._org.tables.items() if name.lower() == job.object.lower())
            kinds = [table.fields[own].type for own in found.fields]
            job.rows = [
                [_cell(table.records[one].get(own), kind) for own, kind in zip(found.fields, kinds, strict=True)]
                for one in found.ids
            ]

    def _results(self, asked: Asked, user: User, version: str, key: str) -> Told:
        job = self._job(key, version)
        if job.state != "JobComplete" or job.found is None:
            raise ApiError(400, "API_ERROR", f"the results of a job that is {job.state} can not be read")
        start = 0
        if "locator" in asked.params:
            place = place_of(job.id, asked.params["locator"])
            if place is None:
                raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            start = place
        try:
            wanted = int(asked.params.get("maxRecords", self._org.bulk_page_size))
        except ValueError:
            raise ApiError(400, "API_ERROR", "maxRecords has to be a number") from None
        stop = min(start + min(wanted, self._org.bulk_page_size), job.found.total)
        content = self._csv(job, job.found, start, stop)
        locator = locator_of(job.id, stop) if stop < job.found.total else "null"
        headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(stop - start)}
        return Told(200, content, "text/csv; charset=UTF-8", headers)

    def _csv(self, job: _Job, found: Found, start: int, stop: int) -> bytes:
        if found.total == 0 and self._org.bulk_empty_body:
            return b""
        if job.rows is None:
            block = next(own for name, own in self._org.tables.items() if name.lower() == job.object.lower()).block
            assert block is not None
            assert found.span is not None
            return block.csv_page(found.fields, found.span[0] + start, found.span[0] + stop)
        out = io.StringIO(newline="")
        line_end = "\n" if job.line_end == "LF" else "\r\n"
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, delimiter=_DELIMITERS[job.delimiter], lineterminator=line_end)
        writer.writerow(found.fields)
        writer.writerows(job.rows[start:stop])
        return out.getvalue().encode()

    def _abort(self, asked: Asked, user: User, version: str, key: str) -> Told:
        job = self._job(key, version)
        if job.state in ("UploadComplete", "InProgress"):
            job.state = "Aborted"
        return told(self._described(job))

    def _delete(self, asked: Asked, user: User, version: str, key: str) -> Told:
        job = self._job(key, version)
        if job.state in ("UploadComplete", "InProgress"):
            raise ApiError(400, "API_ERROR", "a job that is not done can not be deleted")
        del self._jobs[key]
        return Told(204, b"")


def _cell(value: Any, kind: str) -> str:
    """A value as Bulk CSV spells it: nothing for null, moments ending in Z."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind == "datetime":
        return str(value).replace("+0000", "Z")
    return str(value)

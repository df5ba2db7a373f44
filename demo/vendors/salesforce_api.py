"""What a `SalesforceOrg` says over HTTP: tokens, versions, describes, queries, deletions, limits. Bulk jobs are beside.

Errors of the data API are a list of {message, errorCode}; those of the token endpoint an object. Every answer of the
data API tells how many of the day's requests are used.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import orjson
from starlette.types import Receive, Scope, Send

from demo.vendors.salesforce_bulk import Jobs
from demo.vendors.salesforce_schema import NOT_REPLICATED, Field, key_prefix
from demo.vendors.salesforce_wire import ApiError, Asked, Found, Locator, Told, told
from demo.vendors.soql import Condition, Query, SoqlError, no_such_column, no_such_object, parse, wire_moment

if TYPE_CHECKING:
    from demo.vendors.salesforce import ExternalApp, ObjectTable, Record, SalesforceOrg, User

_RETIRED_BELOW = 31
_ASSERTION_LIVES = timedelta(minutes=3)


class Api:
    """The ASGI app of one org."""

    def __init__(self, org: SalesforceOrg) -> None:
        self.org = org
        self._jobs = Jobs(self)
        routes: list[tuple[str, str, Callable[..., Told]]] = [
            ("GET", r"sobjects/?", self._global_describe),
            ("GET", r"sobjects/(\w+)/describe/?", self._describe),
            ("GET", r"sobjects/(\w+)/deleted/?", self._deleted),
            ("GET", r"query/?", lambda asked, user, version: self._query(asked, user, version, False)),
            ("GET", r"queryAll/?", lambda asked, user, version: self._query(asked, user, version, True)),
            ("GET", r"query/([\w-]+)", self._next_page),
            ("GET", r"limits/?", self._limits),
            ("GET", r"limits/recordCount/?", self._record_count),
            *self._jobs.routes(),
        ]
        self._routes = [(method, re.compile(pattern), answer) for method, pattern, answer in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        size = len(scope["path"]) + len(query) + sum(len(k) + len(v) + 4 for k, v in scope["headers"])
        asked = Asked(
            scope["method"],
            scope["path"],
            {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()},
            headers,
            body,
            f"{scope['scheme']}://{headers.get('host', '')}",
        )
        for watch in list(self.org.on_request):
            watch(asked.method, scope["path"] + (f"?{query}" if query else ""))
        with self.org.lock:
            self.org.requests.append((asked.method, scope["path"] + (f"?{query}" if query else "")))
            answer = self._answer(asked, size)
        content, more = answer.content, dict(answer.headers)
        if self.org.gzips and "gzip" in headers.get("accept-encoding", "") and len(content) > 500:
            content, more["content-encoding"] = gzip.compress(content, 1), "gzip"
        sent = {"content-type": answer.kind, "content-length": str(len(content)), **more}
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    def _answer(self, asked: Asked, size: int) -> Told:
        if size > self.org.most_url_bytes:
            return Told(414, b"<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", "text/html;charset=iso-8859-1")
        if asked.path == "/services/oauth2/token" and asked.method == "POST":
            return self._token(asked)
        if asked.path.rstrip("/") == "/services/data" and asked.method == "GET":
            return told(
                [
                    {"label": f"Release {own}", "url": f"/services/data/v{own}.0", "version": f"{own}.0"}
                    for own in self.org.api_versions
                ]
            )
        try:
            answer = self._data(asked)
        except ApiError as problem:
            answer = problem.told
        except SoqlError as problem:
            answer = ApiError(400, problem.code, problem.message).told
        usage = f"api-usage={self.org.requests_today}/{self.org.daily_limit}"
        return Told(answer.status, answer.content, answer.kind, {**answer.headers, "Sforce-Limit-Info": usage})

    def _data(self, asked: Asked) -> Told:
        match = re.fullmatch(r"/services/data/v(\d+)\.0/(.*)", asked.path)
        if match is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        version, rest = int(match[1]), match[2]
        user = self._user_of(asked)
        if version < _RETIRED_BELOW:
            raise ApiError(410, "GONE", "The requested API version has been retired")
        if version not in self.org.api_versions:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        if not user.is_api_enabled:
            raise ApiError(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
        if self.org.requests_today >= self.org.daily_limit:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.org.requests_today += 1
        for method, pattern, answer in self._routes:
            found = pattern.fullmatch(rest)
            if found and method == asked.method:
                return answer(asked, user, f"{version}.0", *found.groups())
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")

    # -- who asks ------------------------------------------------------------------------------------------------------

    def _user_of(self, asked: Asked) -> User:
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        known = self.org.tokens.get(token) if kind in ("Bearer", "OAuth") else None
        if known is None or self.org.now() - known[1] > self.org.token_lifetime:
            raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return known[0]

    def _token(self, asked: Asked) -> Told:
        form = {name: values[-1] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
        if asked.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            return _denied("invalid_request", "must be form encoded")
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._client_credentials(asked, form)
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._jwt_bearer(asked, form)
        return _denied("unsupported_grant_type", "grant type not supported")

    def _client_credentials(self, asked: Asked, form: dict[str, str]) -> Told:
        key, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, basic = asked.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            try:
                key, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return _denied("invalid_client", "invalid client credentials")
        app = self.org.apps.get(key)
        if app is None:
            return _denied("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest(app.secret.encode(), secret.encode()):
            return _denied("invalid_client", "invalid client credentials")
        return self._opened(app, app.run_as, asked)

    def _jwt_bearer(self, asked: Asked, form: dict[str, str]) -> Told:
        assertion = form.get("assertion", "")
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return _denied("invalid_grant", "invalid assertion")
        app = self.org.apps.get(str(claims.get("iss")))
        if app is None:
            return _denied("invalid_client_id", "client identifier invalid")
        try:
            # The expiry is held against the org's clock below, which tests move.
            jwt.decode(
                assertion, app.public_key or "", algorithms=["RS256"], audience=list(self.org.audiences),
                options={"require": ["iss", "sub", "aud", "exp"], "verify_exp": False},
            )  # fmt: skip
        except jwt.InvalidAudienceError:
            return _denied("invalid_grant", "audience is invalid")
        except (jwt.InvalidTokenError, ValueError):
            return _denied("invalid_grant", "invalid assertion")
        moment = self.org.now().timestamp()
        if not moment < float(claims["exp"]) <= moment + _ASSERTION_LIVES.total_seconds() + 30:
            return _denied("invalid_grant", "expired authorization code")
        if claims["sub"] not in app.approved:
            return _denied("invalid_grant", "user hasn't approved this consumer")
        return self._opened(app, str(claims["sub"]), asked)

    def _opened(self, app: ExternalApp, username: str, asked: Asked) -> Told:
        user = self.org.users[username]
        if not user.is_active:
            return _denied("inactive_user", "user is inactive")
        token = f"{self.org.id[:15]}!AQ{secrets.token_urlsafe(60)}"
        self.org.tokens[token] = (user, self.org.now())
        return told(
            {
                "access_token": token,
                "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
                "scope": "api",
                "instance_url": asked.base,
                "id": f"https://login.salesforce.com/id/{self.org.id}/{user.id}",
                "token_type": "Bearer",
                "issued_at": str(int(self.org.now().timestamp() * 1000)),
            }
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def visible(self, user: User, name: str) -> tuple[str, ObjectTable] | None:
        """An object in its own spelling as a user sees it; None: not at all."""
        own = next((known for known in self.org.tables if known.lower() == name.lower()), None)
        if own is None or own in user.hidden_objects:
            return None
        return own, self.org.tables[own]

    def _global_describe(self, asked: Asked, user: User, version: str) -> Told:
        names = [name for name in self.org.tables if self.visible(user, name)]
        return told(
            {
                "encoding": "UTF-8",
                "maxBatchSize": 200,
                "sobjects": [
                    {
                        "name": name,
                        "label": name,
                        "keyPrefix": key_prefix(name),
                        "queryable": True,
                        "replicateable": name not in NOT_REPLICATED,
                        "custom": name.endswith("__c"),
                        "urls": {"describe": f"/services/data/v{version}/sobjects/{name}/describe"},
                    }
                    for name in names
                ],
            }
        )

    def _describe(self, asked: Asked, user: User, version: str, name: str) -> Told:
        seen = self.visible(user, name)
        if seen is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        own, table = seen
        fields = [field for field in table.fields.values() if (own, field.name) not in user.hidden_fields]
        return told(
            {
                "name": own,
                "label": own,
                "keyPrefix": key_prefix(own),
                "queryable": True,
                "replicateable": own not in NOT_REPLICATED,
                "custom": own.endswith("__c"),
                "fields": [field.described() for field in fields],
                "childRelationships": [],
            }
        )

    def _limits(self, asked: Asked, user: User, version: str) -> Told:
        self._hold_setup(user)
        left = max(0, self.org.daily_limit - self.org.requests_today)
        return told(
            {
                "DailyApiRequests": {"Max": self.org.daily_limit, "Remaining": left},
                "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": self.org.bulk_jobs_left},
                "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            }
        )

    def _record_count(self, asked: Asked, user: User, version: str) -> Told:
        self._hold_setup(user)
        counts = []
        for name in filter(None, asked.params.get("sObjects", "").split(",")):
            seen = self.visible(user, name)
            if seen is not None:
                own, table = seen
                alive = sum(not record.get("IsDeleted") for record in table.records.values())
                counts.append({"count": alive + (len(table.block.stamps) if table.block else 0), "name": own})
        return told({"sObjects": counts})

    def _hold_setup(self, user: User) -> None:
        if not user.may_view_setup:
            raise ApiError(403, "INSUFFICIENT_ACCESS", "insufficient access rights: View Setup and Configuration")

    def _deleted(self, asked: Asked, user: User, version: str, name: str) -> Told:
        seen = self.visible(user, name)
        if seen is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        if seen[0] in NOT_REPLICATED:
            raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", f"entity type {seen[0]} does not support getDeleted")
        try:
            start, end = (datetime.fromisoformat(asked.params[name].replace(" ", "+")) for name in ("start", "end"))
        except (KeyError, ValueError):
            raise ApiError(400, "MALFORMED_ID", "start and end have to be moments") from None
        if self.org.now() - start > timedelta(days=30):
            raise ApiError(400, "INVALID_REPLICATION_DATE", "start date may not be more than 30 days ago")
        gone = [(key, moment) for own, key, moment in self.org.deletions if own == seen[0] and start <= moment < end]
        return told(
            {
                "deletedRecords": [{"id": key, "deletedDate": wire_moment(moment)} for key, moment in gone],
                "earliestDateAvailable": wire_moment(self.org.now() - timedelta(days=30)),
                "latestDateCovered": wire_moment(min(end, self.org.now())),
            }
        )

    # -- queries -------------------------------------------------------------------------------------------------------

    def find(self, text: str, user: User, *, with_deleted: bool) -> Found:
        """Run a query now.

        Raises:
            SoqlError: what the vendor answers to it.
        """
        query = parse(text)
        seen = self.visible(user, query.object)
        if seen is None:
            raise no_such_object(query)
        name, table = seen
        fields = [self._field(query, name, table, user, given, at).name for given, at in query.fields]
        for one in query.conditions:
            self._path(query, name, table, user, one)
        if table.block is not None:
            return Found(query, fields, [], table.block.span(query))
        records = [
            record
            for record in table.records.values()
            # Archived activities stand beside what is in the recycle bin.
            if (with_deleted or not (record.get("IsDeleted") or record.get("IsArchived")))
            and self._passes(record, name, table, query.conditions)
        ]
        if self.org.longest_scan is not None and len(records) > self.org.longest_scan and not query.is_count:
            raise SoqlError("QUERY_TIMEOUT", "Your query request was running for too long.")
        # Without ORDER BY there is no order to rely on: back to front is as good as any.
        records.reverse()
        for given, is_down in reversed(query.order):
            own = self._field(query, name, table, user, given, 1).name
            records.sort(key=lambda record: (record.get(own) is not None, record.get(own)), reverse=is_down)
        ids = [record["Id"] for record in records]
        return Found(query, fields, ids[: query.limit] if query.limit is not None else ids)

    def _field(self, query: Query, name: str, table: ObjectTable, user: User, given: str, at: int) -> Field:
        own = table.spelled(given)
        if own is None or (name, own) in user.hidden_fields:
            raise no_such_column(query, given, at)
        return table.fields[own]

    def _path(self, query: Query, name: str, table: ObjectTable, user: User, one: Condition) -> None:
        """Hold a condition's field, also one of a parent, to be there and filterable."""
        parent, _, given = one.field.rpartition(".")
        if parent:
            lookup = next((own for own in table.fields.values() if own.relationship == parent), None)
            seen = self.visible(user, lookup.refers_to or "") if lookup else None
            if seen is None:
                raise no_such_column(query, one.field, one.at)
            name, table = seen
        found = self._field(query, name, table, user, given, one.at)
        if not found.is_filterable:
            raise SoqlError("INVALID_FIELD", f"field '{found.name}' can not be filtered in a query call")

    def _passes(self, record: Record, name: str, table: ObjectTable, conditions: Iterable[Condition]) -> bool:
        for one in conditions:
            parent, _, given = one.field.rpartition(".")
            holder: Record | None = record
            own_table = table
            if parent:
                lookup = next(own for own in table.fields.values() if own.relationship == parent)
                own_table = self.org.tables[lookup.refers_to or ""]
                holder = own_table.records.get(record.get(lookup.name) or "")
            if not one.holds(holder.get(own_table.spelled(given) or "") if holder else None):
                return False
        return True

    def _query(self, asked: Asked, user: User, version: str, with_deleted: bool) -> Told:
        if "q" not in asked.params:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        found = self.find(asked.params["q"], user, with_deleted=with_deleted)
        if found.query.is_count:
            return told({"totalSize": found.total, "done": True, "records": []})
        return self._page(found, 0, asked, version, f"01g{secrets.token_hex(7)}AA")

    def _next_page(self, asked: Asked, user: User, version: str, locator: str) -> Told:
        key, _, place = locator.rpartition("-")
        known = self.org.locators.get(key)
        if known is None or not place.isdigit() or self.org.now() - known.used_at > self.org.locator_lifetime:
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        known.used_at = self.org.now()
        return self._page(known.found, int(place), asked, version, key)

    def _page(self, found: Found, start: int, asked: Asked, version: str, key: str) -> Told:
        wanted = re.search(r"batchSize=(\d+)", asked.headers.get("sforce-query-options", ""))
        size = min(self.org.page_size, max(200, min(2000, int(wanted[1]))) if wanted else 2000)
        stop = min(start + size, found.total)
        rows = self._rows(found, start, stop, version)
        head: dict[str, Any] = {"totalSize": found.total, "done": stop >= found.total}
        if stop < found.total:
            self.org.locators.setdefault(key, Locator(found, self.org.now()))
            head["nextRecordsUrl"] = f"/services/data/v{version}/query/{key}-{stop}"
        return Told(200, orjson.dumps(head)[:-1] + b',"records":[' + rows + b"]}")

    def _rows(self, found: Found, start: int, stop: int, version: str) -> bytes:
        seen = next(known for known in self.org.tables if known.lower() == found.query.object.lower())
        table = self.org.tables[seen]
        if found.span is not None and table.block is not None:
            first = found.span[0]
            return table.block.json_rows(found.fields, first + start, first + stop, seen, version)
        path = f"/services/data/v{version}/sobjects/{seen}/"
        rows = [
            {"attributes": {"type": seen, "url": path + key}, **{own: record.get(own) for own in found.fields}}
            for key in found.ids[start:stop]
            # What is purged between two pages is missing from the second.
            if (record := table.records.get(key)) is not None
        ]
        return orjson.dumps(rows)[1:-1]


def _denied(error: str, description: str) -> Told:
    """An error of the token endpoint: an object, unlike those of the data API."""
    return told({"error": error, "error_description": description}, 400)

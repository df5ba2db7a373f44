"""How a HubSpot account answers: both URL dialects, its limits, its errors in its own words.

Only what reading needs is here; nothing can be written over HTTP.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.vendors.hubspot import Asked, HubspotAccount, Properties, Record, stamp
from demo.vendors.hubspot_limits import CORRELATION, Failure, Meter, invalid
from demo.vendors.hubspot_schema import DEFAULT_PROPERTIES
from demo.vendors.hubspot_search import BadSearch, Searches

DATED = "2026-03"
MOST_LISTED, MOST_WITH_HISTORY, MOST_ASSOCIATED = 100, 50, 1_000
_LONGEST_URL = 8_000

_SCOPE_OF = {
    "companies": "crm.objects.companies.read", "deals": "crm.objects.deals.read",
    "contacts": "crm.objects.contacts.read", "meetings": "crm.objects.contacts.read",
    "calls": "crm.objects.contacts.read", "tasks": "crm.objects.contacts.read",
    "line_items": "crm.objects.line_items.read",
}  # fmt: skip
_OWNERS, _CURRENCIES, _CUSTOM = "crm.objects.owners.read", "settings.currencies.read", "crm.objects.custom.read"
ALL_SCOPES = frozenset({*_SCOPE_OF.values(), _OWNERS, _CURRENCIES, _CUSTOM, "crm.schemas.custom.read"})

_ROUTES = (
    # what it is, dated path, legacy path, method
    ("details", "/account-info/V/details", "/account-info/v3/details", "GET"),
    ("usage", "/account-info/V/api-usage/daily/private-apps", "/account-info/v3/api-usage/daily/private-apps", "GET"),
    ("search", "/crm/objects/V/{kind}/search", "/crm/v3/objects/{kind}/search", "POST"),
    ("batch", "/crm/objects/V/{kind}/batch/read", "/crm/v3/objects/{kind}/batch/read", "POST"),
    ("list", "/crm/objects/V/{kind}", "/crm/v3/objects/{kind}", "GET"),
    ("owners", "/crm/owners/V", "/crm/v3/owners", "GET"),
    ("pipelines", "/crm/pipelines/V/{kind}", "/crm/v3/pipelines/{kind}", "GET"),
    ("properties", "/crm/properties/V/{kind}", "/crm/v3/properties/{kind}", "GET"),
    ("associations", "/crm/associations/V/{kind}/{other}/batch/read", "/crm/v4/associations/{kind}/{other}/batch/read",
     "POST"),
    ("labels", "/crm/associations/V/{kind}/{other}/labels", "/crm/v4/associations/{kind}/{other}/labels", "GET"),
    ("schemas", "/crm-object-schemas/V/schemas", "/crm/v3/schemas", "GET"),
    ("rates", "/settings/currencies/V/exchange-rates", "/settings/v3/currencies/exchange-rates", "GET"),
)  # fmt: skip


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace("/V", f"/{DATED}")) + "/?$")


_COMPILED = [(what, method, _pattern(path)) for what, *paths, method in _ROUTES for path in paths]


def app(account: HubspotAccount) -> ASGIApp:
    """The account as an ASGI app."""
    api = _Api(account)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        content = await request.body()
        status, body, headers = api.answer(
            request.method, request.url.path, str(request.url.query), request.headers.get("authorization", ""), content
        )
        is_text = isinstance(body, str)
        response = Response(
            body if is_text else json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            status,
            headers,
            "text/html" if is_text else "application/json",
        )
        await response(scope, receive, send)

    return answer


class _Api:
    def __init__(self, account: HubspotAccount) -> None:
        self._account = account
        self._searches = Searches(account)
        self._meter = Meter(account)
        self._handlers: dict[str, Callable[..., tuple[int, Any]]] = {
            "details": self._details, "usage": self._usage, "search": self._search, "batch": self._batch,
            "list": self._list, "owners": self._owners, "pipelines": self._pipelines,
            "properties": self._properties, "associations": self._associations, "labels": self._labels,
            "schemas": self._schemas, "rates": self._rates,
        }  # fmt: skip

    def answer(
        self, method: str, path: str, query: str, authorization: str, content: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers."""
        account = self._account
        asked = dict(parse_qsl(query, keep_blank_values=True))
        body: Any = None
        with account.lock:
            headers: dict[str, str] = {}
            status: int
            answer: Any
            try:
                if len(path) + len(query) > _LONGEST_URL:
                    status, answer = 414, "<html><body>URI Too Long</body></html>"
                else:
                    body = json.loads(content) if content else None
                    what, parts = self._route(method, path)
                    headers = self._meter.count(is_search=what == "search")
                    self._let_in(what, parts, authorization)
                    status, answer = self._handlers[what](asked, body, **parts)
            except Failure as problem:
                status, answer = problem.status, problem.body
                headers = {**headers, **problem.headers}
            except ValueError:
                status, answer = 400, invalid("Invalid input JSON").body
            account.asked.append(Asked(method, path, asked, body, status))
            return status, answer, headers

    # -- who may ask, and how often ------------------------------------------------------------------------------------

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        for what, wanted, pattern in _COMPILED:
            found = pattern.match(path)
            if found and method == wanted:
                parts = found.groupdict()
                for name in ("kind", "other"):
                    if name in parts:
                        parts[name] = self._kind(parts[name])
                return what, parts
        raise Failure(404, {"status": "error", "message": "resource not found", "correlationId": CORRELATION})

    def _kind(self, name: str) -> str:
        """An object type by its name or number."""
        for kind, (number, one) in self._account.types.items():
            if name in (kind, number, one):
                return kind
        raise invalid(f"Unable to infer object type from: {name}")

    def _let_in(self, what: str, parts: dict[str, str], authorization: str) -> None:
        account = self._account
        key = account.keys.get(authorization.removeprefix("Bearer "))
        if key is None:
            raise Failure(401, {
                "status": "error",
                "message": "Authentication credentials not found. This API supports OAuth 2.0 authentication and you "
                "can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
                "correlationId": CORRELATION,
                "category": "INVALID_AUTHENTICATION",
            })  # fmt: skip
        if key.expired_at is not None:
            seconds = int((account.clock - key.expired_at).total_seconds())
            raise Failure(401, {
                "status": "error",
                "message": f"The OAuth token used to make this call expired {seconds} second(s) ago.",
                "correlationId": CORRELATION,
                "category": "EXPIRED_AUTHENTICATION",
                "context": {"expire time": [stamp(key.expired_at)]},
            })  # fmt: skip
        needed = {_SCOPE_OF.get(parts[name], _CUSTOM) for name in ("kind", "other") if name in parts}
        needed |= {"owners": {_OWNERS}, "rates": {_CURRENCIES}, "schemas": {"crm.schemas.custom.read"}}.get(what, set())
        lacking = sorted(needed - key.scopes) if key.scopes is not None else []
        if lacking:
            raise Failure(403, {
                "status": "error",
                "message": "This app hasn't been granted all required scopes to make this call. Read more about "
                "required scopes here: https://developers.hubspot.com/scopes.",
                "correlationId": CORRELATION,
                "errors": [{
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": lacking},
                }],
                "links": {"scopes": "https://developers.hubspot.com/scopes"},
                "category": "MISSING_SCOPES",
            })  # fmt: skip

    # -- the account ---------------------------------------------------------------------------------------------------

    def _details(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        account = self._account
        return 200, {
            "portalId": account.portal_id,
            "accountType": "DEVELOPER_TEST",
            "timeZone": account.time_zone,
            "companyCurrency": account.company_currency,
            "additionalCurrencies": account.additional_currencies,
            "utcOffset": "-05:00",
            "utcOffsetMilliseconds": -18_000_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }

    def _usage(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        account = self._account
        return 200, {
            "results": [
                {
                    "name": "private-apps-api-calls-daily",
                    "usageLimit": account.limits.daily or 650_000,
                    "currentUsage": self._meter.calls_today,
                    "collectedAt": stamp(account.clock),
                    "fetchStatus": "SUCCESS",
                    "resetsAt": stamp(account.midnight()),
                }
            ]
        }

    def _owners(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        is_archived = query.get("archived") == "true"
        owners = [one for _, one in sorted(self._account.owners.items()) if one["archived"] is is_archived]
        return 200, _paged(owners, query, key=lambda one: int(one["id"]))

    def _pipelines(self, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        if kind != "deals":
            return 200, {"results": []}
        epoch = "1970-01-01T00:00:00Z"
        common = {"createdAt": epoch, "updatedAt": epoch}
        return 200, {
            "results": [
                {
                    "id": pipeline.id,
                    "label": pipeline.label,
                    "displayOrder": place,
                    "stages": [
                        {
                            "id": stage.id,
                            "label": stage.label,
                            "displayOrder": number,
                            "metadata": {
                                "isClosed": "true" if stage.is_closed else "false",
                                "probability": stage.probability,
                            },
                            **common,
                            "archived": stage.is_archived,
                            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                        }
                        for number, stage in enumerate(pipeline.stages)
                    ],
                    **common,
                    "archived": pipeline.is_archived,
                }
                for place, pipeline in enumerate(self._account.pipelines)
            ]
        }

    def _properties(self, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        return 200, {
            "results": [
                {
                    "name": name,
                    "label": name.replace("_", " ").title(),
                    "type": type_,
                    "fieldType": {"number": "number", "datetime": "date", "enumeration": "select"}.get(type_, "text"),
                    "groupName": f"{kind}information",
                    "description": "",
                    "options": [],
                    "displayOrder": -1,
                    "hasUniqueValue": False,
                    "hidden": False,
                    "calculated": name.startswith("hs_is_closed"),
                    "externalOptions": False,
                    "hubspotDefined": name.startswith("hs_"),
                    "archived": False,
                    "formField": False,
                }
                for name, type_ in sorted(self._account.properties[kind].items())
            ]
        }

    def _schemas(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        account = self._account
        return 200, {
            "results": [
                {
                    "id": account.types[name][0].removeprefix("2-"),
                    "objectTypeId": account.types[name][0],
                    "fullyQualifiedName": name,
                    "name": name.partition("_")[2] or name,
                    "labels": {"singular": name, "plural": name},
                    "requiredProperties": [],
                    "properties": [],
                    "associations": [],
                    "archived": False,
                }
                for name in account.schemas
            ]
        }

    def _rates(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        rates = [{"id": str(number), **rate} for number, rate in enumerate(self._account.exchange_rates, 1001)]
        return 200, _paged(rates, query, key=lambda one: int(one["id"]))

    # -- records -------------------------------------------------------------------------------------------------------

    def _list(self, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        names, history = _listed(query.get("properties")), _listed(query.get("propertiesWithHistory"))
        limit = _number(query.get("limit", "10"))
        most = MOST_WITH_HISTORY if history else MOST_LISTED
        if not 1 <= limit <= most:
            raise invalid(f"limit must be between 1 and {most}")
        first = _number(query.get("after", "0"))
        wants_archived = query.get("archived") == "true"
        records, ids = self._account.records[kind], self._account.ordered(kind)
        found: list[Record] = []
        for place in range(bisect_left(ids, first), len(ids)):
            record = records[ids[place]]
            if (record.archived_at is not None) is wants_archived:
                found.append(record)
                if len(found) > limit:
                    break
        asked = names or [*DEFAULT_PROPERTIES.get(kind, ())]
        page: dict[str, Any] = {
            "results": [self._shown(kind, one, one.properties, asked, history) for one in found[:limit]]
        }
        if len(found) > limit:
            page["paging"] = _next(str(found[limit].id))
        return 200, page

    def _batch(self, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        inputs, names, history = body["inputs"], body["properties"], body["propertiesWithHistory"]
        if history and len(inputs) > MOST_WITH_HISTORY:
            raise invalid("The maximum number of inputs supported in a batch request for property histories is 50")
        if len(inputs) > MOST_LISTED:
            raise invalid(f"The maximum number of inputs supported in a batch request is {MOST_LISTED}")
        wants_archived = query.get("archived") == "true"
        records = self._account.records[kind]
        found, missing = [], []
        for one in inputs:
            record = records.get(_number(one["id"]))
            if record is None or (record.archived_at is not None) is not wants_archived:
                missing.append(str(one["id"]))
            else:
                found.append(self._shown(kind, record, record.properties, names, history))
        return self._batched(found, [{
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": f"Could not get some {kind} objects, they may be deleted or not exist. Check that ids are "
            "valid.",
            "context": {"ids": missing},
            "errors": [],
            "links": {},
        }] if missing else [])  # fmt: skip

    def _search(self, query: dict[str, str], body: Any, kind: str) -> tuple[int, Any]:
        try:
            total, records, following = self._searches.search(kind, body)
        except BadSearch as problem:
            raise invalid(str(problem)) from None
        names = body.get("properties") or [*DEFAULT_PROPERTIES.get(kind, ())]
        page: dict[str, Any] = {
            "total": total,
            "results": [self._shown(kind, one, self._searches.shown(one), names, []) for one in records],
        }
        if following is not None:
            page["paging"] = _next(str(following))
        return 200, page

    def _shown(
        self, kind: str, record: Record, properties: Properties, names: list[str], history: list[str]
    ) -> dict[str, Any]:
        known = self._account.properties[kind]
        always = ["createdate" if "createdate" in known else "hs_createdate", "hs_lastmodifieddate", "hs_object_id"]
        shown: dict[str, Any] = {
            "id": str(record.id),
            "properties": {name: properties.get(name) for name in [*names, *always] if name in known},
            "createdAt": stamp(record.created),
            "updatedAt": stamp(record.updated),
            "archived": record.archived_at is not None,
        }
        if record.archived_at is not None:
            shown["archivedAt"] = stamp(record.archived_at)
        if history:
            shown["propertiesWithHistory"] = {
                name: [
                    {"value": value, "timestamp": stamp(moment), "sourceType": "CRM_UI", "sourceId": "userId:1"}
                    for value, moment in record.history.get(name, [])
                ]
                for name in history
                if name in known
            }
        return shown

    # -- associations --------------------------------------------------------------------------------------------------

    def _associations(self, query: dict[str, str], body: Any, kind: str, other: str) -> tuple[int, Any]:
        inputs = body["inputs"]
        if len(inputs) > MOST_ASSOCIATED:
            raise invalid(f"The maximum number of inputs supported in a batch request is {MOST_ASSOCIATED}")
        account = self._account
        types = account.association_types(kind, other)
        found, errors = [], []
        for one in inputs:
            number, first = _number(one["id"]), _number(one.get("after", "0"))
            record = account.records[kind].get(number)
            others = account.links.get((kind, other), {}).get(number, {})
            there = sorted(
                to for to in others if (target := account.records[other].get(to)) and target.archived_at is None
            )
            if record is None or record.archived_at is not None or not there:
                errors.append(self._no_association(kind, other, str(one["id"])))
                continue
            page = [to for to in there if to >= first]
            result: dict[str, Any] = {
                "from": {"id": str(number)},
                "to": [
                    {
                        "toObjectId": to,
                        "associationTypes": [
                            {"category": types[type_][0], "typeId": type_, "label": types[type_][1]}
                            for type_ in sorted(others[to])
                        ],
                    }
                    for to in page[: account.association_page]
                ],
            }
            if len(page) > account.association_page:
                after = str(page[account.association_page])
                result["paging"] = {"next": {"after": after, "link": f"?after={after}"}}
            found.append(result)
        return self._batched(found, errors)

    def _no_association(self, kind: str, other: str, number: str) -> dict[str, Any]:
        one, to = self._account.types[kind][1], self._account.types[other][1]
        return {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": f"No {to} is associated with {one} {number}.",
            "context": {"fromObjectId": [number], "fromObjectType": [one], "toObjectType": [to]},
            "errors": [],
            "links": {},
        }

    def _labels(self, query: dict[str, str], body: Any, kind: str, other: str) -> tuple[int, Any]:
        types = self._account.association_types(kind, other)
        return 200, {
            "results": [
                {"category": category, "typeId": number, "label": label}
                for number, (category, label) in sorted(types.items())
            ]
        }

    def _batched(self, found: list[dict[str, Any]], errors: list[dict[str, Any]]) -> tuple[int, Any]:
        moment = stamp(self._account.clock)
        body: dict[str, Any] = {"status": "COMPLETE", "results": found, "startedAt": moment, "completedAt": moment}
        if not errors:
            return 200, body
        return 207, {**body, "numErrors": len(errors), "errors": errors}


def _listed(text: str | None) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise invalid(f"{text!r} is no number") from None


def _next(after: str) -> dict[str, Any]:
    return {"next": {"after": after, "link": f"?after={after}"}}


def _paged(rows: list[dict[str, Any]], query: dict[str, str], *, key: Callable[[Any], int]) -> dict[str, Any]:
    limit, first = _number(query.get("limit", "100")), _number(query.get("after", "0"))
    left = [row for row in rows if key(row) >= first]
    page: dict[str, Any] = {"results": left[:limit]}
    if len(left) > limit:
        page["paging"] = _next(str(key(left[limit])))
    return page

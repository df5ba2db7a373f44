"""HubSpot's API as this connector uses it: URLs of both dialects, lists, searches, batches, and its limits.

A method asks one thing and hands over JSON as it came; which rows that makes is `client.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines import http as door
from pipelines.clock import now
from pipelines.http import (
    Answer,
    BadAnswer,
    Http,
    HttpOptions,
    Refuse,
    Refused,
    Request,
    Signal,
    StaticToken,
    Stop,
    Wait,
)

_DATED = "2026-03"
_PATHS: dict[str, tuple[str, str]] = {
    # what: its dated URL, and the older one
    "details": (f"/account-info/{_DATED}/details", "/account-info/v3/details"),
    "usage": (
        f"/account-info/{_DATED}/api-usage/daily/private-apps", "/account-info/v3/api-usage/daily/private-apps",
    ),
    "list": (f"/crm/objects/{_DATED}/{{kind}}", "/crm/v3/objects/{kind}"),
    "search": (f"/crm/objects/{_DATED}/{{kind}}/search", "/crm/v3/objects/{kind}/search"),
    "batch": (f"/crm/objects/{_DATED}/{{kind}}/batch/read", "/crm/v3/objects/{kind}/batch/read"),
    "owners": (f"/crm/owners/{_DATED}", "/crm/v3/owners/"),
    "pipelines": (f"/crm/pipelines/{_DATED}/{{kind}}", "/crm/v3/pipelines/{kind}"),
    "properties": (f"/crm/properties/{_DATED}/{{kind}}", "/crm/v3/properties/{kind}"),
    "associations": (
        f"/crm/associations/{_DATED}/{{kind}}/{{other}}/batch/read", "/crm/v4/associations/{kind}/{other}/batch/read",
    ),
    "labels": (f"/crm/associations/{_DATED}/{{kind}}/{{other}}/labels", "/crm/v4/associations/{kind}/{other}/labels"),
    "rates": (f"/settings/currencies/{_DATED}/exchange-rates", "/settings/v3/currencies/exchange-rates"),
}  # fmt: skip

PER_LIST, PER_LIST_WITH_HISTORY = 100, 50
PER_BATCH, PER_BATCH_WITH_HISTORY = 100, 50
PER_SEARCH = 200
PER_ASSOCIATION_BATCH = 1_000
# A longer list of properties is not put into a URL; HubSpot turns down URLs of more than about 8,000 characters.
_LONGEST_PROPERTIES = 2_000
# How often a set of ids is searched again when the search did not show all of it.
_SWEEPS = 4


class HubspotApi:
    """One key's way into one account."""

    def __init__(
        self, base_url: str, *, source: str, token: str, dialect: str, options: HttpOptions, searches_per_second: float
    ) -> None:
        self._place = 0 if dialect == _DATED else 1
        self._http = Http(base_url, source=source, auth=StaticToken(token), options=options, classify=self._classify)
        self._source = source
        self._zone: ZoneInfo | None = None
        self._search_pause = 1.0 / searches_per_second
        self._last_search = float("-inf")
        self._pause = 0.0

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # -- what there is -------------------------------------------------------------------------------------------------

    def details(self) -> dict[str, Any]:
        """The account the key belongs to. Its time zone says when a daily limit begins anew."""
        found: dict[str, Any] = self._get("details", expect=("portalId",))
        try:
            self._zone = ZoneInfo(str(found.get("timeZone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            self._zone = None
            found["timeZone"] = None
        return found

    def usage(self) -> list[dict[str, Any]]:
        """How much of the daily limit is used up."""
        return list(self._get("usage", expect=("results",))["results"])

    def properties(self, kind: str) -> dict[str, str]:
        """The properties that records of a kind have, with their types."""
        found = self._get("properties", kind=kind, expect=("results",))["results"]
        return {one["name"]: one.get("type") or "string" for one in found if not one.get("archived")}

    def can_list(self, kind: str) -> None:
        """Ask for one record.

        Raises:
            Refused: the key may not read them.
        """
        self._get("list", kind=kind, params={"limit": "1", "properties": "hs_object_id"}, expect=("results",))

    def pipelines(self, kind: str) -> list[dict[str, Any]]:
        """All pipelines with their stages."""
        return list(self._get("pipelines", kind=kind, expect=("results",))["results"])

    def labels(self, kind: str, other: str) -> list[dict[str, Any]]:
        """The types of association from one kind to another; what they are called differs between accounts."""
        return list(self._get("labels", kind=kind, other=other, expect=("results",))["results"])

    def owners(self, *, archived: bool) -> Iterator[list[dict[str, Any]]]:
        """Pages of owners, those who left in a list of their own."""
        return self._pages("owners", {"limit": "100", "archived": _truth(archived)})

    def exchange_rates(self) -> Iterator[list[dict[str, Any]]]:
        """Pages of exchange rates."""
        return self._pages("rates", {"limit": "100"})

    # -- records -------------------------------------------------------------------------------------------------------

    def records(
        self, kind: str, properties: Iterable[str], *, archived: bool = False, history: Iterable[str] = ()
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of all records, with these properties and the earlier values of those."""
        names, past = sorted(properties), list(history)
        if len(",".join(names)) > _LONGEST_PROPERTIES:
            yield from self._records_in_two_steps(kind, names, past, archived=archived)
            return
        params = {
            "limit": str(PER_LIST_WITH_HISTORY if past else PER_LIST),
            "properties": ",".join(names) or "hs_object_id",
            "archived": _truth(archived),
        }
        if past:
            params["propertiesWithHistory"] = ",".join(past)
        count = 0
        try:
            for page in self._pages("list", params, kind=kind):
                count += len(page)
                yield page
        except Refused as problem:
            if problem.status != 414 or count:
                raise
            yield from self._records_in_two_steps(kind, names, past, archived=archived)

    def _records_in_two_steps(
        self, kind: str, names: list[str], past: list[str], *, archived: bool
    ) -> Iterator[list[dict[str, Any]]]:
        """The same where the properties do not fit into a URL: ids from the list, then the records in batches."""
        for ids in self.ids(kind, archived=archived):
            yield from self.batches(kind, ids, names, history=past, archived=archived)

    def ids(self, kind: str, *, archived: bool = False) -> Iterator[list[str]]:
        """Pages of the ids of all records."""
        params = {"limit": str(PER_LIST), "properties": "hs_object_id", "archived": _truth(archived)}
        for page in self._pages("list", params, kind=kind):
            yield [str(one["id"]) for one in page]

    def batches(
        self, kind: str, ids: Iterable[str], properties: Iterable[str], *, history: Iterable[str] = (),
        archived: bool = False,
    ) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
        """The records with these ids; one that is gone by now is left out."""
        names, past = list(properties), list(history)
        for part in in_parts(ids, PER_BATCH_WITH_HISTORY if past else PER_BATCH):
            body = {"inputs": [{"id": one} for one in part], "properties": names, "propertiesWithHistory": past}
            params = {"archived": "true"} if archived else None
            answer = self._post("batch", body, kind=kind, params=params, expect=("results",))
            self._hold_batch(answer, f"{kind} batch read")
            yield answer["results"]

    def search_ids(self, kind: str, filters: list[dict[str, Any]]) -> Iterator[list[str]]:
        """Pages of the ids of the records that all filters are true for, each id once.

        A search ends after 10,000 results, so each request asks for what comes after the last id. An index that is
        being written to may show records some places from where they belong, or leave some out: then the set is gone
        through again until all of it was seen.
        """
        seen: set[int] = set()
        for _ in range(_SWEEPS):
            total, last = None, 0
            while True:
                page = self._search(kind, [*filters, _filter("hs_object_id", "GT", str(last))])
                total = int(page["total"]) if total is None else total
                ids = [int(one["id"]) for one in page["results"]]
                fresh = [one for one in dict.fromkeys(ids) if one not in seen]
                seen.update(fresh)
                if fresh:
                    yield [str(one) for one in fresh]
                if not ids or not _next_after(page):
                    break
                in_order = sorted(ids)
                # Out of order, what is missing from the page may be anywhere near: half of it is asked for again.
                following = in_order[-1] if ids == in_order else in_order[len(in_order) // 2]
                if following <= last:
                    raise self._bad(f"search of {kind}: the same page came twice running")
                last = following
            if len(seen) >= total:
                return

    def _search(self, kind: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
        pause = self._last_search + self._search_pause - time.monotonic()
        if pause > 0:
            door.sleep(pause)
        self._last_search = time.monotonic()
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["hs_object_id"],
            "limit": PER_SEARCH,
            "after": "0",
        }
        found: dict[str, Any] = self._http.json("POST", self._path("search", kind=kind), json=body,
                                                expect=("results", "total"))  # fmt: skip
        return found

    def merged(self, kind: str) -> Iterator[list[dict[str, Any]]]:
        """Pages of the records that others were merged into."""
        for ids in self.search_ids(kind, [_filter("hs_merged_object_ids", "HAS_PROPERTY")]):
            yield from self.batches(kind, ids, ["hs_merged_object_ids"])

    def associations(self, kind: str, other: str, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        """The associations of up to 1,000 records: by id the other records, each with its association types.

        Records without any are not there. An association list that is longer than a page is read to its end.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        inputs: list[dict[str, str]] = [{"id": one} for one in ids]
        asked = set()
        while inputs:
            mark = tuple((one["id"], one.get("after")) for one in inputs)
            if mark in asked:
                raise self._bad(f"associations of {kind}: the vendor sends us to a page that was read already")
            asked.add(mark)
            answer = self._post("associations", {"inputs": inputs}, kind=kind, other=other, expect=("results",))
            self._hold_batch(answer, f"associations of {kind}")
            inputs = []
            for one in answer["results"]:
                number = str(one["from"]["id"])
                found.setdefault(number, []).extend(one["to"])
                after = _next_after(one)
                if after:
                    inputs.append({"id": number, "after": after})
        return found

    def _hold_batch(self, answer: dict[str, Any], what: str) -> None:
        """A batch that is part errors: records that are gone, or have none, are no fault; anything else is one."""
        for one in answer.get("errors") or ():
            if one.get("category") != "OBJECT_NOT_FOUND":
                raise self._bad(f"{what}: {one.get('category')}: {one.get('message')}")

    # -- asking --------------------------------------------------------------------------------------------------------

    def _path(self, what: str, **parts: str) -> str:
        return _PATHS[what][self._place].format(**parts)

    def _get(
        self, what: str, *, params: Mapping[str, str] | None = None, expect: tuple[str, ...] = (), **parts: str
    ) -> Any:
        self._keep_pace()
        return self._http.json("GET", self._path(what, **parts), params=params, expect=expect)

    def _post(
        self, what: str, body: Any, *, params: Mapping[str, str] | None = None, expect: tuple[str, ...] = (),
        **parts: str,
    ) -> Any:  # fmt: skip
        self._keep_pace()
        return self._http.json("POST", self._path(what, **parts), json=body, params=params, expect=expect)

    def _pages(self, what: str, params: dict[str, str], **parts: str) -> Iterator[list[dict[str, Any]]]:
        path = self._path(what, **parts)

        def follow(page: Any, answer: Answer) -> Request | None:
            after = _next_after(page)
            self._keep_pace()
            return Request("GET", path, {**params, "after": after}) if after else None

        self._keep_pace()
        for page in self._http.pages(Request("GET", path, params), follow, expect=("results",)):
            yield page["results"]

    # -- limits --------------------------------------------------------------------------------------------------------

    def _keep_pace(self) -> None:
        if self._pause:
            door.sleep(self._pause)
            self._pause = 0.0

    def _classify(self, answer: Answer, attempt: int) -> Signal | None:
        self._note_limit(answer)
        if answer.status == 401:
            return _turned_down(answer)
        if answer.status == 423:
            return Wait(max(2.0, _seconds(answer) or 2.0 * attempt), "the records are locked by a bulk change")
        if answer.status != 429:
            return None
        said = _json_of(answer)
        policy = str(said.get("policyName") or said.get("message") or "").upper()
        if "DAILY" in policy:
            return Stop("the account's daily limit of requests is used up", self._midnight())
        asked = _seconds(answer)
        # A search is told without a policy at times; its limit is the one that is over within a second.
        if "TEN_SECONDLY" in policy:
            return Wait(10.0 * attempt if asked is None else asked, "the limit of requests in ten seconds is reached")
        return Wait(1.0 * attempt if asked is None else asked, "the limit of requests in a second is reached")

    def _note_limit(self, answer: Answer) -> None:
        """Slow down before the limit does it: what is left below a tenth of it is spread over its interval."""
        most, left = answer.headers.get("X-HubSpot-RateLimit-Max"), answer.headers.get("X-HubSpot-RateLimit-Remaining")
        if not most or not left or not most.isdigit() or not left.isdigit():
            return
        interval = answer.headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "10000")
        is_close = int(left) < int(most) / 10
        self._pause = int(interval) / 1000 / max(1, int(left)) if is_close and interval.isdigit() else 0.0

    def _midnight(self) -> datetime | None:
        """When the account's next day begins; None while its time zone is not known."""
        if self._zone is None:
            return None
        there = now().astimezone(self._zone) + timedelta(days=1)
        return there.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(now().tzinfo)

    def _bad(self, what: str) -> BadAnswer:
        return BadAnswer(
            f"source {self._source}: {what}; nothing was loaded",
            next_step="run again; if it stays, HubSpot's API is not what the connector knows",
        )


def changed_between(stamp: str, since: datetime, until: datetime | None) -> list[dict[str, Any]]:
    """Filters for records whose modification stamp lies in `[since, until)`; HubSpot knows whole milliseconds."""
    filters = [_filter(stamp, "GTE", str(_milliseconds(since)))]
    if until is not None:
        filters.append(_filter(stamp, "LT", str(_milliseconds(until))))
    return filters


def equal(name: str, value: str) -> dict[str, Any]:
    """A filter for a property's value."""
    return _filter(name, "EQ", value)


def in_parts(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Items in lists of at most `size`."""
    part: list[str] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def missing_scopes(problem: Refused) -> list[str] | None:
    """The scopes that a key lacks; None when that is not what was said."""
    if problem.status != 403:
        return None
    said = _json_of(problem.answer)
    if said.get("category") != "MISSING_SCOPES":
        return None
    found: list[str] = []
    for one in said.get("errors") or ():
        found += (one.get("context") or {}).get("requiredGranularScopes") or []
    return found


def _filter(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
    made = {"propertyName": name, "operator": operator}
    return made if value is None else {**made, "value": value}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _next_after(page: Mapping[str, Any]) -> str:
    following = ((page.get("paging") or {}).get("next") or {}).get("after")
    return "" if following is None else str(following)


def _turned_down(answer: Answer) -> Refuse:
    said = _json_of(answer)
    if said.get("category") == "EXPIRED_AUTHENTICATION":
        return Refuse(
            f"the token has run out ({said.get('message')})",
            "make a new service key in HubSpot and put it into the source's SEGMENTS_<SOURCE>_TOKEN",
        )
    return Refuse(
        f"HubSpot does not know the token ({said.get('category') or answer.status})",
        "check the source's SEGMENTS_<SOURCE>_TOKEN: the whole key, of this account, not revoked",
    )


def _json_of(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(answer: Answer) -> float | None:
    told = answer.headers.get("Retry-After", "").strip()
    return float(told) if told.isdigit() else None


def _truth(value: bool) -> str:
    return "true" if value else "false"

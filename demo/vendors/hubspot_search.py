"""How a HubSpot account searches: filters, one sort, 10,000 results and no more, and an index that may be late.

The rules and their limits are the vendor's; where it only says "400", so do we.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from demo.vendors.hubspot import HubspotAccount, Properties, Record

MOST_RESULTS = 10_000
MOST_PER_PAGE = 200
_MOST_GROUPS, _MOST_FILTERS, _MOST_IN_ALL = 5, 6, 18
_OPERATORS = frozenset({
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
})  # fmt: skip
# How far a record strays from its place while the index is in disorder.
_DISORDER = 7

Test = Callable[[Properties], bool]


class BadSearch(Exception):
    """What HubSpot answers 400 to."""


class Searches:
    """The searches of one account. What a filter found is kept until the records change."""

    def __init__(self, account: HubspotAccount) -> None:
        self._account = account
        self._kept: dict[str, tuple[tuple[Any, ...], list[int]]] = {}
        self._count = 0

    def search(self, kind: str, body: dict[str, Any]) -> tuple[int, list[Record], int | None]:
        """How many match, the asked page of them, and the offset of the next one.

        Raises:
            BadSearch: the request breaks a rule.
        """
        limit, offset = _page_of(body)
        groups = self._groups(kind, body)
        name, direction = self._sort(kind, body)
        self._count += 1
        account = self._account
        if name == "hs_object_id" and direction == "ASCENDING" and len(groups) == 1:
            # Who goes through a set by its ids asks the same but for the id again and again.
            lowest, others = _without_lowest_id(groups[0])
            ids = self._matching(kind, [others])
            found = ids[bisect_right(ids, lowest) :] if lowest is not None else ids
        else:
            found = self._matching(kind, groups)
            places = {number: self._sort_key(kind, name, number) for number in found}
            found = sorted(found, key=lambda number: places[number], reverse=direction == "DESCENDING")
        if account.is_search_disordered:
            found = _disordered(found, self._count)
        page = found[offset : offset + limit]
        following = offset + limit if offset + limit < len(found) else None
        records = account.records[kind]
        return len(found), [records[number] for number in page], following

    def shown(self, record: Record) -> Properties:
        """A record as the index knows it now."""
        return self._indexed(record)

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _groups(self, kind: str, body: dict[str, Any]) -> list[list[dict[str, Any]]]:
        groups = [group.get("filters", []) for group in body.get("filterGroups") or [{"filters": []}]]
        if len(groups) > _MOST_GROUPS or sum(map(len, groups)) > _MOST_IN_ALL:
            raise BadSearch("too many filter groups or filters")
        for group in groups:
            if len(group) > _MOST_FILTERS:
                raise BadSearch(f"a filter group may have {_MOST_FILTERS} filters")
            for one in group:
                if one.get("propertyName") not in self._account.properties[kind]:
                    raise BadSearch(f"There was a problem with the request: unknown property {one.get('propertyName')}")
                if one.get("operator") not in _OPERATORS:
                    raise BadSearch(f"unknown operator {one.get('operator')}")
        return groups

    def _sort(self, kind: str, body: dict[str, Any]) -> tuple[str, str]:
        sorts = body.get("sorts") or []
        if len(sorts) > 1:
            raise BadSearch("one sort is allowed")
        if not sorts:
            return "hs_object_id", "ASCENDING"
        one = sorts[0]
        name, direction = (one, "ASCENDING") if isinstance(one, str) else (one["propertyName"], one["direction"])
        if name not in self._account.properties[kind]:
            raise BadSearch(f"unknown property {name}")
        return name, direction

    # -- the index -----------------------------------------------------------------------------------------------------

    def _matching(self, kind: str, groups: list[list[dict[str, Any]]]) -> list[int]:
        """The ids of the records that some group is true for, ascending."""
        account = self._account
        lag = account.clock if account.search_lag else None
        state = (account.version, lag)
        key = f"{kind} {groups!r}"
        kept = self._kept.get(key)
        if kept is not None and kept[0] == state:
            return kept[1]
        tests = [[self._test(kind, one) for one in group] for group in groups]
        found = []
        for number, record in account.records[kind].items():
            if record.archived_at is not None:
                continue
            properties = self._indexed(record)
            if not properties:
                continue
            if any(all(test(properties) for test in group) for group in tests):
                found.append(number)
        found.sort()
        if len(self._kept) > 20:
            self._kept.clear()
        self._kept[key] = (state, found)
        return found

    def _indexed(self, record: Record) -> Properties:
        if record.indexed is None:
            return record.properties
        while record.unseen and record.unseen[0][0] <= self._account.clock:
            record.indexed = record.unseen.pop(0)[1]
        return record.indexed

    def _sort_key(self, kind: str, name: str, number: int) -> tuple[Any, int]:
        value = self._indexed(self._account.records[kind][number]).get(name)
        return (_comparable(self._account.properties[kind][name], value) or 0, number)

    def _test(self, kind: str, one: dict[str, Any]) -> Test:
        name, operator = str(one["propertyName"]), str(one["operator"])
        type_ = self._account.properties[kind][name]
        if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
            wanted = operator == "HAS_PROPERTY"
            return lambda properties: (properties.get(name) not in (None, "")) is wanted
        if operator in ("IN", "NOT_IN"):
            values = {_comparable(type_, value) for value in one.get("values") or ()}
            if not values:
                raise BadSearch(f"{operator} without values")
            return lambda properties: (_comparable(type_, properties.get(name)) in values) is (operator == "IN")
        if one.get("value") is None:
            raise BadSearch(f"{operator} without a value")
        bound = _comparable(type_, one["value"])
        if bound is None:
            raise BadSearch(f"{one['value']!r} is no {type_}")
        if operator == "BETWEEN":
            high = _comparable(type_, one.get("highValue"))
            if high is None:
                raise BadSearch("BETWEEN without a highValue")
            return _comparing(type_, name, lambda value: bound <= value <= high)
        compare: dict[str, Callable[[Any], bool]] = {
            "EQ": lambda value: bool(value == bound),
            "NEQ": lambda value: bool(value != bound),
            "LT": lambda value: bool(value < bound),
            "LTE": lambda value: bool(value <= bound),
            "GT": lambda value: bool(value > bound),
            "GTE": lambda value: bool(value >= bound),
        }
        return _comparing(type_, name, compare[operator])


def _comparing(type_: str, name: str, compare: Callable[[Any], bool]) -> Test:
    def test(properties: Properties) -> bool:
        value = _comparable(type_, properties.get(name))
        return value is not None and compare(value)

    return test


def _comparable(type_: str, value: object) -> Any:
    """A value as the index compares it: numbers, milliseconds, or text in small letters."""
    if value in (None, ""):
        return None
    text = str(value)
    if type_ == "number":
        try:
            return Decimal(text)
        except InvalidOperation:
            return None
    if type_ in ("date", "datetime"):
        if text.isdigit():
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000 + 0.5)
    return text.lower()


def _page_of(body: dict[str, Any]) -> tuple[int, int]:
    try:
        limit, offset = int(body.get("limit") or 10), int(body.get("after") or 0)
    except ValueError:
        raise BadSearch("limit and after are numbers") from None
    if not 1 <= limit <= MOST_PER_PAGE:
        raise BadSearch(f"limit: at most {MOST_PER_PAGE}")
    if offset + limit > MOST_RESULTS:
        raise BadSearch(f"Paging through more than {MOST_RESULTS} results is not supported")
    return limit, offset


def _without_lowest_id(group: list[dict[str, Any]]) -> tuple[int | None, list[dict[str, Any]]]:
    """The bound of `hs_object_id GT n`, and the other filters."""
    for one in group:
        if one["propertyName"] == "hs_object_id" and one["operator"] == "GT" and str(one.get("value", "")).isdigit():
            return int(one["value"]), [other for other in group if other is not one]
    return None, group


def _disordered(found: list[int], count: int) -> list[int]:
    """Records some places away from where they belong, each time other ones."""
    places = {number: place + (number * 31 + count * 17) % (2 * _DISORDER + 1) for place, number in enumerate(found)}
    return sorted(found, key=lambda number: (places[number], number))

"""What HubSpot writes as what our raw tables hold: ids, moments, associations, merges and the rows of small tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]


def labelled(links: Iterable[Row]) -> list[Row]:
    """One entry per company and type of association, in an order that does not depend on the answer's."""
    found = [
        {
            "id": str(one["toObjectId"]),
            "category": type_.get("category"),
            "type_id": type_.get("typeId"),
            "label": type_.get("label"),
        }
        for one in links
        for type_ in one.get("associationTypes") or ()
    ]
    return sorted(found, key=lambda one: (by_number(one["id"]), str(one["category"]), int(one["type_id"] or 0)))


def rows_in_parts(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of at most `size`."""
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def last_winner(winner_of: dict[str, str], loser: str) -> str:
    """Whom a record was merged into in the end. HubSpot does not go in circles; if it did, the first one stands."""
    seen = {loser}
    current = winner_of[loser]
    while current in winner_of and current not in seen:
        seen.add(current)
        current = winner_of[current]
    return current


def by_number(text: str) -> tuple[int, str]:
    """Ids in the order of their numbers."""
    return (len(text), text) if text.isdigit() else (1_000, text)


def moment_text(value: Any) -> Any:
    """A moment that came as milliseconds, in the spelling of all others."""
    text = str(value or "").strip()
    if not text.lstrip("-").isdigit() or len(text) < 9:
        return value
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def is_since(text: str | None, since: datetime) -> bool:
    """Whether a moment as HubSpot writes it is not before another; one that is missing might be."""
    if not text:
        return True
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= since


def owner_row(one: Row) -> Row:
    """A user who may own records."""
    return {
        "id": str(one["id"]),
        "is_deleted": bool(one.get("archived")),
        "email": one.get("email"),
        "type": one.get("type"),
        "first_name": one.get("firstName"),
        "last_name": one.get("lastName"),
        "user_id": one.get("userIdIncludingInactive") or one.get("userId"),
        "teams": one.get("teams"),
    }


def stage_rows(pipelines: Iterable[Row]) -> list[Row]:
    """The stages of pipelines, in their order."""
    return [
        {
            "id": f"{pipeline['id']}/{stage['id']}",
            "is_deleted": bool(stage.get("archived") or pipeline.get("archived")),
            "pipeline_id": pipeline["id"],
            "pipeline_label": pipeline.get("label"),
            "stage_id": stage["id"],
            "stage_label": stage.get("label"),
            "display_order": stage.get("displayOrder"),
            "is_closed": (stage.get("metadata") or {}).get("isClosed"),
            "probability": (stage.get("metadata") or {}).get("probability"),
        }
        for pipeline in pipelines
        for stage in pipeline.get("stages") or ()
    ]


def label_row(kind: str, other: str, one: Row) -> Row:
    """A type of association from one kind of record to another."""
    return {
        "id": f"{kind}/{other}/{one['typeId']}",
        "from_type": kind,
        "to_type": other,
        "category": one.get("category"),
        "type_id": one["typeId"],
        "label": one.get("label"),
    }


def rate_row(one: Row) -> Row:
    """What one unit of a currency is worth from a day on."""
    return {
        "id": str(one["id"]),
        "from_currency_code": one.get("fromCurrencyCode"),
        "to_currency_code": one.get("toCurrencyCode"),
        "conversion_rate": one.get("conversionRate"),
        "effective_at": one.get("effectiveAt"),
        "visible_in_ui": one.get("visibleInUI"),
    }

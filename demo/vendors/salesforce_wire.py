"""Requests and answers as the parts of a `SalesforceOrg` hand them to one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from demo.vendors.soql import Query


@dataclass(frozen=True)
class Asked:
    """One request, taken apart."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    base: str


@dataclass(frozen=True)
class Told:
    """One answer."""

    status: int
    content: bytes
    kind: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An answer that is an error of the data API."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.told = told([{"message": message, "errorCode": code}], status)


def told(content: Any, status: int = 200, **headers: str) -> Told:
    """A JSON answer."""
    return Told(status, orjson.dumps(content), headers=headers)


@dataclass
class Found:
    """The result of a query: the ids at the moment it ran, or a stretch of a block; and what is selected."""

    query: Query
    fields: list[str]
    ids: list[str]
    span: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        """How many records there are."""
        return self.span[1] - self.span[0] if self.span else len(self.ids)


@dataclass
class Locator:
    """An answer that is not read to its end, and when it was last asked for."""

    found: Found
    used_at: datetime

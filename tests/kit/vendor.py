"""An invented vendor with a paged API, and the connector for it: enough to hold the kit by, no more.

It keeps orders in memory with a modification stamp, pages by a cursor, hands out tokens that expire, and can be told to
fail. Time is a number of minutes that tests move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.vendors.faults import Faults
from demo.vendors.serving import serve
from pipelines.connector import Connector, Instance, Table
from pipelines.http import Answer, Http, HttpOptions, Request, Signal, StaticToken, Stop
from pipelines.pull import Missing, Page, Probe, Stream, Window, evenly

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "orchard-0123456789abcdef"
SECRET = "orchard-secret-9876543210fedcba"


@dataclass
class Orchard:
    """The vendor: orders by id, each with a stamp and whether it is deleted."""

    page_size: int = 3
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    minutes: int = 0
    asked: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    faults: Faults = field(init=False)
    on_page: Callable[[Orchard], None] | None = None
    pages_by_position: bool = False
    tokens: list[str] = field(default_factory=lambda: [TOKEN])
    """What is let in now. TOKEN is one that somebody made by hand; others are given out for SECRET."""
    given: int = 0
    is_revoked: bool = False

    def __post_init__(self) -> None:
        self.faults = Faults(data_keys=("items",), cursors=(("next",),), expire=self.tokens.clear)

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(minutes=self.minutes)

    def put(self, name: str, *, at: datetime | None = None, **values: Any) -> None:
        """Create or change an order; stamped now, or late with an earlier stamp."""
        stamp = (at or self.now).isoformat()
        self.orders[name] = {**self.orders.get(name, {"id": name, "is_deleted": False}), **values, "changed_at": stamp}

    def delete(self, name: str) -> None:
        self.put(name, is_deleted=True)

    def purge(self, name: str) -> None:
        """Gone without a word."""
        del self.orders[name]

    def knows(self, asked: Asked) -> bool:
        return asked.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens

    def app(self) -> Any:
        async def token(asked: Asked) -> Response:
            if self.is_revoked or (await asked.body()).decode() != f"secret={SECRET}":
                return JSONResponse({"error": "invalid_client"}, 400)
            self.given += 1
            self.tokens.append(f"orchard-given-{self.given:08d}")
            return JSONResponse({"token": self.tokens[-1]})

        async def orders(asked: Asked) -> Response:
            self.asked.append(f"{asked.url.path}?{asked.url.query}")
            if not self.knows(asked):
                return JSONResponse({"error": "who are you"}, 401)
            if self.on_page:
                self.on_page(self)
            since, until = asked.query_params.get("since"), asked.query_params.get("until")
            after = asked.query_params.get("after", "")
            rows = sorted(self.orders.values(), key=lambda row: row["id"])
            place = int(after or 0) if self.pages_by_position else 0
            if self.pages_by_position:
                rows.sort(key=lambda row: row["changed_at"])
            else:
                rows = [row for row in rows if row["id"] > after]
            rows = [row for row in rows if (not since or row["changed_at"] >= since)]
            rows = [row for row in rows if (not until or row["changed_at"] < until)]
            rows, more = rows[place : place + self.page_size], rows[place + self.page_size :]
            page = [{k: v for k, v in row.items() if k not in self.hidden} for row in rows]
            following = str(place + self.page_size) if self.pages_by_position else rows[-1]["id"] if rows else ""
            return JSONResponse({"items": page, "next": following if more else None})

        async def ids(asked: Asked) -> Response:
            if not self.knows(asked):
                return JSONResponse({"error": "who are you"}, 401)
            return JSONResponse({"items": sorted(name for name, x in self.orders.items() if not x["is_deleted"])})

        routes = [Route("/v1/orders", orders), Route("/v1/ids", ids), Route("/v1/token", token, methods=["POST"])]
        return self.faults.around(Starlette(routes=routes))

    @contextmanager
    def running(self) -> Iterator[str]:
        with serve(self.app()) as server:
            yield server.url


class Options(BaseModel):
    base_url: str
    window_hours: int | None = None
    columns: tuple[str, ...] = ("id", "amount", "is_deleted", "changed_at")
    is_whole: bool = False
    reconcile_hours: int = 24 * 7
    renews: bool = False
    http: HttpOptions = HttpOptions(backoff_seconds=0.01, attempts=4, timeout_seconds=5)


@dataclass
class GivenToken:
    """A token for a secret, asked for when there is none."""

    token: str = field(default="", repr=False)

    def headers(self, http: Http) -> dict[str, str]:
        if not self.token:
            asked = http.json("POST", "v1/token", form={"secret": SECRET}, auth=False, expect=("token",))
            self.token = asked["token"]
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        self.token = ""
        return True

    def secrets(self) -> list[str]:
        return [SECRET, self.token]


def _said(answer: Answer, attempt: int) -> Signal | None:
    return Stop("the daily quota is used up") if answer.headers.get("X-Quota") == "0" else None


class Client:
    def __init__(self, instance: Instance) -> None:
        self.options: Options = instance.options
        self.http = Http(
            self.options.base_url,
            source=instance.name,
            auth=GivenToken() if self.options.renews else StaticToken(TOKEN),
            options=self.options.http,
            classify=_said,
        )

    def streams(self) -> list[Stream]:
        options = self.options
        step = timedelta(hours=options.window_hours) if options.window_hours else None
        return [
            Stream(
                table=TABLE if not options.is_whole else Table("orders", TABLE.columns, ("id",), "snapshot"),
                read=self.orders,
                cursor=None if options.is_whole else "changed_at",
                slices=(lambda since, until: evenly(since or BEGAN, until, step)) if step else None,
                ids=self.ids,
                reconcile_every=timedelta(hours=options.reconcile_hours),
                origin="orders",
                selected=options.columns,
            )
        ]

    def orders(self, window: Window) -> Iterator[Page]:
        asked = {"since": window.since.isoformat() if window.since else "", "until": ""}
        asked["until"] = window.until.isoformat() if window.until else ""

        def follow(page: Any, answer: Answer) -> Request | None:
            return Request("GET", "v1/orders", {**asked, "after": page["next"]}) if page["next"] else None

        for page in self.http.pages(Request("GET", "v1/orders", asked), follow, expect=("items",)):
            yield page["items"]

    def ids(self) -> Iterator[list[str]]:
        yield self.http.json("GET", "v1/ids", expect=("items",))["items"]

    def missing(self) -> list[Missing]:
        return []

    def probe(self) -> Probe:
        return Probe("orchard")

    def close(self) -> None:
        self.http.close()


TABLE = Table("orders", ("id", "amount", "is_deleted", "changed_at"), ("id",), "increment")

connector = Connector(
    name="orchard",
    kind="crm",
    tables=(TABLE,),
    entities={},
    options=Options,
    connect=Client,
)


def instance(url: str, **options: Any) -> Instance:
    return Instance("orchard", connector, Options(base_url=url, **options), Path())

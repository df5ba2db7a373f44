"""A plan of what goes wrong between a vendor and its client, applied to the answers of any ASGI app.

    faults = Faults(data_keys=("records",), cursors=(("nextRecordsUrl",),), expire=org.expire_tokens)
    faults.add(Fault(("GET", r"/query"), "reset", nth=2))             # the second page breaks off
    faults.add(Fault(("*", r"/services/data"), "status", times=0, code=503))  # down for good
    app = faults.around(app)

A fault waits for its request (`match`: method or `*`, and a regular expression searched in `path?query`), lets the
first `nth - 1` pass and strikes `times` in a row (0: always from then on). When two are due, the one added first
strikes and both have counted the request. `struck` tells what happened, in order.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.vendors.serving import RESET

Kind = Literal[
    "status",
    "reset",
    "short",
    "truncate",
    "hang",
    "error200",
    "null_data",
    "missing_data",
    "same_cursor",
    "html",
    "not_json",
    "expire_token",
    "slow",
]
"""
status        answers `code` with `body` and `headers`; the app is not asked
reset         the app's answer breaks off in the middle with a connection reset
short         the app's answer ends early although Content-Length promised more
truncate      half the answer with a Content-Length that fits: only the content can tell
hang          nothing for `seconds`, then the connection is reset; the app is not asked
error200      status 200 with `body`, an error in the vendor's own shape; the app is not asked
null_data     the app's answer with its data key set to null
missing_data  the app's answer without its data key
same_cursor   the app's answer with the first cursor that a matching answer held: the same next page for ever
html          status 200 and a page for people, as an edge node gives; the app is not asked
not_json      the app's answer with a byte too few at its end
expire_token  every token that was given out is forgotten first, then the app answers
slow          the app's answer, its body dribbled over `seconds`
"""

_PAGE = b"<html><head><title>We are setting things up</title></head><body>Please try again.</body></html>"


@dataclass
class Fault:
    """One thing that goes wrong. `body` may be bytes, text, or anything JSON can say."""

    match: tuple[str, str]
    kind: Kind
    nth: int = 1
    times: int = 1
    code: int = 500
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    seen: int = 0
    """How many requests matched so far."""
    cursors: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)
    """The first cursor that a matching answer held, by where it stood; a header by its name alone."""

    def counts(self, method: str, target: str) -> bool:
        """Whether a request is one of those it waits for; if so it is counted."""
        wanted, pattern = self.match
        is_match = wanted in ("*", method) and re.search(pattern, target) is not None
        self.seen += is_match
        return is_match

    def strikes(self) -> bool:
        """Whether the request that was counted last is struck."""
        return self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)


@dataclass
class _Answer:
    start: Message
    body: bytes


class Faults:
    """The faults of one fake. Thread-safe; faults may be added while requests run."""

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        *,
        data_keys: Sequence[str] = (),
        cursors: Sequence[tuple[str, ...]] = (),
        cursor_headers: Sequence[str] = (),
        expire: Callable[[], None] | None = None,
    ) -> None:
        """`data_keys` and `cursors` say where a page's rows and its way on stand in a JSON body (a cursor as a path of
        keys), `cursor_headers` where the way on is a header; `expire` forgets the tokens."""
        self._faults = list(faults)
        self._data_keys = tuple(data_keys)
        self._cursors = tuple(cursors)
        self._cursor_headers = tuple(name.lower() for name in cursor_headers)
        self._expire = expire
        self._lock = threading.Lock()
        self.struck: list[tuple[Kind, str, str]] = []

    def add(self, *faults: Fault) -> None:
        """Plan more faults."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Forget all plans and what has struck."""
        with self._lock:
            self._faults.clear()
            self.struck.clear()

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` with these faults in front of it."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            query = scope.get("query_string", b"").decode("latin-1")
            target = scope["path"] + (f"?{query}" if query else "")
            fault, watching = self._due(scope["method"], target)
            if fault is not None:
                await self._strike(fault, app, scope, receive, send)
            elif watching:
                answer = await _answer_of(app, scope, receive)
                for one in watching:
                    self._remember(one, answer)
                await _send(send, answer)
            else:
                await app(scope, receive, send)

        return faulty

    def _due(self, method: str, target: str) -> tuple[Fault | None, list[Fault]]:
        """The fault that strikes a request, and those that have to see the cursor of its answer."""
        with self._lock:
            matching = [fault for fault in self._faults if fault.counts(method, target)]
            due = next((fault for fault in matching if fault.strikes()), None)
            if due is not None:
                self.struck.append((due.kind, method, target))
            return due, [fault for fault in matching if fault.kind == "same_cursor"]

    async def _strike(self, fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "expire_token":
            if self._expire is None:
                raise ValueError("expire_token: this fake did not say how its tokens are forgotten")
            self._expire()
            await app(scope, receive, send)
            return
        if fault.kind in ("status", "error200", "html"):
            await _drain(receive)
            await _send(send, _made(fault))
            return
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            scope["extensions"][RESET]()
            return
        answer = await _answer_of(app, scope, receive)
        if fault.kind == "reset":
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
            # What was written has to be on its way before the reset discards it.
            await asyncio.sleep(0.02)
            scope["extensions"][RESET]()
        elif fault.kind == "short":
            # An app that returns in the middle of its answer: the server ends the connection in good order.
            await send(_with_headers(answer.start, {"connection": "close"}))
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        elif fault.kind == "truncate":
            await _send(send, _Answer(answer.start, answer.body[: len(answer.body) // 2]))
        elif fault.kind == "not_json":
            await _send(send, _Answer(answer.start, answer.body[:-1]))
        elif fault.kind == "slow":
            await send(answer.start)
            parts = 10
            size = max(1, -(-len(answer.body) // parts))
            for place in range(0, len(answer.body), size):
                await asyncio.sleep(fault.seconds / parts)
                body = answer.body[place : place + size]
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _send(send, self._changed(fault, answer))

    def _changed(self, fault: Fault, answer: _Answer) -> _Answer:
        """The answer with its content falsified.

        Raises:
            ValueError: it holds nothing that the fault could change, so that the plan is wrong.
        """
        content = _json_of(answer)
        start = answer.start
        if fault.kind == "same_cursor":
            self._remember(fault, answer)
            headers = {path[0]: value for path, value in fault.cursors.items() if path[0] in self._cursor_headers}
            start = _with_headers(start, headers)
            fields = {path: value for path, value in fault.cursors.items() if path[0] not in self._cursor_headers}
            if not isinstance(content, dict) and headers:
                return _Answer(start, answer.body)
        else:
            kept = isinstance(content, dict) and [key for key in self._data_keys if key in content]
            fields = {(key,): None for key in kept or ()}
        if not isinstance(content, dict) or not (fields or fault.kind == "same_cursor"):
            raise ValueError(f"{fault.kind}: the answer it was planned for holds nothing to change")
        for path, value in fields.items():
            _put(content, path, value)
            if fault.kind == "missing_data":
                del content[path[0]]
        start = _without_headers(start, {"content-encoding"})
        return _Answer(start, json.dumps(content, ensure_ascii=False).encode())

    def _remember(self, fault: Fault, answer: _Answer) -> None:
        """Keep the first cursor that the fault sees, to repeat it."""
        content = _json_of(answer)
        with self._lock:
            for path in self._cursors:
                value = _get(content, path)
                if value is not None:
                    fault.cursors.setdefault(path, value)
            for name, value in answer.start["headers"]:
                lower = name.decode("latin-1").lower()
                if lower in self._cursor_headers and value != b"null":
                    fault.cursors.setdefault((lower,), value.decode("latin-1"))


def _made(fault: Fault) -> _Answer:
    """The answer that stands in for the app's."""
    if fault.kind == "html":
        return _Answer(_start(200, {"content-type": "text/html", **fault.headers}), _PAGE)
    body = fault.body
    kind = "text/plain"
    if not isinstance(body, bytes | str):
        body, kind = json.dumps(body, ensure_ascii=False), "application/json"
    content = body.encode() if isinstance(body, str) else body
    code = 200 if fault.kind == "error200" else fault.code
    return _Answer(_start(code, {"content-type": kind, **fault.headers}), content)


def _start(code: int, headers: dict[str, str]) -> Message:
    return {
        "type": "http.response.start",
        "status": code,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    }


def _with_headers(start: Message, headers: dict[str, str]) -> Message:
    kept = _without_headers(start, set(headers))
    return {**kept, "headers": [*kept["headers"], *_start(200, headers)["headers"]]}


def _without_headers(start: Message, names: set[str]) -> Message:
    return {**start, "headers": [(k, v) for k, v in start["headers"] if k.decode("latin-1").lower() not in names]}


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> _Answer:
    """The app's whole answer, before anything of it is sent."""
    starts: list[Message] = []
    parts: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    body = b"".join(parts)
    start = {**starts[0], "headers": list(starts[0].get("headers", []))}
    return _Answer(_with_headers(start, {"content-length": str(len(body))}), body)


async def _drain(receive: Receive) -> None:
    """Take the whole request in: an answer before that would meet a client that still sends."""
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _send(send: Send, answer: _Answer) -> None:
    await send(_with_headers(answer.start, {"content-length": str(len(answer.body))}))
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _json_of(answer: _Answer) -> Any:
    body = answer.body
    if any(name.lower() == b"content-encoding" and value == b"gzip" for name, value in answer.start["headers"]):
        body = gzip.decompress(body)
    try:
        return json.loads(body)
    except ValueError:
        return None


def _get(content: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _put(content: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        content = content.setdefault(key, {})
    content[path[-1]] = value

"""Serves an ASGI app on a free port of this machine, in a thread, for as long as a `with` block lasts.

A fake that raises is a broken fake, not a vendor with a bad day: the first exception of the app is raised again when
the block ends, so that a test cannot mistake it for an answer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

# Where an app finds the function that resets the connection of the request it answers.
RESET = "demo.reset"


@dataclass
class Served:
    """A running server: its address, and what went wrong inside the app."""

    url: str
    failures: list[BaseException] = field(default_factory=list)


class _Server(uvicorn.Server):
    """A server that says when it listens and stops at once when asked, not at its next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_to_stop: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked_to_stop = asyncio.Event()
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        assert self._asked_to_stop is not None
        await self._asked_to_stop.wait()

    def stop(self) -> None:
        """Ask it to end; callable from any thread."""
        if self._loop is not None and self._asked_to_stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._asked_to_stop.set)


@contextmanager
def serve(app: ASGIApp, *, port: int = 0) -> Iterator[Served]:
    """Serve `app` on 127.0.0.1 until the block ends; port 0 chooses a free one.

    Requests that still wait when the block ends are cut off.

    Raises:
        RuntimeError: the app raised while it answered; its first exception is the cause.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
        transports: dict[tuple[str, int], asyncio.Transport] = {}
        config = uvicorn.Config(
            _with_reset(app, transports, served.failures),
            http=_protocol(transports),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=0,
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="vendor", daemon=True)
        thread.start()
        if not server.listening.wait(30):
            raise RuntimeError(f"{served.url}: the server did not start within 30 seconds")
        try:
            yield served
        finally:
            server.stop()
            thread.join(30)
    finally:
        listener.close()
    if served.failures:
        raise RuntimeError(f"{served.url}: the app raised {served.failures[0]!r}") from served.failures[0]


def _protocol(transports: dict[tuple[str, int], asyncio.Transport]) -> type[asyncio.Protocol]:
    """Uvicorn's protocol, with the transport of every client kept at hand."""

    class Kept(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._peer = tuple(transport.get_extra_info("peername")[:2])
            transports[self._peer] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            transports.pop(self._peer, None)
            super().connection_lost(exc)

    return Kept


def _with_reset(
    app: ASGIApp, transports: dict[tuple[str, int], asyncio.Transport], failures: list[BaseException]
) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        client = tuple(scope.get("client") or ())
        scope.setdefault("extensions", {})[RESET] = _resetting(transports, client)
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            raise
        except BaseException as problem:
            failures.append(problem)
            raise

    return wrapped


def _resetting(transports: dict[tuple[str, int], asyncio.Transport], client: tuple[Any, ...]) -> Callable[[], None]:
    def reset() -> None:
        transport = transports.get(client)
        if transport is None:
            return
        # Lingering for no time at all makes the kernel answer with a reset in place of an orderly end.
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    return reset

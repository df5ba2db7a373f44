"""A server with bad manners: it hears a request to its end and answers with whatever bytes a test wants.

A polite server cannot break off, lie about a length or never end; this one is a socket and a thread per connection.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Heard:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Behaviour: TypeAlias = Callable[[socket.socket], None]
Said: TypeAlias = bytes | Behaviour


def said(content: Any = b"", status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """An answer in good order; what is no bytes goes out as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} Because"]
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines += [f"{name}: {value}" for name, value in given.items() if value]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Half an answer, then the connection is reset."""
    whole = said({"items": list(range(100))})
    connection.sendall(whole[: len(whole) - 100])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def short(connection: socket.socket) -> None:
    """An answer that ends in good order before its Content-Length is reached."""
    whole = said({"items": list(range(100))})
    connection.sendall(whole[: len(whole) - 100])


def hang_up(connection: socket.socket) -> None:
    """The connection ends without a word."""


@dataclass
class RawServer:
    """What it heard, and what it says: the answers in turn, the last one from then on; or what a function decides."""

    answers: Sequence[Said] | Callable[[Heard], Said]
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    scheme: str = "http"
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def hang(self, connection: socket.socket) -> None:
        """Say nothing for as long as the server runs."""
        self._closing.wait()

    def drip(self, head: bytes, part: bytes) -> Behaviour:
        """`head`, then `part` again and again, until the other side has had enough."""

        def answer(connection: socket.socket) -> None:
            connection.sendall(head)
            while not self._closing.is_set():
                connection.sendall(part)

        return answer

    def _answer_to(self, heard: Heard) -> Said:
        with self._lock:
            self.heard.append(heard)
            if callable(self.answers):
                return self.answers(heard)
            return self.answers[min(len(self.heard), len(self.answers)) - 1]

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            file = connection.makefile("rb")
            while (heard := _hear(file)) is not None:
                answer = self._answer_to(heard)
                if callable(answer):
                    answer(connection)
                    return
                connection.sendall(answer)

    def _listen(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._greet, args=(connection, context), daemon=True).start()

    def _greet(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        if context is not None:
            try:
                connection = context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
        self._serve(connection)

    @contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
        """Serve on a free port of this machine until the block ends; with a context over TLS."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self.scheme = "https" if context else "http"
            thread = threading.Thread(target=self._listen, args=(listener, context), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self._closing.set()
                # Closing alone does not wake a thread that waits in accept.
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                thread.join(10)


def _hear(file: Any) -> Heard | None:
    """The next request of a connection, read to its end; None when there is no other, or what came is none."""
    words = file.readline().decode("latin-1").split(" ")
    if len(words) != 3:
        return None
    method, target, _ = words
    headers: dict[str, str] = {}
    while (line := file.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Heard(method, target, headers, file.read(int(headers.get("content-length", "0"))))

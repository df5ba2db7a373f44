"""Loaded by every Python process of `test_no_network.py`: refuses to leave this machine and writes down who tried.

An audit hook, because it sits below the socket module and nothing that is imported later can take it out again. What a
C library does without Python's sockets is out of its sight.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

_LOG = os.environ.get("SEGMENTS_TEST_NETWORK_LOG")
_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _host_of(event: str, arguments: tuple[Any, ...]) -> Any:
    """The host an event is about; None when it stays inside this machine."""
    if event in _LOOKUPS:
        return arguments[0]
    address = arguments[1]
    return address[0] if isinstance(address, tuple) else None  # a path is a unix socket, None an open connection


def _is_here(host: Any) -> bool:
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    return name in ("", "localhost", "::1", "0.0.0.0", "::") or name.startswith("127.")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _LOOKUPS and event not in _CONNECTIONS:
        return
    host = _host_of(event, arguments)
    if _is_here(host):
        return
    frames = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()[-2:-8:-1])
    _note(f"tried {event} {host!r}: {frames}")
    raise OSError(f"{event} {host!r} is not allowed in this test")


def _note(line: str) -> None:
    assert _LOG is not None
    with open(_LOG, "a", encoding="utf-8") as log:
        log.write(line + "\n")


if _LOG:
    _note("guarded " + " ".join(sys.orig_argv)[:200].replace("\n", " "))
    sys.addaudithook(_refuse)

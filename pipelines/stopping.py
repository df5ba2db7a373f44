"""Whether somebody stopped the command at the keyboard.

Libraries put handlers of their own in place of Python's, and make of the signal what they like: Dagster another
exception, DuckDB an error of a query, dbt, which the same Ctrl-C reaches, a failed build. So the signal itself is
noted, below every handler.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_noted: list[socket.socket] = []
_stopped: list[bool] = []


def listen() -> None:
    """Note from now on that the process is interrupted. Called once, in the main thread of the command line."""
    heard, told = socket.socketpair()
    for end in (heard, told):
        end.setblocking(False)
    # Python writes the number of every signal there before it asks which handler is in place.
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    _noted.extend((heard, told))


def is_stopped() -> bool:
    """Whether the process was interrupted since `listen`; False where nobody listens, as in Dagster's own processes."""
    if _noted and not _stopped:
        try:
            if signal.SIGINT in _noted[0].recv(4096):
                _stopped.append(True)
        except BlockingIOError:
            pass  # no signal came
    return bool(_stopped)


@contextmanager
def stopping() -> Iterator[None]:
    """Whatever ends the block after an interrupt ends it as one.

    Raises:
        KeyboardInterrupt: the process was interrupted and the block failed, over whatever that led to.
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException:
        if is_stopped():
            raise KeyboardInterrupt from None
        raise

"""Tells people about trouble, once: what a run said becomes incidents, and incidents become messages.

journal.py    a handler on the event stream that writes down what a run says, so that a killed run has spoken too
findings.py   reads a journal: what was wrong, and what the run has shown to be right again
incidents.py  opens, escalates and closes incidents in the state folder
messages.py   an incident in words
delivery.py   the targets; the only module that knows apprise, which is imported when there is something to send
watch.py      all of it in order, for the command line and for Dagster
"""

from __future__ import annotations

from pipelines.alerts.incidents import Book, Incident, Store
from pipelines.alerts.watch import close, overheard, send_kept, settle, settle_execution, took_test, watching

__all__ = [
    "Book", "Incident", "Store", "close", "overheard", "send_kept", "settle", "settle_execution", "took_test",
    "watching",
]  # fmt: skip

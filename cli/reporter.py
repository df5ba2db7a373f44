"""Turns the rooms' events into what a person or a script reads while a run goes on."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape

from pipelines.events import LOGGER, fields_of

Mode = Literal["normal", "verbose", "quiet", "json"]

_STEP = {
    "sample_written": "demo",
    "table_landed": "extract",
    "read_as": "extract",
    "table_missing": "extract",
    "drop_changed": "extract",
    "drop_added": "extract",
    "drop_outdated": "extract",
    "quarter_begun": "quarter",
    "quarter_skipped": "quarter",
    "table_built": "shape",
    "candidate_built": "candidate",
    "expectation_failed": "judge",
    "judged": "judge",
    "released": "release",
    "release_refused": "release",
    "waiting": "wait",
    "alert_sent": "alerts",
    "alert_not_sent": "alerts",
    "alert_trouble": "alerts",
    "columns_changed": "extract",
}
# Tables that carry policy and deployment rows say nothing to a person who waits for a result.
_QUIET_SCHEMAS = ("seeds", "policy", "deployment")
# Entities that nobody brought, and checks that set nothing aside, say nothing either.
_QUIET_WHEN_EMPTY = ("conformed", "quarantine")


class Reporter(logging.Handler):
    """Prints one line per event to standard error (normal, quiet) or one JSON object per line to standard output."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(logging.DEBUG)
        self.mode = mode
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.nodes = 0
        self.status = self.console.status("") if mode in ("normal", "verbose") and self.console.is_terminal else None

    def install(self) -> Reporter:
        """Listen to the project's logger and keep its records from being printed twice."""
        LOGGER.handlers = [self]
        LOGGER.setLevel(logging.DEBUG)
        LOGGER.propagate = False
        return self

    def close(self) -> None:
        """Stop the spinner."""
        if self.status:
            self.status.stop()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one event as the mode asks."""
        event, fields = fields_of(record)
        if self.mode == "json":
            if record.levelno >= logging.INFO:
                line = {"event": event, "level": record.levelname.lower(), "message": record.getMessage(), **fields}
                print(json.dumps(line, default=str), file=sys.stdout, flush=True)
            return
        if event == "node_finished":
            self.nodes += 1
            if self.status:
                self.status.start()
                self.status.update(f"shaping: {self.nodes} tables and views built, now after {record.getMessage()}")
            return
        if event == "table_built" and self.status:
            self.status.stop()
        if event == "run_failed" or (self.mode == "quiet" and record.levelno < logging.WARNING):
            return  # the command says it itself, once, at the end
        if record.levelno < logging.INFO:
            return
        if event == "table_built" and self.mode != "verbose" and _says_nothing(fields):
            return
        self.console.print(_line(event, record, fields))


def _says_nothing(built: dict[str, Any]) -> bool:
    """Whether a table is nothing to tell a person who waits: our own rows, and what stayed empty on the way."""
    return built.get("schema") in _QUIET_SCHEMAS or (built.get("schema") in _QUIET_WHEN_EMPTY and not built.get("rows"))


def _line(event: str, record: logging.LogRecord, fields: dict[str, Any]) -> str:
    step = _STEP.get(event, event)
    rows = f"{fields['rows']:>11,} rows" if "rows" in fields else " " * 16
    seconds = f"{fields['seconds']:7.2f} s" if "seconds" in fields else " " * 9
    text = record.getMessage()
    if event == "table_landed":
        state = "loaded" if fields["is_new"] else "unchanged"
        lines = f", {fields['rejected_lines']} broken lines set aside" if fields["rejected_lines"] else ""
        export = f", export of {fields['drop']}" if fields.get("drop") else ""
        text = f"{fields['source']}.{fields['table']} ({state}{export}{lines})"
    colour = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else "default"
    return f"[bold]{step:<9}[/bold] {rows} {seconds}  [{colour}]{escape(text)}[/{colour}]"

"""Structured log events: one way for every room to say what happened, to people and to machines alike.

A room calls `emit`; who listens (the terminal, `--json`, the orchestrator's log, later the alert channels) is decided
above. Fields never hold secrets: connectors hand over names and counts, not requests.
"""

from __future__ import annotations

import logging
from typing import Any

LOGGER = logging.getLogger("segments")


def emit(event: str, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log `message` with the machine-readable name `event` and `fields` (values must be JSON-friendly)."""
    LOGGER.log(level, message, extra={"segments_event": event, "segments_fields": fields})


def fields_of(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """The event name and fields of a record made by `emit`; ("log", {}) for any other record."""
    return getattr(record, "segments_event", "log"), getattr(record, "segments_fields", {})

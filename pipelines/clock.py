"""The one door through which the time of day enters. Tests and reproductions set `SEGMENTS_NOW`."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from pipelines.errors import ConfigError


def now() -> datetime:
    """The current moment in UTC, or the moment in the environment variable `SEGMENTS_NOW` (ISO 8601).

    Raises:
        ConfigError: `SEGMENTS_NOW` is set but is no ISO moment.
    """
    pinned = os.environ.get("SEGMENTS_NOW")
    if not pinned:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(pinned)
    except ValueError:
        raise ConfigError(
            f"environment: SEGMENTS_NOW: found {pinned!r}, expected a moment such as 2026-10-05T06:00:00Z"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

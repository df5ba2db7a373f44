"""What a run said, on disk line by line while it goes on: `<state>/alerts/runs/<run>.jsonl`.

A journal of the command line is locked by the process that writes it, and the kernel frees that lock when the process
dies: a journal that nobody holds and that has no end belongs to a run that was killed. A run of Dagster's is written
step by step; Dagster knows how it ended.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from pipelines.clock import now
from pipelines.events import LOGGER, fields_of

BEGUN, EXECUTION, ENDED, DAMAGED = "run_begun", "execution", "run_ended", "line_damaged"
"""Lines of the journal's own: who runs what; a run of Dagster's that belongs to it; how it ended; and, made while
reading, one that says nothing any more."""

HEARD = frozenset(
    {
        "source_unread", "table_landed", "table_missing", "table_not_readable", "columns_not_readable",
        "columns_changed", "nothing_listed", "drop_outdated", "quarter_begun", "candidate_built", "expectation_failed",
        "judged", "release_refused", "release_approved", "released", "rolled_back", "run_failed",
    }
)  # fmt: skip
"""The events that say something about an incident. How many rows a table has does not."""

# Journals of runs that nobody asked about, because Dagster's daemon is off, do not pile up for ever.
_KEPT = 100
_MAIL = re.compile(r"[^\s,;=<>'\"()]*@[^\s,;<>'\")]*")

# `name@version` of a policy: no host is a number of up to three parts.
_POLICY = re.compile(r"[a-z0-9][a-z0-9_-]*@v?\d+(?:[.-]\d+){0,2}[.:]?")


@dataclass(frozen=True)
class Line:
    """One thing a run said."""

    event: str
    message: str
    at: datetime
    level: int
    fields: dict[str, Any]


class Recorder(logging.Handler):
    """Appends the events of one run to its journal. A disk that is full must not end the run: it is noted and told."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(logging.INFO)
        self.file = file
        self.trouble: OSError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event down if it matters here."""
        event, fields = fields_of(record)
        if event in HEARD:
            self.note(event, record.getMessage(), record.levelno, fields)

    def note(
        self, event: str, message: str = "", level: int = logging.INFO, fields: dict[str, Any] | None = None
    ) -> None:
        """Append one line, whole."""
        line = {
            "event": event,
            "message": without_mail(message),
            "at": now().isoformat(),
            "level": level,
            "fields": _masked(fields or {}),
        }
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as problem:
            self.trouble = problem


@contextmanager
def recorded(path: Path) -> Iterator[Recorder]:
    """Listen to the event stream and write it to `path`, which is locked meanwhile; the lock goes with the process.

    Raises:
        OSError: the journal cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        # Two steps of one run of Dagster's may overlap: one of them holds the journal, and both write to it.
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        recorder = Recorder(file)
        level = LOGGER.level
        if LOGGER.getEffectiveLevel() > logging.INFO:
            LOGGER.setLevel(logging.INFO)
        LOGGER.addHandler(recorder)
        try:
            yield recorder
        finally:
            LOGGER.removeHandler(recorder)
            LOGGER.setLevel(level)


def read(path: Path) -> list[Line]:
    """The lines of a journal; a last line that was cut by a kill is left out, any other is told as `DAMAGED`.

    Raises:
        OSError: the journal cannot be read.
    """
    found = []
    texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            moment = datetime.fromisoformat(line["at"])
            found.append(Line(line["event"], line["message"], moment, int(line["level"]), dict(line["fields"])))
        except (ValueError, KeyError, TypeError):
            if number < len(texts):
                found.append(Line(DAMAGED, f"line {number} of {path.name}", now(), logging.WARNING, {}))
    return found


def is_held(path: Path) -> bool:
    """Whether a living process writes this journal, or has just settled it."""
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def without_mail(text: str) -> str:
    """A text without addresses of persons. For what people read, never for encoded text, where a sign may be a code."""
    return _MAIL.sub(lambda found: found[0] if _POLICY.fullmatch(found[0]) else "(address hidden)", text)


def _masked(value: Any) -> Any:
    """A value as JSON takes it, without addresses of persons wherever they stand in it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {without_mail(str(name)): _masked(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(one) for one in value]
    return without_mail(value if isinstance(value, str) else str(value))


def journals(folder: Path) -> list[Path]:
    """The journals that wait to be settled, oldest first; the oldest beyond a hundred are dropped."""
    if not folder.is_dir():
        return []
    stamped = []
    for path in folder.glob("*.jsonl"):
        try:
            stamped.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:
            continue  # another process has just settled it
    found = [path for _, path in sorted(stamped)]
    for path in found[:-_KEPT]:
        path.unlink(missing_ok=True)
    return found[-_KEPT:]


def age_hours(path: Path) -> float:
    """Hours since a journal was last written, by the machine's own clock."""
    return (datetime.now(UTC).timestamp() - path.stat().st_mtime) / 3600


def name_of(execution: str | None = None) -> str:
    """A journal's file name: Dagster's run id where it has one, else one of the command line's own."""
    return f"{execution}.jsonl" if execution else f"cli-{now():%Y%m%dT%H%M%S}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"

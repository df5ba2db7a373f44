"""Incidents: opened once, told once, closed once; one JSON file in the state folder that is replaced whole.

An incident says for every target what is still to be told (`due`) and what was told (`told`). Both are written before
and after sending, so a process that is killed in between tells again rather than not at all, and a target that was down
gets its messages from whichever run comes next.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.clock import now
from pipelines.errors import Busy, ConfigError, SegmentsError
from pipelines.events import emit
from pipelines.settings import AlertKind, AlertTarget, Severity
from pipelines.warehouse import Places

Verb = Literal["opened", "escalated", "reminder", "recovered", "told"]
TAKEN_OUT = "the deployment file"
"""Closes incidents about what it does not name any more: nothing was repaired."""
RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
_FILE, _LOCK = "incidents.json", ".lock"
_OF_A_QUARTER = ("judged", "released", "rehearsed")
"""What closes incidents that are about the quarter they name, and about no earlier one."""
_CLOSED_KEPT = 300
_SETTLED_KEPT = 300


class Finding(BaseModel):
    """One thing that a run has shown to be wrong, or that it has to say."""

    model_config = ConfigDict(extra="forbid")

    kind: AlertKind
    severity: Severity
    says: str
    source: str = ""
    table: str = ""
    expectation: str = ""
    suite: str = ""
    step: str = ""
    """The step of the run that failed; of `run_failed` alone."""
    until: str = ""
    """What a later run has to show before this is over; see `findings.Report.is_over`."""
    part_of: str = ""
    """Key of the incident that this is the cause of: told together where both are told."""
    partner_count: int = 0
    partners: list[str] = Field(default_factory=list)
    """Numbers of some partners touched."""
    at_risk_count: int = 0
    at_risk: list[str] = Field(default_factory=list)
    """Numbers of some partners whose level could differ."""
    keys: list[str] = Field(default_factory=list)
    """Keys of some rows, without personal data."""
    columns: list[str] = Field(default_factory=list)
    causes: list[str] = Field(default_factory=list)
    """Of a refusal: the keys of what it was refused over."""
    is_again: bool = False
    """Of `released`: it was out before, and is the current one again."""
    candidate: str = ""
    """The candidate in which an expectation found it."""
    against: dict[str, str] = Field(default_factory=dict)
    """The releases that it was compared with, by what was compared; empty for what shows without a comparison."""
    next_step: str = ""
    quarter: str = ""
    kept: str = ""
    """The release that stays current."""
    owner: str = ""
    reproduce: list[str] = Field(default_factory=list)
    page: str = ""

    @property
    def place(self) -> str:
        """`source.table` as far as it is known."""
        return ".".join(part for part in (self.source, self.table) if part)

    @property
    def key(self) -> str:
        """The same trouble has the same key in every run; that a quarter is refused is said of that quarter alone."""
        quarter = self.quarter if self.kind == "release_refused" else ""
        subject = "/".join(part for part in (self.step, self.place, self.expectation, quarter) if part)
        return f"{self.kind}:{subject}" if subject else self.kind


class Told(BaseModel):
    """What a target was last told of an incident."""

    at: datetime
    severity: Severity
    threads: list[str] = Field(default_factory=list)
    """Of the messages in which it was told: a service that joins messages has one trouble for each."""


class Incident(Finding):
    """A finding that lasts: since when, in how many runs, who was told."""

    # A book of a later version may say more: what it says of trouble counts all the same.
    model_config = ConfigDict(extra="ignore")

    opened_at: datetime
    last_seen: datetime
    runs: int = 1
    """Runs that have shown it."""
    closed_at: datetime | None = None
    closed_by: str = ""
    why: str = ""
    has_rested: bool = False
    """A run did not show it and proved nothing by that; what shows after it is told anew."""
    was: str = ""
    """The severity before it rose."""
    due: dict[str, Verb] = Field(default_factory=dict)
    told: dict[str, Told] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """Names this incident among all that ever had its key."""
        return f"{self.key}@{self.opened_at.isoformat()}"


class Book(BaseModel):
    """All incidents of a deployment."""

    model_config = ConfigDict(extra="ignore")

    open: dict[str, Incident] = Field(default_factory=dict)
    closed: list[Incident] = Field(default_factory=list)
    settled: list[str] = Field(default_factory=list)
    """Runs that are settled: a run that two paths report is told once."""

    def every(self) -> list[Incident]:
        """Open and closed, oldest first."""
        return sorted([*self.closed, *self.open.values()], key=lambda one: one.opened_at)

    def see(self, finding: Finding, targets: Sequence[AlertTarget], *, moment: datetime | None = None) -> Incident:
        """A run shows a finding: open its incident, or count it and see who has to be told again."""
        at = moment or now()
        incident = self.open.get(finding.key)
        is_anew = incident is not None and incident.has_rested
        if incident is None:
            incident = Incident(**finding.model_dump(), opened_at=at, last_seen=at)
            self.open[finding.key] = incident
        else:
            if incident.until == "released" and finding.until == "rehearsed":
                # A rehearsal that is refused too does not make a refused release any less.
                finding = finding.model_copy(update={"until": incident.until, "severity": incident.severity})
            head = self.open.get(finding.part_of)
            if head is not None and head.until == "released" and incident.part_of == finding.part_of:
                # Nor does it make its causes any less.
                worst = max(incident.severity, finding.severity, key=RANK.__getitem__)
                finding = finding.model_copy(update={"severity": worst})
            fresh = finding.model_dump(exclude={"severity"})
            if incident.until in _OF_A_QUARTER and finding.quarter < incident.quarter:
                # Said of a later quarter: an earlier one that shows it too may make it worse, and takes nothing back.
                is_worse = RANK[finding.severity] > RANK[incident.severity]
                fresh = {**fresh, "quarter": incident.quarter} if is_worse else {}
                finding = finding if is_worse else finding.model_copy(update={"severity": incident.severity})
            if incident.until == finding.until == "columns":
                # What went earlier and is not back is still gone.
                fresh["columns"] = list(dict.fromkeys([*incident.columns, *finding.columns]))
            if RANK[finding.severity] > RANK[incident.severity]:
                incident.was = incident.severity
            incident = incident.model_copy(
                update={
                    **fresh, "severity": finding.severity, "last_seen": at, "runs": incident.runs + 1,
                    "has_rested": False,
                }
            )  # fmt: skip
            self.open[finding.key] = incident
        for target in targets:
            self._see_to(target, incident, at, is_anew=is_anew)
        return incident

    def _see_to(self, target: AlertTarget, incident: Incident, at: datetime, *, is_anew: bool) -> None:
        if not wants(target, incident) or target.name in incident.due:
            return
        told = incident.told.get(target.name)
        if told is None:
            incident.due[target.name] = "opened"
        elif RANK[incident.severity] > RANK[told.severity]:
            incident.due[target.name] = "escalated"
        elif is_anew:
            incident.due[target.name] = "opened"
        elif at - told.at >= timedelta(hours=target.remind_after_hours):
            incident.due[target.name] = "reminder"

    def say(self, finding: Finding, targets: Sequence[AlertTarget], *, moment: datetime | None = None) -> None:
        """Something to tell that nobody has to repair; told once, and again when something else was told in between."""
        before = next((one for one in reversed(self.closed) if one.kind == finding.kind), None)
        if before is not None and before.key == finding.key:
            return
        at = moment or now()
        incident = Incident(**finding.model_dump(), opened_at=at, last_seen=at, closed_at=at)
        incident.due = {target.name: "told" for target in targets if wants(target, incident)}
        self._file_away(incident)

    def close(self, key: str, by: str, why: str, *, moment: datetime | None = None) -> Incident:
        """An incident is over. Whoever was told of it, or should have been, is told that."""
        incident = self.open.pop(key)
        incident.closed_at, incident.closed_by, incident.why = moment or now(), by, why
        over: Verb = "recovered"
        incident.due = {name: over for name in sorted({*incident.told, *incident.due})}  # noqa: C420 - typed
        self._file_away(incident)
        return incident

    def close_all(self, is_over: Callable[[Incident], str], by: str, *, moment: datetime | None = None) -> None:
        """Close every open incident for which `is_over` gives a reason."""
        for key, incident in list(self.open.items()):
            if why := is_over(incident):
                self.close(key, by, why, moment=moment)

    def give_back(self, columns: Mapping[str, Collection[str]]) -> None:
        """Columns, by source.table, that are there again: an incident waits only for the others."""
        for incident in self.open.values():
            if incident.until == "columns":
                back = columns.get(incident.place, ())
                incident.columns = [name for name in incident.columns if name not in back]

    def hold(self, kept_in: Callable[[Incident], str], is_at_rest: Callable[[Incident], bool]) -> None:
        """Say of open incidents for which `kept_in` names a release that only a person can close them."""
        for key, incident in self.open.items():
            if release := kept_in(incident):
                incident.has_rested = is_at_rest(incident)
                incident.next_step = (
                    f"what it found is in release {release} now; no later run can prove it mended. Look whether it is, "
                    f'then close it with: segments alerts close {key} --by NAME --why "..."'
                )

    def _file_away(self, incident: Incident) -> None:
        self.closed.append(incident)
        waiting = [one for one in self.closed[:-_CLOSED_KEPT] if one.due]
        self.closed = waiting + self.closed[-_CLOSED_KEPT:]

    def was_told(self, ids: Sequence[str], target: str, at: datetime, thread: str = "") -> None:
        """A target has taken the message about these incidents, of that thread."""
        for incident in self.every():
            if incident.id in ids and target in incident.due:
                del incident.due[target]
                told = incident.told.get(target)
                worst = max(incident.severity, told.severity if told else "info", key=RANK.__getitem__)
                threads = [*(told.threads if told else []), *([thread] if thread else [])]
                incident.told[target] = Told(at=at, severity=worst, threads=list(dict.fromkeys(threads)))

    def note_settled(self, runs: Sequence[str]) -> None:
        """Remember that these runs are settled."""
        self.settled = [*self.settled, *runs][-_SETTLED_KEPT:]


def wants(target: AlertTarget, incident: Incident) -> bool:
    """Whether a target is to be told of an incident at all."""
    if incident.kind == "alert_sink_down":
        return target.name != incident.source  # nobody asks for it, and everybody else has to know
    if incident.kind not in target.events:
        return False
    return incident.kind == "released" or RANK[incident.severity] >= RANK[target.min_severity]


class Store:
    """The book on disk, changed by one process at a time and replaced whole."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.folder = places.alerts

    @property
    def runs(self) -> Path:
        """Journals of runs that are not settled yet."""
        return self.folder / "runs"

    def read(self) -> Book:
        """The book as it stands; a damaged one is put aside and a new one begun, so that alerts go on.

        Raises:
            SegmentsError: the file cannot be read.
            Busy: it is damaged, and another process kept it for half a minute.
        """
        try:
            return self._load()
        except ValidationError:
            with self.changing() as book:
                return book

    def _load(self) -> Book:
        """Raises `ValidationError` for a file that is no book."""
        try:
            book = Book.model_validate_json((self.folder / _FILE).read_bytes())
        except FileNotFoundError:
            return Book()
        except OSError as problem:
            raise _no_access(self.folder, "read", problem) from None
        # A book of another version may have made its keys in another way.
        book.open = {incident.key: incident for incident in book.open.values()}
        return book

    @contextmanager
    def changing(self) -> Iterator[Book]:
        """The book to change; written when the block ends without an error.

        Raises:
            Busy: another process kept it for half a minute.
            SegmentsError: it cannot be read or written.
        """
        with locked(self.folder / _LOCK, seconds=30):
            try:
                book = self._load()
            except ValidationError:
                book = self._begin_anew()
            yield book
            self._write(book)

    def _begin_anew(self) -> Book:
        """Put a damaged book aside; only under the lock, as another process may just have written a good one."""
        path = self.folder / _FILE
        aside = path.with_name(f"{_FILE}.{now():%Y%m%dT%H%M%S}-{os.urandom(3).hex()}.damaged")
        try:
            path.replace(aside)
        except OSError as trouble:
            raise _no_access(self.folder, "written", trouble) from None
        emit(
            "alert_trouble",
            f"alerts: {path} is damaged and was put aside as {aside.name}; "
            "a new one is begun, what is still wrong will be told again",
            level=logging.WARNING,
        )
        return Book()

    def _write(self, book: Book) -> None:
        partial = self.folder / f".{_FILE}.partial"
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(book.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / _FILE)
        except OSError as problem:
            raise _no_access(self.folder, "written", problem) from None


def _no_access(folder: Path, done: str, problem: OSError) -> SegmentsError:
    return SegmentsError(
        f"{folder}: incidents cannot be {done} there ({problem.strerror or type(problem).__name__}); nothing was told",
        next_step="look at the folder, its rights and the space on its disk; then: segments alerts send",
    )


@contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold a lock that goes with the process.

    Raises:
        Busy: another process held it for longer than `seconds`.
        SegmentsError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a", encoding="utf-8")
    except OSError as problem:
        raise _no_access(path.parent, "written", problem) from None
    with opened as handle:
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise Busy(f"another process has held {path} for {seconds:.0f} s; nothing was told") from None
                time.sleep(0.05)
        yield


def found(book: Book, key: str) -> Incident:
    """An open incident by its key.

    Raises:
        ConfigError: there is none; names those there are.
    """
    if key not in book.open:
        raise ConfigError(
            f"{key}: no open incident of this key; nothing was closed",
            next_step=f"open: {', '.join(sorted(book.open))}" if book.open else "there is none that is open",
        )
    return book.open[key]

"""Listens to a run from its begin to its end and tells what came of it; the same for the command line and for Dagster.

Nothing in here may fail a run or change its exit code: what goes wrong with the alerts is told as a warning.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.alerts import journal
from pipelines.alerts.delivery import Delivery, deliver
from pipelines.alerts.findings import Report, report_of, tidy
from pipelines.alerts.incidents import Finding, Incident, Store, found
from pipelines.clock import now
from pipelines.errors import ConfigError, SegmentsError
from pipelines.events import emit
from pipelines.release import current
from pipelines.settings import Settings
from pipelines.warehouse import Places

# A run of Dagster's that its sensor has not told of by then is settled by whoever comes by: the daemon is off.
_SENSOR_HAS_HOURS = 2.0

_listening: list[journal.Recorder] = []


@contextmanager
def watching(
    settings: Settings, *, quarter: str | None = None, is_rehearsal: bool = False, is_look_back: bool = False
) -> Iterator[None]:
    """Listen while the block runs, then open and close incidents and tell the targets, also when the block fails.

    `is_look_back` is for a run that is asked for a past state: it reproduces, so it is no news to anybody.
    """
    if is_look_back:
        yield
        return
    store = Store(Places.of(settings))
    path = store.runs / journal.name_of()
    try:
        recording = journal.recorded(path)
        recorder = recording.__enter__()
    except OSError as problem:
        _warn(f"what this run says cannot be written down ({problem.strerror}): nobody will be told of it")
        yield
        return
    recorder.note(journal.BEGUN, fields={"quarter": quarter or _quarter(settings), "is_rehearsal": is_rehearsal})
    _listening.append(recorder)
    is_worth_telling = True
    try:
        yield
        recorder.note(journal.ENDED, fields={"outcome": "ok"})
    except Exception as problem:
        # An option that was mistyped is between the person and the terminal.
        is_worth_telling = not (isinstance(problem, ConfigError) and problem.message.startswith("--"))
        words = problem.message if isinstance(problem, SegmentsError) else f"{type(problem).__name__}: {problem}"
        recorder.note(journal.ENDED, words, logging.ERROR, {"outcome": "failed"})
        raise
    except BaseException:
        is_worth_telling = False  # somebody stopped it at the keyboard and knows
        raise
    finally:
        _listening.remove(recorder)
        recording.__exit__(None, None, None)
        if recorder.trouble is not None:
            _warn(f"what this run said could not all be written down ({recorder.trouble.strerror})")
        if not is_worth_telling:
            path.unlink(missing_ok=True)
        settle(settings, own=path)


@contextmanager
def overheard(settings: Settings, execution: str, *, is_rehearsal: bool = False) -> Iterator[None]:
    """Listen to one step of a run of Dagster's. Inside `watching`, note only which execution belongs to it."""
    if _listening:
        _listening[-1].note(journal.EXECUTION, fields={"execution": execution})
        yield
        return
    path = Store(Places.of(settings)).runs / journal.name_of(execution)
    is_first = not path.exists()
    try:
        recording = journal.recorded(path)
        recorder = recording.__enter__()
    except OSError as problem:
        _warn(f"what this step says cannot be written down ({problem.strerror}): nobody will be told of it")
        yield
        return
    if is_first:
        recorder.note(journal.BEGUN, fields={"quarter": _quarter(settings), "is_rehearsal": is_rehearsal})
    try:
        yield
    finally:
        recording.__exit__(None, None, None)


def settle(settings: Settings, *, own: Path | None = None, tell: bool = True) -> list[Delivery]:
    """Turn every journal whose run has ended into incidents, then tell the targets. Never raises.

    Args:
        settings: the deployment.
        own: the journal of a run that has just ended in this process.
        tell: also send what is due.
    """
    try:
        store = Store(Places.of(settings))
        for path in journal.journals(store.runs):
            is_of_dagster = not path.name.startswith("cli-")
            if path != own and (journal.is_held(path) or (is_of_dagster and _sensor_may_come(path))):
                continue
            lines = journal.read(path)
            executions = [str(line.fields["execution"]) for line in lines if line.event == journal.EXECUTION]
            report = report_of(lines, died=not is_of_dagster)
            _apply(settings, store, report, [path.stem, *dict.fromkeys(executions)])
            path.unlink(missing_ok=True)
        return deliver(settings, store) if tell else []
    except Exception as problem:  # noqa: BLE001 - alerts must not fail a run; the warning says that they failed
        words = problem.message if isinstance(problem, SegmentsError) else f"{type(problem).__name__}: {problem}"
        _warn(f"incidents could not be settled: {tidy(words)}")
        return []


def settle_execution(settings: Settings, execution: str, *, failed: str | None, is_rehearsal: bool) -> list[Delivery]:
    """Settle a run of Dagster's that has ended, for its sensor; nothing when its own process has told already.

    Args:
        settings: the deployment.
        execution: Dagster's run id.
        failed: Dagster's words for the failure; None when the run succeeded.
        is_rehearsal: the run was to release nothing.
    """
    settle(settings, tell=False)
    store = Store(Places.of(settings))
    path = store.runs / journal.name_of(execution)
    if execution in store.read().settled or _is_watched(store, execution):
        return []
    lines = journal.read(path) if path.exists() else []
    at = now()
    if not lines:
        begun = {"quarter": _quarter(settings), "is_rehearsal": is_rehearsal}
        lines.append(journal.Line(journal.BEGUN, "", at, logging.INFO, begun))
    outcome = "ok" if failed is None else "failed"
    lines.append(journal.Line(journal.ENDED, failed or "", at, logging.INFO, {"outcome": outcome}))
    _apply(settings, store, report_of(lines), [execution])
    path.unlink(missing_ok=True)
    return settle(settings)


def send_kept(settings: Settings) -> list[Delivery]:
    """Settle runs that were killed and send whatever is due."""
    return settle(settings)


def close(settings: Settings, key: str, *, by: str, why: str) -> Incident:
    """Close an incident by hand, and tell whoever was told of it.

    Raises:
        ConfigError: there is no such open incident, or nobody signs or says why.
    """
    if not by.strip() or not why.strip() or "@" in by:
        raise ConfigError(
            f"{key}: --by names a person or a role, no address, and --why says the reason; nothing was closed"
        )
    store = Store(Places.of(settings))
    with store.changing() as book:
        found(book, key)
        closed = book.close(key, by.strip(), why.strip())
    settle(settings)
    return closed


def _apply(settings: Settings, store: Store, report: Report, runs: list[str]) -> None:
    """Open, count, escalate and close, in one change of the book."""
    for finding in (*report.findings, *report.announcements):
        _complete(settings, finding, report)
    with store.changing() as book:
        if set(runs) & set(book.settled):
            return
        for finding in report.findings:
            book.see(finding, settings.alerts)
        for finding in report.announcements:
            book.say(finding, settings.alerts)
        book.close_all(report.is_over, f"the run for {report.quarter}" if report.quarter else "a later run")
        book.note_settled(runs)


def _complete(settings: Settings, finding: Finding, report: Report) -> None:
    """What the deployment knows about a finding: owner, the release that stays, how to see it again."""
    # A finding about a conformed table names its source in the keys of the rows, if at all.
    named = [finding.source, *re.findall(r"\bsource=(\w+)", " ".join(finding.keys))]
    owners = [settings.sources[name].owner for name in named if name in settings.sources]
    finding.owner = ", ".join(dict.fromkeys(owner for owner in owners if owner)) or settings.owner or ""
    places = Places.of(settings)
    if finding.kind != "released":
        manifest = current(places)
        finding.kept = str(manifest["release"]) if manifest else ""
    finding.reproduce = _commands(settings, finding, report)
    page = places.reports / "verdict.html"
    if finding.until in ("judged", "released", "rehearsed") or finding.kind == "released":
        finding.page = str(page) if page.exists() else ""


def _commands(settings: Settings, finding: Finding, report: Report) -> list[str]:
    where = f"--config {shlex.quote(str(settings.file))}"
    inputs = settings.paths.inputs
    data = f" --data {shlex.quote(str(inputs))}" if inputs.is_absolute() else ""
    quarter = f" --quarter {finding.quarter}" if finding.quarter else ""
    is_judged = finding.until in ("judged", "released", "rehearsed")
    moment = f" --known-at {report.known_at}" if report.known_at and is_judged else ""
    rehearse = f"segments run --rehearse{quarter}{moment} {where}{data}"
    if finding.kind == "released":
        return []
    if finding.kind == "source_down":
        return [f"segments sources probe {finding.source} {where}{data}", rehearse]
    if finding.kind == "release_refused":
        return [rehearse, f"segments quality {where}"]
    if finding.suite:
        return [rehearse, f"segments quality sql {finding.suite}.{finding.expectation} --run {where}"]
    return [rehearse]


def _is_watched(store: Store, execution: str) -> bool:
    """Whether the execution belongs to a command that is still running and will tell by itself."""
    for path in journal.journals(store.runs):
        if path.name.startswith("cli-") and journal.is_held(path):
            fields: list[dict[str, Any]] = [x.fields for x in journal.read(path) if x.event == journal.EXECUTION]
            if any(one.get("execution") == execution for one in fields):
                return True
    return False


def _sensor_may_come(path: Path) -> bool:
    return path.exists() and journal.age_hours(path) < _SENSOR_HAS_HOURS


def _quarter(settings: Settings) -> str:
    try:
        return settings.quarter().label
    except SegmentsError:
        return ""


def _warn(message: str) -> None:
    emit("alert_trouble", f"alerts: {message}", level=logging.WARNING)

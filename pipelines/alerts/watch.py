"""Listens to a run from its begin to its end and tells what came of it; the same for the command line and for Dagster.

Nothing in here may fail a run or change its exit code: what goes wrong with the alerts is told as a warning.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.alerts import journal
from pipelines.alerts.delivery import Delivery, deliver
from pipelines.alerts.findings import Report, report_of, tidy
from pipelines.alerts.incidents import TAKEN_OUT, Book, Finding, Incident, Store, found
from pipelines.clock import now
from pipelines.errors import ConfigError, SegmentsError
from pipelines.events import emit
from pipelines.release import chain_of, current
from pipelines.settings import Settings
from pipelines.warehouse import Places

# A run of Dagster's that its sensor has not told of by then is settled by whoever comes by: the daemon is off.
_SENSOR_HAS_HOURS = 2.0

# The recorders of commands that are under way; None for one that looks back and is no news.
_listening: list[journal.Recorder | None] = []


@contextmanager
def watching(
    settings: Settings, *, quarter: str | None = None, is_rehearsal: bool = False, is_look_back: bool = False
) -> Iterator[None]:
    """Listen while the block runs, then open and close incidents and tell the targets, also when the block fails.

    `is_look_back` is for a run that is asked for a past state: it reproduces, so it is no news to anybody.
    """
    if is_look_back:
        _listening.append(None)
        try:
            yield
        finally:
            _listening.pop()
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
def overheard(
    settings: Settings, execution: str, *, is_rehearsal: bool = False, is_look_back: bool = False
) -> Iterator[None]:
    """Listen to one step of a run of Dagster's. Inside `watching`, note only which execution belongs to it.

    `is_look_back` as for `watching`; a step of a command that looks back needs not be told.
    """
    outer = _listening[-1] if _listening else None
    if is_look_back or (_listening and outer is None):
        _leave_alone(settings, execution)
        yield
        return
    if outer is not None:
        outer.note(journal.EXECUTION, fields={"execution": execution})
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


def settle(
    settings: Settings, *, own: Path | None = None, but: Path | None = None, tell: bool = True
) -> list[Delivery]:
    """Turn every journal whose run has ended into incidents, then tell the targets. Never raises.

    Args:
        settings: the deployment.
        own: the journal of a run that has just ended in this process.
        but: a journal to leave alone.
        tell: also send what is due.
    """
    try:
        return _settle(settings, own=own, but=but, tell=tell)
    except Exception as problem:  # noqa: BLE001 - alerts must not fail a run; the warning says that they failed
        _warn(f"incidents could not be settled: {_words(problem)}")
        return []


def _settle(
    settings: Settings, *, own: Path | None = None, but: Path | None = None, tell: bool = True
) -> list[Delivery]:
    """`settle` with its failures. What is due is sent in any case: trouble with one journal silences no other.

    Raises:
        SegmentsError: the incidents cannot be read or written.
    """
    store = Store(Places.of(settings))
    trouble: SegmentsError | None = None
    for path in journal.journals(store.runs):
        if path == but:
            continue
        try:
            _settle_journal(settings, store, path, is_own=path == own)
        except FileNotFoundError:
            continue  # another process has just settled it
        except SegmentsError as problem:
            trouble = problem  # with the incidents themselves: the journals wait for a better day
            break
        except OSError as problem:
            _warn(f"what a run said cannot be read and waits ({path.name}: {problem.strerror})")
        except Exception as problem:  # noqa: BLE001 - whatever a damaged journal makes of the code, the others count
            _put_aside(path, problem)
    done = deliver(settings, store) if tell else []
    if trouble is not None:
        raise trouble
    return done


def _settle_journal(settings: Settings, store: Store, path: Path, *, is_own: bool) -> None:
    """Turn one journal into incidents, unless its run goes on or its sensor may come."""
    is_of_dagster = not path.name.startswith("cli-")
    if not is_own and (journal.is_held(path) or (is_of_dagster and _sensor_may_come(path))):
        return
    lines = _read(path)
    executions = [
        str(name) for line in lines if line.event == journal.EXECUTION and (name := line.fields.get("execution"))
    ]
    report = report_of(lines, died=not is_of_dagster)
    # How a run of Dagster's ended may not stand in its journal: its sensor, late as it may be, knows.
    is_told = not is_of_dagster or any(one.kind in ("run_failed", "release_refused") for one in report.findings)
    _apply(settings, store, report, [path.stem, *dict.fromkeys(executions)], is_settled=is_told)
    path.unlink(missing_ok=True)


def _put_aside(path: Path, problem: Exception) -> None:
    """Rename a journal that nothing can be made of, so that it does not stand in the way of the others."""
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
    except OSError as trouble:
        _warn(f"what a run said makes no sense and cannot be put aside ({path}: {trouble.strerror}): {_words(problem)}")
        return
    _warn(f"what a run said makes no sense and was put aside as {aside}: {_words(problem)}")


def _read(path: Path) -> list[journal.Line]:
    """The lines of a journal, with a warning for those that are lost."""
    lines = journal.read(path)
    if lost := [line.message for line in lines if line.event == journal.DAMAGED]:
        _warn(f"what a run said is lost in part, so it closes no incident: {', '.join(lost[:3])} cannot be read")
    return lines


def settle_execution(settings: Settings, execution: str, *, failed: str | None, is_rehearsal: bool) -> list[Delivery]:
    """Settle a run of Dagster's that has ended, for its sensor; nothing when its own process has told already.

    Args:
        settings: the deployment.
        execution: Dagster's run id.
        failed: Dagster's words for the failure; None when the run succeeded.
        is_rehearsal: the run was to release nothing.
    """
    store = Store(Places.of(settings))
    path = store.runs / journal.name_of(execution)
    # However old its own journal is: nobody needs to come for it any more, and its end is known.
    settle(settings, but=path, tell=False)
    if _is_watched(store, execution):
        return []
    if execution in store.read().settled:
        return settle(settings)  # its process told it, or was killed before it could
    lines = _read(path) if path.exists() else []
    about = {"quarter": _quarter(settings), "is_rehearsal": is_rehearsal}
    begun = journal.Line(journal.BEGUN, "", now(), logging.INFO, about)
    outcome = {"outcome": "ok" if failed is None else "failed"}
    ended = journal.Line(journal.ENDED, failed or "", now(), logging.INFO, outcome)
    try:
        report = report_of([*(lines or [begun]), ended])
    except Exception as problem:  # noqa: BLE001 - a damaged journal; how the run ended is known all the same
        _put_aside(path, problem)
        report = report_of([begun, ended])
    _apply(settings, store, report, [execution])
    path.unlink(missing_ok=True)
    return settle(settings)


def send_kept(settings: Settings) -> list[Delivery]:
    """Settle runs that were killed and send whatever is due.

    Raises:
        SegmentsError: the incidents cannot be read or written.
    """
    return _settle(settings)


def took_test(settings: Settings, target: str) -> None:
    """A target has taken a test message: it is not down any more, and gets what was kept for it. Never raises."""
    store = Store(Places.of(settings))
    key = f"alert_sink_down:{target}"
    try:
        if key not in store.read().open:
            return
        with store.changing() as book:
            if key in book.open:
                book.close(key, "delivery", f"{target} took a test message")
    except SegmentsError as problem:
        _warn(f"that {target} takes messages again could not be noted: {problem.message}")
        return
    settle(settings)


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


def _apply(settings: Settings, store: Store, report: Report, runs: list[str], *, is_settled: bool = True) -> None:
    """Open, count, escalate and close, in one change of the book; nothing for runs that are settled already.

    `is_settled`: nobody shall tell of these runs again.
    """
    for finding in (*report.findings, *report.announcements):
        _complete(settings, finding, report)
    with store.changing() as book:
        if set(runs) & set(book.settled):
            return
        for finding in report.findings:
            book.see(finding, settings.alerts)
        for finding in report.announcements:
            book.say(finding, settings.alerts)
        _close_taken_out(settings, book, report)
        bases = {release for incident in book.open.values() for release in incident.against.values()}
        report.chains = {release: chain_of(store.places, release) for release in bases}
        book.close_all(report.is_over, f"the run for {report.quarter}" if report.quarter else "a later run")
        book.hold(report.kept_in, report.is_at_rest)
        book.give_back(report.regained)
        if is_settled:
            book.note_settled(runs)


def _close_taken_out(settings: Settings, book: Book, report: Report) -> None:
    """Close what is open about sources that are not configured any more: no run reads them, so none will show more."""
    shown = {finding.key for finding in report.findings}
    for key, incident in list(book.open.items()):
        is_ours = incident.kind != "alert_sink_down" and incident.source
        if is_ours and incident.source not in settings.sources and key not in shown and not report.is_damaged:
            book.close(key, TAKEN_OUT, f"source {incident.source} was taken out")


def _complete(settings: Settings, finding: Finding, report: Report) -> None:
    """What the deployment knows about a finding: owner, the release that stays, how to see it again."""
    # A finding about a conformed table names its source in the keys of the rows, if at all.
    named = [finding.source, *re.findall(r"\bsource=(\w+)", " ".join(finding.keys))]
    owners = [settings.sources[name].owner for name in named if name in settings.sources]
    finding.owner = ", ".join(dict.fromkeys(owner for owner in owners if owner)) or settings.owner or ""
    places = Places.of(settings)
    if finding.kind != "released":
        finding.kept = _current(places)
    finding.reproduce = _commands(settings, finding, report)
    page = places.reports / "verdict.html"
    if finding.until in ("judged", "released", "rehearsed") or finding.kind == "released":
        finding.page = str(page) if page.exists() else ""


def _current(places: Places) -> str:
    """The release that stays; "" before the first."""
    try:
        manifest = current(places)
        return str(manifest["release"]) if manifest else ""
    except (OSError, ValueError, TypeError, KeyError):
        # Perhaps it is what the incident is about. It is told all the same.
        return "(its manifest cannot be read)"


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


def _leave_alone(settings: Settings, execution: str) -> None:
    """An execution that is no news: where a daemon may see its end, its sensor must not tell of it either."""
    if not os.environ.get("DAGSTER_HOME"):
        return
    try:
        store = Store(Places.of(settings))
        if execution not in store.read().settled:
            with store.changing() as book:
                book.note_settled([execution])
    except SegmentsError as problem:
        _warn(f"a run that looks back may be told as news: {problem.message}")


def _sensor_may_come(path: Path) -> bool:
    return path.exists() and journal.age_hours(path) < _SENSOR_HAS_HOURS


def _quarter(settings: Settings) -> str:
    try:
        return settings.quarter().label
    except SegmentsError:
        return ""


def _words(problem: Exception) -> str:
    return tidy(problem.message if isinstance(problem, SegmentsError) else f"{type(problem).__name__}: {problem}")


def _warn(message: str) -> None:
    emit("alert_trouble", f"alerts: {message}", level=logging.WARNING)

"""Executes the graph in this process, for the command line: the same assets, checks and order as in the UI.

Usually once. A deployment that says which quarter shall be the first on record (`first_release`) has the quarters
without a release made up for before, oldest first; why and how is docs/decisions/0010-first-release.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from assets.graph import Graph, Journal, Options, define
from data_quality.gate import warm_up
from data_quality.releasing import refuse_unless_good
from pipelines.connector import instances
from pipelines.errors import GateRefused, SegmentsError
from pipelines.events import emit
from pipelines.fiscal import Quarter
from pipelines.lake import loads
from pipelines.release import Released, current, history, roll_back
from pipelines.settings import Settings
from pipelines.stopping import stopping
from pipelines.warehouse import RAW_PREFIX, Places, writer


def run_once(
    settings: Settings, *, quarter: str | None = None, options: Options | None = None, release: bool = True
) -> Journal:
    """Execute the quarterly release (or, with `release=False`, the rehearsal) for one quarter.

    A release that is asked for no quarter and no moment makes up for earlier quarters first.

    Returns:
        What happened: loads, candidate, verdict, release, and the releases of earlier quarters.

    Raises:
        SegmentsError: whatever a room raised on purpose, with its exit code.
    """
    chosen = settings.quarter(quarter)
    asked = options or Options()
    graph = define(settings, asked)
    job = graph.definitions.resolve_job_def("quarterly_release" if release else "daily_rehearsal")
    behind = unreleased(settings) if release and quarter is None and asked.known_at is None else []
    with dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral() as instance:
        # The other core is idle while this one waits for dbt.
        threading.Thread(target=warm_up, daemon=True).start()
        execution = _Execution(graph, job, instance)
        if behind:
            with _newest_release_stays(Places.of(settings)):
                execution.of(chosen, _is_raw)
                earlier = _make_up_for(behind, settings, execution)
                execution.of(chosen, _is_not_raw)
                graph.journal.earlier = earlier
        else:
            execution.of(chosen)
    if not release and graph.journal.run and graph.journal.judged:
        refuse_unless_good(graph.journal.run, graph.journal.judged)
    return graph.journal


def unreleased(settings: Settings) -> list[Quarter]:
    """Quarters from `first_release` to the one before the last that ended which no release decided, oldest first."""
    if settings.first_release is None:
        return []
    decided = {link["quarter"] for link in history(Places.of(settings))}
    found: list[Quarter] = []
    quarter, target = settings.calendar.parse(settings.first_release), settings.quarter()
    while quarter < target:
        if quarter.label not in decided:
            found.append(quarter)
        quarter = settings.calendar.shift(quarter, 1)
    return found


@dataclass(frozen=True)
class _Execution:
    """Executes a job of the graph for a quarter, whole or in part."""

    graph: Graph
    job: dg.JobDefinition
    instance: dg.DagsterInstance

    def of(self, quarter: Quarter, wanted: Callable[[dg.AssetKey], bool] = lambda key: True) -> Journal:
        """Execute the assets that are wanted, with their checks."""
        # Dagster's console log repeats ours in its own words, several lines a table.
        silent = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        try:
            # An interrupt would come out of Dagster as an exception of its own.
            with stopping():
                self.job.execute_in_process(
                    partition_key=quarter.first_day.isoformat(),
                    instance=self.instance,
                    run_config=silent,
                    asset_selection=sorted(key for key in self.job.asset_layer.executable_asset_keys if wanted(key)),
                    raise_on_error=True,
                )
        except SegmentsError:
            raise
        except dg.DagsterError:
            # A blocking check ends the run with an error of Dagster's; the verdict has the better words.
            if self.graph.journal.run and self.graph.journal.judged:
                refuse_unless_good(self.graph.journal.run, self.graph.journal.judged)
            raise
        return self.graph.journal


def _is_raw(key: dg.AssetKey) -> bool:
    return key.path[0].startswith(RAW_PREFIX)


def _is_not_raw(key: dg.AssetKey) -> bool:
    return not _is_raw(key)


def _make_up_for(behind: list[Quarter], settings: Settings, execution: _Execution) -> list[Released]:
    """Release the quarters that were missed, each with what its own release day knew; sources are extracted already."""
    made: list[Released] = []
    for quarter in behind:
        moment = settings.known_for(quarter)
        lake = Places.of(settings).lake
        if not any(loads(lake, source.name, known_at=moment) for source in instances(settings)):
            emit(
                "quarter_skipped",
                f"{quarter.label} has no release and gets none: nothing was known by {moment:%Y-%m-%d %H:%M} UTC",
                quarter=quarter.label,
                known_at=moment,
            )
            continue
        try:
            released = execution.of(quarter, _is_not_raw).released
        except GateRefused as problem:
            later = settings.calendar.shift(quarter, 1).label
            raise GateRefused(
                problem.message, next_step=f"{problem.next_step}; or go without {quarter.label}: first_release: {later}"
            ) from None
        if released:
            made.append(released)
    return made


@contextmanager
def _newest_release_stays(places: Places) -> Iterator[None]:
    """While an older quarter is made up for it is the current release; a failure must not leave readers with it."""
    before = current(places)
    try:
        yield
    except BaseException:
        after = current(places)
        if before and after and after["quarter"] < before["quarter"]:
            with writer(places):
                roll_back(places, before["release"])
        raise

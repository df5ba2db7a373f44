"""Executes the graph once, in this process, for the command line: the same assets, checks and order as in the UI."""

from __future__ import annotations

import os
import threading

import dagster as dg

from assets.graph import Journal, Options, define
from data_quality.gate import warm_up
from data_quality.releasing import refuse_unless_good
from pipelines.errors import SegmentsError
from pipelines.settings import Settings


def run_once(
    settings: Settings, *, quarter: str | None = None, options: Options | None = None, release: bool = True
) -> Journal:
    """Execute the quarterly release (or, with `release=False`, the rehearsal) for one quarter.

    Returns:
        What happened: loads, candidate, verdict, release.

    Raises:
        SegmentsError: whatever a room raised on purpose, with its exit code.
    """
    chosen = settings.quarter(quarter)
    # Dagster's console log repeats ours in its own words, several lines a table.
    silent = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    graph = define(settings, options)
    job = graph.definitions.resolve_job_def("quarterly_release" if release else "daily_rehearsal")
    with dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral() as instance:
        # The other core is idle while this one waits for dbt.
        threading.Thread(target=warm_up, daemon=True).start()
        try:
            job.execute_in_process(
                partition_key=chosen.first_day.isoformat(), instance=instance, run_config=silent, raise_on_error=True
            )
        except SegmentsError:
            raise
        except dg.DagsterError:
            # A blocking check ends the run with an error of Dagster's; the verdict has the better words.
            if graph.journal.run and graph.journal.judged:
                refuse_unless_good(graph.journal.run, graph.journal.judged)
            raise
    if not release and graph.journal.run and graph.journal.judged:
        refuse_unless_good(graph.journal.run, graph.journal.judged)
    return graph.journal

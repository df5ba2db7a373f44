"""Tells of runs that Dagster started: its daemon sees how a run ended, also one whose process was killed.

What the run said is in its journal (`pipelines/alerts/`), written by its steps. A run of the command line tells by
itself, and the sensors leave it alone.
"""

import dagster as dg

from pipelines.alerts import settle_execution
from pipelines.settings import Settings


def alert_sensors(settings: Settings, *, rehearsal: str) -> list[dg.SensorDefinition]:
    """One sensor for runs that failed and one for those that succeeded, which close incidents.

    They are on from the start where the deployment has alert targets: an alarm that waits for a switch is none.

    Args:
        settings: the deployment.
        rehearsal: name of the job that releases nothing.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.alerts else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        name="alerts_of_failed_runs",
        default_status=status,
        description="Opens incidents and tells the alert targets of a run that failed, also of one that was killed.",
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        words = context.failure_event.message or "the run failed without a message"
        settle_execution(settings, run.run_id, failed=words, is_rehearsal=run.job_name == rehearsal)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alerts_of_good_runs",
        default_status=status,
        description="Closes incidents that a run no longer shows, and tells of warnings and releases.",
    )
    def succeeded(context: dg.RunStatusSensorContext) -> None:
        run = context.dagster_run
        settle_execution(settings, run.run_id, failed=None, is_rehearsal=run.job_name == rehearsal)

    return [failed, succeeded]

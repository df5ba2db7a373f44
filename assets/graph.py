"""The graph of one deployment: extract -> define -> shape -> candidate -> judge -> release, with checks and partitions.

Every function here is a few lines around a room; what a room does is in the room. `definitions.py` offers the graph to
Dagster's tools, `run.py` executes it for the command line.

No postponed annotations here: Dagster reads the type of `context` at import.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetCheckExecutionContext, AssetExecutionContext
from dagster_dbt import dbt_assets

from assets.names import Addresses, address, step_of
from assets.sensors import alert_sensors
from data_quality.quarantine import glance
from data_quality.releasing import (
    Judged,
    is_approved,
    judge_candidate,
    judged_for,
    offered_entities,
    refuse_unless_good,
    release_judged,
)
from data_quality.suite import Suite, for_entities, read_suites
from demo.salesforce_export import write_salesforce_export
from demo.sample_company import write_sample_company
from pipelines import lake
from pipelines.alerts import overheard
from pipelines.connector import Instance, instances
from pipelines.errors import ConfigError, SegmentsError
from pipelines.events import emit
from pipelines.extract import Landed, extract_group
from pipelines.policy import TABLES as POLICY_TABLES
from pipelines.release import RELEASED_TABLES, Candidate, Released, build_candidate, read_candidate
from pipelines.settings import Settings
from pipelines.shape import DEPLOYMENT_TABLES, Run, build, lay_inputs, plan, prepare, row_counts
from pipelines.stopping import stopping
from pipelines.warehouse import Places, writer

# One writing seat per deployment: the file lock in `warehouse.writer` holds it everywhere; the pool lets the UI show
# who waits for it.
WRITER_POOL = "warehouse_writer"
REHEARSAL = "daily_rehearsal"
# A release starts from the decisions on record, so quarters are made one after the other, oldest first.
QUARTER_BY_QUARTER = dg.BackfillPolicy.multi_run(1)
# What a run reads back from releases: the tables of the schema `released` in the warehouse.
_ON_RECORD = {
    "decisions": "What earlier releases decided, which is never rewritten.",
    "compared": "The releases on record that the results are compared with.",
    "scores": "The totals of those releases.",
    "identities": "Which records were which partner in the release before.",
    "former_changes": "Merges and splits that earlier releases recorded.",
}


@dataclass
class Journal:
    """What happened in one execution, for whoever started it and for the steps that come after."""

    run_id: str = ""
    landed: list[Landed] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Live sources that could not be read; their last loads were used."""
    run: Run | None = None
    candidate: Candidate | None = None
    judged: Judged | None = None
    released: Released | None = None
    earlier: list[Released] = field(default_factory=list)
    """Releases of earlier quarters that were made up for before this one."""

    def of(self, run_id: str) -> "Journal":
        """This journal, emptied when another execution begins: a process may execute the graph more than once."""
        if self.run_id != run_id:
            self.run_id, self.landed, self.unread, self.run, self.candidate, self.judged, self.released = (
                run_id,
                [],
                [],
                None,
                None,
                None,
                None,
            )
        return self


@dataclass(frozen=True)
class Options:
    """What a person may ask of one execution beyond the deployment file."""

    known_at: datetime | None = None
    accept_shrunk: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()
    """Live sources to read from their beginning."""


@dataclass(frozen=True)
class Graph:
    """Everything Dagster needs to know about one deployment."""

    settings: Settings
    partitions: dg.TimeWindowPartitionsDefinition
    definitions: dg.Definitions
    journal: Journal


def partitions_of(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """Fiscal quarters as partitions; a partition is the quarter's first day, written 2026-07-01."""
    months = sorted((settings.fiscal_calendar.first_month - 1 + 3 * n) % 12 + 1 for n in range(4))
    first = settings.calendar.spine(settings.quarter(), settings.history_quarters)[0]
    if settings.first_release:
        first = min(first, settings.calendar.parse(settings.first_release))
    return dg.TimeWindowPartitionsDefinition(
        start=first.first_day.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule=f"0 0 1 {','.join(map(str, months))} *",
        timezone=settings.timezone,
    )


def provide_sample(settings: Settings) -> None:
    """Write the sample company's exports where the deployment asks for them; nothing to do when they are there."""
    if settings.sample is None:
        return
    folder = settings.folder("inputs")
    sample = settings.sample
    wanted = sample.model_dump_json()
    stamp = folder / "sample.json"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    write = write_sample_company if sample.shape == "templates" else write_salesforce_export
    counts = write(folder, seed=sample.seed, partners=sample.partners)
    stamp.write_text(wanted, encoding="utf-8")
    emit("sample_written", f"sample company written to {folder}", folder=str(folder), **counts)


def define(settings: Settings, options: Options | None = None) -> Graph:
    """Declare the graph of a deployment.

    Raises:
        ConfigError: an unknown connector or option.
        BuildError: the dbt project does not parse.
    """
    asked = options or Options()
    journal = Journal()
    partitions = partitions_of(settings)
    manifest = prepare(settings)
    sources = instances(settings)
    _check_accepted(asked, sources)
    assets: list[Any] = [_extraction(settings, name, group, asked, journal) for name, group in _by_connector(sources)]
    assets += [
        _definition(settings, sources, partitions, asked, journal),
        _shaping(settings, manifest, partitions, asked),
        _candidate(settings, partitions, asked, journal),
        _release(settings, partitions, asked, journal),
    ]
    checks = _judgement(settings, offered_entities(sources), partitions, asked, journal)
    everything = dg.AssetSelection.all()
    quarterly = dg.define_asset_job("quarterly_release", selection=everything)
    rehearsal = dg.define_asset_job(
        REHEARSAL,
        selection=everything - dg.AssetSelection.assets(*[address("released", t) for t in RELEASED_TABLES]),
        description="Computes and judges, releases nothing.",
    )
    definitions = dg.Definitions(
        assets=assets,
        asset_checks=[checks],
        jobs=[quarterly, rehearsal],
        schedules=[_quarterly_schedule(settings, quarterly), _daily_schedule(settings, rehearsal)],
        sensors=alert_sensors(settings, rehearsal=REHEARSAL),
        # Every multiprocess step imports everything again, 4-5 s each; one writer leaves nothing to run side by side.
        executor=dg.in_process_executor,
    )
    return Graph(settings, partitions, definitions, journal)


def _check_accepted(asked: Options, sources: list[Instance]) -> None:
    """Names in `--accept-shrunk` must be tables of configured sources: a typing error would be taken for consent."""
    known = {f"{source.name}.{table.name}" for source in sources for table in source.connector.tables}
    unknown = sorted(asked.accept_shrunk - known)
    if unknown:
        raise ConfigError(
            f"--accept-shrunk {unknown[0]}: no such table; nothing was run",
            next_step=f"one of: {', '.join(sorted(known))}",
        )
    live = {source.name for source in sources if source.is_live}
    strange = sorted(asked.full - live)
    if strange:
        raise ConfigError(
            f"--full {strange[0]}: no source that is read over an API; nothing was run",
            next_step=f"one of: {', '.join(sorted(live))}" if live else "files are read whole every time",
        )


def _by_connector(sources: list[Instance]) -> list[tuple[str, list[Instance]]]:
    grouped: dict[str, list[Instance]] = {}
    for instance in sources:
        grouped.setdefault(instance.connector.name, []).append(instance)
    return sorted(grouped.items())


def _extraction(
    settings: Settings, connector: str, group: list[Instance], asked: Options, journal: Journal
) -> dg.AssetsDefinition:
    tables = [table.name for table in group[0].connector.tables]

    @dg.multi_asset(
        name=f"extract_{connector}",
        specs=[
            dg.AssetSpec(
                address(f"raw_{connector}", table),
                group_name="extract",
                description=f"The {connector} table {table} as the lake holds it; text, append-only.",
                kinds={"dlt", "parquet"},
            )
            for table in [*tables, lake.REJECTED_TABLE]
        ],
        pool=WRITER_POOL,
    )
    def extraction(context: AssetExecutionContext) -> Iterator[Any]:
        with told("extract", settings, context.run, asked), writer(Places.of(settings)):
            provide_sample(settings)
            landed, unread = extract_group(settings, group, accept_shrunk=asked.accept_shrunk, full=asked.full)
        so_far = journal.of(context.run.run_id)
        so_far.landed += landed
        so_far.unread += unread
        for table in tables:
            of_table = [one for one in landed if one.table == table]
            yield dg.MaterializeResult(
                asset_key=address(f"raw_{connector}", table),
                metadata={
                    "dagster/row_count": sum(one.rows for one in of_table),
                    "seconds": round(sum(one.seconds for one in of_table), 3),
                    "load_ids": ", ".join(f"{one.source}: {one.load_id}" for one in of_table),
                    "is_new": any(one.is_new for one in of_table),
                },
            )
        yield dg.MaterializeResult(
            asset_key=address(f"raw_{connector}", lake.REJECTED_TABLE),
            metadata={"dagster/row_count": sum(one.rejected_lines for one in landed)},
        )

    return extraction


def _definition(
    settings: Settings,
    sources: list[Instance],
    partitions: dg.TimeWindowPartitionsDefinition,
    asked: Options,
    journal: Journal,
) -> dg.AssetsDefinition:
    raw = [
        address(f"raw_{name}", table)
        for name, group in _by_connector(sources)
        for table in [*(t.name for t in group[0].connector.tables), lake.REJECTED_TABLE]
    ]
    keys = [("policy", t) for t in POLICY_TABLES] + [("deployment", t) for t in DEPLOYMENT_TABLES]

    @dg.multi_asset(
        name="define",
        specs=[
            dg.AssetSpec(
                address(schema, table),
                deps=raw,
                group_name="define",
                description="The policies as rows." if schema == "policy" else "The deployment and the run as rows.",
                kinds={"yaml", "duckdb"},
            )
            for schema, table in keys
        ]
        + [
            dg.AssetSpec(
                address("released", table),
                deps=raw,
                group_name="define",
                description=description,
                kinds={"parquet", "duckdb"},
            )
            for table, description in _ON_RECORD.items()
        ],
        partitions_def=partitions,
        backfill_policy=QUARTER_BY_QUARTER,
        pool=WRITER_POOL,
    )
    def definition(context: AssetExecutionContext) -> Iterator[Any]:
        with told("define", settings, context.run, asked), writer(Places.of(settings)):
            run = run_of(settings, context.partition_key, asked)
            journal.of(context.run.run_id).run = run
            _tell_moment(run, lay_inputs(run))
            rows = row_counts(run.places)
        for schema, table in [*keys, *(("released", name) for name in _ON_RECORD)]:
            yield dg.MaterializeResult(
                asset_key=address(schema, table), metadata={"dagster/row_count": rows.get((schema, table), 0)}
            )

    return definition


def _shaping(
    settings: Settings, manifest: Path, partitions: dg.TimeWindowPartitionsDefinition, asked: Options
) -> dg.AssetsDefinition:
    translator = Addresses()

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=translator,
        partitions_def=partitions,
        backfill_policy=QUARTER_BY_QUARTER,
        name="shape",
        pool=WRITER_POOL,
    )
    def shaping(context: AssetExecutionContext) -> Iterator[Any]:
        with told("shape", settings, context.run, asked), writer(Places.of(settings)):
            run = run_of(settings, context.partition_key, asked)
            nodes = build(run)
            rows = row_counts(run.places)
        for node in nodes:
            if node.resource_type in ("model", "seed"):
                count = rows.get((node.schema, node.table))
                yield dg.MaterializeResult(
                    asset_key=address(node.schema, node.table),
                    metadata={
                        "seconds": round(node.seconds, 3),
                        **({"dagster/row_count": count} if count is not None else {}),
                    },
                )

    return shaping


def _candidate(
    settings: Settings, partitions: dg.TimeWindowPartitionsDefinition, asked: Options, journal: Journal
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="candidate",
        specs=[
            dg.AssetSpec(
                address("candidate", table),
                deps=[address("marts", table)],
                group_name=step_of("candidate"),
                description=f"{table} as it would be released; waits for its verdict.",
                kinds={"duckdb", "parquet"},
            )
            for table in RELEASED_TABLES
        ],
        partitions_def=partitions,
        backfill_policy=QUARTER_BY_QUARTER,
        pool=WRITER_POOL,
    )
    def candidate(context: AssetExecutionContext) -> Iterator[Any]:
        with told("candidate", settings, context.run, asked), writer(Places.of(settings)):
            run = run_of(settings, context.partition_key, asked)
            made = build_candidate(run.places, policy_hash=run.active.content_hash)
        journal.of(context.run.run_id).candidate = made
        for table, facts in made.tables.items():
            yield dg.MaterializeResult(
                asset_key=address("candidate", table),
                metadata={
                    "dagster/row_count": facts["rows"],
                    "candidate": made.release,
                    "content_hash": facts["content_hash"],
                },
            )

    return candidate


def _judgement(
    settings: Settings,
    entities: list[str],
    partitions: dg.TimeWindowPartitionsDefinition,
    asked: Options,
    journal: Journal,
) -> dg.AssetChecksDefinition:
    suites = [(suite, _judged_asset(suite, entities)) for suite in for_entities(read_suites(), entities)]
    candidates = [address("candidate", table) for table in RELEASED_TABLES]

    @dg.multi_asset_check(
        name="judge",
        specs=[
            dg.AssetCheckSpec(
                name=_check_name(suite, asset, rule.name),
                asset=asset,
                additional_deps=[key for key in candidates if key != asset],
                description=rule.says,
                # Only checks of a candidate may block: conformed tables lie above it, so that would be a circle. The
                # release step refuses for any of them.
                blocking=rule.severity == "critical" and suite.place == "candidate",
            )
            for suite, asset in suites
            for rule in suite.expectations
        ],
        pool=WRITER_POOL,
    )
    def judgement(context: AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with told("judge", settings, context.op_execution_context.run, asked), writer(Places.of(settings)):
            so_far = journal.of(context.op_execution_context.run.run_id)
            run = so_far.run or run_of(settings, _partition_of(settings, context), asked)
            judged = judge_candidate(run, so_far.candidate or read_candidate(run.places))
            is_overruled = is_approved(run.places, judged.candidate, judged.verdict)
            set_aside = _counts_set_aside(run.places)
        so_far.judged = judged
        results = {(result.suite, result.expectation): result for result in judged.verdict.results}
        # Where the gate could not ask, no rule has an answer and one result says why.
        trouble = next((result.sentence() for result in judged.verdict.results if result.raised), "it was not asked")
        for suite, asset in suites:
            for rule in suite.expectations:
                result = results.get((suite.suite, rule.name))
                if result is None:
                    yield dg.AssetCheckResult(
                        asset_key=asset,
                        check_name=_check_name(suite, asset, rule.name),
                        passed=False,
                        severity=dg.AssetCheckSeverity.ERROR,
                        description=trouble,
                        metadata={"candidate": judged.candidate.release},
                    )
                    continue
                yield dg.AssetCheckResult(
                    asset_key=asset,
                    check_name=_check_name(suite, asset, rule.name),
                    passed=result.success,
                    # What a person overruled when this very release went out must not block finding it out already.
                    severity=(
                        dg.AssetCheckSeverity.ERROR
                        if (result.raised or result.severity == "critical") and not is_overruled
                        else dg.AssetCheckSeverity.WARN
                    ),
                    description=result.sentence() if not result.success else None,
                    metadata={
                        "observed": result.observed,
                        "candidate": judged.candidate.release,
                        **({"partners_touched": result.partner_count} if result.partner_count else {}),
                        **({"partners_at_risk": result.at_risk_count} if result.at_risk_count else {}),
                        **(set_aside if suite.suite == "quarantine" else {}),
                    },
                )

    return judgement


def _counts_set_aside(places: Places) -> dict[str, int]:
    """How many rows are set aside, and by entity, for the checks of the quarantine; nothing where nothing was split."""
    aside = glance(places)
    if aside is None:
        return {}
    by_entity: dict[str, int] = {}
    for share in aside.shares:
        name = f"set_aside_{share.entity}"
        by_entity[name] = by_entity.get(name, 0) + share.count
    return {"rows": aside.rows, "set_aside": aside.count, **by_entity}


def _judged_asset(suite: Suite, entities: list[str]) -> dg.AssetKey:
    if suite.place in ("candidate", "conformed"):
        return address(suite.place, suite.table)
    schema, _, table = suite.table.rpartition(".")
    if schema:
        return address(schema, table)
    # A suite over a whole schema; Dagster hangs a check on one asset, so it stands at the first entity's.
    return address(suite.table, f"{entities[0]}_set_aside" if suite.table == "quarantine" else entities[0])


def _check_name(suite: Suite, asset: dg.AssetKey, rule: str) -> str:
    """The rule's name; with the suite's where the suite is not the asset's own."""
    return rule if asset.path[-1] == suite.suite else f"{suite.suite}__{rule}"


def _partition_of(settings: Settings, context: Any) -> str:
    """The partition an execution of checks alone is for; without one, the quarter a run would be for now."""
    found: str | None = context.op_execution_context.run.tags.get("dagster/partition")
    return found or settings.quarter().first_day.isoformat()


def _release(
    settings: Settings, partitions: dg.TimeWindowPartitionsDefinition, asked: Options, journal: Journal
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="release",
        specs=[
            dg.AssetSpec(
                address("released", table),
                deps=[address("candidate", name) for name in RELEASED_TABLES],
                group_name=step_of("released"),
                description=f"{table} as analysts read it.",
                kinds={"duckdb", "parquet"},
            )
            for table in RELEASED_TABLES
        ],
        partitions_def=partitions,
        backfill_policy=QUARTER_BY_QUARTER,
        pool=WRITER_POOL,
    )
    def releasing(context: AssetExecutionContext) -> Iterator[Any]:
        with told("release", settings, context.run, asked), writer(Places.of(settings)):
            run = run_of(settings, context.partition_key, asked)
            so_far = journal.of(context.run.run_id)
            candidate = so_far.candidate or read_candidate(run.places)
            # Whoever selects this step alone meets the gate all the same.
            judged = so_far.judged or judged_for(run, candidate)
            so_far.judged = judged
            refuse_unless_good(run, judged)
            released = release_judged(run, judged, run_name=context.run.run_id)
        so_far.released = released
        for table, facts in candidate.tables.items():
            yield dg.MaterializeResult(
                asset_key=address("released", table),
                metadata={
                    "dagster/row_count": facts["rows"],
                    "release": released.release,
                    "is_new": released.is_new,
                    "sha256": facts["sha256"],
                },
            )

    return releasing


def run_of(settings: Settings, partition: str, asked: Options) -> Run:
    """The run a partition stands for, with what it may know."""
    quarter = settings.calendar.quarter_of(datetime.fromisoformat(partition).date())
    return plan(settings, quarter=quarter.label, known_at=asked.known_at or settings.known_for(quarter))


def _tell_moment(run: Run, used: list[lake.Load]) -> None:
    """Say which quarter begins and what it knows."""

    def words(moment: datetime) -> str:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    newest = max((load.known_at for load in used), default=None)
    emit(
        "quarter_begun",
        f"{run.quarter.label} from "
        + (f"what was known by {words(run.known_at)}" if run.known_at else "all there is")
        + (f", the newest of {words(newest)}" if newest else ", which is nothing"),
        quarter=run.quarter.label,
        known_at=run.known_at,
        newest=newest,
    )


@contextmanager
def told(step: str, settings: Settings, run: dg.DagsterRun, asked: Options) -> Iterator[None]:
    """Keep what a step says for the alerts, with a structured event for a step that fails; the failure goes on."""
    is_look_back = asked.known_at is not None
    with (
        overheard(settings, run.run_id, is_rehearsal=run.job_name == REHEARSAL, is_look_back=is_look_back),
        _failure_told(step, settings),
    ):
        yield


@contextmanager
def _failure_told(step: str, settings: Settings) -> Iterator[None]:
    try:
        with stopping():  # who stops a run at the keyboard is told of no failure
            yield
    except SegmentsError as problem:
        emit(
            "run_failed",
            problem.message,
            level=logging.ERROR,
            step=step,
            deployment=settings.deployment,
            kind=problem.title,
            exit_code=problem.exit_code,
            next_step=problem.next_step,
            **problem.about,
        )
        raise
    except Exception as problem:
        emit(
            "run_failed",
            f"{type(problem).__name__}: {problem}",
            level=logging.ERROR,
            step=step,
            deployment=settings.deployment,
            kind="defect",
            exit_code=1,
        )
        raise


def _quarterly_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    months = sorted((settings.fiscal_calendar.first_month - 1 + 3 * n) % 12 + 1 for n in range(4))
    when = settings.schedule.release

    @dg.schedule(
        job=job,
        name="quarterly_release_schedule",
        cron_schedule=f"0 {when.hour} {when.day} {','.join(map(str, months))} *",
        execution_timezone=settings.timezone,
        description="Releases the quarter that has just ended.",
    )
    def quarterly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _request(settings, context.scheduled_execution_time)

    return quarterly


def _daily_schedule(settings: Settings, job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=job,
        name="daily_rehearsal_schedule",
        cron_schedule=f"0 {settings.schedule.daily.hour} * * *",
        execution_timezone=settings.timezone,
        description="Computes and judges the last ended quarter, releases nothing.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _request(settings, context.scheduled_execution_time)

    return daily


def _request(settings: Settings, moment: datetime) -> dg.RunRequest:
    quarter = settings.calendar.last_ended(moment.date())
    return dg.RunRequest(run_key=moment.isoformat(), partition_key=quarter.first_day.isoformat())

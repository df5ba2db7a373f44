"""The drill: breaks the sample company's exports one way at a time and asks whether it would have been noticed.

A base is made once, in a folder of its own: the release of the quarter before, and a clean run of the newest quarter.
Each mutation (`demo/mutations/`) then breaks the newest export of one source. Only that source is read again, what
rests on it is built by `pipelines/compiled.py`, and the gate judges the candidate as in any run. Nothing here is
softer or sharper than a run; what counts as noticed is said at `Outcome`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import multiprocessing.util
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import duckdb

from data_quality.gate import judge, warm_up
from data_quality.releasing import Judged, judge_candidate, offered_entities, parameters_of, release_judged
from data_quality.suite import Suite, read_suites
from data_quality.verdict import Result
from demo.mutations import MUTATIONS, Mutation
from demo.sample_company import write_sample_company
from pipelines.compiled import Node, Project, compiled, project_hash, rebuild
from pipelines.connector import Instance, instances
from pipelines.errors import BuildError, ConfigError, GateRefused, SegmentsError
from pipelines.events import LOGGER, fields_of
from pipelines.extract import extract_group
from pipelines.fiscal import Quarter
from pipelines.lake import REJECTED_TABLE, loads, reads_file
from pipelines.release import Candidate, build_candidate, read_candidate, reader
from pipelines.settings import Paths, Settings, read_settings
from pipelines.shape import Run, lay_inputs, plan
from pipelines.warehouse import CONFORMED, DEPLOYMENT, POLICY, QUARANTINE, RAW_PREFIX, Places, connect, literal, quoted

# Of the rows that a mutation touched, so many must have been set aside for the quarantine alone to count as noticing.
SET_ASIDE_SHARE = 0.5
# It fails for one row of ten thousand as for all of them; how many were set aside is asked by their share.
_ANY_SET_ASIDE = "quarantine.nothing_was_set_aside"
# Events at extraction that somebody is told of, although the run goes on.
_TOLD_EVENTS = ("table_missing", "source_unread")
_BEFORE, _CLEAN, _FACTS = "before", "clean", "base.json"
# What a run lays before anything is built; a change of it means building again as well.
_LAID_SCHEMAS = (DEPLOYMENT, POLICY, "released")

# A suite that names one of these asks of something that is counted from the inputs.
_COUNTED = re.compile(r"\b(candidate|marts|metrics|scoring|ladders|identity)\.|\"place\":\"candidate\"")

Stage = Literal["extraction", "build", "gate", "quarantine", ""]


@dataclass(frozen=True)
class Outcome:
    """What came of one mutation.

    `detected`: the source was refused with a message; or somebody was told that a table is missing; or the tables could
    not be built; or the gate refused the candidate or failed an expectation of severity warning or higher that the
    clean run does not fail; or at least half of the touched rows were set aside with a reason. `harmless`: none of
    these, and every table that would be released is what it is in the clean run. Else `missed`.
    """

    mutation: str
    source: str
    table: str
    is_critical: bool
    result: Literal["detected", "harmless", "missed"]
    stage: Stage = ""
    """What noticed it."""
    is_refused: bool = False
    """Nothing would have been released."""
    names_source: bool = False
    names_table: bool = False
    says: str = ""
    """The message of those there are that names most."""
    findings: tuple[str, ...] = ()
    """What failed at the gate and does not fail in the clean run, as suite.expectation."""
    touched: int = 0
    is_identical: bool | None = None
    """Whether what would be released is what the clean run gives; None where it did not come that far."""
    keeps_release: bool = True
    """The release before is readable and as it was."""
    seconds: float = 0.0

    @property
    def place(self) -> str:
        """What was broken."""
        return f"{self.source}.{self.table}" if self.table else self.source

    @property
    def is_named_rightly(self) -> bool:
        """Whether the message names the source, and the table where one table was broken."""
        return self.names_source and (self.names_table or not self.table)


@dataclass(frozen=True)
class Drill:
    """All outcomes."""

    outcomes: tuple[Outcome, ...]
    seconds: float

    def count(self, result: str) -> int:
        """How many came to that."""
        return sum(outcome.result == result for outcome in self.outcomes)

    @property
    def missed_critical(self) -> list[str]:
        """Mutations that would change decisions and that nobody would notice."""
        return [x.mutation for x in self.outcomes if x.result == "missed" and x.is_critical]

    @property
    def lost_release(self) -> list[str]:
        """Mutations after which the release before was not what it had been; there must be none."""
        return [x.mutation for x in self.outcomes if not x.keeps_release]

    def summary(self) -> str:
        """The last line."""
        counts = ", ".join(f"{self.count(result)} {result}" for result in ("detected", "harmless", "missed"))
        return f"{len(self.outcomes)} mutations, {counts}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-friendly."""
        return {
            "summary": self.summary(),
            "seconds": round(self.seconds, 1),
            "missed_critical": self.missed_critical,
            "lost_release": self.lost_release,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }


@dataclass(frozen=True)
class CleanRun:
    """A run on an unbroken sample of another seed: what was judged, and what failed that the reference passes."""

    seed: int
    judged: int
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class Base:
    """What every mutation starts from, in one folder."""

    config: Path
    folder: Path
    seed: int
    stamp: str
    failures: dict[str, list[str]] = field(compare=False)
    """By quarter: what fails without anything being broken, as suite.expectation."""
    judged: dict[str, int] = field(compare=False)
    tables: dict[str, str] = field(compare=False)
    """Content hash of every table that the clean run would release."""
    set_aside: dict[str, int] = field(compare=False)
    release_digest: str = ""

    @property
    def inputs(self) -> Path:
        """The unbroken exports."""
        return self.folder / "inputs"

    def state(self, which: str) -> Path:
        """State folder of the release before, or of the clean run."""
        return self.folder / which / "state"

    def settings(self, inputs: Path, state: Path) -> Settings:
        """The deployment with folders of the drill."""
        return _settings(self.config, inputs, state)


def choose(names: Collection[str] | None = None) -> tuple[Mutation, ...]:
    """The mutations of these names, in the usual order; default: all.

    Raises:
        ConfigError: there is none of that name.
    """
    if not names:
        return MUTATIONS
    if unknown := sorted(set(names) - {mutation.name for mutation in MUTATIONS}):
        raise ConfigError(f"there is no mutation {unknown[0]!r}", next_step="`segments quality drill --list`")
    return tuple(mutation for mutation in MUTATIONS if mutation.name in names)


def run_drill(
    config: Path,
    folder: Path,
    mutations: Sequence[Mutation] = MUTATIONS,
    *,
    seed: int | None = None,
    workers: int = 2,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Drill:
    """Try the mutations, several at a time, each in a scratch copy inside `folder`; a base that fits is used again.

    Args:
        config: the sample company's deployment file; its own folders are not touched.
        folder: where base and scratch copies lie.
        mutations: what to try.
        seed: of the sample; default: the deployment's.
        workers: processes.
        on_outcome: told each outcome as it comes.

    Raises:
        ConfigError: the deployment is not that of the sample company.
        BuildError: the unbroken sample does not come through, so nothing can be compared with it.
    """
    started = time.perf_counter()
    base = prepare(config, folder, seed=seed)
    found: dict[str, Outcome] = {}
    with _pool(workers, len(mutations)) as pool:
        tries = [pool.submit(try_mutation, base, mutation.name) for mutation in mutations]
        for done in as_completed(tries):
            outcome = done.result()
            found[outcome.mutation] = outcome
            on_outcome(outcome)
    return Drill(tuple(found[mutation.name] for mutation in mutations), time.perf_counter() - started)


def run_clean(
    config: Path,
    folder: Path,
    seeds: Sequence[int],
    *,
    workers: int = 2,
    on_run: Callable[[CleanRun], None] = lambda run: None,
) -> list[CleanRun]:
    """Run unbroken samples of other seeds through both quarters and note what fails that the reference does not fail.

    Raises:
        ConfigError, BuildError: as `run_drill`.
    """
    base = prepare(config, folder)
    found: dict[int, CleanRun] = {}
    with _pool(workers, len(seeds)) as pool:
        for done in as_completed([pool.submit(try_clean, base, seed) for seed in seeds]):
            run = done.result()
            found[run.seed] = run
            on_run(run)
    return [found[seed] for seed in seeds]


@contextmanager
def _pool(workers: int, tasks: int) -> Iterator[ProcessPoolExecutor]:
    # Fresh processes: DuckDB's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(workers, tasks)), mp_context=context, initializer=_begin_worker) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_worker() -> None:
    warm_up()
    # The last of what a worker does at its end. DuckDB 2.0's binding prints fifty lines about leaked objects else.
    multiprocessing.util.Finalize(None, os._exit, args=(0,), exitpriority=-100)


# --- the base -------------------------------------------------------------------------------------------------------


def prepare(config: Path, folder: Path, *, seed: int | None = None) -> Base:
    """Make the base in `folder`, or read the one that is there and fits.

    Raises:
        ConfigError: the deployment is not that of the sample company.
        BuildError: the unbroken sample is refused.
    """
    settings = read_settings(config)
    if settings.sample is None or settings.sample.shape != "templates":
        raise ConfigError(
            f"{config}: the drill breaks the exports of the sample company, which this deployment does not use",
            next_step="point --config at the sample company's deployment file (it has `sample:` in it)",
        )
    sample = settings.sample if seed is None else settings.sample.model_copy(update={"seed": seed})
    stamp = project_hash(settings.model_dump_json(), sample.seed, _own_code())
    file = folder / _FACTS
    if file.exists():
        held = json.loads(file.read_text(encoding="utf-8"))
        if held["stamp"] == stamp:
            return Base(config.resolve(), folder.resolve(), sample.seed, **{k: held[k] for k in _HELD})
    for name in ("inputs", _BEFORE, _CLEAN):
        _remove(folder / name)
    folder.mkdir(parents=True, exist_ok=True)
    base = Base(config.resolve(), folder.resolve(), sample.seed, stamp, {}, {}, {}, {})
    with _listening():
        write_sample_company(base.inputs, seed=sample.seed, partners=sample.partners)
        base = _made(base)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({key: getattr(base, key) for key in _HELD}, indent=1), encoding="utf-8")
    partial.replace(file)
    return base


_HELD = ("stamp", "failures", "judged", "tables", "set_aside", "release_digest")


def _own_code() -> str:
    """The Python that a base depends on."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for part in ("pipelines", "data_quality", "demo"):
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _made(base: Base) -> Base:
    """Release the quarter before from the earlier exports, then run the newest quarter up to its verdict."""
    sources = [x.name for x in instances(base.settings(base.inputs, base.state(_BEFORE)))]
    earlier = base.folder / _BEFORE / "inputs"
    for source in sources:
        (earlier / source).mkdir(parents=True)
        for drop in sorted((base.inputs / source).iterdir())[:-1]:
            (earlier / source / drop.name).symlink_to(drop)
    settings = base.settings(earlier, base.state(_BEFORE))
    quarter = settings.calendar.shift(settings.quarter(), -1)
    run, judged = _whole(settings, quarter)
    release_judged(run, judged, run_name="drill")
    failures = {quarter.label: _failed(judged)}
    counts = {quarter.label: len(judged.verdict.results)}

    clean = base.state(_CLEAN)
    clean.mkdir(parents=True)
    shutil.copytree(base.state(_BEFORE) / "lake", clean / "lake")
    shutil.copytree(base.state(_BEFORE) / "dbt", clean / "dbt")
    (clean / "released").symlink_to(base.state(_BEFORE) / "released")
    _extract_table_by_table(base, clean)
    settings = base.settings(base.inputs, clean)
    run, judged = _whole(settings, settings.quarter())
    if not judged.verdict.is_released:
        raise BuildError(
            "the unbroken sample is refused, so nothing can be compared with it:\n  "
            + "\n  ".join(judged.verdict.sentences()[1:])
        )
    failures[run.quarter.label] = _failed(judged)
    counts[run.quarter.label] = len(judged.verdict.results)
    return replace(
        base,
        failures=failures,
        judged=counts,
        tables=_hashes(judged.candidate),
        set_aside=_set_aside(run.places.warehouse),
        release_digest=_digest(base.state(_BEFORE) / "released"),
    )


def _extract_table_by_table(base: Base, state: Path) -> None:
    """Land the newest exports as one load per table, so that a mutation can take back that of its own table alone."""
    inputs = state.parent / "inputs"
    settings = base.settings(inputs, state)
    for source in instances(settings):
        drops = sorted((base.inputs / source.name).iterdir())
        newest = inputs / source.name / drops[-1].name
        newest.mkdir(parents=True)
        for drop in drops[:-1]:
            newest.with_name(drop.name).symlink_to(drop)
        for file in sorted(drops[-1].iterdir()):
            (newest / file.name).symlink_to(file)
            extract_group(settings, [source])


def _whole(settings: Settings, quarter: Quarter) -> tuple[Run, Judged]:
    """One run without dbt: extract everything, build everything, judge."""
    is_newest = quarter == settings.quarter()
    run = plan(settings, quarter=quarter.label, known_at=None if is_newest else settings.release_moment(quarter))
    extract_group(settings, run.sources)
    lay_inputs(run)
    rebuild(run.places.warehouse, compiled(run).nodes)
    candidate = build_candidate(run.places, policy_hash=run.active.content_hash)
    return run, judge_candidate(run, candidate, in_partners=False)


def try_clean(base: Base, seed: int) -> CleanRun:
    """An unbroken sample of another seed, both quarters."""
    folder = base.folder / f"seed_{seed}"
    _remove(folder)
    # The compiled project is the same; it need not be compiled again.
    (folder / _BEFORE / "state").mkdir(parents=True)
    shutil.copytree(base.state(_CLEAN) / "dbt", folder / _BEFORE / "state" / "dbt")
    other = replace(base, folder=folder, seed=seed)
    sample = read_settings(base.config).sample
    assert sample is not None
    alarms: list[str] = []
    judged = 0
    try:
        with _listening():
            write_sample_company(other.inputs, seed=seed, partners=sample.partners)
            other = _made(other)
        judged = sum(other.judged.values())
        for quarter, failed in other.failures.items():
            alarms += [f"{quarter}: {name}" for name in failed if name not in base.failures.get(quarter, [])]
    except SegmentsError as problem:
        judged, alarms = sum(base.judged.values()), [f"{problem.title}: {problem.message}"]
    _remove(folder)
    return CleanRun(seed, judged, tuple(alarms))


# --- one mutation ---------------------------------------------------------------------------------------------------


def try_mutation(base: Base, name: str) -> Outcome:
    """Break one export in a scratch copy and see who notices."""
    started = time.perf_counter()
    (mutation,) = choose([name])
    folder = base.folder / "tries" / name
    _remove(folder)
    outcome = Outcome(mutation.name, mutation.source, mutation.table, mutation.is_critical, "missed")
    try:
        with _listening() as told:
            outcome = _tried(base, mutation, folder, outcome, told)
    except Exception as defect:  # noqa: BLE001 - a crash is no alarm: it is the drill's to tell, not to hide
        outcome = replace(outcome, says=f"defect: {type(defect).__name__}: {' '.join(str(defect).split())[:300]}")
    kept = _is_readable(base) and _digest(base.state(_BEFORE) / "released") == base.release_digest
    _remove(folder)
    return replace(outcome, keeps_release=kept, seconds=round(time.perf_counter() - started, 2))


def _tried(base: Base, mutation: Mutation, folder: Path, outcome: Outcome, told: list[logging.LogRecord]) -> Outcome:
    outcome = replace(outcome, touched=_break(base, mutation, folder / "inputs"))
    settings = base.settings(folder / "inputs", _state(base, mutation, folder / "state"))
    (source,) = (x for x in instances(settings) if x.name == mutation.source)

    def noticed(stage: Stage, messages: Sequence[str], *, is_refused: bool) -> Outcome:
        return _best(replace(outcome, result="detected", stage=stage, is_refused=is_refused), mutation, messages)

    try:
        extract_group(settings, [source])
    except SegmentsError as problem:
        return noticed("extraction", [problem.message], is_refused=True)
    run = plan(settings)
    known = base.failures[run.quarter.label]

    def new_in(results: Iterable[Result]) -> list[Result]:
        """What the gate says that it does not say of the clean run."""
        return [x for x in results if _counts(x) and _name(x) not in known and _name(x) != _ANY_SET_ASIDE]

    def noticed_by(failed: list[Result], *, is_refused: bool) -> Outcome:
        found = noticed("gate", [" ".join([x.sentence(), *x.sample]) for x in failed], is_refused=is_refused)
        return replace(found, findings=tuple(_name(x) for x in failed))

    try:
        lay_inputs(run)
        first, rest = _in_two(_project(base).downstream(_changed(base, run, source)))
        rebuild(run.places.warehouse, first)
        results = _judge_inputs(base, run)
        if failed := new_in(results):
            return noticed_by(failed, is_refused=any(x.refuses for x in results))
        rebuild(run.places.warehouse, rest)
    except BuildError as problem:
        return noticed("build", [problem.message], is_refused=True)
    candidate = build_candidate(run.places, policy_hash=run.active.content_hash)
    judged = judge_candidate(run, candidate, in_partners=False)
    if not judged.verdict.is_released:
        try:
            release_judged(run, judged, run_name="drill")
        except GateRefused:
            pass
        else:
            raise AssertionError("a refused candidate was released")
    outcome = replace(outcome, is_identical=_hashes(candidate) == base.tables)
    if failed := new_in(judged.verdict.failures()):
        return noticed_by(failed, is_refused=not judged.verdict.is_released)
    more = _more_set_aside(base, run)
    if sum(more.values()) >= max(1, SET_ASIDE_SHARE * outcome.touched):
        listed = [f"{key}: {count:,} rows set aside" for key, count in more.items()]
        return noticed("quarantine", ["; ".join(listed)], is_refused=False)
    warned = [x.getMessage() for x in told if fields_of(x)[0] in _TOLD_EVENTS]
    if warned:
        return noticed("extraction", warned, is_refused=False)
    if outcome.is_identical:
        return replace(outcome, result="harmless")
    return replace(outcome, says=_difference(base, candidate))


def _break(base: Base, mutation: Mutation, inputs: Path) -> int:
    """Lay the source's exports into a folder, the newest broken; returns how many rows were touched."""
    drops = sorted((base.inputs / mutation.source).iterdir())
    target = inputs / mutation.source
    target.mkdir(parents=True)
    for drop in drops[:-1]:
        (target / drop.name).symlink_to(drop)
    shutil.copytree(drops[-1], target / drops[-1].name)
    touched = mutation.apply(target / drops[-1].name)
    if not touched:
        raise AssertionError("the mutation touched nothing")
    return touched


def _state(base: Base, mutation: Mutation, state: Path) -> Path:
    """A state in which all is read but what the mutation breaks, which is as after the release before."""
    (state / "lake").mkdir(parents=True)
    for source in sorted(base.state(_CLEAN).joinpath("lake").iterdir()):
        if source.name == mutation.source:
            shutil.copytree(source, state / "lake" / source.name)
        else:
            (state / "lake" / source.name).symlink_to(source)
    earlier = {x.load_id for x in loads(base.state(_BEFORE) / "lake", mutation.source)}
    newer = {
        x.load_id
        for x in loads(state / "lake", mutation.source)
        if x.load_id not in earlier and mutation.table in ("", x.table)
    }
    for mark in (state / "lake" / mutation.source / "_dlt_loads").glob("*.jsonl"):
        # A load without its mark was never completed, and counts nowhere.
        if newer & {json.loads(line)["load_id"] for line in mark.read_text(encoding="utf-8").splitlines()}:
            mark.unlink()
    # Nor was the broken drop ever read whole; what it holds is put down when it is read.
    reads_file(state / "lake", mutation.source).unlink(missing_ok=True)
    noted = reads_file(base.state(_BEFORE) / "lake", mutation.source)
    if noted.exists():
        shutil.copyfile(noted, reads_file(state / "lake", mutation.source))
    (state / "released").symlink_to(base.state(_BEFORE) / "released")
    shutil.copyfile(base.state(_CLEAN) / "warehouse.duckdb", Places(state).warehouse)
    return state


@cache
def _input_suites() -> tuple[Suite, ...]:
    """Suites that ask of nothing but what was read: they can be asked before anything is counted from it."""
    return tuple(suite for suite in read_suites() if not _COUNTED.search(suite.model_dump_json()))


def _in_two(nodes: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """What the input suites read, and the rest; both in order."""
    needed: set[tuple[str, str]] = set()
    for node in reversed(nodes):
        if node.schema in (CONFORMED, QUARANTINE) or node.address in needed:
            needed |= {node.address, *node.depends_on}
    return [x for x in nodes if x.address in needed], [x for x in nodes if x.address not in needed]


def _judge_inputs(base: Base, run: Run) -> list[Result]:
    """The input suites on what was read. What fails here fails in the whole verdict too, and costs a fraction of it."""
    candidate = read_candidate(Places(base.state(_CLEAN)))
    with connect(run.places.warehouse, read_only=True) as con:
        (known_at,) = con.execute("select cast(known_at as varchar) from deployment.run_context").fetchall()[0]
    verdict = judge(
        warehouse=run.places.warehouse,
        candidate=candidate.folder,
        parameters=parameters_of(run, replace(candidate, known_at=known_at)),
        entities=offered_entities(run.sources),
        candidate_hash=candidate.hash,
        suites=_input_suites(),
    )
    # That a released table has no suite says nothing here, where its suite is not asked.
    asked = {suite.suite for suite in _input_suites()}
    return [result for result in verdict.results if result.suite in asked]


@cache
def _project(base: Base) -> Project:
    """The compiled project, read once per process."""
    return compiled(plan(base.settings(base.inputs, base.state(_CLEAN))))


def _changed(base: Base, run: Run, source: Instance) -> set[tuple[str, str]]:
    """Tables that are not what they were in the clean run: of the source, and of what a run lays."""
    there = {(x.table, x.load_id, x.rejected_lines) for x in loads(base.state(_CLEAN) / "lake", source.name)}
    now = {(x.table, x.load_id, x.rejected_lines) for x in loads(run.places.lake, source.name)}
    tables = {table for table, _, _ in there ^ now}
    if any(rejected for _, _, rejected in there ^ now):
        tables.add(REJECTED_TABLE)
    before, after = (_laid(x) for x in (Places(base.state(_CLEAN)).warehouse, run.places.warehouse))
    return {
        *((f"{RAW_PREFIX}{source.connector.name}", table) for table in tables),
        *(address for address in before.keys() | after.keys() if before.get(address) != after.get(address)),
    }


def _laid(warehouse: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Rows and a hash of the content of every table that a run lays before anything is built."""
    found = {}
    with connect(warehouse, read_only=True) as con:
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables() where list_contains(?, schema_name)",
            [list(_LAID_SCHEMAS)],
        ).fetchall():
            rows = con.execute(
                f"select count(*), coalesce(sum(hash(laid)), 0) from {quoted(schema)}.{quoted(table)} as laid"
            ).fetchall()[0]
            found[schema, table] = (int(rows[0]), int(rows[1]))
    return found


def _best(outcome: Outcome, mutation: Mutation, messages: Sequence[str]) -> Outcome:
    """The outcome with the message that names most; one that names the wrong thing alone is told as it is."""

    def names(text: str) -> tuple[bool, bool]:
        return _has_word(text, mutation.source), bool(mutation.table) and _has_word(text, mutation.table)

    text = max(messages, key=lambda message: sum(names(message)))
    names_source, names_table = names(text)
    return replace(outcome, says=" ".join(text.split()), names_source=names_source, names_table=names_table)


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", text) is not None


def _counts(result: Result) -> bool:
    """An info finding is read by nobody in time, so it notices nothing."""
    return not result.success and (result.raised or result.severity in ("critical", "warning"))


def _name(result: Result) -> str:
    return f"{result.suite}.{result.expectation}"


def _failed(judged: Judged) -> list[str]:
    return sorted({_name(result) for result in judged.verdict.failures() if _counts(result)})


def _hashes(candidate: Candidate) -> dict[str, str]:
    return {table: str(facts["content_hash"]) for table, facts in candidate.tables.items()}


def _difference(base: Base, candidate: Candidate) -> str:
    changed = [table for table, content in _hashes(candidate).items() if base.tables.get(table) != content]
    return f"nobody was told; other than in the clean run: {', '.join(changed)}"


def _set_aside(warehouse: Path) -> dict[str, int]:
    """How many rows are in quarantine: `<source>.<entity> <reason>` -> rows."""
    with connect(warehouse, read_only=True) as con:
        views = con.execute(
            "select view_name from duckdb_views() where schema_name = ? order by all", [QUARANTINE]
        ).fetchall()
        parts = " union all ".join(
            f"select source || '.' || {literal(view)} || ' ' || reject_reason as found from {QUARANTINE}.{quoted(view)}"
            for (view,) in views
        )
        return dict(con.execute(f"select found, count(*) from ({parts}) group by found order by found").fetchall())


def _more_set_aside(base: Base, run: Run) -> Mapping[str, int]:
    now = _set_aside(run.places.warehouse)
    return {key: count - base.set_aside.get(key, 0) for key, count in now.items() if count > base.set_aside.get(key, 0)}


# --- places ---------------------------------------------------------------------------------------------------------


def _settings(config: Path, inputs: Path, state: Path) -> Settings:
    settings = read_settings(config)
    paths = Paths(inputs=inputs, state=state, policies=settings.folder("policies"))
    return settings.model_copy(update={"paths": paths})


def _digest(folder: Path) -> str:
    """Hash over every byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_readable(base: Base) -> bool:
    """Whether the release before answers a question."""
    try:
        with reader(Places(base.state(_BEFORE))) as con:
            return bool(con.execute("select count(*) from partner_segments").fetchall()[0][0])
    except (SegmentsError, duckdb.Error):
        return False


def _remove(folder: Path) -> None:
    """Delete a folder, released parts of it too, which are written to nobody."""
    if folder.is_dir():
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """What the rooms say from warning on, kept from everybody else."""
    listener = _Listener()
    handlers, propagate, level = LOGGER.handlers, LOGGER.propagate, LOGGER.level
    LOGGER.handlers, LOGGER.propagate = [listener], False
    LOGGER.setLevel(logging.WARNING)
    try:
        yield listener.records
    finally:
        LOGGER.handlers, LOGGER.propagate = handlers, propagate
        LOGGER.setLevel(level)

"""The gate: runs every suite inside DuckDB on read-only files and decides whether the candidate may be released.

Great Expectations does the asking through `duck_ro`; no table is pulled into Python. What is asked is in `suites/`,
how the decision is kept in `verdict.py`; `releasing.py` asks for a run and acts on the answer. Anything that keeps a
question from being answered (no file, no column, a broken statement, a table without a suite) is a refusal.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy.exc import SQLAlchemyError

from data_quality import duck_ro
from data_quality.masking import without_mail
from data_quality.parameters import as_sql, as_words, complete, in_argument, in_sql, in_words
from data_quality.suite import HOLDS_AT, JUDGED, ROW_COUNT, ROWS, Expectation, Suite, for_entities, read_suites
from data_quality.verdict import Result, Verdict
from pipelines.errors import ConfigError
from pipelines.warehouse import literal, memory

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

DATABASE = "segments.duckdb"
SAMPLE_ROWS = 5
SAMPLE_COLUMNS = 4
SAMPLE_WIDTH = 160
OBSERVED_WIDTH = 400
LEDGERS = "deployment."
"""What a row of such a table says is about a source, or about a table of one."""


def warm_up() -> None:
    """Import Great Expectations beforehand: three seconds that can pass while dbt works in its own process."""
    import great_expectations  # noqa: F401


def judge(
    *,
    warehouse: Path,
    candidate: Path,
    parameters: Mapping[str, Any],
    entities: Collection[str],
    candidate_hash: str,
    suites: Sequence[Suite] | None = None,
) -> Verdict:
    """Judge the candidate folder and the warehouse it was built from; the files are opened read-only.

    `parameters` are those of `parameters.PARAMETERS`, `entities` the conformed entities that the deployment's sources
    offer, `suites` the project's own unless others are given. Nobody in this process may hold the warehouse open for
    writing.
    """
    values = complete(parameters)
    asked = for_entities(read_suites() if suites is None else suites, entities)
    if not asked:
        raise ConfigError("no suites; a gate without rules would let everything pass")
    results: list[Result] = []
    session: _Session | None = None
    try:
        with _quiet():
            session = _Session(warehouse, candidate / DATABASE)
            for suite in asked:
                results += _judge_suite(session, suite, values)
            results += _tables_without_suite(session, candidate, asked)
    except Exception as error:  # noqa: BLE001 - whatever keeps the gate from asking is an answer: no
        results.append(_unanswered("gate", "candidate", "files_can_be_opened", "the gate could not ask", error))
    finally:
        if session is not None:
            session.close()
    return Verdict.of(candidate_hash, {name: as_words(value) for name, value in values.items()}, results)


def failing_places(warehouse: Path, database: Path, failed: Collection[Result]) -> dict[str, list[tuple[str, str]]]:
    """Every source and table (or "") that a failed expectation about loads found, by the expectation's name.

    A sample shows five rows; what is not among them may be as broken. An expectation is left out when nobody can say:
    it could not be evaluated, or its statement fails now.
    """
    asked = [result for result in failed if result.table.startswith(LEDGERS) and not result.raised]
    if not asked:
        return {}
    found = {}
    with memory() as con:
        try:
            con.execute(f"attach {literal(warehouse)} as warehouse (read_only)")
            con.execute(f"attach {literal(database)} as candidate (read_only)")
            con.execute("use warehouse")
        except duckdb.Error:
            return {}
        for result in asked:
            with contextlib.suppress(duckdb.Error):
                found[result.name] = _places_in(con, result.sql)
    return found


def _places_in(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    names = {name for name, *_ in con.execute(f"select * from ({sql}) limit 0").description or ()}
    if "source" not in names:
        return []
    table = "coalesce(table_name, '')" if "table_name" in names else "''"
    rows = con.execute(f"select distinct source, {table} from ({sql}) where source is not null").fetchall()
    return sorted((str(source), str(name)) for source, name in rows)


def _judge_suite(session: _Session, suite: Suite, values: Mapping[str, Any]) -> list[Result]:
    """Every expectation of one suite, each with exactly one result."""
    answers: dict[str, Any] = {}
    trouble: Exception | None = None
    statements: dict[str, str] = {}
    offenders: dict[str, str] = {}
    try:
        parts = {JUDGED: suite.relation}
        if any(f"{{{HOLDS_AT}}}" in (rule.query or "") for rule in suite.expectations):
            parts[HOLDS_AT] = session.row_holds_at(suite.relation)
        arguments = {rule.name: _arguments(rule, values) for rule in suite.expectations}
        for rule in suite.expectations:
            statements[rule.name] = _statement(suite, rule, arguments[rule.name], parts, values)
            if rule.query is not None:
                offenders[rule.name] = session.lay_offenders(statements[rule.name])
                arguments[rule.name] = {"unexpected_rows_query": _untouched(offenders[rule.name])}
        answers = session.ask(suite, arguments, in_sql(suite.select, values))
    except Exception as error:  # noqa: BLE001 - a suite that cannot run refuses
        trouble = error
    results = []
    for rule in suite.expectations:
        answer = answers.get(rule.name)
        if trouble is not None or answer is None:
            found = trouble or RuntimeError("Great Expectations returned no result for it")
            results.append(_unanswered(suite.suite, suite.table, rule.name, "the suite could not run", found, rule))
        else:
            found_by = offenders.get(rule.name, statements[rule.name])
            results.append(_result(session, suite, rule, statements[rule.name], found_by, values, answer))
    session.forget_offenders()
    return results


def _result(
    session: _Session, suite: Suite, rule: Expectation, sql: str, found_by: str, values: Mapping[str, Any], answer: Any
) -> Result:
    """One result; `sql` shows people what was found, `found_by` reads it from where it was laid."""
    common: dict[str, Any] = {
        "suite": suite.suite,
        "table": suite.table,
        "expectation": rule.name,
        "severity": rule.severity,
    }
    message = _raised(answer)
    if message is None and answer.success is None:
        message = "neither true nor false"
    if message is not None:
        says = f"it could not be judged whether this holds: {_without_result_names(rule.says, values)}"
        return Result(**common, success=False, raised=True, observed=message, says=says, sql=sql)
    if answer.success:
        return Result(**common, success=True, says=_without_result_names(rule.says, values))
    count, observed = _observed(rule, answer.result)
    try:
        sample = session.sample(found_by)
    except Exception as error:  # noqa: BLE001 - the failure stands without its sample
        sample = (f"no sample: {_short(error)}",)
    facts = {"observed": observed, "unexpected_count": count, "sample": "; ".join(sample) or "none"}
    return Result(
        **common,
        success=False,
        observed=observed,
        unexpected_count=count,
        sample=sample,
        says=in_words(rule.says, {**values, **facts}),
        sql=sql,
    )


def _tables_without_suite(session: _Session, candidate: Path, suites: list[Suite]) -> list[Result]:
    """A released table nobody has rules for is a refusal: in the database, the candidate's list, or as a file."""
    tables = set(session.candidate_tables())
    tables |= {path.stem for path in candidate.glob("*.parquet")}
    listing = candidate / "candidate.json"
    if listing.exists():
        tables |= set(json.loads(listing.read_text(encoding="utf-8")).get("tables", {}))
    judged = {suite.table for suite in suites if suite.place == "candidate"}
    return [
        Result(
            suite="gate",
            table=table,
            expectation="table_has_a_suite",
            severity="critical",
            success=table in judged,
            says="every table that would be released has a suite of its name",
        )
        for table in sorted(tables)
    ]


def _unanswered(
    suite: str, table: str, name: str, why: str, error: Exception, rule: Expectation | None = None
) -> Result:
    return Result(
        suite=suite,
        table=table,
        expectation=name,
        severity=rule.severity if rule else "critical",
        success=False,
        raised=True,
        observed=_short(error),
        says=f"{why}, so nothing is known about the table",
    )


@dataclass
class _Session:
    """One Great Expectations context over one DuckDB session with both files attached read-only."""

    warehouse: Path
    database: Path
    laid: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        for path in (self.warehouse, self.database):
            if not path.is_file():
                raise FileNotFoundError(f"{path.name} is not there")
        # Imported here and not above: it costs about three seconds, and only a judgement needs it.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations
        from great_expectations.data_context.types.base import ProgressBarsConfig

        duck_ro.register()
        self.gx = great_expectations
        self.context = great_expectations.get_context(mode="ephemeral")
        self.context.variables.progress_bars = ProgressBarsConfig(globally=False)
        arguments = duck_ro.connect_args(
            {"warehouse": self.warehouse, "candidate": self.database},
            default="warehouse",
            temp=self.warehouse.parent / "gate.tmp",
        )
        self.source = self.context.data_sources.add_sql(  # type: ignore[call-arg]  # the stub lacks `kwargs`
            name="judged", connection_string=duck_ro.URL, create_temp_table=False, kwargs={"connect_args": arguments}
        )
        # The execution engine opens its own connection; samples go through the same one.
        self.engine: Engine = self.source.get_execution_engine().engine

    def ask(self, suite: Suite, arguments: dict[str, dict[str, Any]], select: str) -> dict[str, Any]:
        """Great Expectations' answers by expectation name."""
        import great_expectations.expectations as catalogue

        asked = self.gx.ExpectationSuite(name=suite.suite)
        for rule in suite.expectations:
            build = getattr(catalogue, rule.type)
            asked.add_expectation(build(**arguments[rule.name], severity=rule.severity, meta={"name": rule.name}))
        asset = self.source.add_query_asset(name=suite.suite, query=select)
        batch = asset.add_batch_definition_whole_table("whole").get_batch()
        # Counts only: samples are taken afterwards, ordered, and only of what failed.
        answers = batch.validate(asked, result_format={"result_format": "BASIC", "partial_unexpected_count": 0})
        configured = [(answer.expectation_config, answer) for answer in answers.results]
        return {config.meta["name"]: answer for config, answer in configured if config is not None and config.meta}

    def lay_offenders(self, sql: str) -> str:
        """Find a rule's offenders once, in memory beside the files; returns the statement that reads them there.

        Great Expectations runs a query once to count and once more to fetch, and the sample would be a third time. What
        cannot be run is handed over as it is: whoever asks then gets DuckDB's own message.
        """
        name = f"offenders_{len(self.laid)}"
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql(f"create temp table {name} as {sql}")
        except SQLAlchemyError:
            return sql
        self.laid.append(name)
        return f"select * from temp.main.{name}"

    def forget_offenders(self) -> None:
        """Drop what `lay_offenders` laid."""
        with self.engine.connect() as connection:
            for name in self.laid:
                connection.exec_driver_sql(f"drop table temp.main.{name}")
        self.laid.clear()

    def sample(self, sql: str) -> tuple[str, ...]:
        """The first different rows `sql` finds, in the order of their content so that threads cannot change it."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"select distinct * from ({sql}) order by all limit {SAMPLE_ROWS}")
            names = list(found.keys())[:SAMPLE_COLUMNS]
            return tuple(dict.fromkeys(_row_in_words(names, list(row)) for row in found.fetchall()))

    def row_holds_at(self, relation: str) -> str:
        """A condition that looks for an @ in every text column; column by column is a hundred times a row's text."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"describe select * from {relation}").fetchall()
        text = ((f'"{name}"', kind) for name, kind, *_ in found if "VARCHAR" in kind or "JSON" in kind)
        tests = [f"contains({name if kind == 'VARCHAR' else f'cast({name} as varchar)'}, '@')" for name, kind in text]
        return f"({' or '.join(tests) or 'false'})"

    def candidate_tables(self) -> list[str]:
        """Every table and view of the candidate's database."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "select table_name from information_schema.tables where table_catalog = 'candidate' order by all"
            )
            return [row[0] for row in found.fetchall()]

    def close(self) -> None:
        """Let go of both files."""
        self.engine.dispose()
        self.source.get_engine().dispose()


def _untouched(sql: str) -> str:
    """`sql` so that it reaches DuckDB as it is: Great Expectations formats braces, SQLAlchemy binds `:name`."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql.replace("{", "{{").replace("}", "}}"))


def _arguments(rule: Expectation, values: Mapping[str, Any]) -> dict[str, Any]:
    """The expectation's own arguments, placeholders filled."""
    return {name: in_argument(value, values) for name, value in rule.kwargs.items()}


def _statement(
    suite: Suite, rule: Expectation, kwargs: dict[str, Any], parts: Mapping[str, str], values: Mapping[str, Any]
) -> str:
    """SQL that shows what an expectation found: for people, and for the sample."""
    if rule.query is not None:
        sql = rule.query
        for name, part in parts.items():
            sql = sql.replace(f"{{{name}}}", part)
        return in_sql(sql, values).strip()
    relation = in_sql(suite.relation, values)
    if rule.type == ROW_COUNT:
        return f"select count(*) as row_count from {relation}"
    column = kwargs["column"]
    shown = ", ".join(dict.fromkeys([*suite.key, column]))
    match rule.type:
        case "ExpectColumnValuesToNotBeNull":
            return f"select {shown} from {relation} where {column} is null"
        case "ExpectColumnValuesToBeInSet":
            return f"select {shown} from {relation} where {column} not in {as_sql(kwargs['value_set'])}"
        case "ExpectColumnValuesToBeBetween":
            bounds = [
                f"{column} {sign} {as_sql(kwargs[bound])}"
                for bound, sign in (("min_value", "<"), ("max_value", ">"))
                if kwargs.get(bound) is not None
            ]
            return f"select {shown} from {relation} where {' or '.join(bounds)}"
    raise ValueError(f"no statement for {rule.type}")


def _observed(rule: Expectation, result: Mapping[str, Any]) -> tuple[int | None, str]:
    """How many rows were unexpected, and the finding in a few words."""
    if rule.type == ROW_COUNT:
        return None, _counted(result["observed_value"], "row")
    if rule.type == ROWS:
        count = int(result["observed_value"])
        return count, _counted(count, "unexpected row")
    count = int(result["unexpected_count"])
    return count, f"{count:,} of {_counted(result['element_count'], 'row')}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _raised(answer: Any) -> str | None:
    """The message of an expectation that raised; it sits at the top or once per failed metric."""
    info = answer.exception_info or {}
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, dict)]
    raised = [entry for entry in entries if entry.get("raised_exception")]
    messages = sorted({_clean(str(entry.get("exception_message"))) for entry in raised})
    return _shorten("; ".join(messages), OBSERVED_WIDTH) if messages else None


def _without_result_names(says: str, values: Mapping[str, Any]) -> str:
    """The sentence of a rule that found nothing to fill in."""
    return in_words(says, {**values, "observed": "…", "unexpected_count": "…", "sample": "…"})


def _row_in_words(names: list[str], row: list[Any]) -> str:
    parts = [f"{name}={_shorten(str(value), 80)}" for name, value in zip(names, row, strict=False) if value is not None]
    return _shorten(without_mail(", ".join(parts)), SAMPLE_WIDTH)


def _short(error: Exception) -> str:
    return _shorten(_clean(f"{type(error).__name__}: {error}"), OBSERVED_WIDTH)


def _clean(message: str) -> str:
    """A message on one line, without addresses of persons, paths of this machine or links."""
    text = re.sub(r"\(Background on this error at: \S+\)", "", message)
    text = re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)+", "", text)
    return without_mail(re.sub(r"\s+", " ", text).strip())


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations prints a hint per query and logs what the verdict already says; neither reaches the user."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)

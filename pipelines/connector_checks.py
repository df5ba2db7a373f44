"""What the kit asks of every connector: how it is declared, how it reads a fake, and what staging makes of that.

A `Bench` is one connector beside its vendor's fake with a scratch state folder: it probes, reads and shapes for real.
The checks are what `segments sources test NAME` prints and what a test holds every connector to; a connector's own
tests use the bench as well. What is promised in return is docs/connector-kit.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from xml.etree import ElementTree

import duckdb
import yaml
from pydantic import BaseModel, ValidationError

from pipelines.connector import Connector, Instance
from pipelines.contract import entity_columns
from pipelines.errors import BuildError, ConfigError, SegmentsError
from pipelines.extract import Landed, extract
from pipelines.lake import FILE_COLUMN, REJECTED_TABLE, ROW_COLUMN, lay_views, loads
from pipelines.probing import Report, probe
from pipelines.pull import Client
from pipelines.settings import explain_validation, read_settings
from pipelines.shape import PROJECT, build, lay_inputs, plan
from pipelines.templates import KINDS, entities_of, required_of
from pipelines.warehouse import RAW_PREFIX, connect, literal, quoted

_ROOT = PROJECT.parent
# What a view over the lake adds to a table, and what the lake adds to a row.
_RESERVED = {"source", "load_id", "known_at", "file_name", "file_row", FILE_COLUMN, ROW_COLUMN}
# The conformed layer with everything it stands on: staging, its seeds, and nothing above.
_UP_TO_CONFORMED = "+path:models/intermediate/conformed"
# What a source of its kind is connected for; of other entities a vendor may have none and need not say so.
_MAIN = ("accounts", "opportunities", "opportunity_partners", "partners", "account_overlaps", "deal_registrations")
# A rate for the currencies that fakes deal in, so that none of their rows is set aside for want of one.
_CURRENCIES = ("AUD", "BRL", "CAD", "CHF", "CNY", "DKK", "EUR", "GBP", "INR", "JPY", "MXN", "NOK", "PLN", "SEK", "SGD")
# What is neither a number nor a date nor a truth.
_NO_VALUE = "no such value"
# Nothing is decided on the bench, but a deployment has a policy.
_POLICY = """\
policy: trial
version: "1"
effective_from: 2000-01-01
window: {quarters: 4}
ladders:
  tier:
    audience: partner
    levels:
      - level: some
        enter: {metric: sourced_won_amount, above: 0}
      - level: nothing
        outside: true
"""


class Vendor(Protocol):
    """A fake that answers: the options and secrets that lead to it, and the moment at which it is read."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of a source that reads it."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """Values of `SEGMENTS_<SOURCE>_<FIELD>`, by field."""
        ...

    @property
    def now(self) -> datetime:
        """When it is read; its records were stamped before."""
        ...


@dataclass(frozen=True)
class Check:
    """One thing that is asked of a connector, and why it does not hold yet: one line per reason, none when it does."""

    what: str
    why: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether it holds."""
        return not self.why


# -- the bench ---------------------------------------------------------------------------------------------------------


class Bench:
    """One connector beside a fake of its vendor, or beside nothing, with a state folder of its own.

    Args:
        connector: what is tried.
        vendor: the fake, while it answers; None for a connector of files, which then has no rows.
        folder: an empty folder for everything that comes of it.

    Raises:
        ConfigError: the connector does not take the options that the fake gives.
    """

    def __init__(self, connector: Connector, vendor: Vendor | None, folder: Path) -> None:
        self.connector = connector
        self.vendor = vendor
        self._has_shaped = False
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policies").mkdir(exist_ok=True)
        (folder / "policies" / "trial.yml").write_text(_POLICY, encoding="utf-8")
        # The connector itself may be one that only a test knows, so the file names one that is always there.
        file = folder / "segments.yml"
        told = {
            "deployment": "trial",
            "sources": {"trial": {"connector": "files", "options": {"kind": "crm"}}},
            "policy": {"active": "trial"},
            "exchange_rates": [{"currency": one, "from": date(1900, 1, 1), "rate": 1} for one in _CURRENCIES],
        }
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        self.settings = read_settings(file)
        with self._environment():
            self.run = replace(plan(self.settings), sources=self._instances(folder))
        self.places = self.run.places

    def _instances(self, folder: Path) -> list[Instance]:
        """One instance; of a connector of files of any kind one per kind, so that all its entities are there."""
        name, inputs = self.connector.name, folder / "inputs"
        if self.vendor is None and self.connector.kind == "any":
            return [Instance(f"{name}_{kind}", self.connector, self._options({"kind": kind}), inputs) for kind in KINDS]
        return [Instance(name, self.connector, self._options(self.vendor.options if self.vendor else {}), inputs)]

    def _options(self, options: Mapping[str, Any]) -> Any:
        try:
            return self.connector.options(**options)
        except ValidationError as problem:
            place = Path(f"the trial of {self.connector.name}: options")
            raise ConfigError(explain_validation(place, problem, self.connector.options)) from None

    @property
    def instance(self) -> Instance:
        """The source that is tried."""
        return self.run.sources[0]

    @property
    def offered(self) -> list[str]:
        """The entities that the source may offer with its options."""
        narrowed = self.connector.entities_for
        offered = self.connector.entities if narrowed is None else narrowed(self.instance)
        return [entity for entity in self.connector.entities if entity in offered and entity != REJECTED_TABLE]

    def probe(self) -> Report:
        """What the source says of itself.

        Raises:
            SegmentsError: see `pipelines.probing.probe`.
        """
        with self._environment():
            return probe(self.instance)

    def client(self) -> Client:
        """A session with the fake; the caller closes it.

        Raises:
            SegmentsError: whatever the connector raises on the way.
        """
        assert self.connector.connect is not None, "the connector has no API"
        with self._environment():
            return self.connector.connect(self.instance)

    def read(self, *, at: datetime | None = None) -> list[Landed]:
        """Bring the source up to date in the lake, as of the fake's moment or another.

        Raises:
            SegmentsError: see `pipelines.extract.extract`.
        """
        with self._environment(at):
            return extract(self.settings, self.places, self.instance)

    def load_count(self) -> int:
        """Completed loads of the source."""
        return len({load.load_id for load in loads(self.places.lake, self.instance.name)})

    def shape(self) -> None:
        """Build staging and the conformed tables over what was read; over nothing they are empty and typed.

        Raises:
            BuildError: a model does not build; names it.
        """
        # Whatever the options leave out: a model that no trial asks for has to hold as well.
        everything = replace(self.connector, entities_for=None)
        run = replace(self.run, sources=[replace(one, connector=everything) for one in self.run.sources])
        with self._environment():
            lay_inputs(run)
            build(run, select=_UP_TO_CONFORMED)
        self._has_shaped = True

    def why_not_shaped(self) -> str | None:
        """`shape`, and in one line why it does not come to an end."""
        try:
            self.shape()
        except BuildError as problem:
            return self._in_one_line(problem)
        return None

    def _in_one_line(self, problem: BuildError) -> str:
        """What dbt said, with the staging model to look at where a conformed table asks for a value."""
        missing = re.search(
            r"int_(\w+): .*NOT NULL constraint failed: \w+?__dbt_tmp\.(\w+)", problem.message, re.DOTALL
        )
        entity = {"source_partners": "partners"}.get(missing[1], missing[1]) if missing else ""
        if missing and entity in self.connector.entities:
            return (
                f"{self.connector.entities[entity]}: the column `{missing[2]}` is null for some row, and has to be "
                f"known of every one: give it a value in {_staging(self.connector, entity)}"
            )
        said = problem.message.split("\n  ", 1)[-1]
        return " ".join(said.split())

    def columns(self, entity: str) -> dict[str, str]:
        """Columns and types that the staging model of an entity gives, after `shape`."""
        with connect(self.places.warehouse, read_only=True) as con:
            return {row[0]: row[1] for row in con.execute(f"describe {self._compiled(entity)}").fetchall()}

    def rows(self, entity: str) -> list[dict[str, Any]]:
        """What the staging model of an entity gives, after `shape`."""
        with connect(self.places.warehouse, read_only=True) as con:
            found = con.execute(f"select * from ({self._compiled(entity)}) order by all")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def raw_count(self, table: str) -> int:
        """Rows of a raw view, after `shape`."""
        with connect(self.places.warehouse, read_only=True) as con:
            place = f"{quoted(RAW_PREFIX + self.connector.name)}.{quoted(table)}"
            return int(con.execute(f"select count(*) from {place}").fetchall()[0][0])

    def set_aside(self, entity: str) -> list[tuple[str, str]]:
        """Reason and detail of every row of an entity that the conformed layer does not believe, after `shape`."""
        with connect(self.places.warehouse, read_only=True) as con:
            found = con.execute(
                f"select reject_reason, reject_detail from quarantine.{quoted(entity)} where source = "
                f"{literal(self.instance.name)} order by all"
            )
            return [(row[0], row[1]) for row in found.fetchall()]

    def empty_columns(self, entities: list[str]) -> dict[str, dict[str, str]]:
        """What the staging models give over tables nobody has ever loaded, after `shape`; each is run as well."""
        found = {}
        with connect(self.places.warehouse) as con:
            try:
                lay_views(con, self.places.lake, self.run.sources, known_at=datetime(1900, 1, 1, tzinfo=UTC))
                for entity in entities:
                    sql = self._compiled(entity)
                    found[entity] = {row[0]: row[1] for row in con.execute(f"describe {sql}").fetchall()}
                    con.execute(f"select count(*) from ({sql})").fetchall()
            finally:
                lay_views(con, self.places.lake, self.run.sources, known_at=self.run.known_at)
        return found

    def lost_casts(self, entity: str) -> list[tuple[str, str]]:
        """Raw column and column of ours for every value that vanishes without a word when it is no number, date or
        truth, after `shape`: each raw column in turn is filled with something that is none.

        Raises:
            duckdb.Error: a model breaks over such a value, as one with `cast` in place of `try_cast` does.
        """
        table = self.connector.entity_tables.get(entity, entity)
        typed = [name for name, kind in self.columns(entity).items() if kind != "VARCHAR"]
        view = f"{quoted(RAW_PREFIX + self.connector.name)}.{quoted(table)}"
        silent = ", ".join(f"count(*) filter ({quoted(name)} is null and failed_casts = '')" for name in typed)
        found = []
        with connect(self.places.warehouse) as con:
            try:
                con.execute(f"create temp table as_it_is as select * from {view}")
                texts = [
                    name
                    for name, kind, *_ in con.execute("describe as_it_is").fetchall()
                    if kind == "VARCHAR" and name not in _RESERVED
                ]
                counted = f"select count(*), {silent} from ({self._compiled(entity)})"
                before = con.execute(counted).fetchall()[0]
                for raw in texts:
                    broken = f"select * replace (case when {quoted(raw)} is not null then {literal(_NO_VALUE)} end as "
                    con.execute(f"create or replace view {view} as {broken} {quoted(raw)}) from temp.main.as_it_is")
                    after = con.execute(counted).fetchall()[0]
                    if after[0] == before[0]:
                        found += [(raw, typed[i]) for i in range(len(typed)) if after[i + 1] > before[i + 1]]
            finally:
                lay_views(con, self.places.lake, self.run.sources, known_at=self.run.known_at)
        return found

    def _compiled(self, entity: str) -> str:
        """A staging model as dbt compiled it; also of one that is inlined and so no relation."""
        assert self._has_shaped, "shape() comes first"
        folder = self.places.dbt_target / "compiled" / "partner_segments" / "models" / "staging" / self.connector.name
        return (folder / f"{self.connector.entities[entity]}.sql").read_text(encoding="utf-8")

    # -- why not yet: one line, or None --------------------------------------------------------------------------------

    def why_not_read(self, entity: str) -> str | None:
        """Why no row of an entity is there at all."""
        table = self.connector.entity_tables.get(entity, entity)
        there = self.raw_count(table) if table in {one.name for one in self.connector.tables} else 0
        if there and self.rows(entity):
            return None
        if there:
            return (
                f"{self.connector.entities[entity]}: gives no row at all, and {table} has {there}: look at the mapping "
                f"in {_staging(self.connector, entity)}"
            )
        return (
            f"{entity}: no row in {RAW_PREFIX}{self.connector.name}.{table}: read the table in "
            f"{_module(self.connector)}, and put records of it into {_fake(self.connector)}"
        )

    def why_not_believed(self, entity: str) -> str | None:
        """Why some row of an entity does not get into its conformed table."""
        if why := self.why_not_read(entity):
            return why
        aside = self.set_aside(entity)
        if not aside:
            return None
        reason, detail = aside[0]
        return (
            f"{self.connector.entities[entity]}: {len(aside)} of {len(self.rows(entity))} rows are set aside, first: "
            f"{reason} ({detail}): look at the mapping in {_staging(self.connector, entity)}"
        )

    def why_not_mapped(self, entity: str, column: str) -> str | None:
        """Why a column of an entity says nothing yet."""
        if why := self.why_not_read(entity):
            return why
        values = {row[column] for row in self.rows(entity)}
        model = self.connector.entities[entity]
        if values <= {None}:
            return (
                f"{model}: the column `{column}` is still null for every row: map it in "
                f"{_staging(self.connector, entity)}"
            )
        if values <= {None, "unknown", "other"}:
            seed = "partner_role_map.csv" if column == "role" else "value_map.csv"
            return (
                f"{model}: the column `{column}` is {' or '.join(sorted(map(repr, values - {None})))} for every row: "
                f"map the vendor's column in {_staging(self.connector, entity)} and its words in "
                f"dbt_project/seeds/{seed}"
            )
        return None

    @contextmanager
    def _environment(self, at: datetime | None = None) -> Iterator[None]:
        """The fake's moment and secrets where a source looks for them, and the shell's own as it was afterwards."""
        wanted: dict[str, str] = {}
        if self.vendor is not None:
            wanted["SEGMENTS_NOW"] = (at or self.vendor.now).isoformat()
            for field, value in self.vendor.secrets.items():
                wanted[f"SEGMENTS_{self.connector.name}_{field}".upper()] = value
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, old in before.items():
                if old is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = old


def _module(connector: Connector) -> str:
    is_package = (_ROOT / "pipelines" / "connectors" / connector.name).is_dir()
    return f"pipelines/connectors/{connector.name}{'' if is_package else '.py'}"


def _fake(connector: Connector) -> str:
    return f"demo/vendors/{connector.name}.py"


def _staging(connector: Connector, entity: str) -> str:
    return f"dbt_project/models/staging/{connector.name}/{connector.entities[entity]}.sql"


# -- the checks --------------------------------------------------------------------------------------------------------


def checks(connector: Connector, vendor: Vendor | None, folder: Path) -> Iterator[Check]:
    """Everything that is asked of one connector, cheapest first.

    Args:
        connector: the connector.
        vendor: its vendor's fake, while it answers; None where it has none.
        folder: an empty folder for everything that comes of it.
    """
    yield _check("every option says what it is", lambda: _options_undescribed(connector.options))
    yield _check("tables have columns and keys", lambda: _table_faults(connector))
    yield _check("entities have a staging model and a table", lambda: _entity_faults(connector))
    if connector.connect is not None and vendor is None:
        yield Check(
            "the vendor has a fake",
            (f"{_fake(connector)}: offers no trial(): a connector with an API is held against a fake of it",),
        )
        return
    try:
        bench = Bench(connector, vendor, folder)
    except ConfigError as problem:
        yield Check("the trial's options are the connector's", tuple(problem.message.splitlines()))
        return
    if bench.instance.is_live:
        yield _check("streams are declared so that nothing is lost", lambda: _stream_faults(bench))
        yield _check("a probe answers", lambda: _probe_faults(bench))
        yield _check("an unchanged vendor lands one load", lambda: _reading_faults(bench))
        yield _check("no secret is kept", lambda: _secrets_kept(bench))
    shaped = _check("dbt builds staging and the conformed tables", lambda: _shape_faults(bench))
    yield shaped
    if not shaped.is_ok:
        return
    yield _check("staging over no rows gives the entities' columns", lambda: _empty_faults(bench))
    if bench.load_count():
        yield _check("staging over the fake's rows gives them too", lambda: _type_faults(bench))
        yield _check("every row of the fake is believed", lambda: _belief_faults(bench))
        yield _check("a value that does not cast is told", lambda: _cast_faults(bench))


def own_tests(name: str, folder: Path) -> Iterator[Check]:
    """The tests of one connector, run by pytest in a process of its own; none where the code has no tests beside it."""
    tests = _ROOT / "tests" / "connectors" / name
    if not tests.is_dir():
        return
    report = folder / "own-tests.xml"
    command = [sys.executable, "-m", "pytest", str(tests), "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if not report.exists():
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["pytest said nothing"]
        yield Check(f"its own tests run (tests/connectors/{name})", tuple(last))
        return
    good = 0
    by_reason: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it just now
        bad = case.find("failure")
        bad = case.find("error") if bad is None else bad
        if bad is None:
            good += 1
        else:
            by_reason.setdefault(_first_line(bad), []).append(case.get("name") or "")
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Check(f"its own tests: {names[0]}{more}", (reason,))
    if good:
        yield Check(f"its own tests: {good} hold")


def _first_line(bad: ElementTree.Element) -> str:
    """What a test says in one line. An error inside a fixture stands behind pytest's own words."""
    said = (bad.get("message") or bad.text or "").strip()
    said = said.removeprefix("failed on setup with ").strip('"').removeprefix("Failed: ")
    return " ".join(said.split("\nassert")[0].split())


def _check(what: str, find: Callable[[], list[str]]) -> Check:
    """A check by its reasons; an exception of the connector or its fake is one, with the place it came from."""
    try:
        return Check(what, tuple(find()))
    except SegmentsError as problem:
        return Check(what, tuple(" ".join(line.split()) for line in problem.message.splitlines() if line.strip()))
    except Exception as problem:  # noqa: BLE001 - what is half written may raise anything, and all of it is a reason
        return Check(what, (f"{_place_of(problem)}{type(problem).__name__}: {' '.join(str(problem).split())}",))


def _place_of(problem: BaseException) -> str:
    """The innermost line of a connector or a fake that an exception went through."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and {"connectors", "vendors"} & set(path.relative_to(_ROOT).parts):
            return f"{path.relative_to(_ROOT).as_posix()}:{frame.lineno}: "
    return ""


# -- the declaration ---------------------------------------------------------------------------------------------------


def _options_undescribed(options: type[BaseModel], above: str = "") -> list[str]:
    """Options without a help text, those of models inside as well."""
    found = []
    for name, field in options.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _options_undescribed(inner, f"{above}{name}.")
        elif not field.description:
            found.append(f"option {above}{name}: has no description")
    return found


def _table_faults(connector: Connector) -> list[str]:
    found = [] if connector.tables else ["no table is declared"]
    names = [table.name for table in connector.tables]
    found += [f"table {name}: declared twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for table in connector.tables:
        place = f"table {table.name}"
        if not table.columns:
            found.append(f"{place}: no columns")
        if not table.required:
            found.append(f"{place}: no column is required; name at least the record's id")
        for column in table.required:
            if column not in table.columns:
                found.append(f"{place}: required column {column} is none of its columns")
        for column in sorted({x for x in table.columns if table.columns.count(x) > 1}):
            found.append(f"{place}: column {column} stands twice")
        for column in table.columns:
            if column in _RESERVED or column.startswith("_dlt"):
                found.append(
                    f"{place}: column {column} has a name that the lake uses itself; rename it when it is read"
                )
            elif column != column.lower() or not column.replace("_", "").isalnum():
                found.append(f"{place}: column {column} is no snake case (pipelines.connector.snake)")
    return found


def _entity_faults(connector: Connector) -> list[str]:
    found = [] if set(connector.entities) - {REJECTED_TABLE} else ["no entity is fed"]
    if REJECTED_TABLE not in connector.entities:
        found.append(f"{REJECTED_TABLE}: no staging model; lines that are no rows would vanish")
    folder = PROJECT / "models" / "staging" / connector.name
    kinds = KINDS if connector.kind == "any" else (connector.kind,)
    fitting = {entity for kind in kinds for entity in entities_of(kind)} | {REJECTED_TABLE}
    for entity, model in connector.entities.items():
        if model != f"stg_{connector.name}__{entity}":
            found.append(f"{entity}: its model is called {model}, expected stg_{connector.name}__{entity}")
        elif not (folder / f"{model}.sql").is_file():
            found.append(f"{entity}: {_staging(connector, entity)} is not there")
        if entity not in fitting:
            found.append(
                f"{entity}: no entity of kind {connector.kind}; expected some of: {', '.join(sorted(fitting))}"
            )
    tables = {table.name for table in connector.tables}
    for entity, name in connector.entity_tables.items():
        if entity not in connector.entities:
            found.append(f"entity_tables: {entity}: the connector feeds no such entity")
        if name not in tables:
            found.append(
                f"entity_tables: {entity}: there is no table {name}; expected one of: {', '.join(sorted(tables))}"
            )
    if connector.offers_by_load:
        for entity in connector.entities:
            if entity != REJECTED_TABLE and connector.entity_tables.get(entity, entity) not in tables:
                found.append(f"{entity}: no table of this name; say in entity_tables which one makes it known")
    return found + _yaml_faults(connector, folder, tables)


def _yaml_faults(connector: Connector, folder: Path, tables: set[str]) -> list[str]:
    """The tables and models that dbt is told of are those of the connector."""
    sources, models = folder / f"_{connector.name}__sources.yml", folder / f"_{connector.name}__models.yml"
    told_tables = {table["name"] for source in _listed(sources, "sources") for table in source["tables"]}
    told_models = {model["name"] for model in _listed(models, "models")}
    found = []
    for path, told, wanted in (
        (sources, told_tables, tables | {REJECTED_TABLE}),
        (models, told_models, set(connector.entities.values())),
    ):
        place = path.relative_to(_ROOT).as_posix()
        found += [f"{place}: does not name {name}" for name in sorted(wanted - told)]
        found += [f"{place}: names {name}, which the connector does not have" for name in sorted(told - wanted)]
    return found


def _listed(path: Path, key: str) -> list[Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found: list[Any] = content.get(key, [])
    return found


# -- over the API ------------------------------------------------------------------------------------------------------


def _stream_faults(bench: Bench) -> list[str]:
    client = bench.client()
    try:
        with bench._environment():
            streams, missing = client.streams(), client.missing()
    finally:
        client.close()
    declared = {table.name: table for table in bench.connector.tables}
    found = []
    for stream in streams:
        name, place = stream.table.name, f"stream {stream.table.name}"
        if name not in declared:
            found.append(f"{place}: the connector declares no such table")
            continue
        columns = set(stream.table.columns)
        if columns != set(declared[name].columns):
            found.append(f"{place}: its columns are not those that the connector declares for the table")
        if not stream.key:
            found.append(f"{place}: no key: two versions of one record could not be told from two records")
        found += [f"{place}: key {column} is none of its columns" for column in stream.key if column not in columns]
        if stream.cursor is None and stream.table.mode == "increment":
            found.append(f"{place}: mode increment without a cursor: say `snapshot`, or which column is the stamp")
        if stream.cursor is not None and stream.table.mode != "increment":
            found.append(f"{place}: has a cursor and mode {stream.table.mode}: what was read earlier would be lost")
        if stream.cursor is not None and stream.lookback <= timedelta(0):
            found.append(f"{place}: no look-back: a change that is stamped late would be lost")
        if stream.ids is not None and "is_deleted" not in columns:
            found.append(f"{place}: lists ids and has no column is_deleted, in which it is told that one is gone")
    told = {stream.table.name for stream in streams} | {one.table for one in missing if one.column is None}
    for entity in bench.offered:
        table = bench.connector.entity_tables.get(entity, entity)
        if table in declared and table not in told and entity in _MAIN:
            found.append(
                f"table {table}: neither read nor told as missing, and {entity} rests on it: give it a stream in "
                f"{_module(bench.connector)}"
            )
    return found


def _probe_faults(bench: Bench) -> list[str]:
    report = bench.probe()
    found = [] if report.identity.strip() else ["it does not say who we are"]
    declared = {table.name for table in bench.connector.tables}
    found += [
        f"it names {one.name}, which is no table of the connector" for one in report.tables if one.name not in declared
    ]
    assert bench.vendor is not None, "a live source has a fake here"
    text = repr(report)
    if any(value in text for value in bench.vendor.secrets.values()):
        found.append("it shows a secret")
    return found


def _reading_faults(bench: Bench) -> list[str]:
    assert bench.vendor is not None, "a live source has a fake here"
    first = bench.read()
    found = [] if first else ["nothing was read"]
    before = bench.load_count()
    again = bench.read(at=bench.vendor.now + timedelta(hours=1))
    if bench.load_count() != before:
        new = ", ".join(sorted(one.table for one in again if one.is_new))
        found.append(
            f"a second reading of the same records landed {new} again: something in the rows is not the vendor's"
        )
    return found


def _secrets_kept(bench: Bench) -> list[str]:
    assert bench.vendor is not None, "a live source has a fake here"
    values = [value.encode() for value in bench.vendor.secrets.values() if len(value) >= 4]
    return [
        f"a secret stands in {path.relative_to(bench.places.state).as_posix()} of the state folder"
        for path in sorted(bench.places.state.rglob("*"))
        if path.is_file() and any(value in path.read_bytes() for value in values)
    ]


# -- through dbt -------------------------------------------------------------------------------------------------------


def _shape_faults(bench: Bench) -> list[str]:
    why = bench.why_not_shaped()
    return [why] if why else []


def _contract_faults(entity: str, model: str, there: dict[str, str]) -> list[str]:
    wanted = {name: kind.upper() for name, kind in entity_columns(entity).items()}
    found = [f"{model}: no column {name} ({kind.lower()})" for name, kind in wanted.items() if name not in there]
    found += [f"{model}: column {name} is no column of {entity}" for name in there if name not in wanted]
    found += [
        f"{model}: column {name} is {there[name].lower()}, expected {kind.lower()}"
        for name, kind in wanted.items()
        if name in there and there[name].upper() != kind
    ]
    return found


def _empty_faults(bench: Bench) -> list[str]:
    found = []
    for entity, columns in bench.empty_columns(list(bench.connector.entities)).items():
        found += _contract_faults(entity, bench.connector.entities[entity], columns)
    return found


def _type_faults(bench: Bench) -> list[str]:
    found = []
    for entity, model in bench.connector.entities.items():
        found += _contract_faults(entity, model, bench.columns(entity))
    return found


def _cast_faults(bench: Bench) -> list[str]:
    """Per entity the values that would become null without a word, and so pass for unknown."""
    found = []
    tables = {table.name for table in bench.connector.tables}
    for entity, model in bench.connector.entities.items():
        table = bench.connector.entity_tables.get(entity, entity)
        if entity == REJECTED_TABLE or table not in tables or not bench.raw_count(table):
            continue
        try:
            lost = bench.lost_casts(entity)
        except duckdb.Error as problem:
            found.append(f"{model}: breaks over a value that is none (use try_cast): {str(problem).splitlines()[0]}")
            continue
        found += [
            f"{model}: `{column}` becomes null without a word where {raw} is no such value: name {raw} in failed_casts"
            for raw, column in lost
        ]
    return found


def _belief_faults(bench: Bench) -> list[str]:
    """Per entity why rows are set aside, or which column without which an entity says nothing is null throughout."""
    found = []
    kind = bench.instance.kind
    for entity in bench.connector.entities:
        table = bench.connector.entity_tables.get(entity, entity)
        if entity == REJECTED_TABLE or table not in {one.name for one in bench.connector.tables}:
            continue
        # No row at all is what an option may ask for.
        if not bench.raw_count(table) or not bench.rows(entity):
            continue
        if why := bench.why_not_believed(entity):
            found.append(why)
        for column in required_of(entity, kind):
            if why := bench.why_not_mapped(entity, column):
                found.append(why)
    return found

"""Runs the policy engine alone: policies and facts in, scores and levels out, without dbt and without a warehouse.

The SQL is the project's own. `dbt compile` writes it down once per state of the project (`compiled.py`); an evaluation
lays the engine's inputs into a scratch database and runs the statements in order. So a proposal, a worked example and
a run of the deployment are judged by the same text. What the inputs mean is the callers' matter.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from pipelines.compiled import compile_project, project_hash
from pipelines.errors import BuildError, InputError
from pipelines.policy import ATTRIBUTES, Policy, rows_of
from pipelines.policy import TABLES as POLICY_TABLES
from pipelines.policy.parts import nearest
from pipelines.shape import PROJECT
from pipelines.warehouse import memory, quoted, write_rows

__all__ = [
    "ENGINE_TAG",
    "INPUT_TABLES",
    "BY_NAME_WINDOW",
    "Engine",
    "Inputs",
    "NamedFacts",
    "Number",
    "Reviewed",
    "Statement",
    "catalogue_metrics",
    "compiled_engine",
    "evaluate",
    "inputs_by_name",
    "lay",
    "months_before",
    "named_metrics",
    "one_quarter",
    "run_engine",
]

ENGINE_TAG = "engine"
# The name of the database in the compiled SQL, and of the scratch database it runs in.
DATABASE = "engine"
_FORMAT = 1

# One tuple per row in the order of the table's columns (trailing ones may be left out), or an Arrow table whose columns
# have the names of the table's.
Rows: TypeAlias = Sequence[tuple[Any, ...]] | pa.Table
Number = Decimal | int
# Policies as read from files, or already as rows of the schema `policy` (a variant that stands in no file).
Tables = Mapping[str, Sequence[Mapping[str, Any]]]

# Everything the engine reads beside the schema `policy`: schema.table -> column -> type.
INPUT_TABLES: dict[str, dict[str, str]] = {
    "deployment.quarters": {
        "quarter_index": "INTEGER",
        "quarter": "VARCHAR",
        "quarter_start": "DATE",
        "quarter_end": "DATE",
        "is_year_end": "BOOLEAN",
    },
    "deployment.run_context": {
        "deployment": "VARCHAR",
        "quarter": "VARCHAR",
        "quarter_index": "INTEGER",
        "quarter_end": "DATE",
        "known_at": "TIMESTAMP",
        "policy": "VARCHAR",
        "version": "VARCHAR",
        "reporting_currency": "VARCHAR",
        "suppress_overlap_below": "INTEGER",
    },
    "released.decisions": {
        "policy": "VARCHAR",
        "ladder": "VARCHAR",
        "partner_id": "VARCHAR",
        "quarter_index": "INTEGER",
        "state": "VARCHAR",
        "release": "VARCHAR",
    },
    "identity.partners": {
        "partner_id": "VARCHAR",
        "partner_number": "VARCHAR",
        "partner_name": "VARCHAR",
        "partner_order": "BIGINT",
        **dict.fromkeys(ATTRIBUTES, "VARCHAR"),
    },
    "identity.partner_attributes": {"partner_id": "VARCHAR", "attribute": "VARCHAR", "value": "VARCHAR"},
    "metrics.partner_quarters": {
        "partner_id": "VARCHAR",
        "quarter_index": "INTEGER",
        "quarter": "VARCHAR",
        "quarter_end": "DATE",
        "start_index": "INTEGER",
    },
    "metrics.metric_values": {
        "partner_id": "VARCHAR",
        "quarter_index": "INTEGER",
        "window_id": "VARCHAR",
        "metric": "VARCHAR",
        "value": "DECIMAL(28,6)",
        "is_observed": "BOOLEAN",
    },
    "metrics.partner_facts": {
        "partner_id": "VARCHAR",
        "fact_metric": "VARCHAR",
        "fact_date": "DATE",
        "value": "DECIMAL(28,6)",
        "subject": "VARCHAR",
        "attributes": "VARCHAR",
        "fact_id": "VARCHAR",
    },
    "metrics.stale_metrics": {
        "metric": "VARCHAR",
        "quarter_index": "INTEGER",
        "code": "VARCHAR",
        "words": "VARCHAR",
    },
    "metrics.doubtful_metrics": {
        "partner_id": "VARCHAR",
        "metric": "VARCHAR",
        "from_index": "INTEGER",
        "entity": "VARCHAR",
        "record_count": "INTEGER",
    },
    "seeds.metric_catalogue": {
        "metric": "VARCHAR",
        "dimension": "VARCHAR",
        "unit": "VARCHAR",
        "direction": "VARCHAR",
        "definition": "VARCHAR",
        "sources": "VARCHAR",
        "owner": "VARCHAR",
    },
}


# --- the engine's statements ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """One table or view of the engine: where it stands and the query that makes it."""

    schema: str
    table: str
    materialized: str
    sql: str


@dataclass(frozen=True)
class Engine:
    """The engine's statements, each after those it reads."""

    statements: tuple[Statement, ...]


@cache
def compiled_engine(folder: Path | None = None) -> Engine:
    """The engine of this project, compiled by dbt where no compiled one fits (some ten seconds), else read.

    `folder` holds the compiled text; default: `partner-segments` in $XDG_CACHE_HOME or ~/.cache, and a folder that
    lasts as long as the call where that cannot be written.

    Raises:
        BuildError: dbt does not compile the project, or the engine reads a table that an evaluation does not lay.
    """
    name = f"{project_hash(_FORMAT, sorted(INPUT_TABLES))}.json"
    place = (folder or _cache_folder()) / "engine" / name
    try:
        return _read(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged: it is made again
    engine = _compile()
    text = json.dumps([[x.schema, x.table, x.materialized, x.sql] for x in engine.statements], indent=1)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, encoding="utf-8", delete=False) as scratch:
            scratch.write(text)
        Path(scratch.name).replace(place)
    except OSError:
        return engine  # a home that cannot be written: the next process compiles again
    return engine


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "partner-segments"


def _read(text: str) -> Engine:
    return Engine(tuple(Statement(str(s), str(t), str(m), str(q)) for s, t, m, q in json.loads(text)))


def _compile() -> Engine:
    manifest, _ = compile_project(DATABASE, select=f"tag:{ENGINE_TAG}")
    return Engine(tuple(_statements(manifest)))


def _statements(manifest: Mapping[str, Any]) -> Iterator[Statement]:
    """The engine's nodes in an order in which each can be run."""
    nodes: Mapping[str, Any] = {**manifest["nodes"], **manifest["sources"]}
    laid = {*INPUT_TABLES, *(f"policy.{table}" for table in POLICY_TABLES)}
    missing: dict[str, str] = {}
    done: set[str] = set()
    found: list[Statement] = []

    def address(node: Mapping[str, Any]) -> str:
        return f"{node['schema']}.{node.get('alias') or node['name']}"

    def is_engine(node: Mapping[str, Any]) -> bool:
        return node["resource_type"] == "model" and ENGINE_TAG in node["config"]["tags"]

    def visit(key: str, reader: str) -> None:
        node = nodes[key]
        materialized = "source" if node["resource_type"] == "source" else node["config"]["materialized"]
        if materialized != "ephemeral" and address(node) in laid:
            return
        if key in done:
            return
        done.add(key)
        if materialized != "ephemeral" and not is_engine(node):
            missing.setdefault(address(node), reader)
            return
        for parent in node["depends_on"]["nodes"]:
            visit(parent, node["name"])
        if materialized != "ephemeral":
            kind = "view" if materialized == "view" else "table"
            found.append(Statement(node["schema"], node.get("alias") or node["name"], kind, node["compiled_code"]))

    engine = [key for key, node in sorted(nodes.items()) if node["resource_type"] == "model" and is_engine(node)]
    for key in engine:
        if nodes[key]["config"]["materialized"] != "ephemeral":
            visit(key, "")
    if not found:
        raise BuildError(f"the dbt project has no model with the tag `{ENGINE_TAG}`")
    if missing:
        listed = "; ".join(f"{table} (read by {reader})" for table, reader in sorted(missing.items()))
        raise BuildError(f"the policy engine reads what an evaluation does not lay: {listed}")
    return iter(found)


# --- inputs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """What the engine looks at. Each field is a list of tuples in the order given here, or an Arrow table.

    quarters: quarter_index, quarter, quarter_start, quarter_end, is_year_end; one row per quarter, indexes from 1.
        A policy version decides the quarters on whose last day it is in force; the last row is the run's quarter.
    partners: partner_id, partner_number, partner_name; one row per partner. Number and name default to the id.
    roster: partner_id, quarter_index, start_index; one row per partner and quarter that is reviewed, without gaps.
        `start_index` is the quarter from which the partner's history is known (windows that must be complete).
    attributes: partner_id, attribute, value.
    metric_values: partner_id, quarter_index, window_id, metric, value, is_observed; metrics of the catalogue.
        A window is `attribution/quarters/lag`, with `/complete` behind it where it must be full.
    facts: partner_id, fact_metric, fact_date, value, subject, attributes (JSON object), fact_id; the facts that the
        metrics a policy declares are made of. `fact_id` decides between facts of one day, the greatest last.
    stale: metric, quarter_index, code, words; values that rest on a source which was not read in time (code
        `stale_source`, the default) or on a table of it that did not come (`partial_source`), and which, in words.
    doubtful: partner_id, metric, from_index, entity, record_count; what records that were set aside leave in doubt of
        a partner, from which quarter on.
    decisions: policy, ladder, partner_id, quarter_index, state, release; decisions on record.
    exceptions: policy (or None: any), partner, ladder, level, valid_from, valid_until, why, approved_by.
    by_name: policy key (`name@version`) -> the metrics whose values stand in `metric_values` under the policy's own
        name and the window `attribution + BY_NAME_WINDOW`, whatever window they have and whether they are of the
        catalogue, declared or derived. For worked examples, which state what a metric is.
    """

    quarters: Rows
    partners: Rows
    roster: Rows
    attributes: Rows = ()
    metric_values: Rows = ()
    facts: Rows = ()
    stale: Rows = ()
    doubtful: Rows = ()
    decisions: Rows = ()
    exceptions: Rows = ()
    by_name: Mapping[str, Collection[str]] = field(default_factory=dict)


_FIELDS = {
    "quarters": "deployment.quarters",
    "roster": "metrics.partner_quarters",
    "attributes": "identity.partner_attributes",
    "metric_values": "metrics.metric_values",
    "facts": "metrics.partner_facts",
    "stale": "metrics.stale_metrics",
    "doubtful": "metrics.doubtful_metrics",
    "decisions": "released.decisions",
}


@contextmanager
def evaluate(
    policies: Sequence[Policy] | Tables,
    inputs: Inputs,
    *,
    active: Policy | str | None = None,
    file: Path | None = None,
    cache_folder: Path | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the engine's tables after it judged `inputs` by every policy of `policies`, in one pass.

    The tables stand as in a warehouse: metrics.policy_values, scoring.partner_scores (policy x version x partner x
    quarter), scoring.criterion_points, ladders.levels_earned, ladders.levels_held (x ladder) and the rest.
    `policies` are policies or their rows. `active` is the policy of the run, as an object or `name@version`; default:
    the first. With `file` the tables are laid in a new database file there, for inputs beyond memory; without, in
    memory. The connection is closed at the end.

    Raises:
        BuildError: dbt could not compile the engine.
    """
    engine = compiled_engine(cache_folder)
    tables = _tables(policies)
    if not tables.get("policies"):
        raise ValueError("evaluate needs at least one policy")
    con = memory()
    try:
        where = ":memory:" if file is None else str(file)
        con.execute(f"attach '{where.replace(chr(39), chr(39) * 2)}' as {DATABASE}")
        con.execute(f"use {DATABASE}")
        lay(con, tables, inputs, active=active)
        run_engine(con, engine)
        yield con
    finally:
        con.close()


def _tables(policies: Sequence[Policy] | Tables) -> dict[str, list[dict[str, Any]]]:
    """The rows of the schema `policy`, in lists of the caller's own."""
    found: Tables = policies if isinstance(policies, Mapping) else rows_of(policies)
    return {table: [dict(row) for row in found.get(table, ())] for table in POLICY_TABLES}


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['policy']}@{row['version']}"


def run_engine(con: duckdb.DuckDBPyConnection, engine: Engine) -> dict[str, float]:
    """Make the engine's tables over inputs that are laid; returns the seconds each took."""
    spans: dict[str, float] = {}
    for statement in engine.statements:
        started = time.perf_counter()
        con.execute(f"create schema if not exists {quoted(statement.schema)}")
        target = f"{quoted(statement.schema)}.{quoted(statement.table)}"
        con.execute(f"create {statement.materialized} {target} as (\n{statement.sql}\n)")
        spans[statement.table] = time.perf_counter() - started
    return spans


def lay(
    con: duckdb.DuckDBPyConnection,
    policies: Sequence[Policy] | Tables,
    inputs: Inputs,
    *,
    active: Policy | str | None = None,
) -> None:
    """Write policies and inputs into the database `con` uses, which must have the name the compiled SQL expects."""
    rows = _tables(policies)
    for address, columns in INPUT_TABLES.items():
        schema, _, table = address.partition(".")
        write_rows(con, schema, table, columns, [])
    renamed = _rows_by_name(rows, inputs.by_name)
    for table, found in rows.items():
        write_rows(con, "policy", table, POLICY_TABLES[table], found)
    _lay_table(con, "policy.exceptions", POLICY_TABLES["exceptions"], inputs.exceptions)
    for name, address in _FIELDS.items():
        if name != "roster":
            _lay_table(con, address, INPUT_TABLES[address], getattr(inputs, name))
    _lay_roster(con, inputs)
    catalogue = [*_catalogue(), *renamed]
    columns = INPUT_TABLES["seeds.metric_catalogue"]
    write_rows(con, "seeds", "metric_catalogue", columns, catalogue)
    key = active.key if isinstance(active, Policy) else active or _key(rows["policies"][0])
    policy, _, version = key.partition("@")
    con.execute(
        "insert into deployment.run_context by name select 'evaluation' as deployment, quarter, quarter_index, "
        "quarter_end, cast(quarter_end + 1 as timestamp) as known_at, ? as policy, ? as version, "
        "'' as reporting_currency, 0 as suppress_overlap_below from deployment.quarters "
        "order by quarter_index desc limit 1",
        [policy, version],
    )


def _lay_roster(con: duckdb.DuckDBPyConnection, inputs: Inputs) -> None:
    """Partners, their attributes (a row for each, as a warehouse has them) and the quarters they are reviewed in."""
    columns = dict.fromkeys(("partner_id", "partner_number", "partner_name"), "VARCHAR")
    _lay_table(con, "given_partners", columns, inputs.partners, create="temp table")
    listed = ", ".join(f"('{attribute}')" for attribute in ATTRIBUTES)
    con.execute(
        "create temp table given_attributes as select partner_id, attribute, value from identity.partner_attributes"
    )
    con.execute("delete from identity.partner_attributes")
    con.execute(
        "insert into identity.partner_attributes select p.partner_id, a.attribute, g.value "
        "from given_partners as p cross join ("
        f"select * from (values {listed}) as known (attribute) "
        "union select distinct attribute from given_attributes) as a "
        "left join given_attributes as g on p.partner_id = g.partner_id and a.attribute = g.attribute"
    )
    pivoted = ", ".join(
        f"max(case when a.attribute = '{attribute}' then a.value end) as {attribute}" for attribute in ATTRIBUTES
    )
    con.execute(
        "insert into identity.partners by name "
        "select p.partner_id, coalesce(any_value(p.partner_number), p.partner_id) as partner_number, "
        "coalesce(any_value(p.partner_name), any_value(p.partner_number), p.partner_id) as partner_name, "
        "row_number() over (order by coalesce(any_value(p.partner_number), p.partner_id), p.partner_id) "
        f"as partner_order, {pivoted} "
        "from given_partners as p "
        "left join identity.partner_attributes as a on p.partner_id = a.partner_id group by p.partner_id"
    )
    columns = {"partner_id": "VARCHAR", "quarter_index": "INTEGER", "start_index": "INTEGER"}
    _lay_table(con, "given_roster", columns, inputs.roster, create="temp table")
    con.execute(
        "insert into metrics.partner_quarters by name "
        "select r.partner_id, r.quarter_index, q.quarter, q.quarter_end, coalesce(r.start_index, 1) as start_index "
        "from given_roster as r "
        "inner join deployment.quarters as q on r.quarter_index = q.quarter_index"
    )
    for table in ("given_partners", "given_attributes", "given_roster"):
        con.execute(f"drop table {table}")


_ARROW = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
}


def _lay_table(
    con: duckdb.DuckDBPyConnection, address: str, columns: Mapping[str, str], rows: Rows, *, create: str = ""
) -> None:
    """Add rows to a table, all at once; `create` makes it first, as `table` or `temp table`."""
    if create:
        spelled = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        con.execute(f"create or replace {create} {address} ({spelled})")
    if isinstance(rows, pa.Table):
        found = rows
    elif rows:
        names = list(columns)[: len(rows[0])]
        found = pa.table(
            {
                name: pa.array(list(values), _ARROW[columns[name]])
                if columns[name] in _ARROW
                else pa.array([None if value is None else str(value) for value in values], pa.string())
                for name, values in zip(names, zip(*rows, strict=True), strict=True)
            }
        )
    else:
        return
    unknown = sorted(set(found.column_names) - set(columns))
    if unknown:
        raise ValueError(f"{address} has no column {', '.join(unknown)}")
    con.register("rows_to_lay", found)
    try:
        casts = ", ".join(f"cast({quoted(x)} as {columns[x]}) as {quoted(x)}" for x in found.column_names)
        con.execute(f"insert into {address} by name select {casts} from rows_to_lay")
    finally:
        con.unregister("rows_to_lay")


@cache
def _catalogue_rows() -> tuple[tuple[tuple[str, str], ...], ...]:
    with (PROJECT / "seeds" / "metric_catalogue.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(tuple(row.items()) for row in csv.DictReader(handle))


def _catalogue() -> list[dict[str, Any]]:
    return [dict(row) for row in _catalogue_rows()]


def catalogue_metrics() -> list[str]:
    """The names of the metrics of the catalogue."""
    return [row["metric"] for row in _catalogue()]


# --- values by the policy's own names ---------------------------------------------------------------------------

# A value that a policy's metric has outright: of one quarter, no lag, not bound to be complete.
BY_NAME_WINDOW = "/1/0"


def named_metrics(policies: Sequence[Policy] | Tables) -> dict[str, dict[str, str]]:
    """Every metric that policies read: policy key -> the policy's own name -> `catalogue`, `declared` or `derived`."""
    tables = _tables(policies)
    found: dict[str, dict[str, str]] = {_key(row): {} for row in tables["policies"]}
    for table, kind in (("metric_uses", "catalogue"), ("declared_metrics", "declared"), ("derived_metrics", "derived")):
        for row in tables[table]:
            found[_key(row)][row["metric"]] = kind
    return found


def _rows_by_name(
    rows: dict[str, list[dict[str, Any]]], by_name: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """Turn every metric that is given by name into one of the catalogue; returns the rows the catalogue lacks."""
    if not by_name:
        return []
    directions = {row["metric"]: row["direction"] for row in _catalogue()}
    added: list[dict[str, Any]] = []

    def is_named(row: Mapping[str, Any]) -> bool:
        return row["metric"] in by_name.get(_key(row), ())

    def use(row: Mapping[str, Any], source: str, direction: str | None) -> dict[str, Any]:
        if source not in directions:
            directions[source] = direction or "higher"
            added.append({"metric": source, "direction": directions[source]})
        return {
            "policy": row["policy"],
            "version": row["version"],
            "metric": row["metric"],
            "source_metric": source,
            "direction": direction,
            "window_quarters": 1,
            "window_complete": False,
            "window_lag": 0,
        }

    uses: list[dict[str, Any]] = []
    for row in rows["metric_uses"]:
        if not is_named(row):
            uses.append(row)
        elif row["source_metric"] == row["metric"]:
            uses.append(use(row, row["metric"], None))
        else:  # the same metric through another window is another value
            uses.append(use(row, _own(row), row["direction"] or directions.get(row["source_metric"])))
    for table in ("declared_metrics", "derived_metrics"):
        uses += [use(row, _own(row), row["direction"]) for row in rows[table] if is_named(row)]
    for table in ("declared_metrics", "declared_filters", "derived_metrics", "derived_operands"):
        rows[table] = [row for row in rows[table] if not is_named(row)]
    rows["metric_uses"] = uses
    return added


def _own(row: Mapping[str, Any]) -> str:
    return f"{_key(row)}:{row['metric']}"


# A fact by name: a number (or None: unknown) for a metric, a text for an attribute.
NamedFacts = Mapping[str, Number | str | None]


@dataclass(frozen=True)
class Reviewed:
    """One partner in one quarter, with what each metric is: a number, or None or absent for unknown."""

    partner_id: str
    quarter_index: int
    values: Mapping[str, Number | None]


def inputs_by_name(
    policies: Sequence[Policy] | Tables,
    reviewed: Sequence[Reviewed],
    quarters: Rows,
    *,
    start_index: int = 1,
    names: Mapping[str, Collection[str]] | None = None,
) -> Inputs:
    """Inputs in which the metrics of `policies` have the values stated under the policies' own names.

    A policy that does not know a name does without it. A metric that is declared `absent: zero` is 0 where nothing
    is stated. `names` says per policy key which metrics are stated (default: those of the catalogue, all declared
    ones, and the derived ones that a partner states; the other derived ones are computed). Metrics that are left to
    be computed from facts take them from `facts` (use `dataclasses.replace`). The roster is the partners and quarters
    of `reviewed`; attributes are added the same way.
    """
    tables = _tables(policies)
    stated = {name for row in reviewed for name, value in row.values.items() if value is not None}
    chosen: dict[str, frozenset[str]] = {}
    for key, kinds in named_metrics(tables).items():
        computed = {name for name, kind in kinds.items() if kind == "derived" and name not in stated}
        asked = set(kinds) - computed if names is None else set(names.get(key, ())) & set(kinds)
        chosen[key] = frozenset(asked | {name for name, kind in kinds.items() if kind == "catalogue"})
    attribution = {_key(row): row["attribution"] for row in tables["policies"]}
    own: dict[tuple[str, str, str], bool] = {}  # attribution, name in metric_values, name in the policy -> absent: zero
    for row in tables["metric_uses"]:
        is_plain = row["source_metric"] == row["metric"]
        own[attribution[_key(row)], row["metric"] if is_plain else _own(row), row["metric"]] = False
    for table in ("declared_metrics", "derived_metrics"):
        for row in tables[table]:
            if row["metric"] in chosen[_key(row)]:
                own[attribution[_key(row)], _own(row), row["metric"]] = row.get("absent") == "zero"
    values: list[tuple[Any, ...]] = []
    for (model, source, name), is_zero in sorted(own.items()):
        window = model + BY_NAME_WINDOW
        for one in reviewed:
            value = one.values.get(name)
            if value is None and is_zero:
                value = 0
            values.append((one.partner_id, one.quarter_index, window, source, value, value is not None))
    partners = list(dict.fromkeys(one.partner_id for one in reviewed))
    return Inputs(
        quarters=quarters,
        partners=[(partner,) for partner in partners],
        roster=[(one.partner_id, one.quarter_index, start_index) for one in reviewed],
        metric_values=values,
        by_name=chosen,
    )


def one_quarter(
    policies: Sequence[Policy] | Tables,
    partners: Mapping[str, NamedFacts],
    *,
    on: date | None = None,
    partner_numbers: Mapping[str, str] | None = None,
) -> Inputs:
    """The simplest inputs: every partner reviewed once, with its facts by the policies' own names.

    A text is an attribute, a number a metric, None or absence unknown. `on` is the day of the review (default: the
    newest first day of the policies, so that each newest version is in force); the quarter has index 1. All partners
    stand in one review, so percentiles, shares and capacity compare them with each other.

    Raises:
        InputError: a name that no policy knows as a metric and that is no attribute; a text for a metric.
    """
    tables = _tables(policies)
    known = {name for names in named_metrics(tables).values() for name in names}
    reviewed: list[Reviewed] = []
    attributes: list[tuple[str, str, str]] = []
    for partner, facts in partners.items():
        values: dict[str, Number | None] = {}
        for name, value in facts.items():
            if name in ATTRIBUTES and (value is None or isinstance(value, str)):
                if value is not None:
                    attributes.append((partner, name, str(value)))
            elif name not in known:
                hint = nearest(name, {*known, *ATTRIBUTES})
                raise InputError(
                    f"{partner}: no policy reads a metric `{name}` and it is no attribute"
                    + (f"; did you mean `{hint}`?" if hint else "")
                )
            elif isinstance(value, str):
                raise InputError(f"{partner}: `{name}` is a metric and {value!r} is no number")
            else:
                values[name] = value
        reviewed.append(Reviewed(partner, 1, values))
    day = on or max(row["effective_from"] for row in tables["policies"])
    made = inputs_by_name(tables, reviewed, [(1, day.isoformat(), months_before(day, 3), day, _ends_year(day))])
    numbers = partner_numbers or {}
    return replace(
        made, attributes=attributes, partners=[(partner, numbers.get(partner, partner)) for partner in partners]
    )


def _ends_year(day: date) -> bool:
    return day.month >= 10


def months_before(day: date, months: int) -> date:
    """The first day of a window of `months` that ends with `day`: (day + 1) - months, cut to the month's last day."""
    after = day + timedelta(days=1)
    month = after.year * 12 + after.month - 1 - months
    year, index = divmod(month, 12)
    last = (date(year + (index == 11), (index + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, index + 1, min(after.day, last))

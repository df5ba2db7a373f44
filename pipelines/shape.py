"""Runs the shaping: lays policy and deployment as rows beside the raw views, then dbt from staging to marts, once.

dbt runs as a subprocess on one parsed project: one process cannot hold a DuckDB file writable and read-only, and the
gate reads right after. What the SQL says is `dbt_project/`; who asks for it is above.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.clock import now
from pipelines.connector import Connector, Instance, instances
from pipelines.errors import BuildError
from pipelines.events import emit
from pipelines.fiscal import Quarter
from pipelines.identity import KINDS, public_suffixes, read_crosswalk
from pipelines.lake import Load, lay_views
from pipelines.load_changes import COLUMNS as CHANGE_COLUMNS
from pipelines.load_changes import SHRUNK_COLUMNS, load_changes, shrunk_tables
from pipelines.policy import TABLES as POLICY_TABLES
from pipelines.policy import Policy, in_force, read_exceptions, read_policies, rows_of
from pipelines.policy.rows import Row as PolicyRow
from pipelines.release import base_of_loads, check_owner, recorded_decisions, recorded_identities, recorded_scores
from pipelines.settings import Settings
from pipelines.warehouse import DEPLOYMENT, POLICY, Places, connect, literal, quoted, write_rows

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
_CATALOGUE = PROJECT / "seeds" / "metric_catalogue.csv"
_RAW_TABLE = re.compile(r"source\('raw_\w+', *'(\w+)'\)")


# The tables of the schema `deployment`, as `lay_inputs` writes them.
DEPLOYMENT_TABLES = (
    "run_context",
    "quarters",
    "days",
    "exchange_rates",
    "pseudo_partners",
    "source_settings",
    "source_options",
    "partner_account_types",
    "capabilities",
    "entity_tables",
    "crosswalk",
    "public_suffixes",
    "roster_kinds",
    "icp_rule",
    "icp_values",
    "loads",
    "load_changes",
    "shrunk_tables",
)


@dataclass(frozen=True)
class Run:
    """What one run is about: the quarter, the policies that are evaluated, the active one, and the facts' moment."""

    settings: Settings
    places: Places
    quarter: Quarter
    sources: list[Instance]
    policies: list[Policy]
    active: Policy
    known_at: datetime | None
    # Signed exceptions as rows of `policy.exceptions`.
    exceptions: list[PolicyRow] = field(default_factory=list)


@dataclass(frozen=True)
class Built:
    """One dbt node after a build."""

    unique_id: str
    name: str
    resource_type: str
    schema: str
    table: str
    materialized: str
    status: str
    seconds: float
    failures: int | None


def metric_names() -> list[str]:
    """The metrics of the catalogue."""
    lines = _CATALOGUE.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split(",", 1)[0] for line in lines if line]


def plan(settings: Settings, *, quarter: str | None = None, known_at: datetime | None = None) -> Run:
    """Settle everything a run depends on, before anything is read or written.

    Raises:
        ConfigError: an unknown connector, option or quarter, or the state folder is another deployment's.
        PolicyError: an unreadable policy, or none in force on the quarter's last day.
    """
    check_owner(Places.of(settings), settings.deployment)
    chosen = settings.quarter(quarter)
    sources = instances(settings)
    everything = read_policies(settings.folder("policies"), metric_names())
    active = in_force(everything, settings.policy.active, chosen.last_day)
    wanted = {settings.policy.active.split("@")[0], *(name.split("@")[0] for name in settings.policy.compare)}
    for name in settings.policy.compare:
        in_force(everything, name, chosen.last_day)
    policies = [policy for policy in everything if policy.name in wanted]
    exceptions = read_exceptions(settings.folder("policies"), everything)
    return Run(
        settings, Places.of(settings), chosen, sources, policies, active, known_at or settings.known_at, exceptions
    )


def dbt_vars(sources: Iterable[Instance]) -> dict[str, Any]:
    """The only facts dbt must know when it parses: which connectors there are and which models feed an entity."""
    entities: dict[str, list[str]] = {}
    connectors: list[str] = []
    for instance in sources:
        connector = instance.connector
        if connector.name not in connectors:
            connectors.append(connector.name)
        narrowed = connector.entities_for if instance.options is not None else None
        may_offer = connector.entities if narrowed is None else narrowed(instance)
        for entity in may_offer:
            models = entities.setdefault(entity, [])
            if (model := connector.entities[entity]) not in models:
                models.append(model)
    return {"connectors": sorted(connectors), "entities": {name: sorted(entities[name]) for name in sorted(entities)}}


def lay_inputs(run: Run) -> list[Load]:
    """Write the raw views and the tables of the schemas `deployment`, `policy` and `released` into the warehouse."""
    places = run.places
    places.state.mkdir(parents=True, exist_ok=True)
    with connect(places.warehouse) as con:
        used = lay_views(con, places.lake, run.sources, known_at=run.known_at)
        for table, rows in rows_of(run.policies, run.exceptions).items():
            write_rows(con, POLICY, table, POLICY_TABLES[table], rows)
        spine = run.settings.calendar.spine(run.quarter, run.settings.history_quarters)
        for table, (columns, rows) in _deployment_rows(run, spine, used).items():
            write_rows(con, DEPLOYMENT, table, columns, rows)
        recorded_decisions(con, places, spine[:-1])
        recorded_scores(con, places, run.quarter)
        recorded_identities(con, places, run.known_at)
        changes = _changes_since_release(run)
        write_rows(con, DEPLOYMENT, "load_changes", CHANGE_COLUMNS, changes)
        shrunk = shrunk_tables(changes, run.settings.quality.max_gone_share)
        write_rows(con, DEPLOYMENT, "shrunk_tables", SHRUNK_COLUMNS, shrunk)
        con.execute("checkpoint")
    return used


def _changes_since_release(run: Run) -> list[dict[str, Any]]:
    """What changed in the sources since the loads that the release rests on with which this run is compared."""
    manifest = base_of_loads(run.places, run.known_at)
    inputs = manifest["inputs"] if manifest else []
    return load_changes(
        run.places.lake,
        run.sources,
        known_at=run.known_at,
        rests_on={(load["source"], load["table"], load["load_id"]) for load in inputs},
        since=datetime.fromisoformat(manifest["known_at"]).replace(tzinfo=UTC) if manifest else None,
    )


def _deployment_rows(
    run: Run, spine: list[Quarter], used: list[Load]
) -> dict[str, tuple[dict[str, str], list[dict[str, Any]]]]:
    settings = run.settings
    known_at = max((load.known_at for load in used), default=now())
    rates: dict[str, list[tuple[date, Any]]] = {settings.reporting_currency: [(date(1900, 1, 1), 1)]}
    for rate in settings.exchange_rates:
        if rate.currency != settings.reporting_currency:
            rates.setdefault(rate.currency, []).append((rate.from_, rate.rate))
    rate_rows = []
    for currency, dated in rates.items():
        dated.sort(key=lambda pair: pair[0])
        ends = [start for start, _ in dated[1:]] + [date(9999, 12, 31)]
        rate_rows += [
            {"currency": currency, "valid_from": start, "valid_to": end, "rate": rate}
            for (start, rate), end in zip(dated, ends, strict=True)
        ]
    days = [
        {"day": quarter.first_day + timedelta(days=offset), "quarter_index": index}
        for index, quarter in enumerate(spine, 1)
        for offset in range((quarter.last_day - quarter.first_day).days + 1)
    ]
    return {
        "run_context": (
            {
                "deployment": "varchar",
                "quarter": "varchar",
                "quarter_index": "integer",
                "quarter_end": "date",
                "known_at": "timestamp",
                "policy": "varchar",
                "version": "varchar",
                "reporting_currency": "varchar",
                "suppress_overlap_below": "integer",
            },
            [
                {
                    "deployment": settings.deployment,
                    "quarter": run.quarter.label,
                    "quarter_index": len(spine),
                    "quarter_end": run.quarter.last_day,
                    "known_at": known_at.astimezone(UTC).replace(tzinfo=None),
                    "policy": run.active.name,
                    "version": run.active.version,
                    "reporting_currency": settings.reporting_currency,
                    "suppress_overlap_below": settings.privacy.suppress_overlap_below,
                }
            ],
        ),
        "quarters": (
            {
                "quarter_index": "integer",
                "quarter": "varchar",
                "quarter_start": "date",
                "quarter_end": "date",
                "is_year_end": "boolean",
            },
            [
                {
                    "quarter_index": i,
                    "quarter": q.label,
                    "quarter_start": q.first_day,
                    "quarter_end": q.last_day,
                    "is_year_end": q.label.endswith("Q4"),
                }
                for i, q in enumerate(spine, 1)
            ],
        ),
        "days": ({"day": "date", "quarter_index": "integer"}, days),
        "exchange_rates": (
            {"currency": "varchar", "valid_from": "date", "valid_to": "date", "rate": "decimal(18,8)"},
            rate_rows,
        ),
        "pseudo_partners": (
            {"value": "varchar"},
            [{"value": name.strip().lower()} for name in settings.pseudo_partners],
        ),
        "source_settings": (
            {
                "source": "varchar",
                "connector": "varchar",
                "kind": "varchar",
                "source_order": "integer",
                "default_currency": "varchar",
            },
            [
                {
                    "source": x.name,
                    "connector": x.connector.name,
                    "kind": x.kind,
                    # Who is asked first about a partner: CRMs, then portals, then mapping platforms, as configured.
                    "source_order": 1000 * KINDS.index(x.kind) + position,
                    "default_currency": x.connector.default_currency(x.options),
                }
                for position, x in enumerate(run.sources, 1)
            ],
        ),
        "source_options": (
            {"source": "varchar", "option": "varchar", "key": "varchar", "value": "varchar"},
            [
                {"source": x.name, "option": option, "key": key, "value": value}
                for x in run.sources
                for option, key, value in x.connector.settings_rows(x.options)
            ],
        ),
        "partner_account_types": (
            {"source": "varchar", "account_type": "varchar"},
            [{"source": x.name, "account_type": t} for x in run.sources for t in x.connector.account_types(x.options)],
        ),
        "capabilities": (
            {"source": "varchar", "entity": "varchar"},
            [{"source": x.name, "entity": e} for x in run.sources for e in sorted(_known_entities(x, used))],
        ),
        "entity_tables": (
            {"source": "varchar", "table_name": "varchar", "entity": "varchar"},
            [
                {"source": x.name, "table_name": table.name, "entity": entity}
                for x in run.sources
                for table in x.connector.tables
                for entity in fed_by(x.connector, table.name)
            ],
        ),
        "crosswalk": (
            {"source": "varchar", "source_id": "varchar", "partner_number": "varchar"},
            read_crosswalk(settings, [x.name for x in run.sources]),
        ),
        "public_suffixes": ({"suffix": "varchar", "kind": "varchar"}, public_suffixes()),
        "roster_kinds": ({"kind": "varchar"}, [{"kind": kind} for kind in settings.identity.roster]),
        **_icp_rows(settings),
    }


def _known_entities(instance: Instance, used: list[Load]) -> set[str]:
    """What a source can know at all: of files what it ever had a file of, of an API what was readable."""
    connector = instance.connector
    offered = set(connector.entities_for(instance) if connector.entities_for else connector.entities)
    if not connector.offers_by_load:
        return offered
    there = {load.table for load in used if load.source == instance.name}
    return {entity for entity in offered if connector.entity_tables.get(entity, entity) in there}


def fed_by(connector: Connector, table: str) -> list[str]:
    """The conformed entities that rest on a raw table, in the order of their names.

    Those it makes known; of a table that makes none known (tasks beside events, the stages of pipelines), those whose
    staging reads it.
    """
    tables = connector.entity_tables
    own = [entity for entity in connector.entities if tables.get(entity, entity) == table]
    return sorted(own or [entity for entity, model in connector.entities.items() if table in _read_by(model)])


@cache
def _read_by(model: str) -> frozenset[str]:
    """The raw tables that a staging model names in its own text."""
    texts = (path.read_text(encoding="utf-8") for path in (PROJECT / "models" / "staging").glob(f"*/{model}.sql"))
    return frozenset(table for text in texts for table in _RAW_TABLE.findall(text))


def _icp_rows(settings: Settings) -> dict[str, tuple[dict[str, str], list[dict[str, Any]]]]:
    """The ideal customer profile as rows; texts are compared in small letters."""
    icp = settings.icp
    allowed = {"industry": icp.industries, "region": icp.regions, "country": icp.countries}
    has_rule = any(allowed.values()) or icp.employees.min is not None or icp.employees.max is not None
    return {
        "icp_rule": (
            {
                "has_rule": "boolean",
                "employees_min": "bigint",
                "employees_max": "bigint",
                **{f"asks_{attribute}": "boolean" for attribute in allowed},
            },
            [
                {
                    "has_rule": has_rule,
                    "employees_min": icp.employees.min,
                    "employees_max": icp.employees.max,
                    **{f"asks_{attribute}": bool(values) for attribute, values in allowed.items()},
                }
            ],
        ),
        "icp_values": (
            {"attribute": "varchar", "value": "varchar"},
            [
                {"attribute": attribute, "value": value.strip().lower()}
                for attribute, values in allowed.items()
                for value in dict.fromkeys(values)
            ],
        ),
    }


def build(run: Run, *, select: str | None = None, on_node: Callable[[Built], None] | None = None) -> list[Built]:
    """Build staging to marts in one dbt invocation, or what dbt's `select` chooses of it; the inputs must be laid.

    Raises:
        BuildError: a model failed; names each and its message.
    """
    with connect(run.places.warehouse, read_only=True) as con:
        con.execute("select 1")  # a clear error here beats one from inside dbt when the file is damaged
    started = time.perf_counter()
    nodes: list[Built] = []

    def seen(node: Built) -> None:
        nodes.append(node)
        emit("node_finished", f"{node.schema}.{node.table}", level=logging.DEBUG, node=node.name, status=node.status)
        if on_node:
            on_node(node)

    chosen = ["--select", select] if select else []
    code, tail = _dbt(
        run.places, dbt_vars(run.sources), ["build", "--exclude-resource-type", "unit_test", *chosen], seen
    )
    if code != 0:
        lines = (_failures(run.places) if nodes else []) or tail[-5:]
        raise BuildError(
            "dbt could not build the tables; nothing was judged or released:\n  " + "\n  ".join(lines),
            next_step=f"the full log is {run.places.dbt_target / 'logs' / 'dbt.log'}",
        )
    rows = row_counts(run.places)
    for node in nodes:
        if (node.schema, node.table) in rows:
            emit(
                "table_built",
                f"{node.schema}.{node.table}",
                schema=node.schema,
                table=node.table,
                rows=rows[node.schema, node.table],
                seconds=round(node.seconds, 3),
            )
    seconds = time.perf_counter() - started
    inside = sum(node.seconds for node in nodes)
    emit(
        "shaped",
        f"{len(nodes)} nodes built",
        level=logging.DEBUG,
        nodes=len(nodes),
        seconds=round(seconds, 3),
        node_seconds=round(inside, 3),
    )
    return nodes


def row_counts(places: Places) -> dict[tuple[str, str], int]:
    """Rows of every table (not view) of the warehouse, by schema and name."""
    with connect(places.warehouse, read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
        counts = " union all ".join(
            f"select {literal(schema)}, {literal(table)}, count(*) from {quoted(schema)}.{quoted(table)}"
            for schema, table in tables
        )
        return {(row[0], row[1]): row[2] for row in con.execute(counts).fetchall()} if tables else {}


def prepare(settings: Settings) -> Path:
    """The path of a dbt manifest that fits the project and the configured connectors; parses only when it must.

    Raises:
        BuildError: the project does not parse.
    """
    places, variables = Places.of(settings), dbt_vars(instances(settings))
    manifest, stamp = places.dbt_target / "manifest.json", places.dbt_target / "manifest.stamp"
    wanted = _project_hash(json.dumps(variables, sort_keys=True))
    if manifest.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return manifest
    code, tail = _dbt(places, variables, ["parse"], lambda node: None)
    if code != 0:
        raise BuildError("dbt could not parse the project:\n  " + "\n  ".join(tail[-8:]))
    stamp.write_text(wanted, encoding="utf-8")
    return manifest


@cache
def _project_hash(variables: str) -> str:
    digest = hashlib.sha256(variables.encode())
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in (".sql", ".yml", ".csv") and "target" not in path.parts:
            digest.update(path.relative_to(PROJECT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _dbt(
    places: Places, variables: dict[str, Any], arguments: Sequence[str], on_node: Callable[[Built], None]
) -> tuple[int, list[str]]:
    """Run dbt and hand over every finished node; returns the exit code and the last lines it said."""
    places.dbt_target.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-P", str(Path(__file__).with_name("dbt_program.py")),
        "--log-format", "json", "--log-level", "info", "--log-level-file", "info",
        "--log-path", str(places.dbt_target / "logs"),
        "--no-version-check", "--no-use-colors",
        *arguments,
        "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(places.dbt_target),
        "--vars", json.dumps(variables, sort_keys=True),
    ]  # fmt: skip
    environment = {**os.environ, "SEGMENTS_WAREHOUSE": str(places.warehouse), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    tail: list[str] = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                node, said = _read_line(line)
                if said:
                    tail = [*tail[-40:], said]
                if node:
                    on_node(node)
        except BaseException:
            process.terminate()
            raise
        return process.wait(), tail


def _read_line(line: str) -> tuple[Built | None, str]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None, line.strip()
    info, data = record.get("info", {}), record.get("data", {})
    if info.get("name") in ("LogModelResult", "LogSeedResult", "LogTestResult"):
        node = data.get("node_info", {})
        relation = node.get("node_relation") or {}
        return (
            Built(
                unique_id=node.get("unique_id", ""),
                name=node.get("node_name", ""),
                resource_type=node.get("resource_type", ""),
                schema=relation.get("schema") or "",
                table=relation.get("alias") or node.get("node_name", ""),
                materialized=node.get("materialized", ""),
                status=str(node.get("node_status", "")),
                seconds=float(data.get("execution_time") or 0.0),
                failures=data.get("num_failures"),
            ),
            "",
        )
    return None, info.get("msg", "") if info.get("level") in ("error", "warn") else ""


def _failures(places: Places) -> list[str]:
    """The nodes that failed in the last build with what dbt said of each."""
    try:
        results = json.loads((places.dbt_target / "run_results.json").read_text(encoding="utf-8"))["results"]
    except (OSError, KeyError, json.JSONDecodeError):
        return []
    return [
        f"{x['unique_id'].split('.')[-1]}: {(x.get('message') or '').strip()}"
        for x in results
        if x["status"] in ("error", "fail", "runtime error")
    ]

"""Runs the project's own SQL without dbt around it: every table from staging to marts in seconds.

`dbt compile` writes the SQL down once per state of the project and set of connectors; `rebuild` executes it. dbt takes
some 0.2 s a node for what lies around a statement, which a run can pay and a hundred trials cannot. For scratch copies
of a warehouse only: what is released is built by dbt (`shape.py`), and a test holds the two to the same rows.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import BuildError
from pipelines.shape import PROJECT, Run, dbt_vars
from pipelines.warehouse import connect, literal, memory, quoted

__all__ = ["Node", "Project", "compile_project", "compiled", "project_hash", "rebuild"]

# The database's name while dbt compiles. It is taken out of the text: a statement names schema and table alone.
_DATABASE = "to_be_compiled"
_FORMAT = 1


@dataclass(frozen=True)
class Node:
    """One table, view or seed of the project: where it stands and the query that makes it."""

    schema: str
    table: str
    kind: str
    """table, view or seed."""
    sql: str
    hooks: tuple[str, ...]
    """Statements to be run once it stands."""
    depends_on: frozenset[tuple[str, str]]
    """Schema and table of what it reads, through ephemeral models; tables that are laid and no node are among them."""
    columns: tuple[tuple[str, str], ...] = ()
    """Where a contract holds: every column and what it is declared as, such as `varchar not null`."""

    @property
    def address(self) -> tuple[str, str]:
        """Schema and table."""
        return (self.schema, self.table)


@dataclass(frozen=True)
class Project:
    """The nodes of the project, each after those it reads."""

    nodes: tuple[Node, ...]

    def downstream(self, of: Collection[tuple[str, str]]) -> tuple[Node, ...]:
        """What has to be built again when the tables `of` (schema, table) have changed: in order, without `of`."""
        changed = set(of)
        found = []
        for node in self.nodes:
            if node.depends_on & changed:
                changed.add(node.address)
                if node.address not in of:
                    found.append(node)
        return tuple(found)


def compiled(run: Run) -> Project:
    """The project as SQL for the connectors of a run; dbt compiles it (some 20 s) only where it changed since.

    Raises:
        BuildError: dbt does not compile the project.
    """
    variables = dbt_vars(run.sources)
    wanted = project_hash(_FORMAT, variables)
    place = run.places.dbt_target / "compiled.json"
    try:
        held = json.loads(place.read_text(encoding="utf-8"))
        if held["project"] == wanted:
            return Project(tuple(_read(node) for node in held["nodes"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged: it is made again
    manifest, hooks = compile_project(_DATABASE, variables=variables)
    project = Project(tuple(_nodes(manifest, hooks)))
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, encoding="utf-8", delete=False) as scratch:
        json.dump({"project": wanted, "nodes": [_written(node) for node in project.nodes]}, scratch, indent=1)
    Path(scratch.name).replace(place)
    return project


def rebuild(warehouse: Path, nodes: Sequence[Node]) -> None:
    """Make tables and views anew in a DuckDB file, in the order given; all of them or, where one fails, none.

    The file must not be a deployment's own warehouse while somebody may read it.

    Raises:
        BuildError: a statement failed; names the table and what DuckDB said.
    """
    with connect(warehouse) as con:
        con.execute("begin")
        there = {
            (schema, table): kind
            for schema, table, kind in con.execute(
                "select schema_name, table_name, 'table' from duckdb_tables() where database_name = current_database() "
                "union all select schema_name, view_name, 'view' from duckdb_views() "
                "where database_name = current_database() and not internal"
            ).fetchall()
        }
        for schema in dict.fromkeys(node.schema for node in nodes):
            con.execute(f"create schema if not exists {quoted(schema)}")
        for node in nodes:
            target = f"{quoted(node.schema)}.{quoted(node.table)}"
            kind = "view" if node.kind == "view" else "table"
            try:
                if there.get(node.address, kind) != kind:
                    con.execute(f"drop {there[node.address]} {target}")
                for statement in _statements(node, target, kind):
                    con.execute(statement)
            except duckdb.Error as problem:
                con.execute("rollback")
                raise BuildError(
                    f"the table {node.schema}.{node.table} could not be built; nothing was changed: "
                    f"{' '.join(str(problem).split())}"
                ) from None
        con.execute("commit")


def _statements(node: Node, target: str, kind: str) -> Iterator[str]:
    if kind == "view":
        yield f"create or replace view {target} as (\n{node.sql}\n)"
    elif node.columns:
        # As dbt does under a contract: the declared types and constraints, and the columns by name.
        declared = ", ".join(f"{quoted(name)} {kind}" for name, kind in node.columns)
        names = ", ".join(quoted(name) for name, _ in node.columns)
        yield f"create or replace table {target} ({declared})"
        yield f"insert into {target} ({names}) select {names} from (\n{node.sql}\n)"
    else:
        yield f"create or replace table {target} as (\n{node.sql}\n)"
    yield from node.hooks


# --- what dbt knows -----------------------------------------------------------------------------------------------


@cache
def _files_hash() -> bytes:
    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-duckdb", "duckdb"):
        digest.update(importlib.metadata.version(package).encode())
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in (".sql", ".yml", ".csv") and "target" not in path.parts:
            digest.update(path.relative_to(PROJECT).as_posix().encode() + path.read_bytes())
    return digest.digest()


def project_hash(*parts: Any) -> str:
    """A hash of the dbt project as it lies there, of the versions that read it, and of what else a caller names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode() + _files_hash()).hexdigest()


def compile_project(
    database: str, *, select: str | None = None, variables: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """dbt's manifest with the compiled SQL in it, and the statements of the nodes' hooks.

    `database` is the name under which the SQL speaks of its tables; `select` as in dbt, default: everything.

    Raises:
        BuildError: dbt does not compile the project.
    """
    with tempfile.TemporaryDirectory(prefix="segments-compile-") as scratch:
        folder = Path(scratch)
        command = [
            # -P: this folder's modules must not stand before those of the standard library.
            sys.executable, "-P", str(Path(__file__).with_name("dbt_compile.py")), str(folder / "hooks.json"),
            "--log-path", str(folder / "logs"), "--no-version-check", "--no-use-colors", "--quiet",
            "compile", "--no-populate-cache",
            *(["--select", select] if select else []),
            *(["--vars", json.dumps(variables, sort_keys=True)] if variables else []),
            "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(folder / "target"),
        ]  # fmt: skip
        environment = {
            **os.environ,
            "SEGMENTS_WAREHOUSE": str(folder / f"{database}.duckdb"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip().splitlines()[-8:]
            raise BuildError("dbt could not compile the project:\n  " + "\n  ".join(said))
        manifest = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
        hooks = json.loads((folder / "hooks.json").read_text(encoding="utf-8"))
    return manifest, hooks


def _nodes(manifest: Mapping[str, Any], hooks: Mapping[str, list[str]]) -> Iterator[Node]:
    """The manifest's models and seeds in an order in which each can be run."""
    known: Mapping[str, Any] = {**manifest["nodes"], **manifest["sources"]}
    reads: dict[str, frozenset[tuple[str, str]]] = {}
    found: list[Node] = []

    def is_ephemeral(node: Mapping[str, Any]) -> bool:
        return bool(node["resource_type"] == "model" and node["config"]["materialized"] == "ephemeral")

    def visit(key: str) -> frozenset[tuple[str, str]]:
        """The addresses that reading this node means to read: its own, or for an ephemeral one those behind it."""
        node = known[key]
        if key not in reads:
            behind = frozenset(
                address for parent in node.get("depends_on", {}).get("nodes", ()) for address in visit(parent)
            )
            if is_ephemeral(node):
                reads[key] = behind
            else:
                reads[key] = frozenset({_address(node)})
                if node["resource_type"] in ("model", "seed"):
                    found.append(_node(node, hooks.get(key, []), behind))
        return reads[key]

    for key, node in sorted(known.items()):
        if node["resource_type"] in ("model", "seed"):
            visit(key)
    return iter(found)


def _address(node: Mapping[str, Any]) -> tuple[str, str]:
    return (node["schema"], node.get("identifier") or node.get("alias") or node["name"])


def _node(node: Mapping[str, Any], hooks: list[str], behind: frozenset[tuple[str, str]]) -> Node:
    schema, table = _address(node)
    if node["resource_type"] == "seed":
        return Node(schema, table, "seed", _seed(node), tuple(hooks), behind)
    kind = node["config"]["materialized"]
    if kind not in ("table", "view"):
        raise BuildError(f"the model {node['name']} is materialised as {kind}, which is not run outside of dbt")
    columns: tuple[tuple[str, str], ...] = ()
    if node["contract"]["enforced"] and kind == "table":
        columns = tuple(_declared(node["name"], column) for column in node["columns"].values())
    sql = _without_database(node["compiled_code"])
    return Node(schema, table, kind, sql, tuple(_without_database(hook) for hook in hooks), behind, columns)


def _without_database(sql: str) -> str:
    return sql.replace(f'"{_DATABASE}".', "")


def _declared(model: str, column: Mapping[str, Any]) -> tuple[str, str]:
    kinds = [constraint["type"] for constraint in column["constraints"]]
    if unknown := sorted({kind for kind in kinds if kind != "not_null"}):
        raise BuildError(f"{model}.{column['name']}: the constraint {unknown[0]} is not run outside of dbt")
    return column["name"], column["data_type"] + (" not null" if kinds else "")


def _seed(node: Mapping[str, Any]) -> str:
    """The rows of a seed's file as a query: the compiled project shall need no other file."""
    types = node["config"]["column_types"]
    with memory() as con:
        read = con.execute(
            f"select * from read_csv({literal(PROJECT / node['original_file_path'])}, header = true, delim = ',', "
            "all_varchar = true)"
        )
        names = [column[0] for column in read.description]
        rows = read.fetchall()
    if missing := [name for name in names if name not in types]:
        raise BuildError(f"the seed {node['name']} does not say the type of its column {missing[0]}")
    casts = ", ".join(f"cast({quoted(name)} as {types[name]}) as {quoted(name)}" for name in names)
    listed = ",\n".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
    return f"select {casts} from (values\n{listed}\n) as rows_of_file ({', '.join(quoted(name) for name in names)})"


def _written(node: Node) -> dict[str, Any]:
    return {**node.__dict__, "depends_on": sorted(node.depends_on)}


def _read(held: Mapping[str, Any]) -> Node:
    return Node(
        schema=held["schema"],
        table=held["table"],
        kind=held["kind"],
        sql=held["sql"],
        hooks=tuple(held["hooks"]),
        depends_on=frozenset((schema, table) for schema, table in held["depends_on"]),
        columns=tuple((name, kind) for name, kind in held["columns"]),
    )

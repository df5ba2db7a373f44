"""The project's SQL run without dbt gives what dbt gives: every table and view of the sample company's warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.compiled import Node, Project, compiled, rebuild
from pipelines.errors import BuildError
from pipelines.settings import read_settings
from pipelines.shape import plan
from pipelines.warehouse import quoted
from tests.conftest import Deployment


@pytest.fixture(scope="module")
def project(company: Deployment) -> Project:
    return compiled(plan(read_settings(company.file)))


@pytest.fixture(scope="module")
def rebuilt(company: Deployment, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse of the company without what dbt built, and that built again without dbt."""
    file = tmp_path_factory.mktemp("rebuilt") / "scratch.duckdb"
    shutil.copyfile(company.state / "warehouse.duckdb", file)
    with duckdb.connect(str(file)) as con:
        for node in project.nodes:
            kind = "view" if node.kind == "view" else "table"
            con.execute(f"drop {kind} {quoted(node.schema)}.{quoted(node.table)}")
        con.execute("drop schema quarantine cascade")
    rebuild(file, project.nodes)
    return file


@pytest.fixture(scope="module")
def both(company: Deployment, rebuilt: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(f"attach '{company.state / 'warehouse.duckdb'}' as dbt (read_only)")
        con.execute(f"attach '{rebuilt}' as ours (read_only)")
        yield con


def columns_of(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[tuple[str, str, bool]]]:
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for address, *column in con.execute(
        "select schema_name || '.' || table_name, column_name, data_type, is_nullable from duckdb_columns() "
        "where database_name = ? order by schema_name, table_name, column_index",
        [database],
    ).fetchall():
        found.setdefault(address, []).append(tuple(column))
    return found


def test_every_table_has_the_columns_that_dbt_gives_it(both: duckdb.DuckDBPyConnection, project: Project) -> None:
    theirs, ours = columns_of(both, "dbt"), columns_of(both, "ours")
    assert ours == theirs
    assert {f"{node.schema}.{node.table}" for node in project.nodes} < set(ours)
    assert "quarantine.opportunities" in ours  # a view that a hook makes


def test_every_table_has_the_rows_that_dbt_gives_it(both: duckdb.DuckDBPyConnection) -> None:
    different = {}
    for address, columns in columns_of(both, "dbt").items():
        # The last digit of a sum of doubles depends on which thread was first, with dbt and without.
        shown = ", ".join(f"round({quoted(n)}, 9)" if kind == "DOUBLE" else quoted(n) for n, kind, _ in columns)
        theirs, ours = (f"select {shown} from {database}.{address}" for database in ("dbt", "ours"))
        both.execute(f"select count(*) from (({theirs} except all {ours}) union all ({ours} except all {theirs}))")
        if found := both.fetchall()[0][0]:
            different[address] = found
    assert different == {}


def test_the_compiled_text_is_kept_until_the_project_changes(company: Deployment, project: Project) -> None:
    file = company.state / "dbt" / "compiled.json"
    before = file.stat().st_mtime_ns
    assert compiled(plan(read_settings(company.file))) == project
    assert file.stat().st_mtime_ns == before


def test_downstream_is_what_has_to_be_built_again(project: Project) -> None:
    order = {node.address: place for place, node in enumerate(project.nodes)}
    for node in project.nodes:
        assert all(order[parent] < order[node.address] for parent in node.depends_on if parent in order)
    accounts = project.downstream([("conformed", "accounts")])
    found = {node.address for node in accounts}
    assert ("conformed", "accounts") not in found and ("marts", "partner_segments") in found
    assert ("conformed", "training_records") not in found and ("seeds", "value_map") not in found
    assert [order[node.address] for node in accounts] == sorted(order[node.address] for node in accounts)
    # Of the raw views too, which are no nodes.
    raw = {node.address for node in project.downstream([("raw_files", "meetings")])}
    assert ("conformed", "meetings") in raw and ("conformed", "accounts") not in raw


def test_a_statement_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    def node(table: str, sql: str, columns: tuple[tuple[str, str], ...] = ()) -> Node:
        return Node("marts", table, "table", sql, (), frozenset(), columns)

    file = tmp_path / "scratch.duckdb"
    rebuild(file, [node("good", "select 1 as a")])
    with pytest.raises(BuildError, match=r"table marts\.bad could not be built; nothing was changed: Constraint Error"):
        rebuild(file, [node("good", "select 2 as a"), node("bad", "select null as a", (("a", "varchar not null"),))])
    with duckdb.connect(str(file)) as con:
        assert con.execute("select a from marts.good").fetchall() == [(1,)]
        assert con.execute("select count(*) from duckdb_tables()").fetchall() == [(1,)]
    # What was a table may become a view, and the other way round.
    rebuild(file, [Node("marts", "good", "view", "select 3 as a", (), frozenset())])
    rebuild(file, [node("good", "select 4 as a")])
    with duckdb.connect(str(file)) as con:
        assert con.execute("select a from marts.good").fetchall() == [(4,)]

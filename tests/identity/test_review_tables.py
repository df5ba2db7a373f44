"""What the released tables of identity tell the person who settles a case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.compiled import compile_project
from pipelines.identity_evaluation import Record, identity_of
from tests.identity.conftest import KINDS

ROSTER = [
    # A portal's record has the name under which the mapping platform knows the partner of a1.
    Record("crm", "a1", "Aldermere", None, "DE"),
    Record("account_mapping", "m1", "Birchmere", None, None, crm_account_id="a1"),
    Record("prm", "p1", "Birchmere", None, None),
    # Two partners of one domain, each known to two systems.
    Record("crm", "a2", "Cedarmere", "cedarmere.example", "FR"),
    Record("account_mapping", "m2", "Cedarmere", None, None, crm_account_id="a2"),
    Record("crm_two", "a3", "Cedarmere", "cedarmere.example", "IT"),
    Record("prm", "p3", "Cedarmere", None, "IT", crm_account_id="a3"),
    *(Record("crm", f"g{number}", f"Group{number} {number}", "group.example", "PL") for number in range(8)),
]


@pytest.fixture(scope="module")
def tables(cache_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of identity with the two that are released, over the roster above."""
    manifest, _ = compile_project("labelled", select="identity_candidates identity_review")
    con = identity_of(ROSTER, kinds=KINDS, cache_folder=cache_folder)
    con.execute("create table deployment.run_context as select '2026Q3' as quarter, 'p' as policy, '1' as version")
    con.execute(
        "create table identity.partners as select partner_id, source_id as partner_number, source_id as partner_name "
        "from identity.partner_links where source = key_source and source_id = key_source_id"
    )
    for name in ("identity_candidates", "identity_review"):
        (sql,) = (node["compiled_code"] for node in manifest["nodes"].values() if node["name"] == name)
        con.execute(f"create table {name} as (\n{sql}\n)")
    yield con
    con.close()


def _settled_by(tables: duckdb.DuckDBPyConnection, one: str, other: str) -> str:
    ((text,),) = tables.execute(
        "select settled_by from identity_candidates where source_id = $1 and other_source_id = $2", [one, other]
    ).fetchall()
    return str(text)


def test_the_commands_name_the_records_that_the_partners_began_with(tables: duckdb.DuckDBPyConnection) -> None:
    assert _settled_by(tables, "p1", "m1") == (
        "segments identity link prm/p1 crm/a1 if they are one; "
        "segments identity unlink prm/p1 if it is a partner of its own"
    )


def test_nothing_is_offered_to_be_parted_that_several_systems_know(tables: duckdb.DuckDBPyConnection) -> None:
    assert _settled_by(tables, "a2", "a3") == (
        "segments identity link crm/a2 crm_two/a3 if they are one; they stay two partners while nobody says so"
    )


def test_of_many_holders_of_a_domain_five_are_named(tables: duckdb.DuckDBPyConnection) -> None:
    found = tables.execute("select detail from identity_review where reason = 'domain_shared'").fetchall()
    said = "the domain group.example stands on several partners of one system: g0, g1, g2, g3, g4 and 3 more"
    assert found == [(said,)] * 8

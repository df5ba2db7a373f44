"""How rows lead to partners, on tables of a few rows each."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from data_quality import blast
from data_quality.blast import tell_reach
from data_quality.suite import read_suites
from data_quality.touched import Failure, Trace
from pipelines.compiled import Node, Project
from tests.blast.conftest import failed

# Two partners with an account each, one of them in the portal; a deal of both with the customer C-1; a deal of B alone.
TABLES = """
create schema identity; create schema conformed; create schema quarantine; create schema raw;
create table identity.partners as select * from (values
    ('p_a', 'P-1'), ('p_b', 'P-2')) as t (partner_id, partner_number);
create table identity.partner_links as select * from (values
    ('crm', 'A-1', 'p_a'), ('crm', 'A-2', 'p_b'), ('prm', 'R-1', 'p_a')) as t (source, source_id, partner_id);
create table identity.partner_accounts as
    select source, source_id as account_id, partner_id from identity.partner_links where source = 'crm';
create table identity.partner_knowledge as select 'p_a' as partner_id, 'training_records' as entity;
create table conformed.accounts as select 'crm' as source, unnest(['A-1', 'A-2', 'C-1', 'C-2']) as source_id;
create table conformed.opportunities as select * from (values
    ('crm', 'D-1', 'C-1', 100, true), ('crm', 'D-2', 'C-2', 50, false))
    as t (source, source_id, account_id, reporting_amount, is_won);
alter table conformed.opportunities add column close_date date;
alter table conformed.opportunities add column created_at timestamp;
create table conformed.opportunity_partners as select * from (values
    ('crm', 'D-1', 'A-1'), ('crm', 'D-1', 'A-2'), ('crm', 'D-2', 'A-2')) as t (source, opportunity_id, account_id);
create table conformed.metric_facts as select 'crm' as source, 'F-1' as source_id, 'P-2' as partner;
create table conformed.training_records as select 'prm' as source, 'T-1' as source_id, 'R-1' as partner_id;
"""
MARKS = "'L' as load_id, 'file.csv' as file_name"
ASIDE = {
    "accounts": [("A-9", 1, "P-9 | true"), ("C-9", 2, "null | false")],
    "partners": [("R-2", 1, "A-2")],
    "training_records": [("T-9", 1, "R-1"), (None, 2, None)],
}
RAW = {
    "accounts": "split_part(told, ' | ', 1) as partner_number, split_part(told, ' | ', 2) = 'true' as is_partner",
    "partners": "told as crm_account_id",
    "training_records": "told as partner_id",
}


@pytest.fixture
def trace() -> Iterator[Trace]:
    with duckdb.connect() as con:
        con.execute(TABLES)
        nodes = []
        for entity, rows in ASIDE.items():
            listed = ", ".join(f"({source_id!r}, {row}, {told!r})" for source_id, row, told in rows).replace(
                "None", "null"
            )
            source = "crm" if entity == "accounts" else "prm"
            con.execute(
                f"create table raw.{entity} as select '{source}' as source, *, {MARKS} "
                f"from (values {listed}) as t (source_id, file_row, told)"
            )
            con.execute(
                f"create table quarantine.{entity}_set_aside as select source, source_id, load_id, file_name, "
                "cast(file_row as bigint) as file_row, 'wrong_type' as reject_reason, 'told' as reject_detail "
                f"from raw.{entity}"
            )
            con.execute(f"create view quarantine.{entity} as select * from quarantine.{entity}_set_aside")
            sql = f"with facts as (\n    select *, {RAW[entity]} from raw.{entity}\n)\n\nselect\n    source from facts"
            nodes.append(Node("quarantine", f"{entity}_set_aside", "table", sql, (), frozenset()))
        sources = [SimpleNamespace(name="crm", kind="crm"), SimpleNamespace(name="prm", kind="prm")]
        connector = SimpleNamespace(entities={"training_records": ""}, entity_tables={"training_records": "courses"})
        run: Any = SimpleNamespace(sources=[SimpleNamespace(connector=connector, **one.__dict__) for one in sources])
        yield Trace(con, run, Project(tuple(nodes)))


def followed(trace: Trace, suite: str, sql: str) -> tuple[set[str], set[str], str]:
    """The partners a failure touches, the entities that are in doubt for any, and why it touches a whole."""
    suites = {one.suite: one for one in read_suites()}
    failure = Failure(1, failed(suite, sql), suites.get(suite))
    trace.follow(failure)
    assert failure.problem == ""
    touched = trace.con.execute("select distinct partner_id from touched").fetchall()
    doubted = trace.con.execute("select distinct entity from doubts").fetchall()
    return {row[0] for row in touched}, {row[0] for row in doubted}, failure.why_all


@pytest.mark.parametrize(
    ("suite", "sql", "partners", "doubted"),
    [
        ("opportunities", "select 'crm' as source, 'D-1' as source_id", {"p_a", "p_b"}, {"opportunities"}),
        ("opportunities", "select 'crm' as source, 'D-2' as source_id", {"p_b"}, {"opportunities"}),
        ("accounts", "select 'crm' as source, 'A-1' as source_id", {"p_a"}, {"accounts"}),
        # A customer's account stands for those on its deals.
        ("accounts", "select 'crm' as source, 'C-1' as source_id", {"p_a", "p_b"}, {"accounts"}),
        ("opportunity_partners", "select 'crm' as source, 'D-2' as opportunity_id", {"p_b"}, {"opportunity_partners"}),
        ("opportunity_partners", "select 'prm' as source, 'D-2' as opportunity_id", set(), set()),
        (
            "entities",
            "select 'metric_facts' as entity, 'crm' as source, 'F-1' as source_id "
            "union all select 'training_records', 'prm', 'T-1'",
            {"p_a", "p_b"},
            {"metric_facts", "training_records"},
        ),
        (
            "quarters",
            "select 'training_records' as entity, 'prm' as source, 'R-1' as who",
            {"p_a"},
            {"training_records"},
        ),
        ("loads", "select 'prm' as source, 'courses' as table_name", {"p_a"}, {"training_records"}),
        ("loads", "select 'crm' as source, 'whatever' as table_name", {"p_a", "p_b"}, {"kind:crm"}),
        # A rule about a released total is about no input.
        ("segment_summary", "select 'gold' as level, 3 as partner_count", {"p_a", "p_b"}, set()),
        # A portal's record that was set aside still names its account.
        ("quarantine", "select 'partners' as entity, 'prm' as source", {"p_b"}, {"partners"}),
        (
            "quarantine",
            "select 'training_records' as entity, 'T-9' as source_id",
            {"p_a"},
            {"training_records"},
        ),
    ],
)  # fmt: skip
def test_rows_lead_to_partners(trace: Trace, suite: str, sql: str, partners: set[str], doubted: set[str]) -> None:
    assert followed(trace, suite, sql)[:2] == (partners, doubted)


def test_a_source_that_many_rest_on_makes_no_longer_statement(trace: Trace) -> None:
    trace.con.execute("insert into identity.partners select 'p' || n, 'N-' || n from range(3000) as t (n)")
    trace.con.execute("insert into identity.partner_links select 'prm', 'R' || n, 'p' || n from range(3000) as t (n)")
    session, said = trace.con, []

    def execute(statement: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        said.append(statement)
        return session.execute(statement, *parameters)

    recording: Any = SimpleNamespace(execute=execute)
    trace.con = recording
    assert len(followed(trace, "loads", "select 'prm' as source")[0]) == 3001
    assert max(map(len, said)) < 2000


def test_every_failure_is_told_its_own_and_all_together_with_the_first_numbers_alone(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blast, "LISTED", 2)
    trace.con.execute("insert into identity.partners select 'p' || n, 'N-' || n from range(5) as t (n)")
    trace.con.execute(
        "insert into touched values (1, 'p_a'), (1, 'p_a'), (2, 'nobody'), (4, 'p_b'); "
        "insert into touched select 3, partner_id from identity.partners; "
        "insert into lost values (4, 'aside:1', 'ann@acme.example'); "
        "insert into doubts select 3, partner_id, 'accounts', false, '', null, null, null, null from identity.partners"
    )
    failures = [Failure(number, failed("loads", "select 1"), None) for number in (1, 2, 3, 4)]
    together = tell_reach(trace.con, failures, {"p_a", "p_b", "p0"})
    one, two, three, four = failures
    assert (one.partners, one.partner_count, one.at_risk, one.is_input) == (("P-1",), 1, (), False)
    assert (two.partners, two.partner_count, two.at_risk_count) == ((), 0, 0)
    assert (three.partners, three.partner_count) == (("N-0", "N-1"), 7)
    assert (three.at_risk, three.at_risk_count, three.is_input) == (("N-0", "P-1"), 3, True)
    # A record that was set aside puts its partner at risk by itself.
    assert (four.partners, four.partner_count) == (("P-2", "(address hidden)"), 2)
    assert (four.at_risk, four.at_risk_count, four.is_input) == (("(address hidden)",), 1, True)
    assert (together.count, together.at_risk) == (4, ("N-0", "P-1"))


def test_a_row_set_aside_that_names_nobody_touches_all_who_rest_on_its_table(trace: Trace) -> None:
    found = followed(trace, "quarantine", "select 'training_records' as entity, 'wrong_type' as reject_reason")
    assert found == ({"p_a"}, {"training_records"}, "1 row of it names nobody")


def test_a_partner_whose_account_was_set_aside_is_told_by_its_own_number(trace: Trace) -> None:
    assert followed(trace, "quarantine", "select 'accounts' as entity")[0] == set()
    assert trace.con.execute("select partner_id, number from lost").fetchall() == [("aside:crm/A-9", "P-9")]


def test_what_is_in_doubt_by_a_deal_is_its_amount(trace: Trace) -> None:
    followed(trace, "opportunities", "select 'crm' as source, unnest(['D-1', 'D-2']) as source_id")
    found = trace.con.execute("select partner_id, thing, amount, is_won from doubts order by all").fetchall()
    assert found == [
        ("p_a", "deal:crm/D-1", 100, True),
        ("p_b", "deal:crm/D-1", 100, True),
        ("p_b", "deal:crm/D-2", 50, False),
    ]

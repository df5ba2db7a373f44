"""What is in doubt of whom: sources that are old, tables that did not come, records that were set aside.

The smallest tables that show each rule; who is frozen for it is tests/engine and tests/journey.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import pytest

from pipelines.catalogue import catalogue
from pipelines.compiled import compile_project
from pipelines.connector import find
from pipelines.shape import PROJECT, fed_by
from pipelines.templates import columns_of

Q1, Q2, Q3 = 1, 2, 3
DEALS, CERTIFICATES, EVERYTHING = "sourced_won_amount", "active_certifications", len(catalogue()) + 1


@cache
def _compiled() -> dict[str, str]:
    # As where a CRM and a portal hand in files without lines that could not be read, and the deployment says the rates.
    entities = find("files").entities.items()
    offered = {name: [model] for name, model in entities if name not in ("exchange_rates", "rejected_lines")}
    manifest, _ = compile_project(
        "doubts",
        select="int_stale_metrics int_doubtful_metrics int_*_set_aside",
        variables={"connectors": ["files"], "entities": offered},
    )
    return {node["name"]: node["compiled_code"] for node in manifest["nodes"].values() if "compiled_code" in node}


def _set_aside(entity: str) -> str:
    return f"int_{'source_partners' if entity == 'partners' else entity}_set_aside"


@dataclass
class Given:
    """Three quarters of 2026, a CRM and a portal that were read in October, and partners A and B in both."""

    con: duckdb.DuckDBPyConnection

    def read(self, source: str, table: str, day: str, rows: int = 1) -> None:
        """A load of a table and when the table was last there."""
        self.con.execute("insert into deployment.loads values (?, ?, ?, ?)", [source, table, day, rows])

    def aside(
        self,
        entity: str,
        named: str | None,
        *,
        dated: str | None = None,
        about: str | None = None,
        source: str = "prm",
        source_id: str | None = None,
        reason: str = "wrong_type",
    ) -> None:
        """One record that was set aside."""
        self.con.execute(
            f"insert into quarantine.{entity}_set_aside select ?, ?, '1', 'a.csv', count(*), ?, ?, ?, ? "
            f"from quarantine.{entity}_set_aside",
            [source, source_id, reason, named, about, dated],
        )

    def landed(self, entity: str, source: str = "prm", **values: str) -> list[str]:
        """One record in a file that was exported in October, judged as every record is; the reasons to set it aside."""
        columns = {column.name for column in columns_of(entity)} | {"source", "load_id", "file_name", "file_row"}
        values = {"source": source, "source_id": "X-1", "load_id": "1", "file_name": "a.csv", "file_row": "1", **values}
        assert values.keys() <= columns
        listed = ", ".join(f"{name} varchar" for name in sorted(columns - {"file_row"}))
        self.con.execute(f"create table raw_files.{entity} ({listed}, file_row bigint, known_at timestamp)")
        self.con.execute(
            f"insert into raw_files.{entity} ({', '.join(values)}, known_at) "
            f"values ({', '.join('?' * len(values))}, '2026-10-05 06:00:00')",
            list(values.values()),
        )
        aside = f"quarantine.{entity}_set_aside"
        self.con.execute(
            f"insert into {aside} by name select source, source_id, load_id, file_name, file_row, reject_reason, "
            f"named, about, dated from ({_compiled()[_set_aside(entity)]})"
        )
        return [reason for (reason,) in self.con.execute(f"select reject_reason from {aside}").fetchall()]

    def stale(self, quarter: int) -> dict[str, set[tuple[str, str]]]:
        """Metric -> why it is in doubt in a quarter."""
        found: dict[str, set[tuple[str, str]]] = {}
        for metric, index, code, words in self._made("int_stale_metrics"):
            if index == quarter:
                found.setdefault(metric, set()).add((code, words))
        return found

    def doubtful(self) -> dict[tuple[str, str, str], dict[int, int]]:
        """Partner, metric and entity -> records by the quarter from which on they are missing."""
        found: dict[tuple[str, str, str], dict[int, int]] = {}
        for partner, metric, entity, since, count in self._made("int_doubtful_metrics"):
            found.setdefault((partner, metric, entity), {})[since] = count
        return found

    def _made(self, model: str) -> list[tuple[Any, ...]]:
        return self.con.execute(_compiled()[model]).fetchall()


@pytest.fixture
def given() -> Iterator[Given]:
    entities = [path.name.removesuffix("_set_aside.sql")[4:] for path in PROJECT.rglob("int_*_set_aside.sql")]
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as doubts; use doubts")
        for schema in ("deployment", "seeds", "quarantine", "identity", "conformed", "raw_files"):
            con.execute(f"create schema {schema}")
        for seed in ("metric_catalogue", "entity_metrics", "value_map"):
            con.execute(
                f"create table seeds.{seed} as from read_csv('{PROJECT / 'seeds' / seed}.csv', all_varchar = true)"
            )
        for entity in entities:
            con.execute(
                f"create table quarantine.{entity.replace('source_partners', 'partners')}_set_aside (source varchar, "
                "source_id varchar, load_id varchar, file_name varchar, file_row bigint, reject_reason varchar, "
                "named varchar, about varchar, dated date)"
            )
        con.execute(
            """
            create table deployment.quarters as from (values
                (1, '2026Q1', date '2026-01-01', date '2026-03-31', false),
                (2, '2026Q2', date '2026-04-01', date '2026-06-30', false),
                (3, '2026Q3', date '2026-07-01', date '2026-09-30', false)
            ) as t (quarter_index, quarter, quarter_start, quarter_end, is_year_end);
            create table deployment.source_settings as
            from (values ('crm', 'crm', 'EUR'), ('prm', 'prm', 'EUR')) as t (source, kind, default_currency);
            create table deployment.run_context as from (values ('EUR')) as t (reporting_currency);
            create table deployment.exchange_rates
            (currency varchar, valid_from date, valid_to date, rate decimal(18, 8));
            create table deployment.shrunk_tables (source varchar, table_name varchar, words varchar);
            create table deployment.loads (source varchar, table_name varchar, read_at timestamp, rows bigint);
            create table deployment.entity_tables as from (values
                ('crm', 'deals', 'opportunities'), ('crm', 'firms', 'accounts'),
                ('prm', 'courses', 'training_records'), ('prm', 'badges', 'training_records'),
                ('prm', 'metric_facts', 'metric_facts'), ('prm', 'leads', 'leads')
            ) as t (source, table_name, entity);
            create table identity.partner_links as from (values
                ('crm', 'C-A', 'crm', 'p_a'), ('prm', 'R-A', 'prm', 'p_a'),
                ('crm', 'C-B', 'crm', 'p_b'), ('prm', 'R-B', 'prm', 'p_b')
            ) as t (source, source_id, kind, partner_id);
            create table identity.partners as
            from (values ('p_a', 'N-A'), ('p_b', 'N-B')) as t (partner_id, partner_number);
            create table conformed.partners as from (values ('prm', 'R-A'), ('prm', 'R-B')) as t (source, source_id);
            create table conformed.accounts as from (values ('crm', 'C-A'), ('crm', 'C-B')) as t (source, source_id);
            create table conformed.opportunities as from (values
                ('crm', 'D-1', timestamp '2026-05-01 00:00:00')
            ) as t (source, source_id, created_at);
            """
        )
        yield Given(con)


def healthy(given: Given, *without: str) -> Given:
    """All tables there in October, but some."""
    for source, table in (("crm", "deals"), ("crm", "firms"), ("prm", "courses"), ("prm", "badges"), ("prm", "leads")):
        if table not in without:
            given.read(source, table, "2026-10-05")
    return given


# --- sources and tables


def test_where_every_table_was_there_nothing_is_in_doubt(given: Given) -> None:
    assert healthy(given).stale(Q3) == {}


def test_an_old_source_puts_everything_of_its_kind_in_doubt_and_no_table_twice(given: Given) -> None:
    healthy(given, "courses", "badges", "leads")
    given.read("prm", "courses", "2026-06-30")
    given.read("prm", "badges", "2026-03-31")
    found = given.stale(Q3)
    assert set(found) == {name for name, metric in catalogue().items() if "prm" in metric.sources}
    assert found[CERTIFICATES] == {("stale_source", "prm was last read on 2026-06-30")}
    # In the quarter before, the source was read and one table of it was not.
    assert set(given.stale(Q2)) == {"trainings_completed", "certified_people", CERTIFICATES, "days_to_enablement"}
    assert given.stale(Q2)[CERTIFICATES] == {("partial_source", "prm has brought no badges since 2026-03-31")}
    assert given.stale(Q1) == {}


def test_a_table_that_is_missing_puts_in_doubt_what_rests_on_it(given: Given) -> None:
    healthy(given, "courses", "leads")
    given.read("prm", "courses", "2026-09-29")
    given.read("prm", "leads", "2026-01-01")  # nothing rests on leads
    words = ("partial_source", "prm has brought no courses since 2026-09-29")
    assert given.stale(Q3) == {
        name: {words} for name in ("trainings_completed", "certified_people", CERTIFICATES, "days_to_enablement")
    }


def test_a_table_that_lost_records_puts_in_doubt_what_rests_on_it_in_every_quarter(given: Given) -> None:
    healthy(given)
    given.con.execute(
        "insert into deployment.shrunk_tables values ('prm', 'badges', 'no longer has 9 of 90 records in badges'), "
        "('prm', 'leads', 'no longer has 9 of 90 records in leads')"
    )
    words = ("partial_source", "prm no longer has 9 of 90 records in badges")
    for quarter in (Q1, Q2, Q3):
        assert given.stale(quarter) == {
            name: {words} for name in ("trainings_completed", "certified_people", CERTIFICATES, "days_to_enablement")
        }


def test_a_table_is_there_when_any_load_of_it_is_and_on_the_last_day_is_in_time(given: Given) -> None:
    healthy(given, "courses")
    given.read("prm", "courses", "2026-02-01")
    given.read("prm", "courses", "2026-09-30")
    assert given.stale(Q3) == {}


def test_the_accounts_decide_on_everything_and_facts_on_what_is_declared(given: Given) -> None:
    healthy(given, "firms")
    given.read("crm", "firms", "2026-09-01")
    given.read("prm", "metric_facts", "2026-09-02")
    found = given.stale(Q3)
    assert set(found) == {*catalogue(), "(metric_facts)"}
    assert (
        found["(metric_facts)"]
        == found["strategic_flag"]
        == {
            ("partial_source", "crm has brought no firms since 2026-09-01"),
            ("partial_source", "prm has brought no metric_facts since 2026-09-02"),
        }
    )


@pytest.mark.parametrize(
    ("connector", "table", "entities"),
    [
        ("files", "training_records", ["training_records"]),
        ("salesforce", "account", ["accounts"]),
        ("salesforce", "task", ["meetings"]),
        ("salesforce", "dated_conversion_rate", ["exchange_rates"]),
        ("salesforce", "user", []),
        ("hubspot", "deal", ["opportunities"]),
        ("hubspot", "call", ["meetings"]),
        ("hubspot", "owner", []),
    ],
)
def test_a_table_feeds_what_it_makes_known_or_else_what_reads_it(
    connector: str, table: str, entities: list[str]
) -> None:
    assert fed_by(find(connector), table) == entities


# --- records


def test_where_nothing_was_set_aside_nothing_is_in_doubt(given: Given) -> None:
    assert given.doubtful() == {}


def test_a_record_puts_its_partner_in_doubt_from_its_day_on_or_always(given: Given) -> None:
    given.aside("csat_responses", "R-A", dated="2026-05-07")
    given.aside("csat_responses", "R-A", dated="2026-04-01")
    given.aside("csat_responses", "R-A", dated="2026-08-01")
    given.aside("csat_responses", "R-B")
    given.aside("csat_responses", "R-B", dated="2026-10-01")  # after the last quarter
    assert given.doubtful() == {
        ("p_a", metric, "csat_responses"): {Q2: 2, Q3: 1} for metric in ("csat_average", "csat_responses")
    } | {("p_b", metric, "csat_responses"): {Q1: 1} for metric in ("csat_average", "csat_responses")}


@pytest.mark.parametrize(
    ("entity", "values", "reason", "since"),
    [
        # A day in the future is none that can be believed.
        ("account_overlaps", {"matched_at": "2027-05-07"}, "matched_in_future", Q1),
        ("activity_events", {"occurred_at": "2027-05-07T10:00:00Z"}, "happened_in_future", Q1),
        ("csat_responses", {"responded_at": "2027-05-07", "score": "3"}, "answered_in_future", Q1),
        ("deal_registrations", {"submitted_at": "2027-05-07"}, "submitted_in_future", Q1),
        ("mdf_claims", {"submitted_at": "2027-05-07"}, "submitted_in_future", Q1),
        ("transactions", {"transaction_date": "2027-05-07"}, "made_in_future", Q1),
        ("training_records", {"completed_at": "2027-05-07"}, "completed_in_future", Q1),
        # Nor is it where the record was set aside for something else.
        ("csat_responses", {"responded_at": "2027-05-07", "score": "many"}, "wrong_type", Q1),
        ("mdf_requests", {"submitted_at": "2027-05-07", "requested_amount": "-1"}, "negative_amount", Q1),
        ("partner_users", {"created_at": "2027-05-07", "is_active": "maybe"}, "wrong_type", Q1),
        # Another day of the record may be: nobody completes what he has not begun, no claim is paid before it is one.
        ("training_records", {"enrolled_at": "2026-05-07", "completed_at": "2027-05-07"}, "completed_in_future", Q2),
        ("mdf_claims", {"submitted_at": "2027-05-07", "paid_at": "2026-08-01"}, "submitted_in_future", Q3),
        # What is not later than its export is believed, a day of clocks that disagree included.
        ("csat_responses", {"responded_at": "2026-08-01", "score": "many"}, "wrong_type", Q3),
        ("csat_responses", {"responded_at": "2026-10-01", "score": "many"}, "wrong_type", None),
        ("csat_responses", {"responded_at": "2026-10-06T06:00:00Z", "score": "many"}, "wrong_type", None),
        ("csat_responses", {"responded_at": "2026-10-06T06:00:01Z", "score": "many"}, "wrong_type", Q1),
        ("transactions", {"transaction_date": "2026-10-06", "amount": "many"}, "wrong_type", None),
        # A meeting may be planned.
        ("business_plans", {"meeting_date": "2027-05-07", "target_amount": "many"}, "wrong_type", None),
    ],
)
def test_a_day_in_the_future_cannot_be_believed_and_the_record_counts_in_all_quarters(
    given: Given, entity: str, values: dict[str, str], reason: str, since: int | None
) -> None:
    assert given.landed(entity, partner_id="R-A", **values) == [reason]
    found = given.doubtful()
    assert {next(iter(quarters)) for quarters in found.values()} == ({since} if since else set())
    assert {partner for partner, *_ in found} <= {"p_a"}


@pytest.mark.parametrize(
    ("days", "reason", "since"),
    [
        ({"created_at": "2027-05-07"}, "created_in_future", Q1),
        ({"created_at": "2027-05-07", "close_date": "2027-06-07"}, "close_date_in_future", Q1),
        ({"created_at": "2026-05-07", "close_date": "2027-06-07"}, "close_date_in_future", Q2),
    ],
)
def test_a_deal_of_the_future_is_missing_from_the_day_it_was_made_or_always(
    given: Given, days: dict[str, str], reason: str, since: int
) -> None:
    closed = str("close_date" in days).lower()
    deal = {"source_id": "D-9", "account_id": "C-B", "is_closed": closed, "is_won": "false"}
    assert given.landed("opportunities", "crm", **deal, **days) == [reason]
    given.aside("opportunity_partners", "C-A", about="D-9", source="crm", reason="unknown_opportunity")
    assert given.doubtful()["p_a", DEALS, "opportunities"] == {since: 1}


def test_a_record_that_names_nobody_or_is_no_loss_puts_nobody_in_doubt(given: Given) -> None:
    given.aside("csat_responses", None)
    given.aside("csat_responses", "R-Z")
    given.aside("csat_responses", "R-A", source="crm")
    for reason in ("superseded", "deleted", "duplicate_id"):
        given.aside("csat_responses", "R-A", reason=reason)
    given.aside("leads", "R-A")
    assert given.doubtful() == {}


def test_two_rows_of_one_id_that_differ_are_a_loss(given: Given) -> None:
    given.aside("csat_responses", "R-A", reason="duplicate_id_conflict")
    assert ("p_a", "csat_average", "csat_responses") in given.doubtful()


def test_a_deal_takes_along_whom_its_link_rows_credit_and_counts_once(given: Given) -> None:
    given.aside("opportunities", None, about="D-9", dated="2026-04-02", source="crm")
    for reason in ("unknown_opportunity", "wrong_type"):
        given.aside("opportunity_partners", "C-A", about="D-9", source="crm", reason=reason)
    found = given.doubtful()
    assert found["p_a", DEALS, "opportunities"] == {Q2: 1}
    assert {partner for partner, *_ in found} == {"p_a"}


def test_a_link_row_has_the_day_of_its_deal(given: Given) -> None:
    given.aside("opportunity_partners", "C-A", about="D-1", source="crm")
    given.aside("opportunity_partners", "C-B", about="D-unheard-of", source="crm")
    found = given.doubtful()
    assert found["p_a", DEALS, "opportunity_partners"] == {Q2: 1}
    assert found["p_b", DEALS, "opportunity_partners"] == {Q1: 1}


def test_a_deal_that_the_source_deleted_puts_nobody_in_doubt(given: Given) -> None:
    given.aside("opportunities", None, about="D-9", source="crm", reason="deleted")
    given.aside("opportunity_partners", "C-A", about="D-9", source="crm", reason="unknown_opportunity")
    assert given.doubtful() == {}


def test_a_portals_partner_is_named_by_its_account_and_so_is_what_points_at_it(given: Given) -> None:
    given.aside("partners", "C-B", source_id="R-9")
    given.aside("mdf_claims", "R-9", dated="2026-08-01", reason="unknown_partner")
    found = given.doubtful()
    assert len({metric for partner, metric, entity in found if (partner, entity) == ("p_b", "partners")}) == EVERYTHING
    assert found["p_b", "mdf_spent_amount", "mdf_claims"] == {Q3: 1}
    assert {partner for partner, *_ in found} == {"p_b"}


def test_a_fact_names_a_partner_by_number_or_record(given: Given) -> None:
    given.aside("metric_facts", "N-A", dated="2026-08-01", source="crm")
    given.aside("metric_facts", "R-B", dated="2026-08-01")
    assert {(partner, metric) for partner, metric, _ in given.doubtful()} == {
        (partner, metric) for partner in ("p_a", "p_b") for metric in ("strategic_flag", "(metric_facts)")
    }

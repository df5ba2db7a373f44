"""What a doubtful value may be at its ends, on numbers small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from data_quality.believable import ADDS_AMOUNT, ADDS_ROWS, lay_ends
from data_quality.touched import DECLARED, ENTITIES, lay_doubts
from pipelines.shape import metric_names
from tests.conftest import ROOT

QUARTERS = ["2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3"]
METRICS = {"won": "sourced_won_amount", "days": "sales_cycle_days", "rate": "win_rate", "people": "certified_people"}
OLD = "veteran"
# Twenty more partners whose amounts are 1 to 20 thousand, so that the 95th percentile is one somebody had.
OTHERS = [f"other_{n:02}" for n in range(1, 21)]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that ranges are made of. The fifth quarter is the run's; windows are four quarters long."""
    with duckdb.connect() as con:
        for schema in ("deployment", "policy", "metrics", "seeds"):
            con.execute(f"create schema {schema}")
        con.execute(
            "create table deployment.run_context as select 'acme' as policy, '2' as version, 5 as quarter_index"
        )
        con.execute(
            "create table deployment.quarters as select quarter_index, quarter, "
            "last_day(date '2025-07-01' + to_months(cast(quarter_index * 3 - 1 as integer))) as quarter_end "
            f"from (select unnest(range(1, 6)) as quarter_index, unnest({QUARTERS}) as quarter)"
        )
        con.execute(
            "create table policy.metric_uses (policy varchar, version varchar, metric varchar, source_metric varchar, "
            "direction varchar, window_quarters integer, window_lag integer)"
        )
        con.execute(
            "create table policy.declared_metrics (policy varchar, version varchar, metric varchar, direction varchar)"
        )
        con.execute(
            f"create table seeds.metric_catalogue as from read_csv('{ROOT}/dbt_project/seeds/metric_catalogue.csv')"
        )
        con.execute(
            "create table metrics.policy_values (version_id integer, metric_id integer, roster_id integer, "
            "policy varchar, version varchar, metric varchar, partner_id varchar, quarter_index integer, "
            "value decimal(28,6), is_observed boolean)"
        )
        for number, (metric, source_metric) in enumerate(METRICS.items(), 1):
            con.execute(
                "insert into policy.metric_uses values ('acme', '2', ?, ?, null, 4, 0)", [metric, source_metric]
            )
            for place, other in enumerate(OTHERS, 1):
                lay(con, metric, other, {5: place * 1000}, metric_id=number, roster_id=place)
        lay_doubts(con)
        yield con


def lay(
    con: duckdb.DuckDBPyConnection,
    metric: str,
    partner: str,
    values: dict[int, float | None],
    *,
    metric_id: int | None = None,
    roster_id: int = 99,
) -> None:
    """Values of a metric by quarter; None: unknown. Quarters before the run's were under the policy's first version."""
    number = metric_id or list(METRICS).index(metric) + 1
    for quarter, value in values.items():
        version = "2" if quarter == 5 else "1"
        con.execute(
            "insert into metrics.policy_values values (2, ?, ?, 'acme', ?, ?, ?, ?, ?, ?)",
            [number, roster_id, version, metric, partner, quarter, value, value is not None],
        )


def doubt(con: duckdb.DuckDBPyConnection, entity: str, **row: Any) -> None:
    """A row of `doubts` about the veteran; without fields everything that rests on the entity is in doubt."""
    told = {"is_aside": bool(row), "thing": "", "amount": None, "row_count": 1, "dated": None, "is_won": None, **row}
    con.execute(
        "insert into doubts values (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        [OLD, entity, *(told[name] for name in ("is_aside", "thing", "amount", "row_count", "dated", "is_won"))],
    )


def ends(con: duckdb.DuckDBPyConnection, metric: str, previous: str | None = None) -> tuple[Decimal | None, ...]:
    """The bad and the good end of the veteran's value."""
    lay_ends(con, previous)
    ((bad, good),) = con.execute(
        "select bad, good from ends where metric_id = ? and roster_id = 99", [list(METRICS).index(metric) + 1]
    ).fetchall()
    return bad, good


def test_a_value_lies_between_what_the_partner_had_in_the_four_quarters_before_and_has(
    con: duckdb.DuckDBPyConnection,
) -> None:
    lay(con, "won", OLD, {1: 400, 2: 900, 3: None, 4: 700, 5: 650})
    doubt(con, "opportunities")
    assert ends(con, "won") == (400, 900)


def test_what_is_now_is_an_end_where_it_lies_outside_of_what_was(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "won", OLD, {2: 400, 3: 900, 5: 90000})
    doubt(con, "opportunities")
    assert ends(con, "won") == (400, 90000)


def test_where_less_is_better_the_ends_change_places(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "days", OLD, {3: 30, 4: 90, 5: 60})
    doubt(con, "opportunities")
    assert ends(con, "days") == (90, 30)


def test_without_a_history_the_roster_says_what_is_believable(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "won", OLD, {5: 5500})
    doubt(con, "opportunities")
    # Of the 21 values from 1,000 to 20,000 the second is the first with 5 % up to it, the last but one that with 95 %.
    assert ends(con, "won") == (2000, 19000)


def test_what_is_unknown_stays_so_at_the_bad_end(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "people", OLD, {4: 3, 5: None})
    doubt(con, "training_records")
    assert ends(con, "people") == (None, 3)
    lay(con, "days", OLD, {5: None})
    doubt(con, "opportunities")
    assert ends(con, "days") == (None, 1000)


def test_a_release_remembers_what_the_run_has_lost(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("attach ':memory:' as before")
    for table, metric, value in (
        ("partner_score_contributions", "metric", "value"),
        ("partner_gates", "subject", "actual_value"),
    ):
        con.execute(
            f"create table before.{table} (policy varchar, {metric} varchar, partner_id varchar, quarter varchar, "
            f"{value} decimal(28,6), is_observed boolean, kind varchar)"
        )
    con.execute(
        f"insert into before.partner_score_contributions values ('acme', 'won', '{OLD}', '2026Q1', 800, true, null)"
    )
    con.execute(f"insert into before.partner_gates values ('acme', 'won', '{OLD}', '2026Q2', 950, true, 'metric')")
    lay(con, "won", OLD, {3: 0, 4: 0, 5: 0})
    doubt(con, "opportunities")
    assert ends(con, "won") == (0, 0)
    assert ends(con, "won", "before") == (0, 950)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"amount": 250}], (650, 900)),
        # Twice the same deal, once as itself and once by its credit, is one.
        ([{"amount": 250, "thing": "deal:1"}, {"amount": 250, "thing": "deal:1"}], (650, 900)),
        ([{"amount": 250, "thing": "deal:1"}, {"amount": 100, "thing": "deal:2"}], (650, 1000)),
        # Never above what is believable: here what 95 % of the partners have less than.
        ([{"amount": 25000000}], (650, 19000)),
        # What cannot be read may be anything believable.
        ([{"thing": "deal:1"}, {"amount": 100, "thing": "deal:2"}], (650, 19000)),
        # Closed on the last day before the window, and a day later.
        ([{"amount": 250, "dated": "2025-09-30"}, {"amount": 100, "thing": "b", "dated": "2025-10-01"}], (650, 750)),
        # A deal that is known to be lost adds nothing to what was won.
        ([{"amount": 250, "is_won": False}, {"amount": 100, "thing": "b", "is_won": True}], (650, 750)),
    ],
)
def test_a_row_set_aside_counts_nothing_or_its_face_value(
    con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], expected: tuple[int, int]
) -> None:
    lay(con, "won", OLD, {3: 100, 4: 700, 5: 650})
    for row in rows:
        doubt(con, "opportunities", is_aside=True, **row)
    assert ends(con, "won") == expected


def test_a_row_set_aside_leaves_a_ratio_within_its_history(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "rate", OLD, {3: 0.2, 4: 0.5, 5: 0.4})
    doubt(con, "opportunities", is_aside=True, amount=250)
    assert ends(con, "rate") == (Decimal("0.2"), Decimal("0.5"))


def test_nothing_is_doubtful_of_what_no_row_is_about(con: duckdb.DuckDBPyConnection) -> None:
    lay(con, "won", OLD, {4: 700, 5: 650})
    lay(con, "people", OLD, {4: 7, 5: 6})
    doubt(con, "training_records")
    lay_ends(con, None)
    assert con.execute("select metric_id, roster_id, bad, good from ends").fetchall() == [(4, 99, 6, 7)]


def test_every_metric_of_the_catalogue_rests_on_something_and_every_name_is_one_of_it() -> None:
    catalogue = set(metric_names())
    named = {metric for spec in ENTITIES.values() for metric in spec.metrics or ()}
    assert named - {DECLARED} == catalogue
    assert catalogue > ADDS_AMOUNT | ADDS_ROWS
    assert not ADDS_AMOUNT & ADDS_ROWS


def test_a_metric_rests_on_the_entity_that_the_models_count_it_from(con: duckdb.DuckDBPyConnection) -> None:
    lines = (ROOT / "dbt_project" / "macros" / "activity.sql").read_text(encoding="utf-8")
    counted = [
        (metric, entity) for metric in metric_names() for entity in ENTITIES if f"('{metric}', '{entity}')" in lines
    ]
    assert len(counted) == 4
    for metric, entity in counted:
        assert metric in (ENTITIES[entity].metrics or ())
    # The kind of system that a metric is said to rest on keeps one of its entities.
    kinds = dict(con.execute("select metric, sources from seeds.metric_catalogue").fetchall())
    crm = {"opportunities", "opportunity_partners", "meetings", "exchange_rates", "account_overlaps"}
    for metric, sources in kinds.items():
        on_crm = any(metric in (ENTITIES[entity].metrics or ()) for entity in crm)
        assert on_crm or "crm" not in sources.split(";"), metric

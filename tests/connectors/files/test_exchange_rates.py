"""Rates that a CRM keeps itself: used for currencies that the deployment does not name, of their own source alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from pipelines.extract import extract_group
from pipelines.settings import read_settings
from pipelines.shape import build, lay_inputs, plan
from pipelines.warehouse import Places, connect

DEALS = """source_id,account_id,amount,currency,stage,is_closed,is_won,created_at,close_date
own,A,100,USD,won,true,true,2026-01-05,2026-02-01
configured,A,100,EUR,won,true,true,2026-01-05,2026-02-01
direct,A,100,CHF,won,true,true,2026-01-05,2026-02-01
later,A,100,CHF,won,true,true,2026-01-05,2026-03-01
chained,A,100,SEK,won,true,true,2026-01-05,2026-02-01
too_early,A,100,NOK,won,true,true,2026-01-05,2026-02-01
nowhere,A,100,JPY,won,true,true,2026-01-05,2026-02-01
"""
RATES = """currency,to_currency,valid_from,valid_to,rate
EUR,USD,2020-01-01,,9.99
CHF,USD,,,1.10
CHF,USD,2026-03-01,,1.20
CHF,EUR,2020-01-01,,7.77
SEK,EUR,2020-01-01,,0.10
NOK,USD,2026-02-02,,0.09
DKK,USD,2020-01-01,,-1
"""
OTHER = DEALS.splitlines()[0] + "\nelsewhere,B,100,CHF,won,true,true,2026-01-05,2026-02-01\n"


@pytest.fixture(scope="module")
def worth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("rates")
    for source, deals in (("north", DEALS), ("south", OTHER)):
        (folder / "inputs" / source).mkdir(parents=True)
        (folder / "inputs" / source / "opportunities.csv").write_text(deals)
        account = deals.splitlines()[1].split(",")[1]
        (folder / "inputs" / source / "accounts.csv").write_text(f"source_id,name\n{account},Customer\n")
    (folder / "inputs" / "north" / "exchange_rates.csv").write_text(RATES)
    sources = {name: {"connector": "files", "options": {"kind": "crm", "folder": name}} for name in ("north", "south")}
    told = {
        "sources": sources,
        "as_of": "2026-04-05",
        "history_quarters": 2,
        "exchange_rates": [{"currency": "EUR", "from": "2020-01-01", "rate": 1.1}],
        "policy": {"active": "sample-programme"},
        "paths": {"policies": str(Path(__file__).resolve().parents[3] / "policies")},
    }
    file = folder / "segments.yml"
    file.write_text(yaml.safe_dump(told))
    settings = read_settings(file)
    run = plan(settings)
    extract_group(settings, run.sources)
    lay_inputs(run)
    build(run, select="+int_opportunities +int_exchange_rates")
    with connect(Places.of(settings).warehouse, read_only=True) as con:
        found: dict[str, object] = dict(
            con.execute("select source_id, reporting_amount from conformed.opportunities").fetchall()
        )
        found |= dict(
            con.execute(
                "select source_id, reject_reason from quarantine.opportunities "
                "union all select detail, reject_reason from (select reject_reason, reject_detail as detail "
                "from quarantine.exchange_rates)"
            ).fetchall()
        )
    return found


@pytest.mark.parametrize(
    ("deal", "amount"),
    [
        ("own", "100"),
        ("configured", "110"),  # the deployment's rate goes before the CRM's
        ("direct", "110"),
        ("later", "120"),  # a rate without an end lasts until the next begins
        ("chained", "11"),  # 100 SEK are 10 EUR are 11 USD
    ],
)
def test_an_amount_is_turned_by_the_rate_of_its_day(deal: str, amount: str, worth: dict[str, object]) -> None:
    assert worth[deal] == Decimal(amount)


@pytest.mark.parametrize("deal", ["too_early", "nowhere", "elsewhere"])
def test_a_day_or_source_without_a_rate_has_none(deal: str, worth: dict[str, object]) -> None:
    assert worth[deal] == "no_exchange_rate"


def test_a_rate_that_is_none_is_set_aside(worth: dict[str, object]) -> None:
    assert "rate_missing" in worth.values()

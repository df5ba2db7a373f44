"""Between the reference and the engine: a company as the engine's inputs, a policy read, and rows to compare."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from engine.generators import policy_text
from engine.reference import Company, Data, decimal, months_before
from pipelines.evaluation import Inputs
from pipelines.policy import Policy, read_policy

SEEDS = Path(__file__).resolve().parent.parent.parent / "dbt_project" / "seeds"


@cache
def catalogue() -> tuple[str, ...]:
    """The names of the catalogue's metrics."""
    with (SEEDS / "metric_catalogue.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(row["metric"] for row in csv.DictReader(handle))


def policy_of(data: Data) -> Policy:
    """A policy as the project reads it."""
    return read_policy(policy_text(data), catalogue(), file=f"{data['policy']}.yml")


@dataclass(frozen=True)
class Record:
    """A released decision."""

    policy: str
    ladder: str
    partner: str
    quarter: int
    state: str


def inputs_of(company: Company, records: Iterable[Record] = ()) -> Inputs:
    """What the engine is given of a company."""
    standing = [
        (partner.id, quarter)
        for partner in company.partners
        for quarter in company.quarters
        if quarter >= company.standing.get(partner.id, company.start)
    ]
    values = []
    for (window, metric, partner, quarter), value in company.catalogue.items():
        if quarter >= company.standing.get(partner, company.start):
            values.append((partner, quarter, window, metric, decimal(value), value is not None))
    return Inputs(
        quarters=[
            (index, quarter.label, months_before(quarter.end + timedelta(days=1), 3), quarter.end, quarter.is_year_end)
            for index, quarter in company.quarters.items()
        ],
        partners=[(partner.id, partner.number, f"Partner {partner.number}") for partner in company.partners],
        roster=[(partner, quarter, company.start) for partner, quarter in standing],
        attributes=[
            (partner.id, name, text) for partner in company.partners for name, text in partner.attributes.items()
        ],
        metric_values=values,
        facts=[
            (
                fact.partner,
                fact.metric,
                fact.day,
                decimal(fact.value),
                fact.subject,
                json.dumps(dict(fact.attributes)),
                fact.id,
            )
            for fact in company.facts
        ],
        stale=sorted(company.stale),
        doubtful=[(*one, "opportunities", 1) for one in sorted(company.aside)],
        decisions=[
            (record.policy, record.ladder, record.partner, record.quarter, record.state, "2024-01-01")
            for record in records
        ],
    )


Rows = dict[tuple[Any, ...], Any]


def rows(con: duckdb.DuckDBPyConnection, keys: str, column: str, table: str, where: str = "true") -> Rows:
    """One column of a table by its key columns; a key that stands twice is a fault."""
    found = con.execute(f"select {keys}, {column} from {table} where {where}").fetchall()
    made = {tuple(row[:-1]): row[-1] for row in found}
    assert len(made) == len(found), f"{table} has {len(found) - len(made)} keys twice ({keys})"
    return made


def assert_same(what: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> int:
    """Compare two sides key by key and return how many values they agree on; the message has the first differences in
    the order of the keys."""
    assert wanted, f"there is nothing to compare for {what}"
    order = {key: place for place, key in enumerate(wanted)}
    absent = [key for key in wanted if key not in found]
    surplus = [key for key in found if key not in wanted]
    different = sorted((key for key in wanted if key in found and wanted[key] != found[key]), key=order.__getitem__)
    listed = "\n".join(f"  {key}: reference {wanted[key]}, engine {found[key]}" for key in different[:12])
    assert not (absent or surplus or different), (
        f"{what}: {len(different)} of {len(wanted)} differ, {len(absent)} are absent {absent[:3]}, "
        f"{len(surplus)} too many {surplus[:3]}\n{listed}"
    )
    return len(wanted)

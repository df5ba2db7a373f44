"""The generated channel: the sample company many times over, written straight as completed loads of a lake.

How the numbers of the issue come about. One replica is the sample company as its CRM and its account-mapping platform
show it on the second export: 120 partner records, 2,880 customers, about 10,500 deals and 5,900 overlaps. A channel of
100,000 partners, 10,000,000 opportunities and 50,000,000 overlaps has 12,000 and 60,000 of them per 120 partners, so:

* **Partners and accounts** stand once per replica, under ids, numbers, names and domains of their own: no two replicas
  hold one company. Only the pseudo-partner keeps its name, because it is known by it.
* **Deals** stand once, and some of them (about one in seven, drawn by hash) a second time under another id, together
  with their credits. Amounts are moved by up to a quarter, so that replicas do not tie, and the hour of a moment is
  drawn anew, so that a column of moments has as many values as a real one; days stay.
* **Overlaps** stand about twelve times: copy k of a row of replica r speaks of the same account in replica r + k, whose
  deals, and so whose lists, are alike. With fewer replicas than copies it goes round, and takes another account there.
  A fifth of the accounts is left alone, so that some are still known to one partner only.

The layout is what `pipelines/lake.py` reads: extraction is not what is measured. Meetings and the portal are left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from benchmarks.exports import ROOT
from demo.company import DEFAULT_PARTNERS
from demo.sample_company import DROPS, write_sample_company
from pipelines.lake import FILE_COLUMN, LEDGER_TABLE, ROW_COLUMN
from pipelines.warehouse import literal, memory, quoted

OPPORTUNITIES_PER_PARTNER, OVERLAPS_PER_PARTNER = 100, 500
# A replica's number takes three hexadecimal digits of an id.
MOST_PARTNERS = 0xFFF * DEFAULT_PARTNERS

SOURCES: dict[str, tuple[str, ...]] = {
    "crm": ("accounts", "opportunities", "opportunity_partners"),
    "account_mapping": ("partners", "account_overlaps", "overlap_counts"),
}
# Template headers that the connector reads under another name.
_RENAMED = {"count": "account_count"}

# What becomes of a column in a replica; all others stay as they are. `copy` counts the repetitions inside a replica.
_MOVED: dict[str, dict[str, str]] = {
    "accounts": {
        "source_id": "record_id(source_id, replica, 0)",
        "name": "company_name(name, replica)",
        "partner_number": "partner_number || '-' || replica",
        "domain": "own_domain(domain, replica)",
        "parent_id": "record_id(parent_id, replica, 0)",
    },
    "opportunities": {
        "source_id": "record_id(source_id, replica, copy)",
        "account_id": "record_id(account_id, replica, 0)",
        "amount": "(amount::double * (750 + hash(source_id, replica, copy) % 501) / 1000)::decimal(18, 2)::varchar",
        "created_at": "another_hour(created_at, hash(source_id, copy, replica))",
    },
    "opportunity_partners": {
        "source_id": "record_id(source_id, replica, copy)",
        "opportunity_id": "record_id(opportunity_id, replica, copy)",
        "account_id": "record_id(account_id, replica, 0)",
    },
    "partners": {
        "source_id": "platform_id(source_id, replica)",
        "name": "company_name(name, replica)",
        "domain": "own_domain(domain, replica)",
    },
    "account_overlaps": {
        "source_id": "source_id || '-' || replica || '-' || copy",
        "partner_id": "platform_id(partner_id, replica)",
        "own_account_id": "record_id(other_account_id, neighbour, 0)",
        "domain": "own_domain(other_domain, neighbour)",
        "matched_at": "another_hour(matched_at, hash(source_id, replica, copy))",
    },
    "overlap_counts": {
        "partner_id": "platform_id(partner_id, replica)",
        "account_count": "round(account_count::int * getvariable('overlap_copies'))::int::varchar",
    },
}
_EVERY_REPLICA = "from template.{table}, range(1, getvariable('replicas') + 1) as replicas (replica)"
_EVERY_COPY = (
    "from (from template.{table}, range(1, getvariable('replicas') + 1) as replicas (replica)), "
    "range(deal_copies({deal}, replica)) as copies (copy)"
)
_ROWS: dict[str, str] = {
    "accounts": _EVERY_REPLICA,
    "opportunities": _EVERY_COPY.format(table="{table}", deal="source_id"),
    "opportunity_partners": _EVERY_COPY.format(table="{table}", deal="opportunity_id"),
    "partners": _EVERY_REPLICA,
    "account_overlaps": """
        from (
            select
                o.*, r.replica, k.copy, t.source_id as other_account_id, t.domain as other_domain,
                (r.replica - 1 + k.copy) % getvariable('replicas') + 1 as neighbour
            from template.account_overlaps as o
            inner join template.customers as c on c.source_id = o.own_account_id
            cross join range(1, getvariable('replicas') + 1) as r (replica)
            cross join range(overlap_copies(o.partner_id, o.own_account_id, r.replica)) as k (copy)
            -- 620 places further is a customer of the same region, for their regions take turns of twenty.
            inner join template.customers as t
                on t.place = (c.place + 620 * (k.copy // getvariable('replicas'))) % getvariable('customers')
        )
    """,
    "overlap_counts": _EVERY_REPLICA,
}


@dataclass(frozen=True)
class Channel:
    """A generated channel: its deployment file, the lake of its state, and how many rows each table has."""

    deployment: Path
    lake: Path
    rows: dict[str, int]


def replicas_for(partners: int) -> int:
    """How many sample companies have at least `partners` partner records."""
    return math.ceil(partners / DEFAULT_PARTNERS)


def write_template(folder: Path) -> Path:
    """Write the sample company once into `folder`, unless it is there; returns the folder."""
    if not all(
        _template_file(folder, source, table).exists() for source, tables in SOURCES.items() for table in tables
    ):
        write_sample_company(folder)
    return folder


def _template_file(folder: Path, source: str, table: str) -> Path:
    return folder / source / DROPS[-1].date().isoformat() / f"{table}.csv"


def write_channel(folder: Path, template: Path, partners: int) -> Channel:
    """Write the lake and `segments.yml` of a channel of `partners` partners (rounded up to whole replicas).

    A channel that already lies in `folder` is taken as it is.
    """
    lake, stamp = folder / "state" / "lake", folder / "channel.json"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows: dict[str, int] = {}
        with _replicator(template, partners) as con:
            for source, tables in SOURCES.items():
                rows |= _write_load(con, lake, source, tables)
        stamp.write_text(json.dumps(rows), encoding="utf-8")
    return Channel(_write_deployment(folder), lake, json.loads(stamp.read_text(encoding="utf-8")))


def _write_deployment(folder: Path) -> Path:
    """The sample company's own deployment, without its portal and with its state in `folder`."""
    sample = yaml.safe_load((ROOT / "segments.yml").read_text(encoding="utf-8"))
    kept = (
        "fiscal_calendar", "timezone", "as_of", "history_quarters", "reporting_currency", "exchange_rates", "icp",
        "pseudo_partners", "policy",
    )  # fmt: skip
    content = {
        "deployment": "generated_channel",
        "sources": {name: sample["sources"][name] for name in SOURCES},
        **{key: sample[key] for key in kept},
        "paths": {"inputs": "inputs", "state": "state", "policies": str(ROOT / "policies")},
    }
    file = folder / "segments.yml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


@contextmanager
def _replicator(template: Path, partners: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the template's tables and the functions that move a row into a replica."""
    pseudo = yaml.safe_load((ROOT / "segments.yml").read_text(encoding="utf-8"))["pseudo_partners"]
    with memory() as con:
        con.execute("create schema template")
        for source, tables in SOURCES.items():
            for table in tables:
                file = literal(_template_file(template, source, table))
                con.execute(f"create table template.{table} as from read_csv({file}, all_varchar = true)")
        for theirs, ours in _RENAMED.items():
            con.execute(f"alter table template.overlap_counts rename column {quoted(theirs)} to {quoted(ours)}")
        con.execute(
            f"""
            create table template.customers as
            select source_id, domain, row_number() over (order by source_id) - 1 as place
            from template.accounts
            where is_partner = 'false';

            create macro record_id(id, replica, copy) as
                substr(id, 1, 3) || printf('%03X', replica) || copy || substr(id, 8);
            create macro platform_id(id, replica) as printf('%04x', replica) || substr(id, 5);
            create macro own_domain(domain, replica) as replace(domain, '.example', '-' || replica || '.example');
            create macro company_name(name, replica) as
                case when list_contains({pseudo}, name) then name else 'R' || replica || ' ' || name end;
            create macro another_hour(moment, draw) as left(moment, 11)
                || printf('%02d:%02d:%02d.000Z', draw % 24, draw // 24 % 60, draw // 1440 % 60);
            -- As many times as `wanted` says on average: its whole part, and once more for the share that is left.
            create macro times(wanted, draw) as floor(wanted)::int + (draw % 1000000 < (wanted % 1) * 1000000)::int;
            create macro is_left_alone(account_id) as hash(account_id) % 5 = 0;
            """
        )
        opportunities, overlaps, alone = con.execute(
            """
            select
                (select count(*) from template.opportunities),
                count(*),
                count(*) filter (is_left_alone(own_account_id))
            from template.account_overlaps
            """
        ).fetchall()[0]
        deals = OPPORTUNITIES_PER_PARTNER * DEFAULT_PARTNERS / opportunities
        copies = (OVERLAPS_PER_PARTNER * DEFAULT_PARTNERS - alone) / (overlaps - alone)
        con.execute(
            f"""
            create macro deal_copies(deal, replica) as times({deals}::double, hash(deal, replica));
            create macro overlap_copies(partner, account, replica) as
                case when is_left_alone(account) then 1
                else times({copies}::double, hash(partner, account, replica)) end;
            set variable replicas = {replicas_for(partners)};
            set variable customers = (select count(*) from template.customers);
            set variable overlap_copies = {OVERLAPS_PER_PARTNER * DEFAULT_PARTNERS / overlaps}::double;
            """
        )
        yield con


def _write_load(con: duckdb.DuckDBPyConnection, lake: Path, source: str, tables: tuple[str, ...]) -> dict[str, int]:
    """Write the tables of one source, the ledger and the mark of a complete load, as an extraction leaves them."""
    moment = DROPS[-1]
    load_id = f"{moment.timestamp():.1f}"
    rows = {table: _write_table(con, _file(lake, source, table, load_id), table, load_id) for table in tables}
    facts = [
        {
            "known_at": moment.isoformat(),
            "table_name": table,
            "row_count": count,
            "content_hash": hashlib.md5(f"{table} {count}".encode()).hexdigest(),
            "file_hash": "generated",
            "mode": "snapshot",
            "origin": f"{table}.csv",
            "rejected_count": 0,
            "is_shrink_accepted": False,
            "_dlt_load_id": load_id,
        }
        for table, count in rows.items()
    ]
    _write_ledger(con, _file(lake, source, LEDGER_TABLE, load_id), facts)
    mark = lake / source / "_dlt_loads" / f"{source}__{load_id}.jsonl"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"load_id": load_id, "schema_name": source, "status": 0}), encoding="utf-8")
    return rows


def _write_table(con: duckdb.DuckDBPyConnection, file: Path, table: str, load_id: str) -> int:
    """Write all replicas of one table; returns the rows."""
    columns = [row[0] for row in con.execute(f"describe template.{table}").fetchall()]
    cells = ", ".join(f"{_MOVED[table].get(column, quoted(column))} as {quoted(column)}" for column in columns)
    return int(
        con.execute(
            f"""
            copy (
                select
                    {cells},
                    {literal(table + ".csv")} as {FILE_COLUMN},
                    row_number() over () as {ROW_COLUMN},
                    {literal(load_id)} as _dlt_load_id
                {_ROWS[table].format(table=table)}
            ) to {literal(file)} (format parquet, compression snappy)
            """
        ).fetchall()[0][0]
    )


def _write_ledger(con: duckdb.DuckDBPyConnection, file: Path, facts: list[dict[str, Any]]) -> None:
    values = ", ".join("(" + ", ".join(_spelled(value) for value in row.values()) + ")" for row in facts)
    con.execute(f"copy (from (values {values}) as facts ({', '.join(facts[0])})) to {literal(file)} (format parquet)")


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else literal(value)


def _file(lake: Path, source: str, table: str, load_id: str) -> Path:
    folder = lake / source / table / f"load_date={DROPS[-1].date().isoformat()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{load_id}.generated.parquet"

"""Conformed rows without a build: a warehouse file with the conformed tables' own columns, filled by arithmetic.

`write_warehouse` puts so many rows into seven entities of two sources, with the ledger and the capabilities that the
suites ask for. The rows are sound; `DEFECTS` then breaks some rules in a handful of rows each, and some for a large
share of a table, the same at every size.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from benchmarks.exports import ROOT

CONTRACTS = ROOT / "dbt_project" / "models" / "intermediate" / "conformed" / "_conformed__models.yml"
LEAST_ROWS = 2_000

# Entity -> its source, and which share of all rows is its own.
ENTITIES: dict[str, tuple[str, float]] = {
    "accounts": ("crm", 0.07),
    "opportunities": ("crm", 0.22),
    "opportunity_partners": ("crm", 0.28),
    "meetings": ("crm", 0.06),
    "partners": ("account_mapping", 0.01),
    "account_overlaps": ("account_mapping", 0.35),
    "overlap_counts": ("account_mapping", 0.01),
}

_NAMES = """
    create temp macro draw(n, salt, below) as (hash(n, salt) % below)::bigint;
    create temp macro account(n) as printf('001%012dAAA', n);
    create temp macro deal(n) as printf('006%012dAAA', n);
    create temp macro partner(n) as printf('pt%013d', n);
    -- Every twentieth account is a partner.
    create temp macro partner_account(n) as account(20 * n);
"""

# What an entity's rows say; columns that are not here stay null. `n` counts from 0; {accounts} and so on are counts.
_ROWS: dict[str, str] = {
    "accounts": """
        account(n) as source_id, 'Company ' || n as name, if(n % 20 = 0, 'P-' || n, null) as partner_number,
        'company-' || n || '.example' as domain, ['DE', 'SE', 'FR', 'US', 'JP'][1 + n % 5] as country,
        ['dach', 'nordics', 'west', 'americas', 'asia'][1 + n % 5] as region, 'Software' as industry,
        10 + draw(n, 'staff', 5000) as employees, n % 20 = 0 as is_partner, 'u' || n % 97 as owner_id,
        if(n % 9 = 8, account(n // 9), null) as parent_id, timestamp '2019-01-01 09:00:00' as created_at
    """,
    "opportunities": """
        deal(n) as source_id, 'Deal ' || n as name, account(draw(n, 'account', {accounts})) as account_id,
        (100 + draw(n, 'amount', 9000000) / 100)::decimal(18, 4) as amount,
        ['EUR', 'EUR', 'USD', 'GBP', 'CHF'][1 + draw(n, 'currency', 5)] as currency, amount as reporting_amount,
        case draw(n, 'state', 10) when 9 then 'Negotiation' when 8 then 'Proposal' when 7 then 'Lost' when 6 then 'Lost'
            else 'Won' end as stage,
        draw(n, 'state', 10) < 8 as is_closed, draw(n, 'state', 10) < 6 as is_won,
        date '2023-07-01' + draw(n, 'day', 1095)::int as close_date,
        close_date::timestamp - to_hours((24 + draw(n, 'hours', 2400))::int) as created_at, 'u' || n % 97 as owner_id
    """,
    # Every deal has a partner, some have a second one.
    "opportunity_partners": """
        printf('00I%012dAAA', n) as source_id, deal(n % {opportunities}) as opportunity_id,
        partner_account((draw(n % {opportunities}, 'partner', 1000000000) + n // {opportunities}) % {partner_accounts})
            as account_id,
        ['Referral', 'Reseller', 'Influence'][1 + n % 3] as role_raw,
        ['sourced', 'fulfilled', 'influenced'][1 + n % 3] as role, n < {opportunities} as is_primary
    """,
    "meetings": """
        printf('00U%012dAAA', n) as source_id, 'u' || n % 97 as owner_id,
        partner_account(draw(n, 'account', {partner_accounts})) as account_id,
        timestamp '2023-07-01 07:00:00' + to_minutes(draw(n, 'moment', 1095 * 1440)::int) as started_at,
        15 + draw(n, 'minutes', 90) as minutes, 'call' as kind
    """,
    "partners": """
        partner(n) as source_id, 'Company ' || n as name, 'company-' || n || '.example' as domain,
        'full' as sharing_level, partner_account(n % {partner_accounts}) as crm_account_id, 'active' as status,
        'Active' as status_raw, 'resell' as motion, 'Resell' as motion_raw, timestamp '2024-01-01 00:00:00' as joined_at
    """,
    "account_overlaps": """
        printf('xo%013d', n) as source_id, partner(draw(n, 'partner', {partners})) as partner_id,
        account(draw(n, 'account', {accounts})) as own_account_id, 'company-' || n || '.example' as domain,
        ['customers', 'prospects'][1 + n % 2] as own_population,
        ['Customers', 'Prospects'][1 + n % 2] as own_population_raw,
        ['customers', 'open_opportunities'][1 + n % 2] as partner_population,
        ['Customers', 'Open Opportunities'][1 + n % 2] as partner_population_raw,
        timestamp '2024-01-01 00:00:00' + to_minutes(draw(n, 'moment', 900 * 1440)::int) as matched_at
    """,
    "overlap_counts": """
        printf('oc%013d', n) as source_id, partner(draw(n, 'partner', {partners})) as partner_id,
        'customers' as own_population, 'Customers' as own_population_raw, 'customers' as partner_population,
        'Customers' as partner_population_raw, draw(n, 'count', 400) as account_count
    """,
}

_DEPLOYMENT = """
    create schema deployment;
    create table deployment.run_context as
    select '2026Q2' as quarter, date '2026-06-30' as quarter_end, timestamp '2026-07-01 06:00:00' as known_at,
        'acme' as policy, '2026-01' as version;
    create table deployment.capabilities (source varchar, entity varchar);
    create table deployment.loads (source varchar, connector varchar, table_name varchar, rows bigint);
"""

DEFECTS = """
    insert into conformed.accounts from conformed.accounts where source_id = account(1);
    insert into conformed.accounts
    select * replace (null as source, 'nobody' as source_id) from conformed.accounts where source_id = account(2);
    insert into conformed.accounts
    select * replace (null as source_id) from conformed.accounts where source_id = account(3);
    update conformed.accounts set is_test = null where source_id = account(4);
    update conformed.accounts set name = ' ' where source_id = account(20);
    update conformed.accounts set partner_number = null where source_id = account(40);
    update conformed.accounts set partner_number = 'P-60' where source_id = account(80);
    update conformed.accounts set extracted_at = timestamp '2026-07-02 00:00:00' where source_id = account(5);
    update conformed.accounts set parent_id = account(999999999) where source_id in (account(6), account(7));
    update conformed.accounts set domain = 'https://company.example/' where source_id = account(8);

    insert into conformed.opportunities from conformed.opportunities where source_id in (deal(1), deal(2));
    update conformed.opportunities set is_won = true, is_closed = false where source_id = deal(3);
    update conformed.opportunities set account_id = account(999999999) where source_id in (deal(4), deal(5));
    update conformed.opportunities set reporting_amount = -amount where source_id = deal(6);
    update conformed.opportunities set currency = 'euro' where source_id = deal(7);
    update conformed.opportunities set is_won = true, close_date = null where source_id = deal(8);
    update conformed.opportunities set is_won = true, close_date = date '2026-12-24' where source_id = deal(9);
    update conformed.opportunities set extracted_at = null where source_id = deal(10);
    update conformed.opportunities
    set is_won = true, close_date = date '2026-06-01', amount = 1e13, reporting_amount = 1e13
    where source_id = deal(11);
    -- From the last day of March on, nobody pays in francs.
    update conformed.opportunities set currency = 'EUR' where currency = 'CHF' and close_date > date '2026-03-30';
    -- Pounds are typed in pence, and nobody in Asia buys.
    update conformed.opportunities set amount = 100 * amount, reporting_amount = 100 * reporting_amount
    where currency = 'GBP' and close_date > date '2026-03-30';
    update conformed.opportunities set account_id = account(0)
    where close_date > date '2026-03-30'
        and account_id in (select source_id from conformed.accounts where region = 'asia');

    insert into conformed.opportunity_partners from conformed.opportunity_partners where opportunity_id = deal(1);
    update conformed.opportunity_partners set role = 'boss' where opportunity_id = deal(3);
    update conformed.opportunity_partners set is_primary = null where opportunity_id = deal(4);
    update conformed.opportunity_partners set opportunity_id = deal(999999999) where opportunity_id = deal(5);
    update conformed.opportunity_partners set account_id = account(999999999) where opportunity_id = deal(6);
    update conformed.opportunity_partners set account_id = account(1) where opportunity_id in (deal(7), deal(8));
    update conformed.opportunity_partners set opportunity_id = deal(9) where opportunity_id in (deal(10), deal(11));
    update conformed.opportunity_partners set role_raw = 'Chef', role = 'unknown' where opportunity_id = deal(12);

    update conformed.meetings set minutes = 9000 where source_id in (select max(source_id) from conformed.meetings);
    -- Two of three meetings of the quarter are entered under one day.
    update conformed.meetings set started_at = timestamp '2026-05-04 09:00:00' where started_at >= date '2026-04-01'
        and hash(source_id) % 3 > 0;
    -- One of fifty was entered twice, and the meetings of the quarter are eight times as long.
    insert into conformed.meetings
    select * replace ('twice-' || source_id as source_id) from conformed.meetings
    where hash(source_id, 'twice') % 50 = 0;
    update conformed.meetings set minutes = 8 * minutes where minutes < 180 and started_at >= date '2026-04-01';
    insert into conformed.partners
    select * replace ('crm' as source) from conformed.partners where source_id = partner(0);
    update conformed.account_overlaps set is_deleted = null where source_id = 'xo0000000000001';
    update conformed.account_overlaps set own_population = 'other', own_population_raw = 'Everybody'
    where hash(source_id) % 3 = 0;
    update conformed.account_overlaps set partner_population = null where hash(source_id, 'mute') % 3 = 0;
    update conformed.account_overlaps set matched_at = extracted_at + interval 1 day
    where hash(source_id, 'later') % 10 = 0;
    update conformed.overlap_counts set account_count = -1 where source_id = 'oc0000000000001';
    update conformed.overlap_counts set partner_id = 'nobody' where hash(source_id) % 3 = 0;
"""


def counts(rows: int) -> dict[str, int]:
    """How many of `rows` conformed rows each entity has; the last one takes what rounding left."""
    found = {entity: int(rows * share) for entity, (_, share) in ENTITIES.items()}
    found["account_overlaps"] += rows - sum(found.values())
    return found


def write_warehouse(file: Path, rows: int, *, defects: bool) -> None:
    """Write `rows` conformed rows (a few more with `defects`) into a new DuckDB file."""
    made = counts(rows)
    sizes = {**made, "partner_accounts": (made["accounts"] + 19) // 20}
    contracts = {model["name"]: model for model in yaml.safe_load(CONTRACTS.read_text(encoding="utf-8"))["models"]}
    with duckdb.connect(str(file)) as con:
        con.execute("create schema conformed; create schema quarantine;" + _DEPLOYMENT + _NAMES)
        for entity, (source, _) in ENTITIES.items():
            contract = contracts["int_source_partners" if entity == "partners" else f"int_{entity}"]
            columns = ", ".join(f"{column['name']} {column['data_type']}" for column in contract["columns"])
            con.execute(f"create table conformed.{entity} ({columns})")
            con.execute(
                f"""
                insert into conformed.{entity} by name
                select '{source}' as source, timestamp '2026-07-01 06:00:00' as extracted_at, false as is_deleted,
                    false as is_test, {_ROWS[entity].format(**sizes)}
                from range({made[entity]}) as numbers (n)
                """
            )
            con.execute(
                f"""
                create table quarantine.{entity}_set_aside (source varchar, source_id varchar, reject_reason varchar);
                insert into deployment.capabilities values ('{source}', '{entity}');
                insert into deployment.loads values ('{source}', 'files', '{entity}', {made[entity]});
                """
            )
        if defects:
            con.execute(DEFECTS)

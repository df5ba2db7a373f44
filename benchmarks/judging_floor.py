"""What the gate asks of conformed rows, written by hand: one statement per table that counts the offenders per rule.

A statement reads its table once for every rule about single rows, once more for what stands twice, and once per link or
repeated content, as a person would write it. Its columns bear the names of the rules (`suite.expectation`); a rule over
all entities is the sum over the tables. `{quarter_end}` and so on are the gate's own parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.judging_rows import ENTITIES
from data_quality.parameters import in_sql
from pipelines.warehouse import literal, quoted

SUITES = ("accounts", "entities", "opportunities", "opportunity_partners", "quarters")
"""The suites that are about conformed entities."""

_TOO_LATE = "(select sum(too_late) from by_source)"
_LIVE = "is_deleted is not true and is_test is not true"


@dataclass(frozen=True)
class _Table:
    """The parts of one table's statement."""

    rows: Mapping[str, str] = field(default_factory=dict)
    """Rule about single rows -> the condition of an offender."""
    totals: Mapping[str, str] = field(default_factory=dict)
    """Name -> what is added up per source in the same scan."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Name -> one more SELECT that `found` speaks of."""
    found: Mapping[str, str] = field(default_factory=dict)
    """Rule -> the number of its offenders, from `by_source` (a row per source), `twice` and the parts."""


def _same_as_entities(suite: str, once: str) -> dict[str, str]:
    """Rules that a table's own suite asks once more."""
    return {
        f"{suite}.source_is_named": "(select sum(no_source) from by_source)",
        f"{suite}.source_id_is_there": "(select sum(no_id) from by_source)",
        f"{suite}.{once}": "(select count(*) from twice)",
    }


def _is_missing(entity: str) -> str:
    return (
        f"(select count(*) from deployment.capabilities where entity = '{entity}') "
        "* (not exists (select 1 from by_source))::int"
    )


def _broken_links(column: str, target: str) -> str:
    return f"""
        select source, count(*) as links, count(*) filter (where t.id is null) as broken
        from conformed.<table> as r
        left join (select distinct left(source_id, 15) as id from conformed.{target}) as t
            on t.id = left(r.{column}, 15)
        where {_LIVE} and r.{column} <> '' and exists (select 1 from conformed.{target})
        group by source
    """


def _too_many_broken(*parts: str) -> str:
    return " + ".join(
        f"(select count(*) from {part} where broken > {{max_broken_links_share}} * links and broken >= 5)"
        for part in parts
    )


def _words(name: str, raw: str, word: str) -> dict[str, str]:
    understood = f"{_LIVE} and trim({raw}) <> '' and lower(trim({raw})) not in ('unknown', 'other')"
    return {
        f"{name}_words": f"count(*) filter (where {understood})",
        f"{name}_unknown": f"count(*) filter (where {understood} and {word} in ('unknown', 'other'))",
    }


def _not_understood(*names: str) -> str:
    return _groups(
        *(f"{name}_unknown > {{max_unknown_words_share}} * {name}_words and {name}_unknown >= 5" for name in names)
    )


def _disorder(earlier: str, later: str, where: str = "true") -> dict[str, str]:
    both = f"{_LIVE} and {where} and {earlier} is not null and {later} is not null"
    return {
        "moments": f"count(*) filter (where {both})",
        "disordered": f"count(*) filter (where {both} and {later} < {earlier})",
    }


_DISORDERED = "disordered > {max_disorder_share} * moments and disordered >= 5"


def _groups(*conditions: str) -> str:
    return " + ".join(f"(select count(*) from by_source where {condition})" for condition in conditions)


def _repeated(content: str) -> str:
    return f"""
        select source from (
            select source, hash({content}) as content, count(*) as times from conformed.<table> where {_LIVE}
            group by source, hash({content}))
        group by source
        having sum(times - 1) > {{max_repeated_share}} * sum(times) and sum(times - 1) >= 5
    """


_WINDOW = "coalesce({day} >= {{quarter_end}} - interval 16 month and cast({day} as date) <= {{quarter_end}}, true)"
_MONTHS = "date_diff('month', cast({day} as date), {{quarter_end}}) as months_ago"
_NEWEST = "count({what}) filter (where months_ago < 3)"
_LEAST = (
    "least(count({what}) filter (where months_ago between 3 and 5), "
    "count({what}) filter (where months_ago between 6 and 8), "
    "count({what}) filter (where months_ago between 9 and 11), "
    "count({what}) filter (where months_ago between 12 and 14))"
)
_QUARTER = "close_date between {quarter_start} and {quarter_end}"


def _of_quarters(value: str, unit: str = "") -> dict[str, str]:
    """The newest quarter beside the four before, from the part `dated`."""
    who = {"newest": _NEWEST.format(what="distinct who"), "least": _LEAST.format(what="distinct who")}
    return {
        "quarter_sums": f"""
            select source, {_NEWEST.format(what="*")} as newest_rows, {_LEAST.format(what="*")} as least_rows,
                {who["newest"]} as newest_partners, {who["least"]} as least_partners,
                count(*) filter (where source is null) as no_source
            from dated group by source
        """,
        "middles": f"""
            select median({value}) filter (where months_ago < 3) as newest,
                median({value}) filter (where months_ago between 3 and 14) as usual,
                least({_NEWEST.format(what=value)}, {_LEAST.format(what=value)}) as least_values
            from dated group by source{unit}
        """,
        "month_counts": "select source, months_ago, count(*) as row_count from dated group by source, months_ago",
        "month_sums": """
            select source, count(*) filter (where months_ago < 3) as newest_months,
                count(*) filter (where months_ago between 3 and 14 and row_count >= {min_history_rows} / 2)
                    as full_months
            from month_counts group by source
        """,
        "day_counts": """
            select source, count(*) as row_count, sum(count(*)) over (partition by source) as total
            from dated where months_ago < 3 group by source, day
        """,
    }


def _found_of_quarters(rows: str, months: str, unit: str) -> dict[str, str]:
    return {
        "quarters.source_is_named": "(select coalesce(sum(no_source), 0) from quarter_sums)",
        f"quarters.{rows}": """(
            select count(*) from quarter_sums
            where least_rows >= {min_history_rows} and newest_rows < {min_quarter_share} * least_rows)""",
        f"quarters.{months}": "(select count(*) from month_sums where full_months = 12 and newest_months < 3)",
        f"quarters.{unit}": """(
            select count(*) from middles
            where least_values >= {min_history_rows} and usual > 0
                and newest not between usual / {max_unit_factor} and usual * {max_unit_factor})""",
        "quarters.partners_of_the_quarter_are_there": """(
            select count(*) from quarter_sums
            where least_partners >= {min_history_rows} / 2
                and newest_partners < {min_quarter_share} * least_partners)""",
        "quarters.no_day_is_the_quarter": """(
            select count(*) from day_counts
            where total >= {min_history_rows} and row_count > {max_one_day_share} * total)""",
    }


_TABLES: dict[str, _Table] = {
    "accounts": _Table(
        rows={
            "accounts.flags_are_decided": "is_deleted is null or is_test is null or is_partner is null",
            "accounts.partner_has_a_name": "is_partner and not is_deleted and (name is null or trim(name) = '')",
            "accounts.partner_has_a_number": "is_partner and not is_deleted and not is_test "
            "and (partner_number is null or trim(partner_number) = '')",
            "accounts.domain_is_bare": r"not regexp_matches(domain, '^[^\s/:@]+\.[^\s/:@]+$')",
        },
        totals={"live_partners": "count(*) filter (where is_partner and not is_deleted and not is_test)"},
        parts={
            "shared_numbers": """
                select 1 from conformed.accounts
                where is_partner and not is_deleted and not is_test and partner_number is not null
                group by source, partner_number having count(*) > 1
            """,
            "orphans": """
                select count(*) as row_count from conformed.accounts as r
                where parent_id is not null and not exists (
                    select 1 from conformed.accounts as t where t.source = r.source and t.source_id = r.parent_id)
            """,
        },
        found={
            **_same_as_entities("accounts", "account_stands_once"),
            "accounts.nothing_was_known_too_late": _TOO_LATE,
            "accounts.there_are_accounts": _is_missing("accounts"),
            "accounts.somebody_is_a_partner": "(select if(sum(live_partners) = 0, count(*), 0) from by_source)",
            "accounts.partner_number_is_one_account": "(select count(*) from shared_numbers)",
            "accounts.partners_did_not_multiply": """(
                select count(*) from by_source
                where live_partners > 0 and {previous_partner_count} > 0 and live_partners
                    > greatest(1.5 * {previous_partner_count}, {previous_partner_count} + 10))""",
            "accounts.parent_is_known": "(select row_count from orphans)",
        },
    ),
    "opportunities": _Table(
        rows={
            "opportunities.states_are_decided": "is_deleted is null or is_test is null or is_closed is null "
            "or is_won is null or (is_won and not is_closed)",
            "opportunities.money_is_converted": "(amount is null) <> (reporting_amount is null) "
            "or sign(amount) <> sign(reporting_amount)",
            "opportunities.currency_is_an_iso_code": "amount is not null "
            "and (currency is null or not regexp_matches(currency, '^[A-Z][A-Z][A-Z]$'))",
            "opportunities.won_deal_has_day_and_amount": "is_won and not is_deleted and not is_test "
            "and (close_date is null or amount is null)",
            "opportunities.won_deal_is_not_in_the_future": "is_won and close_date > cast({known_at} as date) + 1",
        },
        totals={
            "won_in_quarter": f"count(*) filter (where is_won and not is_deleted and {_QUARTER})",
            "priced": f"count(*) filter (where {_LIVE} and is_won and amount is not null)",
            "worthless": f"count(*) filter (where {_LIVE} and is_won and amount is not null and not amount > 0)",
            **_disorder("cast(created_at as date)", "close_date", "is_closed"),
        },
        parts={
            "unknown_accounts": """
                select count(*) as row_count from conformed.opportunities as r
                where account_id is not null and not exists (
                    select 1 from conformed.accounts as t where t.source = r.source and t.source_id = r.account_id)
            """,
            "repeated": _repeated("account_id, name, cast(amount as double), created_at, close_date"),
            "dated": f"""
                select source, source_id, account_id, close_date as day, close_date, reporting_amount, currency,
                    null::varchar as who, not is_deleted and not is_test as is_certain,
                    {_MONTHS.format(day="close_date")}
                from conformed.opportunities
                where {_LIVE} and is_won and {_WINDOW.format(day="close_date")}
            """,
            "quarter_deals": f"""
                select reporting_amount, sum(reporting_amount) over () as amount, count(*) over () as deals
                from dated where is_certain and {_QUARTER}
            """,
            **_of_quarters("reporting_amount", ", currency"),
            "lost_currencies": f"""
                select 1 from dated where currency is not null group by source, currency
                having {_NEWEST.format(what="*")} = 0 and {_LEAST.format(what="*")} >= {{min_history_rows}} / 2
            """,
            "lost_regions": f"""
                select 1
                from dated as r
                inner join conformed.accounts as t on t.source = r.source and t.source_id = r.account_id
                where r.is_certain and t.region is not null
                group by r.source, t.region
                having {_NEWEST.format(what="*")} = 0 and {_LEAST.format(what="*")} >= {{min_history_rows}} / 2
            """,
            "credited": """
                select r.source, count(*) filter (where months_ago < 3) as newest_deals,
                    count(*) filter (where months_ago < 3 and t.opportunity_id is not null) as newest_credited,
                    count(*) filter (where months_ago between 3 and 14) as earlier_deals,
                    count(*) filter (where months_ago between 3 and 14 and t.opportunity_id is not null)
                        as earlier_credited
                from dated as r
                left join (
                    select distinct source, opportunity_id from conformed.opportunity_partners
                    where not is_deleted) as t on t.source = r.source and t.opportunity_id = r.source_id
                where r.is_certain and months_ago <= 14
                group by r.source
            """,
        },
        found={
            **_same_as_entities("opportunities", "opportunity_stands_once"),
            "opportunities.nothing_was_known_too_late": _TOO_LATE,
            "opportunities.there_are_opportunities": _is_missing("opportunities"),
            "opportunities.account_is_known": "(select row_count from unknown_accounts)",
            "opportunities.quarter_has_won_deals": """(
                select (coalesce(sum(won_in_quarter), 0) = 0
                    and exists (select 1 from deployment.capabilities where entity = 'opportunities'))::int
                from by_source)""",
            "opportunities.no_deal_is_the_quarter": """(
                select count(*) from quarter_deals where deals >= 10 and reporting_amount > amount / 2)""",
            "entities.moments_are_in_order": _groups(_DISORDERED),
            "entities.won_deals_are_worth_something": _groups(
                "worthless > 0.5 * priced and priced >= {min_history_rows}"
            ),
            "entities.rows_do_not_come_twice": "(select count(*) from repeated)",
            **_found_of_quarters(
                "deals_of_the_quarter_are_there", "deals_are_won_in_every_month", "amounts_keep_their_unit"
            ),
            "quarters.something_happened": f"""
                (select count(*) from deployment.capabilities where entity = 'opportunities')
                * (not exists (select 1 from dated) and not exists (
                    select 1 from conformed.meetings where {_LIVE} and {_WINDOW.format(day="started_at")})
                    and (not exists (select 1 from by_source) or exists (
                        select 1 from conformed.opportunities where is_won and not is_deleted and not is_test)))::int
            """,
            "quarters.currencies_are_still_there": "(select count(*) from lost_currencies)",
            "quarters.regions_are_still_there": "(select count(*) from lost_regions)",
            "quarters.deals_still_name_partners": """(
                select count(*) from credited
                where least(newest_deals, earlier_deals) >= {min_history_rows}
                    and newest_credited / newest_deals < 0.5 * earlier_credited / earlier_deals)""",
        },
    ),
    "opportunity_partners": _Table(
        rows={
            "opportunity_partners.role_is_one_of_ours": "role is null "
            "or role not in ('sourced', 'influenced', 'fulfilled', 'unknown')",
            "opportunity_partners.flags_are_decided": "is_deleted is null or is_test is null or is_primary is null",
        },
        totals={
            "unknown_roles": "count(*) filter (where role = 'unknown')",
            **_words("role", "role_raw", "role"),
        },
        parts={
            "unknown_deals": """
                select count(*) as row_count from conformed.opportunity_partners as r
                where opportunity_id is null or not exists (
                    select 1 from conformed.opportunities as t
                    where t.source = r.source and t.source_id = r.opportunity_id)
            """,
            "account_of_credit": """
                select r.source, r.account_id, t.source_id is null as is_unknown,
                    not t.is_partner and not r.is_deleted as is_customer
                from conformed.opportunity_partners as r
                left join conformed.accounts as t on t.source = r.source and t.source_id = r.account_id
                where t.source_id is null or not t.is_partner
            """,
            "several_primaries": """
                select 1 from conformed.opportunity_partners where is_primary and not is_deleted
                group by source, opportunity_id having count(*) > 1
            """,
            "same_role": """
                select 1 from conformed.opportunity_partners where not is_deleted
                group by source, opportunity_id, account_id, role having count(*) > 1
            """,
            "new_words": """
                select 1 from conformed.opportunity_partners
                where role = 'unknown' and role_raw is not null and not is_deleted group by source, role_raw
            """,
        },
        found={
            **_same_as_entities("opportunity_partners", "deal_partner_stands_once"),
            "opportunity_partners.there_are_partners_on_deals": _is_missing("opportunity_partners"),
            "opportunity_partners.deal_is_known": "(select row_count from unknown_deals)",
            "opportunity_partners.partner_account_is_known": """(
                select count(*) from account_of_credit where is_unknown)""",
            "opportunity_partners.credited_account_is_a_partner": """(
                select count(*) from (select distinct source, account_id from account_of_credit where is_customer))""",
            "opportunity_partners.one_primary_per_deal": "(select count(*) from several_primaries)",
            "opportunity_partners.partner_has_a_role_once": "(select count(*) from same_role)",
            "opportunity_partners.roles_are_all_understood": "(select count(*) from new_words)",
            "opportunity_partners.roles_are_mostly_understood": """(
                select coalesce(sum(unknown_roles) > 0.2 * sum(row_count), false)::int from by_source)""",
            "entities.words_are_mostly_understood": _not_understood("role"),
        },
    ),
    "meetings": _Table(
        rows={"entities.numbers_are_possible": f"{_LIVE} and (minutes < 0 or minutes > 1440)"},
        parts={
            "accounts_of": _broken_links("account_id", "accounts"),
            "repeated": _repeated("owner_id, account_id, started_at, minutes, kind"),
            "dated": f"""
                select source, cast(started_at as date) as day, account_id as who, minutes,
                    {_MONTHS.format(day="started_at")}
                from conformed.meetings where {_LIVE} and {_WINDOW.format(day="started_at")}
            """,
            **_of_quarters("minutes"),
            "who_sums": """
                select count(*) filter (where months_ago < 3) as newest_rows,
                    count(*) filter (where months_ago between 3 and 14) as earlier_rows,
                    sum(count(*) filter (where months_ago < 3)) over (partition by source) as newest_total,
                    sum(count(*) filter (where months_ago between 3 and 14)) over (partition by source)
                        as earlier_total
                from dated where who is not null group by source, who
            """,
        },
        found={
            "entities.links_lead_somewhere": _too_many_broken("accounts_of"),
            "entities.rows_do_not_come_twice": "(select count(*) from repeated)",
            **_found_of_quarters(
                "rows_of_the_quarter_are_there", "every_month_has_rows", "other_amounts_keep_their_unit"
            ),
            "quarters.no_partner_is_the_quarter": """(
                select count(*) from who_sums
                where least(newest_total, earlier_total) >= {min_history_rows}
                    and newest_rows > {max_one_partner_share} * newest_total
                    and earlier_rows < {max_one_partner_share} / 2 * earlier_total)""",
        },
    ),
    "partners": _Table(
        totals={
            **_disorder("joined_at", "extracted_at"),
            **_words("status", "status_raw", "status"),
            **_words("motion", "motion_raw", "motion"),
        },
        parts={"accounts_of": _broken_links("crm_account_id", "accounts")},
        found={
            "entities.moments_are_in_order": _groups(_DISORDERED),
            "entities.words_are_mostly_understood": _not_understood("status", "motion"),
            "entities.links_lead_somewhere": _too_many_broken("accounts_of"),
        },
    ),
    "account_overlaps": _Table(
        totals={
            **_disorder("matched_at", "extracted_at"),
            **_words("own", "own_population_raw", "own_population"),
            **_words("theirs", "partner_population_raw", "partner_population"),
            "live_rows": f"count(*) filter (where {_LIVE})",
            "mute": f"count(*) filter (where {_LIVE} and (own_population is null or partner_population is null))",
        },
        parts={"accounts_of": _broken_links("own_account_id", "accounts")},
        found={
            "entities.moments_are_in_order": _groups(_DISORDERED),
            "entities.words_are_mostly_understood": _not_understood("own", "theirs"),
            "entities.rows_say_what_they_are_about": _groups("mute > {max_emptied_share} * live_rows and mute >= 5"),
            "entities.links_lead_somewhere": _too_many_broken("accounts_of"),
        },
    ),
    "overlap_counts": _Table(
        rows={"entities.numbers_are_possible": f"{_LIVE} and account_count < 0"},
        parts={"partners_of": _broken_links("partner_id", "partners")},
        found={"entities.links_lead_somewhere": _too_many_broken("partners_of")},
    ),
}

_EVERY_ROW = {
    "no_source": "source is null",
    "no_id": "source_id is null",
    "undecided": "is_deleted is null or is_test is null",
    "too_late": "extracted_at is null or extracted_at > {known_at}",
}
_EVERY_TABLE = {
    "entities.source_is_named": "(select coalesce(sum(no_source), 0) from by_source)",
    "entities.source_id_is_there": "(select coalesce(sum(no_id), 0) from by_source)",
    "entities.flags_are_decided": "(select coalesce(sum(undecided), 0) from by_source)",
    "entities.nothing_was_known_too_late": "(select coalesce(sum(too_late), 0) from by_source)",
    "entities.row_stands_once": "(select count(*) from twice)",
    "entities.source_may_offer_it": """(
        select count(*) from by_source as f
        where not exists (
            select 1 from deployment.capabilities as c where c.entity = '<table>' and c.source = f.source))""",
    "entities.every_loaded_row_is_somewhere": """(
        select count(*)
        from (
            select source, sum(rows) as row_count from deployment.loads
            where connector = 'files' and table_name = '<table>' group by source) as l
        left join by_source as f on f.source = l.source
        left join (
            select source, count(*) as row_count from quarantine.<table>_set_aside
            where reject_reason <> 'broken_line' group by source) as a on a.source = l.source
        where l.row_count <> coalesce(f.row_count, 0) + coalesce(a.row_count, 0))""",
}
# Nothing of what was generated is money but the deals, which have a rule of their own.
_NOTHING_TO_COUNT = ("entities.amounts_are_mostly_positive",)
_ALL = (
    "select ("
    + " and ".join(f"not exists (select 1 from conformed.{entity})" for entity in ENTITIES)
    + ')::int as "entities.something_is_believed", '
    + ", ".join(f'0 as "{rule}"' for rule in _NOTHING_TO_COUNT)
)


def statements() -> dict[str, str]:
    """Table -> its statement; the last one asks whether there is any row at all."""
    return {**{entity: _statement(entity, table) for entity, table in _TABLES.items()}, "all": _ALL}


def _statement(entity: str, table: _Table) -> str:
    conditions = {**_EVERY_ROW, **{quoted(rule): condition for rule, condition in table.rows.items()}}
    totals = {
        "row_count": "count(*)",
        **{name: f"count(*) filter (where {condition})" for name, condition in conditions.items()},
        **table.totals,
    }
    parts = {
        "by_source": f"select source, {_listed(totals)} from conformed.<table> group by source",
        "twice": "select count(*) as times from conformed.<table> group by source, source_id having count(*) > 1",
        **table.parts,
    }
    found = {
        **_EVERY_TABLE,
        **{rule: f"(select coalesce(sum({quoted(rule)}), 0) from by_source)" for rule in table.rows},
        **table.found,
    }
    written = ",\n".join(f"{name} as ({sql})" for name, sql in parts.items())
    return f"with {written}\nselect {_listed({quoted(r): s for r, s in found.items()})}".replace("<table>", entity)


def _listed(columns: Mapping[str, str]) -> str:
    return ",\n    ".join(f"{sql} as {name}" for name, sql in columns.items())


def count_offenders(
    warehouse: Path, values: Mapping[str, Any], *, memory_limit: str | None, temp: Path
) -> dict[str, int]:
    """Rule -> number of its offenders, over all tables."""
    found: dict[str, int] = {}
    config = {"memory_limit": memory_limit or "80%", "temp_directory": str(temp)}
    with duckdb.connect(config=config) as con:
        con.execute(f"attach {literal(warehouse)} as warehouse (read_only); use warehouse")
        for sql in statements().values():
            asked = con.execute(in_sql(sql, values))
            row = asked.fetchall()[0]
            for (rule, *_), count in zip(asked.description or (), row, strict=True):
                found[rule] = found.get(rule, 0) + int(count or 0)
    return found

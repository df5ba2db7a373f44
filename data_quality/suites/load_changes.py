"""load_changes: what must be true of deployment.load_changes."""

from data_quality.parameters import as_sql
from data_quality.promise import critical, never_null, no_rows, rows_at_least, suite, warning

# Columns by what they say, as the raw tables of all connectors spell them: those of files, Salesforce, HubSpot.
CALLED = (
    "name", "domain", "partner_number", "account_id", "partner_id", "opportunity_id", "currency", "role", "role_raw",
    "account_number", "website", "account_to_id", "currency_iso_code",
    "dealname", "deal_currency_code", "companies",
)  # fmt: skip
"""What a record is called, whose it is, and what its amount is in."""
CREDITED = ("account_id", "account_to_id", "companies")
"""The partner of a deal; HubSpot's `companies` are a list, to which a deal that is still open adds."""
BORN = (
    "created_at", "submitted_at", "occurred_at", "enrolled_at", "responded_at",
    "created_date", "createdate", "hs_createdate",
)  # fmt: skip
"""When a record was made."""
COUNTED = "(^|_)amount$|(^|_)minutes$"
"""Amounts and lengths: what production and effort are counted from."""
DATED = "^close_?date$|^submitted_at$|^(hs_)?created"
"""Days that decide in which quarter a record counts."""
# Of a plan the period and the amounts so far are edited in place, quarter by quarter; that is not another unit.
_PLANS = "business_plans"
_STAMPS = "^last|login|updated|modified|modstamp"

SUITE = suite(
    "load_changes",
    place="warehouse",
    table="deployment.load_changes",
    description=(
        "One row per source, table and column, and one more of the accounts that were partners. How many records of "
        "the loads that the last release rests on are gone, emptied or different now: what was said of closed quarters "
        "does not change by itself."
    ),
    key=["source", "table_name", "column_name"],
    floor="changes_were_counted",
    promises=[
        critical("changes_were_counted", "nobody looked for what changed since the last release", rows_at_least(1)),
        critical("source_is_named", "changes do not name their source", never_null("source")),
        critical("table_is_named", "changes do not name their table", never_null("table_name")),
        critical("column_is_named", "changes do not name their column", never_null("column_name")),
        critical(
            "numbers_keep_their_unit",
            "amounts or lengths of old records are at least five times as large or small as when the last release was "
            "made; was the unit changed? {sample}",
            no_rows(f"""
                select source, table_name, column_name, scaled_rows || ' of ' || filled_rows as scaled
                from {{judged}}
                where scaled_rows > {{max_rewritten_share}} * filled_rows and scaled_rows >= 5
                  and regexp_matches(column_name, {as_sql(COUNTED)}) and entity <> {as_sql(_PLANS)}
            """),
        ),
        warning(
            "other_numbers_keep_their_unit",
            "numbers of old records are at least five times as large or small as when the last release was made: "
            "{sample}; was the unit changed, or another field exported?",
            no_rows(f"""
                select source, table_name, column_name, scaled_rows || ' of ' || filled_rows as scaled
                from {{judged}}
                where scaled_rows > {{max_rewritten_share}} * filled_rows and scaled_rows >= 5
                  and (not regexp_matches(column_name, {as_sql(COUNTED)}) or entity = {as_sql(_PLANS)})
                  and not regexp_matches(column_name, 'id$|stage$') and column_name <> 'progress_pct'
                  and entity <> 'overlap_counts'
            """),
        ),
        warning(
            "counts_keep_their_size",
            "most counts of shared accounts are at least five times as large or small as when the last release was "
            "made: {sample}; does the platform count something else now?",
            # Small counts change a lot by themselves, one by one.
            no_rows("""
                select source, table_name, column_name, scaled_rows || ' of ' || filled_rows as scaled
                from {judged}
                where entity = 'overlap_counts' and scaled_rows > 0.5 * filled_rows and scaled_rows >= 5
            """),
        ),
        warning(
            "kinds_do_not_die_out",
            "kinds that many records had when the last release was made are on none now: {sample}; are they still "
            "exported, and by that name?",
            no_rows("select source, table_name, column_name, lost_kinds from {judged} where lost_kinds <> ''"),
        ),
        critical(
            "dates_stay_in_their_year",
            "days on which old records were made or closed jumped by most of a year or more since the last release; "
            "are they read in the right form? {sample}",
            no_rows(f"""
                select source, table_name, column_name, jumped_rows || ' of ' || filled_rows as jumped
                from {{judged}}
                where jumped_rows > {{max_rewritten_share}} * filled_rows and jumped_rows >= 5
                  and regexp_matches(column_name, {as_sql(DATED)}) and entity <> {as_sql(_PLANS)}
            """),
        ),
        warning(
            "other_dates_stay_in_their_year",
            "dates of old records jumped by most of a year or more since the last release: {sample}; are they read in "
            "the right form?",
            no_rows(f"""
                select source, table_name, column_name, jumped_rows || ' of ' || filled_rows as jumped
                from {{judged}}
                where jumped_rows > {{max_rewritten_share}} * filled_rows and jumped_rows >= 5
                  and (not regexp_matches(column_name, {as_sql(DATED)}) or entity = {as_sql(_PLANS)})
                  and not regexp_matches(column_name, {as_sql(_STAMPS)})
            """),
        ),
        critical(
            "records_are_still_there",
            "a large share of the records that the last release rests on is not there any more; is it a part of the "
            "export, or were the ids numbered anew? {sample}",
            no_rows("""
                select distinct source, table_name, gone_rows || ' of ' || compared_rows as gone
                from {judged}
                where gone_rows > (1 - {min_rows_share_of_last}) * compared_rows and gone_rows >= 5
                  and entity in ('accounts', 'partner_accounts', 'opportunities', 'opportunity_partners', 'partners',
                    'deal_registrations')
            """),
        ),
        warning(
            "few_records_are_gone",
            "records that the last release rests on are not there any more: {sample}; were they deleted, or left out "
            "of the export?",
            # A membership without an id is named by its level, too: the next level is another record.
            no_rows("""
                select distinct source, table_name, gone_rows || ' of ' || compared_rows as gone
                from {judged}
                where gone_rows >= 5 and entity not in ('account_overlaps', 'overlap_counts')
                  and gone_rows > compared_rows * case when entity = 'program_memberships'
                    then 1 - {min_rows_share_of_last} else {max_gone_share} end
            """),
        ),
        warning(
            "columns_stay_filled",
            "columns have lost what they said of old records: {sample}; is the field still exported, and may the "
            "reading user see it?",
            no_rows("""
                select source, table_name, column_name, emptied_rows || ' of ' || filled_rows as emptied
                from {judged}
                where emptied_rows > {max_emptied_share} * filled_rows and emptied_rows >= 5
            """),
        ),
        warning(
            "values_are_not_rewritten",
            "columns say something else of old records: {sample}; was it corrected in the source, or is another field "
            "exported?",
            no_rows(f"""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {{judged}}
                where changed_rows > {{max_changed_share}} * filled_rows and changed_rows >= 5
                  and not regexp_matches(column_name, {as_sql(_STAMPS)}) and entity <> 'overlap_counts'
            """),
        ),
        warning(
            "records_are_still_called_the_same",
            "names, numbers or owners of records changed all at once: {sample}; was a column shifted, or exported from "
            "another field?",
            no_rows(f"""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {{judged}}
                where column_name in {as_sql(CALLED)}
                  and changed_rows > {{max_rewritten_share}} * filled_rows and changed_rows >= 5
            """),
        ),
        warning(
            "credit_stays_where_it_was",
            "partners of old deals were exchanged for others: {sample}; were partners merged in the source?",
            no_rows(f"""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {{judged}}
                where entity = 'opportunity_partners' and column_name in {as_sql(CREDITED)} and changed_rows >= 5
                  and changed_rows > filled_rows * case when column_name = 'companies'
                    then {{max_rewritten_share}} else {{max_born_again_share}} end
            """),
        ),
        warning(
            "records_are_born_once",
            "the moment at which records were made has changed: {sample}; are ids used again for other records?",
            no_rows(f"""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {{judged}}
                where column_name in {as_sql(BORN)}
                  and changed_rows > {{max_born_again_share}} * filled_rows and changed_rows >= 5
            """),
        ),
    ],
)

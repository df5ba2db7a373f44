"""load_changes: what must be true of deployment.load_changes."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, suite, warning

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
            "numbers of old records are at least five times as large or small as when the last release was made; was "
            "the unit changed? {sample}",
            no_rows("""
                select source, table_name, column_name, scaled_rows || ' of ' || filled_rows as scaled
                from {judged}
                where scaled_rows > {max_rewritten_share} * filled_rows and scaled_rows >= 5
                  and lower(column_name) not like '%id'
            """),
        ),
        critical(
            "dates_stay_in_their_year",
            "dates of old records jumped by most of a year or more since the last release; are they read in the right "
            "form? {sample}",
            no_rows("""
                select source, table_name, column_name, jumped_rows || ' of ' || filled_rows as jumped
                from {judged}
                where jumped_rows > {max_rewritten_share} * filled_rows and jumped_rows >= 5
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
            no_rows("""
                select distinct source, table_name, gone_rows || ' of ' || compared_rows as gone
                from {judged}
                where gone_rows > {max_gone_share} * compared_rows and gone_rows >= 5
                  and entity not in ('account_overlaps', 'overlap_counts')
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
            no_rows("""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {judged}
                where changed_rows > {max_changed_share} * filled_rows and changed_rows >= 5
                  and not regexp_matches(lower(column_name), '^last|login|updated|modified|modstamp')
            """),
        ),
        warning(
            "records_are_still_called_the_same",
            "names, numbers or owners of records changed all at once: {sample}; was a column shifted, or exported from "
            "another field?",
            no_rows("""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {judged}
                where lower(column_name) in ('name', 'domain', 'partner_number', 'account_id', 'accountid',
                    'partner_id',
                    'opportunity_id', 'opportunityid', 'currency', 'currencyisocode', 'role', 'role_raw')
                  and changed_rows > {max_rewritten_share} * filled_rows and changed_rows >= 5
            """),
        ),
        warning(
            "credit_stays_where_it_was",
            "partners of old deals were exchanged for others: {sample}; were partners merged in the source?",
            no_rows("""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {judged}
                where entity = 'opportunity_partners' and lower(column_name) in ('account_id', 'accounttoid')
                  and changed_rows > {max_born_again_share} * filled_rows and changed_rows >= 5
            """),
        ),
        warning(
            "records_are_born_once",
            "the moment at which records were made has changed: {sample}; are ids used again for other records?",
            no_rows("""
                select source, table_name, column_name, changed_rows || ' of ' || filled_rows as changed
                from {judged}
                where lower(column_name) in ('created_at', 'createddate', 'createdate', 'submitted_at', 'occurred_at',
                    'enrolled_at', 'responded_at')
                  and changed_rows > {max_born_again_share} * filled_rows and changed_rows >= 5
            """),
        ),
    ],
)

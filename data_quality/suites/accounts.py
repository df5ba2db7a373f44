"""accounts: what must be true of accounts."""

from data_quality.promise import critical, info, never_null, no_rows, stands_once, suite, warning

SUITE = suite(
    "accounts",
    place="conformed",
    description=(
        "One row per CRM account. Everything a partner is begins here. Owed where a source of accounts was loaded."
    ),
    key=["source", "source_id"],
    floor="there_are_accounts",
    promises=[
        critical(
            "there_are_accounts",
            "no account came through; a channel without accounts is a failed load, not a quiet quarter",
            no_rows("""
                select source, 0 as account_count from deployment.capabilities
                where entity = 'accounts' and not exists (select 1 from {judged})
            """),
        ),
        critical("source_is_named", "accounts do not say which source they come from", never_null("source")),
        critical("source_id_is_there", "accounts have no id in their source", never_null("source_id")),
        critical(
            "account_stands_once",
            "accounts stand more than once and would count their production twice: {sample}",
            stands_once("source", "source_id"),
        ),
        critical(
            "flags_are_decided",
            "accounts leave open whether they are a partner, a test or deleted: {sample}",
            no_rows("""
                select source, source_id from conformed.accounts
                where is_deleted is null or is_test is null or is_partner is null
            """),
        ),
        warning(
            "somebody_is_a_partner",
            "not one live account is marked as a partner; is the partner flag mapped? {sample}",
            no_rows("""
                select source, count(*) as account_count from conformed.accounts
                where not exists (select 1 from conformed.accounts where is_partner and not is_deleted
                  and not is_test)
                group by source
            """),
        ),
        critical(
            "partner_has_a_name",
            "partners have no name: {sample}",
            no_rows("""
                select source, source_id, partner_number from conformed.accounts
                where is_partner and not is_deleted and (name is null or trim(name) = '')
            """),
        ),
        warning(
            "name_is_no_document",
            "names of partners are longer than 500 characters: {sample}; was another field exported as the name?",
            no_rows("""
                select source, source_id, partner_number, length(name) as name_length from conformed.accounts
                where is_partner and not is_deleted and length(name) > 500
            """),
        ),
        warning(
            "partner_has_a_number",
            "partners have no partner number, so people cannot look them up: {sample}",
            no_rows("""
                select source, source_id, name from conformed.accounts
                where is_partner and not is_deleted and not is_test and (partner_number is null
                  or trim(partner_number) = '')
            """),
        ),
        warning(
            "partner_number_is_one_account",
            "partner numbers stand on several live accounts; their production may be split: {sample}",
            no_rows("""
                select source, partner_number, count(*) as account_count from conformed.accounts
                where is_partner and not is_deleted and not is_test and partner_number is not null
                group by source, partner_number having count(*) > 1
            """),
        ),
        warning(
            "partners_did_not_multiply",
            "far more accounts are partners than the last release has: {sample}; are customers marked as partners?",
            no_rows("""
                select source, count(*) as partner_accounts, {previous_partner_count} as partners_before
                from conformed.accounts where is_partner and not is_deleted and not is_test group by source
                having {previous_partner_count} > 0
                  and count(*) > greatest(1.5 * {previous_partner_count}, {previous_partner_count} + 10)
            """),
        ),
        critical(
            "nothing_was_known_too_late",
            "accounts carry facts from after {known_at}, the moment this run is allowed to know: {sample}",
            no_rows("""
                select source, source_id, extracted_at from conformed.accounts
                where extracted_at is null or extracted_at > {known_at}
            """),
        ),
        warning(
            "parent_is_known",
            "accounts name a parent that was not loaded: {sample}",
            no_rows("""
                select child.source, child.source_id, child.parent_id from conformed.accounts as child
                where child.parent_id is not null and not exists (
                  select 1 from conformed.accounts as parent
                  where parent.source = child.source and parent.source_id = child.parent_id)
            """),
        ),
        info(
            "domain_is_bare",
            "web domains are no bare domains and will not match another system: {sample}",
            no_rows(r"""
                select source, source_id from conformed.accounts
                where domain is not null and not regexp_matches(domain, '^[^\s/:@]+\.[^\s/:@]+$')
            """),
        ),
    ],
)

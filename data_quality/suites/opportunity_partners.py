"""opportunity_partners: what must be true of opportunity_partners."""

from data_quality.promise import critical, info, never_null, no_rows, stands_once, suite, warning

SUITE = suite(
    "opportunity_partners",
    place="conformed",
    description=(
        "One row per opportunity, partner account and role. Who gets the credit. Owed where a "
        "source of roles was loaded."
    ),
    key=["source", "source_id"],
    floor="there_are_partners_on_deals",
    promises=[
        critical(
            "there_are_partners_on_deals",
            "no deal names a partner; all production would count as direct",
            no_rows("""
                select source, 0 as row_count from deployment.capabilities
                where entity = 'opportunity_partners' and not exists (select 1 from {judged})
            """),
        ),
        critical("source_is_named", "deal partners do not say which source they come from", never_null("source")),
        critical("source_id_is_there", "deal partners have no id in their source", never_null("source_id")),
        critical(
            "deal_partner_stands_once",
            "deal partners stand more than once and would be credited twice: {sample}",
            stands_once("source", "source_id"),
        ),
        critical(
            "role_is_one_of_ours",
            "roles are none of sourced, influenced, fulfilled, unknown: {sample}",
            no_rows("""
                select source, source_id, role_raw, role from conformed.opportunity_partners
                where role is null or role not in ('sourced', 'influenced', 'fulfilled', 'unknown')
            """),
        ),
        critical(
            "flags_are_decided",
            "deal partners leave open whether they are primary, a test or deleted: {sample}",
            no_rows("""
                select source, source_id from conformed.opportunity_partners
                where is_deleted is null or is_test is null or is_primary is null
            """),
        ),
        critical(
            "deal_is_known",
            "deal partners point at opportunities that are not there: {sample}",
            no_rows("""
                select credit.source, credit.source_id, credit.opportunity_id
                  from conformed.opportunity_partners as credit
                where credit.opportunity_id is null or not exists (
                  select 1 from conformed.opportunities as deal
                  where deal.source = credit.source and deal.source_id = credit.opportunity_id)
            """),
        ),
        critical(
            "partner_account_is_known",
            "deal partners point at accounts that are not there: {sample}",
            no_rows("""
                select credit.source, credit.source_id, credit.account_id
                  from conformed.opportunity_partners as credit
                where credit.account_id is null or not exists (
                  select 1 from conformed.accounts as account
                  where account.source = credit.source and account.source_id = credit.account_id)
            """),
        ),
        warning(
            "credited_account_is_a_partner",
            "accounts are credited on deals but not marked as partners, so their production counts as direct: {sample}",
            no_rows("""
                select credit.source, credit.account_id, count(*) as deal_count
                from conformed.opportunity_partners as credit
                inner join conformed.accounts as account
                  on account.source = credit.source and account.source_id = credit.account_id
                where not account.is_partner and not credit.is_deleted
                group by credit.source, credit.account_id
            """),
        ),
        warning(
            "one_primary_per_deal",
            "deals have several primary partners; only the first registered is credited under `primary`: {sample}",
            no_rows("""
                select source, opportunity_id, count(*) as primary_count from conformed.opportunity_partners
                where is_primary and not is_deleted group by source, opportunity_id having count(*) > 1
            """),
        ),
        warning(
            "partner_has_a_role_once",
            "partners stand on a deal twice in one role: {sample}",
            no_rows("""
                select source, opportunity_id, account_id, role, count(*) as row_count
                  from conformed.opportunity_partners
                where not is_deleted group by source, opportunity_id, account_id, role having count(*) > 1
            """),
        ),
        info(
            "roles_are_all_understood",
            "partner roles that are words of no role we know, so nobody is credited by them: {sample}; "
            "add them to the source's option for roles or to the seed partner_role_map",
            no_rows("""
                select source, role_raw, count(*) as row_count from conformed.opportunity_partners
                where role = 'unknown' and role_raw is not null and not is_deleted group by source, role_raw
            """),
        ),
        warning(
            "roles_are_mostly_understood",
            "more than a fifth of the partner roles are words the role map does not know: {sample}",
            no_rows("""
                select count(*) filter (where role = 'unknown') as unknown_count, count(*) as row_count
                from conformed.opportunity_partners
                having count(*) filter (where role = 'unknown') > 0.2 * count(*)
            """),
        ),
    ],
)

"""identity_review: what must be true of identity_review."""

from data_quality.promise import critical, never_null, no_rows, one_of, suite, warning

SUITE = suite(
    "identity_review",
    place="candidate",
    description=("One row per source record and reason to look at it. Empty is fine where one system is connected."),
    key=["source", "source_id", "reason"],
    floor="strangers_are_listed",
    promises=[
        critical(
            "strangers_are_listed",
            "records that no other system knows are not listed for review: {sample}",
            no_rows("""
                with spread as (
                  select partner_id, count(distinct source) as source_count, min(source) as source,
                    min(source_id) as source_id
                  from identity.partner_links group by partner_id)
                select spread.source, spread.source_id from spread
                where spread.source_count = 1 and (select count(distinct source) from identity.partner_links) > 1
                  and not exists (
                    select 1 from candidate.identity_review as review
                    where review.partner_id = spread.partner_id and review.reason = 'one_system_only')
            """),
        ),
        critical("source_is_there", "rows have no source", never_null("source")),
        critical("source_id_is_there", "rows have no id", never_null("source_id")),
        critical("reason_is_there", "rows have no reason", never_null("reason")),
        critical(
            "row_stands_once",
            "rows stand more than once: {sample}",
            no_rows("""
                select source, source_id, reason, count(*) as row_count from {judged} group by source, source_id,
                  reason having count(*) > 1
            """),
        ),
        critical(
            "reason_is_known",
            "records are listed for a reason nobody has explained: {observed}",
            one_of("reason", "one_system_only", "domain_shared", "crm_account_unknown", "crosswalk_unmatched"),
        ),
        warning(
            "reason_is_told",
            "records are listed without words: {sample}",
            no_rows("""
                select source, source_id, reason from candidate.identity_review where coalesce(trim(detail), '') = ''
            """),
        ),
        warning(
            "crosswalk_finds_its_records",
            "rows of the crosswalk lead nowhere: {sample}",
            no_rows("""
                select source, source_id, detail from candidate.identity_review where reason = 'crosswalk_unmatched'
            """),
        ),
        warning(
            "portal_is_linked",
            "more than a fifth of a portal's partners are linked to no CRM account; is crm_account_id "
            "exported? {sample}",
            no_rows("""
                select links.source, count(*) as record_count,
                  count(*) filter (where review.source_id is not null) as alone_count
                from identity.partner_links as links
                left join candidate.identity_review as review
                  on review.source = links.source and review.source_id = links.source_id
                    and review.reason = 'one_system_only'
                where links.kind = 'prm' and (select count(distinct kind) from identity.partner_links
                  where kind = 'crm') = 1
                group by links.source
                having count(*) >= 10 and count(*) filter (where review.source_id is not null) > 0.2 * count(*)
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

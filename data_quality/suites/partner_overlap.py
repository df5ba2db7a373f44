"""partner_overlap: what must be true of partner_overlap."""

from data_quality.promise import critical, never_null, no_rows, suite

SUITE = suite(
    "partner_overlap",
    place="candidate",
    description=(
        "One row per partner and quarter, for partners that share accounts or counts. Counts only, no account."
    ),
    key=["partner_id", "quarter"],
    floor="sharing_partners_have_a_row",
    promises=[
        critical(
            "sharing_partners_have_a_row",
            "partners share accounts and have no row for {quarter}: {sample}",
            no_rows("""
                select knowledge.partner_id from identity.partner_knowledge as knowledge
                inner join candidate.partner_segments as released on released.partner_id = knowledge.partner_id
                where knowledge.entity = 'account_overlaps' and not exists (
                  select 1 from candidate.partner_overlap as overlap
                  where overlap.partner_id = knowledge.partner_id and overlap.quarter = {quarter})
            """),
        ),
        critical("partner_id_is_there", "rows have no partner", never_null("partner_id")),
        critical("quarter_is_there", "rows have no quarter", never_null("quarter")),
        critical(
            "partner_number_is_there",
            "rows have no partner_number, so people cannot look them up",
            never_null("partner_number"),
        ),
        critical(
            "row_stands_once",
            "rows stand more than once: {sample}",
            no_rows("""
                select partner_id, quarter, count(*) as row_count from {judged} group by partner_id, quarter
                  having count(*) > 1
            """),
        ),
        critical(
            "part_is_no_larger_than_the_whole",
            "partners share more accounts of a kind than accounts at all: {sample}",
            no_rows("""
                select partner_id, quarter, overlap_accounts, icp_overlap_accounts, unique_reach_accounts,
                  overlap_customers,
                  whitespace_accounts
                from candidate.partner_overlap
                where overlap_accounts < 0 or icp_overlap_accounts < 0 or unique_reach_accounts < 0
                  or (not is_suppressed and greatest(coalesce(icp_overlap_accounts, 0),
                    coalesce(unique_reach_accounts, 0),
                    overlap_customers, whitespace_accounts) > overlap_accounts)
            """),
        ),
        critical(
            "counts_know_no_accounts",
            "what single accounts are is told of partners that share counts only: {sample}",
            no_rows("""
                select partner_id, quarter, rests_on, icp_overlap_accounts, unique_reach_accounts
                  from candidate.partner_overlap
                where rests_on is null or rests_on not in ('accounts', 'counts')
                  or (rests_on = 'counts' and (icp_overlap_accounts is not null or unique_reach_accounts is not null))
            """),
        ),
        critical(
            "small_counts_are_blank",
            "counts below {suppress_overlap_below} are told, which the deployment keeps back: {sample}",
            no_rows("""
                select partner_id, quarter from candidate.partner_overlap
                where len(list_filter([
                    overlap_accounts, icp_overlap_accounts, unique_reach_accounts, overlap_customers,
                      whitespace_accounts,
                    own_customers_their_customers, own_customers_their_open_opportunities,
                      own_customers_their_prospects,
                    own_open_opportunities_their_customers, own_open_opportunities_their_open_opportunities,
                    own_open_opportunities_their_prospects, own_prospects_their_customers,
                    own_prospects_their_open_opportunities, own_prospects_their_prospects],
                  lambda x: x between 1 and {suppress_overlap_below} - 1)) > 0
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

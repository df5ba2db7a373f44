"""partner_funnel: what must be true of partner_funnel."""

from data_quality.promise import critical, never_null, no_rows, suite, warning

SUITE = suite(
    "partner_funnel",
    place="candidate",
    description="One row per partner and quarter, for partners whose deal registrations somebody can know.",
    key=["partner_id", "quarter"],
    floor="known_partners_have_a_row",
    promises=[
        critical(
            "known_partners_have_a_row",
            "partners of a portal have no row for {quarter}, or others have one: {sample}",
            no_rows("""
                with due as (
                  select knowledge.partner_id from identity.partner_knowledge as knowledge
                  inner join candidate.partner_segments as released on released.partner_id = knowledge.partner_id
                  where knowledge.entity = 'deal_registrations'),
                found as (select partner_id from candidate.partner_funnel where quarter = {quarter})
                select coalesce(due.partner_id, found.partner_id) as partner_id, due.partner_id is not null as is_due
                from due full outer join found on found.partner_id = due.partner_id
                where due.partner_id is null or found.partner_id is null
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
            "counts_are_counts",
            "counts are negative or missing: {sample}",
            no_rows("""
                select partner_id, quarter, registered, accepted, declined, won from candidate.partner_funnel
                where coalesce(registered, -1) < 0 or coalesce(accepted, -1) < 0 or coalesce(declined, -1) < 0
                  or coalesce(won, -1) < 0
            """),
        ),
        critical(
            "rate_is_a_share_of_the_decided",
            "acceptance rates are not accepted over decided: {sample}",
            no_rows("""
                select partner_id, quarter, accepted, declined, acceptance_rate from candidate.partner_funnel
                where (acceptance_rate is null) <> (accepted + declined = 0) or isnan(acceptance_rate)
                  or abs(acceptance_rate - accepted / (accepted + declined)) > 0.000001
            """),
        ),
        warning(
            "decision_takes_time",
            "registrations were decided before they were submitted: {sample}",
            no_rows("""
                select partner_id, quarter, decision_days from candidate.partner_funnel where decision_days < 0
            """),
        ),
        warning(
            "somebody_decides",
            "registrations came in during {quarter} and not one was decided: {sample}",
            no_rows("""
                select sum(registered) as registered, sum(accepted + declined) as decided
                  from candidate.partner_funnel
                where quarter = {quarter} having sum(registered) >= 20 and sum(accepted + declined) = 0
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

"""investment_plan: what must be true of investment_plan."""

from data_quality.promise import critical, never_null, no_rows, suite, warning

SUITE = suite(
    "investment_plan",
    place="candidate",
    description="One row per partner as of the release quarter. Hours entitled beside hours spent.",
    key=["partner_id"],
    floor="partners_are_those_released",
    promises=[
        critical(
            "partners_are_those_released",
            "partners are released without a plan, or planned for and not released: {sample}",
            no_rows("""
                select coalesce(released.partner_id, plan.partner_id) as partner_id,
                  plan.partner_id is not null as is_planned
                from candidate.partner_segments as released
                full outer join candidate.investment_plan as plan on plan.partner_id = released.partner_id
                where released.partner_id is null or plan.partner_id is null
            """),
        ),
        critical("partner_id_is_there", "rows have no partner", never_null("partner_id")),
        critical(
            "partner_number_is_there",
            "rows have no partner_number, so people cannot look them up",
            never_null("partner_number"),
        ),
        critical(
            "row_stands_once",
            "rows stand more than once: {sample}",
            no_rows("""
                select partner_id, count(*) as row_count from {judged} group by partner_id having count(*) > 1
            """),
        ),
        critical(
            "segment_is_the_one_released",
            "plans are made for another segment or quarter than the one released: {sample}",
            no_rows("""
                select plan.partner_id, plan.segment, released.segment as released_segment
                from candidate.investment_plan as plan
                inner join candidate.partner_segments as released on released.partner_id = plan.partner_id
                where plan.segment is distinct from released.segment or plan.quarter is distinct from {quarter}
            """),
        ),
        critical(
            "gap_is_entitled_less_spent",
            "hours are negative, or the gap is not entitled less spent: {sample}",
            no_rows("""
                select partner_id, hours_entitled, hours_spent, hours_gap from candidate.investment_plan
                where hours_spent < 0 or hours_entitled < 0
                  or (hours_gap is null) <> (hours_entitled is null or hours_spent is null)
                  or abs(hours_gap - (hours_entitled - hours_spent)) > 0.001
            """),
        ),
        warning(
            "promised_hours_can_be_kept",
            "more hours are promised than the partner managers have: {sample}",
            no_rows("""
                select sum(plan.hours_entitled) as hours_entitled, any_value(there.hours) as hours_there
                from candidate.investment_plan as plan
                cross join (
                  select max(partner_managers * hours_per_week * weeks * utilisation) as hours from policy.capacity
                  where policy = {policy} and version = {version}) as there
                having sum(plan.hours_entitled) > any_value(there.hours)
            """),
        ),
        critical(
            "no_pseudo_partner_is_planned_for",
            "time is planned for what is no partner: {sample}",
            no_rows("""
                select partner_id, partner_number, partner_name from candidate.investment_plan
                where partner_name in {pseudo_partners} or partner_number in {pseudo_partners}
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

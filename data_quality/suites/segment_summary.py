"""segment_summary: what must be true of segment_summary."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, stands_once, suite

SUITE = suite(
    "segment_summary",
    place="candidate",
    description=("One row per quarter, policy version, ladder and level. How many partners, how much production."),
    key=["quarter", "policy", "version", "ladder", "level"],
    floor="there_are_levels",
    promises=[
        critical("there_are_levels", "the release would hold no summary", rows_at_least(1)),
        critical("quarter_is_named", "summary rows belong to no quarter", never_null("quarter")),
        critical("policy_is_named", "summary rows belong to no policy", never_null("policy")),
        critical("version_is_named", "summary rows belong to no policy version", never_null("version")),
        critical("ladder_is_named", "summary rows belong to no ladder", never_null("ladder")),
        critical("level_is_named", "summary rows belong to no level", never_null("level")),
        critical(
            "level_stands_once",
            "levels are summed up twice in one quarter: {sample}",
            stands_once("quarter", "policy", "version", "ladder", "level"),
        ),
        critical(
            "level_is_the_policys",
            "rows are of another policy than {policy}@{version}, of a level or rank it lacks, or lie ahead: {sample}",
            no_rows("""
                select summary.quarter, summary.ladder, summary.level, summary.level_rank
                from candidate.segment_summary as summary
                where summary.quarter > {quarter} or not exists (
                  select 1 from policy.levels as levels
                  where levels.policy = summary.policy and levels.version = summary.version
                    and levels.ladder = summary.ladder
                    and levels.level = summary.level and levels.rank = summary.level_rank)
            """),
        ),
        critical(
            "counts_are_the_historys",
            "levels count other partners than the history: {sample}",
            no_rows("""
                with held as (
                  select quarter, policy, version, ladder, held_level as level, count(*) as partner_count
                  from candidate.partner_level_history
                  where (policy, version) in (select (policy, version) from candidate.segment_summary)
                  group by quarter, policy, version, ladder, held_level)
                select coalesce(held.quarter, summary.quarter) as quarter, coalesce(held.ladder,
                  summary.ladder) as ladder,
                  coalesce(held.level, summary.level) as level, summary.partner_count
                from held
                full outer join candidate.segment_summary as summary
                  on summary.quarter = held.quarter and summary.policy = held.policy
                    and summary.version = held.version
                  and summary.ladder = held.ladder and summary.level = held.level
                where coalesce(held.partner_count, 0) is distinct from summary.partner_count
            """),
        ),
        critical(
            "counts_are_all_partners",
            "the levels of a ladder do not add up to the partners released: {sample}",
            no_rows("""
                select ladders.ladder, coalesce(sum(summary.partner_count), 0) as partner_count,
                  (select count(*) from candidate.partner_segments) as released_count
                from policy.ladders as ladders
                left join candidate.segment_summary as summary
                  on summary.ladder = ladders.ladder and summary.quarter = {quarter}
                  and summary.policy = {policy} and summary.version = {version}
                where ladders.policy = {policy} and ladders.version = {version}
                group by ladders.ladder
                having coalesce(sum(summary.partner_count), 0) <> (select count(*) from candidate.partner_segments)
            """),
        ),
        critical(
            "shares_are_shares",
            "shares are missing, no numbers or outside 0 to 1, or hours are below zero: {sample}",
            no_rows("""
                select quarter, ladder, level, partner_share from candidate.segment_summary
                where partner_share is null or isnan(partner_share) or partner_share not between 0 and 1
                  or isnan(production_share) or hours_entitled < 0 or hours_spent < 0
            """),
        ),
        critical(
            "partner_shares_make_one",
            "the partner shares of a ladder do not add up to 1: {sample}",
            no_rows("""
                select quarter, policy, version, ladder, sum(partner_share) as share_sum
                  from candidate.segment_summary
                group by quarter, policy, version, ladder
                having sum(partner_share) is null or not abs(sum(partner_share) - 1) < 0.000001
            """),
        ),
        critical(
            "production_shares_make_one",
            "the production shares of a ladder do not add up to 1: {sample}",
            no_rows("""
                select quarter, ladder, sum(production_share) as share_sum,
                  sum(sourced_won_amount) as sourced_won_amount
                from candidate.segment_summary group by quarter, policy, version, ladder
                having not abs(sum(production_share) - 1) < 0.000001
                  or (sum(production_share) is null and sum(sourced_won_amount) > 0)
            """),
        ),
        critical(
            "production_is_the_partners",
            "the levels of a ladder do not add up to the partners' production: {sample}",
            no_rows("""
                select ladder, sum(sourced_won_amount) as sourced_won_amount,
                  (select sum(sourced_won_amount) from candidate.partner_segments) as released_amount
                from candidate.segment_summary where quarter = {quarter} and policy = {policy} and version = {version}
                group by ladder
                having not abs(coalesce(sum(sourced_won_amount), 0)
                  - (select coalesce(sum(sourced_won_amount), 0) from candidate.partner_segments)) < 0.005
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select quarter, ladder from candidate.segment_summary where {row_holds_at}"),
        ),
    ],
)

"""partner_segments: what must be true of partner_segments."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, stands_once, suite, warning

SUITE = suite(
    "partner_segments",
    place="candidate",
    description="One row per partner, as released. The table people look their partners up in.",
    key=["partner_id"],
    floor="there_are_partners",
    promises=[
        critical(
            "there_are_partners",
            "the release would hold no partner; is a system that is connected on the roster (`identity.roster`)?",
            rows_at_least(1),
        ),
        critical("partner_is_named_by_id", "partners have no id", never_null("partner_id")),
        critical("partner_stands_once", "partners stand more than once: {sample}", stands_once("partner_id")),
        critical(
            "partner_has_a_number",
            "partners have no partner_number, so people cannot look them up",
            never_null("partner_number"),
        ),
        critical(
            "partner_has_a_name",
            "partners have no name: {sample}",
            no_rows("""
                select partner_id, partner_number from candidate.partner_segments
                where partner_name is null or trim(partner_name) = ''
            """),
        ),
        critical(
            "partners_did_not_halve",
            "half or more of the {previous_partner_count} partners of the previous release are gone: {sample}",
            no_rows("""
                select count(*) as partner_count, {previous_partner_count} as previous_partner_count
                from candidate.partner_segments
                having {previous_partner_count} > 0 and count(*) <= 0.5 * {previous_partner_count}
            """),
        ),
        warning(
            "partners_did_not_dwindle",
            "more than a fifth of the {previous_partner_count} partners of the previous release are gone: {sample}",
            no_rows("""
                select count(*) as partner_count, {previous_partner_count} as previous_partner_count
                from candidate.partner_segments
                having {previous_partner_count} > 0 and count(*) < 0.8 * {previous_partner_count}
            """),
        ),
        critical(
            "one_quarter_and_policy_speak",
            "partners are not from {quarter} under {policy}@{version}: {sample}",
            no_rows("""
                select partner_id, quarter, policy, version from candidate.partner_segments
                where quarter is distinct from {quarter} or policy is distinct from {policy}
                  or version is distinct from {version}
            """),
        ),
        critical(
            "level_is_one_of_the_policys",
            "levels are none that {policy}@{version} knows: {sample}",
            no_rows("""
                with ladder_of as (
                  select ladder, level from policy.levels where policy = {policy} and version = {version}),
                held as (
                  select partner_id, 'segment' as ladder, segment as level from candidate.partner_segments
                  union all
                  select partner_id, 'tier', tier from candidate.partner_segments)
                select held.partner_id, held.ladder, held.level from held
                where (held.ladder in (select ladder from ladder_of) or held.level is not null)
                  and not exists (
                    select 1 from ladder_of where ladder_of.ladder = held.ladder and ladder_of.level = held.level)
            """),
        ),
        critical(
            "level_is_the_one_decided",
            "levels, actions or reasons are not those decided in the partner's history for {quarter}: {sample}",
            no_rows("""
                with held as (
                  select partner_id, 'segment' as ladder, segment as level, segment_action as action, reasons
                  from candidate.partner_segments
                  union all
                  select partner_id, 'tier', tier, tier_action, reasons from candidate.partner_segments)
                select held.partner_id, held.ladder, held.level, history.released_level
                from held
                left join candidate.partner_level_history as history
                  on history.partner_id = held.partner_id and history.ladder = held.ladder
                  and history.quarter = {quarter} and history.policy = {policy} and history.version = {version}
                where history.released_level is distinct from held.level
                  or history.released_action is distinct from held.action
                  or (history.released_reasons is not null and not contains(coalesce(held.reasons, ''),
                    held.ladder || ': ' || history.released_reasons))
            """),
        ),
        critical(
            "score_and_evidence_are_possible",
            "scores are outside 0 to 100, or evidence shares outside 0 to 1 or not numbers: {sample}",
            no_rows("""
                select released.partner_id, released.total_score, released.evidence_share
                from candidate.partner_segments as released
                left join policy.policies as policies on policies.policy = {policy} and policies.version = {version}
                where policies.combine is null
                  or (policies.combine = 'none' and released.total_score is not null)
                  or (policies.combine = 'weighted' and released.total_score is not null
                    and (isnan(cast(released.total_score as double)) or released.total_score not between 0 and 100))
                  or (policies.combine <> 'none' and released.evidence_share is null)
                  or isnan(released.evidence_share) or released.evidence_share not between 0 and 1
            """),
        ),
        critical(
            "rank_follows_the_score",
            "partners rank behind a lower score, or have a rank without a score: {sample}",
            no_rows("""
                select partner_id, total_score, score_rank from (
                  select *, lag(total_score) over (order by score_rank, total_score desc) as score_before
                  from candidate.partner_segments)
                where (score_rank is null) <> (total_score is null) or score_rank < 1 or score_before < total_score
            """),
        ),
        critical(
            "production_is_the_windows",
            "the sourced production released is not the production measured over the policy's window: {sample}",
            no_rows("""
                with windows as (
                  select attribution, window_quarters from policy.policies
                  where policy = {policy} and version = {version}),
                quarters as (
                  select quarter, row_number() over (order by quarter_end desc) as age
                  from deployment.quarters where quarter_end <= {quarter_end}),
                due as (
                  select coalesce(sum(measures.sourced_won_amount), 0) as amount
                  from metrics.partner_quarter_measures as measures
                  inner join windows on windows.attribution = measures.attribution
                  inner join quarters on quarters.quarter = measures.quarter
                  where quarters.age <= windows.window_quarters),
                released as (
                  select sum(sourced_won_amount) as amount, count(sourced_won_amount) as known_count
                  from candidate.partner_segments)
                select released.amount as released_amount, due.amount as measured_amount
                from released cross join due
                where released.known_count > 0 and not abs(released.amount - due.amount) < 0.005
            """),
        ),
        critical(
            "no_pseudo_partner",
            "rows are no real partners: {sample}",
            no_rows("""
                select partner_id, partner_number, partner_name from candidate.partner_segments
                where lower(trim(partner_name)) in (
                    'direct', 'n/a', 'na', 'none', 'null', 'no partner', 'unknown', 'test', 'tbd', '-')
                  or partner_name in {pseudo_partners} or partner_number in {pseudo_partners}
                    or partner_id in {pseudo_partners}
            """),
        ),
        warning(
            "level_is_explained",
            "partners hold a level without a reason in words: {sample}",
            no_rows("""
                select partner_id, segment, tier from candidate.partner_segments
                where (segment is not null or tier is not null) and coalesce(trim(reasons), '') = ''
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from candidate.partner_segments where {row_holds_at}"),
        ),
    ],
)

"""partner_scores: what must be true of partner_scores."""

from data_quality.promise import critical, never_null, no_rows, stands_once, suite

SUITE = suite(
    "partner_scores",
    place="candidate",
    description="One row per partner, quarter and policy version. Totals and evidence.",
    key=["partner_id", "quarter", "policy", "version"],
    floor="every_partner_is_scored",
    promises=[
        critical("partner_is_named", "score rows belong to no partner", never_null("partner_id")),
        critical("quarter_is_named", "score rows belong to no quarter", never_null("quarter")),
        critical("policy_is_named", "score rows belong to no policy", never_null("policy")),
        critical("version_is_named", "score rows belong to no policy version", never_null("version")),
        critical(
            "score_stands_once",
            "partners are scored twice in one quarter: {sample}",
            stands_once("partner_id", "quarter", "policy", "version"),
        ),
        critical(
            "score_and_evidence_are_possible",
            "rows are of an unknown policy, or score outside 0 to 100, or show evidence outside 0 to 1: {sample}",
            no_rows("""
                select scores.partner_id, scores.quarter, scores.total_score, scores.evidence_share
                from candidate.partner_scores as scores
                left join policy.policies as policies
                  on policies.policy = scores.policy and policies.version = scores.version
                where policies.combine is null
                  or (policies.combine = 'none' and scores.total_score is not null)
                  or (policies.combine = 'weighted' and scores.total_score is not null
                    and (isnan(cast(scores.total_score as double)) or scores.total_score not between 0 and 100))
                  or (policies.combine <> 'none' and scores.evidence_share is null)
                  or isnan(scores.evidence_share) or scores.evidence_share not between 0 and 1
            """),
        ),
        critical(
            "rank_follows_the_score",
            "rows rank behind a lower score, or have a rank without a score: {sample}",
            no_rows("""
                select partner_id, quarter, total_score, score_rank from (
                  select *, lag(total_score) over (
                    partition by policy, version, quarter order by score_rank, total_score desc) as score_before
                  from candidate.partner_scores)
                where (score_rank is null) <> (total_score is null) or score_rank < 1 or score_before < total_score
            """),
        ),
        critical(
            "active_policy_is_marked",
            "rows are marked as the active policy's that are not {policy}@{version}'s, or the other way "
            "round: {sample}",
            no_rows("""
                select policy, version, is_active_policy, count(*) as row_count from candidate.partner_scores
                where is_active_policy is distinct from (policy = {policy} and version = {version})
                group by policy, version, is_active_policy
            """),
        ),
        critical(
            "every_partner_is_scored",
            "partners have no score row in {quarter} under {policy}@{version}: {sample}",
            no_rows("""
                select released.partner_id from candidate.partner_segments as released
                where not exists (
                    select 1 from policy.policies as policies
                    where policies.policy = {policy} and policies.version = {version} and policies.combine = 'none')
                  and not exists (
                    select 1 from candidate.partner_scores as scores
                    where scores.partner_id = released.partner_id and scores.quarter = {quarter}
                      and scores.policy = {policy} and scores.version = {version})
            """),
        ),
        critical(
            "score_is_the_one_released",
            "partners have another score here than in partner_segments: {sample}",
            no_rows("""
                select released.partner_id, released.total_score, scores.total_score as table_score
                from candidate.partner_segments as released
                inner join candidate.partner_scores as scores
                  on scores.partner_id = released.partner_id and scores.quarter = {quarter}
                  and scores.policy = {policy} and scores.version = {version}
                where scores.total_score is distinct from released.total_score
            """),
        ),
        critical(
            "somebody_has_a_score",
            "{policy}@{version} scores partners, yet nobody has a score in {quarter}",
            no_rows("""
                select policies.policy, policies.version from policy.policies as policies
                where policies.policy = {policy} and policies.version = {version} and policies.combine <> 'none'
                  and not exists (
                  select 1 from candidate.partner_scores as scores
                  where scores.policy = {policy} and scores.version = {version} and scores.quarter = {quarter}
                    and scores.total_score is not null)
            """),
        ),
        critical(
            "no_quarter_lies_ahead",
            "the release of {quarter} would hold later quarters: {sample}",
            no_rows("select distinct quarter from candidate.partner_scores where quarter > {quarter}"),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id, quarter from candidate.partner_scores where {row_holds_at}"),
        ),
    ],
)

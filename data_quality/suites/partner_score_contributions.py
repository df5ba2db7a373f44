"""partner_score_contributions: what must be true of partner_score_contributions."""

from data_quality.promise import critical, never_null, no_rows, suite, warning

SUITE = suite(
    "partner_score_contributions",
    place="candidate",
    description="One row per partner, quarter and criterion of the active policy. Why a score is what it is.",
    key=["partner_id", "quarter", "criterion"],
    floor="every_criterion_is_there",
    promises=[
        critical(
            "every_criterion_is_there",
            "criteria of {policy}@{version} were not applied to every partner in {quarter}: {sample}",
            no_rows("""
                with due as (
                  select released.partner_id, criteria.criterion
                  from candidate.partner_segments as released
                  inner join policy.criteria as criteria on criteria.policy = {policy}
                    and criteria.version = {version}
                    and criteria.track = coalesce(released.track, ''))
                select due.criterion, count(*) as partner_count from due
                where not exists (
                  select 1 from candidate.partner_score_contributions as found
                  where found.partner_id = due.partner_id and found.criterion = due.criterion
                    and found.quarter = {quarter})
                group by due.criterion
            """),
        ),
        critical("partner_is_named", "contributions belong to no partner", never_null("partner_id")),
        critical("quarter_is_named", "contributions belong to no quarter", never_null("quarter")),
        critical("criterion_is_named", "contributions belong to no criterion", never_null("criterion")),
        critical(
            "contribution_stands_once",
            "criteria count twice for a partner: {sample}",
            no_rows("""
                select partner_id, quarter, policy, version, criterion, count(*) as row_count
                from candidate.partner_score_contributions
                group by partner_id, quarter, policy, version, criterion having count(*) > 1
            """),
        ),
        critical(
            "contributions_add_up",
            "scores are not the sum of their parts: {sample}",
            no_rows("""
                select scores.partner_id, scores.quarter, scores.total_score, parts.added_up
                from candidate.partner_scores as scores
                left join (
                  select partner_id, quarter, sum(contribution) as added_up from candidate.partner_score_contributions
                  where policy = {policy} and version = {version} group by partner_id, quarter) as parts
                  on parts.partner_id = scores.partner_id and parts.quarter = scores.quarter
                where scores.policy = {policy} and scores.version = {version} and scores.total_score is not null
                  and round(coalesce(parts.added_up, 0), 6) is distinct from round(scores.total_score, 6)
            """),
        ),
        critical(
            "criterion_is_the_policys",
            "criteria were applied that {policy}@{version} does not have: {sample}",
            no_rows("""
                select found.criterion, found.metric, found.dimension, count(*) as row_count
                from candidate.partner_score_contributions as found
                where found.policy is distinct from {policy} or found.version is distinct from {version}
                  or not exists (
                  select 1 from policy.criteria as criteria
                  where criteria.policy = {policy} and criteria.version = {version}
                    and criteria.criterion = found.criterion
                    and criteria.metric = found.metric and criteria.dimension is not distinct from found.dimension)
                group by found.criterion, found.metric, found.dimension
            """),
        ),
        critical(
            "unknown_is_not_zero",
            "unknown values are shown as known, or known ones as unknown: {sample}",
            no_rows("""
                select partner_id, quarter, criterion, value from candidate.partner_score_contributions
                where is_observed is null or is_observed <> (value is not null)
            """),
        ),
        critical(
            "points_keep_within_their_cap",
            "points exceed their cap, lose less than nothing to it, or are no numbers: {sample}",
            no_rows("""
                select partner_id, quarter, criterion, points from candidate.partner_score_contributions
                where points > max_points or lost_to_cap < 0 or (is_observed and points is null)
                  or isnan(cast(points as double)) or isnan(cast(contribution as double))
                    or isnan(cast(share_of_total as double))
            """),
        ),
        warning(
            "nothing_is_unexplained",
            "criteria bring nothing and do not say why: {sample}",
            no_rows("""
                select partner_id, quarter, criterion from candidate.partner_score_contributions
                where coalesce(points, 0) = 0 and coalesce(trim(reason), '') = ''
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("""
                select partner_id, quarter, criterion from candidate.partner_score_contributions where {row_holds_at}
            """),
        ),
    ],
)

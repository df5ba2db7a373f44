{{ config(alias='track_scores') }}

{#-
  The total of every candidate track: the mean of the known dimensions by weight, or the plain sum. evidence_share is the
  share of the policy's weight that rests on values somebody actually knows.
-#}
with summed as (
    select
        candidate_id,
        sum(case when exact_score is not null then dimension_weight else 0 end) as known_weight,
        sum(exact_score * dimension_weight) as weighted_score,
        sum(exact_score) as plain_score,
        sum(cast(observed_weight as double) * dimension_weight)
        / nullif(sum(cast(full_weight as double) * dimension_weight), 0) as evidence_share,
        bool_or(is_blocked) as is_blocked
    from {{ ref('int_track_dimension_scores') }}
    group by candidate_id
),

valued as (
    select
        s.candidate_id, k.policy, k.version, k.track, k.partner_id, k.quarter_index, s.known_weight, s.evidence_share,
        s.is_blocked, p.rounding_digits, p.rounding_mode,
        case
            when p.combine = 'points' then s.plain_score
            else s.weighted_score / nullif(s.known_weight, 0)
        end as exact_score
    from summed as s
    inner join {{ ref('int_track_candidates') }} as k on s.candidate_id = k.candidate_id
    inner join {{ ref('stg_policy__policies') }} as p on k.policy = p.policy and k.version = p.version
)

select
    candidate_id, policy, version, track, partner_id, quarter_index, known_weight, is_blocked,
    case when not is_blocked then {{ rounded_score('exact_score', 'rounding_digits', 'rounding_mode') }} end as total_score,
    cast(round(cast(evidence_share as decimal(18,10)), 6) as double) as evidence_share
from valued

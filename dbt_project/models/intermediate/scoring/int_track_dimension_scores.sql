{{ config(alias='track_dimension_scores') }}

{#-
  Dimensions of every candidate track: the mean of the known criteria by weight (a plain sum under `points`), so weights
  of unknown criteria are spread over the known ones (`missing: renormalise`). Criteria without a dimension make a row
  without one, for the total.
-#}
with summed as (
    select
        v.candidate_id,
        c.dimension,
        max(c.dimension_weight) as dimension_weight,
        sum(case when v.points is not null then c.criterion_weight else 0 end) as known_weight,
        sum(cast(v.points as double) * c.criterion_weight) as weighted_points,
        sum(c.criterion_weight) as full_weight,
        sum(case when v.is_observed then c.criterion_weight else 0 end) as observed_weight,
        bool_or(not v.is_observed and c.missing = 'block') as is_blocked
    from {{ ref('int_criterion_point_values') }} as v
    inner join {{ ref('int_criteria') }} as c on v.criterion_id = c.criterion_id
    group by v.candidate_id, c.dimension
),

-- One value that must be known leaves the whole score unknown, and with it every dimension.
blocked as (
    select distinct candidate_id from summed where is_blocked
),

valued as (
    select
        s.candidate_id, s.dimension, s.dimension_weight, s.known_weight, s.full_weight, s.observed_weight,
        b.candidate_id is not null as is_blocked,
        k.policy, k.version, k.track, k.partner_id, k.quarter_index,
        p.rounding_digits, p.rounding_mode,
        case
            when p.combine = 'points' and s.known_weight > 0 then s.weighted_points
            else s.weighted_points / nullif(s.known_weight, 0)
        end as exact_score
    from summed as s
    inner join {{ ref('int_track_candidates') }} as k on s.candidate_id = k.candidate_id
    left join blocked as b on s.candidate_id = b.candidate_id
    inner join {{ ref('stg_policy__policies') }} as p on k.policy = p.policy and k.version = p.version
)

select
    candidate_id, policy, version, track, partner_id, quarter_index, dimension, dimension_weight, known_weight,
    full_weight, observed_weight, is_blocked, exact_score,
    case when not is_blocked then {{ rounded_score('exact_score', 'rounding_digits', 'rounding_mode') }} end as score
from valued

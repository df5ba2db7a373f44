{{ config(alias='criterion_contribution_values') }}

{#-
  What each criterion adds to the total, of the active policy only: for many policies this would be the largest table of
  all. Weights of unknown criteria are spread over the known ones of the dimension, weights of wholly unknown dimensions
  over the known dimensions (`missing: renormalise`). Running sums are rounded, not the parts: so the contributions add up
  to the rounded total exactly, and 100 stays 100.
-#}
with parts as (
    select
        v.criterion_id,
        v.candidate_id,
        c.position,
        p.rounding_digits,
        p.rounding_mode,
        s.is_blocked,
        case
            when v.points is null then 0
            when p.combine = 'points' then cast(v.points as double)
            else cast(v.points as double) * c.criterion_weight / nullif(d.known_weight, 0)
                * c.dimension_weight / nullif(s.known_weight, 0)
        end as total_part
    from {{ ref('int_criterion_point_values') }} as v
    inner join {{ ref('int_criteria') }} as c on v.criterion_id = c.criterion_id
    inner join {{ ref('stg_policy__policies') }} as p on c.policy = p.policy and c.version = p.version
    inner join {{ ref('stg_deployment__run_context') }} as a on p.policy = a.policy and p.version = a.version
    inner join {{ ref('int_track_dimension_scores') }} as d
        on v.candidate_id = d.candidate_id and c.dimension is not distinct from d.dimension
    inner join {{ ref('int_track_scores') }} as s on v.candidate_id = s.candidate_id
),

-- Sorting is what this model costs, so nothing but numbers is sorted, and once.
sums as (
    select
        *,
        sum(total_part) over (
            partition by candidate_id order by position rows between unbounded preceding and current row
        ) as so_far
    from parts
),

contributions as (
    select
        criterion_id, candidate_id, is_blocked,
        {{ rounded_score('so_far', 'rounding_digits', 'rounding_mode') }}
        - {{ rounded_score('(so_far - total_part)', 'rounding_digits', 'rounding_mode') }} as contribution
    from sums
)

select criterion_id, candidate_id, is_blocked, cast(contribution as decimal(18,6)) as contribution
from contributions

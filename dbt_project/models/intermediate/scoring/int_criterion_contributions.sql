{{ config(alias='criterion_contributions') }}

{#-
  What each criterion adds to the total. Weights of unknown criteria are spread over the known ones of the dimension,
  weights of wholly unknown dimensions over the known dimensions (`missing: renormalise`). Running sums are rounded, not
  the parts: so the contributions add up to the rounded total exactly, and 100 stays 100.
-#}
with points as (
    select
        c.*,
        t.combine,
        t.rounding_digits,
        t.is_active,
        coalesce(d.weight, 1) as dimension_weight,
        coalesce(c.weight, 1) as criterion_weight,
        case when c.points is not null then 1 else 0 end as is_counted,
        case when not c.is_observed and c.missing = 'block' then 1 else 0 end as is_blocking
    from {{ ref('int_criterion_points') }} as c
    inner join {{ ref('int_policy_quarters') }} as t
        on c.policy = t.policy and c.version = t.version and c.quarter_index = t.quarter_index
    left join {{ ref('stg_policy__dimensions') }} as d
        on c.policy = d.policy and c.version = d.version and c.dimension = d.dimension
),

within_dimension as (
    select
        *,
        sum(criterion_weight * is_counted) over (
            partition by policy, version, partner_id, quarter_index, dimension
        ) as known_weight,
        max(is_blocking) over (partition by policy, version, partner_id, quarter_index) as is_blocked,
        row_number() over (
            partition by policy, version, partner_id, quarter_index, dimension order by position
        ) as place_in_dimension
    from points
),

across_dimensions as (
    select
        *,
        sum(case when place_in_dimension = 1 and known_weight > 0 then dimension_weight else 0 end) over (
            partition by policy, version, partner_id, quarter_index
        ) as known_dimension_weight
    from within_dimension
),

weighed as (
    select
        *,
        case
            when points is null then 0
            when combine = 'points' then cast(points as double)
            else cast(points as double) * criterion_weight / nullif(known_weight, 0)
        end as dimension_part,
        case
            when points is null then 0
            when combine = 'points' then cast(points as double)
            else cast(points as double) * criterion_weight / nullif(known_weight, 0)
                * dimension_weight / nullif(known_dimension_weight, 0)
        end as total_part
    from across_dimensions
),

running as (
    select
        *,
        sum(dimension_part) over (
            partition by policy, version, partner_id, quarter_index, dimension order by position
            rows between unbounded preceding and current row
        ) as dimension_so_far,
        sum(total_part) over (
            partition by policy, version, partner_id, quarter_index order by position
            rows between unbounded preceding and current row
        ) as total_so_far
    from weighed
),

rounded as (
    select
        *,
        {{ rounded_to('dimension_so_far', 'rounding_digits') }} as dimension_rounded,
        {{ rounded_to('total_so_far', 'rounding_digits') }} as total_rounded
    from running
)

select
    policy, version, criterion, position, metric, dimension, partner_id, quarter_index, value, is_observed, points,
    max_points, lost_to_cap, reason, is_active,
    is_blocked = 1 as is_blocked,
    cast(criterion_weight as double) * dimension_weight as full_weight,
    case
        when points is not null then cast(dimension_rounded - coalesce(lag(dimension_rounded) over (
            partition by policy, version, partner_id, quarter_index, dimension order by position
        ), 0) as decimal(18,6))
    end as dimension_contribution,
    case
        when points is not null then cast(total_rounded - coalesce(lag(total_rounded) over (
            partition by policy, version, partner_id, quarter_index order by position
        ), 0) as decimal(18,6))
    end as contribution
from rounded

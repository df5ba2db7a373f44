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

known_dimensions as (
    select
        policy, version, partner_id, quarter_index, dimension,
        sum(criterion_weight * is_counted) as known_weight,
        max(dimension_weight) as dimension_weight,
        max(is_blocking) as is_blocked
    from points
    group by policy, version, partner_id, quarter_index, dimension
),

known_totals as (
    select
        policy, version, partner_id, quarter_index,
        sum(case when known_weight > 0 then dimension_weight else 0 end) as known_dimension_weight,
        max(is_blocked) as is_blocked
    from known_dimensions
    group by policy, version, partner_id, quarter_index
),

weighed as (
    select
        p.*,
        t.is_blocked,
        case
            when p.points is null then 0
            when p.combine = 'points' then cast(p.points as double)
            else cast(p.points as double) * p.criterion_weight / nullif(d.known_weight, 0)
        end as dimension_part,
        case
            when p.points is null then 0
            when p.combine = 'points' then cast(p.points as double)
            else cast(p.points as double) * p.criterion_weight / nullif(d.known_weight, 0)
                * p.dimension_weight / nullif(t.known_dimension_weight, 0)
        end as total_part
    from points as p
    inner join known_dimensions as d
        on p.policy = d.policy and p.version = d.version and p.partner_id = d.partner_id
        and p.quarter_index = d.quarter_index and p.dimension is not distinct from d.dimension
    inner join known_totals as t
        on p.policy = t.policy and p.version = t.version and p.partner_id = t.partner_id
        and p.quarter_index = t.quarter_index
),

-- Two orders of rows in all, because sorting is what this model costs: the sum before a row shares that of the sum up
-- to it.
running as (
    select
        *,
        {% for part in ['dimension', 'total'] -%}
        {%- set rows = 'policy, version, partner_id, quarter_index' ~ (', dimension' if part == 'dimension' else '') -%}
        sum({{ part }}_part) over (
            partition by {{ rows }} order by position rows between unbounded preceding and current row
        ) as {{ part }}_so_far,
        coalesce(sum({{ part }}_part) over (
            partition by {{ rows }} order by position rows between unbounded preceding and 1 preceding
        ), 0) as {{ part }}_before{{ ',' if not loop.last }}
        {% endfor %}
    from weighed
)

select
    policy, version, criterion, position, metric, dimension, partner_id, quarter_index, value, is_observed, points,
    max_points, lost_to_cap, reason, is_active,
    is_blocked = 1 as is_blocked,
    cast(criterion_weight as double) * dimension_weight as full_weight,
    case
        when points is not null then cast({{ rounded_to('dimension_so_far', 'rounding_digits') }}
            - {{ rounded_to('dimension_before', 'rounding_digits') }} as decimal(18,6))
    end as dimension_contribution,
    case
        when points is not null then cast({{ rounded_to('total_so_far', 'rounding_digits') }}
            - {{ rounded_to('total_before', 'rounding_digits') }} as decimal(18,6))
    end as contribution
from running

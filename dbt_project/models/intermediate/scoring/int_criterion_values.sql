{{ config(materialized='ephemeral') }}

{#- The value each criterion looks at, and the first of its requirements that is not met. -#}
with failed as (
    select
        r.policy, r.version, r.criterion, q.partner_id, q.quarter_index,
        min(
            'requires ' || r.metric || ' ' || replace(r.operator, '_', ' ') || ' ' || {{ number_in_words('r.value') }}
        ) as unmet
    from {{ ref('stg_policy__criterion_requirements') }} as r
    inner join {{ ref('int_policy_metrics') }} as u
        on r.policy = u.policy and r.version = u.version and r.metric = u.metric
    cross join {{ ref('int_partner_quarters') }} as q
    left join {{ ref('int_metric_values') }} as m
        on u.window_id = m.window_id and u.metric = m.metric
        and q.partner_id = m.partner_id and q.quarter_index = m.quarter_index
    where not coalesce(m.is_observed and {{ compares('m.value', 'r.operator', 'r.value') }}, false)
    group by r.policy, r.version, r.criterion, q.partner_id, q.quarter_index
)

select
    c.*,
    m.partner_id,
    m.quarter_index,
    t.rounding_digits,
    t.combine,
    m.value,
    m.is_observed,
    f.unmet
from {{ ref('stg_policy__criteria') }} as c
inner join {{ ref('int_policy_metrics') }} as u
    on c.policy = u.policy and c.version = u.version and c.metric = u.metric
inner join {{ ref('int_metric_values') }} as m on u.window_id = m.window_id and u.metric = m.metric
inner join {{ ref('int_policy_quarters') }} as t
    on c.policy = t.policy and c.version = t.version and m.quarter_index = t.quarter_index
left join failed as f
    on c.policy = f.policy and c.version = f.version and c.criterion = f.criterion
    and m.partner_id = f.partner_id and m.quarter_index = f.quarter_index

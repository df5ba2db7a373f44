{{ config(alias='derived_values') }}

{#-
  Metrics made of metrics, depth by depth: one that reads a derived one stands a step deeper. Unknown propagates, unless
  the policy leaves unknown operands out; nothing can be divided by 0. Ratios and products are doubles rounded to ten
  digits and then to six, so that a bar compares with what a person reads.
-#}
with given as (
    select n.policy, n.version, n.metric, r.partner_id, r.quarter_index, v.value, v.is_stale
    from {{ ref('int_base_values') }} as v
    inner join {{ ref('int_metric_names') }} as n on v.metric_id = n.metric_id
    inner join {{ ref('int_roster') }} as r on v.roster_id = r.roster_id
    where exists (
        select 1 from {{ ref('stg_policy__derived_operands') }} as o
        where n.policy = o.policy and n.version = o.version and n.metric = o.operand
    )
),

roster as (
    select t.policy, t.version, r.partner_id, r.quarter_index
    from {{ ref('int_policy_quarters') }} as t
    inner join {{ ref('int_partner_quarters') }} as r on t.quarter_index = r.quarter_index
),

operands as (
    select d.*, o.position as place, o.operand, o.constant
    from {{ ref('stg_policy__derived_metrics') }} as d
    inner join {{ ref('stg_policy__derived_operands') }} as o
        on d.policy = o.policy and d.version = o.version and d.metric = o.metric
),

known_0 as (
    select * from given
)
{%- for depth in range(1, max_derived_depth() + 1) %},

parts_{{ depth }} as (
    select
        o.policy, o.version, o.metric, o.operation, o.skip_unknown, o.round_digits, r.partner_id, r.quarter_index,
        count(*) as operand_count,
        count(coalesce(k.value, o.constant)) as known_count,
        sum(coalesce(k.value, o.constant)) as total,
        sum(case when o.place > 1 then coalesce(k.value, o.constant) end) as total_of_others,
        min(coalesce(k.value, o.constant)) as least_value,
        max(coalesce(k.value, o.constant)) as greatest_value,
        {% for place in range(1, 5) -%}
        max(case when o.place = {{ place }} then coalesce(k.value, o.constant) end) as operand_{{ place }},
        {% endfor -%}
        max(case when k.is_stale then 1 else 0 end) as stale_count
    from operands as o
    inner join roster as r on o.policy = r.policy and o.version = r.version
    left join known_{{ depth - 1 }} as k
        on o.policy = k.policy and o.version = k.version and o.operand = k.metric
        and r.partner_id = k.partner_id and r.quarter_index = k.quarter_index
    where o.depth = {{ depth }}
    group by
        o.policy, o.version, o.metric, o.operation, o.skip_unknown, o.round_digits, r.partner_id, r.quarter_index
),

made_{{ depth }} as (
    select
        policy, version, metric, partner_id, quarter_index,
        {{ derived_value() }} as value,
        stale_count > 0 as is_stale
    from parts_{{ depth }}
    -- portable: an unknown result is a row too, so that whoever reads it knows that nobody knows.
),

known_{{ depth }} as (
    select * from known_{{ depth - 1 }}
    union all
    select * from made_{{ depth }}
)
{%- endfor %},

made as (
    {%- for depth in range(1, max_derived_depth() + 1) %}
    select * from made_{{ depth }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    n.version_id, n.metric_id, r.roster_id, m.value, m.value is not null as is_observed, m.is_stale
from made as m
inner join {{ ref('int_metric_names') }} as n
    on m.policy = n.policy and m.version = n.version and m.metric = n.metric
inner join {{ ref('int_roster') }} as r on m.partner_id = r.partner_id and m.quarter_index = r.quarter_index

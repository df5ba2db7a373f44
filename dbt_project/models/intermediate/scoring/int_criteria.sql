{{ config(alias='criteria') }}

{#- Every criterion of every track once, under an integer, with the weight of its dimension and which way is better. -#}
select
    c.*,
    p.combine,
    cast(coalesce(c.weight, 1) as double) as criterion_weight,
    cast(coalesce(d.weight, 1) as double) as dimension_weight,
    m.metric_id,
    m.direction,
    x.metric_id as multiplier_metric_id,
    cast(row_number() over (order by c.policy, c.version, c.track, c.position) as integer) as criterion_id
from {{ ref('stg_policy__criteria') }} as c
inner join {{ ref('stg_policy__policies') }} as p on c.policy = p.policy and c.version = p.version
left join {{ ref('stg_policy__dimensions') }} as d
    on c.policy = d.policy and c.version = d.version and c.dimension = d.dimension
left join {{ ref('int_metric_names') }} as m on c.policy = m.policy and c.version = m.version and c.metric = m.metric
left join {{ ref('int_metric_names') }} as x
    on c.policy = x.policy and c.version = x.version and c.multiplier_metric = x.metric

{{ config(alias='condition_origins') }}

{#-
  What each condition rests on: metrics of the catalogue, and `(metric_facts)` for facts of a programme's own. A derived
  metric rests on what its operands rest on; a score on what its criteria ask for, their multipliers and requirements
  among it, and so on other metrics in each track. A condition on a metric is the same in every track (`track` is null).
-#}
with origins_0 as (
    select policy, version, metric, source_metric from {{ ref('int_policy_metrics') }}
    union all
    select policy, version, metric, '(metric_facts)' from {{ ref('stg_policy__declared_metrics') }}
),

operands as (
    select d.policy, d.version, d.metric, d.depth, o.operand
    from {{ ref('stg_policy__derived_metrics') }} as d
    inner join {{ ref('stg_policy__derived_operands') }} as o
        on d.policy = o.policy and d.version = o.version and d.metric = o.metric
)
{%- for depth in range(1, max_derived_depth() + 1) %},

origins_{{ depth }} as (
    select policy, version, metric, source_metric from origins_{{ depth - 1 }}
    union
    select o.policy, o.version, o.metric, k.source_metric
    from operands as o
    inner join origins_{{ depth - 1 }} as k
        on o.policy = k.policy and o.version = k.version and o.operand = k.metric
    where o.depth = {{ depth }}
)
{%- endfor %},

criteria as (
    select * from {{ ref('int_criteria') }}
),

asked as (
    select policy, version, track, criterion, dimension, metric from criteria
    union
    select policy, version, track, criterion, dimension, multiplier_metric from criteria
    union
    select c.policy, c.version, c.track, c.criterion, c.dimension, q.subject
    from criteria as c
    inner join {{ ref('stg_policy__criterion_requirements') }} as q
        on c.policy = q.policy and c.version = q.version and c.criterion = q.criterion and q.kind = 'metric'
),

looked_at as (
    select condition_id, policy, version, cast(null as varchar) as track, subject as metric
    from {{ ref('int_conditions') }}
    where kind in ('metric', 'top_share')
    union
    select condition_id, policy, version, cast(null as varchar), of_metric
    from {{ ref('int_conditions') }}
    where kind = 'top_share' and of_metric is not null
    union
    select c.condition_id, c.policy, c.version, a.track, a.metric
    from {{ ref('int_conditions') }} as c
    inner join asked as a
        on c.policy = a.policy and c.version = a.version
        and (
            c.kind = 'score' or (c.kind = 'dimension' and c.subject = a.dimension)
            or (c.kind = 'points' and c.subject = a.criterion)
        )
)

select distinct l.condition_id, l.track, o.source_metric
from looked_at as l
inner join origins_{{ max_derived_depth() }} as o
    on l.policy = o.policy and l.version = o.version and l.metric = o.metric

{{ config(materialized='ephemeral') }}

{#- Every metric a policy version reads, under an integer, and which way is better. -#}
with named as (
    select u.policy, u.version, u.metric, coalesce(u.direction, m.direction) as direction
    from {{ ref('stg_policy__metric_uses') }} as u
    left join {{ ref('metric_catalogue') }} as m on u.source_metric = m.metric
    union all
    select policy, version, metric, direction from {{ ref('stg_policy__declared_metrics') }}
    union all
    select policy, version, metric, direction from {{ ref('stg_policy__derived_metrics') }}
)

select
    n.policy, n.version, n.metric, n.direction, v.version_id,
    cast(row_number() over (order by n.policy, n.version, n.metric) as integer) as metric_id
from named as n
inner join {{ ref('int_policy_versions') }} as v on n.policy = v.policy and n.version = v.version

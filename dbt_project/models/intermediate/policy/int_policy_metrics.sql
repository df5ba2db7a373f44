{{ config(materialized='ephemeral') }}

{#- Which metric of the catalogue a policy reads through which window, under which name of its own. -#}
with uses as (
    select
        u.policy, u.version, u.metric, u.source_metric, p.attribution, u.window_quarters, u.window_complete, u.window_lag
    from {{ ref('stg_policy__metric_uses') }} as u
    inner join {{ ref('stg_policy__policies') }} as p on u.policy = p.policy and u.version = p.version
)

select
    policy, version, metric, source_metric, attribution, window_quarters, window_complete, window_lag,
    attribution || '/' || cast(window_quarters as varchar) || '/' || cast(window_lag as varchar)
    || case when window_complete then '/complete' else '' end as window_id
from uses

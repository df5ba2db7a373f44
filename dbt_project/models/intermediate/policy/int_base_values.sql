{{ config(alias='base_values') }}

{#-
  Every metric of the catalogue or of a policy's own facts, in the quarters the policy decides. Numbers only: the names
  are in int_policy_values.
-#}
with valued as (
    select u.policy, u.version, u.metric, v.partner_id, v.quarter_index, v.value, v.is_observed, u.source_metric
    from {{ ref('int_policy_metrics') }} as u
    inner join {{ ref('int_metric_values') }} as v on u.window_id = v.window_id and u.source_metric = v.metric
    inner join {{ ref('int_policy_quarters') }} as t
        on u.policy = t.policy and u.version = t.version and v.quarter_index = t.quarter_index
    union all
    select policy, version, metric, partner_id, quarter_index, value, is_observed, '(metric_facts)'
    from {{ ref('int_declared_values') }}
),

stale as (
    select distinct metric, quarter_index from {{ ref('int_stale_metrics') }}
)

select
    n.version_id, n.metric_id, r.roster_id, v.value, v.is_observed,
    s.metric is not null as is_stale
from valued as v
inner join {{ ref('int_metric_names') }} as n
    on v.policy = n.policy and v.version = n.version and v.metric = n.metric
inner join {{ ref('int_roster') }} as r on v.partner_id = r.partner_id and v.quarter_index = r.quarter_index
left join stale as s on v.source_metric = s.metric and v.quarter_index = s.quarter_index

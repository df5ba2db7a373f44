{{ config(alias='policy_values', materialized='view') }}

{#- Every metric a policy reads, under the policy's own name: of the catalogue, declared or derived. -#}
with known as (
    select version_id, metric_id, roster_id, value, is_observed, is_stale from {{ ref('int_base_values') }}
    union all
    select version_id, metric_id, roster_id, value, is_observed, is_stale from {{ ref('int_derived_values') }}
)

select
    k.version_id, k.metric_id, k.roster_id, n.policy, n.version, n.metric, r.partner_id, r.quarter_index, k.value, k.is_observed,
    k.is_stale
from known as k
inner join {{ ref('int_metric_names') }} as n on k.metric_id = n.metric_id
inner join {{ ref('int_roster') }} as r on k.roster_id = r.roster_id

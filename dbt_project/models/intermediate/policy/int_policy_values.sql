{{ config(alias='policy_values', materialized='view') }}

{#- Every metric a policy reads, under the policy's own name: of the catalogue, declared or derived. -#}
select metric_id, roster_id, policy, version, metric, partner_id, quarter_index, value, is_observed, is_stale
from {{ ref('int_base_values') }}
union all
select metric_id, roster_id, policy, version, metric, partner_id, quarter_index, value, is_observed, is_stale
from {{ ref('int_derived_values') }}

{{ config(materialized='ephemeral') }}

{#- Every policy version under an integer. -#}
select policy, version, cast(row_number() over (order by policy, version) as integer) as version_id
from {{ ref('stg_policy__policies') }}

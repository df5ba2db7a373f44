{{ config(materialized='ephemeral') }}

{#- A version decides the quarters on whose last day it is in force. -#}
select
    p.policy, p.version, p.combine, p.rounding_digits, p.rounding_mode, p.attribution,
    q.quarter_index, q.quarter, q.quarter_start, q.quarter_end,
    p.policy = c.policy and p.version = c.version as is_active
from {{ ref('stg_policy__policies') }} as p
inner join {{ ref('stg_deployment__quarters') }} as q
    on q.quarter_end >= p.effective_from and (p.effective_to is null or q.quarter_end < p.effective_to)
cross join {{ ref('stg_deployment__run_context') }} as c

{#- Only partners of a portal that keeps deal registrations have rows: no row is unknown, a row of zeros is none. -#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
)

select
    r.partner_id,
    p.partner_number,
    p.partner_name,
    r.quarter,
    cast(coalesce(a.registrations_submitted, 0) as bigint) as registered,
    cast(coalesce(a.registrations_accepted, 0) as bigint) as accepted,
    cast(coalesce(a.registrations_decided, 0) - coalesce(a.registrations_accepted, 0) as bigint) as declined,
    cast(coalesce(a.registrations_won, 0) as bigint) as won,
    cast(a.registrations_accepted as double) / nullif(a.registrations_decided, 0) as acceptance_rate,
    cast(a.registrations_won as double) / nullif(a.registrations_accepted, 0) as won_per_accepted,
    cast(a.decision_days as double) / nullif(a.timed_decisions, 0) as decision_days,
    c.policy,
    c.version
from {{ ref('int_partner_quarters') }} as r
inner join {{ ref('int_partners') }} as p on r.partner_id = p.partner_id
inner join {{ ref('int_partner_knowledge') }} as k on r.partner_id = k.partner_id and k.entity = 'deal_registrations'
cross join context as c
left join {{ ref('int_partner_quarter_activity') }} as a
    on r.partner_id = a.partner_id and r.quarter_index = a.quarter_index

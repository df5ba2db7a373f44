{#- What the segment entitles a partner to beside what it got in the quarter. Hours nobody records are unknown. -#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
),

held as (
    select h.partner_id, h.ladder, h.released_level, h.policy, h.version
    from {{ ref('partner_level_history') }} as h
    inner join context as c on h.quarter = c.quarter and h.policy = c.policy and h.version = c.version
),

entitled as (
    select
        h.partner_id,
        max(case when e.entitlement = 'hours_per_quarter' then try_cast(e.value as decimal(18,4)) end) as hours_entitled,
        max(case when e.entitlement = 'partner_manager' then e.value end) as partner_manager
    from held as h
    inner join {{ ref('stg_policy__entitlements') }} as e
        on h.policy = e.policy and h.version = e.version and h.ladder = e.ladder and h.released_level = e.level
    group by h.partner_id
),

touched as (
    select l.partner_id, max(cast(m.started_at as date)) as last_touch
    from {{ ref('int_meetings') }} as m
    inner join {{ ref('int_partner_links') }} as l on m.source = l.source and m.account_id = l.source_id
    cross join context as c
    where not m.is_deleted and not m.is_test and cast(m.started_at as date) <= c.quarter_end
    group by l.partner_id
),

spent as (
    select a.partner_id, a.meeting_minutes, a.meetings_held
    from {{ ref('int_partner_quarter_activity') }} as a
    inner join context as c on a.quarter_index = c.quarter_index
)

select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    c.quarter,
    s.released_level as segment,
    e.partner_manager,
    p.manager as owner,
    e.hours_entitled,
    case when k.partner_id is not null then cast(coalesce(t.meeting_minutes, 0) / 60 as decimal(18,4)) end as hours_spent,
    case when k.partner_id is not null
        then cast(e.hours_entitled - coalesce(t.meeting_minutes, 0) / 60 as decimal(18,4)) end as hours_gap,
    case when k.partner_id is not null then cast(coalesce(t.meetings_held, 0) as bigint) end as meetings_held,
    o.last_touch,
    c.policy,
    c.version
from {{ ref('int_partners') }} as p
cross join context as c
inner join {{ ref('int_partner_quarters') }} as r on p.partner_id = r.partner_id and r.quarter_index = c.quarter_index
left join held as s on p.partner_id = s.partner_id and s.ladder = 'segment'
left join entitled as e on p.partner_id = e.partner_id
left join {{ ref('int_partner_knowledge') }} as k on p.partner_id = k.partner_id and k.entity = 'meetings'
left join spent as t on p.partner_id = t.partner_id
left join touched as o on p.partner_id = o.partner_id

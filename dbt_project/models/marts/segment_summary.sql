with held as (
    select h.policy, h.version, h.ladder, h.quarter_index, h.held_rank, h.partner_id
    from {{ ref('int_levels_held') }} as h
),

production as (
    select w.partner_id, w.quarter_index, p.policy, p.version, w.sourced_won_amount
    from {{ ref('int_partner_windows') }} as w
    inner join {{ ref('stg_policy__policies') }} as p
        on w.window_id = p.attribution || '/' || cast(p.window_quarters as varchar) || '/0'
        || case when p.window_complete then '/complete' else '' end
    where w.is_observed
),

hours as (
    select policy, version, ladder, level, cast(max(value) as decimal(18,4)) as hours
    from {{ ref('stg_policy__entitlements') }}
    where entitlement = 'hours_per_quarter'
    group by policy, version, ladder, level
),

-- Hours of partners whose meetings somebody records; where nobody does they are unknown.
spent as (
    select h.policy, h.version, h.ladder, h.quarter_index, h.held_rank, sum(coalesce(a.meeting_minutes, 0)) / 60 as hours
    from held as h
    inner join {{ ref('int_partner_knowledge') }} as k on h.partner_id = k.partner_id and k.entity = 'meetings'
    left join {{ ref('int_partner_quarter_activity') }} as a
        on h.partner_id = a.partner_id and h.quarter_index = a.quarter_index
    group by h.policy, h.version, h.ladder, h.quarter_index, h.held_rank
),

counted as (
    select
        h.policy, h.version, h.ladder, h.quarter_index, h.held_rank,
        count(*) as partner_count,
        cast(sum(p.sourced_won_amount) as decimal(28,4)) as sourced_won_amount
    from held as h
    left join production as p
        on h.policy = p.policy and h.version = p.version and h.partner_id = p.partner_id
        and h.quarter_index = p.quarter_index
    group by h.policy, h.version, h.ladder, h.quarter_index, h.held_rank
),

roster as (
    select quarter_index, count(*) as roster_count from {{ ref('int_partner_quarters') }} group by quarter_index
),

filled as (
    select
        t.policy, t.version, l.ladder, t.quarter, l.level, l.rank, l.is_outside, t.quarter_index, r.roster_count,
        cast(coalesce(c.partner_count, 0) as bigint) as partner_count,
        case when c.partner_count is null then cast(0 as decimal(28,4)) else c.sourced_won_amount end as sourced_won_amount
    from {{ ref('int_policy_quarters') }} as t
    inner join {{ ref('stg_policy__levels') }} as l on t.policy = l.policy and t.version = l.version
    inner join roster as r on t.quarter_index = r.quarter_index
    left join counted as c
        on t.policy = c.policy and t.version = c.version and l.ladder = c.ladder and t.quarter_index = c.quarter_index
        and l.rank = c.held_rank
)

select
    f.quarter,
    f.policy,
    f.version,
    f.ladder,
    f.level,
    cast(f.rank as integer) as level_rank,
    f.partner_count,
    cast(f.partner_count as double) / nullif(f.roster_count, 0) as partner_share,
    f.sourced_won_amount,
    cast(f.sourced_won_amount as double) / nullif(cast(sum(f.sourced_won_amount) over (
        partition by f.policy, f.version, f.ladder, f.quarter
    ) as double), 0) as production_share,
    cast(f.partner_count * h.hours as decimal(18,4)) as hours_entitled,
    cast(s.hours as decimal(18,4)) as hours_spent
from filled as f
left join hours as h
    on f.policy = h.policy and f.version = h.version and f.ladder = h.ladder and f.level = h.level
left join spent as s
    on f.policy = s.policy and f.version = s.version and f.ladder = s.ladder and f.quarter_index = s.quarter_index
    and f.rank = s.held_rank

with moves as (
    select
        quarter, policy, version, ladder, partner_id,
        lag(quarter) over (partition by policy, ladder, partner_id order by quarter_end) as from_quarter,
        coalesce(previous_level, '(new)') as from_level,
        held_level as to_level,
        action
    from {{ ref('partner_level_history') }}
),

production as (
    select w.partner_id, q.quarter, p.policy, p.version, w.sourced_won_amount
    from {{ ref('int_partner_windows') }} as w
    inner join {{ ref('stg_policy__policies') }} as p
        on w.window_id = p.attribution || '/' || cast(p.window_quarters as varchar) || '/0'
        || case when p.window_complete then '/complete' else '' end
    inner join {{ ref('stg_deployment__quarters') }} as q on w.quarter_index = q.quarter_index
    where w.is_observed
)

select
    m.quarter,
    m.policy,
    m.version,
    m.ladder,
    m.from_level,
    m.to_level,
    m.action,
    count(*) as partner_count,
    cast(sum(p.sourced_won_amount) as decimal(28,4)) as sourced_won_amount
from moves as m
left join production as p
    on m.policy = p.policy and m.version = p.version and m.partner_id = p.partner_id and m.quarter = p.quarter
group by m.quarter, m.policy, m.version, m.ladder, m.from_level, m.to_level, m.action

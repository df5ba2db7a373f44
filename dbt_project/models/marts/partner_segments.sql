with context as (
    select c.*, p.attribution || '/' || cast(p.window_quarters as varchar) || '/0'
        || case when p.window_complete then '/complete' else '' end as window_id
    from {{ ref('stg_deployment__run_context') }} as c
    inner join {{ ref('stg_policy__policies') }} as p on c.policy = p.policy and c.version = p.version
),

levels as (
    select
        h.partner_id,
        max(case when h.ladder = 'segment' then h.released_level end) as segment,
        max(case when h.ladder = 'segment' then h.released_action end) as segment_action,
        max(case when h.ladder = 'tier' then h.released_level end) as tier,
        max(case when h.ladder = 'tier' then h.released_action end) as tier_action,
        {{ joined("h.ladder || ': ' || h.reasons", ' | ', 'h.ladder') }} as reasons
    from {{ ref('partner_level_history') }} as h
    inner join context as c on h.quarter = c.quarter and h.policy = c.policy and h.version = c.version
    group by h.partner_id
),

entitled as (
    select
        h.partner_id,
        {{ joined("e.ladder || '.' || e.level || ': ' || e.entitlement || ' ' || e.value", '; ', 'e.ladder, e.position') }} as entitlements
    from {{ ref('partner_level_history') }} as h
    inner join context as c on h.quarter = c.quarter and h.policy = c.policy and h.version = c.version
    inner join {{ ref('stg_policy__entitlements') }} as e
        on h.policy = e.policy and h.version = e.version and h.ladder = e.ladder and h.released_level = e.level
    group by h.partner_id
)

select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    c.quarter,
    l.segment,
    l.segment_action,
    l.tier,
    l.tier_action,
    case when w.is_observed then cast(w.sourced_won_amount as decimal(28,4)) end as sourced_won_amount,
    case when w.is_observed then cast(w.influenced_won_amount as decimal(28,4)) end as influenced_won_amount,
    case when w.is_observed then cast(w.sourced_pipeline_amount as decimal(28,4)) end as sourced_pipeline_amount,
    cast(null as bigint) as icp_overlap_accounts,
    cast(null as bigint) as certified_people,
    cast(null as decimal(18,4)) as partner_manager_hours,
    s.total_score,
    s.dimension_scores,
    s.score_rank,
    s.evidence_share,
    l.reasons,
    e.entitlements,
    cast(null as varchar) as manager,
    c.quarter_end as as_of,
    c.known_at,
    c.policy,
    c.version
from {{ ref('int_partners') }} as p
inner join levels as l on p.partner_id = l.partner_id
cross join context as c
left join {{ ref('int_partner_windows') }} as w
    on p.partner_id = w.partner_id and w.window_id = c.window_id and w.quarter_index = c.quarter_index
left join {{ ref('int_partner_scores') }} as s
    on p.partner_id = s.partner_id and s.policy = c.policy and s.version = c.version and s.quarter_index = c.quarter_index
left join entitled as e on p.partner_id = e.partner_id

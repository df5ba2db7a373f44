with context as (
    select c.*, p.window_quarters, p.window_complete, p.attribution || '/' || cast(p.window_quarters as varchar) || '/0'
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
        {{ joined("h.ladder || ': ' || h.released_reasons", ' | ', 'h.ladder') }} as reasons
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
    {% for amount in ['sourced_won_amount', 'influenced_won_amount', 'sourced_pipeline_amount'] -%}
    case when w.is_observed and d.partner_id is not null then cast(w.{{ amount }} as decimal(28,4)) end as {{ amount }},
    {% endfor -%}
    o.icp_overlap_accounts,
    cast(g.certified_people as bigint) as certified_people,
    case when a.is_observed and m.partner_id is not null
        then cast(a.meeting_minutes / 60 as decimal(18,4)) end as partner_manager_hours,
    s.track,
    s.total_score,
    s.dimension_scores,
    s.score_rank,
    s.evidence_share,
    l.reasons,
    e.entitlements,
    p.manager,
    substr(
        case when p.is_in_crm then ', crm' else '' end || case when p.is_in_prm then ', prm' else '' end
        || case when p.is_in_account_mapping then ', account_mapping' else '' end, 3
    ) as systems,
    c.quarter_end as as_of,
    c.known_at,
    c.policy,
    c.version
from {{ ref('int_partners') }} as p
inner join levels as l on p.partner_id = l.partner_id
cross join context as c
left join {{ ref('int_partner_windows') }} as w
    on p.partner_id = w.partner_id and w.window_id = c.window_id and w.quarter_index = c.quarter_index
left join {{ ref('partner_scores') }} as s
    on p.partner_id = s.partner_id and s.policy = c.policy and s.version = c.version and s.quarter = c.quarter
left join entitled as e on p.partner_id = e.partner_id
left join {{ ref('int_partner_knowledge') }} as d on p.partner_id = d.partner_id and d.entity = 'opportunity_partners'
left join {{ ref('int_partner_knowledge') }} as m on p.partner_id = m.partner_id and m.entity = 'meetings'
left join {{ ref('int_partner_activity_windows') }} as a
    on p.partner_id = a.partner_id and a.quarter_index = c.quarter_index and a.window_quarters = c.window_quarters
    and a.window_complete = c.window_complete and a.window_lag = 0
left join {{ ref('partner_overlap') }} as o on p.partner_id = o.partner_id and o.quarter = c.quarter
left join {{ ref('int_partner_standing') }} as g on p.partner_id = g.partner_id and g.quarter_index = c.quarter_index

with dimensions as (
    select
        policy, version, partner_id, quarter_index,
        '{' || {{ joined(
            "'\"' || dimension || '\": ' || coalesce(cast(cast(score as decimal(18,2)) as varchar), 'null')", ', ', 'dimension'
        ) }} || '}' as dimension_scores
    from {{ ref('int_dimension_scores') }}
    group by policy, version, partner_id, quarter_index
)

select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    t.quarter,
    s.policy,
    s.version,
    t.is_active as is_active_policy,
    s.track,
    s.total_score,
    d.dimension_scores,
    s.score_rank,
    s.evidence_share
from {{ ref('int_partner_scores') }} as s
inner join {{ ref('int_policy_quarters') }} as t
    on s.policy = t.policy and s.version = t.version and s.quarter_index = t.quarter_index
inner join {{ ref('int_partners') }} as p on s.partner_id = p.partner_id
left join dimensions as d
    on s.policy = d.policy and s.version = d.version and s.partner_id = d.partner_id and s.quarter_index = d.quarter_index

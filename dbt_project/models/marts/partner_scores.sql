select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    t.quarter,
    s.policy,
    s.version,
    t.is_active as is_active_policy,
    s.total_score,
    s.dimension_scores,
    s.score_rank,
    s.evidence_share
from {{ ref('int_partner_scores') }} as s
inner join {{ ref('int_policy_quarters') }} as t
    on s.policy = t.policy and s.version = t.version and s.quarter_index = t.quarter_index
inner join {{ ref('int_partners') }} as p on s.partner_id = p.partner_id

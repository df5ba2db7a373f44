select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    q.quarter,
    c.policy,
    c.version,
    c.ladder,
    c.level,
    c.alternative,
    c.condition,
    c.kind,
    c.subject,
    c.operator,
    c.needed,
    c.needed_value,
    c.actual_value,
    c.actual,
    c.is_observed,
    c.has_passed,
    cast(c.distance as decimal(28,6)) as distance
from {{ ref('int_condition_results') }} as c
inner join {{ ref('stg_deployment__quarters') }} as q on c.quarter_index = q.quarter_index
inner join {{ ref('int_partners') }} as p on c.partner_id = p.partner_id
where c.is_active

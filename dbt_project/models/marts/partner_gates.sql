with results as (
    select
        r.*,
        c.policy, c.version, c.ladder, c.level, c.alternative, c.condition, c.kind, c.subject, c.operator, c.needed,
        not r.is_unknown as is_observed,
        case
            when c.kind = 'top_share' then cast(ceil(c.value * r.population) as decimal(28,6)) else c.value
        end as needed_value,
        {{ actual_in_words('c', 'r') }} as actual
    from {{ ref('int_condition_results') }} as r
    inner join {{ ref('int_conditions') }} as c on r.condition_id = c.condition_id
    inner join {{ ref('stg_deployment__run_context') }} as x on c.policy = x.policy and c.version = x.version
    inner join {{ ref('int_partner_tracks') }} as t on r.candidate_id = t.candidate_id
)

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
    case when c.has_passed then 'passed' when c.is_unknown then 'unknown' else 'failed' end as outcome,
    cast(case
        when c.has_passed and c.kind <> 'attribute' then 0
        when c.has_passed then null
        when c.operator in ('at_least', 'above') then c.needed_value - c.actual_value
        else c.actual_value - c.needed_value
    end as decimal(28,6)) as distance
from results as c
inner join {{ ref('stg_deployment__quarters') }} as q on c.quarter_index = q.quarter_index
inner join {{ ref('int_partners') }} as p on c.partner_id = p.partner_id

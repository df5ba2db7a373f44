with results as (
    select
        r.*,
        c.policy, c.version, c.ladder, c.level, c.alternative, c.condition, c.kind, c.subject, c.operator, c.needed,
        coalesce(r.actual_value is not null or r.actual_text is not null, false) as is_observed,
        case
            when c.kind = 'top_share' then cast(ceil(c.value * r.population) as decimal(28,6)) else c.value
        end as needed_value,
        {{ actual_in_words('c', 'r') }} as actual
    from {{ ref('int_condition_results') }} as r
    inner join {{ ref('int_conditions') }} as c on r.condition_id = c.condition_id
    inner join {{ ref('stg_deployment__run_context') }} as x on c.policy = x.policy and c.version = x.version
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
    cast(case
        when c.has_passed and c.kind <> 'attribute' then 0
        when c.has_passed then null
        when c.operator in ('at_least', 'above') then c.needed_value - c.actual_value
        else c.actual_value - c.needed_value
    end as decimal(28,6)) as distance
from results as c
inner join {{ ref('stg_deployment__quarters') }} as q on c.quarter_index = q.quarter_index
inner join {{ ref('int_partners') }} as p on c.partner_id = p.partner_id

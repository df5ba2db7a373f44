{#- The active policy only: for many policies this is the largest table of all. -#}
select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    t.quarter,
    c.policy,
    c.version,
    s.track,
    c.criterion,
    c.metric,
    c.dimension,
    c.value,
    c.is_observed,
    c.points,
    c.max_points,
    c.lost_to_cap,
    cast(round(cast(c.full_weight as decimal(18,10)), 6) as decimal(9,6)) as weight,
    case when c.is_blocked then null else c.contribution end as contribution,
    case
        when not c.is_blocked then cast(round(cast(
            cast(c.contribution as double) / nullif(cast(s.total_score as double), 0) as decimal(18,10)), 6) as double)
    end as share_of_total,
    c.reason
from {{ ref('int_criterion_contributions') }} as c
inner join {{ ref('int_policy_quarters') }} as t
    on c.policy = t.policy and c.version = t.version and c.quarter_index = t.quarter_index
inner join {{ ref('int_partner_scores') }} as s
    on c.policy = s.policy and c.version = s.version and c.partner_id = s.partner_id and c.quarter_index = s.quarter_index
    and c.track = coalesce(s.track, '')
inner join {{ ref('int_partners') }} as p on c.partner_id = p.partner_id

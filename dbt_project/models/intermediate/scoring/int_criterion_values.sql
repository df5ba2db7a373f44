{{ config(materialized='ephemeral') }}

{#-
  The value each criterion looks at in each track a partner may be judged in, what it is multiplied with, and the first
  of its requirements that does not hold.
-#}
with requirements as (
    select
        *,
        count(*) over (partition by policy, version, criterion, requirement, alternative) as condition_count
    from {{ ref('stg_policy__criterion_requirements') }}
),

unmet_conditions as (
    select distinct r.policy, r.version, r.criterion, r.requirement, r.alternative, r.needed, q.roster_id
    from requirements as r
    inner join {{ ref('int_policy_quarters') }} as t on r.policy = t.policy and r.version = t.version
    inner join {{ ref('int_roster') }} as q on t.quarter_index = q.quarter_index
    left join {{ ref('int_metric_names') }} as n
        on r.kind = 'metric' and r.policy = n.policy and r.version = n.version and r.subject = n.metric
    left join {{ ref('int_policy_values') }} as m on n.metric_id = m.metric_id and q.roster_id = m.roster_id
    left join {{ ref('int_partner_attributes') }} as a
        on r.kind = 'attribute' and r.subject = a.attribute and q.partner_id = a.partner_id
    where not coalesce(
        case
            when r.kind = 'attribute' then {{ json_array_holds('r.text_values', 'a.value') }}
            else {{ compares('m.value', 'r.operator', 'r.value') }}
        end, false
    )
),

ways as (
    select policy, version, criterion, requirement, count(distinct alternative) as way_count
    from {{ ref('stg_policy__criterion_requirements') }}
    group by policy, version, criterion, requirement
),

-- A requirement fails where every way to meet it does.
failed_requirements as (
    select u.policy, u.version, u.criterion, u.requirement, u.roster_id, min(u.needed) as needed
    from unmet_conditions as u
    inner join ways as w
        on u.policy = w.policy and u.version = w.version and u.criterion = w.criterion and u.requirement = w.requirement
    group by u.policy, u.version, u.criterion, u.requirement, u.roster_id, w.way_count
    having count(*) = w.way_count
),

failed as (
    select c.criterion_id, f.roster_id, min_by(f.needed, f.requirement) as unmet
    from failed_requirements as f
    inner join {{ ref('int_criteria') }} as c
        on f.policy = c.policy and f.version = c.version and f.criterion = c.criterion
    group by c.criterion_id, f.roster_id
),

criterion_values as (
    select c.criterion_id, c.multiplier_metric_id, k.candidate_id, k.roster_id, k.quarter_index, v.value, v.is_observed
    from {{ ref('int_criteria') }} as c
    inner join {{ ref('int_policy_values') }} as v on c.metric_id = v.metric_id
    inner join {{ ref('int_track_candidates') }} as k
        -- By the version too, though the metric has it: else every policy's partners would first meet every other's.
        on v.version_id = k.version_id and v.roster_id = k.roster_id and c.track = k.track
),

-- Few criteria are multiplied or ask for something first, and only these pay for it.
multiplied as (
    select
        v.criterion_id, v.candidate_id, v.roster_id, v.quarter_index,
        case when x.is_observed then v.value end as value,
        v.is_observed and x.is_observed as is_observed,
        case
            when c.multiplier_kind = 'value' then cast(x.value as double)
            else coalesce(cast(b.value as double), 1)
        end as factor
    from criterion_values as v
    inner join {{ ref('int_criteria') }} as c on v.criterion_id = c.criterion_id
    inner join {{ ref('int_policy_values') }} as x
        on v.multiplier_metric_id = x.metric_id and v.roster_id = x.roster_id
    left join {{ ref('stg_policy__criterion_bands') }} as b
        on c.policy = b.policy and c.version = b.version and c.criterion = b.criterion and b.purpose = 'multiplier'
        and {{ in_band('x.value', 'b') }}
    union all
    select criterion_id, candidate_id, roster_id, quarter_index, value, is_observed, cast(1 as double)
    from criterion_values
    where multiplier_metric_id is null
),

asking as (
    select distinct criterion_id from failed
)

select v.criterion_id, v.candidate_id, v.roster_id, v.quarter_index, v.value, v.is_observed, v.factor, f.unmet
from multiplied as v
inner join asking as a on v.criterion_id = a.criterion_id
left join failed as f on v.criterion_id = f.criterion_id and v.roster_id = f.roster_id
union all
select
    v.criterion_id, v.candidate_id, v.roster_id, v.quarter_index, v.value, v.is_observed, v.factor,
    cast(null as varchar)
from multiplied as v
left join asking as a on v.criterion_id = a.criterion_id
where a.criterion_id is null

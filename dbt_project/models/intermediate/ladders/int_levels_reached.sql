{{ config(materialized='ephemeral') }}

{#- The best level whose conditions hold: as written, with raised bars, with lowered bars. -#}
with alternatives as (
    select distinct policy, version, ladder, rank, alternative_id, condition_count from {{ ref('int_conditions') }}
),

-- All conditions hold where as many hold as there are: what fails everywhere, the bulk, need not be grouped.
passed as (
    select
        c.alternative_id, r.partner_id, r.quarter_index,
        sum(case when r.has_passed then 1 else 0 end) as passed_count,
        sum(case when r.has_passed_raised then 1 else 0 end) as raised_count,
        sum(case when r.has_passed_lowered then 1 else 0 end) as lowered_count
    from {{ ref('int_condition_results') }} as r
    inner join {{ ref('int_conditions') }} as c on r.condition_id = c.condition_id
    where r.has_passed or r.has_passed_raised or r.has_passed_lowered
    group by c.alternative_id, r.partner_id, r.quarter_index
),

best as (
    select
        a.policy, a.version, a.ladder, p.partner_id, p.quarter_index,
        min(case when p.passed_count = a.condition_count then a.rank end) as rank,
        min(case when p.raised_count = a.condition_count then a.rank end) as raised_rank,
        min(case when p.lowered_count = a.condition_count then a.rank end) as lowered_rank
    from passed as p
    inner join alternatives as a on p.alternative_id = a.alternative_id
    group by a.policy, a.version, a.ladder, p.partner_id, p.quarter_index
)

select
    t.policy, t.version, l.ladder, t.is_active, r.partner_id, r.quarter_index, l.lowest_rank, l.outside_rank,
    coalesce(b.rank, l.lowest_rank) as rank,
    coalesce(b.raised_rank, l.lowest_rank) as raised_rank,
    coalesce(b.lowered_rank, l.lowest_rank) as lowered_rank
from {{ ref('int_policy_quarters') }} as t
inner join {{ ref('stg_policy__ladders') }} as l on t.policy = l.policy and t.version = l.version
inner join {{ ref('int_partner_quarters') }} as r on t.quarter_index = r.quarter_index
left join best as b
    on t.policy = b.policy and t.version = b.version and l.ladder = b.ladder
    and r.partner_id = b.partner_id and r.quarter_index = b.quarter_index

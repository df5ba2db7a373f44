{{ config(alias='levels_reached') }}

{#-
  The best level whose conditions hold, in each track a partner may be judged in: as written, with raised bars, with
  lowered bars, and with lowered bars where whatever is doubtful counts as held.
-#}
with alternatives as (
    select distinct policy, version, ladder, rank, alternative_id, condition_count from {{ ref('int_conditions') }}
),

-- All conditions hold where as many hold as there are: what fails everywhere, the bulk, need not be grouped.
passed as (
    select
        c.alternative_id, r.candidate_id,
        sum(case when r.has_passed then 1 else 0 end) as passed_count,
        sum(case when r.has_passed_raised then 1 else 0 end) as raised_count,
        sum(case when r.has_passed_lowered then 1 else 0 end) as lowered_count,
        count(case when r.has_passed_lowered or r.is_doubtful then 1 end) as possible_count
    from {{ ref('int_condition_results') }} as r
    inner join {{ ref('int_conditions') }} as c on r.condition_id = c.condition_id
    where r.has_passed or r.has_passed_raised or r.has_passed_lowered or r.is_doubtful
    group by c.alternative_id, r.candidate_id
),

best as (
    select
        a.ladder, p.candidate_id,
        min(case when p.passed_count = a.condition_count then a.rank end) as rank,
        min(case when p.raised_count = a.condition_count then a.rank end) as raised_rank,
        min(case when p.lowered_count = a.condition_count then a.rank end) as lowered_rank,
        min(case when p.possible_count = a.condition_count then a.rank end) as possible_rank
    from passed as p
    inner join alternatives as a on p.alternative_id = a.alternative_id
    group by a.ladder, p.candidate_id
)

select
    r.candidate_id, t.policy, t.version, l.ladder, t.is_active, r.track, r.partner_id, r.quarter_index, l.lowest_rank, l.outside_rank,
    coalesce(b.rank, l.lowest_rank) as rank,
    coalesce(b.raised_rank, l.lowest_rank) as raised_rank,
    coalesce(b.lowered_rank, l.lowest_rank) as lowered_rank,
    coalesce(b.possible_rank, l.lowest_rank) as possible_rank
from {{ ref('int_policy_quarters') }} as t
inner join {{ ref('stg_policy__ladders') }} as l on t.policy = l.policy and t.version = l.version
inner join {{ ref('int_track_candidates') }} as r
    on t.policy = r.policy and t.version = r.version and t.quarter_index = r.quarter_index
left join best as b
    on l.ladder = b.ladder and r.candidate_id = b.candidate_id

{{ config(materialized='ephemeral') }}

{#- The best level whose conditions hold: as written, with raised bars, with lowered bars. -#}
with alternatives as (
    select
        policy, version, ladder, rank, alternative, partner_id, quarter_index,
        bool_and(has_passed) as has_passed,
        bool_and(has_passed_raised) as has_passed_raised,
        bool_and(has_passed_lowered) as has_passed_lowered
    from {{ ref('int_condition_results') }}
    group by policy, version, ladder, rank, alternative, partner_id, quarter_index
),

best as (
    select
        policy, version, ladder, partner_id, quarter_index,
        min(case when has_passed then rank end) as rank,
        min(case when has_passed_raised then rank end) as raised_rank,
        min(case when has_passed_lowered then rank end) as lowered_rank
    from alternatives
    group by policy, version, ladder, partner_id, quarter_index
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

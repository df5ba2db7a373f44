{{ config(alias='levels_held') }}

{#-
  The level a partner holds after movement, replayed twice: `restated` from the first quarter with what is known now,
  `released` from the decisions on record, which are never rewritten. A policy's versions follow each other in one
  replay, so a new version starts from the level the old one left.
-#}
with rules as (
    select
        policy, version, ladder,
        case when rule = 'none' then 1 else coalesce(promote_after, 1) end as promote_after,
        case when rule = 'none' then 1 else coalesce(demote_after, 1) end as demote_after,
        case when rule = 'none' then 99 else coalesce(max_up, 99) end as max_up,
        case when rule = 'none' then 99 else coalesce(max_down, 99) end as max_down
    from {{ ref('stg_policy__movement') }}
),

reviews as (
    select
        e.policy, e.ladder, e.partner_id, e.quarter_index,
        lpad(cast(e.quarter_index as varchar), 3, '0')
        || {{ two_digits('e.earned_rank') }} || {{ two_digits('e.raised_rank') }} || {{ two_digits('e.lowered_rank') }} as facts,
        coalesce(d.state, '       ') as record,
        coalesce(e.outside_rank, 99) as outside_rank
    from {{ ref('int_levels_earned') }} as e
    left join {{ ref('stg_released__decisions') }} as d
        on e.policy = d.policy and e.ladder = d.ladder and e.partner_id = d.partner_id
        and e.quarter_index = d.quarter_index
),

both_views as (
    select policy, ladder, partner_id, quarter_index, facts || '       ' as item, 'restated' as view_name, outside_rank from reviews
    union all
    select policy, ladder, partner_id, quarter_index, facts || record as item, 'released' as view_name, outside_rank from reviews
),

-- The rules of the version in force at the end decide how the replay moves.
last_rules as (
    select
        e.policy, e.ladder, r.promote_after, r.demote_after, r.max_up, r.max_down
    from (
        select policy, ladder, max_by(version, quarter_index) as version
        from {{ ref('int_levels_earned') }}
        group by policy, ladder
    ) as e
    inner join rules as r on e.policy = r.policy and e.version = r.version and e.ladder = r.ladder
),

series as (
    select
        b.policy, b.ladder, b.partner_id, b.view_name,
        min(b.quarter_index) as first_index,
        max(b.outside_rank) as outside_rank,
        max(r.promote_after) as promote_after,
        max(r.demote_after) as demote_after,
        max(r.max_up) as max_up,
        max(r.max_down) as max_down,
        {{ sorted_texts('b.item') }} as items
    from both_views as b
    inner join last_rules as r on b.policy = r.policy and b.ladder = r.ladder
    group by b.policy, b.ladder, b.partner_id, b.view_name
),

folded as (
    select
        policy, ladder, partner_id, view_name, first_index,
        {{ folded('items', movement_step('promote_after', 'demote_after', 'max_up', 'max_down', 'outside_rank')) }} as states
    from series
),

states as (
    select
        e.policy, e.version, e.ladder, e.is_active, e.partner_id, e.quarter_index, f.view_name,
        e.reached_rank, e.earned_rank, e.raised_rank, e.lowered_rank, e.outside_rank,
        substr(f.states, (e.quarter_index - f.first_index) * 7 + 1, 7) as state
    from {{ ref('int_levels_earned') }} as e
    inner join folded as f
        on e.policy = f.policy and e.ladder = f.ladder and e.partner_id = f.partner_id
)

select
    policy, version, ladder, is_active, partner_id, quarter_index, view_name, reached_rank, earned_rank, outside_rank,
    state,
    cast(substr(state, 1, 2) as integer) as held_rank,
    cast(substr(state, 3, 2) as integer) as reviews_above,
    cast(substr(state, 5, 2) as integer) as reviews_below,
    {{ action_in_words('substr(state, 7, 1)') }} as action
from states

{{ config(alias='levels_held') }}

{#-
  The level a partner holds after movement, replayed twice: `restated` from the first quarter with what is known now,
  `released` from the decisions on record, which are never rewritten. A policy's versions follow each other in one
  replay: each quarter moves by the rules of the version in force, and starts from the level the quarter before left.
-#}
-- noqa: disable=PRS
-- (sqlfluff does not know the lambda inside the fold.)
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
        {{ two_digits('r.promote_after') }} || {{ two_digits('r.demote_after') }} || {{ two_digits('r.max_up') }} || {{ two_digits('r.max_down') }} as rules,
        coalesce(e.outside_rank, 99) as outside_rank
    from {{ ref('int_levels_earned') }} as e
    inner join rules as r on e.policy = r.policy and e.version = r.version and e.ladder = r.ladder
    left join {{ ref('stg_released__decisions') }} as d
        on e.policy = d.policy and e.ladder = d.ladder and e.partner_id = d.partner_id
        and e.quarter_index = d.quarter_index
),

series as (
    select
        policy, ladder, partner_id,
        min(quarter_index) as first_index,
        max(outside_rank) as outside_rank,
        max(case when record <> '       ' then 1 else 0 end) as has_record,
        {{ sorted_texts("facts || '       ' || rules") }} as items,
        {{ sorted_texts('facts || record || rules') }} as recorded_items
    from reviews
    group by policy, ladder, partner_id
),

-- Without a record the two replays are one.
folded as (
    {%- set step = movement_step(rule_at(17), rule_at(19), rule_at(21), rule_at(23), 'outside_rank') %}
    select
        policy, ladder, partner_id, first_index,
        {{ folded('items', step) }} as states,
        case when has_record = 1 then {{ folded('recorded_items', step) }} end as recorded_states
    from series
),

states as (
    select
        e.policy, e.version, e.ladder, e.is_active, e.partner_id, e.quarter_index,
        e.reached_rank, e.earned_rank, e.outside_rank,
        substr(f.states, (e.quarter_index - f.first_index) * 7 + 1, 7) as state,
        case
            when e.quarter_index > f.first_index
                then cast(substr(f.states, (e.quarter_index - f.first_index - 1) * 7 + 1, 2) as integer)
        end as previous_rank,
        substr(coalesce(f.recorded_states, f.states), (e.quarter_index - f.first_index) * 7 + 1, 7) as released_state
    from {{ ref('int_levels_earned') }} as e
    inner join folded as f
        on e.policy = f.policy and e.ladder = f.ladder and e.partner_id = f.partner_id
)

select
    policy, version, ladder, is_active, partner_id, quarter_index, reached_rank, earned_rank, outside_rank,
    state,
    previous_rank,
    cast(substr(state, 1, 2) as integer) as held_rank,
    cast(substr(state, 3, 2) as integer) as reviews_above,
    cast(substr(state, 5, 2) as integer) as reviews_below,
    {{ action_in_words('substr(state, 7, 1)') }} as action,
    released_state,
    cast(substr(released_state, 1, 2) as integer) as released_rank,
    {{ action_in_words('substr(released_state, 7, 1)') }} as released_action
from states

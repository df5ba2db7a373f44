{{ config(alias='movements') }}

{#-
  How each partner moves through a ladder, replayed twice: `states` from the first quarter with what is known now,
  `recorded_states` from the decisions on record, which are never rewritten (NULL without any). A policy's versions
  follow each other in one replay: each quarter moves by the rules of the version in force, and starts from the level
  the quarter before left. One text of {{ state_width() }} characters per review, in order, from `first_index` on.
-#}
-- noqa: disable=PRS
-- (sqlfluff does not know the lambda inside the fold.)
{%- set width = state_width() %}
{%- set blanks = ' ' * width %}
with rules as (
    select
        policy, version, ladder, hold_until,
        {{ two_digits("case when rule = 'none' then 1 else coalesce(promote_after, 1) end") }}
        || {{ two_digits("case when rule = 'none' then 1 else coalesce(demote_after, 1) end") }}
        || {{ two_digits("case when rule = 'none' then 99 else coalesce(max_up, 99) end") }}
        || {{ two_digits("case when rule = 'none' then 99 else coalesce(max_down, 99) end") }}
        || {{ two_digits("case when rule = 'none' then 0 else coalesce(new_partner_grace, 0) end") }}
        || case when rule <> 'none' and coalesce(m.freeze, false) then '1' else '0' end as rules
    from {{ ref('stg_policy__movement') }} as m
),

reviews as (
    select
        e.policy, e.ladder, e.partner_id, e.quarter_index,
        lpad(cast(e.quarter_index as varchar), 3, '0')
        || {{ two_digits('e.earned_rank') }} || {{ two_digits('e.raised_rank') }} || {{ two_digits('e.lowered_rank') }} || {{ two_digits('e.possible_rank') }} as facts,
        -- Decisions recorded before ages were kept count from their own quarter.
        coalesce(rpad(d.state, {{ width }}, '0'), '{{ blanks }}') as record,
        r.rules || case
            when r.hold_until = 'anniversary' then 'A'
            when r.hold_until = 'policy_year' and not q.is_year_end then 'Y'
            else 'N'
        end as rules,
        coalesce(e.outside_rank, 99) as outside_rank
    from {{ ref('int_levels_earned') }} as e
    inner join rules as r on e.policy = r.policy and e.version = r.version and e.ladder = r.ladder
    inner join {{ ref('stg_deployment__quarters') }} as q on e.quarter_index = q.quarter_index
    left join {{ ref('stg_released__decisions') }} as d
        on e.policy = d.policy and e.ladder = d.ladder and e.partner_id = d.partner_id
        and e.quarter_index = d.quarter_index
),

series as (
    select
        policy, ladder, partner_id,
        min(quarter_index) as first_index,
        max(outside_rank) as outside_rank,
        max(case when record <> '{{ blanks }}' then 1 else 0 end) as has_record,
        {{ sorted_texts("facts || '" ~ blanks ~ "' || rules") }} as items,
        {{ sorted_texts('facts || record || rules') }} as recorded_items
    from reviews
    group by policy, ladder, partner_id
)

-- Without a record the two replays are one.
{%- set step = movement_step('outside_rank') %}
select
    policy, ladder, partner_id, first_index,
    {{ folded('items', step) }} as states,
    case when has_record = 1 then {{ folded('recorded_items', step) }} end as recorded_states
from series

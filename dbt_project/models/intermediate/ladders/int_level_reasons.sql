{{ config(materialized='ephemeral') }}

{#- Why the earned level, and what is missing for the next one, in words. Only these two levels are put into words. -#}
-- Every condition of the level reached, and the failed ones of the level above it.
with told as (
    select
        e.policy, e.version, e.ladder, e.partner_id, e.quarter_index, c.alternative, c.condition, c.condition_count,
        r.has_passed,
        c.rank = e.reached_rank as is_reached,
        c.needed || ' (' || {{ actual_in_words('c', 'r') }} || ')' as words
    from {{ ref('int_condition_results') }} as r
    inner join {{ ref('int_conditions') }} as c on r.condition_id = c.condition_id
    inner join {{ ref('int_levels_earned') }} as e
        on r.partner_id = e.partner_id and r.quarter_index = e.quarter_index and r.track = coalesce(e.track, '')
        and c.policy = e.policy and c.version = e.version and c.ladder = e.ladder
    where c.rank = e.reached_rank or (c.rank = e.reached_rank - 1 and not r.has_passed)
),

-- Most alternatives are one condition, and joining texts in order is dear.
alternatives as (
    select
        policy, version, ladder, partner_id, quarter_index, alternative, is_reached,
        case when has_passed then 0 else 1 end as missing_count,
        words
    from told
    where condition_count = 1
    union all
    select
        policy, version, ladder, partner_id, quarter_index, alternative, is_reached,
        cast(sum(case when has_passed then 0 else 1 end) as integer) as missing_count,
        {{ joined('words', ', ', 'condition') }} as words
    from told
    where condition_count > 1
    group by policy, version, ladder, partner_id, quarter_index, alternative, is_reached
),

-- The first way in that holds; of the ways up, the one with the fewest conditions missing.
chosen as (
    select
        policy, version, ladder, partner_id, quarter_index,
        min_by(words, case when is_reached and missing_count = 0 then alternative end) as reached_by,
        min_by(words, case when not is_reached then missing_count * 1000 + alternative end) as missing
    from alternatives
    group by policy, version, ladder, partner_id, quarter_index
)

select
    e.policy, e.version, e.ladder, e.partner_id, e.quarter_index,
    'reached ' || l.level
    || coalesce(': ' || x.reached_by, case when l.is_outside then ': no level''s conditions hold' else ': the level without conditions' end)
    || case when e.earned_rank > e.reached_rank then '; ' || l.level || ' is full, so ' || s.level else '' end
    || coalesce('; for ' || n.level || ' missing: ' || x.missing, '') as reasons
from {{ ref('int_levels_earned') }} as e
inner join {{ ref('stg_policy__levels') }} as l
    on e.policy = l.policy and e.version = l.version and e.ladder = l.ladder and e.reached_rank = l.rank
inner join {{ ref('stg_policy__levels') }} as s
    on e.policy = s.policy and e.version = s.version and e.ladder = s.ladder and e.earned_rank = s.rank
left join {{ ref('stg_policy__levels') }} as n
    on e.policy = n.policy and e.version = n.version and e.ladder = n.ladder and e.reached_rank - 1 = n.rank
left join chosen as x
    on e.policy = x.policy and e.version = x.version and e.ladder = x.ladder and e.partner_id = x.partner_id
    and e.quarter_index = x.quarter_index

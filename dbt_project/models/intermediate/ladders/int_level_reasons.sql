{{ config(materialized='ephemeral') }}

{#- Why the earned level, and what is missing for the next one, in words. -#}
with results as (
    select
        c.policy, c.version, c.ladder, c.rank, c.alternative, c.condition, c.partner_id, c.quarter_index,
        c.needed, c.actual, c.has_passed,
        bool_and(c.has_passed) over (
            partition by c.policy, c.version, c.ladder, c.rank, c.alternative, c.partner_id, c.quarter_index
        ) as alternative_passed
    from {{ ref('int_condition_results') }} as c
),

earned as (
    select
        policy, version, ladder, partner_id, quarter_index, earned_rank, reached_rank
    from {{ ref('int_levels_earned') }}
),

won as (
    select
        e.policy, e.version, e.ladder, e.partner_id, e.quarter_index,
        {{ joined("r.needed || ' (' || r.actual || ')'", ', ', 'r.condition') }} as words
    from earned as e
    inner join (
        select *, dense_rank() over (
            partition by policy, version, ladder, rank, partner_id, quarter_index order by alternative
        ) as way
        from results where alternative_passed
    ) as r
        on e.policy = r.policy and e.version = r.version and e.ladder = r.ladder and e.partner_id = r.partner_id
        and e.quarter_index = r.quarter_index and e.reached_rank = r.rank and r.way = 1
    group by e.policy, e.version, e.ladder, e.partner_id, e.quarter_index
),

-- Of the next level's alternatives, the one with the fewest conditions missing.
missing as (
    select
        policy, version, ladder, rank, alternative, partner_id, quarter_index,
        count(*) as missing_count,
        {{ joined("needed || ' (' || actual || ')'", ', ', 'condition') }} as words
    from results
    where not has_passed
    group by policy, version, ladder, rank, alternative, partner_id, quarter_index
),

nearest as (
    select
        e.policy, e.version, e.ladder, e.partner_id, e.quarter_index, m.rank,
        min_by(m.words, m.missing_count * 1000 + m.alternative) as words
    from earned as e
    inner join missing as m
        on e.policy = m.policy and e.version = m.version and e.ladder = m.ladder and e.partner_id = m.partner_id
        and e.quarter_index = m.quarter_index and m.rank = e.reached_rank - 1
    group by e.policy, e.version, e.ladder, e.partner_id, e.quarter_index, m.rank
)

select
    e.policy, e.version, e.ladder, e.partner_id, e.quarter_index,
    'reached ' || l.level
    || coalesce(': ' || w.words, case when l.is_outside then ': no level''s conditions hold' else ': the level without conditions' end)
    || case when e.earned_rank > e.reached_rank then '; ' || l.level || ' is full, so ' || s.level else '' end
    || coalesce('; for ' || n.level || ' missing: ' || x.words, '') as reasons
from earned as e
inner join {{ ref('stg_policy__levels') }} as l
    on e.policy = l.policy and e.version = l.version and e.ladder = l.ladder and e.reached_rank = l.rank
inner join {{ ref('stg_policy__levels') }} as s
    on e.policy = s.policy and e.version = s.version and e.ladder = s.ladder and e.earned_rank = s.rank
left join won as w
    on e.policy = w.policy and e.version = w.version and e.ladder = w.ladder and e.partner_id = w.partner_id
    and e.quarter_index = w.quarter_index
left join nearest as x
    on e.policy = x.policy and e.version = x.version and e.ladder = x.ladder and e.partner_id = x.partner_id
    and e.quarter_index = x.quarter_index
left join {{ ref('stg_policy__levels') }} as n
    on x.policy = n.policy and x.version = n.version and x.ladder = n.ladder and x.rank = n.rank

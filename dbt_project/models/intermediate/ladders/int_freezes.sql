{{ config(alias='freezes') }}

{#-
  Reviews in which somebody would have fallen but for what is in doubt: what that is, as codes and in words. Few rows, of
  those who are frozen in either replay: who holds another level in the one than in the other may be frozen there for
  something else.
-#}
{%- set width = state_width() %}
with replays as (
    select policy, ladder, partner_id, first_index, states
    from {{ ref('int_movements') }}
    where position('F' in states) > 0
    union all
    select policy, ladder, partner_id, first_index, recorded_states
    from {{ ref('int_movements') }}
    where position('F' in recorded_states) > 0
),

states as (
    select
        e.policy, e.version, e.ladder, e.partner_id, e.quarter_index, coalesce(e.track, '') as track,
        substr(m.states, (e.quarter_index - m.first_index) * {{ width }} + 1, {{ width }}) as state
    from replays as m
    inner join {{ ref('int_levels_earned') }} as e
        on m.policy = e.policy and m.ladder = e.ladder and m.partner_id = e.partner_id
),

frozen as (
    select distinct
        policy, version, ladder, partner_id, quarter_index, track, cast(substr(state, 1, 2) as integer) as frozen_rank
    from states
    where substr(state, 7, 1) = 'F'
),

possible as (
    select
        f.policy, f.version, f.ladder, f.partner_id, f.quarter_index, f.frozen_rank, f.track, c.rank, c.condition_id,
        c.kind, c.subject, c.condition_count, r.is_unknown, r.has_passed_lowered,
        count(*) over (
            partition by f.policy, f.version, f.ladder, f.partner_id, f.quarter_index, f.frozen_rank, c.alternative_id
        ) as possible_count
    from frozen as f
    inner join {{ ref('int_conditions') }} as c
        on f.policy = c.policy and f.version = c.version and f.ladder = c.ladder and f.frozen_rank >= c.rank
    inner join {{ ref('int_condition_results') }} as r
        on c.condition_id = r.condition_id and f.track = r.track and f.partner_id = r.partner_id
        and f.quarter_index = r.quarter_index
    where r.has_passed_lowered or r.is_doubtful
),

-- Of the levels that may hold the one nearest to the level held speaks; of it, whatever is missing.
missing as (
    select *
    from (
        select
            *,
            max(rank) over (partition by policy, version, ladder, partner_id, quarter_index, frozen_rank) as nearest_rank
        from possible
        where possible_count = condition_count
    ) as whole
    where rank = nearest_rank and not has_passed_lowered
),

doubts as (
    select
        policy, version, ladder, partner_id, quarter_index, frozen_rank, 'unknown_value' as code, 1 as place,
        case kind
            when 'score' then 'nobody knows the total score'
            when 'dimension' then 'nobody knows the score of ' || subject
            when 'points' then 'nobody knows the points of ' || subject
            else 'nobody knows ' || subject
        end as words
    from missing
    where is_unknown
    union
    select
        m.policy, m.version, m.ladder, m.partner_id, m.quarter_index, m.frozen_rank, coalesce(s.code, 'stale_source'),
        case when s.code = 'partial_source' then 3 else 2 end,
        coalesce(s.words, 'a source was last read before the quarter''s last day')
    from missing as m
    inner join {{ ref('int_condition_origins') }} as o
        on m.condition_id = o.condition_id and (o.track is null or o.track = m.track)
    inner join {{ ref('int_stale_metrics') }} as s on o.source_metric = s.metric and m.quarter_index = s.quarter_index
    union
    select
        policy, version, ladder, partner_id, quarter_index, frozen_rank, 'records_set_aside', 4,
        cast(max(record_count) as varchar)
        || case when max(record_count) = 1 then ' record of ' else ' records of ' end || entity
        || case when max(record_count) = 1 then ' was set aside' else ' were set aside' end
    from (
        select
            m.policy, m.version, m.ladder, m.partner_id, m.quarter_index, m.frozen_rank, d.metric, d.entity,
            sum(d.record_count) as record_count
        from missing as m
        inner join {{ ref('int_condition_origins') }} as o
            on m.condition_id = o.condition_id and (o.track is null or o.track = m.track)
        inner join {{ ref('int_doubtful_metrics') }} as d
            on o.source_metric = d.metric and m.partner_id = d.partner_id and d.from_index <= m.quarter_index
        group by
            m.policy, m.version, m.ladder, m.partner_id, m.quarter_index, m.frozen_rank, m.condition_id, d.metric, d.entity
    ) as counted
    group by policy, version, ladder, partner_id, quarter_index, frozen_rank, entity
),

coded as (
    select
        policy, version, ladder, partner_id, quarter_index, frozen_rank, code, place,
        {{ joined('words', ', ', 'words') }} as words
    from doubts
    group by policy, version, ladder, partner_id, quarter_index, frozen_rank, code, place
)

select
    policy, version, ladder, partner_id, quarter_index, frozen_rank,
    {{ joined('code', ', ', 'place') }} as freeze_codes,
    {{ joined('words', ', ', 'place') }} as frozen_because
from coded
group by policy, version, ladder, partner_id, quarter_index, frozen_rank

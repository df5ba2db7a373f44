{{ config(alias='levels_earned') }}

{#-
  What a partner has earned, after the capacity of each level: of those who reach a level the best by score stay (ties
  by partner number), the others fall to the next one, whose own capacity then applies. One pass per level; ladders
  have at most {{ max_levels() }} levels.
-#}
with reached as (
    select
        e.*,
        s.total_score as score,
        p.partner_number
    from {{ ref('int_levels_reached') }} as e
    inner join {{ ref('int_partner_tracks') }} as t on e.candidate_id = t.candidate_id
    inner join {{ ref('int_partners') }} as p on e.partner_id = p.partner_id
    left join {{ ref('int_track_scores') }} as s on e.candidate_id = s.candidate_id
),

-- Policies with tracks, and policies with a score: what may be missing for a partner.
tracked as (
    select distinct policy, version from {{ ref('stg_policy__tracks') }} where track <> ''
),

scored as (
    select distinct policy, version from {{ ref('stg_policy__criteria') }}
),

limited as (
    select distinct policy, version, ladder from {{ ref('stg_policy__levels') }} where capacity is not null
),

pass_0 as (
    select r.*, r.rank as settled_rank
    from reached as r
    inner join limited as l on r.policy = l.policy and r.version = l.version and r.ladder = l.ladder
),
{% for level in range(1, max_levels() + 1) %}
pass_{{ level }} as (
    select
        p.policy, p.version, p.ladder, p.is_active, p.partner_id, p.quarter_index, p.lowest_rank, p.outside_rank,
        p.rank, p.raised_rank, p.lowered_rank, p.possible_rank, p.score, p.partner_number,
        case
            when p.settled_rank = {{ level }}
                and c.capacity < row_number() over (
                    partition by p.policy, p.version, p.ladder, p.quarter_index, p.settled_rank
                    order by p.score desc nulls last, p.partner_number, p.partner_id
                )
                then least({{ level }} + 1, p.lowest_rank)
            else p.settled_rank
        end as settled_rank
    from pass_{{ level - 1 }} as p
    left join {{ ref('stg_policy__levels') }} as c
        on p.policy = c.policy and p.version = c.version and p.ladder = c.ladder
        and c.rank = {{ level }} and p.settled_rank = {{ level }}
),
{% endfor %}
settled as (
    select policy, version, ladder, partner_id, quarter_index, settled_rank from pass_{{ max_levels() }}
)

select
    r.policy, r.version, r.ladder, r.is_active, r.partner_id, r.quarter_index, r.lowest_rank, r.outside_rank,
    r.rank as reached_rank,
    coalesce(s.settled_rank, r.rank) as earned_rank,
    -- Nobody rises past the capacity, and who was displaced by it is not kept by the buffer.
    greatest(r.raised_rank, coalesce(s.settled_rank, r.raised_rank)) as raised_rank,
    case when s.settled_rank > r.rank then greatest(r.lowered_rank, s.settled_rank) else r.lowered_rank end as lowered_rank,
    case when s.settled_rank > r.rank then greatest(r.possible_rank, s.settled_rank) else r.possible_rank end as possible_rank,
    nullif(r.track, '') as track,
    t.policy is not null and r.track = '' as is_trackless,
    c.policy is not null and r.score is null as is_scoreless
from reached as r
left join settled as s
    on r.policy = s.policy and r.version = s.version and r.ladder = s.ladder
    and r.partner_id = s.partner_id and r.quarter_index = s.quarter_index
left join tracked as t on r.policy = t.policy and r.version = t.version
left join scored as c on r.policy = c.policy and r.version = c.version

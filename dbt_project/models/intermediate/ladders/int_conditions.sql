{{ config(alias='conditions') }}

{#-
  Every condition of every level once, under an integer: the results by partner and quarter are the longest table of
  all and carry the integer alone. Levels that cut the same ranking at different shares rank once (`ranking_id`).
-#}
with peers as (
    select policy, version, ladder, level, condition, {{ joined('attribute', '|', 'position') }} as peers
    from {{ ref('stg_policy__condition_peers') }}
    group by policy, version, ladder, level, condition
)

select
    c.*,
    -- How far the buffer moves the bar for those who would rise; the other way for those who would fall.
    case
        when c.kind not in ('score', 'dimension', 'points') then 0
        when c.operator in ('at_least', 'above') then coalesce(m.buffer, 0)
        when c.operator in ('at_most', 'below') then -coalesce(m.buffer, 0)
        else 0
    end as bar_shift,
    p.peers,
    cast(row_number() over (
        order by c.policy, c.version, c.ladder, c.rank, c.alternative, c.condition
    ) as integer) as condition_id,
    cast(dense_rank() over (order by c.policy, c.version, c.ladder, c.rank, c.alternative) as integer) as alternative_id,
    count(*) over (partition by c.policy, c.version, c.ladder, c.rank, c.alternative) as condition_count,
    case
        when c.kind = 'top_share' then cast(dense_rank() over (
            order by c.policy, c.version, c.kind, c.subject, c.of_metric, c.of_operator, c.of_value, c.round_digits,
                c.ties, p.peers
        ) as integer)
    end as ranking_id
from {{ ref('stg_policy__level_conditions') }} as c
left join {{ ref('stg_policy__movement') }} as m
    on c.policy = m.policy and c.version = m.version and c.ladder = m.ladder
left join peers as p
    on c.policy = p.policy and c.version = p.version and c.ladder = p.ladder and c.level = p.level
    and c.condition = p.condition

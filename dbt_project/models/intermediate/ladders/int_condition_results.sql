{{ config(alias='condition_results') }}

{#-
  Every condition of every level for every partner and quarter: what was needed, what there was, and whether it holds
  with the bar as written, raised by the buffer (needed to rise) and lowered by it (needed to stay). The buffer touches
  conditions on scores only (total, dimension, points). An unknown value passes nothing; where it is unknown, or rests on
  a source whose news are old or on records that were set aside (`is_doubtful`), nobody falls because of it. One row per track a partner may be judged in.
-#}
with conditions as (
    select * from {{ ref('int_conditions') }}
),

roster as (
    select candidate_id, policy, version, track, partner_id, quarter_index from {{ ref('int_track_candidates') }}
),

policy_values as (
    select * from {{ ref('int_policy_values') }}
),

scores as (
    select
        policy, version, candidate_id, 'score' as kind, 'total' as subject, cast(total_score as decimal(28,6)) as value
    from {{ ref('int_track_scores') }}
    union all
    select policy, version, candidate_id, 'dimension', dimension, cast(score as decimal(28,6))
    from {{ ref('int_track_dimension_scores') }}
    where dimension is not null
    union all
    select policy, version, candidate_id, 'points', criterion, cast(points as decimal(28,6))
    from {{ ref('int_criterion_points') }}
),

-- The numbers each condition looks at, under an integer: texts as join keys are dear on this many rows.
metrics_looked_at as (
    select c.condition_id, n.partner_id, n.quarter_index, n.value, n.is_stale
    from conditions as c
    inner join policy_values as n
        on c.policy = n.policy and c.version = n.version and c.subject = n.metric
    where c.kind = 'metric'
),

origins as (
    select * from {{ ref('int_condition_origins') }}
),

-- A score is as old as the oldest thing it asks for.
stale_scores as (
    select distinct o.condition_id, o.track, s.quarter_index
    from origins as o
    inner join {{ ref('int_stale_metrics') }} as s on o.source_metric = s.metric
    where o.track is not null
),

-- What rests on records of the partner that were set aside; few, and mostly none.
set_aside as (
    select distinct o.condition_id, r.candidate_id
    from {{ ref('int_doubtful_metrics') }} as d
    inner join origins as o on d.metric = o.source_metric
    inner join conditions as c on o.condition_id = c.condition_id
    inner join roster as r
        on d.partner_id = r.partner_id and c.policy = r.policy and c.version = r.version
        and d.from_index <= r.quarter_index and (o.track is null or o.track = r.track)
),

scores_looked_at as (
    select c.condition_id, n.candidate_id, n.value
    from conditions as c
    inner join scores as n
        on c.policy = n.policy and c.version = n.version and c.kind = n.kind and c.subject = n.subject
    where c.kind in ('score', 'dimension', 'points')
),

rankings as (
    select
        ranking_id, policy, version, subject, of_metric, of_operator, of_value, round_digits, ties,
        min(condition_id) as condition_id
    from conditions
    where kind = 'top_share'
    group by ranking_id, policy, version, subject, of_metric, of_operator, of_value, round_digits, ties
),

others as (
    select r.ranking_id, v.partner_id, v.quarter_index
    from rankings as r
    inner join policy_values as v on r.policy = v.policy and r.version = v.version and r.of_metric = v.metric
    where v.is_observed and {{ compares('v.value', 'r.of_operator', 'r.of_value') }}
),

populations as (
    select
        r.ranking_id, r.ties, b.partner_id, b.quarter_index,
        {{ rounded_to('b.value', 'coalesce(r.round_digits, 6)') }} as value
    from rankings as r
    inner join policy_values as b on r.policy = b.policy and r.version = b.version and r.subject = b.metric
    left join others as o
        on r.ranking_id = o.ranking_id and b.partner_id = o.partner_id and b.quarter_index = o.quarter_index
    where b.is_observed and (r.of_metric is null or o.partner_id is not null)
),

peer_keys as (
    select
        r.ranking_id, a.partner_id,
        {{ joined("coalesce(a.value, '(none)')", '|', 'p.position') }} as peer_key
    from rankings as r
    inner join conditions as c on r.condition_id = c.condition_id
    inner join {{ ref('stg_policy__condition_peers') }} as p
        on c.policy = p.policy and c.version = p.version and c.ladder = p.ladder and c.level = p.level
        and c.condition = p.condition
    inner join {{ ref('int_partner_attributes') }} as a on p.attribute = a.attribute
    group by r.ranking_id, a.partner_id
),

placed as (
    select
        p.ranking_id, p.partner_id, p.quarter_index,
        row_number() over (
            partition by p.ranking_id, p.quarter_index, coalesce(k.peer_key, '')
            order by
                p.value desc, case when p.ties = 'partner_id' then p.partner_id else n.partner_number end, p.partner_id
        ) as place,
        count(*) over (partition by p.ranking_id, p.quarter_index, coalesce(k.peer_key, '')) as population
    from populations as p
    inner join {{ ref('int_partners') }} as n on p.partner_id = n.partner_id
    left join peer_keys as k on p.ranking_id = k.ranking_id and p.partner_id = k.partner_id
),

numbers as (
    select
        c.condition_id, c.operator, c.value as bar, c.bar_shift, r.candidate_id, r.track, r.partner_id, r.quarter_index, n.value,
        coalesce(n.is_stale, false) or d.candidate_id is not null as is_in_doubt
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join metrics_looked_at as n
        on c.condition_id = n.condition_id and r.partner_id = n.partner_id and r.quarter_index = n.quarter_index
    left join set_aside as d on c.condition_id = d.condition_id and r.candidate_id = d.candidate_id
    where c.kind = 'metric'
    union all
    select
        c.condition_id, c.operator, c.value, c.bar_shift, r.candidate_id, r.track, r.partner_id, r.quarter_index, n.value,
        s.condition_id is not null or d.candidate_id is not null
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join scores_looked_at as n on c.condition_id = n.condition_id and r.candidate_id = n.candidate_id
    left join stale_scores as s
        on c.condition_id = s.condition_id and r.track = s.track and r.quarter_index = s.quarter_index
    left join set_aside as d on c.condition_id = d.condition_id and r.candidate_id = d.candidate_id
    where c.kind in ('score', 'dimension', 'points')
),

compared as (
    select
        condition_id, candidate_id, track, partner_id, quarter_index,
        value as actual_value,
        value is null as is_unknown,
        value is null or is_in_doubt as is_doubtful,
        coalesce({{ compares('value', 'operator', 'bar') }}, false) as has_passed,
        coalesce({{ compares('value', 'operator', "bar + bar_shift") }}, false) as has_passed_raised,
        coalesce({{ compares('value', 'operator', "bar - bar_shift") }}, false) as has_passed_lowered
    from numbers
),

attributes as (
    select
        c.condition_id, r.candidate_id, r.track, r.partner_id, r.quarter_index,
        a.value as actual_text,
        a.value is null as is_unknown,
        coalesce({{ json_array_holds('c.text_values', 'a.value') }}, false) as has_passed
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join {{ ref('int_partner_attributes') }} as a on c.subject = a.attribute and r.partner_id = a.partner_id
    where c.kind = 'attribute'
),

shares as (
    select
        c.condition_id, r.candidate_id, r.track, r.partner_id, r.quarter_index,
        cast(p.place as decimal(28,6)) as actual_value,
        p.population,
        v.value is null or (c.of_metric is not null and o.value is null) as is_unknown,
        v.value is null or v.is_stale or (c.of_metric is not null and (o.value is null or o.is_stale))
        or d.candidate_id is not null as is_doubtful,
        -- ceil of a decimal product is exact: 0.05 x 300 is 15, never 16.
        coalesce(p.place <= ceil(c.value * p.population), false) as has_passed
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join policy_values as v
        on c.policy = v.policy and c.version = v.version and c.subject = v.metric
        and r.partner_id = v.partner_id and r.quarter_index = v.quarter_index
    left join policy_values as o
        on c.policy = o.policy and c.version = o.version and c.of_metric = o.metric
        and r.partner_id = o.partner_id and r.quarter_index = o.quarter_index
    left join placed as p
        on c.ranking_id = p.ranking_id and r.partner_id = p.partner_id and r.quarter_index = p.quarter_index
    left join set_aside as d on c.condition_id = d.condition_id and r.candidate_id = d.candidate_id
    where c.kind = 'top_share'
)

select
    condition_id, candidate_id, track, partner_id, quarter_index, actual_value, cast(null as bigint) as population,
    cast(null as varchar) as actual_text, is_unknown, is_doubtful, has_passed, has_passed_raised, has_passed_lowered
from compared
union all
select
    condition_id, candidate_id, track, partner_id, quarter_index, cast(null as decimal(28,6)), cast(null as bigint), actual_text,
    is_unknown, is_unknown, has_passed, has_passed, has_passed
from attributes
union all
select
    condition_id, candidate_id, track, partner_id, quarter_index, actual_value, population, cast(null as varchar),
    is_unknown, is_doubtful, has_passed, has_passed, has_passed
from shares

{{ config(alias='condition_results') }}

{#-
  Every condition of every level for every partner and quarter: what was needed, what there was, and whether it holds
  with the bar as written, raised by the buffer (needed to rise) and lowered by it (needed to stay). The buffer touches
  conditions on scores only (total, dimension, points). An unknown value passes nothing.
-#}
with conditions as (
    select c.*, coalesce(m.buffer, 0) as buffer
    from {{ ref('stg_policy__level_conditions') }} as c
    left join {{ ref('stg_policy__movement') }} as m
        on c.policy = m.policy and c.version = m.version and c.ladder = m.ladder
),

roster as (
    select t.policy, t.version, t.is_active, r.partner_id, r.quarter_index
    from {{ ref('int_policy_quarters') }} as t
    inner join {{ ref('int_partner_quarters') }} as r on t.quarter_index = r.quarter_index
),

policy_values as (
    select u.policy, u.version, v.metric, v.partner_id, v.quarter_index, v.value, v.is_observed
    from {{ ref('int_policy_metrics') }} as u
    inner join {{ ref('int_metric_values') }} as v on u.window_id = v.window_id and u.metric = v.metric
),

numbers as (
    select policy, version, 'metric' as kind, metric as subject, partner_id, quarter_index, value from policy_values
    union all
    select policy, version, 'score', 'total', partner_id, quarter_index, cast(total_score as decimal(28,6))
    from {{ ref('int_partner_scores') }}
    union all
    select policy, version, 'dimension', dimension, partner_id, quarter_index, cast(score as decimal(28,6))
    from {{ ref('int_dimension_scores') }}
    union all
    select policy, version, 'points', criterion, partner_id, quarter_index, cast(points as decimal(28,6))
    from {{ ref('int_criterion_points') }}
),

populations as (
    select
        c.policy, c.version, c.ladder, c.level, c.condition, c.round_digits, c.ties, c.value as share,
        b.partner_id, b.quarter_index,
        {{ rounded_to('b.value', 'coalesce(c.round_digits, 6)') }} as value
    from conditions as c
    inner join policy_values as b on c.policy = b.policy and c.version = b.version and c.subject = b.metric
    left join policy_values as o
        on c.policy = o.policy and c.version = o.version and c.of_metric = o.metric
        and b.partner_id = o.partner_id and b.quarter_index = o.quarter_index
    where c.kind = 'top_share'
        and b.is_observed
        and (c.of_metric is null or coalesce(o.is_observed and {{ compares('o.value', 'c.of_operator', 'c.of_value') }}, false))
),

peer_keys as (
    select
        p.policy, p.version, p.ladder, p.level, p.condition, a.partner_id,
        {{ joined("coalesce(a.value, '(none)')", '|', 'p.position') }} as peer_key
    from {{ ref('stg_policy__condition_peers') }} as p
    inner join {{ ref('int_partner_attributes') }} as a on p.attribute = a.attribute
    group by p.policy, p.version, p.ladder, p.level, p.condition, a.partner_id
),

placed as (
    select
        p.policy, p.version, p.ladder, p.level, p.condition, p.partner_id, p.quarter_index, p.value, p.share,
        row_number() over (
            partition by p.policy, p.version, p.ladder, p.level, p.condition, p.quarter_index, coalesce(k.peer_key, '')
            order by p.value desc, n.partner_number, p.partner_id
        ) as place,
        count(*) over (
            partition by p.policy, p.version, p.ladder, p.level, p.condition, p.quarter_index, coalesce(k.peer_key, '')
        ) as population
    from populations as p
    inner join {{ ref('int_partners') }} as n on p.partner_id = n.partner_id
    left join peer_keys as k
        on p.policy = k.policy and p.version = k.version and p.ladder = k.ladder and p.level = k.level
        and p.condition = k.condition and p.partner_id = k.partner_id
),

compared as (
    select
        r.is_active, c.policy, c.version, c.ladder, c.level, c.rank, c.alternative, c.condition, c.kind, c.subject,
        c.operator, c.needed, c.value as needed_value, r.partner_id, r.quarter_index,
        n.value as actual_value,
        n.value is not null as is_observed,
        case when n.value is null then 'unknown' else {{ number_in_words('n.value') }} end as actual,
        coalesce({{ compares('n.value', 'c.operator', 'c.value') }}, false) as has_passed,
        coalesce({{ compares(
            'n.value', 'c.operator',
            "c.value + case when c.kind not in ('score', 'dimension', 'points') then 0 when c.operator in ('at_least', 'above') then c.buffer else -c.buffer end"
        ) }}, false) as has_passed_raised,
        coalesce({{ compares(
            'n.value', 'c.operator',
            "c.value - case when c.kind not in ('score', 'dimension', 'points') then 0 when c.operator in ('at_least', 'above') then c.buffer else -c.buffer end"
        ) }}, false) as has_passed_lowered,
        case when c.operator in ('at_least', 'above') then c.value - n.value else n.value - c.value end as distance
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join numbers as n
        on c.policy = n.policy and c.version = n.version and c.kind = n.kind and c.subject = n.subject
        and r.partner_id = n.partner_id and r.quarter_index = n.quarter_index
    where c.kind in ('metric', 'score', 'dimension', 'points')
),

attributes as (
    select
        r.is_active, c.policy, c.version, c.ladder, c.level, c.rank, c.alternative, c.condition, c.kind, c.subject,
        c.operator, c.needed, c.value as needed_value, r.partner_id, r.quarter_index,
        cast(null as decimal(28,6)) as actual_value,
        a.value is not null as is_observed,
        coalesce(a.value, 'unknown') as actual,
        coalesce({{ json_array_holds('c.text_values', 'a.value') }}, false) as has_passed
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join {{ ref('int_partner_attributes') }} as a on c.subject = a.attribute and r.partner_id = a.partner_id
    where c.kind = 'attribute'
),

shares as (
    select
        r.is_active, c.policy, c.version, c.ladder, c.level, c.rank, c.alternative, c.condition, c.kind, c.subject,
        c.operator, c.needed, cast(ceil(c.value * p.population) as decimal(28,6)) as needed_value,
        r.partner_id, r.quarter_index,
        cast(p.place as decimal(28,6)) as actual_value,
        p.place is not null as is_observed,
        case
            when p.place is null then 'not among those compared'
            else 'place ' || cast(p.place as varchar) || ' of ' || cast(p.population as varchar)
        end as actual,
        -- ceil of a decimal product is exact: 0.05 x 300 is 15, never 16.
        coalesce(p.place <= ceil(c.value * p.population), false) as has_passed,
        cast(p.place - ceil(c.value * p.population) as decimal(28,6)) as distance
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join placed as p
        on c.policy = p.policy and c.version = p.version and c.ladder = p.ladder and c.level = p.level
        and c.condition = p.condition and r.partner_id = p.partner_id and r.quarter_index = p.quarter_index
    where c.kind = 'top_share'
)

select
    is_active, policy, version, ladder, level, rank, alternative, condition, kind, subject, operator, needed,
    needed_value, partner_id, quarter_index, actual_value, is_observed, actual, has_passed, has_passed_raised,
    has_passed_lowered, case when has_passed then cast(0 as decimal(28,6)) else distance end as distance
from compared
union all
select
    is_active, policy, version, ladder, level, rank, alternative, condition, kind, subject, operator, needed,
    needed_value, partner_id, quarter_index, actual_value, is_observed, actual, has_passed, has_passed, has_passed,
    cast(null as decimal(28,6))
from attributes
union all
select
    is_active, policy, version, ladder, level, rank, alternative, condition, kind, subject, operator, needed,
    needed_value, partner_id, quarter_index, actual_value, is_observed, actual, has_passed, has_passed, has_passed,
    case when has_passed then cast(0 as decimal(28,6)) else distance end
from shares

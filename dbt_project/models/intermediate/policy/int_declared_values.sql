{{ config(alias='declared_values') }}

{#-
  Metrics that a policy declares over facts of its own (metric_facts). A window is counted in months back from the day
  after the review day. Somebody who has any fact of the kind is known, and a sum or count of nothing is then 0; who has
  none is unknown, unless the policy says that whoever is absent has none.
-#}
with declared as (
    select
        d.*,
        q.quarter_index,
        {{ months_before(day_after('q.quarter_end'), 'd.window_lag * 3') }} as window_end,
        case
            when d.window_months is null then cast('0001-01-01' as date)
            else {{ months_before(day_after('q.quarter_end'), 'd.window_lag * 3 + d.window_months') }}
        end as window_start
    from {{ ref('stg_policy__declared_metrics') }} as d
    inner join {{ ref('int_policy_quarters') }} as q on d.policy = q.policy and d.version = q.version
),

facts as (
    select * from {{ ref('int_partner_facts') }}
),

filtered as (
    select
        d.policy, d.version, d.metric, f.fact_id, f.value, f.attributes, f.subject, w.operator, w.text_values,
        w.attribute,
        w.value as bar,
        case
            when w.attribute = 'subject' then f.subject
            when w.attribute <> 'value' then {{ json_text('f.attributes', 'w.attribute') }}
        end as text_value
    from {{ ref('stg_policy__declared_filters') }} as w
    inner join {{ ref('stg_policy__declared_metrics') }} as d
        on w.policy = d.policy and w.version = d.version and w.metric = d.metric
    inner join facts as f on d.facts = f.fact_metric
),

left_out as (
    select distinct policy, version, metric, fact_id
    from filtered
    where not coalesce(
        case
            when operator = 'in' then {{ json_array_holds('text_values', 'text_value') }}
            else {{ compares("case when attribute = 'value' then value else try_cast(text_value as decimal(28,6)) end", 'operator', 'bar') }}
        end, false
    )
),

counted as (
    select
        d.policy, d.version, d.metric, d.aggregate, d.quarter_index, f.partner_id, f.fact_id, f.fact_date, f.value,
        case
            when d.of = 'value' then cast(f.value as varchar)
            when d.of = 'subject' then f.subject
            else {{ json_text('f.attributes', 'd.of') }}
        end as counted_thing
    from declared as d
    inner join facts as f
        on d.facts = f.fact_metric and f.fact_date >= d.window_start and f.fact_date < d.window_end
    left join left_out as o
        on d.policy = o.policy and d.version = o.version and d.metric = o.metric and f.fact_id = o.fact_id
    where o.fact_id is null
),

aggregated as (
    select
        policy, version, metric, quarter_index, partner_id,
        sum(value) as total,
        max(value) as greatest_value,
        min(value) as least_value,
        count(counted_thing) as things,
        count(distinct counted_thing) as different_things,
        max_by(value, cast(fact_date as varchar) || fact_id) as newest_value
    from counted
    group by policy, version, metric, quarter_index, partner_id
),

-- The middle value, or half of the two middle ones.
medians as (
    select policy, version, metric, quarter_index, partner_id, sum(value) * cast(0.5 as decimal(2,1)) as median_value
    from (
        select
            *,
            row_number() over (
                partition by policy, version, metric, quarter_index, partner_id order by value, fact_id
            ) as place,
            count(*) over (partition by policy, version, metric, quarter_index, partner_id) as places
        from counted
        where aggregate = 'median'
    ) as ordered
    -- An odd number of facts has its middle one counted twice.
    cross join (select 0 as half union all select 1) as halves
    where place = floor((places + 1 + half) * 0.5)
    group by policy, version, metric, quarter_index, partner_id
),

first_facts as (
    select partner_id, fact_metric, min(fact_date) as first_date from facts group by partner_id, fact_metric
),

judged as (
    select
        d.policy, d.version, d.metric, d.aggregate, r.partner_id, r.quarter_index,
        case
            when coalesce(k.first_date < d.window_end, false) then 'known'
            when d.absent = 'zero' then 'absent'
            else 'unknown'
        end as standing,
        not d.window_complete or d.window_months is null
        or r.quarter_index - d.window_lag - cast(ceil(d.window_months / 3.0) as integer) + 1 >= r.start_index as is_full,
        a.total, a.greatest_value, a.least_value, a.things, a.different_things, a.newest_value, m.median_value
    from declared as d
    inner join {{ ref('int_partner_quarters') }} as r on d.quarter_index = r.quarter_index
    left join first_facts as k on r.partner_id = k.partner_id and d.facts = k.fact_metric
    left join aggregated as a
        on d.policy = a.policy and d.version = a.version and d.metric = a.metric
        and r.quarter_index = a.quarter_index and r.partner_id = a.partner_id
    left join medians as m
        on d.policy = m.policy and d.version = m.version and d.metric = m.metric
        and r.quarter_index = m.quarter_index and r.partner_id = m.partner_id
),

valued as (
    select
        policy, version, metric, partner_id, quarter_index,
        case
            when not is_full or standing = 'unknown' then null
            when standing = 'absent' then 0
            when aggregate = 'sum' then coalesce(total, 0)
            when aggregate = 'count' then coalesce(things, 0)
            when aggregate = 'count_distinct' then coalesce(different_things, 0)
            when aggregate = 'last' then newest_value
            when aggregate = 'max' then greatest_value
            when aggregate = 'min' then least_value
            when aggregate = 'median' then median_value
        end as value
    from judged
)

select
    policy, version, metric, partner_id, quarter_index,
    cast(round(cast(value as decimal(38,10)), 6) as decimal(28,6)) as value,
    value is not null as is_observed
from valued

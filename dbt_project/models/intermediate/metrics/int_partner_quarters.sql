{{ config(alias='partner_quarters') }}

{#-
  The roster over time: a partner stands in a quarter from the one it joined or first produced in, whichever is
  earlier. The first quarter of all is that of the first production (without any, of the first activity); before it there
  is nothing to judge.
-#}
with bounds as (
    select min(quarter_start) as first_day, max(quarter_end) as last_day, max(quarter_index) as last_index
    from {{ ref('stg_deployment__quarters') }}
),

deals as (
    select
        p.partner_id,
        cast(o.created_at as date) as created_date,
        case when o.is_closed then o.close_date end as decided_date
    from {{ ref('int_deal_partners') }} as p
    inner join {{ ref('int_opportunities') }} as o on p.source = o.source and p.opportunity_id = o.source_id
    where not o.is_deleted and not o.is_test
),

-- By the deals a partner stands on and not by its credit: which policies are evaluated must not move anybody's start.
first_measures as (
    select partner_id, min(quarter_index) as first_index
    from (
        select e.partner_id, d.quarter_index
        from deals as e
        inner join {{ ref('stg_deployment__days') }} as d on e.created_date = d.day
        union all
        select e.partner_id, d.quarter_index
        from deals as e
        inner join {{ ref('stg_deployment__days') }} as d on e.decided_date = d.day
    ) as seen
    group by partner_id
),

history as (
    select coalesce(
        min(first_index),
        (select min(quarter_index) from {{ ref('int_partner_quarter_activity') }}),
        (select last_index from bounds)
    ) as start_index
    from first_measures
),

arrivals as (
    select
        p.partner_id,
        h.start_index,
        least(
            m.first_index,
            case
                when p.joined_date is null or p.joined_date < b.first_day then h.start_index
                when p.joined_date <= b.last_day then d.quarter_index
            end
        ) as own_index
    from {{ ref('int_partners') }} as p
    cross join history as h
    cross join bounds as b
    left join {{ ref('stg_deployment__days') }} as d on p.joined_date = d.day
    left join first_measures as m on p.partner_id = m.partner_id
)

select
    a.partner_id,
    q.quarter_index,
    q.quarter,
    q.quarter_end,
    a.start_index
from arrivals as a
inner join {{ ref('stg_deployment__quarters') }} as q
    on q.quarter_index >= a.start_index and q.quarter_index >= a.own_index

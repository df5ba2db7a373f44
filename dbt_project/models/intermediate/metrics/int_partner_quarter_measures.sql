{{ config(alias='partner_quarter_measures') }}

{#-
  Everything that adds up over quarters, once per partner, quarter and attribution; windows are made of it later.
  Won and lost count in the quarter of the close date, pipeline in the quarter of creation.
-#}
with credits as (
    select * from {{ ref('int_opportunity_credits') }}
),

days as (
    select * from {{ ref('stg_deployment__days') }}
),

-- A customer is new once: at its first won deal, with whichever partner or none.
first_deals as (
    select
        source,
        account_id,
        min_by(source_id, cast(close_date as varchar) || source_id) as opportunity_id
    from {{ ref('int_opportunities') }}
    where is_won and not is_deleted and not is_test
    group by source, account_id
),

closed as (
    select
        c.partner_id, c.attribution, d.quarter_index,
        sum(case when c.kind = 'production' and c.is_won then c.credited_amount end) as won_amount,
        sum(case when c.kind = 'production' and c.is_won and c.role_rank = 1 then c.credited_amount end) as sourced_won_amount,
        sum(case when c.kind = 'influence' and c.is_won then c.credited_amount end) as influenced_won_amount,
        sum(case when c.kind = 'production' and c.is_won then 1 end) as won_deals,
        sum(case when c.kind = 'production' then 1 end) as decided_deals,
        sum(case when c.kind = 'production' and c.is_won and c.created_date is not null
            then {{ days_between('c.created_date', 'c.close_date') }} end) as cycle_days,
        sum(case when c.kind = 'production' and c.is_won and c.created_date is not null then 1 end) as cycle_deals,
        sum(case when c.kind = 'production' and c.is_won and f.opportunity_id is not null then 1 end) as new_customers
    from credits as c
    inner join days as d on c.close_date = d.day
    left join first_deals as f on c.source = f.source and c.opportunity_id = f.opportunity_id
    where c.is_closed
    group by c.partner_id, c.attribution, d.quarter_index
),

created as (
    select
        c.partner_id, c.attribution, d.quarter_index,
        sum(case when c.kind = 'production' and c.role_rank = 1 then c.credited_amount end) as sourced_pipeline_amount,
        sum(case when c.kind = 'influence' then c.credited_amount end) as influenced_pipeline_amount
    from credits as c
    inner join days as d on c.created_date = d.day
    group by c.partner_id, c.attribution, d.quarter_index
),

keys as (
    select partner_id, attribution, quarter_index from closed
    union
    select partner_id, attribution, quarter_index from created
)

select
    k.partner_id,
    k.attribution,
    k.quarter_index,
    q.quarter,
    coalesce(c.won_amount, 0) as won_amount,
    coalesce(c.sourced_won_amount, 0) as sourced_won_amount,
    coalesce(c.influenced_won_amount, 0) as influenced_won_amount,
    coalesce(p.sourced_pipeline_amount, 0) as sourced_pipeline_amount,
    coalesce(p.influenced_pipeline_amount, 0) as influenced_pipeline_amount,
    cast(coalesce(c.won_deals, 0) as bigint) as won_deals,
    cast(coalesce(c.decided_deals, 0) as bigint) as decided_deals,
    cast(coalesce(c.cycle_days, 0) as bigint) as cycle_days,
    cast(coalesce(c.cycle_deals, 0) as bigint) as cycle_deals,
    cast(coalesce(c.new_customers, 0) as bigint) as new_customers,
    case when coalesce(c.won_deals, 0) > 0 then 1 else 0 end as active_quarters
from keys as k
inner join {{ ref('stg_deployment__quarters') }} as q on k.quarter_index = q.quarter_index
left join closed as c
    on k.partner_id = c.partner_id and k.attribution = c.attribution and k.quarter_index = c.quarter_index
left join created as p
    on k.partner_id = p.partner_id and k.attribution = p.attribution and k.quarter_index = p.quarter_index

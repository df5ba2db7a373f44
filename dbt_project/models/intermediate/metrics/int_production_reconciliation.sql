{{ config(alias='production_reconciliation') }}

{#-
  The CRM's won total counted twice: from the deals, and from partner credits plus deals without any. Deals of every
  date count here, also those outside the quarters that are scored, so nothing can fall between two tables.
-#}
with won as (
    select source, source_id, reporting_amount
    from {{ ref('int_opportunities') }}
    where is_won and not is_deleted and not is_test
),

models as (
    select distinct attribution from {{ ref('stg_policy__attributions') }}
),

credited as (
    select attribution, sum(credited_amount) as partner_won_amount
    from {{ ref('int_opportunity_credits') }}
    where kind = 'production' and is_won
    group by attribution
),

direct as (
    select sum(w.reporting_amount) as direct_won_amount
    from won as w
    where not exists (
        select 1 from {{ ref('int_deal_partners') }} as p
        where p.source = w.source and p.opportunity_id = w.source_id
    )
)

select
    m.attribution,
    cast((select coalesce(sum(reporting_amount), 0) from won) as decimal(28,4)) as crm_won_amount,
    cast(coalesce(c.partner_won_amount, 0) as decimal(28,4)) as partner_won_amount,
    cast(coalesce(d.direct_won_amount, 0) as decimal(28,4)) as direct_won_amount
from models as m
left join credited as c on m.attribution = c.attribution
cross join direct as d

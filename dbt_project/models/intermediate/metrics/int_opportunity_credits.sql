{{ config(alias='opportunity_credits') }}

{#-
  Two kinds of credit. `production`: the deal's amount split over all its partners by an attribution model, so that
  partners + direct = CRM total. `influence`: the deal's amount split equally over the partners that influenced it, a
  measure beside production that is never added to it. Amounts are split in ten-thousandths of the currency unit by
  cumulative shares, so the parts add up to the deal exactly and do not depend on the order of rows.
-#}
with deal_partners as (
    select * from {{ ref('int_deal_partners') }}
),

deals as (
    select
        source,
        opportunity_id,
        count(*) as partner_count,
        sum(has_influenced) as influencer_count,
        -- The primary row first, then the strongest role, then the partner number.
        min_by(
            partner_id, cast((1 - is_primary) * 10 + role_rank as bigint) * 1000000000 + partner_order
        ) as first_partner_id
    from deal_partners
    group by source, opportunity_id
),

models as (
    select distinct attribution, model from {{ ref('stg_policy__attributions') }}
),

role_weights as (
    select attribution, role, weight from {{ ref('stg_policy__attributions') }} where role is not null
),

whole as (
    -- The only partner, or the one that the primary model chooses.
    select
        m.attribution, 'production' as kind, p.source, p.opportunity_id, p.partner_id, p.role_rank,
        cast(1 as bigint) as weight_before, cast(1 as bigint) as weight, cast(1 as bigint) as weight_sum
    from deal_partners as p
    inner join deals as d
        on p.source = d.source and p.opportunity_id = d.opportunity_id and p.partner_id = d.first_partner_id
    cross join models as m
    where m.model = 'primary' or d.partner_count = 1
),

weighted as (
    select
        m.attribution, 'production' as kind, p.source, p.opportunity_id, p.partner_id, p.role_rank, p.is_primary,
        p.partner_order,
        cast(case when m.model = 'equal' then 1 else coalesce(w.weight, 0) end * 1000000 as bigint) as own_weight
    from deal_partners as p
    inner join deals as d on p.source = d.source and p.opportunity_id = d.opportunity_id
    cross join models as m
    left join role_weights as w
        on m.attribution = w.attribution
        and w.role = case p.role_rank when 1 then 'sourced' when 2 then 'fulfilled' when 3 then 'unknown' else 'influenced' end
    where m.model <> 'primary' and d.partner_count > 1
    union all
    select
        m.attribution, 'influence' as kind, p.source, p.opportunity_id, p.partner_id, p.role_rank, p.is_primary,
        p.partner_order, cast(1 as bigint) as own_weight
    from deal_partners as p
    inner join deals as d on p.source = d.source and p.opportunity_id = d.opportunity_id
    cross join models as m
    where p.has_influenced = 1
),

-- Roles that all weigh nothing would leave a deal without credit: they share it equally.
settled as (
    select
        *,
        case
            when sum(own_weight) over (partition by attribution, kind, source, opportunity_id) = 0 then 1 else own_weight
        end as weight
    from weighted
),

shared as (
    select
        attribution, kind, source, opportunity_id, partner_id, role_rank,
        sum(weight) over (
            partition by attribution, kind, source, opportunity_id
            order by is_primary desc, role_rank, partner_order
            rows between unbounded preceding and current row
        ) as weight_before,
        weight,
        sum(weight) over (partition by attribution, kind, source, opportunity_id) as weight_sum
    from settled
),

shares as (
    select attribution, kind, source, opportunity_id, partner_id, role_rank, weight_before, weight, weight_sum from whole
    union all
    select
        attribution, kind, source, opportunity_id, partner_id, role_rank,
        cast(weight_before as bigint) as weight_before, cast(weight as bigint) as weight, cast(weight_sum as bigint) as weight_sum
    from shared
),

amounts as (
    select
        s.*,
        o.account_id, o.is_closed, o.is_won, o.close_date, o.created_at, o.reporting_amount,
        cast(o.reporting_amount * 10000 as bigint) as units
    from shares as s
    inner join {{ ref('int_opportunities') }} as o on s.source = o.source and s.opportunity_id = o.source_id
    where not o.is_deleted and not o.is_test
)

select
    attribution,
    kind,
    source,
    opportunity_id,
    partner_id,
    role_rank,
    account_id,
    is_closed,
    is_won,
    close_date,
    cast(created_at as date) as created_date,
    -- portable: weights that are all 0 became 1 above, so the sum is never 0.
    cast(weight as double) / weight_sum as credit_share,
    case
        when weight_sum = weight then reporting_amount
        else cast(
            cast(
                {{ whole_quotient('units', 'weight_before', 'weight_sum') }}
                - {{ whole_quotient('units', 'weight_before - weight', 'weight_sum') }} as decimal(18,0)
            ) * cast(0.0001 as decimal(5,4)) as decimal(18,4)
        )
    end as credited_amount
from amounts

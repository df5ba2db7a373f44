{#-
  Deals of the pipelines that count. Won and lost are what HubSpot computed, else what the stage says; a closing day is
  that day where the account is; the customer is the primary company, else one that stands on the deal as no partner.
-#}
with source as (
    select * from {{ source('raw_hubspot', 'deal') }}
),

stages as (
    select * from {{ source('raw_hubspot', 'pipeline_stage') }}
),

merged_records as (
    select * from {{ source('raw_hubspot', 'merged_record') }}
),

merged as (
    {{ hubspot_merges('merged_records') }}
),

deal_companies as (
    select * from {{ source('raw_hubspot', 'deal_company') }}
),

portals as (
    select source, max(time_zone) as time_zone, max(company_currency) as company_currency
    from {{ source('raw_hubspot', 'account') }}
    group by source
),

own as (
    {{ hubspot_options() }}
),

deals as (
    {{ hubspot_deals('source', 'stages', 'merged') }}
),

newest_companies as (
    {{ newest_versions('deal_companies') }}
),

links as (
    {{ hubspot_links('newest_companies', 'merged') }}
),

candidates as (
    select
        l.source,
        l.deal_id,
        l.company_id,
        max(case when l.is_customer then 1 else 0 end) as is_customer,
        max(case when coalesce(a.is_partner, false) or t.account_type is not null then 1 else 0 end) as is_partner,
        max(case when l.category <> 'HUBSPOT_DEFINED' then 1 else 0 end) as is_labelled
    from links as l
    left join {{ ref('stg_hubspot__accounts') }} as a on l.source = a.source and l.company_id = a.source_id
    left join {{ ref('stg_deployment__partner_account_types') }} as t
        on a.source = t.source and a.account_type = t.account_type
    group by l.source, l.deal_id, l.company_id
),

customers as (
    select source, deal_id, company_id
    from (
        select
            *,
            row_number() over (
                partition by source, deal_id
                order by is_customer desc, is_partner, is_labelled, length(company_id), company_id
            ) as place
        from candidates
    ) as ranked
    where place = 1
),

timed as (
    select
        d.*,
        s.stage_label,
        try_cast(d.hs_is_closed as boolean) as told_closed,
        try_cast(d.hs_is_closed_won as boolean) as told_won,
        try_cast(s.is_closed as boolean) as stage_closed,
        coalesce(try_cast(s.probability as double), 0) >= 1 as is_certain,
        {{ utc_timestamp('d.closedate') }} as closes_at,
        coalesce(p.time_zone, 'UTC') as time_zone,
        p.company_currency
    from deals as d
    left join stages as s on d.source = s.source and d.pipeline = s.pipeline_id and d.dealstage = s.stage_id
    left join portals as p on d.source = p.source
),

renamed as (
    select
        d.source,
        d.id as source_id,
        d.dealname as name,
        coalesce(c.company_id, case when not d.is_gone then {{ hubspot_no_company() }} end) as account_id,
        try_cast(d.amount as decimal(18,4)) as amount,
        coalesce(
            d.deal_currency_code, case when o.default_currency is null then d.company_currency end
        ) as currency,
        coalesce(d.stage_label, d.dealstage) as stage,
        coalesce(d.told_closed, d.stage_closed) as is_closed,
        coalesce(d.told_won, d.stage_closed and d.is_certain) as is_won,
        {{ utc_timestamp('d.createdate') }} as created_at,
        case
            when length(d.closedate) = 10 then try_cast(d.closedate as date)
            else {{ local_day('d.closes_at', 'd.time_zone') }}
        end as close_date,
        d.hubspot_owner_id as owner_id,
        d.known_at as extracted_at,
        d.is_gone as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('d.updated_at') }} as modified_at,
        {{ failed_casts([
            ('d.amount', 'decimal(18,4)'), ('d.hs_is_closed', 'boolean'),
            ('d.hs_is_closed_won', 'boolean'), ('d.is_deleted', 'boolean'), ('d.createdate', 'timestamp'),
            ('d.closedate', 'timestamp'), ('d.updated_at', 'timestamp')
        ]) }} as failed_casts,
        d.load_id,
        d.file_name,
        d.file_row
    from timed as d
    left join customers as c on d.source = c.source and d.id = c.deal_id
    left join own as o on d.source = o.source
)

select * from renamed

{#-
  Companies, those that were merged into others as deleted; and one account for the deals that have no company at all.
-#}
with source as (
    select * from {{ source('raw_hubspot', 'company') }}
),

newest as (
    {{ newest_versions('source') }}
),

merged_records as (
    select * from {{ source('raw_hubspot', 'merged_record') }}
),

merged as (
    {{ hubspot_merges('merged_records') }}
),

all_deals as (
    select * from {{ source('raw_hubspot', 'deal') }}
),

stages as (
    select * from {{ source('raw_hubspot', 'pipeline_stage') }}
),

deal_companies as (
    select * from {{ source('raw_hubspot', 'deal_company') }}
),

own as (
    {{ hubspot_options() }}
),

companies as (
    select
        s.source,
        s.id as source_id,
        s.name as name,
        nullif(trim({{ json_text('s.custom_properties', 'o.partner_number_name') }}), '') as partner_number,
        coalesce(s.domain, s.website) as web_address,
        s.country as country,
        {{ json_text('s.custom_properties', 'o.region_name') }} as region,
        s.industry as industry,
        s.type as account_type,
        try_cast(s.numberofemployees as bigint) as employees,
        coalesce(
            lower(trim({{ json_text('s.custom_properties', 'o.partner_flag_name') }})) = o.partner_flag_value, false
        ) as is_partner,
        s.hubspot_owner_id as owner_id,
        s.hs_parent_company_id as parent_id,
        {{ utc_timestamp('s.createdate') }} as created_at,
        s.known_at as extracted_at,
        coalesce(try_cast(s.is_deleted as boolean), false) or m.loser_id is not null as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('s.updated_at') }} as modified_at,
        {{ failed_casts([
            ('s.numberofemployees', 'bigint'), ('s.is_deleted', 'boolean'),
            ('s.createdate', 'timestamp'), ('s.updated_at', 'timestamp')
        ]) }} as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from newest as s
    left join own as o on s.source = o.source
    left join merged as m on s.source = m.source and m.object_type = 'company' and s.id = m.loser_id
),

without_company as (
    select
        d.source,
        max(d.known_at) as known_at,
        max_by(d.load_id, d.known_at) as load_id
    from ({{ hubspot_deals('all_deals', 'stages', 'merged') }}) as d
    left join ({{ newest_versions('deal_companies') }}) as c on d.source = c.source and d.id = c.id
    where not d.is_gone and coalesce(c.companies, '[]') = '[]'
    group by d.source
),

renamed as (
    select
        source, source_id, name, partner_number, {{ domain_of('web_address') }} as domain, country, region, industry,
        account_type, employees, is_partner, owner_id, parent_id, created_at, extracted_at, is_deleted, is_test,
        modified_at, failed_casts, load_id, file_name, file_row
    from companies
    union all
    select
        source, {{ hubspot_no_company() }} as source_id, 'Deals without a company' as name,
        cast(null as varchar) as partner_number, cast(null as varchar) as domain, cast(null as varchar) as country,
        cast(null as varchar) as region, cast(null as varchar) as industry, cast(null as varchar) as account_type,
        cast(null as bigint) as employees, false as is_partner, cast(null as varchar) as owner_id,
        cast(null as varchar) as parent_id, cast(null as timestamp) as created_at, known_at as extracted_at,
        false as is_deleted, false as is_test, cast(null as timestamp) as modified_at, '' as failed_casts, load_id,
        'deals without a company' as file_name, cast(null as bigint) as file_row
    from without_company
)

select * from renamed

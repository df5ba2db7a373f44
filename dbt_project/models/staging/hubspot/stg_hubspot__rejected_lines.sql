with source as (
    select * from {{ source('raw_hubspot', 'rejected_lines') }}
),

renamed as (
    select
        source,
        cast(null as varchar) as source_id,
        case table_name
            when 'company' then 'accounts'
            when 'deal' then 'opportunities'
            when 'deal_company' then 'opportunity_partners'
        end as entity,
        origin,
        line,
        reason,
        cast(null as timestamp) as extracted_at,
        cast(false as boolean) as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        cast('' as varchar) as failed_casts,
        load_id,
        origin as file_name,
        file_row
    from source
)

select * from renamed

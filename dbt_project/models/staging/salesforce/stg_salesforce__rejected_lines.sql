with source as (
    select * from {{ source('raw_salesforce', 'rejected_lines') }}
),

renamed as (
    select
        source,
        cast(null as varchar) as source_id,
        case table_name
            when 'account' then 'accounts'
            when 'opportunity' then 'opportunities'
            when 'opportunity_partner' then 'opportunity_partners'
            when 'opportunity_history' then 'opportunity_stage_changes'
            when 'event' then 'meetings'
            when 'task' then 'meetings'
            when 'channel_program_member' then 'program_memberships'
            when 'currency_type' then 'exchange_rates'
            when 'dated_conversion_rate' then 'exchange_rates'
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

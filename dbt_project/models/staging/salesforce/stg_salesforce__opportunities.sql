with source as (
    select * from {{ source('raw_salesforce', 'opportunity') }}
),

renamed as (
    select
        source,
        id as source_id,
        name,
        account_id,
        try_cast(amount as decimal(18,4)) as amount,
        currency_iso_code as currency,
        stage_name as stage,
        try_cast(is_closed as boolean) as is_closed,
        try_cast(is_won as boolean) as is_won,
        {{ utc_timestamp('created_date') }} as created_at,
        try_cast(close_date as date) as close_date,
        owner_id,
        known_at as extracted_at,
        coalesce(try_cast(is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('amount', 'decimal(18,4)'), ('is_closed', 'boolean'), ('is_won', 'boolean'), ('is_deleted', 'boolean'),
            ('created_date', 'timestamp'), ('close_date', 'date'), ('system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        load_id,
        file_name,
        file_row
    from source
)

select * from renamed

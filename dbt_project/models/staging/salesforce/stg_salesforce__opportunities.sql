with source as (
    select * from {{ source('raw_salesforce', 'opportunity') }}
),

accounts as (
    select * from {{ source('raw_salesforce', 'account') }}
),

merged_accounts as (
    {{ salesforce_merges('accounts') }}
),

renamed as (
    select
        s.source,
        s.id as source_id,
        s.name,
        coalesce(m.survivor_id, s.account_id) as account_id,
        try_cast(s.amount as decimal(18,4)) as amount,
        s.currency_iso_code as currency,
        s.stage_name as stage,
        try_cast(s.is_closed as boolean) as is_closed,
        try_cast(s.is_won as boolean) as is_won,
        {{ utc_timestamp('s.created_date') }} as created_at,
        try_cast(s.close_date as date) as close_date,
        s.owner_id,
        s.known_at as extracted_at,
        coalesce(try_cast(s.is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('s.system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('s.amount', 'decimal(18,4)'), ('s.is_closed', 'boolean'), ('s.is_won', 'boolean'),
            ('s.is_deleted', 'boolean'), ('s.created_date', 'timestamp'), ('s.close_date', 'date'),
            ('s.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from source as s
    left join merged_accounts as m on s.source = m.source and s.account_id = m.id
)

select * from renamed

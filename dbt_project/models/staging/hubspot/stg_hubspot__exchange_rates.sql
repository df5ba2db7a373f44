{#- What one unit of a currency is worth from a day on, as the account's own table of rates says. -#}
with source as (
    select * from {{ source('raw_hubspot', 'exchange_rate') }}
),

newest as (
    {{ newest_versions('source') }}
),

renamed as (
    select
        source,
        id as source_id,
        upper(trim(from_currency_code)) as currency,
        upper(trim(to_currency_code)) as to_currency,
        cast({{ utc_timestamp('effective_at') }} as date) as valid_from,
        cast(null as date) as valid_to,
        try_cast(conversion_rate as decimal(18,8)) as rate,
        known_at as extracted_at,
        cast(false as boolean) as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        {{ failed_casts([('effective_at', 'timestamp'), ('conversion_rate', 'decimal(18,8)')]) }} as failed_casts,
        load_id,
        file_name,
        file_row
    from newest
)

select * from renamed

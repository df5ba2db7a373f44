with source as (
    select * from {{ source('raw_salesforce', 'account') }}
),

renamed as (
    select
        source,
        id as source_id,
        name,
        account_number as partner_number,
        {{ domain_of('website') }} as domain,
        coalesce(billing_country_code, billing_country) as country,
        region__c as region,
        industry,
        type as account_type,
        try_cast(number_of_employees as bigint) as employees,
        try_cast(is_partner as boolean) as is_partner,
        owner_id,
        parent_id,
        {{ utc_timestamp('created_date') }} as created_at,
        known_at as extracted_at,
        coalesce(try_cast(is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('number_of_employees', 'bigint'), ('is_partner', 'boolean'), ('is_deleted', 'boolean'),
            ('created_date', 'timestamp'), ('system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        load_id,
        file_name,
        file_row
    from source
)

select * from renamed

with source as (
    select * from {{ source('raw_salesforce', 'opportunity_partner') }}
),

roles as (
    select role_raw, role from {{ ref('partner_role_map') }} where connector = 'salesforce'
),

renamed as (
    select
        s.source,
        s.id as source_id,
        s.opportunity_id,
        s.account_to_id as account_id,
        s.role as role_raw,
        coalesce(r.role, 'unknown') as role,
        coalesce(try_cast(s.is_primary as boolean), false) as is_primary,
        s.known_at as extracted_at,
        coalesce(try_cast(s.is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('s.system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('s.is_primary', 'boolean'), ('s.is_deleted', 'boolean'), ('s.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from source as s
    left join roles as r on lower(trim(s.role)) = r.role_raw
)

select * from renamed

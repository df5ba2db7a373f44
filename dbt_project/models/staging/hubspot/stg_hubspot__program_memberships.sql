{#- The programme level that a company property holds; a company without one is in no programme. -#}
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

own as (
    {{ hubspot_options() }}
),

held as (
    select
        s.*,
        o.program,
        nullif(trim({{ json_text('s.custom_properties', 'o.level_name') }}), '') as level,
        substr({{ json_text('s.custom_properties', 'o.level_since_name') }}, 1, 10) as level_since,
        m.loser_id
    from newest as s
    inner join own as o on s.source = o.source
    left join merged as m on s.source = m.source and m.object_type = 'company' and s.id = m.loser_id
),

renamed as (
    select
        source,
        id as source_id,
        id as account_id,
        program,
        level,
        try_cast(level_since as date) as since,
        known_at as extracted_at,
        coalesce(try_cast(is_deleted as boolean), false) or loser_id is not null as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('updated_at') }} as modified_at,
        {{ failed_casts([('level_since', 'date')]) }} as failed_casts,
        load_id,
        file_name,
        file_row
    from held
    where level is not null
)

select * from renamed

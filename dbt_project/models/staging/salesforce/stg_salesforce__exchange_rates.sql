{#-
  What one unit of a currency is worth in the org's corporate currency. The org keeps it the other way round: units of
  the currency for one of the corporate currency. Dated rates go before the one that always holds.
-#}
with source as (
    select * from {{ source('raw_salesforce', 'currency_type') }}
),

all_dated as (
    select * from {{ source('raw_salesforce', 'dated_conversion_rate') }}
),

types as (
    {{ newest_versions('source') }}
),

dated as (
    {{ newest_versions('all_dated') }}
),

corporate as (
    select source, max(iso_code) as iso_code
    from types
    where try_cast(is_corporate as boolean)
    group by source
),

rates as (
    select source, id, iso_code, start_date, next_start_date, conversion_rate, known_at, load_id, file_name, file_row
    from dated
    union all
    select
        t.source, t.id, t.iso_code, cast(null as varchar) as start_date, cast(null as varchar) as next_start_date,
        t.conversion_rate, t.known_at, t.load_id, t.file_name, t.file_row
    from types as t
    where not exists (select 1 from dated as d where d.source = t.source and d.iso_code = t.iso_code)
),

renamed as (
    select
        r.source,
        r.id as source_id,
        r.iso_code as currency,
        c.iso_code as to_currency,
        try_cast(r.start_date as date) as valid_from,
        try_cast(r.next_start_date as date) as valid_to,
        cast(1 / nullif(try_cast(r.conversion_rate as double), 0) as decimal(18,8)) as rate,
        r.known_at as extracted_at,
        cast(false as boolean) as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        {{ failed_casts([
            ('r.start_date', 'date'), ('r.next_start_date', 'date'), ('r.conversion_rate', 'double')
        ]) }} as failed_casts,
        r.load_id,
        r.file_name,
        r.file_row
    from rates as r
    left join corporate as c on r.source = c.source
)

select * from renamed

{{ config(materialized='ephemeral') }}

{#-
  What one unit of a currency is worth in the reporting currency: as the deployment file says; for currencies that it
  does not name, as the source itself says, through the currency that its rates lead to. A source's rate without an end
  lasts until its next one begins; a deal of a day before its first rate has none.
-#}
{%- if is_offered('exchange_rates') %}
with context as (
    select reporting_currency from {{ ref('stg_deployment__run_context') }}
),

deployed as (
    select * from {{ ref('stg_deployment__exchange_rates') }}
),

told as (
    select
        x.source,
        x.currency,
        coalesce(x.to_currency, s.default_currency, c.reporting_currency) as to_currency,
        x.valid_from,
        x.valid_to,
        x.rate
    from {{ ref('int_exchange_rates') }} as x
    left join {{ ref('stg_deployment__source_settings') }} as s on x.source = s.source
    cross join context as c
    where not x.is_deleted and not exists (select 1 from deployed as d where d.currency = x.currency)
),

-- One way to the reporting currency: the direct one, else the first by name that the deployment has a rate for.
ways as (
    select t.source, t.currency, t.to_currency
    from (
        select
            t.source, t.currency, t.to_currency,
            row_number() over (
                partition by t.source, t.currency
                order by case when t.to_currency = c.reporting_currency then 0 else 1 end, t.to_currency
            ) as place
        from (select distinct source, currency, to_currency from told) as t
        cross join context as c
        where exists (select 1 from deployed as d where d.currency = t.to_currency)
    ) as t
    where t.place = 1
),

periods as (
    select
        t.source,
        t.currency,
        t.to_currency,
        coalesce(t.valid_from, date '1900-01-01') as valid_from,
        coalesce(
            t.valid_to,
            lead(t.valid_from) over (partition by t.source, t.currency order by t.valid_from nulls first),
            date '9999-12-31'
        ) as valid_to,
        t.rate
    from told as t
    inner join ways as w on t.source = w.source and t.currency = w.currency and t.to_currency = w.to_currency
)

select cast(null as varchar) as source, currency, valid_from, valid_to, rate from deployed
union all
select
    p.source,
    p.currency,
    greatest(p.valid_from, d.valid_from) as valid_from,
    least(p.valid_to, d.valid_to) as valid_to,
    cast(p.rate * d.rate as decimal(18,8)) as rate
from periods as p
inner join deployed as d
    on p.to_currency = d.currency and p.valid_from < d.valid_to and d.valid_from < p.valid_to
{%- else %}
select currency, valid_from, valid_to, rate from {{ ref('stg_deployment__exchange_rates') }}
{%- endif %}

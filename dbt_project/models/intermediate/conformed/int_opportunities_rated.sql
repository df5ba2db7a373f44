{{ config(materialized='ephemeral') }}

{#- Opportunities with the currency they are in and the rate of their close date (or creation, while none is set). -#}
with facts as (
    select * from {{ ref('int_opportunities_unioned') }}
),

priced as (
    select
        f.*,
        coalesce(f.currency, s.default_currency, c.reporting_currency) as settled_currency,
        coalesce(f.close_date, cast(f.created_at as date), cast(f.extracted_at as date)) as rate_date
    from facts as f
    left join {{ ref('stg_deployment__source_settings') }} as s on f.source = s.source
    cross join {{ ref('stg_deployment__run_context') }} as c
)

select
    p.*,
    r.rate
from priced as p
left join {{ ref('int_currency_rates') }} as r
    on {{ rate_applies('p', 'r') }}

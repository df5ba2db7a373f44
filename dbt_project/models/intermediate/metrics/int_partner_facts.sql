{{ config(alias='partner_facts') }}

{#-
  Facts of a programme's own, each with the partner it is about: by partner number, else by the record's id in the
  source that tells it. Facts about nobody on the roster feed nothing.
-#}
-- A number means the partner that the first record with it belongs to, also where a crosswalk has joined two numbers.
with numbers as (
    select r.partner_number, min_by(l.partner_id, {{ record_order('r') }}) as partner_id
    from {{ ref('int_partner_records') }} as r
    inner join {{ ref('int_partner_links') }} as l on r.source = l.source and r.source_id = l.source_id
    where r.partner_number is not null
    group by r.partner_number
)

select
    coalesce(n.partner_id, l.partner_id) as partner_id,
    f.metric as fact_metric,
    cast(f.fact_date as date) as fact_date,
    cast(f.value as decimal(28,6)) as value,
    f.subject,
    f.attributes,
    f.source || '/' || f.source_id as fact_id
from {{ ref('int_metric_facts') }} as f
left join numbers as n on f.partner = n.partner_number
left join {{ ref('int_partner_links') }} as l on f.source = l.source and f.partner = l.source_id
where coalesce(n.partner_id, l.partner_id) is not null and not f.is_deleted and not f.is_test

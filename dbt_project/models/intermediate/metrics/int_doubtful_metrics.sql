{{ config(alias='doubtful_metrics') }}

{#-
  What records that were set aside leave in doubt: the metrics of the partner that a record names, over its entity, from
  the quarter of its day on (`from_index`; all quarters where no day of it can be read). A deal is doubted of whom its
  link rows credit: set aside, it takes them along. A copy of a row of which the newest version stands leaves nothing in
  doubt. Records that name nobody on the roster, accounts and exchange rates are not followed.

  Where nothing was set aside every join here has an empty side.
-#}
{%- set followed = [
    'partners', 'meetings', 'account_overlaps', 'overlap_counts', 'partner_users', 'deal_registrations',
    'training_records', 'activity_events', 'mdf_requests', 'mdf_claims', 'transactions', 'csat_responses',
    'business_plans', 'metric_facts'
] %}
with deals_aside as (
    select
        source, about,
        count(case when reject_reason not in {{ harmless_reasons() }} then 1 end) as doubt_count,
        case when count(dated) = count(*) then min(dated) end as dated
    from {{ ref('int_opportunities_set_aside') }}
    where about is not null
    group by source, about
),

-- Of a deal that the source deleted nothing is in doubt, though its link rows point at nothing.
credits_aside as (
    select
        l.source, l.named, l.about, d.dated,
        case when d.about is null then 'opportunity_partners' else 'opportunities' end as entity
    from {{ ref('int_opportunity_partners_set_aside') }} as l
    left join deals_aside as d on l.source = d.source and l.about = d.about
    where l.named is not null and l.reject_reason not in {{ harmless_reasons() }} and l.reject_reason <> 'duplicate_id'
        and coalesce(d.doubt_count, 1) > 0
),

standing_deals as (
    select o.source, o.source_id as about, cast(o.created_at as date) as dated
    from {{ ref('int_opportunities') }} as o
    inner join (select distinct source, about from credits_aside) as c on o.source = c.source and o.source_id = c.about
),

records as (
    {%- for entity in followed if is_offered(entity) %}
    select
        '{{ entity }}' as entity, source, named, dated,
        load_id || '/' || coalesce(file_name, '') || '/' || coalesce(cast(file_row as varchar), '') as record
    from {{ ref('int_' ~ ('source_partners' if entity == 'partners' else entity) ~ '_set_aside') }}
    where named is not null and reject_reason not in {{ harmless_reasons() }} and reject_reason <> 'duplicate_id'
    union all
    {%- endfor %}
    select
        c.entity, c.source, c.named, coalesce(c.dated, s.dated) as dated,
        c.source || '/' || coalesce(c.about, '') as record
    from credits_aside as c
    left join standing_deals as s on c.source = s.source and c.about = s.about
),

accounts as (
    select source_id, partner_id from {{ ref('int_partner_links') }} where kind = 'crm'
),

links as (
    select source, source_id, partner_id from {{ ref('int_partner_links') }}
    {%- if is_offered('partners') %}
    union all
    -- A portal's record that was set aside links nobody any more, but says whose it was.
    select p.source, p.source_id, a.partner_id
    from {{ ref('int_source_partners_set_aside') }} as p
    inner join accounts as a on p.named = a.source_id
    where p.reject_reason not in {{ harmless_reasons() }} and p.reject_reason <> 'duplicate_id'
    {%- endif %}
),

reached as (
    select r.entity, r.record, r.dated, l.partner_id
    from records as r
    inner join links as l on r.source = l.source and r.named = l.source_id
    where r.entity <> 'partners'
    union
    select r.entity, r.record, r.dated, p.partner_id
    from records as r
    inner join {{ ref('int_partners') }} as p on r.named = p.partner_number
    where r.entity = 'metric_facts'
    union
    select r.entity, r.record, r.dated, a.partner_id
    from records as r
    inner join accounts as a on r.named = a.source_id
    where r.entity = 'partners'
),

since as (
    select r.entity, r.record, r.partner_id, min(q.quarter_index) as from_index
    from reached as r
    inner join {{ ref('stg_deployment__quarters') }} as q on r.dated is null or r.dated <= q.quarter_end
    group by r.entity, r.record, r.partner_id
),

metrics as (
    select metric from {{ ref('metric_catalogue') }}
    union all
    select '(metric_facts)'
)

select s.partner_id, m.metric, s.entity, s.from_index, cast(count(*) as integer) as record_count
from since as s
inner join {{ ref('entity_metrics') }} as e on s.entity = e.entity
inner join metrics as m on e.metric in ('*', m.metric)
group by s.partner_id, m.metric, s.entity, s.from_index

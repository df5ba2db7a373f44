{{ config(alias='metric_values') }}

{#-
  Long: a metric is one select. Only what a policy reads is laid down. `is_observed` is false where nobody can know: no
  system that knows the partner offers the facts, a window that is not full, a ratio without a denominator; then the
  value is null, never 0.
-#}
with uses as (
    select distinct source_metric as metric, window_id, window_quarters, window_complete, window_lag from {{ ref('int_policy_metrics') }}
),

produced as (
    select distinct partner_id from {{ ref('int_partner_knowledge') }} where entity = 'opportunity_partners'
),

windows as (
    select
        w.*,
        p.crm_created_date,
        k.partner_id is not null as has_production
    from {{ ref('int_partner_windows') }} as w
    inner join {{ ref('int_partners') }} as p on w.partner_id = p.partner_id
    left join produced as k on w.partner_id = k.partner_id
)

{% for metric, value, known in production_metrics() %}
select
    w.partner_id, w.quarter_index, w.window_id, u.metric,
    {{ metric_value(value, 'w.has_production and w.is_observed and (' ~ known ~ ')') }}
from windows as w
inner join uses as u on w.window_id = u.window_id and u.metric = '{{ metric }}'
{{ 'union all' if not loop.last }}
{% endfor %}
{%- if table_if_offered(activity_entities()) == 'table' -%}
{% for metric, value, known, entity in activity_metrics() if is_offered(entity) %}
union all
select
    w.partner_id, w.quarter_index, u.window_id, u.metric,
    {{ metric_value(value, 'k.partner_id is not null and w.is_observed and (' ~ known ~ ')') }}
from {{ ref('int_partner_activity_windows') }} as w
inner join uses as u
    on u.metric = '{{ metric }}' and w.window_quarters = u.window_quarters and w.window_complete = u.window_complete
    and w.window_lag = u.window_lag
left join {{ ref('int_partner_knowledge') }} as k on w.partner_id = k.partner_id and k.entity = '{{ entity }}'
{% endfor %}
{%- endif -%}
{%- if is_offered('mdf_claims') %}
union all
select
    w.partner_id, w.quarter_index, u.window_id, u.metric,
    {{ metric_value(
        'cast(p.sourced_won_amount as double) / nullif(cast(w.mdf_spent_amount as double), 0)',
        'k.partner_id is not null and p.has_production and p.is_observed and w.mdf_spent_amount > 0'
    ) }}
from {{ ref('int_partner_activity_windows') }} as w
inner join uses as u
    on u.metric = 'mdf_return_ratio' and w.window_quarters = u.window_quarters and w.window_complete = u.window_complete
    and w.window_lag = u.window_lag
inner join windows as p
    on w.partner_id = p.partner_id and w.quarter_index = p.quarter_index and u.window_id = p.window_id
left join {{ ref('int_partner_knowledge') }} as k on w.partner_id = k.partner_id and k.entity = 'mdf_claims'
{% endif -%}
{%- if is_offered('transactions') %}
union all
select
    w.partner_id, w.quarter_index, w.window_id, u.metric,
    {{ metric_value('count(distinct t.product)', 'max(k.partner_id) is not null and bool_and(w.is_observed)') }}
from windows as w
inner join uses as u on w.window_id = u.window_id and u.metric = 'product_lines_sold'
left join {{ ref('int_partner_knowledge') }} as k on w.partner_id = k.partner_id and k.entity = 'transactions'
left join {{ ref('int_partner_products') }} as t
    on w.partner_id = t.partner_id and t.quarter_index <= w.quarter_index - u.window_lag
    and t.quarter_index > w.quarter_index - u.window_lag - u.window_quarters
group by w.partner_id, w.quarter_index, w.window_id, u.metric
{% endif -%}
{%- for metric, entity in standing_metrics() if is_offered(entity) %}
union all
select
    r.partner_id, r.quarter_index, u.window_id, u.metric,
    {{ metric_value('s.' ~ metric, 's.' ~ metric ~ ' is not null') }}
from {{ ref('int_partner_quarters') }} as r
inner join uses as u on u.metric = '{{ metric }}'
left join {{ ref('int_partner_standing') }} as s
    on r.partner_id = s.partner_id and s.quarter_index = r.quarter_index - u.window_lag
{% endfor -%}
{%- if table_if_offered(['account_overlaps', 'overlap_counts']) == 'table' -%}
{% for metric, value, known in overlap_metrics() %}
union all
select
    r.partner_id, r.quarter_index, u.window_id, u.metric,
    {{ metric_value(value, 'o.partner_id is not null and (' ~ known ~ ')') }}
from {{ ref('int_partner_quarters') }} as r
inner join uses as u on u.metric = '{{ metric }}'
left join {{ ref('int_partner_overlaps') }} as o
    on r.partner_id = o.partner_id and o.quarter_index = r.quarter_index - u.window_lag
{% endfor %}
{%- endif %}
{%- if unknown_metrics() %}
union all
-- Metrics of systems that are not connected: asked for by a policy, known by nobody.
select
    r.partner_id, r.quarter_index, u.window_id, u.metric,
    cast(null as decimal(28,6)) as value,
    false as is_observed
from {{ ref('int_partner_quarters') }} as r
inner join uses as u on u.metric in ('{{ unknown_metrics() | join("', '") }}')
{%- endif %}

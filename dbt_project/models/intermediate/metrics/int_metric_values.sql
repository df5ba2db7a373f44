{{ config(alias='metric_values') }}

{#-
  Long: a metric is one select. Only what a policy reads is laid down. `is_observed` is false where nobody can know:
  no connected CRM, a window that is not full, a ratio without a denominator; then the value is null, never 0.
-#}
with windows as (
    select
        w.*,
        p.joined_date,
        exists (
            select 1 from {{ ref('stg_deployment__capabilities') }} as c where c.entity = 'opportunity_partners'
        ) as has_production
    from {{ ref('int_partner_windows') }} as w
    inner join {{ ref('int_partners') }} as p on w.partner_id = p.partner_id
),

uses as (
    select distinct metric, window_id from {{ ref('int_policy_metrics') }}
)

{% for metric, value, known in production_metrics() %}
select
    w.partner_id, w.quarter_index, w.window_id, u.metric,
    -- Rounded as a decimal, half up: a double cast straight to six digits rounds half to even.
    case when w.has_production and w.is_observed and ({{ known }})
        then cast(round(cast({{ value }} as decimal(28,10)), 6) as decimal(28,6))
    end as value,
    w.has_production and w.is_observed and ({{ known }}) as is_observed
from windows as w
inner join uses as u on w.window_id = u.window_id and u.metric = '{{ metric }}'
{{ 'union all' if not loop.last }}
{% endfor %}

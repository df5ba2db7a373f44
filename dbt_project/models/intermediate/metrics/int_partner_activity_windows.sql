{{ config(alias='partner_activity_windows', materialized=table_if_offered(activity_entities())) }}

{#-
  Activity over trailing windows, in the same way as production (int_partner_windows). A window sums every quarter it
  covers, also those before the partner stood on the roster: a portal may know it longer than the CRM.
-#}
with windows as (
    select distinct window_quarters, window_complete, window_lag from {{ ref('int_policy_metrics') }}
    union
    select window_quarters, window_complete, 0 as window_lag from {{ ref('stg_policy__policies') }}
),

running as (
    select
        r.partner_id, q.quarter_index,
        {% for measure in activity_measures() -%}
        sum(coalesce(m.{{ measure }}, 0)) over (
            partition by r.partner_id order by q.quarter_index
            rows between unbounded preceding and current row
        ) as {{ measure }}{{ ',' if not loop.last }}
        {% endfor -%}
    from {{ ref('int_partners') }} as r
    cross join {{ ref('stg_deployment__quarters') }} as q
    left join {{ ref('int_partner_quarter_activity') }} as m
        on r.partner_id = m.partner_id and q.quarter_index = m.quarter_index
)

select
    n.partner_id,
    n.quarter_index,
    w.window_quarters,
    w.window_complete,
    w.window_lag,
    n.quarter_index - w.window_lag >= n.start_index
    and (not w.window_complete or n.quarter_index - w.window_lag - w.window_quarters + 1 >= n.start_index) as is_observed,
    {% for measure in activity_measures() -%}
    coalesce(t.{{ measure }}, 0) - coalesce(f.{{ measure }}, 0) as {{ measure }}{{ ',' if not loop.last }}
    {% endfor -%}
from {{ ref('int_partner_quarters') }} as n
cross join windows as w
left join running as t on n.partner_id = t.partner_id and t.quarter_index = n.quarter_index - w.window_lag
left join running as f
    on n.partner_id = f.partner_id and f.quarter_index = n.quarter_index - w.window_lag - w.window_quarters

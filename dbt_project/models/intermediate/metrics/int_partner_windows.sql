{{ config(alias='partner_windows') }}

{#-
  Trailing windows by differences of cumulative sums, one join per bound: windows are rows of the policies, so their
  length cannot stand in a frame clause. Amounts are decimals, so differences are exact.
-#}
with windows as (
    select distinct window_id, attribution, window_quarters, window_complete, window_lag from {{ ref('int_policy_metrics') }}
    union
    select
        attribution || '/' || cast(window_quarters as varchar) || '/0' || case when window_complete then '/complete' else '' end,
        attribution, window_quarters, window_complete, 0
    from {{ ref('stg_policy__policies') }}
),

attributions as (
    select distinct attribution from windows
),

running as (
    select
        r.partner_id, a.attribution, r.quarter_index, r.start_index,
        {% for measure in additive_measures() -%}
        sum(coalesce(m.{{ measure }}, 0)) over (
            partition by r.partner_id, a.attribution order by r.quarter_index
            rows between unbounded preceding and current row
        ) as {{ measure }}{{ ',' if not loop.last }}
        {% endfor -%}
    from {{ ref('int_partner_quarters') }} as r
    cross join attributions as a
    left join {{ ref('int_partner_quarter_measures') }} as m
        on r.partner_id = m.partner_id and a.attribution = m.attribution and r.quarter_index = m.quarter_index
),

-- Over all deals there are: a partner's first one may lie before the quarters that are rebuilt.
first_wins as (
    select partner_id, attribution, min(close_date) as first_won_date
    from {{ ref('int_opportunity_credits') }}
    where kind = 'production' and is_won
    group by partner_id, attribution
)

select
    n.partner_id,
    n.quarter_index,
    w.window_id,
    -- Nobody knows a window that ends before there is any data, nor one that must be complete and is not.
    n.quarter_index - w.window_lag >= n.start_index
    and (not w.window_complete or n.quarter_index - w.window_lag - w.window_quarters + 1 >= n.start_index) as is_observed,
    n.quarter_index - w.window_lag - 2 * w.window_quarters + 1 >= n.start_index as has_window_before,
    case when d.first_won_date <= q.quarter_end then d.first_won_date end as first_won_date,
    {% for measure in additive_measures() -%}
    coalesce(t.{{ measure }}, 0) - coalesce(f.{{ measure }}, 0) as {{ measure }},
    {% endfor -%}
    coalesce(f.sourced_won_amount, 0) - coalesce(b.sourced_won_amount, 0) as sourced_won_amount_before
from running as n
inner join windows as w on n.attribution = w.attribution
left join running as t
    on n.partner_id = t.partner_id and n.attribution = t.attribution and t.quarter_index = n.quarter_index - w.window_lag
left join running as f
    on n.partner_id = f.partner_id and n.attribution = f.attribution
    and f.quarter_index = n.quarter_index - w.window_lag - w.window_quarters
left join running as b
    on n.partner_id = b.partner_id and n.attribution = b.attribution
    and b.quarter_index = n.quarter_index - w.window_lag - 2 * w.window_quarters
left join first_wins as d on n.partner_id = d.partner_id and n.attribution = d.attribution
left join {{ ref('stg_deployment__quarters') }} as q on q.quarter_index = n.quarter_index - w.window_lag

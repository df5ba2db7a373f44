{#- The measures of metrics.partner_quarter_measures that add up over quarters. -#}
{%- macro additive_measures() -%}
{{ return([
    'won_amount', 'sourced_won_amount', 'influenced_won_amount', 'sourced_pipeline_amount',
    'influenced_pipeline_amount', 'won_deals', 'decided_deals', 'cycle_days', 'cycle_deals', 'new_customers',
    'active_quarters'
]) }}
{%- endmacro -%}

{#-
  The metrics of the catalogue that partner windows give, each as a value and the condition under which it is known.
  Ratios are doubles rounded once to six digits, so that a bar compares with what a person reads.
-#}
{%- macro production_metrics() -%}
{{ return([
    ('sourced_pipeline_amount', 'sourced_pipeline_amount', 'true'),
    ('influenced_pipeline_amount', 'influenced_pipeline_amount', 'true'),
    ('sourced_won_amount', 'sourced_won_amount', 'true'),
    ('influenced_won_amount', 'influenced_won_amount', 'true'),
    ('won_deals', 'won_deals', 'true'),
    ('decided_deals', 'decided_deals', 'true'),
    ('win_rate', 'cast(won_deals as double) / nullif(decided_deals, 0)', 'decided_deals > 0'),
    ('average_deal_amount', 'cast(won_amount as double) / nullif(won_deals, 0)', 'won_deals > 0'),
    ('sales_cycle_days', 'cast(cycle_days as double) / nullif(cycle_deals, 0)', 'cycle_deals > 0'),
    (
        'pipeline_velocity_amount',
        'cast(won_amount as double) * won_deals / nullif(decided_deals, 0) * cycle_deals / nullif(cycle_days, 0)',
        'won_deals > 0 and cycle_days > 0'
    ),
    (
        'growth_rate',
        'cast(sourced_won_amount as double) / nullif(cast(sourced_won_amount_before as double), 0) - 1',
        'has_window_before and sourced_won_amount_before > 0'
    ),
    ('active_quarters', 'active_quarters', 'true'),
    ('new_customers', 'new_customers', 'true'),
    ('days_to_first_deal', days_between('crm_created_date', 'first_won_date'), 'first_won_date is not null and crm_created_date is not null')
]) }}
{%- endmacro -%}

{#- The two columns that every metric's select ends with. A double cast straight to six digits would round half to even. -#}
{%- macro metric_value(value, known) -%}
case when {{ known }} then cast(round(cast({{ value }} as decimal(28,10)), 6) as decimal(28,6)) end as value,
    {{ known }} as is_observed
{%- endmacro -%}

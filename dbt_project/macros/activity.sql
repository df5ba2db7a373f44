{#- The entities that activity is counted from; where nobody offers any of them, nothing is laid down. -#}
{%- macro activity_entities() -%}
{{ return([
    'meetings', 'training_records', 'deal_registrations', 'activity_events', 'mdf_requests', 'mdf_claims',
    'csat_responses', 'business_plans'
]) }}
{%- endmacro -%}

{%- macro table_if_offered(entities) -%}
{%- set found = [] -%}
{%- for entity in entities if is_offered(entity) -%}{%- do found.append(entity) -%}{%- endfor -%}
{{ return('table' if found else 'ephemeral') }}
{%- endmacro -%}

{#- The measures of metrics.partner_quarter_activity; every one adds up over quarters. -#}
{%- macro activity_measures() -%}
{{ return({
    'meetings_held': 'bigint', 'meeting_minutes': 'decimal(28,4)', 'trainings_completed': 'bigint',
    'registrations_submitted': 'bigint', 'registrations_accepted': 'bigint', 'registrations_decided': 'bigint',
    'registrations_won': 'bigint', 'decision_days': 'bigint', 'timed_decisions': 'bigint',
    'portal_active_days': 'bigint', 'content_views': 'bigint',
    'mdf_requested_amount': 'decimal(28,4)', 'mdf_spent_amount': 'decimal(28,4)', 'csat_points': 'decimal(28,10)',
    'csat_responses': 'bigint', 'business_plans_held': 'bigint'
}) }}
{%- endmacro -%}

{#- Facts of an entity with the partner they belong to and the quarter of a moment of theirs. -#}
{%- macro placed_facts(entity, moment, link='partner_id') -%}
select f.*, l.partner_id as roster_partner_id, d.quarter_index
    from {{ ref('int_' ~ entity) }} as f
    inner join {{ ref('int_partner_links') }} as l on f.source = l.source and f.{{ link }} = l.source_id
    inner join {{ ref('stg_deployment__days') }} as d on cast(f.{{ moment }} as date) = d.day
    where not f.is_deleted and not f.is_test
{%- endmacro -%}

{#-
  The metrics that activity gives: name, value, condition under which it is known, and the entity that some system which
  knows the partner must offer.
-#}
{%- macro activity_metrics() -%}
{{ return([
    ('partner_manager_hours', 'meeting_minutes / 60', 'true', 'meetings'),
    ('meetings_held', 'meetings_held', 'true', 'meetings'),
    ('trainings_completed', 'trainings_completed', 'true', 'training_records'),
    ('registrations_submitted', 'registrations_submitted', 'true', 'deal_registrations'),
    ('registrations_accepted', 'registrations_accepted', 'true', 'deal_registrations'),
    (
        'acceptance_rate',
        'cast(registrations_accepted as double) / nullif(registrations_decided, 0)',
        'registrations_decided > 0',
        'deal_registrations'
    ),
    ('registrations_won', 'registrations_won', 'true', 'deal_registrations'),
    ('portal_active_days', 'portal_active_days', 'true', 'activity_events'),
    ('content_views', 'content_views', 'true', 'activity_events'),
    ('mdf_requested_amount', 'mdf_requested_amount', 'true', 'mdf_requests'),
    ('mdf_spent_amount', 'mdf_spent_amount', 'true', 'mdf_claims'),
    (
        'csat_average',
        'cast(csat_points as double) / nullif(csat_responses, 0)',
        'csat_responses > 0',
        'csat_responses'
    ),
    ('csat_responses', 'csat_responses', 'true', 'csat_responses'),
    ('business_plans_held', 'business_plans_held', 'true', 'business_plans')
]) }}
{%- endmacro -%}

{#- The metrics of what is true at a quarter's end: name and the entity they rest on. -#}
{%- macro standing_metrics() -%}
{{ return([
    ('certified_people', 'training_records'), ('active_certifications', 'training_records'),
    ('days_to_enablement', 'training_records'), ('strategic_flag', 'metric_facts')
]) }}
{%- endmacro -%}

{#- Metrics that no connected source can feed. -#}
{%- macro unknown_metrics() -%}
{%- set found = [] -%}
{%- for metric, value, known, entity in activity_metrics() if not is_offered(entity) -%}{%- do found.append(metric) -%}{%- endfor -%}
{%- for metric, entity in standing_metrics() if not is_offered(entity) -%}{%- do found.append(metric) -%}{%- endfor -%}
{%- if not is_offered('mdf_claims') -%}{%- do found.append('mdf_return_ratio') -%}{%- endif -%}
{%- if not is_offered('transactions') -%}{%- do found.append('product_lines_sold') -%}{%- endif -%}
{%- if table_if_offered(['account_overlaps', 'overlap_counts']) != 'table' -%}
{%- for metric, value, known in overlap_metrics() -%}{%- do found.append(metric) -%}{%- endfor -%}
{%- endif -%}
{{ return(found) }}
{%- endmacro -%}

{{ config(materialized='ephemeral') }}

{#- Attributes that policies may compare or group by, one row each; the list is held against the policy room by a test. -#}
{% for attribute in ['region', 'country', 'industry', 'motion', 'program_group'] %}
select partner_id, '{{ attribute }}' as attribute, {{ attribute }} as value from {{ ref('int_partners') }}
{{ 'union all' if not loop.last }}
{% endfor %}

{#-
  Only partners that share something have rows. Counts below the deployment's limit are blank: a count of three tells
  who is meant to whoever knows the market.
-#}
{%- set counts = ['overlap_accounts', 'icp_overlap_accounts', 'unique_reach_accounts'] -%}
{%- for column, condition in overlap_counts_of_accounts() -%}{%- do counts.append(column) -%}{%- endfor -%}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
)

select
    o.partner_id,
    p.partner_number,
    p.partner_name,
    r.quarter,
    o.rests_on,
    {% for column in counts -%}
    case when o.{{ column }} between 1 and c.suppress_overlap_below - 1 then null else o.{{ column }} end as {{ column }},
    {% endfor -%}
    cast(round(cast(o.overlap_open_amount as decimal(28,4)), 4) as decimal(28,4)) as overlap_open_amount,
    {% for column in counts -%}
    coalesce(o.{{ column }} between 1 and c.suppress_overlap_below - 1, false){{ ' or ' if not loop.last else ' as is_suppressed,' }}
    {% endfor -%}
    c.policy,
    c.version
from {{ ref('int_partner_overlaps') }} as o
inner join {{ ref('int_partners') }} as p on o.partner_id = p.partner_id
inner join {{ ref('int_partner_quarters') }} as r on o.partner_id = r.partner_id and o.quarter_index = r.quarter_index
cross join context as c

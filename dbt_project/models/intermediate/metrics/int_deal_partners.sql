{{ config(materialized='ephemeral') }}

{#-
  A partner may stand on a deal in several roles or rows; the strongest role speaks. Accounts that are no partners
  (the customer itself, a pseudo-partner) hold no credit, so their deals stay direct.
-#}
select
    o.source,
    o.opportunity_id,
    l.partner_id,
    min(case o.role when 'sourced' then 1 when 'fulfilled' then 2 when 'unknown' then 3 else 4 end) as role_rank,
    max(case when o.role = 'influenced' then 1 else 0 end) as has_influenced,
    max(case when o.is_primary then 1 else 0 end) as is_primary,
    min(p.partner_order) as partner_order
from {{ ref('int_opportunity_partners') }} as o
inner join {{ ref('int_partner_accounts') }} as l on o.source = l.source and o.account_id = l.account_id
inner join {{ ref('int_partners') }} as p on l.partner_id = p.partner_id
where not o.is_deleted and not o.is_test
group by o.source, o.opportunity_id, l.partner_id

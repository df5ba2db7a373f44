{{ config(materialized='ephemeral') }}

{#- Which products a partner sold in a quarter, by the portal's transactions. -#}
select distinct l.partner_id, d.quarter_index, t.product
from {{ ref('int_transactions') }} as t
inner join {{ ref('int_partner_links') }} as l on t.source = l.source and t.partner_id = l.source_id
inner join {{ ref('stg_deployment__days') }} as d on t.transaction_date = d.day
where t.product is not null and t.amount > 0 and coalesce(t.approved, true) and not t.is_deleted and not t.is_test

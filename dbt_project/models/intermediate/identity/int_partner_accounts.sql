{{ config(alias='partner_accounts') }}

{#- The CRM accounts among a partner's records: what production is credited through. -#}
select source, source_id as account_id, partner_id, rule
from {{ ref('int_partner_links') }}
where kind = 'crm'

{{ config(alias='partner_accounts') }}

{#-
  Until other systems name the same partner, a partner is a CRM partner account, and its id follows from the account's
  key alone: a new name, number or region keeps it.
-#}
select
    a.source,
    a.source_id as account_id,
    'p_' || substr(md5(a.source || '/' || a.source_id), 1, 16) as partner_id,
    'crm_account' as rule
from {{ ref('int_accounts') }} as a
where a.is_partner
    and not a.is_deleted
    and not a.is_test
    and not exists (
        select 1 from {{ ref('stg_deployment__pseudo_partners') }} as p
        where p.value in (lower(trim(a.name)), lower(trim(a.partner_number)), lower(a.source_id))
    )

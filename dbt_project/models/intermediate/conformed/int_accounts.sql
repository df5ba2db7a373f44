{{ config(alias='accounts', contract={'enforced': true}) }}

with facts as (
    select * from {{ ref('int_accounts_unioned') }}
)

select
    source, source_id, name, partner_number, domain, country, region, industry, account_type, employees,
    coalesce(is_partner, false)
    or exists (
        select 1 from {{ ref('stg_deployment__partner_account_types') }} as t
        where t.source = facts.source and t.account_type = facts.account_type
    ) as is_partner,
    owner_id, parent_id, created_at, extracted_at, is_deleted, is_test
from facts
where {{ not_set_aside('facts', ref('int_accounts_set_aside')) }}

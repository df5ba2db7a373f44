{{ config(alias='opportunity_partners', contract={'enforced': true}) }}

with facts as (
    select * from {{ ref('int_opportunity_partners_unioned') }}
)

select
    source, source_id, opportunity_id, account_id, role_raw, role, is_primary, extracted_at, is_deleted, is_test
from facts
where {{ not_set_aside('facts', ref('int_opportunity_partners_set_aside')) }}

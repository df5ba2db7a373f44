{{ config(**conformed_config('leads')) }}

with facts as (
    {{ union_entity('leads') }}
)

select
    source,
    source_id,
    partner_id,
    direction,
    status,
    status_raw,
    customer_company,
    customer_email,
    amount,
    currency,
    submitted_at,
    accepted_at,
    converted_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_leads_set_aside')) }}

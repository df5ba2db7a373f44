{{ config(**conformed_config('deal_registrations')) }}

with facts as (
    {{ union_entity('deal_registrations') }}
)

select
    source,
    source_id,
    partner_id,
    partner_user_id,
    crm_opportunity_id,
    customer_company,
    deal_name,
    registration_status,
    registration_status_raw,
    outcome,
    outcome_raw,
    stage,
    amount,
    currency,
    origin,
    submitted_at,
    decided_at,
    expires_at,
    expected_close_date,
    closed_at,
    lost_reason,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_deal_registrations_set_aside')) }}

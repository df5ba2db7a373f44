{{ config(**conformed_config('mdf_requests')) }}

with facts as (
    {{ rated(union_entity('mdf_requests'), 'u.submitted_at') }}
)

select
    source,
    source_id,
    partner_id,
    fund_name,
    activity_type,
    status,
    status_raw,
    requested_amount,
    approved_amount,
    settled_currency as currency,
    submitted_at,
    decided_at,
    activity_start,
    activity_end,
    extracted_at,
    is_deleted,
    is_test,
    cast(cast(requested_amount as decimal(28,4)) * rate as decimal(18,4)) as reporting_requested_amount,
    cast(cast(approved_amount as decimal(28,4)) * rate as decimal(18,4)) as reporting_approved_amount
from facts
where {{ not_set_aside('facts', ref('int_mdf_requests_set_aside')) }}

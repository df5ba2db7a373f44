{{ config(**conformed_config('mdf_claims')) }}

with facts as (
    {{ rated(union_entity('mdf_claims'), 'u.paid_at, u.submitted_at') }}
)

select
    source,
    source_id,
    request_id,
    partner_id,
    status,
    status_raw,
    claimed_amount,
    approved_amount,
    settled_currency as currency,
    submitted_at,
    paid_at,
    extracted_at,
    is_deleted,
    is_test,
    cast(cast(claimed_amount as decimal(28,4)) * rate as decimal(18,4)) as reporting_claimed_amount,
    cast(cast(approved_amount as decimal(28,4)) * rate as decimal(18,4)) as reporting_approved_amount
from facts
where {{ not_set_aside('facts', ref('int_mdf_claims_set_aside')) }}

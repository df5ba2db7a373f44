{{ config(**conformed_config('business_plans')) }}

with facts as (
    {{ union_entity('business_plans') }}
)

select
    source,
    source_id,
    partner_id,
    plan_type,
    period_start,
    period_end,
    status,
    target_amount,
    actual_amount,
    currency,
    meeting_date,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_business_plans_set_aside')) }}

{{ config(**conformed_config('rewards')) }}

with facts as (
    {{ union_entity('rewards') }}
)

select
    source,
    source_id,
    partner_id,
    transaction_id,
    deal_id,
    status,
    status_raw,
    amount,
    currency,
    description,
    earned_at,
    paid_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_rewards_set_aside')) }}

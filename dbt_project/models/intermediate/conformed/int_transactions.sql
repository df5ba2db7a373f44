{{ config(**conformed_config('transactions')) }}

with facts as (
    {{ union_entity('transactions') }}
)

select
    source,
    source_id,
    partner_id,
    customer_id,
    deal_id,
    transaction_date,
    amount,
    currency,
    product,
    approved,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_transactions_set_aside')) }}

{{ config(**conformed_config('exchange_rates')) }}

with facts as (
    {{ union_entity('exchange_rates') }}
)

select
    source,
    source_id,
    currency,
    to_currency,
    valid_from,
    valid_to,
    rate,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_exchange_rates_set_aside')) }}

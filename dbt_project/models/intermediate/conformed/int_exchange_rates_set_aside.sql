{{ config(**set_aside_config('exchange_rates')) }}

with facts as (
    {{ union_entity('exchange_rates') }}
),

{{ set_aside('exchange_rates', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('ends_before_it_starts', "valid_to < valid_from", "'holds until ' || cast(valid_to as varchar) || ', before it begins'"),
    ('currency_missing', "currency is null", "'the rate is of no currency'"),
    ('rate_missing', "rate is null or rate <= 0", "'the rate is ' || coalesce(cast(rate as varchar), 'missing') || ', expected more than 0'")
]) }}

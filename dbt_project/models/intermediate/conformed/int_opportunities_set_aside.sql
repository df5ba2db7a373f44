{{ config(**set_aside_config('opportunities')) }}

with facts as (
    select
        o.*,
        a.source_id as known_account_id
    from {{ ref('int_opportunities_rated') }} as o
    left join {{ ref('int_accounts') }} as a on o.source = a.source and o.account_id = a.source_id
),

{{ set_aside('opportunities', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('state_missing', "is_closed is null or is_won is null", "'IsClosed or IsWon is blank'"),
    ('won_but_open', "is_won and not is_closed", "'won but not closed'"),
    ('close_date_missing', "is_closed and close_date is null", "'closed without a close date'"),
    ('amount_missing', "is_won and amount is null", "'won without an amount'"),
    ('close_date_in_future', "is_closed and close_date > cast(extracted_at as date) + 1", "'closed on ' || cast(close_date as varchar) || ', after the export was taken (' || cast(cast(extracted_at as date) as varchar) || ')'"),
    ('created_in_future', "created_at > extracted_at + interval '1' day", "'created at ' || cast(created_at as varchar) || ', after the export was taken'"),
    ('unknown_account', "known_account_id is null", "'points at account ' || coalesce(account_id, '(none)') || ', which is not there or was set aside'"),
    ('no_exchange_rate', "amount is not null and rate is null", "'no rate for ' || settled_currency || ' on ' || cast(rate_date as varchar)")
]) }}

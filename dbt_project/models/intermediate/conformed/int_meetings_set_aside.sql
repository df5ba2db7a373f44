{{ config(**set_aside_config('meetings')) }}

with unioned as (
    {{ union_entity('meetings') }}
),

facts as (
    select
        f.*,
        a.source_id as known_account_id
    from unioned as f
    left join {{ ref('int_accounts') }} as a on f.source = a.source and f.account_id = a.source_id
),

{{ set_aside('meetings', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('impossible_length', "minutes < 0 or minutes > 1440", "'lasts ' || cast(minutes as varchar) || ' minutes'"),
    ('unknown_account', "known_account_id is null", "'points at account ' || coalesce(account_id, '(none)') || ', which is not there or was set aside'")
]) }}

{{ config(**set_aside_config('program_memberships')) }}

with unioned as (
    {{ union_entity('program_memberships') }}
),

facts as (
    select
        f.*,
        a.source_id as known_account_id
    from unioned as f
    left join {{ ref('int_accounts') }} as a on f.source = a.source and f.account_id = a.source_id
),

{{ set_aside('program_memberships', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('unknown_account', "known_account_id is null", "'points at account ' || coalesce(account_id, '(none)') || ', which is not there or was set aside'")
]) }}

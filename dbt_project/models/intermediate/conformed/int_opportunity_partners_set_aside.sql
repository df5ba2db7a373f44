{{ config(**set_aside_config('opportunity_partners')) }}

with facts as (
    select
        p.*,
        o.source_id as known_opportunity_id,
        a.source_id as known_account_id
    from {{ ref('int_opportunity_partners_unioned') }} as p
    left join {{ ref('int_opportunities') }} as o on p.source = o.source and p.opportunity_id = o.source_id
    left join {{ ref('int_accounts') }} as a on p.source = a.source and p.account_id = a.source_id
),

{{ set_aside('opportunity_partners', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('unknown_opportunity', "known_opportunity_id is null", "'points at opportunity ' || coalesce(opportunity_id, '(none)') || ', which is not there or was set aside'"),
    ('unknown_account', "known_account_id is null", "'points at account ' || coalesce(account_id, '(none)') || ', which is not there or was set aside'")
]) }}

{{ config(**set_aside_config('mdf_claims')) }}

with unioned as (
    {{ rated(union_entity('mdf_claims'), 'u.paid_at, u.submitted_at') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('mdf_claims', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('negative_amount', "claimed_amount < 0 or approved_amount < 0", "'claims ' || coalesce(cast(claimed_amount as varchar), '(nothing)') || ', approved are ' || coalesce(cast(approved_amount as varchar), '(nothing)')"),
    ('submitted_in_future', "submitted_at > extracted_at + interval '1' day", "'submitted at ' || cast(submitted_at as varchar) || ', after the export was taken'"),
    ('no_exchange_rate', "coalesce(claimed_amount, approved_amount) is not null and rate is null", "'no rate for ' || settled_currency || ' on ' || cast(rate_date as varchar)"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

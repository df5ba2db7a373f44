{{ config(**set_aside_config('mdf_requests')) }}

with unioned as (
    {{ rated(union_entity('mdf_requests'), 'u.submitted_at') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('mdf_requests', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('negative_amount', "requested_amount < 0 or approved_amount < 0", "'asks for ' || coalesce(cast(requested_amount as varchar), '(nothing)') || ', approved are ' || coalesce(cast(approved_amount as varchar), '(nothing)')"),
    ('ends_before_it_starts', "activity_end < activity_start", "'ends on ' || cast(activity_end as varchar) || ', before it starts'"),
    ('no_exchange_rate', "coalesce(requested_amount, approved_amount) is not null and rate is null", "'no rate for ' || settled_currency || ' on ' || cast(rate_date as varchar)"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

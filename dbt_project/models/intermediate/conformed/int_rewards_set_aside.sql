{{ config(**set_aside_config('rewards')) }}

with unioned as (
    {{ union_entity('rewards') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('rewards', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('earned_in_future', "earned_at > extracted_at + interval '1' day", "'earned at ' || cast(earned_at as varchar) || ', after the export was taken'"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

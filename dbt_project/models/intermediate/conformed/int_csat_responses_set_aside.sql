{{ config(**set_aside_config('csat_responses')) }}

with unioned as (
    {{ union_entity('csat_responses') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('csat_responses', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('answered_in_future', "responded_at > extracted_at + interval '1' day", "'answered at ' || cast(responded_at as varchar) || ', after the export was taken'"),
    ('impossible_answer', "scale_max <= 0 or score < 0 or score > scale_max", "'answer ' || cast(score as varchar) || ' on a scale to ' || coalesce(cast(scale_max as varchar), '(none)')"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

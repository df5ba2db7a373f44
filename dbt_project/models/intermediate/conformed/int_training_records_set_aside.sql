{{ config(**set_aside_config('training_records')) }}

with unioned as (
    {{ union_entity('training_records') }}
),

facts as (
    select
        f.*,
        p.source_id as known_partner_id
    from unioned as f
    left join {{ ref('int_source_partners') }} as p on f.source = p.source and f.partner_id = p.source_id
),

{{ set_aside('training_records', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('impossible_progress', "progress_pct < 0 or progress_pct > 100", "'progress is ' || cast(progress_pct as varchar) || ' per cent'"),
    ('completed_in_future', "completed_at > extracted_at + interval '1' day", "'completed at ' || cast(completed_at as varchar) || ', after the export was taken'"),
    ('expires_before_completion', "expires_at < completed_at", "'expires at ' || cast(expires_at as varchar) || ', before it was completed'"),
    ('unknown_partner', "known_partner_id is null", "'points at partner ' || coalesce(partner_id, '(none)') || ', which is not there or was set aside'")
]) }}

{{ config(**set_aside_config('opportunity_stage_changes')) }}

with unioned as (
    {{ union_entity('opportunity_stage_changes') }}
),

facts as (
    select
        f.*,
        o.source_id as known_opportunity_id
    from unioned as f
    left join {{ ref('int_opportunities') }} as o on f.source = o.source and f.opportunity_id = o.source_id
),

{{ set_aside('opportunity_stage_changes', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('changed_in_future', "changed_at > extracted_at + interval '1' day", "'changed at ' || cast(changed_at as varchar) || ', after the export was taken'"),
    ('unknown_opportunity', "known_opportunity_id is null", "'points at opportunity ' || coalesce(opportunity_id, '(none)') || ', which is not there or was set aside'")
]) }}

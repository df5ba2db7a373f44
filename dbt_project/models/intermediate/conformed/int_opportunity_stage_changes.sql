{{ config(**conformed_config('opportunity_stage_changes')) }}

with facts as (
    {{ union_entity('opportunity_stage_changes') }}
)

select
    source,
    source_id,
    opportunity_id,
    from_stage,
    to_stage,
    amount,
    changed_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_opportunity_stage_changes_set_aside')) }}

{{ config(**conformed_config('training_records')) }}

with facts as (
    {{ union_entity('training_records') }}
)

select
    source,
    source_id,
    partner_id,
    user_id,
    user_email,
    item_name,
    record_type,
    record_type_raw,
    status,
    status_raw,
    progress_pct,
    enrolled_at,
    completed_at,
    expires_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_training_records_set_aside')) }}

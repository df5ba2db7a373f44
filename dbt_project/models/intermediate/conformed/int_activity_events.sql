{{ config(**conformed_config('activity_events')) }}

with facts as (
    {{ union_entity('activity_events') }}
)

select
    source,
    source_id,
    partner_id,
    user_id,
    user_email,
    event_type,
    event_type_raw,
    object_type,
    object_name,
    occurred_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_activity_events_set_aside')) }}

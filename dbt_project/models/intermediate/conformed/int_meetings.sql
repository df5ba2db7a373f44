{{ config(**conformed_config('meetings')) }}

with facts as (
    {{ union_entity('meetings') }}
)

select
    source,
    source_id,
    owner_id,
    account_id,
    started_at,
    minutes,
    kind,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_meetings_set_aside')) }}

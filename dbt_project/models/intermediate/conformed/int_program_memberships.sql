{{ config(**conformed_config('program_memberships')) }}

with facts as (
    {{ union_entity('program_memberships') }}
)

select
    source,
    source_id,
    account_id,
    program,
    level,
    since,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_program_memberships_set_aside')) }}

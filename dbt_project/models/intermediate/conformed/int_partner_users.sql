{{ config(**conformed_config('partner_users')) }}

with facts as (
    {{ union_entity('partner_users') }}
)

select
    source,
    source_id,
    partner_id,
    email,
    first_name,
    last_name,
    job_title,
    role,
    is_active,
    is_primary,
    created_at,
    last_login_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_partner_users_set_aside')) }}

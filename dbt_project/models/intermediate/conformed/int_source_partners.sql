{{ config(**conformed_config('partners')) }}

with facts as (
    {{ union_entity('partners') }}
)

select
    source,
    source_id,
    name,
    domain,
    sharing_level,
    crm_account_id,
    status,
    status_raw,
    program_group,
    tier,
    motion,
    motion_raw,
    region,
    country,
    industry,
    joined_at,
    manager,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_source_partners_set_aside')) }}

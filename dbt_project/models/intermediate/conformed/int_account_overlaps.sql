{{ config(**conformed_config('account_overlaps')) }}

with facts as (
    {{ union_entity('account_overlaps') }}
)

select
    source,
    source_id,
    partner_id,
    own_account_id,
    domain,
    own_population,
    own_population_raw,
    partner_population,
    partner_population_raw,
    matched_at,
    partner_owner,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_account_overlaps_set_aside')) }}

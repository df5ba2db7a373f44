{{ config(**conformed_config('overlap_counts')) }}

with facts as (
    {{ union_entity('overlap_counts') }}
)

select
    source,
    source_id,
    partner_id,
    own_population,
    own_population_raw,
    partner_population,
    partner_population_raw,
    account_count,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_overlap_counts_set_aside')) }}

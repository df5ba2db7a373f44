{{ config(**conformed_config('csat_responses')) }}

with facts as (
    {{ union_entity('csat_responses') }}
)

select
    source,
    source_id,
    partner_id,
    user_email,
    survey_name,
    score,
    scale_max,
    comment,
    responded_at,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_csat_responses_set_aside')) }}

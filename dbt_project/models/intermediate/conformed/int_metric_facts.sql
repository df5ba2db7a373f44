{{ config(**conformed_config('metric_facts')) }}

with facts as (
    {{ union_entity('metric_facts') }}
)

select
    source,
    source_id,
    partner,
    metric,
    fact_date,
    value,
    subject,
    attributes,
    extracted_at,
    is_deleted,
    is_test
from facts
where {{ not_set_aside('facts', ref('int_metric_facts_set_aside')) }}

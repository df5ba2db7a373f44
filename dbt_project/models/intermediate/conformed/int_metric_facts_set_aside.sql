{{ config(**set_aside_config('metric_facts')) }}

with facts as (
    {{ union_entity('metric_facts') }}
),

{{ set_aside('metric_facts', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('fact_incomplete', "metric is null or fact_date is null or value is null", "'metric, date or value is blank'")
]) }}

{{ config(**set_aside_config('partners')) }}

with facts as (
    {{ union_entity('partners') }}
),

{{ set_aside('partners', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('name_missing', "name is null", "'the partner has no name'")
]) }}

{{ config(**set_aside_config('accounts')) }}

with facts as (
    select * from {{ ref('int_accounts_unioned') }}
),

{{ set_aside('accounts', 'facts', [
    ('missing_id', "source_id is null", "'the row has no id'"),
    ('wrong_type', "failed_casts <> ''", "failed_casts"),
    ('created_in_future', "created_at > extracted_at + interval '1' day", "'created at ' || cast(created_at as varchar) || ', after the export was taken'")
]) }}

select * from {{ source('deployment', 'run_context') }}

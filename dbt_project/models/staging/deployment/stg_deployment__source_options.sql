select * from {{ source('deployment', 'source_options') }}

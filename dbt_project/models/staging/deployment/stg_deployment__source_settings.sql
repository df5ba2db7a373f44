select * from {{ source('deployment', 'source_settings') }}

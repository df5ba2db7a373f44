select * from {{ source('deployment', 'shrunk_tables') }}

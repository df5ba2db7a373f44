select * from {{ source('deployment', 'entity_tables') }}

select * from {{ source('deployment', 'quarters') }}

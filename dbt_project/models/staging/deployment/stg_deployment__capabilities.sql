select * from {{ source('deployment', 'capabilities') }}

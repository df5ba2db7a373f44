select * from {{ source('deployment', 'loads') }}

select * from {{ source('deployment', 'days') }}

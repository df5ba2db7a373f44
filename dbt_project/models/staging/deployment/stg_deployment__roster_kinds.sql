select * from {{ source('deployment', 'roster_kinds') }}

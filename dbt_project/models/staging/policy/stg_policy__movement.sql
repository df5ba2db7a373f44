select * from {{ source('policy', 'movement') }}

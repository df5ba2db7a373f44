select * from {{ source('policy', 'levels') }}

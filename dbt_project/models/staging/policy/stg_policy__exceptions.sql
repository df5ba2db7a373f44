select * from {{ source('policy', 'exceptions') }}

select * from {{ source('policy', 'tracks') }}

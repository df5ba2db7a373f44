select * from {{ source('policy', 'ladders') }}

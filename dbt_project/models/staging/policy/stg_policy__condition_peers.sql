select * from {{ source('policy', 'condition_peers') }}

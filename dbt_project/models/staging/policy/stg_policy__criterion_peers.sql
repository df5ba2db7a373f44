select * from {{ source('policy', 'criterion_peers') }}

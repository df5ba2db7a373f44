select * from {{ source('policy', 'declared_metrics') }}

select * from {{ source('policy', 'declared_filters') }}

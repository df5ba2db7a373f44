select * from {{ source('policy', 'criterion_bands') }}

select * from {{ source('policy', 'criterion_requirements') }}

select * from {{ source('policy', 'policies') }}

select * from {{ source('policy', 'dimensions') }}

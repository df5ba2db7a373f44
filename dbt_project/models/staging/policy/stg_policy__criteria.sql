select * from {{ source('policy', 'criteria') }}

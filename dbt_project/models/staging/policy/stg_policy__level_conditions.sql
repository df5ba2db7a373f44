select * from {{ source('policy', 'level_conditions') }}

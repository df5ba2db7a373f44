select * from {{ source('policy', 'track_conditions') }}

select * from {{ source('released', 'former_changes') }}

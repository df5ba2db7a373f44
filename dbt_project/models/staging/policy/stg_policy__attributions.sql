select * from {{ source('policy', 'attributions') }}

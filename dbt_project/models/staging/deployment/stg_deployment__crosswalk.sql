select * from {{ source('deployment', 'crosswalk') }}

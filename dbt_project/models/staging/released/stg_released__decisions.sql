select * from {{ source('released', 'decisions') }}

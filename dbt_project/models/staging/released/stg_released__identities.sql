select * from {{ source('released', 'identities') }}

select * from {{ source('deployment', 'public_suffixes') }}

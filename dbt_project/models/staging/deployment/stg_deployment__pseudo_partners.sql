select * from {{ source('deployment', 'pseudo_partners') }}

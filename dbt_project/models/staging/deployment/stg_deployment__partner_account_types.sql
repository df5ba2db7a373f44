select * from {{ source('deployment', 'partner_account_types') }}

select * from {{ source('deployment', 'exchange_rates') }}

select * from {{ source('policy', 'entitlements') }}

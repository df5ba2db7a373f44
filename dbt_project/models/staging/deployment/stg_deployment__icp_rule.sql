select * from {{ source('deployment', 'icp_rule') }}

select * from {{ source('deployment', 'icp_values') }}

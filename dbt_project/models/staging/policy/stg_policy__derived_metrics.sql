select * from {{ source('policy', 'derived_metrics') }}

select * from {{ source('policy', 'metric_uses') }}

select * from {{ source('policy', 'derived_operands') }}

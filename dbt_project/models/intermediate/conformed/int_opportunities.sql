{{ config(alias='opportunities', contract={'enforced': true}) }}

with facts as (
    select * from {{ ref('int_opportunities_rated') }}
)

select
    source, source_id, name, account_id, amount, settled_currency as currency,
    -- Widened first: two decimals of 18 digits overflow from a million on.
    cast(cast(amount as decimal(28,4)) * rate as decimal(18,4)) as reporting_amount,
    stage, is_closed, is_won, created_at, close_date, owner_id, extracted_at, is_deleted, is_test
from facts
where {{ not_set_aside('facts', ref('int_opportunities_set_aside')) }}

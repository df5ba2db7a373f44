{{ config(alias='partners') }}

select
    l.partner_id,
    coalesce(a.partner_number, a.source_id) as partner_number,
    coalesce(a.name, a.partner_number, a.source_id) as partner_name,
    a.domain,
    a.country,
    a.region,
    a.industry,
    a.account_type,
    a.employees,
    cast(a.created_at as date) as joined_date,
    a.source,
    a.source_id as account_id,
    -- One place per partner in the stated order (number, then id): an integer decides ties faster than two texts, and
    -- texts put together would let number 10 come before number 1.
    row_number() over (order by coalesce(a.partner_number, a.source_id), l.partner_id) as partner_order
from {{ ref('int_partner_accounts') }} as l
inner join {{ ref('int_accounts') }} as a on l.source = a.source and l.account_id = a.source_id

{{ config(alias='dimension_scores') }}

select
    policy, version, partner_id, quarter_index, dimension,
    case when bool_or(is_blocked) then null else sum(dimension_contribution) end as score
from {{ ref('int_criterion_contributions') }}
where dimension is not null
group by policy, version, partner_id, quarter_index, dimension

{{ config(alias='criterion_contributions', materialized='view') }}

{#- Contributions with the names of what they are of; of the active policy. -#}
select
    p.policy, p.version, p.track, p.criterion, q.position, p.metric, p.dimension, p.partner_id, p.quarter_index, p.value,
    p.is_observed, p.points, p.max_points, p.lost_to_cap, p.reason, c.is_blocked,
    q.criterion_weight * q.dimension_weight as full_weight,
    case when p.points is not null then c.contribution end as contribution
from {{ ref('int_criterion_contribution_values') }} as c
inner join {{ ref('int_criteria') }} as q on c.criterion_id = q.criterion_id
inner join {{ ref('int_criterion_points') }} as p
    on c.criterion_id = p.criterion_id and c.candidate_id = p.candidate_id

{{ config(alias='criterion_points', materialized='view') }}

{#- Points with the names of what they are for. -#}
select
    v.criterion_id, v.candidate_id, c.policy, c.version, c.track, c.criterion, c.metric, c.dimension, k.partner_id,
    k.quarter_index, v.value, v.is_observed, v.points,
    cast(coalesce(c.max_points, case when c.combine = 'weighted' then 100 end) as decimal(18,6)) as max_points,
    v.lost_to_cap, v.reason
from {{ ref('int_criterion_point_values') }} as v
inner join {{ ref('int_criteria') }} as c on v.criterion_id = c.criterion_id
inner join {{ ref('int_track_candidates') }} as k on v.candidate_id = k.candidate_id

{{ config(alias='dimension_scores', materialized='view') }}

{#- Of the track that counts. -#}
select s.policy, s.version, nullif(s.track, '') as track, s.partner_id, s.quarter_index, s.dimension, s.score
from {{ ref('int_track_dimension_scores') }} as s
inner join {{ ref('int_partner_tracks') }} as t on s.candidate_id = t.candidate_id
where s.dimension is not null

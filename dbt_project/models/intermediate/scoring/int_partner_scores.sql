{{ config(alias='partner_scores') }}

{#- The score of the track that counts. -#}
select
    s.policy, s.version, s.partner_id, s.quarter_index,
    nullif(s.track, '') as track,
    s.total_score, s.evidence_share,
    case
        when s.total_score is not null then cast(rank() over (
            partition by s.policy, s.version, s.quarter_index order by s.total_score desc nulls last
        ) as integer)
    end as score_rank
from {{ ref('int_track_scores') }} as s
inner join {{ ref('int_partner_tracks') }} as t on s.candidate_id = t.candidate_id

{{ config(alias='partner_tracks') }}

{#-
  The track that counts: of those a partner may be judged in the one with the best levels (ladders in the order of the
  policy), then with the highest total, then the one named first.
-#}
with candidates as (
    select
        *,
        count(*) over (partition by policy, version, partner_id, quarter_index) as candidate_count
    from {{ ref('int_track_candidates') }}
),

results as (
    select
        r.candidate_id,
        {{ joined(two_digits('r.rank'), '', 'l.position') }} as ranks
    from {{ ref('int_levels_reached') }} as r
    inner join {{ ref('stg_policy__ladders') }} as l
        on r.policy = l.policy and r.version = l.version and r.ladder = l.ladder
    inner join {{ ref('stg_policy__policies') }} as p on r.policy = p.policy and r.version = p.version
    where p.choose = 'best'
    group by r.candidate_id
),

ordered as (
    select
        c.candidate_id, c.policy, c.version, c.track, c.partner_id, c.quarter_index,
        row_number() over (
            partition by c.policy, c.version, c.partner_id, c.quarter_index
            order by x.ranks, s.total_score desc nulls last, c.position
        ) as place
    from candidates as c
    left join results as x on c.candidate_id = x.candidate_id
    left join {{ ref('int_track_scores') }} as s on c.candidate_id = s.candidate_id
    where c.candidate_count > 1
)

select candidate_id, policy, version, track, partner_id, quarter_index from candidates where candidate_count = 1
union all
select candidate_id, policy, version, track, partner_id, quarter_index from ordered where place = 1

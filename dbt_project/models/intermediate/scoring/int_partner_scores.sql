{{ config(alias='partner_scores') }}

{#- evidence_share: the share of the policy's weight that rests on values somebody actually knows. -#}
with totals as (
    select
        policy, version, partner_id, quarter_index,
        cast(case when bool_or(is_blocked) then null else sum(contribution) end as decimal(18,6)) as total_score,
        sum(case when is_observed then full_weight else 0 end) / nullif(sum(full_weight), 0) as evidence_share
    from {{ ref('int_criterion_contributions') }}
    group by policy, version, partner_id, quarter_index
),

dimensions as (
    select
        policy, version, partner_id, quarter_index,
        '{' || {{ joined(
            "'\"' || dimension || '\": ' || coalesce(cast(cast(score as decimal(18,2)) as varchar), 'null')", ', ', 'dimension'
        ) }} || '}' as dimension_scores
    from {{ ref('int_dimension_scores') }}
    group by policy, version, partner_id, quarter_index
)

select
    t.policy, t.version, t.partner_id, t.quarter_index, t.total_score, d.dimension_scores,
    cast(round(cast(t.evidence_share as decimal(18,10)), 6) as double) as evidence_share,
    case
        when t.total_score is not null then cast(rank() over (
            partition by t.policy, t.version, t.quarter_index order by t.total_score desc nulls last
        ) as integer)
    end as score_rank
from totals as t
left join dimensions as d
    on t.policy = d.policy and t.version = d.version and t.partner_id = d.partner_id and t.quarter_index = d.quarter_index

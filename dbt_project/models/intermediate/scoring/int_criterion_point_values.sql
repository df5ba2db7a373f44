{{ config(alias='criterion_point_values') }}

{#-
  Points of every criterion, before weights. Under `weighted` they run from 0 to 100 (or the criterion's own max);
  under `points` they are what the policy says. A share of a peer group is pulled towards the share of the whole
  roster when the group is small: lambda = n / (n + shrink) (empirical-Bayes style shrinkage, docs/scoring.md).
-#}
with criterion_values as (
    select * from {{ ref('int_criterion_values') }}
),

criteria as (
    select * from {{ ref('int_criteria') }}
),

peer_keys as (
    select
        c.criterion_id, a.partner_id,
        {{ joined("coalesce(a.value, '(none)')", '|', 'p.position') }} as peer_key
    from criteria as c
    inner join {{ ref('stg_policy__criterion_peers') }} as p
        on c.policy = p.policy and c.version = p.version and c.criterion = p.criterion
    inner join {{ ref('int_partner_attributes') }} as a on p.attribute = a.attribute
    group by c.criterion_id, a.partner_id
),

-- Everybody whose value is known has a place, whatever track it is judged in. Only percentile criteria pay for ranks.
placed as (
    select
        c.criterion_id, v.roster_id, v.quarter_index, c.shrink, coalesce(k.peer_key, '') as peer_key,
        -- Fewer days are better days: a share counts from the worse end of the metric's direction.
        case when c.direction = 'lower' then -v.value else v.value end as better
    from criteria as c
    inner join {{ ref('int_policy_values') }} as v on c.metric_id = v.metric_id
    left join peer_keys as k on c.criterion_id = k.criterion_id and v.partner_id = k.partner_id
    where c.kind = 'percentile' and v.is_observed
),

ranked as (
    select
        criterion_id, roster_id, shrink,
        cast(count(*) over (partition by criterion_id, quarter_index) as double) as roster_count,
        cast(rank() over (partition by criterion_id, quarter_index order by better) as double) as roster_rank,
        cast(count(*) over (partition by criterion_id, quarter_index, peer_key) as double) as peer_count,
        cast(rank() over (partition by criterion_id, quarter_index, peer_key order by better) as double) as peer_rank
    from placed
),

percentiles as (
    select
        criterion_id, roster_id,
        -- portable: a group holds at least the partner itself, so the count is never 0.
        peer_count / (peer_count + coalesce(shrink, 0)) * peer_share
        + coalesce(shrink, 0) / (peer_count + coalesce(shrink, 0)) * roster_share as share
    from (
        select
            *,
            -- portable: the branch is taken only where there are others, so the divisor is never 0.
            case when roster_count > 1 then (roster_rank - 1) / (roster_count - 1) else 0.5 end as roster_share,
            case when peer_count > 1 then (peer_rank - 1) / (peer_count - 1) else 0.5 end as peer_share
        from ranked
    ) as shares
),

banded as (
    select distinct v.criterion_id, v.roster_id, b.value as points
    from criterion_values as v
    inner join criteria as c on v.criterion_id = c.criterion_id
    inner join {{ ref('stg_policy__criterion_bands') }} as b
        on c.policy = b.policy and c.version = b.version and c.criterion = b.criterion and b.purpose = 'points'
        and {{ in_band('v.value', 'b') }}
    where c.kind = 'bands' and v.is_observed
),

-- One of the two kinds that need a table of their own, or neither.
looked_up as (
    select criterion_id, roster_id, share, cast(null as decimal(28,6)) as points from percentiles
    union all
    select criterion_id, roster_id, cast(null as double), points from banded
),

-- Who needs no table of its own is not sent through the join with them.
with_looked_up as (
    select v.criterion_id, v.candidate_id, v.value, v.is_observed, v.unmet, v.factor, x.share, x.points
    from criterion_values as v
    inner join criteria as c on v.criterion_id = c.criterion_id
    left join looked_up as x on v.criterion_id = x.criterion_id and v.roster_id = x.roster_id
    where c.kind in ('percentile', 'bands')
    union all
    select
        v.criterion_id, v.candidate_id, v.value, v.is_observed, v.unmet, v.factor, cast(null as double),
        cast(null as decimal(28,6))
    from criterion_values as v
    inner join criteria as c on v.criterion_id = c.criterion_id
    where c.kind not in ('percentile', 'bands')
),

raw_points as (
    select
        v.criterion_id, v.candidate_id, v.value, v.is_observed, v.unmet, c.missing, c.min_points, c.max_points, c.combine,
        c.rounding_digits, c.rounding_mode,
        c.kind = 'bands' and v.points is null as is_in_no_band,
        v.factor * cast(
            case c.kind
                when 'range' then
                    greatest(0, least(1, (cast(v.value as double) - c.low) / nullif(c.high - c.low, 0)))
                    * coalesce(c.max_points, 100)
                when 'per_unit' then
                    (case when c.whole_units then floor(v.value) else v.value end) * c.each_points
                when 'percentile' then v.share * coalesce(c.max_points, 100)
                when 'flag' then case when v.value > 0 then c.flag_points else 0 end
                when 'bands' then coalesce(v.points, 0)
            end as double
        ) as raw
    from with_looked_up as v
    inner join criteria as c on v.criterion_id = c.criterion_id
),

capped as (
    select
        *,
        least(
            greatest(raw, coalesce(min_points, case when combine = 'weighted' then 0 end, raw)),
            coalesce(max_points, case when combine = 'weighted' then 100 end, greatest(raw, coalesce(min_points, raw)))
        ) as allowed
    from raw_points
)

select
    criterion_id, candidate_id, value, is_observed,
    case
        when not is_observed and missing = 'zero' then cast(0 as decimal(18,6))
        when not is_observed then null
        when unmet is not null then cast(0 as decimal(18,6))
        else {{ rounded_score('allowed', 'rounding_digits', 'rounding_mode') }}
    end as points,
    case
        when is_observed and unmet is null and raw > allowed then {{ rounded_score('(raw - allowed)', 'rounding_digits', 'rounding_mode') }}
        else cast(0 as decimal(18,6))
    end as lost_to_cap,
    case
        when not is_observed and missing = 'zero' then 'unknown, counted as 0 by the policy'
        when not is_observed and missing = 'block' then 'unknown, and the policy gives no score without it'
        when not is_observed then 'unknown, left out of the score'
        when unmet is not null then 'requires ' || unmet || ', so 0 points'
        when raw > allowed then 'capped at the maximum'
        when raw < allowed then 'raised to the minimum'
        when is_in_no_band then 'no band for this value, so 0 points'
        when allowed = 0 then 'no points for this value'
        when {{ rounded_score('allowed', 'rounding_digits', 'rounding_mode') }} = 0 then 'so few points that they round to 0'
    end as reason
from capped

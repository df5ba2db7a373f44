{{ config(alias='criterion_points') }}

{#-
  Points of every criterion, before weights. Under `weighted` they run from 0 to 100 (or the criterion's own max);
  under `points` they are what the policy says. A share of a peer group is pulled towards the share of the whole
  roster when the group is small: lambda = n / (n + shrink) (empirical-Bayes style shrinkage, docs/scoring.md).
-#}
with criterion_values as (
    select
        v.*,
        -- Fewer days are better days: a share counts from the worse end of the metric's direction.
        case when m.direction = 'lower' then -v.value else v.value end as better
    from {{ ref('int_criterion_values') }} as v
    left join {{ ref('metric_catalogue') }} as m on v.metric = m.metric
),

peer_keys as (
    select
        p.policy, p.version, p.criterion, a.partner_id,
        {{ joined("coalesce(a.value, '(none)')", '|', 'p.position') }} as peer_key
    from {{ ref('stg_policy__criterion_peers') }} as p
    inner join {{ ref('int_partner_attributes') }} as a on p.attribute = a.attribute
    group by p.policy, p.version, p.criterion, a.partner_id
),

-- A unit costs nothing to skip: only percentile criteria pay for ranks.
ranked as (
    select
        v.policy, v.version, v.criterion, v.partner_id, v.quarter_index,
        cast(count(*) over (partition by v.policy, v.version, v.criterion, v.quarter_index) as double) as roster_count,
        cast(rank() over (partition by v.policy, v.version, v.criterion, v.quarter_index order by v.better) as double) as roster_rank,
        cast(count(*) over (
            partition by v.policy, v.version, v.criterion, v.quarter_index, coalesce(k.peer_key, '')
        ) as double) as peer_count,
        cast(rank() over (
            partition by v.policy, v.version, v.criterion, v.quarter_index, coalesce(k.peer_key, '') order by v.better
        ) as double) as peer_rank,
        v.shrink
    from criterion_values as v
    left join peer_keys as k
        on v.policy = k.policy and v.version = k.version and v.criterion = k.criterion and v.partner_id = k.partner_id
    where v.kind = 'percentile' and v.is_observed
),

percentiles as (
    select
        policy, version, criterion, partner_id, quarter_index,
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

raw_points as (
    select
        v.*,
        cast(
            case v.kind
                when 'range' then
                    greatest(0, least(1, (cast(v.value as double) - v.low) / nullif(v.high - v.low, 0)))
                    * coalesce(v.max_points, 100)
                when 'per_unit' then
                    (case when v.whole_units then floor(v.value) else v.value end) * v.each_points
                when 'percentile' then p.share * coalesce(v.max_points, 100)
            end as double
        ) as raw
    from criterion_values as v
    left join percentiles as p
        on v.policy = p.policy and v.version = p.version and v.criterion = p.criterion
        and v.partner_id = p.partner_id and v.quarter_index = p.quarter_index
),

capped as (
    select
        *,
        coalesce(max_points, case when combine = 'weighted' then 100 end) as cap,
        least(
            greatest(raw, coalesce(min_points, case when combine = 'weighted' then 0 end, raw)),
            coalesce(max_points, case when combine = 'weighted' then 100 end, greatest(raw, coalesce(min_points, raw)))
        ) as allowed
    from raw_points
)

select
    policy, version, criterion, position, metric, dimension, weight, missing, partner_id, quarter_index, value,
    is_observed,
    case
        when not is_observed and missing = 'zero' then cast(0 as decimal(18,6))
        when not is_observed then null
        when unmet is not null then cast(0 as decimal(18,6))
        else {{ rounded_to('allowed', 'rounding_digits') }}
    end as points,
    cast(cap as decimal(18,6)) as max_points,
    case
        when is_observed and unmet is null and raw > allowed then {{ rounded_to('raw - allowed', 'rounding_digits') }}
        else cast(0 as decimal(18,6))
    end as lost_to_cap,
    case
        when not is_observed and missing = 'zero' then 'unknown, counted as 0 by the policy'
        when not is_observed and missing = 'block' then 'unknown, and the policy gives no score without it'
        when not is_observed then 'unknown, left out of the score'
        when unmet is not null then unmet || ', so 0 points'
        when raw > allowed then 'capped at the maximum'
        when raw < allowed then 'raised to the minimum'
        when allowed = 0 then 'no points for this value'
    end as reason
from capped

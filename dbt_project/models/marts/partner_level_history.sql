with with_changes as (
    select
        *,
        max(case when previous_rank is null or previous_rank <> held_rank then quarter_index end) over (
            partition by policy, ladder, partner_id order by quarter_index
            rows between unbounded preceding and current row
        ) as held_since_index
    from {{ ref('int_levels_held') }}
),

reasons as (
    select * from {{ ref('int_level_reasons') }}
)

select
    p.partner_id,
    p.partner_number,
    p.partner_name,
    q.quarter,
    q.quarter_end,
    h.policy,
    h.version,
    h.ladder,
    le.level as earned_level,
    lh.level as held_level,
    lp.level as previous_level,
    cast(lh.rank as integer) as held_rank,
    h.action,
    r.reasons || {{ decision_in_words('h.state', 'h.action', 'h.held_rank', 'h.frozen_because') }} as reasons,
    h.reason_codes,
    h.exception,
    h.track,
    s.quarter as held_since,
    cast(h.reviews_above as integer) as reviews_above,
    cast(h.reviews_below as integer) as reviews_below,
    case when d.release is not null or q.quarter = c.quarter then lr.level end as released_level,
    case when d.release is not null or q.quarter = c.quarter then h.released_action end as released_action,
    -- Why an earlier release decided as it did stands in that release: on what was known then, not now.
    case when d.release is null and q.quarter = c.quarter
        then r.reasons
            || {{ decision_in_words(
                'h.released_state', 'h.released_action', 'h.released_rank', 'h.released_frozen_because'
            ) }}
    end as released_reasons,
    case when d.release is null and q.quarter = c.quarter then h.released_reason_codes end as released_reason_codes,
    case when d.release is not null or q.quarter = c.quarter then h.released_state end as released_state,
    d.release as released_in
from with_changes as h
inner join {{ ref('int_partners') }} as p on h.partner_id = p.partner_id
inner join {{ ref('stg_deployment__quarters') }} as q on h.quarter_index = q.quarter_index
inner join {{ ref('stg_deployment__quarters') }} as s on h.held_since_index = s.quarter_index
inner join {{ ref('stg_policy__movement') }} as m
    on h.policy = m.policy and h.version = m.version and h.ladder = m.ladder
inner join {{ ref('stg_policy__levels') }} as le
    on h.policy = le.policy and h.version = le.version and h.ladder = le.ladder and h.earned_rank = le.rank
inner join {{ ref('stg_policy__levels') }} as lh
    on h.policy = lh.policy and h.version = lh.version and h.ladder = lh.ladder and h.held_rank = lh.rank
left join {{ ref('stg_policy__levels') }} as lp
    on h.policy = lp.policy and h.version = lp.version and h.ladder = lp.ladder and h.previous_rank = lp.rank
left join {{ ref('stg_policy__levels') }} as lr
    on h.policy = lr.policy and h.version = lr.version and h.ladder = lr.ladder and h.released_rank = lr.rank
left join reasons as r
    on h.policy = r.policy and h.version = r.version and h.ladder = r.ladder
    and h.partner_id = r.partner_id and h.quarter_index = r.quarter_index
left join {{ ref('stg_released__decisions') }} as d
    on h.policy = d.policy and h.ladder = d.ladder and h.partner_id = d.partner_id
    and h.quarter_index = d.quarter_index
cross join {{ ref('stg_deployment__run_context') }} as c

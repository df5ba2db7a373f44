{{ config(alias='levels_held') }}

{#-
  The level a partner holds after movement, by both replays: `restated` with what is known now, `released` from the
  decisions on record. Exceptions are laid over the result and leave the replay as it is.
-#}
{%- set width = state_width() %}
with states as (
    select
        e.policy, e.version, e.ladder, e.is_active, e.partner_id, e.quarter_index, e.track,
        e.reached_rank, e.earned_rank, e.raised_rank, e.lowered_rank, e.outside_rank, e.is_trackless, e.is_scoreless,
        substr(f.states, (e.quarter_index - f.first_index) * {{ width }} + 1, {{ width }}) as state,
        substr(
            coalesce(f.recorded_states, f.states), (e.quarter_index - f.first_index) * {{ width }} + 1, {{ width }}
        ) as released_state
    from {{ ref('int_levels_earned') }} as e
    inner join {{ ref('int_movements') }} as f
        on e.policy = f.policy and e.ladder = f.ladder and e.partner_id = f.partner_id
),

exceptions as (
    select
        l.policy, l.version, l.ladder, p.partner_id, q.quarter_index,
        min(l.rank) as rank,
        min_by(x.why || ' (approved by ' || x.approved_by || ', until ' || cast(x.valid_until as varchar) || ')', l.rank) as why
    from {{ ref('stg_policy__exceptions') }} as x
    inner join {{ ref('int_partners') }} as p on x.partner in (p.partner_number, p.partner_id)
    inner join {{ ref('stg_policy__levels') }} as l
        on (x.policy is null or x.policy = l.policy) and x.ladder = l.ladder and x.level = l.level
    inner join {{ ref('stg_deployment__quarters') }} as q
        on q.quarter_end <= x.valid_until and (x.valid_from is null or q.quarter_end >= x.valid_from)
    group by l.policy, l.version, l.ladder, p.partner_id, q.quarter_index
),

decided as (
    select
        s.*,
        f.freeze_codes,
        f.frozen_because,
        r.freeze_codes as released_freeze_codes,
        r.frozen_because as released_frozen_because,
        x.why as exception,
        cast(substr(s.state, 1, 2) as integer) as replayed_rank,
        cast(substr(s.released_state, 1, 2) as integer) as released_replayed_rank,
        {{ action_in_words('substr(s.state, 7, 1)') }} as replayed_action,
        {{ action_in_words('substr(s.released_state, 7, 1)') }} as released_replayed_action,
        coalesce(x.rank, cast(substr(s.state, 1, 2) as integer)) as held_rank,
        coalesce(x.rank, cast(substr(s.released_state, 1, 2) as integer)) as released_rank
    from states as s
    left join exceptions as x
        on s.policy = x.policy and s.version = x.version and s.ladder = x.ladder and s.partner_id = x.partner_id
        and s.quarter_index = x.quarter_index
    left join {{ ref('int_freezes') }} as f
        on s.policy = f.policy and s.version = f.version and s.ladder = f.ladder and s.partner_id = f.partner_id
        and s.quarter_index = f.quarter_index and {{ frozen_rank('s.state') }} = f.frozen_rank
    left join {{ ref('int_freezes') }} as r
        on s.policy = r.policy and s.version = r.version and s.ladder = r.ladder and s.partner_id = r.partner_id
        and s.quarter_index = r.quarter_index and {{ frozen_rank('s.released_state') }} = r.frozen_rank
),

followed as (
    select
        *,
        lag(held_rank) over (partition by policy, ladder, partner_id order by quarter_index) as previous_rank,
        lag(released_rank) over (partition by policy, ladder, partner_id order by quarter_index) as previous_released_rank,
        lag(exception) over (partition by policy, ladder, partner_id order by quarter_index) as previous_exception
    from decided
)

select
    policy, version, ladder, is_active, partner_id, quarter_index, track, reached_rank, earned_rank, outside_rank,
    state,
    previous_rank,
    held_rank,
    cast(substr(state, 3, 2) as integer) as reviews_above,
    cast(substr(state, 5, 2) as integer) as reviews_below,
    {{ decided_action('held_rank', 'previous_rank', 'replayed_action') }} as action,
    {{ reason_codes(
        'state', 'held_rank', 'previous_rank', 'replayed_action', 'replayed_rank', 'freeze_codes'
    ) }} as reason_codes,
    frozen_because,
    exception,
    released_state,
    released_rank,
    {{ decided_action('released_rank', 'previous_released_rank', 'released_replayed_action') }} as released_action,
    {{ reason_codes(
        'released_state', 'released_rank', 'previous_released_rank', 'released_replayed_action',
        'released_replayed_rank', 'released_freeze_codes'
    ) }} as released_reason_codes,
    released_frozen_because
from followed

{{ config(alias='track_candidates') }}

{#-
  The tracks a partner may be judged in, quarter by quarter. Under `best` every track whose conditions hold is a
  candidate, under `first_match` the first of them; a policy without tracks has one without a name, in which everybody
  stands. Who fits no track stands in the nameless one, which then has no criteria.
-#}
with roster as (
    select t.policy, t.version, r.partner_id, r.quarter_index
    from {{ ref('int_policy_quarters') }} as t
    inner join {{ ref('int_partner_quarters') }} as r on t.quarter_index = r.quarter_index
),

conditions as (
    select
        *,
        count(*) over (partition by policy, version, track, alternative) as condition_count
    from {{ ref('stg_policy__track_conditions') }}
),

tracked as (
    select distinct policy, version from {{ ref('stg_policy__tracks') }} where has_conditions
),

passed as (
    select c.policy, c.version, c.track, r.partner_id, r.quarter_index
    from conditions as c
    inner join roster as r on c.policy = r.policy and c.version = r.version
    left join {{ ref('int_policy_values') }} as v
        on c.kind = 'metric' and c.policy = v.policy and c.version = v.version and c.subject = v.metric
        and r.partner_id = v.partner_id and r.quarter_index = v.quarter_index
    left join {{ ref('int_partner_attributes') }} as a
        on c.kind = 'attribute' and c.subject = a.attribute and r.partner_id = a.partner_id
    where coalesce(
        case
            when c.kind = 'attribute' then {{ json_array_holds('c.text_values', 'a.value') }}
            else {{ compares('v.value', 'c.operator', 'c.value') }}
        end, false
    )
    group by c.policy, c.version, c.track, c.alternative, c.condition_count, r.partner_id, r.quarter_index
    having count(*) = c.condition_count
),

open_tracks as (
    select k.policy, k.version, k.track, k.position, r.partner_id, r.quarter_index
    from {{ ref('stg_policy__tracks') }} as k
    inner join roster as r on k.policy = r.policy and k.version = r.version
    where not k.has_conditions
),

fitting as (
    select policy, version, track, position, partner_id, quarter_index from open_tracks
    union all
    select distinct k.policy, k.version, k.track, k.position, p.partner_id, p.quarter_index
    from passed as p
    inner join {{ ref('stg_policy__tracks') }} as k
        on p.policy = k.policy and p.version = k.version and p.track = k.track
),

-- Nobody is left out of the ladders for standing in no track.
all_fitting as (
    select policy, version, track, position, partner_id, quarter_index from fitting
    union all
    select r.policy, r.version, '', 0, r.partner_id, r.quarter_index
    from roster as r
    inner join tracked as t on r.policy = t.policy and r.version = t.version
    left join fitting as f
        on r.policy = f.policy and r.version = f.version and r.partner_id = f.partner_id
        and r.quarter_index = f.quarter_index
    where f.partner_id is null
),

first_ones as (
    select f.policy, f.version, f.partner_id, f.quarter_index, min(f.position) as position
    from all_fitting as f
    inner join tracked as t on f.policy = t.policy and f.version = t.version
    group by f.policy, f.version, f.partner_id, f.quarter_index
)

select
    -- The scores below are kept under this number: texts as join keys are dear on so many rows.
    cast(row_number() over (
        order by f.policy, f.version, f.track, f.partner_id, f.quarter_index
    ) as integer) as candidate_id,
    i.version_id, r.roster_id, f.policy, f.version, f.track, f.position, f.partner_id, f.quarter_index
from all_fitting as f
inner join {{ ref('stg_policy__policies') }} as p on f.policy = p.policy and f.version = p.version
inner join {{ ref('int_policy_versions') }} as i on f.policy = i.policy and f.version = i.version
inner join {{ ref('int_roster') }} as r on f.partner_id = r.partner_id and f.quarter_index = r.quarter_index
left join first_ones as o
    on f.policy = o.policy and f.version = o.version and f.partner_id = o.partner_id
    and f.quarter_index = o.quarter_index
where p.choose = 'best' or o.position is null or f.position = o.position

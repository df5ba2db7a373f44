{{ config(alias='partner_standing', materialized=table_if_offered(['training_records', 'metric_facts'])) }}

{#-
  What is true of a partner on the last day of a quarter, rather than what happened during it: valid certificates, how
  long it took to the first training, whether somebody declared the partner strategic.
-#}
with quarters as (
    select * from {{ ref('stg_deployment__quarters') }}
),

users as (
    select source, partner_id, lower(trim(email)) as email, min(source_id) as user_id
    from {{ ref('int_partner_users') }}
    where email is not null and not is_deleted and not is_test
    group by source, partner_id, lower(trim(email))
),

certificates as (
    select
        l.partner_id,
        -- One person may be named by id here and by address there.
        coalesce(
            t.source || '/' || coalesce(t.user_id, u.user_id), lower(trim(t.user_email)), t.source || '/' || t.source_id
        ) as person,
        cast(t.completed_at as date) as valid_from,
        cast(t.expires_at as date) as valid_to
    from {{ ref('int_training_records') }} as t
    inner join {{ ref('int_partner_links') }} as l on t.source = l.source and t.partner_id = l.source_id
    left join users as u on t.source = u.source and t.partner_id = u.partner_id and lower(trim(t.user_email)) = u.email
    -- A certificate that has expired since was valid before, so its status of today does not matter.
    where t.record_type = 'certification' and t.status in ('completed', 'expired') and t.completed_at is not null
        and not t.is_deleted and not t.is_test
),

certified as (
    select
        c.partner_id, q.quarter_index, count(distinct c.person) as certified_people, count(*) as active_certifications
    from certificates as c
    inner join quarters as q on c.valid_from <= q.quarter_end and (c.valid_to is null or c.valid_to >= q.quarter_end)
    group by c.partner_id, q.quarter_index
),

joined as (
    select l.partner_id, min(cast(r.joined_at as date)) as joined_date
    from {{ ref('int_source_partners') }} as r
    inner join {{ ref('int_partner_links') }} as l on r.source = l.source and r.source_id = l.source_id
    where r.joined_at is not null and not r.is_deleted and not r.is_test
    group by l.partner_id
),

enabled as (
    select l.partner_id, min(cast(t.completed_at as date)) as enabled_date
    from {{ ref('int_training_records') }} as t
    inner join {{ ref('int_partner_links') }} as l on t.source = l.source and t.partner_id = l.source_id
    where t.status in ('completed', 'expired') and not t.is_deleted and not t.is_test
    group by l.partner_id
),

flags as (
    select partner_id, fact_date, value, fact_id from {{ ref('int_partner_facts') }} where fact_metric = 'strategic_flag'
),

-- The newest word counts. Once somebody keeps such a list, whoever is not on it is not strategic.
flagged as (
    select
        f.partner_id, q.quarter_index,
        max_by(f.value, cast(f.fact_date as varchar) || f.fact_id) as strategic_flag
    from flags as f
    inner join quarters as q on f.fact_date <= q.quarter_end
    group by f.partner_id, q.quarter_index
),

first_flag as (
    select min(fact_date) as first_date
    from {{ ref('int_metric_facts') }}
    where metric = 'strategic_flag' and not is_deleted and not is_test
)

select
    r.partner_id,
    q.quarter_index,
    case when k.partner_id is not null then coalesce(c.certified_people, 0) end as certified_people,
    case when k.partner_id is not null then coalesce(c.active_certifications, 0) end as active_certifications,
    case when k.partner_id is not null and e.enabled_date <= q.quarter_end
        then {{ days_between('j.joined_date', 'e.enabled_date') }} end as days_to_enablement,
    case when o.first_date <= q.quarter_end then cast(coalesce(f.strategic_flag, 0) as decimal(28,6)) end as strategic_flag
from {{ ref('int_partners') }} as r
cross join quarters as q
left join {{ ref('int_partner_knowledge') }} as k on r.partner_id = k.partner_id and k.entity = 'training_records'
left join certified as c on r.partner_id = c.partner_id and q.quarter_index = c.quarter_index
left join joined as j on r.partner_id = j.partner_id
left join enabled as e on r.partner_id = e.partner_id
left join flagged as f on r.partner_id = f.partner_id and q.quarter_index = f.quarter_index
cross join first_flag as o

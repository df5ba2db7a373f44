{#-
  Which records are one partner, since when and by which rule. The next run reads this back, so that an id once released
  stays with its records: also with those that are not there for a while, which are carried on as they were last.
-#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
)

select
    l.source,
    l.source_id,
    l.kind,
    l.partner_id,
    coalesce(p.partner_number, r.partner_number, l.source_id) as partner_number,
    {{ before_at('r.name') }} as record_name,
    l.rule,
    p.partner_id is not null as is_on_roster,
    coalesce(g.known_since, cast(c.known_at as date)) as known_since,
    true as is_present,
    c.quarter,
    c.policy,
    c.version
from {{ ref('int_partner_links') }} as l
inner join {{ ref('int_partner_records') }} as r on l.source = r.source and l.source_id = r.source_id
left join {{ ref('int_partners') }} as p on l.partner_id = p.partner_id
left join {{ ref('stg_released__identities') }} as g
    on l.source = g.source and l.source_id = g.source_id and l.partner_id = g.partner_id
cross join context as c
union all
select
    g.source,
    g.source_id,
    g.kind,
    g.partner_id,
    coalesce(p.partner_number, g.partner_number) as partner_number,
    g.record_name,
    g.rule,
    false as is_on_roster,
    g.known_since,
    false as is_present,
    c.quarter,
    c.policy,
    c.version
from {{ ref('stg_released__identities') }} as g
left join {{ ref('int_partner_links') }} as l on g.source = l.source and g.source_id = l.source_id
left join {{ ref('int_partners') }} as p on g.partner_id = p.partner_id
cross join context as c
where l.source is null

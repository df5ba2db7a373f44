{#-
  Which records are one partner, since when and by which rule. The next run reads this back, so that an id once released
  stays with its records.
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
    c.quarter,
    c.policy,
    c.version
from {{ ref('int_partner_links') }} as l
inner join {{ ref('int_partner_records') }} as r on l.source = r.source and l.source_id = r.source_id
left join {{ ref('int_partners') }} as p on l.partner_id = p.partner_id
left join {{ ref('stg_released__identities') }} as g
    on l.source = g.source and l.source_id = g.source_id and l.partner_id = g.partner_id
cross join context as c

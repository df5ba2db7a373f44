{#-
  What the systems say, to hold the computed levels against. Several records of one partner that say the same are one
  row, held since the earliest day that any of them names.
-#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
)

select
    t.partner_id,
    p.partner_number,
    p.partner_name,
    t.source,
    t.source_kind,
    t.program,
    t.level,
    min(t.since) as since,
    c.quarter,
    c.policy,
    c.version
from {{ ref('int_told_levels') }} as t
inner join {{ ref('int_partners') }} as p on t.partner_id = p.partner_id
cross join context as c
group by
    t.partner_id, p.partner_number, p.partner_name, t.source, t.source_kind, t.program, t.level, c.quarter, c.policy,
    c.version

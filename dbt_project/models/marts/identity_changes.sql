{#-
  Merges and splits as dated rows: every record that belonged to another partner in the release before, and all such rows
  that earlier releases recorded. Records that came or went are no change of a partner.
-#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
),

present as (
    select distinct partner_id from {{ ref('int_partner_links') }}
),

former as (
    select distinct partner_id from {{ ref('stg_released__identities') }}
),

moved as (
    select
        g.source, g.source_id, {{ before_at('r.name') }} as record_name,
        case
            when f.partner_id is null then 'split'
            when p.partner_id is null then 'merged'
            else 'moved'
        end as change,
        g.partner_id as from_partner_id,
        g.partner_number as from_partner_number,
        l.partner_id as to_partner_id,
        coalesce(n.partner_number, r.partner_number, r.source_id) as to_partner_number,
        l.rule
    from {{ ref('stg_released__identities') }} as g
    inner join {{ ref('int_partner_links') }} as l on g.source = l.source and g.source_id = l.source_id
    inner join {{ ref('int_partner_records') }} as r on l.source = r.source and l.source_id = r.source_id
    left join {{ ref('int_partners') }} as n on l.partner_id = n.partner_id
    left join present as p on g.partner_id = p.partner_id
    left join former as f on l.partner_id = f.partner_id
    where g.partner_id <> l.partner_id
),

changes as (
    select
        cast(c.known_at as date) as changed_on, m.change, m.source, m.source_id, m.record_name, m.from_partner_id,
        m.from_partner_number, m.to_partner_id, m.to_partner_number, m.rule,
        case m.change
            when 'split' then 'left ' || m.from_partner_number || ' and is a partner of its own or among others'
            when 'merged' then m.from_partner_number || ' is no partner of its own any more and goes on as ' || m.to_partner_number
            else 'left ' || m.from_partner_number || ' for ' || m.to_partner_number
        end as detail,
        c.quarter, c.policy, c.version
    from moved as m
    cross join context as c
    union all
    select
        changed_on, change, source, source_id, record_name, from_partner_id, from_partner_number, to_partner_id,
        to_partner_number, rule, detail, quarter, policy, version
    from {{ ref('stg_released__former_changes') }}
),

-- Between two partners to and fro within a day is one row: the latest quarter that said so.
ordered as (
    select
        *,
        row_number() over (
            partition by changed_on, source, source_id, from_partner_id, to_partner_id
            order by quarter desc, policy, version, change, detail
        ) as place
    from changes
)

select
    changed_on, change, source, source_id, record_name, from_partner_id, from_partner_number, to_partner_id,
    to_partner_number, rule, detail, quarter, policy, version
from ordered
where place = 1

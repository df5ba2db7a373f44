{{ config(alias='told_levels') }}

{#- The levels that the systems themselves say a partner holds: a CRM's programme memberships, a portal's own tier. -#}
with told as (
    select
        source, account_id as record_id, coalesce(nullif(trim(program), ''), '(unnamed)') as program,
        trim(level) as level, since
    from {{ ref('int_program_memberships') }}
    where not is_deleted and not is_test
    union all
    select
        source, source_id as record_id, coalesce(nullif(trim(program_group), ''), '(unnamed)') as program,
        trim(tier) as level, cast(null as date) as since
    from {{ ref('int_source_partners') }}
    where not is_deleted and not is_test
)

select l.partner_id, t.source, l.kind as source_kind, t.program, t.level, t.since
from told as t
inner join {{ ref('int_partner_links') }} as l on t.source = l.source and t.record_id = l.source_id
where t.level <> ''

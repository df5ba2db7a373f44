{{ config(alias='partners') }}

{#-
  The roster: every partner that a system of the roster's kinds knows. Each attribute comes from the first record that
  has it, the record that names the partner before all others.
-#}
with records as (
    select
        l.partner_id, l.kind, r.*,
        case when l.source = l.key_source and l.source_id = l.key_source_id then 0 else 1 end as is_further
    from {{ ref('int_partner_links') }} as l
    inner join {{ ref('int_partner_records') }} as r on l.source = r.source and l.source_id = r.source_id
),

ordered as (
    select
        *,
        row_number() over (partition by partner_id order by is_further, source_order, source_id) as place
    from records
),

merged as (
    select
        o.partner_id,
        {% for column in [
            'partner_number', 'source_id', 'name', 'host', 'country', 'region', 'industry', 'account_type', 'employees',
            'joined_date', 'source'
        ] -%}
        min_by(o.{{ column }}, case when o.{{ column }} is not null then o.place end) as {{ column }},
        {% endfor -%}
        -- Who keeps a portal names the manager there; the CRM only says who owns the record.
        min_by(o.manager, case when o.kind = 'prm' and o.manager is not null then o.place end) as portal_manager,
        min_by(o.manager, case when o.kind = 'crm' and o.manager is not null then o.place end) as account_owner,
        min_by(o.motion, case when o.kind = 'prm' and o.motion <> 'unknown' then o.place end) as motion,
        min_by(o.program_group, case when o.kind = 'prm' and o.program_group is not null then o.place end) as program_group,
        min_by(o.joined_date, case when o.kind = 'crm' and o.joined_date is not null then o.place end) as crm_created_date,
        max(case when o.kind = 'crm' then 1 else 0 end) as is_in_crm,
        max(case when o.kind = 'prm' then 1 else 0 end) as is_in_prm,
        max(case when o.kind = 'account_mapping' then 1 else 0 end) as is_in_account_mapping,
        max(case when k.kind is not null then 1 else 0 end) as is_on_roster
    from ordered as o
    left join {{ ref('stg_deployment__roster_kinds') }} as k on o.kind = k.kind
    group by o.partner_id
)

select
    partner_id,
    coalesce(partner_number, source_id) as partner_number,
    coalesce(name, partner_number, source_id) as partner_name,
    host as domain,
    country,
    region,
    industry,
    account_type,
    employees,
    motion,
    program_group,
    joined_date,
    crm_created_date,
    source,
    source_id as account_id,
    -- An address of a colleague becomes the name before the @: no released table holds e-mail addresses.
    {{ before_at('coalesce(portal_manager, account_owner)') }} as manager,
    is_in_crm = 1 as is_in_crm,
    is_in_prm = 1 as is_in_prm,
    is_in_account_mapping = 1 as is_in_account_mapping,
    -- One place per partner in the stated order (number, then id): an integer decides ties faster than two texts, and
    -- texts put together would let number 10 come before number 1.
    row_number() over (order by coalesce(partner_number, source_id), partner_id) as partner_order
from merged
where is_on_roster = 1

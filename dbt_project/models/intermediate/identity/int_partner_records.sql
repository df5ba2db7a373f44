{{ config(alias='partner_records') }}

{#-
  Everything that any system calls a partner, before anybody asks which of them are the same. In a CRM that is an account
  which is flagged or of a type that counts; that a portal names an account does not make it one, or connecting a portal
  would change who holds credit for a deal. A record that names a pseudo-partner's account is that pseudo-partner.
-#}
with pseudo_accounts as (
    select distinct {{ crm_key('a.source_id') }} as crm_key
    from {{ ref('int_accounts') }} as a
    inner join {{ ref('stg_deployment__pseudo_partners') }} as p
        on p.value in (lower(trim(a.name)), lower(trim(a.partner_number)), lower(a.source_id))
),

records as (
    select
        a.source, a.source_id, a.name, a.partner_number, a.domain as host, a.country, a.region, a.industry,
        a.account_type, a.employees, cast(a.created_at as date) as joined_date, a.owner_id as manager,
        cast(null as varchar) as crm_account_id, cast(null as varchar) as sharing_level,
        cast(null as varchar) as motion, cast(null as varchar) as program_group
    from {{ ref('int_accounts') }} as a
    where a.is_partner and not a.is_deleted and not a.is_test
    union all
    select
        p.source, p.source_id, p.name, cast(null as varchar) as partner_number, p.domain as host, p.country, p.region,
        p.industry, cast(null as varchar) as account_type, cast(null as bigint) as employees,
        cast(p.joined_at as date) as joined_date, p.manager, p.crm_account_id, p.sharing_level, p.motion,
        p.program_group
    from {{ ref('int_source_partners') }} as p
    where not p.is_deleted and not p.is_test
)

select
    r.*,
    s.kind,
    s.source_order,
    w.domain as web_domain
from records as r
inner join {{ ref('stg_deployment__source_settings') }} as s on r.source = s.source
left join {{ ref('int_web_domains') }} as w on r.host = w.host
where not exists (
    select 1 from {{ ref('stg_deployment__pseudo_partners') }} as p
    where p.value in (lower(trim(r.name)), lower(trim(r.partner_number)), lower(r.source_id))
)
and not exists (select 1 from pseudo_accounts as u where u.crm_key = {{ crm_key('r.crm_account_id') }})

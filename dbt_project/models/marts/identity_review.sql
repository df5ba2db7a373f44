{#-
  Records that somebody should look at, with the reason: what stands alone although several systems are connected, what
  contradicts itself, what looks like one company twice. Nothing here is linked or dropped by being listed; a row of the
  crosswalk settles a case.
-#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
),

records as (
    select
        r.*, l.partner_id, l.rule, l.key_source, l.key_source_id,
        l.rule = 'crosswalk' and l.source = l.key_source and l.source_id = l.key_source_id as is_its_own,
        coalesce(p.partner_number, r.partner_number, r.source_id) as shown_number,
        p.partner_id is not null as is_on_roster
    from {{ ref('int_partner_records') }} as r
    inner join {{ ref('int_partner_links') }} as l on r.source = l.source and r.source_id = l.source_id
    left join {{ ref('int_partners') }} as p on l.partner_id = p.partner_id
),

systems as (
    select count(distinct source) as source_count from records
),

spread as (
    select partner_id, count(distinct source) as source_count from records group by partner_id
),

namesakes as (
    select lower(trim(partner_name)) as name, min(partner_number) as partner_number, count(*) as partner_count
    from {{ ref('int_partners') }}
    group by lower(trim(partner_name))
),

alone as (
    select
        r.source, r.source_id, 'one_system_only' as reason,
        case
            when r.is_its_own then 'the crosswalk says that it is a partner of its own'
            else 'no other system knows this partner by crosswalk, account id, domain or name and country'
        end
        || case when n.partner_number is not null and n.partner_number <> r.shown_number
            then '; a partner of the same name is ' || n.partner_number else '' end as detail
    from records as r
    inner join spread as s on r.partner_id = s.partner_id and s.source_count = 1
    cross join systems as y
    left join namesakes as n on lower(trim(r.name)) = n.name
    where y.source_count > 1
),

holders as (
    select
        web_domain, source, partner_id, shown_number,
        row_number() over (partition by web_domain, source order by shown_number, source_id) as place
    from records
    where web_domain is not null and not is_its_own
),

-- The first numbers are enough to read: every holder of the domain says them.
sharing as (
    select
        web_domain, source,
        {{ joined('case when place <= 5 then shown_number end', ', ', 'shown_number') }}
        || case when count(*) > 5 then ' and ' || cast(count(*) - 5 as varchar) || ' more' else '' end as numbers,
        count(distinct partner_id) as partner_count
    from holders
    group by web_domain, source
),

twins as (
    select
        r.source, r.source_id, 'domain_shared' as reason,
        'the domain ' || r.web_domain || ' stands on several partners of one system: ' || s.numbers as detail
    from records as r
    inner join sharing as s on r.web_domain = s.web_domain and r.source = s.source
    where s.partner_count > 1 and not r.is_its_own
),

lost as (
    select
        r.source, r.source_id, 'crm_account_unknown' as reason,
        'names the CRM account ' || r.crm_account_id || ', which is not among the partner accounts' as detail
    from records as r
    left join records as a on a.kind = 'crm' and {{ crm_key('r.crm_account_id') }} = {{ crm_key('a.source_id') }}
    where r.crm_account_id is not null and a.source_id is null and r.rule <> 'crosswalk'
),

astray as (
    select
        c.source, c.source_id, 'crosswalk_unmatched' as reason,
        'the crosswalk assigns it to ' || c.partner_number
        || case when r.source_id is null then ', but there is no such record' else ', but there is no such partner' end as detail
    from {{ ref('stg_deployment__crosswalk') }} as c
    left join records as r on c.source = r.source and c.source_id = r.source_id
    where r.source_id is null or r.rule <> 'crosswalk'
),

findings as (
    select source, source_id, reason, detail from alone
    union all
    select source, source_id, reason, detail from twins
    union all
    select source, source_id, reason, detail from lost
    union all
    select source, source_id, reason, detail from astray
)

select
    f.source,
    f.source_id,
    s.kind,
    r.partner_id,
    coalesce(r.shown_number, f.source_id) as partner_number,
    r.name as partner_name,
    r.web_domain as domain,
    r.country,
    coalesce(r.is_on_roster, false) as is_on_roster,
    f.reason,
    f.detail,
    c.quarter,
    c.policy,
    c.version
from findings as f
inner join {{ ref('stg_deployment__source_settings') }} as s on f.source = s.source
left join records as r on f.source = r.source and f.source_id = r.source_id
cross join context as c

{{ config(alias='partner_links') }}

{#-
  Which partner every record belongs to, and by which rule; the first that applies:
  1. crosswalk: somebody said so.
  2. crm_account_id: the record names a CRM account.
  3. domain: the same registrable domain, if it stands for one partner in either system.
  Otherwise the record is a partner of its own. A partner is named by its first record (CRM before portal before mapping
  platform), and its id follows from that record's key alone: a new name, number or region keeps it.
  Two records of one system are never linked by their domain: whoever keeps two means two, until a crosswalk says else.
-#}
with records as (
    select * from {{ ref('int_partner_records') }}
),

-- A partner is spoken of by its number, or by an id where it has none; the first system that knows it answers.
targets as (
    select
        coalesce(partner_number, source_id) as partner_number,
        min_by(source, {{ record_order('records') }}) as source,
        min_by(source_id, {{ record_order('records') }}) as source_id
    from records
    group by coalesce(partner_number, source_id)
),

by_hand as (
    select c.source, c.source_id, t.source as next_source, t.source_id as next_source_id
    from {{ ref('stg_deployment__crosswalk') }} as c
    inner join targets as t on c.partner_number = t.partner_number
),

accounts as (
    select
        {{ crm_key('source_id') }} as crm_key,
        min_by(source, source_order) as source,
        min_by(source_id, source_order) as source_id
    from records
    where kind = 'crm'
    group by {{ crm_key('source_id') }}
),

-- Where each record leads: by hand, else by the account it names, else nowhere.
steps as (
    select
        r.source, r.source_id,
        case when h.source is not null then 'crosswalk' when a.source is not null then 'crm_account_id' else 'own' end as rule,
        coalesce(h.next_source, a.source, r.source) as next_source,
        coalesce(h.next_source_id, a.source_id, r.source_id) as next_source_id
    from records as r
    left join by_hand as h on r.source = h.source and r.source_id = h.source_id
    left join accounts as a on r.kind <> 'crm' and {{ crm_key('r.crm_account_id') }} = a.crm_key
),

-- Three steps are the longest way there is: by hand to a portal's record, by its account to the CRM, by hand from there.
direct as (
    select
        r.source, r.source_id, r.kind, r.source_order, r.web_domain, s.rule,
        u.next_source as key_source,
        u.next_source_id as key_source_id
    from records as r
    inner join steps as s on r.source = s.source and r.source_id = s.source_id
    inner join steps as t on s.next_source = t.source and s.next_source_id = t.source_id
    inner join steps as u on t.next_source = u.source and t.next_source_id = u.source_id
),

-- What a domain stands for in each system: one partner, or several that share it.
domains as (
    select
        web_domain, source, source_order,
        count(distinct key_source || '/' || key_source_id) as partner_count,
        min_by(key_source, key_source || '/' || key_source_id) as key_source,
        min_by(key_source_id, key_source || '/' || key_source_id) as key_source_id
    from direct
    where web_domain is not null
    group by web_domain, source, source_order
),

heads as (
    select
        web_domain,
        min_by(source, source_order) as source,
        min_by(partner_count, source_order) as partner_count,
        min_by(key_source, source_order) as key_source,
        min_by(key_source_id, source_order) as key_source_id
    from domains
    group by web_domain
),

of_the_same_domain as (
    select
        d.source, d.source_id, h.key_source, h.key_source_id,
        count(*) over (partition by d.source, h.key_source, h.key_source_id) as record_count
    from direct as d
    inner join heads as h on d.web_domain = h.web_domain and d.source <> h.source
    inner join domains as o on d.web_domain = o.web_domain and d.source = o.source
    where d.rule = 'own' and h.partner_count = 1 and o.partner_count = 1
),

-- Not when the system has another record of that partner already, whatever linked it.
by_domain as (
    select s.source, s.source_id, s.key_source, s.key_source_id
    from of_the_same_domain as s
    left join direct as o
        on s.source = o.source and s.key_source = o.key_source and s.key_source_id = o.key_source_id
    where s.record_count = 1 and o.source is null
),

linked as (
    select
        d.source, d.source_id, d.kind, d.source_order, d.web_domain,
        case when b.source is not null then 'domain' else d.rule end as rule,
        coalesce(b.key_source, d.key_source) as key_source,
        coalesce(b.key_source_id, d.key_source_id) as key_source_id
    from direct as d
    left join by_domain as b on d.source = b.source and d.source_id = b.source_id
),

-- The record that names the partner may itself have been linked to an earlier one.
settled as (
    select
        l.source, l.source_id, l.kind, l.source_order, l.web_domain, l.rule,
        coalesce(b.key_source, l.key_source) as key_source,
        coalesce(b.key_source_id, l.key_source_id) as key_source_id
    from linked as l
    left join by_domain as b on l.key_source = b.source and l.key_source_id = b.source_id
)

select
    source, source_id, kind, source_order, web_domain, rule, key_source, key_source_id,
    'p_' || substr(md5(key_source || '/' || key_source_id), 1, 16) as partner_id
from settled

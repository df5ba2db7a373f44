{{ config(alias='partner_links') }}

{#-
  Which partner every record belongs to, and by which rule; the first that applies:
  1. crosswalk: somebody said so, or said that the record is a partner of its own.
  2. crm_account_id: the record names a CRM account.
  3. domain: the same registrable domain, if it stands for one partner in every system and nothing speaks against it.
  4. name_and_country: the same name in the same country, if it stands for one partner in every system.
  Otherwise the record is a partner of its own. A partner is named by its first record (CRM before portal before mapping
  platform). The id of a partner nobody knew before follows from that record's key alone; an id that was released once
  stays with its records, whatever joins or leaves them.
  Two records of one system are never linked by domain or name: whoever keeps two means two, until a crosswalk says
  else. What would bring two such records together links nobody, so the order of systems decides nothing but the id.
-#}
with records as (
    select r.*, {{ record_order('r') }} as place
    from {{ ref('int_partner_records') }} as r
),

-- A partner is spoken of by its number, or by an id where it has none; the first system that knows it answers. Written
-- as source/id it is that very record.
targets as (
    select
        coalesce(partner_number, source_id) as partner_number,
        min_by(source, place) as source,
        min_by(source_id, place) as source_id
    from records
    group by coalesce(partner_number, source_id)
    union all
    select r.source || '/' || r.source_id as partner_number, r.source, r.source_id
    from records as r
    left join (select distinct partner_number from records) as n on r.source || '/' || r.source_id = n.partner_number
    where n.partner_number is null
),

by_hand as (
    select c.source, c.source_id, t.source as next_source, t.source_id as next_source_id
    from {{ ref('stg_deployment__crosswalk') }} as c
    inner join targets as t
        on t.partner_number = case
            when c.partner_number = '{{ itself() }}' then c.source || '/' || c.source_id else c.partner_number
        end
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
        r.source, r.source_id, r.kind, r.source_order, r.web_domain, s.rule, r.place,
        k.place as key_place
    from records as r
    inner join steps as s on r.source = s.source and r.source_id = s.source_id
    inner join steps as t on s.next_source = t.source and s.next_source_id = t.source_id
    inner join steps as u on t.next_source = u.source and t.next_source_id = u.source_id
    inner join records as k on u.next_source = k.source and u.next_source_id = k.source_id
),

-- Said to be a partner of its own: neither rule below touches it.
sealed as (
    select distinct d.key_place
    from direct as d
    inner join by_hand as h on d.source = h.source and d.source_id = h.source_id
    where h.source = h.next_source and h.source_id = h.next_source_id
),

pairs as (
    select p.*, a.key_place as here, b.key_place as there, a.web_domain
    from {{ ref('int_partner_pairs') }} as p
    inner join direct as a on p.source = a.source and p.source_id = a.source_id
    inner join direct as b on p.other_source = b.source and p.other_source_id = b.source_id
    where p.source <> p.other_source and a.key_place <> b.key_place
        and a.key_place not in (select key_place from sealed)
        and b.key_place not in (select key_place from sealed)
),

shared_domains as (
    select distinct web_domain
    from (
        select web_domain, source from direct
        where web_domain is not null
        group by web_domain, source
        having count(distinct key_place) > 1
    ) as several
),

-- Another name at one domain in one country is a new name, where the domain is called like one of the two: else it is
-- some house that many share. A name that only adds to the other is, as a rule, a subsidiary.
domain_edges as (
    select distinct p.here, p.there
    from pairs as p
    left join shared_domains as s on p.web_domain = s.web_domain
    where p.domain_relation = 'same' and s.web_domain is null and p.country_relation <> 'differs'
        and (
            p.name_relation in ('same', 'close')
            or (p.name_relation = 'other' and p.country_relation = 'same' and p.is_own_domain)
        )
),

{{ hanging_together('domain_edges', 'domain_groups') }},

domain_clashes as (
    select distinct root
    from (
        select g.root, d.source
        from domain_groups as g
        inner join direct as d on g.place = d.key_place
        group by g.root, d.source
        having count(distinct g.place) > 1
    ) as twice
),

by_domain as (
    select g.place, g.root
    from domain_groups as g
    left join domain_clashes as c on g.root = c.root
    where c.root is null
),

joined as (
    select d.*, coalesce(g.root, d.key_place) as domain_place
    from direct as d
    left join by_domain as g on d.key_place = g.place
),

-- How many partners of a system a name may mean in a country; a record without a country may be any of them.
named as (
    select distinct n.name_key, n.country_code, j.source, j.domain_place
    from {{ ref('int_partner_names') }} as n
    inner join joined as j on n.source = j.source and n.source_id = j.source_id
    where n.variant <> 'domain'
),

ambiguous as (
    select distinct name_key, country_code
    from (
        select a.name_key, a.country_code, n.source
        from (select distinct name_key, country_code from named where country_code is not null) as a
        inner join named as n
            on a.name_key = n.name_key and (a.country_code = n.country_code or n.country_code is null)
        group by a.name_key, a.country_code, n.source
        having count(distinct n.domain_place) > 1
    ) as several
),

clear_names as (
    select n.source, n.source_id, n.name_key, n.country_code
    from {{ ref('int_partner_names') }} as n
    left join ambiguous as x on n.name_key = x.name_key and n.country_code = x.country_code
    where n.variant <> 'domain' and n.country_code is not null and x.name_key is null
),

name_edges as (
    select distinct a.domain_place as here, b.domain_place as there
    from pairs as p
    inner join joined as a on p.source = a.source and p.source_id = a.source_id
    inner join joined as b on p.other_source = b.source and p.other_source_id = b.source_id
    inner join clear_names as n on p.source = n.source and p.source_id = n.source_id
    inner join clear_names as m
        on p.other_source = m.source and p.other_source_id = m.source_id
            and n.name_key = m.name_key and n.country_code = m.country_code
    where p.name_relation = 'same' and p.country_relation = 'same' and not p.forms_differ
        -- Who says what it was called before has another domain for that.
        and (p.domain_relation in ('same', 'alike', 'unknown') or p.is_stated)
        and (p.domain_relation = 'same' or not p.is_generic)
        and a.domain_place <> b.domain_place
),

{{ hanging_together('name_edges', 'name_groups') }},

name_clashes as (
    select distinct root
    from (
        select g.root, j.source
        from name_groups as g
        inner join joined as j on g.place = j.domain_place
        group by g.root, j.source
        having count(distinct g.place) > 1
    ) as twice
),

by_name as (
    select g.place, g.root
    from name_groups as g
    left join name_clashes as c on g.root = c.root
    where c.root is null
),

settled as (
    select
        j.source, j.source_id, j.kind, j.source_order, j.web_domain,
        case
            when j.rule <> 'own' or j.place = coalesce(n.root, j.domain_place) then j.rule
            when j.place <> j.domain_place then 'domain'
            else 'name_and_country'
        end as rule,
        coalesce(n.root, j.domain_place) as key_place
    from joined as j
    left join by_name as n on j.domain_place = n.place
),

known as (
    select
        s.key_place, g.partner_id, min(g.known_since) as known_since, count(*) as record_count,
        max(case when g.partner_id = {{ first_id('g') }} then 1 else 0 end) as has_first_record,
        max(case when g.is_present then 1 else 0 end) as is_held
    from settled as s
    inner join {{ ref('stg_released__identities') }} as g on s.source = g.source and s.source_id = g.source_id
    group by s.key_place, g.partner_id
),

-- Where a partner was split, its id stays with the record it was given for, else with the most of its records. Records
-- that come back take it from nobody who went on with it.
claimed as (
    select
        *,
        row_number() over (
            partition by partner_id order by is_held desc, has_first_record desc, record_count desc, key_place
        ) as claim
    from known
),

-- Where partners were merged the oldest id stays; of those of one day, the one of the record that names the partner. An
-- id that is only remembered gives way: what is on record of late is about the other.
kept as (
    select
        c.key_place, c.partner_id,
        row_number() over (
            partition by c.key_place
            order by
                c.is_held desc, c.known_since, case when c.partner_id = {{ first_id('k') }} then 0 else 1 end,
                c.partner_id
        ) as place
    from claimed as c
    inner join records as k on c.key_place = k.place
    where c.claim = 1
),

-- An id that went on without the record it was given for is not given again, nor one that is kept for records that are
-- not there. There are as many suffixes as records on record, so one of them is free.
released_ids as (
    select distinct partner_id from {{ ref('stg_released__identities') }}
),

suffixes as (
    select
        place,
        ' again' || case when place = 1 then '' else ' ' || cast(place as varchar) end as suffix
    from (
        select row_number() over (order by source, source_id) as place from {{ ref('stg_released__identities') }}
    ) as counted
),

free_ids as (
    select w.key_place, min_by(w.partner_id, w.place) as partner_id
    from (
        select k.place as key_place, x.place, {{ first_id('k', 'x.suffix') }} as partner_id
        from (select distinct key_place from settled) as s
        inner join records as k on s.key_place = k.place
        inner join released_ids as t on t.partner_id = {{ first_id('k') }}
        left join kept as i on s.key_place = i.key_place
        cross join suffixes as x
        where i.key_place is null
    ) as w
    left join released_ids as r on w.partner_id = r.partner_id
    where r.partner_id is null
    group by w.key_place
)

select
    s.source, s.source_id, s.kind, s.source_order, s.web_domain, s.rule,
    k.source as key_source,
    k.source_id as key_source_id,
    coalesce(i.partner_id, f.partner_id, {{ first_id('k') }}) as partner_id
from settled as s
inner join records as k on s.key_place = k.place
left join kept as i on s.key_place = i.key_place and i.place = 1
left join free_ids as f on s.key_place = f.key_place

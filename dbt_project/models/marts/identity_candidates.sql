{#-
  Pairs of partners that may be one and that no rule linked, with what speaks for it on either side. Nothing is linked by
  being listed; a row of the crosswalk settles a pair for good. The commands name the records that the two partners began
  with, so that what is linked already stays together; one that several systems know is not offered to be parted.
-#}
with context as (
    select * from {{ ref('stg_deployment__run_context') }}
),

records as (
    select
        r.source, r.source_id, r.kind, r.name, r.web_domain, r.country, l.partner_id, l.key_source, l.key_source_id,
        coalesce(p.partner_number, r.partner_number, r.source_id) as partner_number
    from {{ ref('int_partner_records') }} as r
    inner join {{ ref('int_partner_links') }} as l on r.source = l.source and r.source_id = l.source_id
    left join {{ ref('int_partners') }} as p on l.partner_id = p.partner_id
),

spread as (
    select partner_id, {{ joined('source', ', ', 'source') }} as sources, count(*) as source_count
    from (select distinct partner_id, source from records) as known
    group by partner_id
)

select
    c.source,
    c.source_id,
    a.partner_id,
    a.partner_number,
    a.name as partner_name,
    a.web_domain as domain,
    a.country,
    c.other_source,
    c.other_source_id,
    b.partner_id as other_partner_id,
    b.partner_number as other_partner_number,
    b.name as other_partner_name,
    b.web_domain as other_domain,
    b.country as other_country,
    c.similarity,
    c.reason,
    case c.name_relation
        when 'same' then 'the names are the same'
        when 'close' then 'the names are nearly the same'
        when 'extended' then 'one name says more than the other'
        when 'branching' then 'the names share a word'
        else 'the names share nothing'
    end
    || case when c.name_relation = 'same' and c.forms_differ then ' but for the legal form' else '' end
    || case when c.name_relation = 'same' and c.is_generic then ' and made of common words' else '' end
    || case c.domain_relation
        when 'same' then ', the domain is the same'
        when 'alike' then ', the domains are alike'
        when 'related' then ', the domains share a word of the names'
        when 'differs' then ', the domains differ'
        else ', a domain is unknown'
    end
    || case when c.is_named_by_domain then ', the domain of one is the name of the other' else '' end
    || case c.country_relation
        when 'same' then ', the country is the same'
        when 'differs' then ', the countries differ'
        else ', a country is unknown'
    end
    || case when c.source = c.other_source then ', both stand in one system' else '' end as detail,
    {{ side_in_words('a', 's') }} as evidence,
    {{ side_in_words('b', 't') }} as other_evidence,
    'segments identity link ' || a.key_source || '/' || a.key_source_id || ' ' || b.key_source || '/' || b.key_source_id
    || ' if they are one; '
    || case
        when t.source_count = 1
            then 'segments identity unlink ' || b.key_source || '/' || b.key_source_id || ' if it is a partner of its own'
        when s.source_count = 1
            then 'segments identity unlink ' || a.key_source || '/' || a.key_source_id || ' if it is a partner of its own'
        else 'they stay two partners while nobody says so'
    end as settled_by,
    x.quarter,
    x.policy,
    x.version
from {{ ref('int_partner_candidates') }} as c
inner join records as a on c.source = a.source and c.source_id = a.source_id
inner join records as b on c.other_source = b.source and c.other_source_id = b.source_id
inner join spread as s on a.partner_id = s.partner_id
inner join spread as t on b.partner_id = t.partner_id
cross join context as x

{#-
  Partners on deals, found in the ways that `attribution_order` lists. Per deal and partner the first way that finds it
  says its part, so nobody counts twice; ways further down may still find other partners. A company without a part that
  is known is `unknown` with the words it came with, so that the words can be mapped.
-#}
with source as (
    select * from {{ source('raw_hubspot', 'deal_company') }}
),

all_deals as (
    select * from {{ source('raw_hubspot', 'deal') }}
),

stages as (
    select * from {{ source('raw_hubspot', 'pipeline_stage') }}
),

merged_records as (
    select * from {{ source('raw_hubspot', 'merged_record') }}
),

merged as (
    {{ hubspot_merges('merged_records') }}
),

partner_records as (
    select * from {{ source('raw_hubspot', 'partner_record') }}
),

options as (
    select * from {{ ref('stg_deployment__source_options') }}
),

own as (
    {{ hubspot_options() }}
),

roles as (
    select role_raw, role from {{ ref('partner_role_map') }} where connector = 'hubspot'
),

deals as (
    {{ hubspot_deals('all_deals', 'stages', 'merged') }}
),

newest as (
    {{ newest_versions('source') }}
),

links as (
    {{ hubspot_links('newest', 'merged') }}
),

accounts as (
    select
        a.source, a.source_id, a.name, a.domain, a.partner_number, a.account_type, a.is_deleted,
        coalesce(a.is_partner, false) or t.account_type is not null as is_partner
    from {{ ref('stg_hubspot__accounts') }} as a
    left join {{ ref('stg_deployment__partner_account_types') }} as t
        on a.source = t.source and a.account_type = t.account_type
),

-- What a property may call a company; of several that go by one name a partner comes first, then the older one.
names as (
    select source, word, source_id
    from (
        select
            source, word, source_id,
            row_number() over (
                partition by source, word order by rank, is_partner desc, length(source_id), source_id
            ) as place
        from (
            select source, source_id as word, source_id, 1 as rank, is_partner from accounts where not is_deleted
            union all
            select source, lower(partner_number) as word, source_id, 2 as rank, is_partner
            from accounts where not is_deleted and partner_number is not null
            union all
            select source, lower(domain) as word, source_id, 3 as rank, is_partner
            from accounts where not is_deleted and domain is not null
            union all
            select source, lower(name) as word, source_id, 4 as rank, is_partner
            from accounts where not is_deleted and name is not null
        ) as words
    ) as ranked
    where place = 1
),

by_property as (
    select
        d.source, d.id as opportunity_id, coalesce(m.winner_id, n.source_id, d.word) as account_id, 'property' as way,
        d.property as role_raw, d.role, d.known_at, d.load_id, d.file_name, d.file_row
    from (
        select
            d.source, d.id, p.key as property, p.value as role, d.known_at, d.load_id, d.file_name, d.file_row,
            nullif(trim({{ json_text('d.custom_properties', 'p.key') }}), '') as word
        from deals as d
        inner join options as p on d.source = p.source and p.option = 'partner_property'
    ) as d
    left join merged as m on d.source = m.source and m.object_type = 'company' and d.word = m.loser_id
    left join names as n on d.source = n.source and lower(d.word) = n.word
    where d.word is not null
),

by_label as (
    select
        l.source, l.deal_id as opportunity_id, l.company_id as account_id, 'label' as way, l.label as role_raw,
        coalesce(p.value, r.role) as role, l.known_at, l.load_id, l.file_name, l.file_row
    from links as l
    left join options as p on l.source = p.source and p.option = 'partner_label' and l.label_key = p.key
    left join roles as r on l.label_key = r.role_raw
    where l.category <> 'HUBSPOT_DEFINED' and coalesce(p.value, r.role) is not null
),

by_company_type as (
    select
        l.source, l.deal_id as opportunity_id, l.company_id as account_id, 'company_type' as way,
        coalesce(
            min(case when l.category <> 'HUBSPOT_DEFINED' and l.label_key <> coalesce(o.primary_label_name, '') then l.label end),
            min(a.account_type)
        ) as role_raw,
        'unknown' as role, max(l.known_at) as known_at, max(l.load_id) as load_id, max(l.file_name) as file_name,
        max(l.file_row) as file_row
    from links as l
    inner join accounts as a on l.source = a.source and l.company_id = a.source_id
    left join own as o on l.source = o.source
    where a.is_partner
    group by l.source, l.deal_id, l.company_id
    -- The customer of a deal may be a partner too, which makes it no partner on its own deal.
    having max(case when l.is_customer then 1 else 0 end) = 0
),

newest_records as (
    select * from ({{ newest_versions('partner_records') }}) as p
    where coalesce(try_cast(p.is_deleted as boolean), false) = false
),

record_companies as (
    select p.source, p.id, e.item as company_id
    from newest_records as p
    {{ join_json_items('p.companies', 'e') }}
),

record_deals as (
    select p.source, p.id, p.custom_properties, e.item as deal_id, p.known_at, p.load_id, p.file_name, p.file_row
    from newest_records as p
    {{ join_json_items('p.deals', 'e') }}
),

by_object as (
    select
        d.source, d.deal_id as opportunity_id, coalesce(m.winner_id, c.company_id) as account_id, 'object' as way,
        d.role_raw, coalesce(r.role, case when d.role_raw is null then d.role else 'unknown' end) as role,
        d.known_at, d.load_id, d.file_name, d.file_row
    from (
        select
            d.*, o.object_role as role,
            nullif(trim({{ json_text('d.custom_properties', 'o.object_role_name') }}), '') as role_raw
        from record_deals as d
        left join own as o on d.source = o.source
    ) as d
    inner join record_companies as c on d.source = c.source and d.id = c.id
    left join merged as m on d.source = m.source and m.object_type = 'company' and c.company_id = m.loser_id
    left join roles as r on lower(d.role_raw) = r.role_raw
),

found as (
    select * from by_property
    union all
    select * from by_label
    union all
    select * from by_company_type
    union all
    select * from by_object
),

ordered as (
    select
        f.*,
        w.place,
        min(w.place) over (partition by f.source, f.opportunity_id, f.account_id) as first_place,
        row_number() over (
            partition by f.source, f.opportunity_id, f.account_id, w.place, lower(trim(f.role_raw))
            order by f.known_at desc, f.role
        ) as repetition
    from found as f
    inner join (
        select source, key as way, try_cast(value as integer) as place from options where option = 'attribution'
    ) as w on f.source = w.source and f.way = w.way
),

main_partners as (
    select distinct l.source, l.deal_id, l.company_id
    from links as l
    inner join own as o on l.source = o.source and l.label_key = o.primary_label_name
),

renamed as (
    select
        f.source,
        f.opportunity_id || '/' || f.account_id || '/' || coalesce(lower(trim(f.role_raw)), '') as source_id,
        f.opportunity_id,
        f.account_id,
        f.role_raw,
        f.role,
        case when o.primary_label_name is null then f.way = 'property' else m.deal_id is not null end as is_primary,
        f.known_at as extracted_at,
        d.is_gone as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        cast('' as varchar) as failed_casts,
        f.load_id,
        -- Several partners come from one row; set aside is one of them.
        f.file_name || ' ' || f.opportunity_id || '/' || f.account_id || '/' || coalesce(lower(trim(f.role_raw)), '') as file_name,
        f.file_row
    from ordered as f
    inner join deals as d on f.source = d.source and f.opportunity_id = d.id
    left join own as o on f.source = o.source
    left join main_partners as m
        on f.source = m.source and f.opportunity_id = m.deal_id and f.account_id = m.company_id
    where f.place = f.first_place and f.repetition = 1
)

select * from renamed

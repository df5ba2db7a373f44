{{ config(alias='partner_candidates') }}

{#-
  Pairs of partners that may be one and that no rule linked, one row per pair of partners: the two records that resemble
  each other most. Listed are those of one domain or one name, and similar names where one of the two stands alone in
  its system. A record that the crosswalk calls a partner of its own is in no pair.
-#}
with links as (
    select
        l.*, {{ pair_place('l') }} as place,
        l.rule = 'crosswalk' and l.source = l.key_source and l.source_id = l.key_source_id as is_sealed
    from {{ ref('int_partner_links') }} as l
),

spread as (
    select
        partner_id, count(distinct source) as source_count, max(case when is_sealed then 1 else 0 end) as is_sealed
    from links
    group by partner_id
),

pairs as (
    select
        p.*, a.partner_id, b.partner_id as other_partner_id, a.place as here, b.place as there,
        least(a.partner_id, b.partner_id) as one_partner_id,
        greatest(a.partner_id, b.partner_id) as further_partner_id,
        case when s.source_count = 1 or t.source_count = 1 then 1 else 0 end as is_open
    from {{ ref('int_partner_pairs') }} as p
    inner join links as a on p.source = a.source and p.source_id = a.source_id
    inner join links as b on p.other_source = b.source and p.other_source_id = b.source_id
    inner join spread as s on a.partner_id = s.partner_id and s.is_sealed = 0
    inner join spread as t on b.partner_id = t.partner_id and t.is_sealed = 0
    where a.partner_id <> b.partner_id
),

reasoned as (
    select
        *,
        case
            when domain_relation = 'same' then 'same_domain'
            when name_relation = 'same' and (is_open = 1 or country_relation <> 'differs') then 'same_name'
            when is_open = 0 or name_relation = 'same' then null
            when source = other_source and (similarity < 0.92 or country_relation = 'differs') then null
            when country_relation = 'differs' and name_relation <> 'close' then null
            when name_relation = 'close' or similarity >= 0.87 or is_named_by_domain then 'similar_name'
            when domain_relation in ('alike', 'related') and similarity >= 0.75 then 'similar_name'
        end as reason
    from pairs
),

best as (
    select
        *,
        row_number() over (
            partition by one_partner_id, further_partner_id
            order by case reason when 'same_domain' then 1 when 'same_name' then 2 else 3 end, similarity desc, here, there
        ) as place_in_pair
    from reasoned
    where reason is not null
),

ranked as (
    select
        *,
        row_number() over (partition by partner_id order by similarity desc, here, there) as place_here,
        row_number() over (partition by other_partner_id order by similarity desc, here, there) as place_there
    from best
    where place_in_pair = 1
)

-- Five suggestions for a partner are enough to read.
select
    source, source_id, partner_id, other_source, other_source_id, other_partner_id, reason, domain_relation,
    country_relation, name_relation, forms_differ, is_generic, is_named_by_domain, country, other_country, similarity
from ranked
where place_here <= 5 or place_there <= 5

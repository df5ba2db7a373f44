{{ config(alias='partner_knowledge') }}

{#-
  What can be known of a partner at all: the entities that a system which knows the partner offers. A partner that the
  portal has never heard of has no trainings on record there, which is not the same as no trainings. On a mapping
  platform the partner also decides what it shares; where the platform does not say, shared accounts or counts are the
  proof.
-#}
with offered as (
    select l.partner_id, l.source, l.source_id, l.kind, r.sharing_level, c.entity
    from {{ ref('int_partner_links') }} as l
    inner join {{ ref('int_partner_records') }} as r on l.source = r.source and l.source_id = r.source_id
    inner join {{ ref('stg_deployment__capabilities') }} as c on l.source = c.source
),

shares_accounts as (
    select distinct source, partner_id as source_id from {{ ref('int_account_overlaps') }} where not is_deleted and not is_test
),

shares_counts as (
    select distinct source, partner_id as source_id from {{ ref('int_overlap_counts') }} where not is_deleted and not is_test
)

select distinct o.partner_id, o.entity
from offered as o
left join shares_accounts as s on o.source = s.source and o.source_id = s.source_id
left join shares_counts as n on o.source = n.source and o.source_id = n.source_id
where o.entity not in ('account_overlaps', 'overlap_counts')
    or (o.entity = 'account_overlaps' and (o.sharing_level = 'full' or (o.sharing_level is null and s.source is not null)))
    or (
        o.entity = 'overlap_counts'
        and (o.sharing_level = 'counts_only' or (o.sharing_level is null and s.source is null and n.source is not null))
    )

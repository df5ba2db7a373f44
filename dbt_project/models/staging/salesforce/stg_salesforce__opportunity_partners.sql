{#-
  Who has a part in a deal, from three places that `role_raw` tells apart:
  1. lookups on the opportunity that the option `partner_fields` names ("Opportunity.<Field>"), with the role it gives;
  2. partner rows (the role of the Role picklist), as primary as they say;
  3. the account of the partner user who owns the opportunity ("Opportunity.PartnerAccountId").
  1 and primary rows of 2 count as primary. A lookup is read of the opportunity's newest version alone, so that one that
  was emptied gives no credit any more.
-#}
with source as (
    select * from {{ source('raw_salesforce', 'opportunity_partner') }}
),

accounts as (
    select * from {{ source('raw_salesforce', 'account') }}
),

all_opportunities as (
    select * from {{ source('raw_salesforce', 'opportunity') }}
),

roles as (
    select role_raw, role from {{ ref('partner_role_map') }} where connector = 'salesforce'
),

lookups as (
    select source, key as field, value as role
    from {{ ref('stg_deployment__source_options') }}
    where option = 'partner_fields'
),

merged_accounts as (
    {{ salesforce_merges('accounts') }}
),

-- A relationship may be written down a second time, the other way round: then each row names the other.
pairs as (
    select r.source, r.id, r.opportunity_id, r.account_to_id, f.id as other_id, f.account_to_id as other_account_id
    from source as r
    inner join source as f
        on r.source = f.source and r.opportunity_id = f.opportunity_id and r.reverse_partner_id = f.id
    union
    select r.source, r.id, r.opportunity_id, r.account_to_id, f.id as other_id, f.account_to_id as other_account_id
    from source as r
    inner join source as f
        on r.source = f.source and r.opportunity_id = f.opportunity_id and r.id = f.reverse_partner_id
),

paired_opportunities as (
    select * from all_opportunities as o
    where exists (select 1 from pairs as p where p.source = o.source and p.opportunity_id = o.id)
),

-- Of such a pair the row that names the opportunity's own account is no partner's. A reseller may well be the account of
-- its own deals, so a row that has no counterpart counts whatever it names.
mirrored as (
    select p.source, p.id
    from pairs as p
    inner join ({{ newest_versions('paired_opportunities') }}) as o
        on p.source = o.source and p.opportunity_id = o.id
    where (p.account_to_id = o.account_id and p.other_account_id <> o.account_id)
        or (p.account_to_id = p.other_account_id and p.id > p.other_id)
),

rows_of_partners as (
    select
        s.source,
        s.id as source_id,
        s.opportunity_id,
        s.account_to_id as account_id,
        s.role as role_raw,
        cast(null as varchar) as told_role,
        coalesce(try_cast(s.is_primary as boolean), false) as is_primary,
        s.known_at,
        coalesce(try_cast(s.is_deleted as boolean), false) as is_deleted,
        {{ utc_timestamp('s.system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('s.is_primary', 'boolean'), ('s.is_deleted', 'boolean'), ('s.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from source as s
    where not exists (select 1 from mirrored as m where m.source = s.source and m.id = s.id)
),

-- Only sources that may name partners on the opportunity itself: others need not be sorted into versions.
telling_sources as (
    select source from lookups
    union
    select source from all_opportunities where partner_account_id is not null
),

telling_opportunities as (
    select * from all_opportunities where source in (select source from telling_sources)
),

opportunities as (
    {{ newest_versions('telling_opportunities') }}
),

told_on_opportunities as (
    select o.*, l.field, {{ json_text('o.partner_fields', 'l.field') }} as named_account_id, l.role as told_role, true as is_primary
    from opportunities as o
    inner join lookups as l on o.source = l.source
    union all
    select
        o.*, 'PartnerAccountId' as field, o.partner_account_id as named_account_id, cast(null as varchar) as told_role,
        false as is_primary
    from opportunities as o
    where not exists (select 1 from lookups as l where l.source = o.source and l.field = 'PartnerAccountId')
),

rows_of_opportunities as (
    select
        source,
        id || ':' || field as source_id,
        id as opportunity_id,
        named_account_id as account_id,
        'Opportunity.' || field as role_raw,
        told_role,
        is_primary,
        known_at,
        coalesce(try_cast(is_deleted as boolean), false) as is_deleted,
        {{ utc_timestamp('system_modstamp') }} as modified_at,
        cast('' as varchar) as failed_casts,
        load_id,
        -- An opportunity may give several rows, of which each has to have a place of its own.
        file_name || ' ' || field as file_name,
        file_row
    from told_on_opportunities
    where named_account_id is not null
),

unioned as (
    select * from rows_of_partners
    union all
    select * from rows_of_opportunities
),

renamed as (
    select
        u.source,
        u.source_id,
        u.opportunity_id,
        coalesce(m.survivor_id, u.account_id) as account_id,
        u.role_raw,
        coalesce(u.told_role, r.role, 'unknown') as role,
        u.is_primary,
        u.known_at as extracted_at,
        u.is_deleted,
        cast(false as boolean) as is_test,
        u.modified_at,
        u.failed_casts,
        u.load_id,
        u.file_name,
        u.file_row
    from unioned as u
    left join roles as r on lower(trim(u.role_raw)) = r.role_raw
    left join merged_accounts as m on u.source = m.source and u.account_id = m.id
)

select * from renamed

{#-
  Who is a member of which partner programme at which level. Salesforce writes down when somebody became a member, not
  since when the level is held: `since` is the former. Programmes that are switched off are left out.
-#}
with source as (
    select * from {{ source('raw_salesforce', 'channel_program_member') }}
),

all_programs as (
    select * from {{ source('raw_salesforce', 'channel_program') }}
),

all_levels as (
    select * from {{ source('raw_salesforce', 'channel_program_level') }}
),

accounts as (
    select * from {{ source('raw_salesforce', 'account') }}
),

merged_accounts as (
    {{ salesforce_merges('accounts') }}
),

renamed as (
    select
        s.source,
        s.id as source_id,
        coalesce(m.survivor_id, s.partner_id) as account_id,
        p.name as program,
        l.name as level,
        cast({{ utc_timestamp('s.created_date') }} as date) as since,
        s.known_at as extracted_at,
        coalesce(try_cast(s.is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('s.system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('s.created_date', 'timestamp'), ('s.is_deleted', 'boolean'), ('s.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from source as s
    left join ({{ newest_versions('all_programs') }}) as p on s.source = p.source and s.program_id = p.id
    left join ({{ newest_versions('all_levels') }}) as l on s.source = l.source and s.level_id = l.id
    left join merged_accounts as m on s.source = m.source and s.partner_id = m.id
    where coalesce(try_cast(p.is_active as boolean), true) and not coalesce(try_cast(p.is_deleted as boolean), false)
)

select * from renamed

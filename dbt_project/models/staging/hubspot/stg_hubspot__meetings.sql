{#-
  Meetings that took place, completed calls and completed tasks, once per company they are about. A meeting that stands
  in the calendars of several colleagues is one event: what its copies share is the calendar's own id and the beginning.
-#}
with source as (
    select * from {{ source('raw_hubspot', 'meeting') }}
),

all_calls as (
    select * from {{ source('raw_hubspot', 'call') }}
),

all_tasks as (
    select * from {{ source('raw_hubspot', 'task') }}
),

merged_records as (
    select * from {{ source('raw_hubspot', 'merged_record') }}
),

merged as (
    {{ hubspot_merges('merged_records') }}
),

own as (
    {{ hubspot_options() }}
),

meetings as (
    select
        s.source, 'meeting' as kind, s.id, s.hubspot_owner_id, s.companies, s.is_deleted,
        coalesce({{ utc_timestamp('s.hs_meeting_start_time') }}, {{ utc_timestamp('s.hs_timestamp') }}) as started_at,
        {{ minutes_between(utc_timestamp('s.hs_meeting_start_time'), utc_timestamp('s.hs_meeting_end_time')) }} as minutes,
        s.hs_i_cal_uid as calendar_id,
        s.updated_at, s.known_at, s.load_id, s.file_name, s.file_row,
        {{ failed_casts([
            ('s.hs_meeting_start_time', 'timestamp'), ('s.hs_meeting_end_time', 'timestamp'),
            ('s.hs_timestamp', 'timestamp'), ('s.updated_at', 'timestamp')
        ]) }} as failed_casts
    from ({{ newest_versions('source') }}) as s
    where not exists (
        select 1 from {{ ref('stg_deployment__source_options') }} as x
        where x.source = s.source and x.option = 'ignored_outcome' and x.key = upper(trim(s.hs_meeting_outcome))
    )
),

calls as (
    select
        s.source, 'call' as kind, s.id, s.hubspot_owner_id, s.companies, s.is_deleted,
        {{ utc_timestamp('s.hs_timestamp') }} as started_at,
        cast(try_cast(s.hs_call_duration as decimal(18,4)) / 60000 as decimal(18,4)) as minutes,
        cast(null as varchar) as calendar_id,
        s.updated_at, s.known_at, s.load_id, s.file_name, s.file_row,
        {{ failed_casts([
            ('s.hs_call_duration', 'decimal(18,4)'), ('s.hs_timestamp', 'timestamp'), ('s.updated_at', 'timestamp')
        ]) }} as failed_casts
    from ({{ newest_versions('all_calls') }}) as s
    where coalesce(upper(trim(s.hs_call_status)), 'COMPLETED') = 'COMPLETED'
),

timed_tasks as (
    select
        s.*,
        o.minutes_of_a_task,
        {{ json_text('s.custom_properties', 'o.task_minutes_name') }} as told_minutes
    from ({{ newest_versions('all_tasks') }}) as s
    left join own as o on s.source = o.source
    where upper(trim(s.hs_task_status)) = 'COMPLETED'
),

tasks as (
    select
        s.source, 'task' as kind, s.id, s.hubspot_owner_id, s.companies, s.is_deleted,
        coalesce({{ utc_timestamp('s.hs_task_completion_date') }}, {{ utc_timestamp('s.hs_timestamp') }}) as started_at,
        coalesce(
            try_cast(s.told_minutes as decimal(18,4)), try_cast(s.minutes_of_a_task as decimal(18,4))
        ) as minutes,
        cast(null as varchar) as calendar_id,
        s.updated_at, s.known_at, s.load_id, s.file_name, s.file_row,
        {{ failed_casts([
            ('s.told_minutes', 'decimal(18,4)'), ('s.hs_task_completion_date', 'timestamp'),
            ('s.hs_timestamp', 'timestamp'), ('s.updated_at', 'timestamp')
        ]) }} as failed_casts
    from timed_tasks as s
),

activities as (
    select * from meetings
    union all
    select * from calls
    union all
    select * from tasks
),

with_company as (
    select a.*, e.item as told_company_id
    from activities as a
    {{ join_json_items('a.companies', 'e') }}
),

settled as (
    select
        a.*,
        coalesce(m.winner_id, a.told_company_id) as company_id
    from with_company as a
    left join merged as m on a.source = m.source and m.object_type = 'company' and a.told_company_id = m.loser_id
),

events as (
    select
        *,
        row_number() over (
            partition by source, kind, coalesce(calendar_id, id), started_at, company_id
            order by is_deleted, length(id), id
        ) as copy_place
    from settled
),

renamed as (
    select
        source,
        kind || '/' || id || '/' || company_id as source_id,
        hubspot_owner_id as owner_id,
        company_id as account_id,
        started_at,
        cast(minutes as decimal(18,4)) as minutes,
        kind,
        known_at as extracted_at,
        coalesce(try_cast(is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('updated_at') }} as modified_at,
        failed_casts,
        load_id,
        -- An event with several companies gives several rows; set aside is one of them.
        file_name || ' ' || id || '/' || company_id as file_name,
        file_row
    from events
    where copy_place = 1
)

select * from renamed

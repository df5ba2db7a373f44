{#-
  Meetings, calls and other tasks that are done, with the account they are about. A group event stands once in every
  guest's calendar: the organiser's row counts and the copies do not. Of a series its occurrences count, not the row that
  holds the pattern. Logged mails took nobody's time that anyone wrote down. An event of whole days counts as eight hours
  a day, three days at most: the longest that a meeting may be.
-#}
with source as (
    select * from {{ source('raw_salesforce', 'event') }}
),

all_tasks as (
    select * from {{ source('raw_salesforce', 'task') }}
),

accounts as (
    select * from {{ source('raw_salesforce', 'account') }}
),

merged_accounts as (
    {{ salesforce_merges('accounts') }}
),

newest_events as (
    {{ newest_versions('source') }}
),

newest_tasks as (
    {{ newest_versions('all_tasks') }}
),

events as (
    select
        e.source,
        e.id,
        e.owner_id,
        e.account_id,
        coalesce({{ utc_timestamp('e.start_date_time') }}, {{ utc_timestamp('e.activity_date') }}) as started_at,
        case
            when coalesce(try_cast(e.is_all_day_event as boolean), false)
                then case
                    when try_cast(e.duration_in_minutes as decimal(18,4)) <= 1440 then 480
                    when try_cast(e.duration_in_minutes as decimal(18,4)) <= 2880 then 960
                    when try_cast(e.duration_in_minutes as decimal(18,4)) > 2880 then 1440
                end
            else try_cast(e.duration_in_minutes as decimal(18,4))
        end as minutes,
        'meeting' as kind,
        e.is_deleted,
        e.system_modstamp,
        {{ failed_casts([
            ('e.duration_in_minutes', 'decimal(18,4)'), ('e.start_date_time', 'timestamp'),
            ('e.activity_date', 'timestamp'), ('e.is_all_day_event', 'boolean'), ('e.is_deleted', 'boolean'),
            ('e.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        e.known_at,
        e.load_id,
        e.file_name,
        e.file_row
    from newest_events as e
    where e.account_id is not null
        and not coalesce(try_cast(e.is_child as boolean), false)
        and not coalesce(try_cast(e.is_recurrence as boolean), false)
        -- Series of the newer kind mark their occurrences, too: there the row that others name holds the pattern.
        and not (
            coalesce(try_cast(e.is_recurrence2 as boolean), false)
            and exists (
                select 1 from newest_events as o where o.source = e.source and o.recurrence_activity_id = e.id and o.id <> e.id
            )
        )
),

tasks as (
    select
        t.source,
        t.id,
        t.owner_id,
        t.account_id,
        coalesce({{ utc_timestamp('t.completed_date_time') }}, {{ utc_timestamp('t.activity_date') }}) as started_at,
        cast(cast(try_cast(t.call_duration_in_seconds as decimal(18,4)) as double) / 60 as decimal(18,4)) as minutes,
        case when lower(t.task_subtype) = 'call' or t.call_type is not null then 'call' else 'task' end as kind,
        t.is_deleted,
        t.system_modstamp,
        {{ failed_casts([
            ('t.call_duration_in_seconds', 'decimal(18,4)'), ('t.completed_date_time', 'timestamp'),
            ('t.activity_date', 'timestamp'), ('t.is_closed', 'boolean'), ('t.is_deleted', 'boolean'),
            ('t.system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        t.known_at,
        t.load_id,
        t.file_name,
        t.file_row
    from newest_tasks as t
    where t.account_id is not null
        and coalesce(try_cast(t.is_closed as boolean), false)
        and not coalesce(try_cast(t.is_recurrence as boolean), false)
        and coalesce(lower(t.task_subtype), '') not in ('email', 'listemail')
),

activities as (
    select * from events
    union all
    select * from tasks
),

renamed as (
    select
        a.source,
        a.id as source_id,
        a.owner_id,
        coalesce(m.survivor_id, a.account_id) as account_id,
        a.started_at,
        cast(a.minutes as decimal(18,4)) as minutes,
        a.kind,
        a.known_at as extracted_at,
        coalesce(try_cast(a.is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('a.system_modstamp') }} as modified_at,
        a.failed_casts,
        a.load_id,
        a.file_name,
        a.file_row
    from activities as a
    left join merged_accounts as m on a.source = m.source and a.account_id = m.id
)

select * from renamed

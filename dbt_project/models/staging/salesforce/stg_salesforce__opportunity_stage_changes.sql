{#-
  A row of history is written whenever amount, probability, stage or close date changes, and holds all of them: a change
  of the stage is a row whose stage is another one than that of the row before. The first row of an opportunity comes
  from no stage.
-#}
with source as (
    select * from {{ source('raw_salesforce', 'opportunity_history') }}
),

newest as (
    {{ newest_versions('source') }}
),

steps as (
    select
        n.*,
        {{ utc_timestamp('n.created_date') }} as changed_at,
        lag(n.stage_name) over (
            partition by n.source, n.opportunity_id order by {{ utc_timestamp('n.created_date') }}, n.id
        ) as stage_before
    from newest as n
),

renamed as (
    select
        source,
        id as source_id,
        opportunity_id,
        stage_before as from_stage,
        stage_name as to_stage,
        try_cast(amount as decimal(18,4)) as amount,
        changed_at,
        known_at as extracted_at,
        coalesce(try_cast(is_deleted as boolean), false) as is_deleted,
        cast(false as boolean) as is_test,
        {{ utc_timestamp('system_modstamp') }} as modified_at,
        {{ failed_casts([
            ('amount', 'decimal(18,4)'), ('created_date', 'timestamp'), ('is_deleted', 'boolean'),
            ('system_modstamp', 'timestamp')
        ]) }} as failed_casts,
        load_id,
        file_name,
        file_row
    from steps
    where stage_before is null or stage_before <> stage_name
)

select * from renamed

{#- Stages of deals in their order, with the amount that a deal had then; HubSpot keeps so many values, the lake all. -#}
with source as (
    select * from {{ source('raw_hubspot', 'deal_stage_history') }}
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

deals as (
    {{ hubspot_deals('all_deals', 'stages', 'merged') }}
),

newest as (
    {{ newest_versions('source') }}
),

stage_names as (
    select source, stage_id, min(stage_label) as stage_label from stages group by source, stage_id
),

stage_changes as (
    select
        h.*,
        {{ utc_timestamp('h.changed_at') }} as changed,
        coalesce(n.stage_label, h.value) as to_stage
    from newest as h
    left join stage_names as n on h.source = n.source and h.value = n.stage_id
    where h.property = 'dealstage' and h.value is not null
),

steps as (
    select
        *,
        lag(to_stage) over (partition by source, deal_id order by changed, id) as from_stage
    from stage_changes
),

amounts as (
    select
        source, deal_id,
        try_cast(value as decimal(18,4)) as amount,
        {{ utc_timestamp('changed_at') }} as valid_from,
        lead({{ utc_timestamp('changed_at') }}) over (
            partition by source, deal_id order by {{ utc_timestamp('changed_at') }}, id
        ) as valid_to,
        {{ failed_casts([('value', 'decimal(18,4)')]) }} as failed_casts
    from newest
    where property = 'amount'
),

renamed as (
    select
        s.source,
        s.deal_id || '/' || s.changed_at || '/' || s.to_stage as source_id,
        s.deal_id as opportunity_id,
        s.from_stage,
        s.to_stage,
        a.amount,
        s.changed as changed_at,
        s.known_at as extracted_at,
        d.is_gone as is_deleted,
        cast(false as boolean) as is_test,
        cast(null as timestamp) as modified_at,
        {{ failed_casts([('s.changed_at', 'timestamp')]) }} || coalesce(a.failed_casts, '') as failed_casts,
        s.load_id,
        s.file_name,
        s.file_row
    from steps as s
    inner join deals as d on s.source = d.source and s.deal_id = d.id
    left join amounts as a
        on s.source = a.source and s.deal_id = a.deal_id
        and s.changed >= a.valid_from and (a.valid_to is null or s.changed < a.valid_to)
    where s.from_stage is null or s.from_stage <> s.to_stage
)

select * from renamed

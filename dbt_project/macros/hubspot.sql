{#- What the staging models of HubSpot share. Tables come in as arguments: only staging reads sources. -#}

{#- The options that staging asks for by name, as one row per source. -#}
{%- macro hubspot_options() -%}
select
        source,
        {%- for option in ['partner_number', 'region', 'level', 'level_since', 'task_minutes', 'primary_label'] %}
        max(case when option = '{{ option }}' then key end) as {{ option }}_name,
        {%- endfor %}
        max(case when option = 'partner_flag' then key end) as partner_flag_name,
        max(case when option = 'partner_flag' then value end) as partner_flag_value,
        max(case when option = 'partner_object' then nullif(key, '') end) as object_role_name,
        max(case when option = 'partner_object' then value end) as object_role,
        max(case when option = 'minutes_of_a_task' then value end) as minutes_of_a_task,
        max(case when option = 'default_currency' then value end) as default_currency,
        max(case when option = 'program' then value end) as program,
        max(case when option = 'pipeline' then 1 else 0 end) as has_pipelines
    from {{ ref('stg_deployment__source_options') }}
    group by source
{%- endmacro -%}

{#- Which records were merged into which in the end: a winner may have lost later, and its winner too. -#}
{%- macro hubspot_merges(merged_records) -%}
select
        a.source, a.object_type, a.loser_id,
        coalesce(d.winner_id, c.winner_id, b.winner_id, a.winner_id) as winner_id
    from ({{ newest_versions(merged_records) }}) as a
    {%- for one, other in [('b', 'a'), ('c', 'b'), ('d', 'c')] %}
    left join ({{ newest_versions(merged_records) }}) as {{ one }}
        on {{ other }}.source = {{ one }}.source and {{ other }}.object_type = {{ one }}.object_type
        and {{ other }}.winner_id = {{ one }}.loser_id
    {%- endfor %}
{%- endmacro -%}

{#- One row per deal, company and type of association, out of the newest rows of deals with their companies. -#}
{%- macro hubspot_links(deal_companies, merged) -%}
select
        d.source,
        d.deal_id,
        coalesce(m.winner_id, d.company_id) as company_id,
        d.category,
        d.label,
        lower(trim(d.label)) as label_key,
        d.category = 'HUBSPOT_DEFINED' and d.label = 'Primary' as is_customer,
        d.known_at, d.load_id, d.file_name, d.file_row
    from (
        select
            c.source,
            c.id as deal_id,
            {{ json_text('e.item', "'id'") }} as company_id,
            {{ json_text('e.item', "'category'") }} as category,
            {{ json_text('e.item', "'label'") }} as label,
            c.known_at, c.load_id, c.file_name, c.file_row
        from {{ deal_companies }} as c
        {{ join_json_items('c.companies', 'e') }}
    ) as d
    left join {{ merged }} as m on d.source = m.source and m.object_type = 'company' and d.company_id = m.loser_id
{%- endmacro -%}

{#- The account that stands for the customer of deals without a company, so that their money is not lost. -#}
{%- macro hubspot_no_company() -%}'without-company'{%- endmacro -%}

{#- The newest versions of the deals whose pipeline counts, and whether they are gone. -#}
{%- macro hubspot_deals(deals, stages, merged) -%}
select
        d.*,
        coalesce(try_cast(d.is_deleted as boolean), false) or m.loser_id is not null as is_gone
    from ({{ newest_versions(deals) }}) as d
    left join {{ merged }} as m on d.source = m.source and m.object_type = 'deal' and d.id = m.loser_id
    left join ({{ hubspot_options() }}) as o on d.source = o.source
    left join (
        select source, pipeline_id, min(pipeline_label) as pipeline_label from {{ stages }} group by source, pipeline_id
    ) as p on d.source = p.source and d.pipeline = p.pipeline_id
    where coalesce(o.has_pipelines, 0) = 0
        or exists (
            select 1 from {{ ref('stg_deployment__source_options') }} as x
            where x.source = d.source and x.option = 'pipeline'
                and x.key in (lower(trim(d.pipeline)), lower(trim(p.pipeline_label)))
        )
{%- endmacro -%}

{#- The day of a moment in UTC where an account is. -#}
{%- macro local_day(moment, zone) -%}{{ adapter.dispatch('local_day')(moment, zone) }}{%- endmacro -%}
{%- macro duckdb__local_day(moment, zone) -%}cast(timezone({{ zone }}, timezone('UTC', {{ moment }})) as date){%- endmacro -%}
{%- macro spark__local_day(moment, zone) -%}cast(from_utc_timestamp({{ moment }}, {{ zone }}) as date){%- endmacro -%}

{#- Minutes from one moment to another. -#}
{%- macro minutes_between(first, last) -%}{{ adapter.dispatch('minutes_between')(first, last) }}{%- endmacro -%}
{%- macro duckdb__minutes_between(first, last) -%}
{#- -- portable: one implementation per adapter -#}
cast(datediff('second', {{ first }}, {{ last }}) as decimal(18,4)) / 60
{%- endmacro -%}
{%- macro spark__minutes_between(first, last) -%}
cast(unix_timestamp({{ last }}) - unix_timestamp({{ first }}) as decimal(18,4)) / 60
{%- endmacro -%}

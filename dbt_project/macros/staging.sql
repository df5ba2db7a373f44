{#-
  failed_casts: words for every value that is there but is not what its column holds: "amount = '12,5'; ".
  Takes pairs of a raw column and an SQL type; empty text when all is well.
-#}
{%- macro failed_casts(pairs) -%}
{%- for column, kind in pairs %}
        {{ '|| ' if not loop.first }}case
            when {{ column }} is not null
                and {{ utc_timestamp(column) if kind == 'timestamp' else 'try_cast(' ~ column ~ ' as ' ~ kind ~ ')' }} is null
                then '{{ column.split('.') | last }} = ''' || {{ column }} || '''; '
            else ''
        end
{%- endfor %}
{%- endmacro -%}

{#- The host of a web address, lower case, without scheme, `www.`, path and port. Null stays null. -#}
{%- macro domain_of(column) -%}
case
            -- Most exports give bare hosts, and taking one apart costs four times as much as looking at it.
            when {{ is_bare_host(column) }} then {{ column }}
            else nullif(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(lower(trim({{ column }})), '^[a-z]+://', ''), '[/?#:].*$', ''
                    ), '^www[.]', ''
                ), ''
            )
        end
{%- endmacro -%}

{#- A word for yes or no as spreadsheets write it. -#}
{%- macro truth(column) -%}
case
            when lower(trim({{ column }})) in ('true', 't', '1', 'yes', 'y', 'x', '1.0') then true
            when lower(trim({{ column }})) in ('false', 'f', '0', 'no', 'n', '0.0') then false
        end
{%- endmacro -%}

{#- Text as its type, null where it is none. -#}
{%- macro cast_to(column, kind) -%}
{%- if kind == 'timestamp' -%}{{ utc_timestamp(column) }}
{%- elif kind == 'boolean' -%}{{ truth(column) }}
{%- elif kind == 'varchar' -%}nullif(trim({{ column }}), '')
{%- else -%}try_cast(trim({{ column }}) as {{ kind }})
{%- endif -%}
{%- endmacro -%}

{#-
  A whole staging model for a table of the `files` connector: its columns have the entity's own names, so that casting
  is all there is to do. Columns with a `_raw` twin are put into the common words of seeds.value_map.
-#}
{%- macro staged_file(entity) -%}
{%- set columns = entity_columns(entity) -%}
{%- set mapped = mapped_columns(entity) -%}
{%- set key = natural_key(entity) -%}
{%- set marks = ['source', 'source_id', 'extracted_at', 'modified_at', 'failed_casts', 'load_id', 'file_name', 'file_row'] -%}
with source as (
    select * from {{ source('raw_files', entity) }}
)
{%- if mapped or entity == 'opportunity_partners' %},

words as (
    select * from {{ ref('value_map') }} where entity = '{{ entity }}'
)
{%- endif %}

select
    s.source,
    {% if key -%}
    coalesce(nullif(trim(s.source_id), ''), substr(md5({% for column in key %}coalesce(s.{{ column }}, '~'){{ " || '|' || " if not loop.last }}{% endfor %}), 1, 32)) as source_id,
    {%- else -%}
    nullif(trim(s.source_id), '') as source_id,
    {%- endif %}
    {%- for column, kind in columns.items() if column not in marks %}
    {%- if column in mapped %}
    coalesce(m_{{ column }}.value, {{ "'other'" if column in ('event_type', 'record_type', 'own_population', 'partner_population') else "'unknown'" }}) as {{ column }},
    {%- elif column.endswith('_raw') and column != 'role_raw' %}
    nullif(trim(s.{{ column | replace('_raw', '') }}), '') as {{ column }},
    {%- elif column == 'role' and entity == 'opportunity_partners' %}
    coalesce(m_role.value, m_role_raw.value, 'unknown') as role,
    {%- elif column == 'role_raw' %}
    coalesce(nullif(trim(s.role_raw), ''), nullif(trim(s.role), '')) as role_raw,
    {%- elif column == 'domain' %}
    {{ domain_of('s.domain') }} as domain,
    {%- elif column == 'sharing_level' %}
    case replace(replace(lower(trim(s.sharing_level)), ' ', '_'), '-', '_')
        when 'full' then 'full' when 'accounts' then 'full'
        when 'counts_only' then 'counts_only' when 'counts' then 'counts_only' when 'hidden' then 'counts_only'
        when 'none' then 'none' when 'not_shared' then 'none'
    end as sharing_level,
    {%- elif column in ('is_deleted', 'is_test', 'is_primary') %}
    coalesce({{ truth('s.' ~ column) }}, false) as {{ column }},
    {%- else %}
    {{ cast_to('s.' ~ column, kind) }} as {{ column }},
    {%- endif %}
    {%- endfor %}
    s.known_at as extracted_at,
    {{ utc_timestamp('s.updated_at') }} as modified_at,
    {% for column, kind in columns.items() if column not in marks and kind != 'varchar' -%}
    case
        when nullif(trim(s.{{ column }}), '') is not null and {{ cast_to('s.' ~ column, kind) }} is null
            then '{{ column }} = ''' || s.{{ column }} || '''; '
        else ''
    end ||
    {% endfor -%}
    case
        when nullif(trim(s.updated_at), '') is not null and {{ utc_timestamp('s.updated_at') }} is null
            then 'updated_at = ''' || s.updated_at || '''; '
        else ''
    end as failed_casts,
    s.load_id,
    s.file_name,
    s.file_row
from source as s
{%- for column in mapped %}
left join words as m_{{ column }}
    on m_{{ column }}.field = '{{ column }}' and m_{{ column }}.raw_value = lower(trim(s.{{ column }}))
{%- endfor %}
{%- if entity == 'opportunity_partners' %}
left join words as m_role on m_role.field = 'role' and m_role.raw_value = lower(trim(s.role))
left join words as m_role_raw on m_role_raw.field = 'role' and m_role_raw.raw_value = lower(trim(s.role_raw))
{%- endif %}
{%- endmacro -%}

{#- The newest version of every row by its id. Loads add up; lists inside a row have to be those of its newest version. -#}
{%- macro newest_versions(table) -%}
select * from (
        select
            v.*,
            row_number() over (
                partition by v.source, v.id
                order by v.known_at desc, cast(v.load_id as double) desc, v.file_row desc
            ) as version_place
        from {{ table }} as v
    ) as numbered
    where version_place = 1
{%- endmacro -%}

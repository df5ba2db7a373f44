{#-
  The entities every source kind offers: their columns and types. The contract of each conformed model repeats them
  with descriptions, and dbt refuses to build where the two differ.
-#}
{%- macro entity_columns(entity) -%}
{%- set common = {'source': 'varchar', 'source_id': 'varchar'} -%}
{%- set marks = {
    'extracted_at': 'timestamp', 'is_deleted': 'boolean', 'is_test': 'boolean', 'modified_at': 'timestamp',
    'failed_casts': 'varchar', 'load_id': 'varchar', 'file_name': 'varchar', 'file_row': 'bigint'
} -%}
{%- set own = {
    'accounts': {
        'name': 'varchar', 'partner_number': 'varchar', 'domain': 'varchar', 'country': 'varchar',
        'region': 'varchar', 'industry': 'varchar', 'account_type': 'varchar', 'employees': 'bigint',
        'is_partner': 'boolean', 'owner_id': 'varchar', 'parent_id': 'varchar', 'created_at': 'timestamp'
    },
    'opportunities': {
        'name': 'varchar', 'account_id': 'varchar', 'amount': 'decimal(18,4)', 'currency': 'varchar',
        'stage': 'varchar', 'is_closed': 'boolean', 'is_won': 'boolean', 'created_at': 'timestamp',
        'close_date': 'date', 'owner_id': 'varchar'
    },
    'opportunity_partners': {
        'opportunity_id': 'varchar', 'account_id': 'varchar', 'role_raw': 'varchar', 'role': 'varchar',
        'is_primary': 'boolean'
    },
    'rejected_lines': {
        'entity': 'varchar', 'origin': 'varchar', 'line': 'varchar', 'reason': 'varchar'
    }
} -%}
{%- set columns = {} -%}
{%- do columns.update(common) -%}
{%- do columns.update(own[entity]) -%}
{%- do columns.update(marks) -%}
{{ return(columns) }}
{%- endmacro -%}

{#- All connected sources' rows of one entity, one select per staging model; no source: no rows, same columns. -#}
{%- macro union_entity(entity) -%}
{%- set columns = entity_columns(entity) -%}
{%- set models = var('entities').get(entity, []) -%}
{%- for model in models %}
select
    {%- for column in columns %}
    {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ ref(model) }}
{{ 'union all' if not loop.last }}
{%- else %}
select
    {%- for column, kind in columns.items() %}
    cast(null as {{ kind }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
where false
{%- endfor %}
{%- endmacro -%}

{#-
  set_aside: every row of `facts` that must not reach the conformed table, with the first rule it breaks.
  `rules` are triples of a name, a condition that is true for a bad row, and words for the detail.
  Rows that stand more than once under one id: of one load the newest version stays and the others are set aside; two
  versions of the same moment that differ leave nothing to choose by, so all of them go. A row that a later load
  replaced is `superseded`, and a row that the source deleted and that breaks a rule is `deleted`: both are no fault and
  are not quarantined.
-#}
{%- macro set_aside(entity, facts, rules) -%}
{%- set own = entity_columns(entity).keys() | reject('in', ['extracted_at', 'modified_at', 'failed_casts', 'load_id', 'file_name', 'file_row']) -%}
repeated as (
    select source, source_id
    from {{ facts }}
    where source_id is not null
    group by source, source_id
    having count(*) > 1
),

versions as (
    select
        f.source, f.source_id, f.load_id, f.file_name, f.file_row, f.extracted_at, f.modified_at,
        {% for column in own -%}
        coalesce(cast(f.{{ column }} as varchar), '~'){{ " || '|' || " if not loop.last }}
        {%- endfor %} as content,
        first_value(f.load_id) over (
            partition by f.source, f.source_id order by f.extracted_at desc, cast(f.load_id as double) desc
        ) as last_load_id,
        max(f.modified_at) over (partition by f.source, f.source_id, f.load_id) as last_modified_at,
        row_number() over (
            partition by f.source, f.source_id, f.load_id
            order by f.modified_at desc nulls last, f.file_name desc, f.file_row desc
        ) as place
    from {{ facts }} as f
    inner join repeated as r on f.source = r.source and f.source_id = r.source_id
),

contents as (
    select
        *,
        min(case when coalesce(modified_at = last_modified_at, true) then content end)
            over (partition by source, source_id, load_id) as least_content,
        max(case when coalesce(modified_at = last_modified_at, true) then content end)
            over (partition by source, source_id, load_id) as greatest_content
    from versions
),

copies as (
    select
        source, source_id, load_id, file_name, file_row, extracted_at,
        case
            when load_id <> last_load_id then 'superseded'
            when least_content <> greatest_content then 'duplicate_id_conflict'
            when place > 1 then 'duplicate_id'
        end as reject_reason,
        'id ' || source_id || ' stands more than once in one load' as reject_detail
    from contents
),

broken as (
    select
        source, source_id, load_id, file_name, file_row, extracted_at,
        case
            {%- for name, condition, words in rules %}
            when {{ condition }} then case when is_deleted then 'deleted' else '{{ name }}' end
            {%- endfor %}
        end as reject_reason,
        'id ' || coalesce(source_id, '(none)') || ': ' || case
            {%- for name, condition, words in rules %}
            when {{ condition }} then {{ words }}
            {%- endfor %}
        end as reject_detail
    from {{ facts }}
),

lines as (
    select
        source, cast(null as varchar) as source_id, load_id, file_name, file_row, extracted_at,
        'broken_line' as reject_reason,
        reason || ': ' || substr(line, 1, 200) as reject_detail
    from {{ ref('int_rejected_lines_unioned') }}
    where entity = '{{ entity }}'
),

judged as (
    select * from copies where reject_reason is not null
    union all
    select * from broken
    where reject_reason is not null
        and not exists (
            select 1 from copies as c
            where c.reject_reason is not null and c.source = broken.source and c.load_id = broken.load_id
                and c.file_name = broken.file_name and c.file_row = broken.file_row
        )
    union all
    select * from lines
)

select
    source, source_id, load_id, file_name, file_row, extracted_at, reject_reason,
    coalesce(file_name || ' row ' || cast(file_row as varchar) || ': ', '') || reject_detail as reject_detail
from judged
{%- endmacro -%}

{#- Reasons to leave a row out that say nothing against it. -#}
{%- macro harmless_reasons() -%}('superseded', 'deleted'){%- endmacro -%}

{#- The join that leaves set-aside rows out. -#}
{%- macro not_set_aside(facts, aside) -%}
not exists (
        select 1 from {{ aside }} as a
        where a.source = {{ facts }}.source
            and a.load_id = {{ facts }}.load_id
            and a.file_name = {{ facts }}.file_name
            and a.file_row = {{ facts }}.file_row
    )
{%- endmacro -%}

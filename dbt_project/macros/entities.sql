{#-
  The entities every source kind offers: their columns and types. The contract of each conformed model repeats them
  with descriptions, and dbt refuses to build where the two differ. What a file template is called and needs is
  `pipelines/templates.py`; a test holds the two together.
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
    'opportunity_stage_changes': {
        'opportunity_id': 'varchar', 'from_stage': 'varchar', 'to_stage': 'varchar', 'amount': 'decimal(18,4)',
        'changed_at': 'timestamp'
    },
    'meetings': {
        'owner_id': 'varchar', 'account_id': 'varchar', 'started_at': 'timestamp', 'minutes': 'decimal(18,4)',
        'kind': 'varchar'
    },
    'program_memberships': {
        'account_id': 'varchar', 'program': 'varchar', 'level': 'varchar', 'since': 'date'
    },
    'exchange_rates': {
        'currency': 'varchar', 'to_currency': 'varchar', 'valid_from': 'date', 'valid_to': 'date',
        'rate': 'decimal(18,8)'
    },
    'partners': {
        'name': 'varchar', 'domain': 'varchar', 'sharing_level': 'varchar', 'crm_account_id': 'varchar',
        'status': 'varchar', 'status_raw': 'varchar', 'program_group': 'varchar', 'tier': 'varchar',
        'motion': 'varchar', 'motion_raw': 'varchar', 'region': 'varchar', 'country': 'varchar',
        'industry': 'varchar', 'joined_at': 'timestamp', 'manager': 'varchar'
    },
    'account_overlaps': {
        'partner_id': 'varchar', 'own_account_id': 'varchar', 'domain': 'varchar', 'own_population': 'varchar',
        'own_population_raw': 'varchar', 'partner_population': 'varchar', 'partner_population_raw': 'varchar',
        'matched_at': 'timestamp', 'partner_owner': 'varchar'
    },
    'overlap_counts': {
        'partner_id': 'varchar', 'own_population': 'varchar', 'own_population_raw': 'varchar',
        'partner_population': 'varchar', 'partner_population_raw': 'varchar', 'account_count': 'bigint'
    },
    'partner_users': {
        'partner_id': 'varchar', 'email': 'varchar', 'first_name': 'varchar', 'last_name': 'varchar',
        'job_title': 'varchar', 'role': 'varchar', 'is_active': 'boolean', 'is_primary': 'boolean',
        'created_at': 'timestamp', 'last_login_at': 'timestamp'
    },
    'deal_registrations': {
        'partner_id': 'varchar', 'partner_user_id': 'varchar', 'crm_opportunity_id': 'varchar',
        'customer_company': 'varchar', 'deal_name': 'varchar', 'registration_status': 'varchar',
        'registration_status_raw': 'varchar', 'outcome': 'varchar', 'outcome_raw': 'varchar', 'stage': 'varchar',
        'amount': 'decimal(18,4)', 'currency': 'varchar', 'origin': 'varchar', 'submitted_at': 'timestamp',
        'decided_at': 'timestamp', 'expires_at': 'timestamp', 'expected_close_date': 'date', 'closed_at': 'timestamp',
        'lost_reason': 'varchar'
    },
    'leads': {
        'partner_id': 'varchar', 'direction': 'varchar', 'status': 'varchar', 'status_raw': 'varchar',
        'customer_company': 'varchar', 'customer_email': 'varchar', 'amount': 'decimal(18,4)', 'currency': 'varchar',
        'submitted_at': 'timestamp', 'accepted_at': 'timestamp', 'converted_at': 'timestamp'
    },
    'training_records': {
        'partner_id': 'varchar', 'user_id': 'varchar', 'user_email': 'varchar', 'item_name': 'varchar',
        'record_type': 'varchar', 'record_type_raw': 'varchar', 'status': 'varchar', 'status_raw': 'varchar',
        'progress_pct': 'decimal(18,4)', 'enrolled_at': 'timestamp', 'completed_at': 'timestamp',
        'expires_at': 'timestamp'
    },
    'activity_events': {
        'partner_id': 'varchar', 'user_id': 'varchar', 'user_email': 'varchar', 'event_type': 'varchar',
        'event_type_raw': 'varchar', 'object_type': 'varchar', 'object_name': 'varchar', 'occurred_at': 'timestamp'
    },
    'mdf_requests': {
        'partner_id': 'varchar', 'fund_name': 'varchar', 'activity_type': 'varchar', 'status': 'varchar',
        'status_raw': 'varchar', 'requested_amount': 'decimal(18,4)', 'approved_amount': 'decimal(18,4)',
        'currency': 'varchar', 'submitted_at': 'timestamp', 'decided_at': 'timestamp', 'activity_start': 'date',
        'activity_end': 'date'
    },
    'mdf_claims': {
        'request_id': 'varchar', 'partner_id': 'varchar', 'status': 'varchar', 'status_raw': 'varchar',
        'claimed_amount': 'decimal(18,4)', 'approved_amount': 'decimal(18,4)', 'currency': 'varchar',
        'submitted_at': 'timestamp', 'paid_at': 'timestamp'
    },
    'transactions': {
        'partner_id': 'varchar', 'customer_id': 'varchar', 'deal_id': 'varchar', 'transaction_date': 'date',
        'amount': 'decimal(18,4)', 'currency': 'varchar', 'product': 'varchar', 'approved': 'boolean'
    },
    'rewards': {
        'partner_id': 'varchar', 'transaction_id': 'varchar', 'deal_id': 'varchar', 'status': 'varchar',
        'status_raw': 'varchar', 'amount': 'decimal(18,4)', 'currency': 'varchar', 'description': 'varchar',
        'earned_at': 'timestamp', 'paid_at': 'timestamp'
    },
    'csat_responses': {
        'partner_id': 'varchar', 'user_email': 'varchar', 'survey_name': 'varchar', 'score': 'decimal(18,4)',
        'scale_max': 'decimal(18,4)', 'comment': 'varchar', 'responded_at': 'timestamp'
    },
    'business_plans': {
        'partner_id': 'varchar', 'plan_type': 'varchar', 'period_start': 'date', 'period_end': 'date',
        'status': 'varchar', 'target_amount': 'decimal(18,4)', 'actual_amount': 'decimal(18,4)',
        'currency': 'varchar', 'meeting_date': 'date'
    },
    'metric_facts': {
        'partner': 'varchar', 'metric': 'varchar', 'fact_date': 'date', 'value': 'decimal(28,6)',
        'subject': 'varchar', 'attributes': 'varchar'
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

{#-
  Whether any connected source may offer an entity; what none offers is inlined as no rows and costs no table. The three
  that production is counted from are always there, also empty.
-#}
{%- macro is_offered(entity) -%}
{{ return(entity in ('accounts', 'opportunities', 'opportunity_partners') or var('entities').get(entity, []) | length > 0) }}
{%- endmacro -%}

{#- A column's value in the common words of seeds.value_map; what the map does not know is told apart by `_raw`. -#}
{%- macro mapped_columns(entity) -%}
{%- set columns = entity_columns(entity).keys() | list -%}
{%- set mapped = [] -%}
{%- for column in columns if column ~ '_raw' in columns and entity != 'opportunity_partners' -%}
{%- do mapped.append(column) -%}
{%- endfor -%}
{{ return(mapped) }}
{%- endmacro -%}

{#- Columns that name a row where the source has no id for it: the grain of the entity. -#}
{%- macro natural_key(entity) -%}
{{ return({
    'opportunity_partners': ['opportunity_id', 'account_id', 'role_raw', 'role'],
    'program_memberships': ['account_id', 'program', 'level', 'since'],
    'exchange_rates': ['currency', 'to_currency', 'valid_from'],
    'account_overlaps': ['partner_id', 'own_account_id', 'domain', 'own_population', 'partner_population'],
    'overlap_counts': ['partner_id', 'own_population', 'partner_population']
}.get(entity, [])) }}
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
        {{ names_in_row(entity, 'f') }},
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
        source, source_id, load_id, file_name, file_row, extracted_at, named, about, dated,
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
        {{ names_in_row(entity, facts) }},
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
        cast(null as varchar) as named, cast(null as varchar) as about, cast(null as date) as dated,
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
    coalesce(file_name || ' row ' || cast(file_row as varchar) || ': ', '') || reject_detail as reject_detail,
    named, about, dated
from judged
{%- endmacro -%}

{#-
  What a row of an entity says of whom and when it is, as columns: `named`, the partner's record; `about`, the deal;
  `dated`, a day of it before which it counts nowhere. A row without that day may count in any quarter, and so may one whose
  day is later than its extraction: that is not the day it meant. Only what can be planned may have a day to come. What a
  row that was set aside leaves in doubt of whom is `int_doubtful_metrics`.
-#}
{%- macro names_in_row(entity, row) -%}
{%- set columns = entity_columns(entity) -%}
{%- set named = {
    'partners': 'crm_account_id', 'opportunity_partners': 'account_id', 'meetings': 'account_id',
    'metric_facts': 'partner'
}.get(entity, 'partner_id' if 'partner_id' in columns else none) -%}
{%- set about = {'opportunities': 'source_id', 'opportunity_partners': 'opportunity_id'}.get(entity) -%}
{%- set days = {
    'opportunities': ['created_at'],
    'meetings': ['started_at'],
    'account_overlaps': ['matched_at'],
    'partner_users': ['created_at'],
    'deal_registrations': ['submitted_at'],
    'training_records': ['enrolled_at', 'completed_at'],
    'activity_events': ['occurred_at'],
    'mdf_requests': ['submitted_at'],
    'mdf_claims': ['submitted_at', 'paid_at'],
    'transactions': ['transaction_date'],
    'csat_responses': ['responded_at'],
    'business_plans': ['meeting_date'],
    'metric_facts': ['fact_date']
}.get(entity, []) -%}
{%- set is_planned = entity in ('meetings', 'business_plans') -%}
{{ row ~ '.' ~ named if named else 'cast(null as varchar)' }} as named,
        {{ row ~ '.' ~ about if about else 'cast(null as varchar)' }} as about,
        cast(coalesce(
            {%- for day in days %}
            {% if is_planned -%}
            {{ row }}.{{ day }},
            {%- else -%}
            case when {{ row }}.{{ day }} <= {{ row }}.extracted_at + interval '1' day then {{ row }}.{{ day }} end,
            {%- endif %}
            {%- endfor %}
            null
        ) as date) as dated
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

{#- What every conformed model and its set-aside rows share. Entities that no source offers are inlined: no table. -#}
{%- macro conformed_config(entity) -%}
{{ return({
    'alias': entity,
    'materialized': 'table' if is_offered(entity) else 'ephemeral',
    'contract': {'enforced': is_offered(entity)}
}) }}
{%- endmacro -%}

{%- macro set_aside_config(entity) -%}
{{ return({
    'alias': entity ~ '_set_aside',
    'schema': 'quarantine',
    'materialized': 'table' if is_offered(entity) else 'ephemeral',
    'post_hook': "{{ quarantine_view('" ~ entity ~ "') }}" if is_offered(entity) else []
}) }}
{%- endmacro -%}

{#- quarantine.<entity>: the rows whose reason speaks against them. A view made beside its table, not a node of its own. -#}
{%- macro quarantine_view(entity) -%}
create or replace view {{ this.schema }}.{{ entity }} as
select source, source_id, reject_reason, reject_detail, extracted_at, load_id, file_name, file_row
from {{ this.schema }}.{{ entity }}_set_aside
where reject_reason not in {{ harmless_reasons() }}
{%- endmacro -%}

{#- Rows of a money entity with the currency they are in and the rate of a day of theirs. -#}
{%- macro rated(unioned, moment) -%}
select
        p.*,
        r.rate
    from (
        select
            u.*,
            coalesce(u.currency, s.default_currency, c.reporting_currency) as settled_currency,
            cast(coalesce({{ moment }}, u.extracted_at) as date) as rate_date
        from ({{ unioned }}) as u
        left join {{ ref('stg_deployment__source_settings') }} as s on u.source = s.source
        cross join {{ ref('stg_deployment__run_context') }} as c
    ) as p
    left join {{ ref('int_currency_rates') }} as r
        on {{ rate_applies('p', 'r') }}
{%- endmacro -%}

{#- Which rate is that of a row: of its currency and day, and of its source where a source brings rates of its own. -#}
{%- macro rate_applies(row, rate) -%}
{{ row }}.settled_currency = {{ rate }}.currency
            and {{ row }}.rate_date >= {{ rate }}.valid_from and {{ row }}.rate_date < {{ rate }}.valid_to
            {%- if is_offered('exchange_rates') %}
            and coalesce({{ rate }}.source, {{ row }}.source) = {{ row }}.source
            {%- endif %}
{%- endmacro -%}

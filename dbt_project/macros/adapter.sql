{#-
  What differs between engines, one implementation per adapter. Everything else in this project is SQL that DuckDB and
  Spark read alike (CONTRIBUTING.md, "Portable SQL"; held by tests/architecture).
-#}

{%- macro generate_schema_name(custom_schema_name, node) -%}
    {#- A key is an address: the schema is the one the model names, without a target's prefix. -#}
    {{- custom_schema_name if custom_schema_name else target.schema -}}
{%- endmacro -%}

{#- A timestamp in UTC out of text with any offset. -#}
{%- macro utc_timestamp(column) -%}{{ adapter.dispatch('utc_timestamp')(column) }}{%- endmacro -%}
{#- DuckDB's cast to timestamp drops an offset; the one to timestamptz applies it, but would read a text without one in
    the machine's time zone. -#}
{%- macro duckdb__utc_timestamp(column) -%}
case
                when {{ column }} like '%:%+%' or {{ column }} like '%:%-%'
                    then timezone('UTC', try_cast({{ column }} as timestamptz))
                else try_cast({{ column }} as timestamp)
            end
{%- endmacro -%}
{%- macro spark__utc_timestamp(column) -%}try_cast({{ column }} as timestamp){%- endmacro -%}

{#- Whole days from one date to another. -#}
{%- macro days_between(first, last) -%}{{ adapter.dispatch('days_between')(first, last) }}{%- endmacro -%}
{%- macro duckdb__days_between(first, last) -%}datediff('day', {{ first }}, {{ last }}){%- endmacro -%}
{%- macro spark__days_between(first, last) -%}datediff({{ last }}, {{ first }}){%- endmacro -%}

{#- Texts of a group joined in a stated order. -#}
{%- macro joined(expression, separator, order_by) -%}
{{ adapter.dispatch('joined')(expression, separator, order_by) }}
{%- endmacro -%}
{%- macro duckdb__joined(expression, separator, order_by) -%}
string_agg({{ expression }}, '{{ separator }}' order by {{ order_by }})
{%- endmacro -%}
{%- macro spark__joined(expression, separator, order_by) -%}
listagg({{ expression }}, '{{ separator }}') within group (order by {{ order_by }})
{%- endmacro -%}

{#- A fold over the texts of a group in their own order: `step(accumulated, item)` gives the next accumulated text. -#}
{%- macro folded(items, step) -%}{{ adapter.dispatch('folded')(items, step) }}{%- endmacro -%}
{%- macro duckdb__folded(items, step) -%}
list_reduce({{ items }}, lambda acc, x: {{ step }}, '')
{%- endmacro -%}
{%- macro spark__folded(items, step) -%}
aggregate({{ items }}, '', (acc, x) -> {{ step }})
{%- endmacro -%}

{%- macro sorted_texts(expression) -%}{{ adapter.dispatch('sorted_texts')(expression) }}{%- endmacro -%}
{%- macro duckdb__sorted_texts(expression) -%}list_sort(list({{ expression }})){%- endmacro -%}
{%- macro spark__sorted_texts(expression) -%}array_sort(collect_list({{ expression }})){%- endmacro -%}

{#- Whether a JSON array of texts holds a text. -#}
{%- macro json_array_holds(json, value) -%}
position('"' || replace(replace({{ value }}, '\', '\\'), '"', '\"') || '"' in {{ json }}) > 0
{%- endmacro -%}

{#- The whole part of units x weight / total, exact beyond 64 bits. -#}
{%- macro whole_quotient(units, weight, total) -%}{{ adapter.dispatch('whole_quotient')(units, weight, total) }}{%- endmacro -%}
{%- macro duckdb__whole_quotient(units, weight, total) -%}
(cast({{ units }} as hugeint) * ({{ weight }})) // ({{ total }})
{%- endmacro -%}
{%- macro spark__whole_quotient(units, weight, total) -%}
(cast({{ units }} as decimal(19,0)) * cast({{ weight }} as decimal(18,0))) div cast({{ total }} as decimal(18,0))
{%- endmacro -%}

{#- A number with two digits and marks between thousands, for texts only. -#}
{%- macro grouped_number(value) -%}{{ adapter.dispatch('grouped_number')(value) }}{%- endmacro -%}
{%- macro duckdb__grouped_number(value) -%}format('{:,.2f}', cast(round({{ value }}, 2) as double)){%- endmacro -%}
{%- macro spark__grouped_number(value) -%}format_number({{ value }}, 2){%- endmacro -%}

{#- Whether a text is a host in small letters and nothing more: no scheme, port or path, no `www.`. -#}
{%- macro is_bare_host(column) -%}{{ adapter.dispatch('is_bare_host')(column) }}{%- endmacro -%}
{%- macro duckdb__is_bare_host(column) -%}
regexp_full_match({{ column }}, '[a-z0-9-]+([.][a-z0-9-]+)*') and {{ column }} not like 'www.%'
{%- endmacro -%}
{%- macro spark__is_bare_host(column) -%}
{{ column }} rlike '^[a-z0-9-]+([.][a-z0-9-]+)*$' and {{ column }} not like 'www.%'
{%- endmacro -%}

{#- A month count before a day. -#}
{%- macro months_before(day, months) -%}{{ adapter.dispatch('months_before')(day, months) }}{%- endmacro -%}
{%- macro duckdb__months_before(day, months) -%}cast({{ day }} - to_months({{ months }}) as date){%- endmacro -%}
{%- macro spark__months_before(day, months) -%}add_months({{ day }}, -({{ months }})){%- endmacro -%}

{#- The day after. -#}
{%- macro day_after(day) -%}{{ adapter.dispatch('day_after')(day) }}{%- endmacro -%}
{%- macro duckdb__day_after(day) -%}cast({{ day }} + interval 1 day as date){%- endmacro -%}
{%- macro spark__day_after(day) -%}date_add({{ day }}, 1){%- endmacro -%}

{#- The text under a key of a JSON object; null when it is not there or the text is no JSON. -#}
{%- macro json_text(json, key) -%}{{ adapter.dispatch('json_text')(json, key) }}{%- endmacro -%}
{%- macro duckdb__json_text(json, key) -%}
case when json_valid({{ json }}) then json_extract_string({{ json }}, '$."' || {{ key }} || '"') end
{%- endmacro -%}
{%- macro spark__json_text(json, key) -%}get_json_object({{ json }}, '$["' || {{ key }} || '"]'){%- endmacro -%}

{#- Every match of a pattern replaced; one engine needs to be told, the other replaces all by itself. -#}
{%- macro replaced_all(column, pattern, by) -%}{{ adapter.dispatch('replaced_all')(column, pattern, by) }}{%- endmacro -%}
{%- macro duckdb__replaced_all(column, pattern, by) -%}
regexp_replace({{ column }}, '{{ pattern }}', '{{ by }}', 'g')
{%- endmacro -%}
{%- macro spark__replaced_all(column, pattern, by) -%}
regexp_replace({{ column }}, '{{ pattern }}', '{{ by }}')
{%- endmacro -%}

{#- A text in small letters without the marks above and below them. -#}
{%- macro without_marks(column) -%}{{ adapter.dispatch('without_marks')(column) }}{%- endmacro -%}
{%- macro duckdb__without_marks(column) -%}strip_accents(nfc_normalize(lower({{ column }}))){%- endmacro -%}
{%- macro spark__without_marks(column) -%}
translate(
    lower({{ column }}),
    'àáâãäåāăąçćĉċčďèéêëēĕėęěĝğġģĥìíîïĩīĭįĵķĺļľñńņňòóôõöōŏőŕŗřśŝşšșţťțùúûüũūŭůűųŵýÿŷźżžάέήίόύώϊϋΐΰ',
    'aaaaaaaaacccccdeeeeeeeeegggghiiiiiiiijklllnnnnoooooooorrrsssssttt' || 'uuuuuuuuuuwyyyzzzαεηιουωιυιυ'
)
{%- endmacro -%}

{#- How alike two short texts are, from 0 to 1; texts that begin alike are more so. -#}
{%- macro likeness(first, second) -%}{{ adapter.dispatch('likeness')(first, second) }}{%- endmacro -%}
{%- macro duckdb__likeness(first, second) -%}jaro_winkler_similarity({{ first }}, {{ second }}){%- endmacro -%}
{%- macro spark__likeness(first, second) -%}
(1 - cast(levenshtein({{ first }}, {{ second }}) as double) / nullif(greatest(length({{ first }}), length({{ second }})), 0))
{%- endmacro -%}

{#- What is done with JSON text, one implementation per adapter; the text under a key is json_text() in adapter.sql. -#}

{#-
  A join that gives one row per entry of a JSON list, as `alias`.item: an object as JSON text, a text as it is. An empty
  list, no list and text that is no JSON give no row. Stands right behind the table in `from`.
-#}
{%- macro join_json_items(json, alias) -%}{{ adapter.dispatch('join_json_items')(json, alias) }}{%- endmacro -%}
{%- macro duckdb__join_json_items(json, alias) -%}
{#- -- portable: one implementation per adapter -#}
cross join unnest(from_json(case when json_valid({{ json }}) then {{ json }} end, '["varchar"]')) as {{ alias }} (item)
{%- endmacro -%}
{%- macro spark__join_json_items(json, alias) -%}
{#- -- portable: one implementation per adapter -#}
lateral view explode(from_json({{ json }}, 'array<string>')) {{ alias }} as item
{%- endmacro -%}

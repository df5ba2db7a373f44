{#- The order in which systems speak of a partner: CRM, portal, mapping platform, each as configured; then the id. -#}
{%- macro record_order(records) -%}
lpad(cast({{ records }}.source_order as varchar), 6, '0') || '/' || {{ records }}.source_id
{%- endmacro -%}

{#-
  An account id as a key. Salesforce writes one id with 15 or 18 characters, the last three being a checksum, and
  portals copy either.
-#}
{%- macro crm_key(column) -%}
case when {{ column }} like '001%' and length({{ column }}) = 18 then substr({{ column }}, 1, 15) else {{ column }} end
{%- endmacro -%}

{#- The last labels of a host: 2 of shop.acme.co.uk are co.uk; empty where it has fewer. -#}
{%- macro last_labels(host, count) -%}
regexp_extract({{ host }}, '([^.]+[.]){{ '{' }}{{ count - 1 }}{{ '}' }}[^.]+$', 0)
{%- endmacro -%}

{#- What stands before the @ of an address; a text without one stays. -#}
{%- macro before_at(column) -%}regexp_replace({{ column }}, '@.*$', ''){%- endmacro -%}

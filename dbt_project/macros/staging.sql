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
nullif(
            regexp_replace(
                regexp_replace(
                    regexp_replace(lower(trim({{ column }})), '^[a-z]+://', ''), '[/?#:].*$', ''
                ), '^www[.]', ''
            ), ''
        )
{%- endmacro -%}

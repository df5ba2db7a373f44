{#- Whether a value stands in the relation an operator names to a bar. -#}
{%- macro compares(value, operator, bar) -%}
case {{ operator }}
            when 'at_least' then {{ value }} >= {{ bar }}
            when 'above' then {{ value }} > {{ bar }}
            when 'at_most' then {{ value }} <= {{ bar }}
            when 'below' then {{ value }} < {{ bar }}
            when 'equals' then {{ value }} = {{ bar }}
        end
{%- endmacro -%}

{#- A decimal as people write it: 2,627,349.89; no digits where they say nothing. -#}
{%- macro number_in_words(value) -%}
replace({{ grouped_number('cast(' ~ value ~ ' as decimal(28,6))') }}, '.00', '')
{%- endmacro -%}

{#- Half-up rounding of a decimal to a number of digits that is a column. -#}
{%- macro rounded_to(value, digits) -%}
case {{ digits }}
            {%- for count in range(0, 6) %}
            when {{ count }} then cast(round(cast({{ value }} as decimal(28,10)), {{ count }}) as decimal(18,6))
            {%- endfor %}
            else cast(round(cast({{ value }} as decimal(28,10)), 6) as decimal(18,6))
        end
{%- endmacro -%}

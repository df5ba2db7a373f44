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

{#- Whether a value lies in a band: which of the edges belong to it is said in its row. -#}
{%- macro in_band(value, band) -%}
({{ band }}.low is null or {{ value }} > {{ band }}.low or ({{ value }} = {{ band }}.low and not {{ band }}.is_low_open))
        and ({{ band }}.high is null or {{ value }} < {{ band }}.high or ({{ value }} = {{ band }}.high and not {{ band }}.is_high_open))
{%- endmacro -%}

{#- A decimal as people write it: 2,627,349.89; no digits where they say nothing. -#}
{%- macro number_in_words(value) -%}
replace({{ grouped_number('cast(' ~ value ~ ' as decimal(28,6))') }}, '.00', '')
{%- endmacro -%}

{#-
  A score, which is a double, rounded to a number of digits and in a way that are columns: half up, down (towards 0) or
  up. Doubles miss a decimal by less than one unit of the eleventh digit, so that much is forgiven: 8.99999999999 is 9.
-#}
{%- macro rounded_score(value, digits, mode) -%}
cast(
            sign({{ value }}) * floor(
                abs({{ value }}) * power(10, {{ digits }})
                + case {{ mode }}
                    when 'down' then 0.00000000005 * power(10, {{ digits }})
                    when 'up' then 1 - 0.00000000005 * power(10, {{ digits }})
                    else 0.5 + 0.00000000005 * power(10, {{ digits }})
                end
            ) / nullif(power(10, {{ digits }}), 0) as decimal(18,6)
        )
{%- endmacro -%}

{#- Half-up rounding of a decimal to a number of digits that is a column, exact for any amount. -#}
{%- macro rounded_to(value, digits) -%}
case {{ digits }}
            {%- for count in range(0, 6) %}
            when {{ count }} then cast(round(cast({{ value }} as decimal(28,10)), {{ count }}) as decimal(28,6))
            {%- endfor %}
            else cast(round(cast({{ value }} as decimal(28,10)), 6) as decimal(28,6))
        end
{%- endmacro -%}

{%- macro max_derived_depth() -%}{{ return(6) }}{%- endmacro -%}

{#- The value of a derived metric out of its operands (int_derived_values): exact where only sums are taken. -#}
{%- macro derived_value() -%}
{%- set exact = "case operation
                when 'sum' then cast(total as decimal(28,6))
                when 'difference' then cast(coalesce(operand_1, 0) - coalesce(total_of_others, 0) as decimal(28,6))
                when 'min' then cast(least_value as decimal(28,6))
                when 'max' then cast(greatest_value as decimal(28,6))
                when 'floor' then cast(floor(operand_1) as decimal(28,6))
            end" -%}
{%- set quotient = "case operation
                when 'ratio' then cast(operand_1 as double) / nullif(cast(operand_2 as double), 0)
                when 'product' then cast(coalesce(operand_1, 1) as double) * cast(coalesce(operand_2, 1) as double)
                    * cast(coalesce(operand_3, 1) as double) * cast(coalesce(operand_4, 1) as double)
            end" -%}
case
            when known_count < operand_count
                and (not skip_unknown or operation in ('ratio', 'floor') or known_count = 0) then null
            when operation in ('ratio', 'product')
                then {{ rounded_to(quotient, 'coalesce(round_digits, 6)') }}
            else {{ rounded_to(exact, 'coalesce(round_digits, 6)') }}
        end
{%- endmacro -%}

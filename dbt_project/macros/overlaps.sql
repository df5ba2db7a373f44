{#- The lists an account may stand in, on our side and the partner's; `other` takes every list nobody has mapped. -#}
{%- macro populations() -%}{{ return(['customers', 'open_opportunities', 'prospects', 'other']) }}{%- endmacro -%}

{#- The pairs of lists as (own list, partner's list, bit): an account may stand in several pairs at once. -#}
{%- macro population_pairs() -%}
{%- set pairs = [] -%}
{%- for own in populations() -%}
{%- set own_place = loop.index0 -%}
{%- for theirs in populations() -%}
{%- do pairs.append((own, theirs, 2 ** (4 * own_place + loop.index0))) -%}
{%- endfor -%}
{%- endfor -%}
{{ return(pairs) }}
{%- endmacro -%}

{#- The bits of all pairs with one of our lists. -#}
{%- macro bits_of_own(list_name) -%}
{%- set total = namespace(bits=0) -%}
{%- for own, theirs, bit in population_pairs() if own == list_name -%}{%- set total.bits = total.bits + bit -%}{%- endfor -%}
{{ return(total.bits) }}
{%- endmacro -%}

{#- The counts that both ways of sharing give: a column, and the pairs it counts as a condition on a row of either. -#}
{%- macro overlap_counts_of_accounts() -%}
{%- set own_customers = bits_of_own('customers') -%}
{%- set counts = [
    ('overlap_customers', '(p.pairs & ' ~ own_customers ~ ') <> 0'),
    ('whitespace_accounts', '(p.pairs & ' ~ own_customers ~ ') = 0 and (p.pairs & ' ~ (2 ** 8) ~ ') <> 0')
] -%}
{%- for own, theirs, bit in population_pairs() if own != 'other' and theirs != 'other' -%}
{%- do counts.append(('own_' ~ own ~ '_their_' ~ theirs, '(p.pairs & ' ~ bit ~ ') <> 0')) -%}
{%- endfor -%}
{{ return(counts) }}
{%- endmacro -%}

{%- macro overlap_counts_of_counts() -%}
{%- set counts = [
    ('overlap_customers', "c.own_population = 'customers'"),
    ('whitespace_accounts', "c.own_population = 'prospects' and c.partner_population = 'customers'")
] -%}
{%- for own, theirs, bit in population_pairs() if own != 'other' and theirs != 'other' -%}
{%- do counts.append((
    'own_' ~ own ~ '_their_' ~ theirs, "c.own_population = '" ~ own ~ "' and c.partner_population = '" ~ theirs ~ "'"
)) -%}
{%- endfor -%}
{{ return(counts) }}
{%- endmacro -%}

{#- The metrics that overlaps give: name, column and the condition under which it is known. -#}
{%- macro overlap_metrics() -%}
{{ return([
    ('overlap_accounts', 'overlap_accounts', 'true'),
    ('icp_overlap_accounts', 'icp_overlap_accounts', 'icp_overlap_accounts is not null'),
    (
        'icp_overlap_share',
        'cast(icp_overlap_accounts as double) / nullif(overlap_accounts, 0)',
        'icp_overlap_accounts is not null and overlap_accounts > 0'
    ),
    ('overlap_open_amount', 'overlap_open_amount', 'overlap_open_amount is not null'),
    ('overlap_customers', 'overlap_customers', 'true'),
    ('whitespace_accounts', 'whitespace_accounts', 'true'),
    ('unique_reach_accounts', 'unique_reach_accounts', 'unique_reach_accounts is not null')
]) }}
{%- endmacro -%}

{#- A running sum over a partner's quarters. -#}
{%- macro so_far(expression) -%}
sum(coalesce({{ expression }}, 0)) over (
            partition by k.partner_id order by q.quarter_index rows between unbounded preceding and current row
        )
{%- endmacro -%}

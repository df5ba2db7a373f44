{{ config(alias='roster') }}

{#- Partners by quarter under an integer: the engine joins on it, as texts are dear on millions of rows. -#}
select
    cast(row_number() over (order by partner_id, quarter_index) as integer) as roster_id,
    partner_id,
    quarter_index
from {{ ref('int_partner_quarters') }}

{{ config(materialized='ephemeral') }}

{#-
  One row per partner and account it shares, with the quarter in which that was first seen and the pairs of lists it
  stands in as bits. An account is the CRM's, found by the id the platform carries, else by its domain; what the CRM does
  not have stays the platform's own. Grouped once, because this is the costly step; never stored, because writing it costs more.
  An account without a day was always known; one matched after the last quarter is not known yet.
-#}
with first_day as (
    select min(quarter_start) as first_day from {{ ref('stg_deployment__quarters') }}
),

known_accounts as (
    select
        a.source || '/' || a.source_id as account_key,
        {{ crm_key('a.source_id') }} as crm_key,
        a.domain,
        s.source_order
    from {{ ref('int_accounts') }} as a
    inner join {{ ref('stg_deployment__source_settings') }} as s on a.source = s.source
    where not a.is_deleted and not a.is_test
),

-- An id or a domain that two CRMs have means the first of them.
accounts as (
    select crm_key, min_by(account_key, source_order) as account_key
    from known_accounts
    group by crm_key
),

-- A domain names an account where only one of a CRM has it.
domains_by_source as (
    select domain, source_order, min(account_key) as account_key, count(*) as account_count
    from known_accounts
    where domain is not null
    group by domain, source_order
),

account_domains as (
    select
        domain,
        min_by(account_key, source_order) as account_key,
        min_by(account_count, source_order) as account_count
    from domains_by_source
    group by domain
),

grouped as (
    select
        l.partner_id,
        coalesce(a.account_key, w.account_key, 'id:' || o.own_account_id, 'domain:' || o.domain) as account_key,
        min(case when o.matched_at is null or cast(o.matched_at as date) < b.first_day then 1 else d.quarter_index end) as first_index,
        bit_or(
            cast(
                case o.own_population
                    {%- for own in populations() %} when '{{ own }}' then {{ 16 ** loop.index0 }}{% endfor %}
                end
                * case o.partner_population
                    {%- for theirs in populations() %} when '{{ theirs }}' then {{ 2 ** loop.index0 }}{% endfor %}
                end as bigint
            )
        ) as pairs
    from {{ ref('int_account_overlaps') }} as o
    inner join {{ ref('int_partner_links') }} as l on o.source = l.source and o.partner_id = l.source_id
    cross join first_day as b
    left join accounts as a on {{ crm_key('o.own_account_id') }} = a.crm_key
    left join account_domains as w on o.domain = w.domain and w.account_count = 1 and a.account_key is null
    left join {{ ref('stg_deployment__days') }} as d on cast(o.matched_at as date) = d.day
    where not o.is_deleted and not o.is_test
    group by l.partner_id, coalesce(a.account_key, w.account_key, 'id:' || o.own_account_id, 'domain:' || o.domain)
)

select g.partner_id, g.account_key, g.first_index, g.pairs
from grouped as g
inner join {{ ref('int_partner_knowledge') }} as k on g.partner_id = k.partner_id and k.entity = 'account_overlaps'
where g.first_index is not null

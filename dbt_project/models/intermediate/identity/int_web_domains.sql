{{ config(alias='web_domains') }}

{#-
  The registrable domain of every host that partner records name: the public suffix and one label more, so that
  `shop.acme.co.uk` and `acme.co.uk` meet and `acme.co.uk` and `other.co.uk` do not. A host that is itself a public
  suffix, an address of digits, and a domain or host that many companies share, links nobody: null. Of a mail address in
  place of a host the part behind the @ is meant.
-#}
with hosts as (
    select domain as host from {{ ref('int_accounts') }} where domain is not null and is_partner
    union
    select domain as host from {{ ref('int_source_partners') }} where domain is not null
),

tails as (
    {%- for count in range(1, 7) %}
    select host, {{ count }} as labels, {{ last_labels(after_at('host'), count) }} as tail from hosts
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

suffixes as (
    select
        t.host,
        coalesce(
            min(case when s.kind = 'exception' then t.labels - 1 end),
            max(case when s.kind = 'wildcard' then t.labels + 1 when s.kind = 'plain' then t.labels end),
            1
        ) as suffix_labels
    from tails as t
    left join {{ ref('stg_deployment__public_suffixes') }} as s on t.tail = s.suffix and t.tail <> ''
    group by t.host
),

registrable as (
    select
        s.host,
        nullif(t.tail, '') as domain
    from suffixes as s
    left join tails as t on s.host = t.host and t.labels = s.suffix_labels + 1
)

select
    r.host,
    case
        when p.domain is null and h.domain is null and translate({{ after_at('r.host') }}, '0123456789.', '') <> ''
            then r.domain
    end as domain
from registrable as r
left join {{ ref('public_domains') }} as p on r.domain = p.domain
left join {{ ref('public_domains') }} as h on {{ after_at('r.host') }} = h.domain

{{ config(alias='partner_names') }}

{#-
  What the names of partner records come to once legal forms, marks, punctuation and the remarks that people write into
  names are gone, so that they can be compared. A name has up to four variants: itself, the second name it states
  (`formerly`, `trading as`), itself without a country at its end, and what the web domain is called. One with an umlaut
  has them twice, with the umlaut bare (u) and written out (ue): either spelling meets it, and the two do not meet each
  other, as Bauer and Baur are two. The country is the record's own, else one that the name states.
-#}
with records as (
    select
        source, source_id, country, web_domain,
        {{ as_written('name') }} as written
    from {{ ref('int_partner_records') }}
    where name is not null
),

places as (
    select {{ plain_words('name') }} as words, min(country) as country, min(length(name)) as letters
    from {{ ref('countries') }}
    group by 1
),

-- Codes are left out: IT and IN say something else in a name.
remarks as (
    select words, min(kind) as kind, min(country) as country
    from (
        select {{ plain_words('words') }} as words, kind, cast(null as varchar) as country
        from {{ ref('name_words') }}
        where kind in ('note', 'region', 'remark')
        union all
        select words, 'region' as kind, country from places where letters > 3
    ) as said
    group by words
),

forms as (
    select form, position, min(class) as class
    from (
        select {{ plain_words('form') }} as form, position, class from {{ ref('legal_forms') }}
        union all
        select {{ plain_words(written_out('lower(form)')) }} as form, position, class
        from {{ ref('legal_forms') }}
        where lower(form) <> {{ written_out('lower(form)') }}
    ) as spelled
    group by form, position
),

marked as (
    select
        *,
        {{ bracketed('written') }} as bracket,
        {{ appended('written') }} as tail,
        {{ appended_with_mark('written') }} as tail_with_mark,
        {{ prefixed('written') }} as head,
        {{ prefixed_with_mark('written') }} as head_with_mark
    from records
),

-- Few names hold any of these, and taking a text apart costs more than looking at it.
annotated as (
    select
        source, source_id, 'bracket' as spot, {{ remark_words('bracket') }} as words
    from marked
    where bracket <> ''
    union all
    select source, source_id, 'tail' as spot, {{ remark_words('tail') }} as words
    from marked
    where tail <> ''
    union all
    select source, source_id, 'head' as spot, {{ remark_words('head') }} as words
    from marked
    where head <> ''
),

understood as (
    select
        a.source, a.source_id,
        max(case when a.spot = 'bracket' then 1 else 0 end) as has_bracket,
        max(case when a.spot = 'tail' then 1 else 0 end) as has_tail,
        max(case when a.spot = 'head' and r.kind <> 'region' then 1 else 0 end) as has_head,
        max(case when a.spot = 'bracket' then r.country end) as bracket_country,
        max(case when a.spot = 'tail' then r.country end) as tail_country
    from annotated as a
    inner join remarks as r on a.words = r.words
    group by a.source, a.source_id
),

explained as (
    select
        m.source, m.source_id, m.country, m.web_domain, m.written,
        coalesce(u.bracket_country, u.tail_country) as stated_country,
        case
            when u.has_bracket = 1 then replace(m.written, '(' || m.bracket || ')', ' ')
            when u.has_tail = 1 then substr(m.written, 1, length(m.written) - length(m.tail_with_mark))
            when u.has_head = 1 then substr(m.written, length(m.head_with_mark) + 1)
            else m.written
        end as kept
    from marked as m
    left join understood as u on m.source = u.source and m.source_id = u.source_id
),

without_remarks as (
    select source, source_id, country, web_domain, stated_country, written, {{ plain_words('kept') }} as words
    from explained
),

worded as (
    select
        source, source_id, country, web_domain, stated_country,
        -- A name of nothing but a remark is a name after all.
        case when words = '' then {{ plain_words('written') }} else words end as words
    from without_remarks
),

-- `do not use` at the end needs no dash.
remarked as (
    select
        w.source, w.source_id,
        max(case when r.words is not null then e.end_words end) as end_words
    from worded as w
    inner join (
        {%- for count in range(1, 4) %}
        select source, source_id, {{ last_words('words', count) }} as end_words from worded
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as e on w.source = e.source and w.source_id = e.source_id
    inner join remarks as r on e.end_words = r.words and r.kind = 'remark' and e.end_words <> ''
    group by w.source, w.source_id
),

spelled as (
    select source, source_id, 'name' as variant, 'second' as second_variant, words from worded
    union all
    select
        source, source_id, 'name written out' as variant, 'second written out' as second_variant,
        {{ plain_words(written_out('kept')) }} as words
    from explained
    where kept <> {{ written_out('kept') }}
),

plain as (
    select
        s.source, s.source_id, s.variant, s.second_variant,
        case
            when r.end_words is null then s.words
            else trim(substr(s.words, 1, length(s.words) - length(r.end_words)))
        end as words
    from spelled as s
    left join remarked as r on s.source = r.source and s.source_id = r.source_id
),

whole as (
    select
        source, source_id, variant, cast(null as varchar) as class,
        coalesce(nullif({{ before_second_name('words') }}, ''), words) as words
    from plain
    where words <> ''
    union all
    select
        source, source_id, second_variant as variant, cast(null as varchar) as class,
        {{ second_name_of('words') }} as words
    from plain
    where {{ second_name_of('words') }} <> ''
    union all
    select
        source, source_id, 'domain' as variant, cast(null as varchar) as class,
        {{ plain_words(first_label('web_domain')) }} as words
    from {{ ref('int_partner_records') }}
    where web_domain is not null
),

{{ without_form('whole', 'once', 'trailing') }},

{{ without_form('once', 'twice', 'trailing') }},

{{ without_form('twice', 'thrice', 'trailing') }},

{{ without_form('thrice', 'bare', 'leading') }},

-- A country at the end of a name: `Acme Deutschland`.
ends as (
    {%- for count in range(1, 4) %}
    select source, source_id, variant, class, words, {{ last_words('words', count) }} as end_words
    from bare
    where variant like 'name%'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

ending as (
    select
        e.source, e.source_id, e.variant,
        max(p.country) as country,
        max(e.class) as class,
        max_by(trim(substr(e.words, 1, length(e.words) - length(e.end_words))), length(e.end_words)) as words
    from ends as e
    inner join places as p on e.end_words = p.words and p.letters > 3 and e.end_words <> ''
    group by e.source, e.source_id, e.variant
),

written_countries as (
    select c.country as written, p.country
    from (select distinct country from records where country is not null) as c
    inner join places as p on {{ plain_words('c.country') }} = p.words and p.words <> ''
),

known as (
    select w.source, w.source_id, coalesce(p.country, w.stated_country, e.country) as country_code
    from worded as w
    left join written_countries as p on w.country = p.written
    left join ending as e on w.source = e.source and w.source_id = e.source_id and e.variant = 'name'
),

variants as (
    select source, source_id, variant, words as spelled, {{ one_spelling('words') }} as words, class from bare
    union all
    select
        e.source, e.source_id, replace(e.variant, 'name', 'place') as variant, e.words as spelled,
        {{ one_spelling('e.words') }} as words, e.class
    from ending as e
    inner join known as k on e.source = k.source and e.source_id = k.source_id and e.country = k.country_code
)

select
    v.source,
    v.source_id,
    v.variant,
    v.words,
    -- A domain is what it is: one that says `sys` is not the one that says `systems`.
    {{ name_key("case when v.variant = 'domain' then v.spelled else v.words end") }} as name_key,
    {{ folded_key('v.words') }} as folded_key,
    case when v.class <> 'company' then v.class end as legal_class,
    k.country_code
from variants as v
left join known as k on v.source = k.source and v.source_id = k.source_id
where v.words <> ''

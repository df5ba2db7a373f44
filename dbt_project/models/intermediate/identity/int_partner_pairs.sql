{{ config(alias='partner_pairs') }}

{#-
  Pairs of records that might be one partner, compared once. Only records that have something in common are compared: a
  domain, a key of a name, a word that few share or one letter less of it, a beginning, the consonants. `name_relation` says what the names are to each other:
  same (one key), close (spelled differently, or one says more that tells little), extended (one has a word more that
  tells something: a subsidiary, as a rule), branching (both have) or other.
-#}
with records as (
    select source, source_id, web_domain, {{ pair_place('r') }} as place
    from {{ ref('int_partner_records') }} as r
),

names as (
    select
        n.*, r.place, {{ sound_key('n.folded_key') }} as sound_key, {{ numbering('n.words') }} as numbering,
        {{ digits_of('n.words') }} as digits, length(n.words) - length({{ name_key('n.words') }}) + 1 as word_count
    from {{ ref('int_partner_names') }} as n
    inner join records as r on n.source = r.source and n.source_id = r.source_id
),

split as (
    {%- for place in range(1, 10) %}
    select place, variant, {{ place }} as number, {{ word_at('words', place) }} as word from names where variant <> 'domain'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- Common words; of these the ones that name a unit of a group as often as they tell nothing: Services, Holding.
common as (
    select words, max(case when kind = 'unit' then 1 else 0 end) as is_unit
    from {{ ref('name_words') }}
    where kind in ('common', 'unit')
    group by words
),

weighed as (
    select
        s.place, s.variant, s.word,
        c.words is not null as is_common,
        coalesce(c.is_unit, 0) as is_unit,
        min(case when c.words is null then 0 else 1 end) over (partition by s.place, s.variant) as has_common_only
    from (select distinct place, variant, word from split where word <> '') as s
    left join common as c on s.word = c.words
),

-- A name of nothing but common words is compared by those.
words as (
    select
        place, variant, word, is_common, is_unit,
        case when is_common and has_common_only = 0 then 0 else 1 end as is_telling,
        case when is_common and has_common_only = 0 then 0.3 else 1.0 end as weight
    from weighed
),

totals as (
    select
        place, variant, count(*) as word_count, sum(is_telling) as telling_count, sum(is_unit) as unit_count,
        sum(weight) as weight,
        min(case when is_common then 1 else 0 end) as is_generic
    from words
    group by place, variant
),

-- With the small words and without: the Bank of Tarnby is BOT or BT.
initials as (
    {%- for words in ['words', without_small_words('words')] %}
    select
        place,
        {% for number in range(1, 8) -%}
        substr({{ word_at(words, number) }}, 1, 1){{ ' || ' if not loop.last }}
        {%- endfor %} as letters
    from names
    where variant = 'name'
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

traits as (
    select place, 'domain' as trait, web_domain as value from records where web_domain is not null
    union
    select place, 'key' as trait, name_key as value from names
    union
    select place, 'key' as trait, letters as value from initials where length(letters) >= 3
    union
    select place, 'sound' as trait, sound_key as value from names where length(sound_key) >= 3
    union
    select place, 'start' as trait, substr(sound_key, 1, 5) as value from names where length(sound_key) >= 5
    union
    select place, 'consonants' as trait, {{ consonants_of('sound_key') }} as value
    from names
    where length({{ consonants_of('sound_key') }}) >= 4
    union
    select place, 'word' as trait, word as value from words where is_telling = 1 and length(word) >= 3
    -- One letter less, each in turn: words that differ in a letter, or in the order of two, have one of these in common.
    {%- for letter in range(0, 13) %}
    union
    select place, 'slip' as trait, {{ without_letter('word', letter) }} as value
    from words
    where is_telling = 1 and length(word) between {{ [5, letter] | max }} and 12
    {%- endfor %}
),

-- What many share tells nothing, and would be compared with everything.
telling as (
    select t.place, t.trait, t.value
    from traits as t
    inner join (
        select trait, value from traits group by trait, value having count(*) between 2 and 40
    ) as f on t.trait = f.trait and t.value = f.value
),

pairs as (
    select distinct a.place as here, b.place as there
    from telling as a
    inner join telling as b on a.trait = b.trait and a.value = b.value and a.place < b.place
),

shared as (
    select
        p.here, p.there, a.variant as here_variant, b.variant as there_variant,
        count(*) as word_count, sum(a.is_telling * b.is_telling) as telling_count,
        sum(a.is_unit) as unit_count,
        sum(least(a.weight, b.weight)) as weight,
        max_by(a.word, {{ by_length('a.word', 'a.is_common') }}) as longest_word
    from pairs as p
    inner join words as a on p.here = a.place
    inner join words as b on p.there = b.place and a.word = b.word
    group by p.here, p.there, a.variant, b.variant
),

-- Words of which one is the beginning of the other, at the same place of either name: `Corp. Andina de Telecom.`
shortened as (
    select p.here, p.there, a.variant as here_variant, b.variant as there_variant, count(*) as word_count
    from pairs as p
    inner join split as a on p.here = a.place and a.word <> ''
    inner join split as b on p.there = b.place and b.word <> '' and a.number = b.number
    where substr(a.word, 1, length(b.word)) = b.word or substr(b.word, 1, length(a.word)) = a.word
    group by p.here, p.there, a.variant, b.variant
),

compared as (
    select
        p.here, p.there,
        case
            when a.name_key = b.name_key then 1
            when a.numbering = b.numbering and a.sound_key = b.sound_key and length(a.sound_key) >= 3 then 2
            -- A long beginning makes any two names alike: where words are shared, those beside them have to be too.
            when
                a.numbering = b.numbering and {{ likeness('a.folded_key', 'b.folded_key') }} >= 0.94
                and not coalesce(s.word_count between 1 and least(t.word_count, u.word_count) - 1, false)
                then 2
            when i.place is not null or j.place is not null then 2
            when a.numbering = b.numbering and h.word_count = a.word_count and h.word_count = b.word_count then 2
            when
                s.telling_count = t.telling_count and s.telling_count = u.telling_count
                and s.unit_count = t.unit_count and s.unit_count = u.unit_count
                and s.word_count = least(t.word_count, u.word_count)
                then 2
            when s.telling_count = least(t.telling_count, u.telling_count) then 3
            when s.telling_count > 0 then 4
            else 5
        end as relation,
        case when a.name_key = b.name_key and a.legal_class <> b.legal_class then 1 else 0 end as forms_differ,
        t.is_generic,
        case when a.variant like 'second%' or b.variant like 'second%' then 1 else 0 end as is_stated,
        s.longest_word,
        greatest(
            case
                when a.name_key = b.name_key then 1.0
                when a.sound_key = b.sound_key and length(a.sound_key) >= 3 then 0.97
                when i.place is not null or j.place is not null then 0.88
                -- Initials too, which may count something: `H & H Consulting`, `Fund A`.
                when a.digits = b.digits and h.word_count = a.word_count and h.word_count = b.word_count then 0.88
                else 0
            end,
            least({{ likeness('a.folded_key', 'b.folded_key') }}, 0.99),
            least(coalesce(2 * s.weight / nullif(t.weight + u.weight, 0), 0), 0.99),
            coalesce(0.9 * s.weight / nullif(least(t.weight, u.weight), 0), 0)
        ) as similarity
    from pairs as p
    inner join names as a on p.here = a.place and a.variant <> 'domain'
    inner join names as b on p.there = b.place and b.variant <> 'domain'
    inner join totals as t on a.place = t.place and a.variant = t.variant
    inner join totals as u on b.place = u.place and b.variant = u.variant
    left join shared as s
        on p.here = s.here and p.there = s.there and a.variant = s.here_variant and b.variant = s.there_variant
    left join shortened as h
        on p.here = h.here and p.there = h.there and a.variant = h.here_variant and b.variant = h.there_variant
    left join initials as i
        on a.place = i.place and a.variant = 'name' and length(i.letters) >= 3 and i.letters = b.name_key
    left join initials as j
        on b.place = j.place and b.variant = 'name' and length(j.letters) >= 3 and j.letters = a.name_key
),

judged as (
    select
        here, there,
        min(relation) as relation,
        max(similarity) as similarity,
        min(case when relation = 1 then forms_differ end) as forms_differ,
        min(case when relation = 1 then is_generic end) as is_generic,
        min(case when relation = 1 then is_stated end) as is_stated,
        max_by(longest_word, {{ by_length('longest_word', 'false') }}) as longest_word
    from compared
    group by here, there
),

known as (
    select place, min(country_code) as country_code from names group by place
),

domains as (
    select
        n.place, n.name_key as domain_key, n.folded_key, n.sound_key, {{ word_at('n.words', 1) }} as first_word,
        {{ first_label('r.web_domain') }} as label
    from names as n
    inner join records as r on n.place = r.place
    where n.variant = 'domain'
),

-- A house that has tenants, by its name: a park, an incubator, a campus.
houses as (
    select distinct s.place
    from split as s
    inner join {{ ref('name_words') }} as c on s.word = c.words and c.kind = 'house'
),

-- Whose domain is called like the company: by its beginning, by a word of its name or by its initials.
named_alike as (
    select n.place
    from names as n
    inner join domains as d on n.place = d.place
    where n.variant <> 'domain' and least(length(n.folded_key), length(d.folded_key)) >= 3
        and substr(n.folded_key, 1, least(5, length(d.folded_key))) = substr(d.folded_key, 1, least(5, length(n.folded_key)))
    union
    select w.place
    from words as w
    inner join domains as d on w.place = d.place
    where w.is_telling = 1 and length(w.word) >= 4 and position(w.word in d.domain_key) > 0
    union
    select i.place
    from initials as i
    inner join domains as d on i.place = d.place
    where length(i.letters) >= 2 and i.letters in (d.domain_key, d.first_word)
),

at_home as (
    select a.place
    from named_alike as a
    left join houses as h on a.place = h.place
    where h.place is null
),

called as (
    select distinct place, sound_key from names where variant <> 'domain' and length(sound_key) >= 4
)

select distinct
    a.source as source,
    a.source_id as source_id,
    b.source as other_source,
    b.source_id as other_source_id,
    case
        when a.web_domain is null or b.web_domain is null then 'unknown'
        when a.web_domain = b.web_domain then 'same'
        when d.label = e.label then 'alike'
        -- A company's own word in both: it has moved, has two, or shares the word with a stranger.
        when
            length(j.longest_word) >= 5 and position(j.longest_word in d.domain_key) > 0
            and position(j.longest_word in e.domain_key) > 0
            then 'related'
        else 'differs'
    end as domain_relation,
    case
        when k.country_code is null or l.country_code is null then 'unknown'
        when k.country_code = l.country_code then 'same'
        else 'differs'
    end as country_relation,
    case coalesce(j.relation, 5)
        when 1 then 'same' when 2 then 'close' when 3 then 'extended' when 4 then 'branching' else 'other'
    end as name_relation,
    coalesce(j.forms_differ, 0) = 1 as forms_differ,
    coalesce(j.is_generic, 0) = 1 as is_generic,
    coalesce(j.is_stated, 0) = 1 as is_stated,
    f.place is not null or g.place is not null as is_own_domain,
    m.place is not null or o.place is not null as is_named_by_domain,
    k.country_code as country,
    l.country_code as other_country,
    cast(
        round(greatest(coalesce(j.similarity, 0), case when m.place is not null or o.place is not null then 0.9 else 0 end), 3)
        as decimal(4,3)
    ) as similarity
from pairs as p
inner join records as a on p.here = a.place
inner join records as b on p.there = b.place
left join judged as j on p.here = j.here and p.there = j.there
left join known as k on p.here = k.place
left join known as l on p.there = l.place
left join domains as d on p.here = d.place
left join domains as e on p.there = e.place
left join at_home as f on p.here = f.place
left join at_home as g on p.there = g.place
-- The domain of one is what the other is called.
left join called as m on p.there = m.place and d.sound_key = m.sound_key
left join called as o on p.here = o.place and e.sound_key = o.sound_key

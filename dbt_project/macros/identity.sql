{#- The order in which systems speak of a partner: CRM, portal, mapping platform, each as configured; then the id. -#}
{%- macro record_order(records) -%}
lpad(cast({{ records }}.source_order as varchar), 6, '0') || '/' || {{ records }}.source_id
{%- endmacro -%}

{#-
  The order of two records of a pair and among pairs: CRM, portal, mapping platform, then by name. Which system the
  deployment names first says nothing about a pair, so the same pairs are shown whatever that order is.
-#}
{%- macro pair_place(records) -%}
case {{ records }}.kind when 'crm' then '1/' when 'prm' then '2/' else '3/' end || {{ records }}.source || '/' || {{ records }}.source_id
{%- endmacro -%}

{#- The id of a partner that is first known by a record. -#}
{%- macro first_id(record, more='') -%}
'p_' || substr(md5({{ record }}.source || '/' || {{ record }}.source_id{{ " || " ~ more if more }}), 1, 16)
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

{#-
  A text as names are compared: small Latin letters and digits, one blank between words. Cyrillic and Greek are written
  in Latin letters, marks are dropped, `&` and the words for it are no words, initials with dots stand together.
-#}
{%- macro plain_words(column) -%}
{%- set ns = namespace(text='lower(' ~ column ~ ')') -%}
{#- Cyrillic before the marks go: they make letters of their own of some. -#}
{%- for letters, latin in [
    ('щ', 'shch'), ('ш', 'sh'), ('ч', 'ch'), ('ж', 'zh'), ('х', 'kh'), ('ц', 'ts'), ('ю', 'yu'), ('я', 'ya'),
    ('ё', 'e'), ('ъ', ''), ('ь', ''), ('є', 'ye'), ('ї', 'yi'), ('ђ', 'dj'), ('љ', 'lj'), ('њ', 'nj'), ('џ', 'dz'),
    ('ß', 'ss'), ('æ', 'ae'), ('œ', 'oe'), ('þ', 'th'), ('ŋ', 'ng'), ('㈱', ' kabushiki kaisha '),
    ('株式会社', ' kabushiki kaisha '), ('有限会社', ' yugen kaisha '), ('合同会社', ' godo kaisha '),
    ('股份有限公司', ' company limited '), ('有限公司', ' company limited '), ('주식회사', ' kabushiki kaisha ')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ letters ~ "', '" ~ latin ~ "')" -%}
{%- endfor -%}
{%- set ns.text = "translate(" ~ ns.text ~ ", 'абвгґдезийіклмнопрстуфыэўјћøłđðħıŧａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ０１２３４５６７８９', 'abvggdeziiiklmnoprstufyewjcolddhitabcdefghijklmnopqrstuvwxyz0123456789')" -%}
{%- set ns.text = without_marks(ns.text) -%}
{%- for letters, latin in [
    (' και ', ' and '), ('ου', 'ou'), ('αυ', 'av'), ('ευ', 'ev'), ('γγ', 'ng'), ('γκ', 'gk'), ('γχ', 'nkh'),
    ('θ', 'th'), ('ξ', 'x'), ('φ', 'f'), ('χ', 'kh'), ('ψ', 'ps')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ letters ~ "', '" ~ latin ~ "')" -%}
{%- endfor -%}
{%- set ns.text = "translate(" ~ ns.text ~ ", 'αβγδεζηικλμνοπρσςτυω', 'avgdeziiklmnoprsstyo')" -%}
{%- set ns.text = "replace(replace(" ~ ns.text ~ ", '&', ' and '), '+', ' and ')" -%}
{#- Apostrophes and dots stand inside of words, whatever else is no letter stands between them. -#}
{#- -- portable: a pattern, no list -#}
{%- set ns.text = replaced_all(ns.text, "[.`´ʼ’‘" ~ "''" ~ "]", '') -%}
{#- -- portable: a pattern, no list -#}
{%- set ns.text = replaced_all(ns.text, '[^a-z0-9À-힣豈-﹏ｦ-ﾟ]', ' ') -%}
{#- -- portable: a pattern, no list -#}
{%- set ns.text = replaced_all(ns.text, '[×÷‐-⯿⸀-⹿　-〿・]', ' ') -%}
{#- Two blanks between words: each keeps its own when a neighbour goes. -#}
{%- set ns.text = "'  ' || " ~ replaced_all(ns.text, ' +', '  ') ~ " || '  '" -%}
{#- `y`, `e`, `i` and `en` stay: they are `and` in some countries, and in others they tell Vitamin E from vitamins. -#}
{%- for word in ['and', 'und', 'et', 'och', 'og'] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", ' " ~ word ~ " ', ' ')" -%}
{%- endfor -%}
trim({{ replaced_all(ns.text, ' +', ' ') }})
{%- endmacro -%}

{#- Words without those that initials leave out as often as not. -#}
{%- macro without_small_words(words) -%}
{%- set ns = namespace(text="' ' || replace(" ~ words ~ ", ' ', '  ') || ' '") -%}
{%- for word in [
    'of', 'the', 'for', 'in', 'fur', 'fuer', 'der', 'die', 'das', 'des', 'von', 'zur', 'de', 'del', 'la', 'le', 'les', 'los',
    'du', 'da', 'do', 'dos', 'di', 'della', 'van', 'voor', 'y', 'e', 'i', 'en'
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", ' " ~ word ~ " ', ' ')" -%}
{%- endfor -%}
trim({{ replaced_all(ns.text, ' +', ' ') }})
{%- endmacro -%}

{#- A text without its letter at a place; with place 0 all of it. -#}
{%- macro without_letter(word, place) -%}
{%- if place == 0 -%}
{{ word }}
{%- else -%}
substr({{ word }}, 1, {{ place - 1 }}) || substr({{ word }}, {{ place + 1 }})
{%- endif -%}
{%- endmacro -%}

{#- The letters of a sound key that are no vowels, the first seven. -#}
{%- macro consonants_of(key) -%}substr(translate({{ key }}, 'aeiou', ''), 1, 7){%- endmacro -%}

{#- Words of names that are mostly written short, all in one way. -#}
{%- macro one_spelling(words) -%}
{%- set ns = namespace(text="' ' || replace(" ~ words ~ ", ' ', '  ') || ' '") -%}
{%- for short, long in [
    ('intl', 'international'), ('technology', 'tech'), ('technologies', 'tech'), ('mgmt', 'management'),
    ('mgt', 'management'), ('bros', 'brothers'), ('svcs', 'services'), ('svc', 'service'), ('mfg', 'manufacturing'),
    ('sys', 'systems'), ('dist', 'distribution'), ('saint', 'st'), ('mount', 'mt'), ('mountain', 'mt'), ('ctr', 'center'),
    ('centre', 'center'), ('grp', 'group'), ('assoc', 'associates'), ('assocs', 'associates'), ('engg', 'engineering'),
    ('govt', 'government'), ('univ', 'university'), ('natl', 'national'), ('comm', 'communications'),
    ('communication', 'communications'), ('comms', 'communications'), ('telecommunications', 'telecom'),
    ('gebr', 'gebruder'), ('ges', 'gesellschaft'), ('dept', 'department'), ('inst', 'institute'),
    ('mktg', 'marketing'), ('hnos', 'hermanos'), ('fdn', 'foundation'), ('two', '2'), ('three', '3'), ('four', '4'),
    ('five', '5'), ('six', '6'), ('seven', '7'), ('eight', '8'), ('nine', '9'), ('ten', '10'), ('zwei', '2'), ('drei', '3'),
    ('vier', '4'), ('trois', '3'), ('quatre', '4'), ('tres', '3'), ('cuatro', '4')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", ' " ~ short ~ " ', ' " ~ long ~ " ')" -%}
{%- endfor -%}
trim({{ replaced_all(ns.text, ' +', ' ') }})
{%- endmacro -%}

{#- Longer words come after shorter ones and after those that are `behind`; of one length, in the order of the alphabet. -#}
{%- macro by_length(word, behind) -%}
case when {{ behind }} then '000' else lpad(cast(length({{ word }}) as varchar), 3, '0') end || {{ word }}
{%- endmacro -%}

{#- The word at a place of a text of words; empty where it has fewer. -#}
{%- macro word_at(words, place) -%}
regexp_extract({{ words }}, '^([^ ]+ ){{ '{' }}{{ place - 1 }}{{ '}' }}([^ ]+)', 2)
{%- endmacro -%}

{#- The last words of a text, if it has more than those; else empty. -#}
{%- macro last_words(words, count) -%}
regexp_extract({{ words }}, '[^ ] (([^ ]+ ){{ '{' }}{{ count - 1 }}{{ '}' }}[^ ]+)$', 1)
{%- endmacro -%}

{#- The first words of a text, if it has more than those; else empty. -#}
{%- macro first_words(words, count) -%}
regexp_extract({{ words }}, '^(([^ ]+ ){{ '{' }}{{ count - 1 }}{{ '}' }}[^ ]+) ', 1)
{%- endmacro -%}

{#- What stands in brackets, behind a dash, a comma or a bar at the end, or before a dash at the beginning. -#}
{%- macro bracketed(column) -%}
regexp_extract({{ column }}, '[(]([^()]*)[)]', 1)
{%- endmacro -%}
{%- macro appended(column) -%}
regexp_extract({{ column }}, '( [-–—|/:]+ ?|, ?| ?[*]+ ?)([^-–—|,*:]+)[*]*$', 2)
{%- endmacro -%}
{%- macro appended_with_mark(column) -%}
regexp_extract({{ column }}, '( [-–—|/:]+ ?|, ?| ?[*]+ ?)([^-–—|,*:]+)[*]*$', 0)
{%- endmacro -%}
{%- macro prefixed(column) -%}
regexp_extract({{ column }}, '^[*]*([^-–—|:*_]+)( [-–—|]+ |: |[*]+ ?|_)', 1)
{%- endmacro -%}
{%- macro prefixed_with_mark(column) -%}
regexp_extract({{ column }}, '^[*]*([^-–—|:*_]+)( [-–—|]+ |: |[*]+ ?|_)', 0)
{%- endmacro -%}

{#- A remark as words; the year beside it says nothing more. -#}
{#- -- portable: a pattern, no list -#}
{%- macro remark_words(column) -%}trim({{ replaced_all(plain_words(column), '[0-9]+', '') }}){%- endmacro -%}

{#-
  A text in small letters as it was before it was read in the wrong encoding: UTF-8 taken for Latin-1 or Windows-1252, and
  entities of HTML. Few names need it, and those that do not are not taken apart.
-#}
{%- macro repaired(text) -%}
{%- set ns = namespace(text=text) -%}
{%- for letters, letter in [
    ('ã¼', 'ü'), ('ã¶', 'ö'), ('ã¤', 'ä'), ('ãÿ', 'ß'), ('ã©', 'é'), ('ã¨', 'è'), ('ãª', 'ê'), ('ã«', 'ë'), ('ã¡', 'á'),
    ('ã¢', 'â'), ('ã£', 'ã'), ('ã§', 'ç'), ('ã®', 'î'), ('ã¯', 'ï'), ('ã±', 'ñ'), ('ã³', 'ó'), ('ã²', 'ò'), ('ã´', 'ô'),
    ('ãµ', 'õ'), ('ã¸', 'ø'), ('ã¹', 'ù'), ('ãº', 'ú'), ('ã»', 'û'), ('ã½', 'ý'), ('ã¥', 'å'), ('ã¦', 'æ'), ('ã–', 'ö'),
    ('ãœ', 'ü'), ('ã„', 'ä'), ('ã‰', 'é'), ('ã…', 'å'), ('ã˜', 'ø'), ('ã‡', 'ç'), ('ã“', 'ó'), ('ã†', 'æ'), ('ã‘', 'ñ'),
    ('ãš', 'ú'), ('ã\u00a0', 'à'), ('ã\u00ad', 'í'), ('ã\u0081', 'á'), ('ã\u0096', 'ö'), ('ã\u009c', 'ü'),
    ('ã\u0084', 'ä'), ('ã\u0089', 'é'), ('ã\u009f', 'ß'), ('å›', 'ś'), ('å‚', 'ł'), ('å¼', 'ż'), ('åº', 'ź'), ('å‘', 'ő'),
    ('å±', 'ű'), ('å¡', 'š'), ('å¾', 'ž'), ('å™', 'ř'), ('åÿ', 'ş'), ('å„', 'ń'), ('å“', 'œ'), ('ä…', 'ą'), ('ä‡', 'ć'),
    ('ä\u008d', 'č'), ('ä™', 'ę'), ('ä›', 'ě'), ('äÿ', 'ğ'), ('ä±', 'ı'), ('ä«', 'ī'), ('â€™', '’'), ('â€“', '–'),
    ('â€œ', ' '), ('â€', ' '), ('â\u00a0', ' '), ('&amp;', '&'), ('&auml;', 'ä'), ('&ouml;', 'ö'), ('&uuml;', 'ü'),
    ('&szlig;', 'ß'), ('&eacute;', 'é'), ('&egrave;', 'è'), ('&ecirc;', 'ê'), ('&agrave;', 'à'), ('&aacute;', 'á'),
    ('&iacute;', 'í'), ('&oacute;', 'ó'), ('&uacute;', 'ú'), ('&ntilde;', 'ñ'), ('&ccedil;', 'ç'), ('&ocirc;', 'ô'),
    ('&oslash;', 'ø'), ('&aring;', 'å'), ('&aelig;', 'æ'), ('&atilde;', 'ã'), ('&nbsp;', ' '), ('&quot;', ' '),
    ('&apos;', ''), ('&rsquo;', ''), ('&ndash;', '-'), ('&#228;', 'ä'), ('&#246;', 'ö'), ('&#252;', 'ü'), ('&#223;', 'ß'),
    ('&#233;', 'é'), ('&#232;', 'è'), ('&#241;', 'ñ'), ('&#231;', 'ç'), ('&#38;', '&'), ('&#038;', '&'), ('&#39;', ''),
    ('&#039;', ''), ('&#8217;', '')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ letters ~ "', '" ~ letter ~ "')" -%}
{%- endfor -%}
case
    when {{ text }} like '%ã%' or {{ text }} like '%å%' or {{ text }} like '%ä%' or {{ text }} like '%â%'
        or {{ text }} like '%&%;%'
        then {{ ns.text }}
    else {{ text }}
end
{%- endmacro -%}

{#-
  Small letters, one kind of brackets, and the words for a second name that are others in the middle of a name: they
  count in brackets, behind a dash or comma, or with their dot or slash. In Right Now Ltd nobody has a second name.
-#}
{%- macro as_written(name) -%}
{#- -- portable: patterns, no list and no division -#}
{%- set text = "translate(" ~ repaired("lower(trim(" ~ name ~ "))") ~ ", '[]{}<>（）＆?�', '()()()()&')" -%}
{#- -- portable: patterns, no list and no division -#}
{%- set text = replaced_all(text, '[(](ex|olim|now|antes|antigua|gia|già|eks|vorm|fd|f[.]d|prev|tidl|ent|dříve|dawn|бывш|прежде)[-. ]+', '(formerly ') -%}
{%- set text = replaced_all(text, '( [-–—]+|,) ?(vorm|antes|anciennement)[. ]+| vorm[.] ?', ' formerly ') -%}
{#- -- portable: patterns, no list and no division -#}
{%- set text = replaced_all(text, '[(](via|c[/ ]o)[. ]+', '(care of ') -%}
{%- set text = replaced_all(text, '( [-–—]+|,) ?c[/ ]o | c/ ?o ', ' care of ') -%}
{#- -- portable: patterns, no list and no division -#}
{%- set text = replaced_all(text, '[(]t[/ ]a[. ]+', '(trading as ') -%}
{%- set text = replaced_all(text, '( [-–—]+|,) ?t[/ ]a | t/ ?a ', ' trading as ') -%}
{{ text }}
{%- endmacro -%}

{#-
  What stands before and behind a word that gives a company a second name: `formerly`, `trading as`. Behind `care of`
  stands another company.
-#}
{%- macro before_second_name(words) -%}
regexp_extract({{ words }}, '^(.*[^ ]) ({{ second_name_words() }}|care of) ([^ ].*)$', 1)
{%- endmacro -%}
{%- macro second_name_of(words) -%}
regexp_extract({{ words }}, '^(.*[^ ]) ({{ second_name_words() }}) ([^ ].*)$', 3)
{%- endmacro -%}
{%- macro second_name_words() -%}
formerly known as|formerly|previously known as|previously|fka|f k a|dba|d b a|doing business as|trading as|trades as|aka|a k a|also known as|nka|now known as|ehemals|ehem|vormals|fruher|frueher|anciennement|handelnd als|nom commercial|tidigare|tidligere|voorheen|dawniej|precedentemente|anteriormente|aiemmin|entinen|korabban|drive znamy jako|eski adiyla|ranee|renamed from
{%- endmacro -%}

{#- Words run together into a key. -#}
{%- macro name_key(words) -%}replace({{ words }}, ' ', ''){%- endmacro -%}

{#- A key in which an umlaut written out and one written bare meet, and Bauer meets Baur: for suggestions. -#}
{%- macro folded_key(words) -%}
replace(replace(replace({{ name_key(words) }}, 'ae', 'a'), 'oe', 'o'), 'ue', 'u')
{%- endmacro -%}

{#- Umlauts and the like written out: ue for the u with two dots, whether they stand on it or behind it. -#}
{%- macro written_out(text) -%}
{%- set ns = namespace(text=text) -%}
{%- for letter, letters in [
    ('ä', 'ae'), ('ö', 'oe'), ('ü', 'ue'), ('a\u0308', 'ae'), ('o\u0308', 'oe'), ('u\u0308', 'ue'), ('ø', 'oe'), ('å', 'aa'), ('a\u030a', 'aa')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ letter ~ "', '" ~ letters ~ "')" -%}
{%- endfor -%}
{{ ns.text }}
{%- endmacro -%}

{#- A key made coarser, so that transliterations by different books meet: for suggestions, never for a link. -#}
{%- macro sound_key(key) -%}
{%- set ns = namespace(text=key) -%}
{%- for letters, sound in [
    ('tsch', 's'), ('shch', 's'), ('sch', 's'), ('tch', 's'), ('kh', 'h'), ('ch', 's'), ('sh', 's'), ('zh', 's'), ('hs', 's'),
    ('ph', 'f'), ('th', 't'), ('dj', 'j'), ('ts', 'c'), ('tz', 'c'), ('x', 'ks'), ('qu', 'kv'), ('ck', 'k'), ('q', 'k'),
    ('c', 'k'), ('w', 'v'), ('z', 's'), ('j', 'i'), ('y', 'i'), ('ou', 'u'), ('oo', 'u'), ('ee', 'i'), ('ie', 'i'),
    ('ei', 'i'), ('ii', 'i'), ('b', 'v'), ('ff', 'f'), ('ll', 'l'), ('mm', 'm'), ('nn', 'n'), ('pp', 'p'), ('rr', 'r'),
    ('ss', 's'), ('tt', 't'), ('kk', 'k'), ('dd', 'd'), ('gg', 'g')
] -%}
    {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ letters ~ "', '" ~ sound ~ "')" -%}
{%- endfor -%}
{{ ns.text }}
{%- endmacro -%}

{#- One more legal form off the names of `previous`: the longest that stands at their end, or at their beginning. -#}
{%- macro without_form(previous, name, position) %}
{{ name }}_ends as (
    {%- for count in range(1, 6) %}
    select
        source, source_id, variant, {{ count }} as word_count,
        {{ last_words('words', count) if position == 'trailing' else first_words('words', count) }} as end_words
    from {{ previous }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

{{ name }}_found as (
    select
        e.source, e.source_id, e.variant,
        max_by(e.end_words, e.word_count) as end_words,
        max_by(f.class, e.word_count) as class
    from {{ name }}_ends as e
    inner join forms as f on e.end_words = f.form and f.position = '{{ position }}' and e.end_words <> ''
    group by e.source, e.source_id, e.variant
),

{{ name }} as (
    select
        p.source, p.source_id, p.variant,
        case
            when f.end_words is null then p.words
            {%- if position == 'trailing' %}
            else trim(substr(p.words, 1, length(p.words) - length(f.end_words)))
            {%- else %}
            else trim(substr(p.words, length(f.end_words) + 1))
            {%- endif %}
        end as words,
        case when p.class is null or p.class = 'company' then coalesce(f.class, p.class) else p.class end as class
    from {{ previous }} as p
    left join {{ name }}_found as f
        on p.source = f.source and p.source_id = f.source_id and p.variant = f.variant
)
{%- endmacro -%}

{#-
  What hangs together by `edges` (here, there: places of partners): every place with the first one it can reach. Six
  rounds reach further than as many systems as anybody connects.
-#}
{%- macro hanging_together(edges, name) %}
{{ name }}_both as (
    select here, there from {{ edges }}
    union
    select there as here, here as there from {{ edges }}
),

{{ name }}_0 as (
    select distinct here as place, here as root from {{ name }}_both
),
{% for round in range(1, 7) %}
{{ name if loop.last else name ~ '_' ~ round }} as (
    select p.place, least(p.root, min(n.root)) as root
    from {{ name }}_{{ round - 1 }} as p
    inner join {{ name }}_both as e on p.place = e.here
    inner join {{ name }}_{{ round - 1 }} as n on e.there = n.place
    group by p.place, p.root
){{ ',' if not loop.last }}
{% endfor %}
{%- endmacro -%}

{#- The first label of a domain, its hyphens as blanks. -#}
{%- macro first_label(domain) -%}replace(regexp_extract({{ domain }}, '^[^.]+', 0), '-', ' '){%- endmacro -%}

{#- The digits of a text. -#}
{#- -- portable: a pattern, no list -#}
{%- macro digits_of(column) -%}{{ replaced_all(column, '[^0-9]', '') }}{%- endmacro -%}

{#- What counts names: digits, and the letters and Roman numerals that stand as words (Fund A, Fund II). -#}
{#- -- portable: a pattern, no list -#}
{%- macro numbering(words) -%}
{{ digits_of(words) }} || regexp_extract({{ words }} || ' ', ' ([a-z]|[ivx]+) ', 1)
{%- endmacro -%}

{#- What a row of the crosswalk says in place of a number where a record is a partner of its own. -#}
{%- macro itself() -%}itself{%- endmacro -%}

{#- What stands behind the @ of an address; a text without one stays. -#}
{%- macro after_at(column) -%}regexp_replace({{ column }}, '^.*@', ''){%- endmacro -%}

{#- What a record and the systems that know its partner say, in words. -#}
{%- macro side_in_words(record, spread) -%}
coalesce({{ record }}.name, '(no name)') || ', domain ' || coalesce({{ record }}.web_domain, 'unknown or shared by many')
    || ', country ' || coalesce({{ record }}.country, 'unknown') || ', known to ' || {{ spread }}.sources
{%- endmacro -%}

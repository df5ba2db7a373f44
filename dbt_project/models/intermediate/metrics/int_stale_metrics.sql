{{ config(alias='stale_metrics') }}

{#-
  Metrics of a quarter that rest on news from before the quarter's last day: what happened since is not in them, so
  nobody should fall because of it. Either the newest reading of a source is older, and all that its kind of system
  feeds is in doubt; or the source was read and one of its tables was not there, and what rests on that table is. So is,
  in every quarter, what rests on a table that lost records: nobody can say any more of which quarter they were.
  `(metric_facts)` stands for whatever a programme declares over facts of its own. One row per reason.
-#}
with readings as (
    select l.source, s.kind, l.table_name, max(cast(l.read_at as date)) as known_on, max(l.rows) as most_rows
    from {{ ref('stg_deployment__loads') }} as l
    inner join {{ ref('stg_deployment__source_settings') }} as s on l.source = s.source
    group by l.source, s.kind, l.table_name
),

newest as (
    select source, kind, max(known_on) as known_on from readings group by source, kind
),

feeding as (
    select source, kind, known_on from newest
    union all
    select n.source, 'metric_facts', n.known_on
    from newest as n
    where exists (
        select 1 from readings as r where r.source = n.source and r.table_name = 'metric_facts' and r.most_rows > 0
    )
),

metrics as (
    select metric, ';' || sources || ';' as systems from {{ ref('metric_catalogue') }}
    union all
    select '(metric_facts)', ';metric_facts;'
),

told as (
    select
        m.metric, q.quarter_index, 'stale_source' as code,
        f.source || ' was last read on ' || cast(f.known_on as varchar) as words
    from metrics as m
    inner join feeding as f on position(';' || f.kind || ';' in m.systems) > 0
    inner join {{ ref('stg_deployment__quarters') }} as q on f.known_on < q.quarter_end
    union all
    select
        m.metric, q.quarter_index, 'partial_source',
        r.source || ' has brought no ' || r.table_name || ' since ' || cast(r.known_on as varchar)
    from readings as r
    inner join newest as n on r.source = n.source
    inner join {{ ref('stg_deployment__entity_tables') }} as t on r.source = t.source and r.table_name = t.table_name
    inner join {{ ref('entity_metrics') }} as e on t.entity = e.entity
    inner join metrics as m on e.metric in ('*', m.metric)
    inner join {{ ref('stg_deployment__quarters') }} as q on r.known_on < q.quarter_end and n.known_on >= q.quarter_end
    union all
    select m.metric, q.quarter_index, 'partial_source', s.source || ' ' || s.words
    from {{ ref('stg_deployment__shrunk_tables') }} as s
    inner join {{ ref('stg_deployment__entity_tables') }} as t on s.source = t.source and s.table_name = t.table_name
    inner join {{ ref('entity_metrics') }} as e on t.entity = e.entity
    inner join metrics as m on e.metric in ('*', m.metric)
    cross join {{ ref('stg_deployment__quarters') }} as q
)

select distinct metric, quarter_index, code, words from told

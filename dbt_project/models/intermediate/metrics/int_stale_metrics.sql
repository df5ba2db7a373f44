{{ config(alias='stale_metrics') }}

{#-
  Metrics of a quarter that rest on a system that was last read before the quarter's last day: what happened since is
  not in it, so nobody should fall because of it. Where two systems of a kind feed a metric, the older speaks.
  `(metric_facts)` stands for whatever a programme declares over facts of its own.
-#}
with newest as (
    select l.source, s.kind, max(cast(l.read_at as date)) as known_on
    from {{ ref('stg_deployment__loads') }} as l
    inner join {{ ref('stg_deployment__source_settings') }} as s on l.source = s.source
    group by l.source, s.kind
),

known_until as (
    select kind, min(known_on) as known_on from newest group by kind
    union all
    select 'metric_facts', min(n.known_on)
    from newest as n
    where exists (
        select 1 from {{ ref('stg_deployment__loads') }} as l
        where l.source = n.source and l.table_name = 'metric_facts' and l.rows > 0
    )
),

metrics as (
    select metric, ';' || sources || ';' as systems from {{ ref('metric_catalogue') }}
    union all
    select '(metric_facts)', ';metric_facts;'
)

select distinct m.metric, q.quarter_index
from metrics as m
inner join known_until as k on position(';' || k.kind || ';' in m.systems) > 0
inner join {{ ref('stg_deployment__quarters') }} as q on k.known_on < q.quarter_end

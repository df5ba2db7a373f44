"""loads: what must be true of deployment.loads."""

from data_quality.promise import critical, info, never_null, no_rows, rows_at_least, stands_once, suite, warning

SUITE = suite(
    "loads",
    place="warehouse",
    table="deployment.loads",
    description="One row per completed load of a source's table. What the run could know, and since when.",
    key=["source", "table_name", "load_id"],
    floor="something_was_loaded",
    promises=[
        critical(
            "something_was_loaded", "the load ledger is empty; nothing was ever loaded to the end", rows_at_least(1)
        ),
        critical("source_is_named", "loads do not name their source", never_null("source")),
        critical("table_is_named", "loads do not name their table", never_null("table_name")),
        critical("load_is_named", "loads have no load id", never_null("load_id")),
        critical(
            "load_stands_once",
            "loads stand twice in the ledger; their rows may have been read twice: {sample}",
            stands_once("source", "table_name", "load_id"),
        ),
        critical(
            "load_is_within_what_may_be_known",
            "loads are later than {known_at}, the moment this run is allowed to know: {sample}",
            no_rows("""
                select source, table_name, load_id, known_at from deployment.loads
                where known_at is null or known_at > {known_at}
            """),
        ),
        critical(
            "load_says_what_it_holds",
            "loads do not say how many rows they hold or what their content hashes to: {sample}",
            no_rows("""
                select source, table_name, load_id from deployment.loads
                where rows is null or rows < 0 or content_hash is null or content_hash = ''
            """),
        ),
        critical(
            "full_load_did_not_shrink",
            "tables shrank below {min_rows_share_of_last} of their previous load; a cut-off file looks "
            "like this: {sample}",
            no_rows("""
                select source, table_name, rows, previous_rows from (
                  select *, row_number() over (partition by source, table_name order by known_at desc,
                    load_id desc) as newest
                  from deployment.loads)
                where newest = 1 and mode not like 'incr%' and previous_rows > 0
                  and (rows is null or rows < {min_rows_share_of_last} * previous_rows)
            """),
        ),
        warning(
            "newest_load_has_rows",
            "the newest full load of a table is empty: {sample}",
            no_rows("""
                select source, table_name, load_id from (
                  select *, row_number() over (partition by source, table_name order by known_at desc,
                    load_id desc) as newest
                  from deployment.loads)
                where newest = 1 and mode not like 'incr%' and coalesce(rows, 0) = 0 and not coalesce(may_be_empty,
                  false)
            """),
        ),
        warning(
            "quarter_had_ended_when_loaded",
            "the newest load is older than {quarter_end}, the last day of {quarter}: the quarter is "
            "incomplete ({sample})",
            no_rows("""
                select max(known_at) as newest_load from deployment.loads
                having max(known_at) is null or cast(max(known_at) as date) < {quarter_end}
            """),
        ),
        warning(
            "sources_were_read_after_the_quarter",
            "sources were last read before {quarter_end}, the last day of {quarter}: demotions that rest "
            "on them are frozen ({sample})",
            no_rows("""
                select source, max(read_at) as last_read from deployment.loads
                group by source having max(read_at) is null or cast(max(read_at) as date) < {quarter_end}
            """),
        ),
        critical(
            "no_source_is_stale",
            "sources were last read before {quarter_end} and quality.stale_sources says to refuse "
            "({sample}); read them again, or set it to freeze",
            no_rows("""
                select source, max(read_at) as last_read from deployment.loads
                group by source having {refuse_stale_sources} and (max(read_at) is null
                  or cast(max(read_at) as date) < {quarter_end})
            """),
        ),
        info(
            "tables_were_loaded_together",
            "tables have brought nothing new for 100 days while others have: {sample}",
            no_rows("""
                select source, table_name, max(known_at) as last_loaded from deployment.loads
                group by source, table_name
                having max(known_at) < (select max(known_at) from deployment.loads) - interval 100 day
            """),
        ),
    ],
)

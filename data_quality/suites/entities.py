"""entities: what must be true of conformed."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, stands_once, suite, warning

SUITE = suite(
    "entities",
    place="warehouse",
    table="conformed",
    description=(
        "One row per believed row of every conformed entity the sources offer. What must be true "
        "of all of them; an entity without rows is no fault, as a quiet portal is none."
    ),
    key=["source", "source_id"],
    floor="something_is_believed",
    source="select * from {believed_rows}",
    promises=[
        critical("something_is_believed", "not one row of any source came through", rows_at_least(1)),
        critical("source_is_named", "rows do not say which source they come from", never_null("source")),
        critical("source_id_is_there", "rows have no id in their source", never_null("source_id")),
        critical(
            "flags_are_decided",
            "rows leave open whether they are a test or deleted: {sample}",
            no_rows("""
                select entity, source, source_id from {judged} where is_deleted is null or is_test is null
            """),
        ),
        critical(
            "nothing_was_known_too_late",
            "rows carry facts from after {known_at}, the moment this run is allowed to know: {sample}",
            no_rows("""
                select entity, source, source_id, extracted_at from {judged}
                where extracted_at is null or extracted_at > {known_at}
            """),
        ),
        critical(
            "source_may_offer_it",
            "rows come from sources that are said not to know such a thing, so it would count as unknown: {sample}",
            no_rows("""
                select found.entity, found.source, count(*) as row_count from {judged} as found
                where not exists (
                  select 1 from deployment.capabilities as offered
                  where offered.entity = found.entity and offered.source = found.source)
                group by found.entity, found.source
            """),
        ),
        critical(
            "row_stands_once",
            "rows stand more than once and would be counted twice: {sample}",
            stands_once("entity", "source", "source_id"),
        ),
        critical(
            "numbers_are_possible",
            "numbers lie where none can: {sample}",
            no_rows("""
                select entity, source, source_id, what || ' ' || number as found from {ranged_rows}
                where not isfinite(number) or number < least or number > most
            """),
        ),
        warning(
            "links_lead_somewhere",
            "more than a share of {max_broken_links_share} of links lead to records that are nowhere: {sample}",
            no_rows("""
                with needed as (
                  select entity, source, what, target, left(target_id, 15) as id, count(*) as links
                  from {linked_rows} as linked where target_id <> ''
                  group by entity, source, what, target, left(target_id, 15)),
                followed as (
                  select needed.*, exists (
                    select 1 from {judged} as there
                    where there.entity = needed.target and left(there.source_id, 15) = needed.id) as is_there
                  from needed where needed.target in (select distinct entity from {judged}))
                select entity, source, what, sum(links) filter (where not is_there) || ' of ' || sum(links) as broken
                from followed group by entity, source, what
                having sum(links) filter (where not is_there) > {max_broken_links_share} * sum(links)
                  and sum(links) filter (where not is_there) >= 5
            """),
        ),
        critical(
            "every_loaded_row_is_somewhere",
            "rows of a file are neither believed nor set aside, or are there more often than loaded: {sample}",
            no_rows("""
                select loaded.source, loaded.table_name, loaded.row_count, coalesce(found.row_count, 0) as found_rows
                from (
                  select source, table_name, sum(rows) as row_count from deployment.loads
                  where connector = 'files' group by source, table_name) as loaded
                left join (
                  select entity, source, count(*) as row_count from (
                    select entity, source from {judged}
                    union all
                    select entity, source from {set_aside_rows} where reject_reason <> 'broken_line')
                  group by entity, source) as found
                  on found.source = loaded.source and found.entity = loaded.table_name
                where loaded.row_count <> coalesce(found.row_count, 0)
            """),
        ),
        warning(
            "moments_are_in_order",
            "more than {max_disorder_share} of the rows end before they begin; were two columns exchanged? {sample}",
            no_rows("""
                select entity, source, moments, count(*) filter (where later < earlier) as disordered_rows
                from {ordered_rows} where earlier is not null and later is not null group by entity, source, moments
                having count(*) filter (where later < earlier) > {max_disorder_share} * count(*)
                  and count(*) filter (where later < earlier) >= 5
            """),
        ),
        critical(
            "won_deals_are_worth_something",
            "more than half of the amounts of won deals are zero or negative: {sample}",
            no_rows("""
                select entity, source, count(*) filter (where not amount > 0) as worthless_rows, count(*) as row_count
                from {money_rows} where amount is not null and entity = 'opportunities' group by entity, source
                having count(*) filter (where not amount > 0) > 0.5 * count(*) and count(*) >= {min_history_rows}
            """),
        ),
        warning(
            "amounts_are_mostly_positive",
            "more than half of the amounts are zero or negative: {sample}",
            no_rows("""
                select entity, source, count(*) filter (where not amount > 0) as worthless_rows, count(*) as row_count
                from {money_rows} where amount is not null and entity <> 'opportunities' group by entity, source
                having count(*) filter (where not amount > 0) > 0.5 * count(*) and count(*) >= {min_history_rows}
            """),
        ),
        warning(
            "rows_say_what_they_are_about",
            "more than a share of {max_emptied_share} of rows lack what they are about: {sample}",
            no_rows("""
                select entity, source, what, count(*) filter (where is_missing) as mute_rows from {mute_rows}
                group by entity, source, what
                having count(*) filter (where is_missing) > {max_emptied_share} * count(*)
                  and count(*) filter (where is_missing) >= 5
            """),
        ),
        warning(
            "words_are_mostly_understood",
            "more than a share of {max_unknown_words_share} of a column's words is in no map, so it says nothing: "
            "{sample}; add them to the seed value_map",
            no_rows("""
                select entity, source, what, count(*) filter (where word in ('unknown', 'other')) as unknown_rows
                from {mapped_rows} where trim(raw) <> '' and lower(trim(raw)) not in ('unknown', 'other')
                group by entity, source, what
                having count(*) filter (where word in ('unknown', 'other')) > {max_unknown_words_share} * count(*)
                  and count(*) filter (where word in ('unknown', 'other')) >= 5
            """),
        ),
        warning(
            "rows_do_not_come_twice",
            "more than a share of {max_repeated_share} of rows say the same as another one under another id: {sample}",
            no_rows("""
                select entity, source, sum(row_count - 1) as repeated_rows from (
                  select entity, source, content, count(*) as row_count from {content_rows}
                  group by entity, source, content)
                group by entity, source
                having sum(row_count - 1) > {max_repeated_share} * sum(row_count) and sum(row_count - 1) >= 5
            """),
        ),
    ],
)

"""entities: what must be true of conformed."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, suite

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
    ],
)

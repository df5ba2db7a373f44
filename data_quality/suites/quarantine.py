"""quarantine: what must be true of quarantine."""

from data_quality.promise import critical, never_null, no_rows, rows_at_least, suite, warning

SUITE = suite(
    "quarantine",
    place="warehouse",
    description=(
        "One row per source and conformed entity. How many of its rows could not be believed, and"
        " why. The entity is a constant of the statement below, so only the source can be "
        "missing."
    ),
    key=["source"],
    floor="rows_were_counted",
    source="""
        select source, entity, count(*) filter (where is_aside) as quarantined_count, count(*) as row_count
        from (
          select source, entity, true as is_aside from {quarantine_rows}
          union all
          select source, entity, false from {believed_rows})
        group by source, entity
    """,
    promises=[
        critical("rows_were_counted", "there is no row to count, neither believed nor set aside", rows_at_least(1)),
        critical("source_is_named", "rows were counted that name no source", never_null("source")),
        critical(
            "share_is_believable",
            "more than a share of {max_quarantined_share} of the rows could not be believed; the rest is "
            "no sound base: {sample}",
            no_rows("""
                select source, entity, quarantined_count, row_count from {judged}
                where quarantined_count > {max_quarantined_share} * row_count
            """),
        ),
        critical(
            "every_currency_has_a_rate",
            "amounts have no exchange rate for their currency and date; add the rate and run again: {sample}",
            no_rows("""
                select entity, reject_detail, count(*) as row_count from {quarantine_rows}
                where reject_reason = 'no_exchange_rate' group by entity, reject_detail
            """),
        ),
        critical(
            "rejection_is_explained",
            "rows were set aside without a source, a reason or a detail: {sample}",
            no_rows("""
                select entity, source, source_id, reject_reason, reject_detail from {quarantine_rows}
                where source is null or coalesce(trim(reject_reason), '') = '' or coalesce(trim(reject_detail),
                  '') = ''
            """),
        ),
        warning(
            "row_is_on_one_side",
            "rows are believed and set aside at once: {sample}",
            no_rows("""
                select aside.entity, aside.source, aside.source_id, aside.reject_reason
                from {quarantine_rows} as aside
                inner join {believed_rows} as believed
                  on believed.entity = aside.entity and believed.source = aside.source
                    and believed.source_id = aside.source_id
                where aside.reject_reason not like 'duplicate%'
            """),
        ),
        warning(
            "nothing_was_set_aside",
            "rows were set aside and count nowhere until they are corrected: {sample}",
            no_rows("""
                select entity, reject_reason, count(*) as row_count from {quarantine_rows} group by entity,
                  reject_reason
            """),
        ),
    ],
)

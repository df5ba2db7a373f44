"""partner_program_levels: what must be true of partner_program_levels."""

from data_quality.promise import critical, info, never_null, no_rows, suite

SUITE = suite(
    "partner_program_levels",
    place="candidate",
    description=("One row per partner, source, programme and level that the source itself says the partner holds."),
    key=["partner_id", "source", "program", "level"],
    floor="told_levels_have_a_row",
    promises=[
        critical(
            "told_levels_have_a_row",
            "sources say that partners hold a level, and no row says so: {sample}",
            no_rows("""
                select told.partner_id, told.source, told.level from identity.told_levels as told
                inner join candidate.partner_segments as released on released.partner_id = told.partner_id
                where not exists (
                  select 1 from candidate.partner_program_levels as rows
                  where rows.partner_id = told.partner_id and rows.source = told.source and rows.level = told.level)
            """),
        ),
        critical("partner_id_is_there", "rows have no partner", never_null("partner_id")),
        critical("source_is_there", "rows do not say who says so", never_null("source")),
        critical("program_is_there", "rows name no programme", never_null("program")),
        critical("level_is_there", "rows name no level", never_null("level")),
        critical(
            "row_stands_once",
            "rows stand more than once: {sample}",
            no_rows("""
                select partner_id, source, program, level, count(*) as row_count from {judged}
                group by partner_id, source, program, level having count(*) > 1
            """),
        ),
        info(
            "one_level_per_program",
            "a source says that partners hold several levels of one programme: {sample}",
            no_rows("""
                select partner_id, source, program, count(*) as level_count from {judged}
                group by partner_id, source, program having count(*) > 1
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

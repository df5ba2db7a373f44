"""identity_candidates: what must be true of identity_candidates."""

from data_quality.promise import between, critical, never_null, no_rows, one_of, suite, warning

SUITE = suite(
    "identity_candidates",
    place="candidate",
    description="One row per two partners that may be one. Empty is fine where every partner is linked.",
    key=["source", "source_id", "other_source", "other_source_id"],
    floor="candidates_are_listed",
    promises=[
        critical(
            "candidates_are_listed",
            "partners that may be one are not listed: {sample}",
            no_rows("""
                select pairs.source, pairs.source_id, pairs.other_source, pairs.other_source_id
                from identity.partner_candidates as pairs
                where not exists (
                  select 1 from candidate.identity_candidates as listed
                  where listed.source = pairs.source and listed.source_id = pairs.source_id
                    and listed.other_source = pairs.other_source and listed.other_source_id = pairs.other_source_id)
            """),
        ),
        critical("source_is_there", "rows have no source", never_null("source")),
        critical("source_id_is_there", "rows have no id", never_null("source_id")),
        critical("other_source_is_there", "rows have no second source", never_null("other_source")),
        critical("other_source_id_is_there", "rows have no second id", never_null("other_source_id")),
        critical(
            "pair_stands_once",
            "two partners stand more than once: {sample}",
            no_rows("""
                select least(partner_id, other_partner_id) as one, greatest(partner_id, other_partner_id) as other,
                  count(*) as row_count
                from {judged} group by all having count(*) > 1
            """),
        ),
        critical(
            "partners_are_two",
            "a partner is said to resemble itself: {sample}",
            no_rows("select source, source_id, partner_id from {judged} where partner_id = other_partner_id"),
        ),
        critical(
            "similarity_is_a_share",
            "similarities are not between 0 and 1: {observed}",
            between("similarity", at_least=0, at_most=1),
        ),
        critical(
            "reason_is_known",
            "pairs are listed for a reason nobody has explained: {observed}",
            one_of("reason", "same_domain", "same_name", "similar_name"),
        ),
        warning(
            "reason_is_told",
            "pairs are listed without words: {sample}",
            no_rows("""
                select source, source_id, other_source, other_source_id from {judged}
                where coalesce(trim(detail), '') = '' or coalesce(trim(settled_by), '') = ''
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

"""identity_changes: what must be true of identity_changes."""

from data_quality.promise import critical, info, never_null, no_rows, one_of, suite, warning

# What no release recorded yet, and no person said: a row of the crosswalk is a decision, no surprise.
_NEW = """
    select changes.source, changes.source_id, changes.from_partner_number, changes.to_partner_number
    from {{judged}} as changes
    where changes.change {change} and changes.rule <> 'crosswalk' and not exists (
      select 1 from released.former_changes as earlier
      where earlier.changed_on = changes.changed_on and earlier.source = changes.source
        and earlier.source_id = changes.source_id and earlier.from_partner_id = changes.from_partner_id
        and earlier.to_partner_id = changes.to_partner_id)
"""

SUITE = suite(
    "identity_changes",
    place="candidate",
    description="One row per record that changed its partner, and day. Empty is fine while nobody does.",
    key=["changed_on", "source", "source_id", "from_partner_id", "to_partner_id"],
    floor="changes_are_listed",
    promises=[
        critical(
            "changes_are_listed",
            "records have another partner than in the last release, and no row says so: {sample}",
            no_rows("""
                select links.source, links.source_id, former.partner_id as from_partner_id, links.partner_id
                from identity.partner_links as links
                inner join released.identities as former
                  on links.source = former.source and links.source_id = former.source_id
                where links.partner_id <> former.partner_id and not exists (
                  select 1 from candidate.identity_changes as listed
                  where listed.source = links.source and listed.source_id = links.source_id
                    and listed.from_partner_id = former.partner_id and listed.to_partner_id = links.partner_id)
            """),
        ),
        critical("day_is_there", "rows have no day", never_null("changed_on")),
        critical("source_is_there", "rows have no source", never_null("source")),
        critical("source_id_is_there", "rows have no id", never_null("source_id")),
        critical("former_partner_is_there", "rows have no former partner", never_null("from_partner_id")),
        critical("partner_is_there", "rows have no partner", never_null("to_partner_id")),
        critical(
            "change_stands_once",
            "changes stand more than once: {sample}",
            no_rows("""
                select changed_on, source, source_id, from_partner_id, to_partner_id, count(*) as row_count
                from {judged} group by all having count(*) > 1
            """),
        ),
        critical(
            "partners_are_two",
            "records changed from a partner to the same: {sample}",
            no_rows("select source, source_id, to_partner_id from {judged} where from_partner_id = to_partner_id"),
        ),
        critical(
            "change_is_known",
            "changes are of a kind nobody has explained: {observed}",
            one_of("change", "merged", "split", "moved"),
        ),
        critical(
            "nothing_is_forgotten",
            "changes that a release recorded are gone: {sample}",
            no_rows("""
                select earlier.changed_on, earlier.source, earlier.source_id from released.former_changes as earlier
                where not exists (
                  select 1 from candidate.identity_changes as listed
                  where listed.changed_on = earlier.changed_on and listed.source = earlier.source
                    and listed.source_id = earlier.source_id and listed.from_partner_id = earlier.from_partner_id
                    and listed.to_partner_id = earlier.to_partner_id)
            """),
        ),
        warning(
            "nobody_was_parted",
            "records left the partner they were released with, though nobody said so; `segments identity link` "
            "brings them back: {sample}",
            no_rows(_NEW.format(change="<> 'merged'")),
        ),
        info(
            "nobody_was_merged",
            "partners go on as one with another since the last release: {sample}",
            no_rows(_NEW.format(change="= 'merged'")),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select to_partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

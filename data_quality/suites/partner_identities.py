"""partner_identities: what must be true of partner_identities."""

from data_quality.promise import critical, never_null, no_rows, one_of, suite, warning

SUITE = suite(
    "partner_identities",
    place="candidate",
    description="One row per source record that speaks of a partner, or did. The next run reads back who was who.",
    key=["source", "source_id"],
    floor="every_record_is_listed",
    promises=[
        critical(
            "every_record_is_listed",
            "records of partners are not listed with their partner: {sample}",
            no_rows("""
                select links.source, links.source_id, links.partner_id from identity.partner_links as links
                where not exists (
                  select 1 from candidate.partner_identities as listed
                  where listed.source = links.source and listed.source_id = links.source_id
                    and listed.partner_id = links.partner_id and listed.is_present)
            """),
        ),
        critical(
            "nobody_is_forgotten",
            "records that the last release knew are gone, and with them whose id they had: {sample}",
            no_rows("""
                select former.source, former.source_id, former.partner_id from released.identities as former
                where not exists (
                  select 1 from {judged} as listed
                  where listed.source = former.source and listed.source_id = former.source_id
                    and (listed.is_present or listed.partner_id = former.partner_id))
            """),
        ),
        critical(
            "presence_is_true",
            "records are listed as there that no partner has, or the other way round: {sample}",
            no_rows("""
                select listed.source, listed.source_id, listed.partner_id from {judged} as listed
                left join identity.partner_links as links
                  on links.source = listed.source and links.source_id = listed.source_id
                where listed.is_present is distinct from (links.source is not null)
            """),
        ),
        critical(
            "id_is_one_partner",
            "partners that are not one have one id: {sample}",
            no_rows("""
                select links.source, links.source_id, links.partner_id, links.key_source, links.key_source_id
                from identity.partner_links as links
                where links.partner_id in (
                  select partner_id from identity.partner_links group by partner_id
                  having count(distinct key_source || '/' || key_source_id) > 1)
            """),
        ),
        critical("source_is_there", "rows have no source", never_null("source")),
        critical("source_id_is_there", "rows have no id", never_null("source_id")),
        critical("partner_is_there", "records belong to nobody", never_null("partner_id")),
        critical("day_is_there", "records have no day since when they belong there", never_null("known_since")),
        critical(
            "record_stands_once",
            "records stand more than once: {sample}",
            no_rows("""
                select source, source_id, count(*) as row_count from {judged}
                group by source, source_id having count(*) > 1
            """),
        ),
        critical(
            "rule_is_known",
            "records are linked by a rule nobody has explained: {observed}",
            one_of("rule", "crosswalk", "crm_account_id", "domain", "name_and_country", "own"),
        ),
        critical(
            "partner_has_a_record",
            "partners are released that no record speaks of: {sample}",
            no_rows("""
                select released.partner_number, released.partner_id from candidate.partner_segments as released
                where not exists (
                  select 1 from {judged} as listed
                  where listed.partner_id = released.partner_id and listed.is_present)
            """),
        ),
        warning(
            "linked_accounts_resemble",
            "accounts share neither name nor web domain with records that are linked to them by id: {sample}; was the "
            "account renamed, its id used again, or the wrong one named? `segments identity link` settles it",
            no_rows("""
                select account.source, account.source_id, account.name, link.source as other_source,
                  link.source_id as other_source_id, other.name as other_name
                from identity.partner_links as link
                inner join identity.partner_records as account
                  on account.source = link.key_source and account.source_id = link.key_source_id
                inner join identity.partner_records as other
                  on other.source = link.source and other.source_id = link.source_id
                where link.rule = 'crm_account_id' and account.web_domain <> other.web_domain and not exists (
                  select 1 from identity.partner_names as called
                  inner join identity.partner_names as other_called on called.folded_key = other_called.folded_key
                  where called.source = account.source and called.source_id = account.source_id
                    and other_called.source = other.source and other_called.source_id = other.source_id)
            """),
        ),
        critical(
            "no_mail_address",
            "rows hold an @; no address of a person may leave the house: {sample}",
            no_rows("select partner_id from {judged} where {row_holds_at}"),
        ),
    ],
)

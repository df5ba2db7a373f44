"""How what a partner portal says goes wrong: people, certificates, registrations, money and who is who."""

from __future__ import annotations

from random import Random

from demo.mutations.sheet import Mutation, Sheet, changed, days_later, lost, milliseconds, on, times

_TRAININGS, _REGISTRATIONS, _PARTNERS = "training_records", "deal_registrations", "partners"


def _trainings_twice(sheet: Sheet, _: Random) -> None:
    sheet.add([{**row, "source_id": row["source_id"] + "-B"} for row in sheet.rows])


def _accounts_moved_by_one(sheet: Sheet, _: Random) -> None:
    """Every portal partner is said to be the CRM account of the next."""
    linked = [row for row in sheet.rows if row["crm_account_id"]]
    accounts = [row["crm_account_id"] for row in linked]
    for row, account in zip(linked, accounts[1:] + accounts[:1], strict=True):
        row["crm_account_id"] = account
    sheet.touched = len(linked)


def _all_events_of_one(sheet: Sheet, _: Random) -> None:
    one = sheet.rows[0]["partner_id"]
    sheet.change("partner_id", lambda value: one)


_STATUS_IN_GERMAN = {
    "accepted": "angenommen", "declined": "abgelehnt", "auto_accepted": "automatisch angenommen",
    "expired": "abgelaufen", "submitted": "eingereicht",
}  # fmt: skip

PRM: tuple[Mutation, ...] = (
    Mutation("certificates_all_expired", "All certificates are said to have ended in spring.", "prm", _TRAININGS, True,
             changed(_TRAININGS, "expires_at", lambda value: "2026-04-30T00:00:00.000Z",
                      lambda row: row["record_type"] == "certification")),
    Mutation("trainings_doubled", "Every training stands twice, under another id.", "prm", _TRAININGS, True,
             on(_TRAININGS, _trainings_twice)),
    Mutation("trainings_in_the_future", "Trainings were completed a year from now.", "prm", _TRAININGS, True,
             changed(_TRAININGS, "completed_at", days_later(365))),
    Mutation("trainings_of_nobody", "Trainings belong to partners that are nowhere.", "prm", _TRAININGS, True,
             changed(_TRAININGS, "partner_id", lambda value: value.replace("PRM-", "ORG-"))),
    Mutation("registration_words_in_another_language", "The state of registrations is written in German.", "prm",
             _REGISTRATIONS, True, changed(_REGISTRATIONS, "registration_status", _STATUS_IN_GERMAN.__getitem__)),
    Mutation("registrations_all_declined", "Every registration is declined.", "prm", _REGISTRATIONS, True,
             changed(_REGISTRATIONS, "registration_status", lambda value: "declined")),
    Mutation("registrations_in_milliseconds", "The moments of registrations are in milliseconds since 1970.", "prm",
             _REGISTRATIONS, True, changed(_REGISTRATIONS, "submitted_at", milliseconds)),
    Mutation("portal_accounts_moved", "Portal partners are tied to the CRM account of the next one.", "prm", _PARTNERS,
             True, on(_PARTNERS, _accounts_moved_by_one)),
    Mutation("portal_partners_numbered_anew", "Portal partners have new ids, which nothing refers to.", "prm",
             _PARTNERS, True, changed(_PARTNERS, "source_id", lambda value: value.replace("PRM-", "ORG-"))),
    Mutation("portal_domains_all_the_same", "All portal partners have one domain.", "prm", _PARTNERS, True,
             changed(_PARTNERS, "domain", lambda value: "ormwick.example")),
    Mutation("activity_all_of_one_partner", "All that happened in the portal is one partner's.", "prm",
             "activity_events", True, on("activity_events", _all_events_of_one)),
    Mutation("activity_of_the_quarter_missing", "Nothing has happened in the portal since July.", "prm",
             "activity_events", True, lost("activity_events", lambda row: row["occurred_at"] >= "2026-07-01")),
    Mutation("funds_in_cents", "Claims of funds are in cents.", "prm", "mdf_claims", True,
             changed("mdf_claims", "approved_amount", times("100"))),
    Mutation("answers_on_another_scale", "Partners answered from 0 to 100, and the scale still says five.", "prm",
             "csat_responses", True, changed("csat_responses", "score", times("20", "1"))),
    Mutation("answers_turned_round", "The best answer is now one, the worst five.", "prm", "csat_responses", True,
             changed("csat_responses", "score", lambda value: str(6 - int(value)))),
    Mutation("users_inactive", "Every user of the portal is inactive.", "prm", "partner_users", False,
             changed("partner_users", "is_active", lambda value: "false")),
)  # fmt: skip

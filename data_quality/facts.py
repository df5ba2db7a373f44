"""What rows of different entities have in common, so that one promise can be asked of all of them.

In a query or the source of a suite, `{dated_rows}` is the live rows of every offered entity that happen on a day, and
so on for each name here: a bracketed SELECT with `entity`, `source` and `source_id`, then the columns of that name. An
entity is asked by adding a line.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Of(NamedTuple):
    """How the rows of one entity have it: one SQL expression per column."""

    entity: str
    columns: tuple[str, ...]
    where: str = "true"


FACTS: dict[str, tuple[tuple[str, ...], tuple[Of, ...]]] = {
    # What happened on a day: with whom (a partner, as the source calls it), and how much of it.
    "dated_rows": (
        ("day", "who", "value", "currency"),
        (
            Of("opportunities", ("close_date", "null", "reporting_amount", "currency"), "is_won"),
            Of("opportunity_stage_changes", ("changed_at", "null", "amount", "null")),
            Of("meetings", ("started_at", "account_id", "minutes", "null")),
            Of("deal_registrations", ("submitted_at", "partner_id", "amount", "currency")),
            Of("leads", ("submitted_at", "partner_id", "amount", "currency")),
            Of("training_records", ("completed_at", "partner_id", "null", "null")),
            Of("activity_events", ("occurred_at", "partner_id", "null", "null")),
            Of("mdf_requests", ("submitted_at", "partner_id", "requested_amount", "currency")),
            Of("mdf_claims", ("submitted_at", "partner_id", "claimed_amount", "currency")),
            Of("transactions", ("transaction_date", "partner_id", "amount", "currency")),
            Of("rewards", ("earned_at", "partner_id", "amount", "currency")),
            Of("csat_responses", ("responded_at", "partner_id", "score / scale_max", "null")),
            Of("metric_facts", ("fact_date", "partner", "null", "null")),
        ),
    ),
    # Two moments of a row, of which the second cannot come before the first.
    "ordered_rows": (
        ("moments", "earlier", "later"),
        (
            Of("opportunities", ("'created, closed'", "cast(created_at as date)", "close_date"), "is_closed"),
            Of("program_memberships", ("'since, read'", "since", "extracted_at")),
            Of("exchange_rates", ("'valid from, valid to'", "valid_from", "valid_to")),
            Of("partners", ("'joined, read'", "joined_at", "extracted_at")),
            Of("account_overlaps", ("'matched, read'", "matched_at", "extracted_at")),
            Of("partner_users", ("'created, last login'", "created_at", "last_login_at")),
            Of("deal_registrations", ("'submitted, decided'", "submitted_at", "decided_at")),
            Of("leads", ("'submitted, accepted'", "submitted_at", "coalesce(accepted_at, converted_at)")),
            Of("training_records", ("'enrolled, completed'", "enrolled_at", "completed_at")),
            Of("mdf_requests", ("'activity start, activity end'", "activity_start", "activity_end")),
            Of("mdf_claims", ("'submitted, paid'", "submitted_at", "paid_at")),
            Of("rewards", ("'earned, paid'", "earned_at", "paid_at")),
            Of("csat_responses", ("'answered, read'", "responded_at", "extracted_at")),
            Of("business_plans", ("'period start, period end'", "period_start", "period_end")),
        ),
    ),
    # Money, as its source says it.
    "money_rows": (
        ("amount", "currency"),
        (
            Of("opportunities", ("amount", "currency"), "is_won"),
            Of("deal_registrations", ("amount", "currency")),
            Of("leads", ("amount", "currency")),
            Of("mdf_requests", ("coalesce(approved_amount, requested_amount)", "currency")),
            Of("mdf_claims", ("coalesce(approved_amount, claimed_amount)", "currency")),
            Of("transactions", ("amount", "currency")),
            Of("rewards", ("amount", "currency")),
            Of("business_plans", ("target_amount", "currency")),
        ),
    ),
    # Whether a row lacks what it is about.
    "mute_rows": (
        ("what", "is_missing"),
        (
            Of("opportunity_stage_changes", ("'moment or stage'", "changed_at is null or to_stage is null")),
            Of("meetings", ("'moment or length'", "started_at is null or minutes is null")),
            Of("program_memberships", ("'programme or level'", "program is null or level is null")),
            Of("exchange_rates", ("'first day'", "valid_from is null")),
            Of("account_overlaps", ("'population'", "own_population is null or partner_population is null")),
            Of("partner_users", ("'address'", "email is null")),
            Of("deal_registrations", ("'moment of submission'", "submitted_at is null")),
            Of("leads", ("'moment of submission'", "submitted_at is null")),
            Of("training_records", ("'course'", "item_name is null")),
            Of("activity_events", ("'moment'", "occurred_at is null")),
            Of("mdf_requests", ("'amount'", "coalesce(requested_amount, approved_amount) is null")),
            Of("mdf_claims", ("'amount'", "coalesce(claimed_amount, approved_amount) is null")),
            Of("transactions", ("'amount'", "amount is null")),
            Of("rewards", ("'amount'", "amount is null")),
            Of("csat_responses", ("'score or scale'", "score is null or scale_max is null")),
            Of("business_plans", ("'period'", "period_start is null or period_end is null")),
        ),
    ),
    # A number that can only lie between two others.
    "ranged_rows": (
        ("what", "number", "least", "most"),
        (
            Of("meetings", ("'minutes'", "minutes", "0", "1440")),
            Of("exchange_rates", ("'rate'", "rate", "0", "null")),
            Of("training_records", ("'progress in per cent'", "progress_pct", "0", "100")),
            Of("csat_responses", ("'score'", "score", "0", "scale_max")),
            Of("overlap_counts", ("'accounts'", "account_count", "0", "null")),
            Of("mdf_requests", ("'approved amount'", "approved_amount", "0", "null")),
            Of("mdf_claims", ("'approved amount'", "approved_amount", "0", "null")),
        ),
    ),
    # What a row points at: an id that a row of the other entity has, in whichever source that is.
    "linked_rows": (
        ("what", "target", "target_id"),
        (
            Of("partners", ("'CRM account'", "'accounts'", "crm_account_id")),
            Of("deal_registrations", ("'CRM deal'", "'opportunities'", "crm_opportunity_id")),
            Of("deal_registrations", ("'partner'", "'partners'", "partner_id")),
            Of("leads", ("'partner'", "'partners'", "partner_id")),
            Of("partner_users", ("'partner'", "'partners'", "partner_id")),
            Of("account_overlaps", ("'own account'", "'accounts'", "own_account_id")),
            Of("overlap_counts", ("'partner'", "'partners'", "partner_id")),
            Of("meetings", ("'account'", "'accounts'", "account_id")),
            Of("program_memberships", ("'account'", "'accounts'", "account_id")),
            Of("opportunity_stage_changes", ("'deal'", "'opportunities'", "opportunity_id")),
            Of("training_records", ("'person'", "'partner_users'", "user_id")),
            Of("activity_events", ("'person'", "'partner_users'", "user_id")),
            Of("mdf_claims", ("'request'", "'mdf_requests'", "request_id")),
            Of("rewards", ("'transaction'", "'transactions'", "transaction_id")),
        ),
    ),
    # A word of the source and what it is in our terms: unknown or other where no map knows it.
    "mapped_rows": (
        ("what", "raw", "word"),
        (
            Of("opportunity_partners", ("'role'", "role_raw", "role")),
            Of("partners", ("'status'", "status_raw", "status")),
            Of("partners", ("'motion'", "motion_raw", "motion")),
            Of("deal_registrations", ("'registration status'", "registration_status_raw", "registration_status")),
            Of("deal_registrations", ("'outcome'", "outcome_raw", "outcome")),
            Of("leads", ("'status'", "status_raw", "status")),
            Of("training_records", ("'status'", "status_raw", "status")),
            Of("training_records", ("'record type'", "record_type_raw", "record_type")),
            Of("activity_events", ("'event type'", "event_type_raw", "event_type")),
            Of("mdf_requests", ("'status'", "status_raw", "status")),
            Of("mdf_claims", ("'status'", "status_raw", "status")),
            Of("rewards", ("'status'", "status_raw", "status")),
            Of("account_overlaps", ("'own population'", "own_population_raw", "own_population")),
            Of("account_overlaps", ("'partner population'", "partner_population_raw", "partner_population")),
        ),
    ),
    # What a row says without its id: two that say the same may be one row that came twice.
    "content_rows": (
        ("content",),
        (
            Of("opportunities", ("hash(account_id, name, amount, created_at, close_date)",)),
            Of("meetings", ("hash(owner_id, account_id, started_at, minutes, kind)",)),
            Of("deal_registrations", ("hash(partner_id, customer_company, deal_name, amount, submitted_at)",)),
            Of("leads", ("hash(partner_id, customer_company, customer_email, amount, submitted_at)",)),
            Of("training_records", ("hash(partner_id, user_id, user_email, item_name, enrolled_at, completed_at)",)),
            Of("activity_events", ("hash(partner_id, user_id, event_type_raw, object_name, occurred_at)",)),
            Of("mdf_requests", ("hash(partner_id, fund_name, activity_type, requested_amount, submitted_at)",)),
            Of("mdf_claims", ("hash(partner_id, request_id, claimed_amount, submitted_at)",)),
            Of("transactions", ("hash(partner_id, customer_id, deal_id, product, transaction_date, amount)",)),
            Of("rewards", ("hash(partner_id, transaction_id, deal_id, description, amount, earned_at)",)),
            Of("csat_responses", ("hash(partner_id, user_email, survey_name, score, responded_at)",)),
            Of("business_plans", ("hash(partner_id, plan_type, period_start, target_amount)",)),
            Of("metric_facts", ("hash(partner, metric, fact_date, value, subject, attributes)",)),
        ),
    ),
}

_KINDS = {
    "day": "timestamp",
    "earlier": "timestamp",
    "later": "timestamp",
    "value": "double",
    "amount": "double",
    "number": "double",
    "least": "double",
    "most": "double",
    "is_missing": "boolean",
    "content": "ubigint",
}


def rows_of(name: str, entities: Collection[str]) -> str:
    """The bracketed SELECT that stands for a name of `FACTS` where these entities are offered; perhaps of no rows."""
    columns, parts = FACTS[name]
    selects = [
        f"select '{part.entity}' as entity, source, source_id, "
        + ", ".join(_typed(sql, column) for column, sql in zip(columns, part.columns, strict=True))
        + f" from conformed.{part.entity} where is_deleted is not true and is_test is not true and {part.where}"
        for part in parts
        if part.entity in entities
    ]
    nothing = ", ".join(_typed("null", column) for column in ("entity", "source", "source_id", *columns))
    return f"({' union all '.join(selects) or f'select {nothing} where false'})"


def _typed(sql: str, column: str) -> str:
    return f"cast({sql} as {_KINDS.get(column, 'varchar')}) as {column}"

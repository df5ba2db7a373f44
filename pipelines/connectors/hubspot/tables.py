"""The raw tables of HubSpot: which objects they come from and which of an object's properties they hold.

Bodies of meetings, calls and tasks are never asked for: they are about people.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.connector import Table

# What every record has beside its properties.
_RECORD = ("id", "is_deleted", "archived_at", "updated_at")
STAMP = "hs_lastmodifieddate"
# Properties whose earlier values tell a deal's way.
HISTORY = ("dealstage", "amount")


@dataclass(frozen=True)
class ObjectKind:
    """An object type as a raw table. `scope` is what a key needs to read it."""

    table: str
    scope: str
    properties: tuple[str, ...]
    is_required: bool = False
    associated: str | None = None
    """The object whose ids stand beside each record."""


OBJECTS: dict[str, ObjectKind] = {
    "companies": ObjectKind(
        "company",
        "crm.objects.companies.read",
        (
            "name", "domain", "website", "country", "industry", "type", "numberofemployees", "hubspot_owner_id",
            "hs_parent_company_id", "createdate", STAMP, "hs_merged_object_ids",
        ),
        is_required=True,
    ),
    "deals": ObjectKind(
        "deal",
        "crm.objects.deals.read",
        (
            "dealname", "amount", "deal_currency_code", "pipeline", "dealstage", "dealtype", "createdate", "closedate",
            STAMP, "hubspot_owner_id", "hs_is_closed", "hs_is_closed_won", "hs_merged_object_ids",
        ),
        is_required=True,
    ),
    "meetings": ObjectKind(
        "meeting",
        "crm.objects.contacts.read",
        (
            "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hs_timestamp", "hubspot_owner_id",
            "hs_attendee_owner_ids", "hs_activity_type", "hs_i_cal_uid", "hs_createdate", STAMP,
        ),
        associated="companies",
    ),
    "calls": ObjectKind(
        "call",
        "crm.objects.contacts.read",
        ("hs_call_duration", "hs_call_status", "hs_call_direction", "hs_timestamp", "hubspot_owner_id", "hs_createdate",
         STAMP),
        associated="companies",
    ),
    "tasks": ObjectKind(
        "task",
        "crm.objects.contacts.read",
        ("hs_task_status", "hs_task_type", "hs_timestamp", "hs_task_completion_date", "hubspot_owner_id",
         "hs_createdate", STAMP),
        associated="companies",
    ),
    "line_items": ObjectKind(
        "line_item",
        "crm.objects.line_items.read",
        ("name", "quantity", "price", "amount", "hs_product_id", "hs_sku", "hs_line_item_currency_code", "createdate",
         STAMP),
        associated="deals",
    ),
}  # fmt: skip


def _record_table(kind: ObjectKind) -> Table:
    beside = (kind.associated,) if kind.associated else ()
    return Table(
        name=kind.table,
        columns=(*_RECORD, *kind.properties, *beside, "custom_properties"),
        required=("id",),
        mode="increment",
        may_be_empty=not kind.is_required,
    )


PARTNER_RECORD = Table(
    "partner_record", (*_RECORD, "companies", "deals", "custom_properties"), ("id",), "increment", may_be_empty=True
)
DEAL_COMPANY = Table("deal_company", ("id", "companies"), ("id",), "increment")
DEAL_STAGE_HISTORY = Table(
    "deal_stage_history", ("id", "deal_id", "property", "value", "changed_at", "source_type"), ("id",), "increment",
    may_be_empty=True,
)  # fmt: skip
ACCOUNT = Table("account", ("id", "account_type", "time_zone", "company_currency", "data_hosting_location"), ("id",))
OWNER = Table(
    "owner", ("id", "is_deleted", "email", "type", "first_name", "last_name", "user_id", "teams"), ("id",),
    may_be_empty=True,
)  # fmt: skip
PIPELINE_STAGE = Table(
    "pipeline_stage",
    ("id", "is_deleted", "pipeline_id", "pipeline_label", "stage_id", "stage_label", "display_order", "is_closed",
     "probability"),
    ("id",),
)  # fmt: skip
ASSOCIATION_LABEL = Table(
    "association_label", ("id", "from_type", "to_type", "category", "type_id", "label"), ("id",), may_be_empty=True
)
MERGED_RECORD = Table(
    "merged_record", ("id", "object_type", "loser_id", "winner_id"), ("id",), "increment", may_be_empty=True
)
EXCHANGE_RATE = Table(
    "exchange_rate",
    ("id", "from_currency_code", "to_currency_code", "conversion_rate", "effective_at", "visible_in_ui"),
    ("id",),
    may_be_empty=True,
)

RECORD_TABLES: dict[str, Table] = {name: _record_table(kind) for name, kind in OBJECTS.items()}
TABLES: tuple[Table, ...] = (
    *RECORD_TABLES.values(), PARTNER_RECORD, DEAL_COMPANY, DEAL_STAGE_HISTORY, ACCOUNT, OWNER, PIPELINE_STAGE,
    ASSOCIATION_LABEL, MERGED_RECORD, EXCHANGE_RATE,
)  # fmt: skip

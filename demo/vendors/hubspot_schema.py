"""What every HubSpot account has: object types, their properties, the stages of the first pipeline, associations."""

from __future__ import annotations

# Object types: their number and what one of them is called.
TYPES = {
    "contacts": ("0-1", "contact"),
    "companies": ("0-2", "company"),
    "deals": ("0-3", "deal"),
    "line_items": ("0-8", "line_item"),
    "tasks": ("0-27", "task"),
    "meetings": ("0-47", "meeting"),
    "calls": ("0-48", "call"),
}
# What every account has between two types: the plain association, and the primary one where there is one.
PLAIN = {
    ("deals", "companies"): 341, ("companies", "deals"): 342, ("companies", "companies"): 450,
    ("meetings", "companies"): 188, ("companies", "meetings"): 187, ("calls", "companies"): 182,
    ("companies", "calls"): 181, ("tasks", "companies"): 192, ("companies", "tasks"): 191,
    ("line_items", "deals"): 20, ("deals", "line_items"): 19,
}  # fmt: skip
PRIMARY = {("deals", "companies"): 5, ("companies", "deals"): 6}

DEFINED: dict[str, dict[str, str]] = {
    "contacts": {"email": "string", "lastmodifieddate": "datetime", "createdate": "datetime"},
    "companies": {
        "name": "string", "domain": "string", "website": "string", "country": "string", "industry": "enumeration",
        "type": "enumeration", "numberofemployees": "number", "hubspot_owner_id": "enumeration",
        "hs_parent_company_id": "number", "createdate": "datetime", "hs_merged_object_ids": "enumeration",
        "lifecyclestage": "enumeration",
    },
    "deals": {
        "dealname": "string", "amount": "number", "amount_in_home_currency": "number", "hs_exchange_rate": "number",
        "deal_currency_code": "enumeration", "pipeline": "enumeration", "dealstage": "enumeration",
        "dealtype": "enumeration", "createdate": "datetime", "closedate": "datetime",
        "hubspot_owner_id": "enumeration", "hs_is_closed": "bool", "hs_is_closed_won": "bool",
        "hs_is_closed_lost": "bool", "hs_merged_object_ids": "enumeration",
    },
    "meetings": {
        "hs_meeting_title": "string", "hs_meeting_start_time": "datetime", "hs_meeting_end_time": "datetime",
        "hs_meeting_outcome": "enumeration", "hs_timestamp": "datetime", "hubspot_owner_id": "enumeration",
        "hs_attendee_owner_ids": "enumeration", "hs_activity_type": "enumeration", "hs_i_cal_uid": "string",
        "hs_createdate": "datetime",
    },
    "calls": {
        "hs_call_title": "string", "hs_call_duration": "number", "hs_call_status": "enumeration",
        "hs_call_direction": "enumeration", "hs_timestamp": "datetime", "hubspot_owner_id": "enumeration",
        "hs_createdate": "datetime",
    },
    "tasks": {
        "hs_task_subject": "string", "hs_task_status": "enumeration", "hs_task_type": "enumeration",
        "hs_timestamp": "datetime", "hs_task_completion_date": "datetime", "hubspot_owner_id": "enumeration",
        "hs_createdate": "datetime",
    },
    "line_items": {
        "name": "string", "quantity": "number", "price": "number", "amount": "number", "hs_product_id": "number",
        "hs_sku": "string", "hs_line_item_currency_code": "enumeration", "createdate": "datetime",
    },
}  # fmt: skip
# What a list shows when nobody asks for anything.
DEFAULT_PROPERTIES = {
    "companies": ("domain", "name"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
}
# Properties whose earlier values are kept.
REMEMBERED = frozenset({"dealstage", "amount", "closedate", "pipeline", "hubspot_owner_id"})

DEFAULT_STAGES = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
)

"""Salesforce: the CRM's accounts, opportunities, partner roles, stage history, activities and partner programmes.

What: an org over its API (`api.py`), or the data-export folder that Salesforce's own export service or Data Loader
writes, one CSV per object with API names as headings (`export.py`). Both fill the same raw tables, so staging does not
care how rows came.

| object and raw table (`snake` of its name) | over the API | in a folder |
|---|---|---|
| Account, Opportunity | by modification stamp | has to be there |
| OpportunityPartner | whole: the vendor keeps no track of its changes | has to be there |
| OpportunityHistory, User, Event, Task | by modification stamp | if there |
| Partner, AccountPartner | whole, for the same reason | if there |
| ChannelProgram, ChannelProgramLevel, ChannelProgramMember | whole: they are small | if there |
| PartnerFundRequest, PartnerFundClaim | whole | if there |
| CurrencyType, DatedConversionRate, Organization | whole | if there |

What an org has no licence for, or its user no right to, is told and stays unknown. What can go wrong with a folder: it
is half-written (a missing or shrunken file stops the run), fields are hidden from the exporting user (absent from the
header: required ones stop the run, the rest are unknown), rows are hidden by sharing rules (only the size check against
the last load can tell). docs/salesforce.md tells how an org is set up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.connector import Connector, Instance
from pipelines.connectors.salesforce.export import is_there, read
from pipelines.connectors.salesforce.objects import OBJECTS
from pipelines.connectors.salesforce.options import Options as Options

if TYPE_CHECKING:
    from pipelines.pull import Client

# Entity: the raw table that has to have been loaded for it to be known.
_ENTITY_TABLES = {
    "accounts": "account",
    "opportunities": "opportunity",
    "opportunity_partners": "opportunity_partner",
    "opportunity_stage_changes": "opportunity_history",
    "meetings": "event",
    "program_memberships": "channel_program_member",
    "exchange_rates": "currency_type",
}
_ALWAYS = ("accounts", "opportunities", "opportunity_partners", "rejected_lines")


def _connect(instance: Instance) -> Client:
    from pipelines.connectors.salesforce.api import connect  # only where an org is read

    return connect(instance)


def offered(instance: Instance) -> list[str]:
    """The entities that an instance may offer: of an org all, of a folder those whose files lie there."""
    options: Options = instance.options
    if options.is_live:
        return [*_ENTITY_TABLES, "rejected_lines"]
    there = {one.table_name for one in OBJECTS if is_there(instance, one)}
    return [*_ALWAYS, *(entity for entity, table in _ENTITY_TABLES.items() if entity not in _ALWAYS and table in there)]


connector = Connector(
    name="salesforce",
    kind="crm",
    tables=tuple(one.table for one in OBJECTS),
    entities={
        **{entity: f"stg_salesforce__{entity}" for entity in _ENTITY_TABLES},
        "rejected_lines": "stg_salesforce__rejected_lines",
    },
    options=Options,
    read=read,
    account_types=lambda options: options.partner_types,
    default_currency=lambda options: options.default_currency,
    offers_by_load=True,
    entities_for=offered,
    entity_tables=_ENTITY_TABLES,
    connect=_connect,
    reads_live=lambda options: options.is_live,
    settings_rows=lambda options: [("partner_fields", name, role) for name, role in options.partner_fields.items()],
)

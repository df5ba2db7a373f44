"""Salesforce: the CRM's accounts, opportunities and partner roles.

What: the data-export folder that Salesforce's own export service (or Data Loader) writes, one CSV per object with API
names as headings. The raw tables are the ones an API reader would fill, so staging does not care how rows came.

| file | raw table | loads |
|---|---|---|
| Account.csv | raw_salesforce.account | full snapshot |
| Opportunity.csv | raw_salesforce.opportunity | full snapshot |
| OpportunityPartner.csv | raw_salesforce.opportunity_partner | full snapshot (not replicable by cursor) |

Paging: none, a folder holds everything. What can go wrong: a half-written folder (a missing or shrunken file stops
the run), fields hidden from the exporting user (absent from the header: required ones stop the run, the rest are
unknown), rows hidden by sharing rules (only the size check against the last load can tell).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.connector import Connector, Instance, Reading, RejectedLines, Table, snake
from pipelines.csvfile import fingerprint, read_batches, read_header
from pipelines.errors import InputError

_OBJECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # object: (required fields, fields that staging also uses when they are there)
    "Account": (
        ("Id", "Name"),
        (
            "AccountNumber", "Type", "IsPartner", "Industry", "Website", "NumberOfEmployees", "BillingCountry",
            "BillingCountryCode", "BillingState", "Region__c", "ParentId", "OwnerId", "IsDeleted", "MasterRecordId",
            "CreatedDate", "SystemModstamp",
        ),
    ),
    "Opportunity": (
        ("Id", "AccountId", "StageName", "IsClosed", "IsWon", "Amount", "CloseDate"),
        ("Name", "CurrencyIsoCode", "OwnerId", "Type", "LeadSource", "IsDeleted", "CreatedDate", "SystemModstamp"),
    ),
    "OpportunityPartner": (
        ("Id", "OpportunityId", "AccountToId"),
        ("Role", "IsPrimary", "IsDeleted", "CreatedDate", "SystemModstamp"),
    ),
}  # fmt: skip


class Options(BaseModel):
    """Options of one Salesforce source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path = Field(Path("."), description="folder of the export, relative to paths.inputs")
    exported_at: datetime | None = Field(None, description="when the export was taken; unset: when it is loaded")
    partner_types: list[str] = Field(
        default_factory=list, description="account types that count as partners besides IsPartner"
    )
    default_currency: str | None = Field(
        None, pattern=r"^[A-Z]{3}$", description="currency of amounts without one; unset: the reporting currency"
    )


def _table(name: str) -> Table:
    required, optional = _OBJECTS[name]
    return Table(
        name=snake(name),
        columns=tuple(snake(field) for field in (*required, *optional)),
        required=tuple(snake(field) for field in required),
    )


def read(instance: Instance) -> Iterator[Reading]:
    """One reading per object of the export folder.

    Raises:
        InputError: the folder or a file is missing.
    """
    options: Options = instance.options
    folder = (instance.inputs / options.folder).resolve()
    if not folder.is_dir():
        raise InputError(
            f"source {instance.name}: folder {folder}: not there; nothing was loaded",
            next_step="give the folder of the export with `--data`, or set paths.inputs in the deployment file",
        )
    missing = [name for name in _OBJECTS if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise InputError(
            f"source {instance.name}: folder {folder}: {', '.join(f'{name}.csv' for name in missing)} not there; "
            "nothing was loaded",
            next_step=f"export {', '.join(_OBJECTS)} together, one CSV per object",
        )
    for name, (required, optional) in _OBJECTS.items():
        path = folder / f"{name}.csv"
        header = read_header(path, source=instance.name, required=required, known=optional)

        def batches(rejected: RejectedLines, path: Path = path, header: Any = header) -> Iterator[pa.Table]:
            return read_batches(path, header, source=instance.name, rejected=rejected)

        version = fingerprint(path, source=instance.name)
        yield Reading(_table(name), path.name, version, batches, _as_utc(options.exported_at))


def _as_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


connector = Connector(
    name="salesforce",
    kind="crm",
    tables=tuple(_table(name) for name in _OBJECTS),
    entities={
        "accounts": "stg_salesforce__accounts",
        "opportunities": "stg_salesforce__opportunities",
        "opportunity_partners": "stg_salesforce__opportunity_partners",
        "rejected_lines": "stg_salesforce__rejected_lines",
    },
    options=Options,
    read=read,
    account_types=lambda options: options.partner_types,
    default_currency=lambda options: options.default_currency,
)

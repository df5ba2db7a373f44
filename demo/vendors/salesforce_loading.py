"""Fills a `SalesforceOrg` from files: a data export, or the CRM templates of this project.

A folder may be loaded over an earlier one: what is the same stays untouched, what differs changes in the org. A change
that a file dates before the earlier load is stamped with the moment it gets here, as an org does, whatever is told.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.vendors.salesforce_schema import NUMERIC, WITH_CURRENCY, standard_objects
from demo.vendors.soql import wire_moment

if TYPE_CHECKING:
    from demo.vendors.salesforce import Record, SalesforceOrg


def load_export(org: SalesforceOrg, folder: Path) -> dict[str, int]:
    """Every `<Object>.csv` of a data export; headings that the org does not have become text fields.

    Returns:
        New or changed records per object.

    Raises:
        FileNotFoundError: there is no Account.csv.
    """
    if not (folder / "Account.csv").is_file():
        raise FileNotFoundError(f"{folder}: no Account.csv")
    counts = {}
    for name in standard_objects():
        path = folder / f"{name}.csv"
        if not path.is_file():
            continue
        org.add_object(name)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for heading in reader.fieldnames or []:
                if heading == "CurrencyIsoCode" and name in WITH_CURRENCY:
                    org.use_several_currencies()
                elif heading not in org.tables[name].fields:
                    org.add_field(name, heading)
            counts[name] = _take(org, name, reader)
    return counts


def load_templates(org: SalesforceOrg, folder: Path) -> dict[str, int]:
    """accounts, opportunities, opportunity_partners and meetings; opportunity_stage_changes and program_memberships
    where they are there. Meetings become events, calls and tasks become completed tasks.

    Returns:
        New or changed records per object.

    Raises:
        FileNotFoundError: there is no accounts.csv.
    """
    if not (folder / "accounts.csv").is_file():
        raise FileNotFoundError(f"{folder}: no accounts.csv")
    if "Region__c" not in org.tables["Account"].fields:
        org.add_field("Account", "Region__c")
    counts: dict[str, int] = {}

    def take(name: str, rows: Iterable[dict[str, Any]]) -> None:
        counts[name] = counts.get(name, 0) + _take(org, name, rows)

    take("Account", map(_account, _rows(folder / "accounts.csv")))
    deals = list(_rows(folder / "opportunities.csv"))
    if any(row.get("currency") for row in deals):
        org.use_several_currencies()
    take("Opportunity", map(_opportunity, deals))
    take("OpportunityPartner", map(_opportunity_partner, _rows(folder / "opportunity_partners.csv")))
    meetings = list(_rows(folder / "meetings.csv"))
    take("Event", (_event(row) for row in meetings if row["kind"] == "meeting"))
    take("Task", (_task(row) for row in meetings if row["kind"] != "meeting"))
    if (folder / "opportunity_stage_changes.csv").is_file():
        take("OpportunityHistory", _history(_rows(folder / "opportunity_stage_changes.csv")))
    if (folder / "program_memberships.csv").is_file():
        for name in ("ChannelProgram", "ChannelProgramLevel", "ChannelProgramMember"):
            org.add_object(name)
        _programs(org, list(_rows(folder / "program_memberships.csv")), take)
    return counts


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)


def _take(org: SalesforceOrg, name: str, rows: Iterable[dict[str, Any]]) -> int:
    """Texts as records, unless the org has them so already."""
    table = org.tables[name]
    changed = 0
    with org.lock:
        moment, known_until = org.stamp(), org.loaded_until.get(name, "")
        for row in rows:
            record = {own: _value(value, table.fields[own].type) for own, value in row.items()}
            before = table.records.get(record["Id"])
            stamp = record.pop("SystemModstamp", None) or record.get("CreatedDate") or moment
            if before is not None and all(before.get(own) == value for own, value in record.items()):
                continue
            record["SystemModstamp"] = moment if stamp <= known_until else stamp
            if "CreatedDate" in table.fields and not record.get("CreatedDate"):
                record["CreatedDate"] = before["CreatedDate"] if before else stamp
            org.put(name, {**(before or {}), **record})
            changed += 1
        org.loaded_until[name] = moment
    return changed


def _value(text: Any, kind: str) -> Any:
    """A text of a file as the value the API answers with; empty is null, as the vendor keeps it."""
    if text in ("", None):
        return False if kind == "boolean" else None
    if not isinstance(text, str):
        return text
    if kind == "boolean":
        return text.strip().lower() in ("true", "1", "yes")
    if kind == "int":
        return int(float(text))
    if kind in NUMERIC:
        return float(text)
    if kind == "datetime":
        moment = datetime.fromisoformat(text)
        return wire_moment(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return text


def _account(row: dict[str, str]) -> Record:
    return {
        "Id": row["source_id"],
        "Name": row["name"],
        "AccountNumber": row["partner_number"],
        "Website": row["domain"],
        "BillingCountryCode": row["country"],
        "Region__c": row["region"],
        "Industry": row["industry"],
        "NumberOfEmployees": row["employees"],
        "IsPartner": row["is_partner"],
        "OwnerId": row["owner_id"],
        "ParentId": row["parent_id"],
        "CreatedDate": row["created_at"],
    }


def _opportunity(row: dict[str, str]) -> Record:
    record: Record = {
        "Id": row["source_id"],
        "Name": row["name"],
        "AccountId": row["account_id"],
        "Amount": row["amount"],
        "StageName": row["stage"],
        "IsClosed": row["is_closed"],
        "IsWon": row["is_won"],
        "CreatedDate": row["created_at"],
        "CloseDate": row["close_date"],
        "OwnerId": row["owner_id"],
        "IsDeleted": row.get("is_deleted", ""),
    }
    if row.get("currency"):
        record["CurrencyIsoCode"] = row["currency"]
    return record


def _opportunity_partner(row: dict[str, str]) -> Record:
    return {
        "Id": row["source_id"],
        "OpportunityId": row["opportunity_id"],
        "AccountToId": row["account_id"],
        "Role": row.get("role_raw") or row.get("role", ""),
        "IsPrimary": row["is_primary"],
        "IsDeleted": row.get("is_deleted", ""),
    }


def _event(row: dict[str, str]) -> Record:
    return {
        "Id": row["source_id"],
        "Subject": "Meeting",
        "OwnerId": row["owner_id"],
        "AccountId": row["account_id"],
        "WhatId": row["account_id"],
        "StartDateTime": row["started_at"],
        "ActivityDateTime": row["started_at"],
        "ActivityDate": row["started_at"][:10],
        "DurationInMinutes": row["minutes"],
        "CreatedDate": row["started_at"],
    }


def _task(row: dict[str, str]) -> Record:
    """A call or another task that is done. The vendor keeps a duration for any task, in the field of calls."""
    return {
        # Tasks have ids of their own kind; the letters that check an id stay right when one capital follows another.
        "Id": "00T" + row["source_id"][3:] if row["source_id"].startswith("00U") else row["source_id"],
        "Subject": "Call" if row["kind"] == "call" else "Task",
        "TaskSubtype": "Call" if row["kind"] == "call" else "Task",
        "Status": "Completed",
        "IsClosed": True,
        "OwnerId": row["owner_id"],
        "AccountId": row["account_id"],
        "WhatId": row["account_id"],
        "CompletedDateTime": row["started_at"],
        "ActivityDate": row["started_at"][:10],
        "CallDurationInSeconds": str(round(float(row["minutes"]) * 60)),
        "CreatedDate": row["started_at"],
    }


def _history(rows: Iterable[dict[str, str]]) -> Iterator[Record]:
    """One row per change; where the first one comes from a stage, a row of that stage before it."""
    by_deal: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_deal.setdefault(row["opportunity_id"], []).append(row)
    for deal, changes in by_deal.items():
        changes.sort(key=lambda row: row["changed_at"])
        if changes[0].get("from_stage"):
            yield {
                "Id": f"{changes[0]['source_id']}-0",
                "OpportunityId": deal,
                "StageName": changes[0]["from_stage"],
                "CreatedDate": "2000-01-01T00:00:00.000Z",
            }
        for row in changes:
            yield {
                "Id": row["source_id"],
                "OpportunityId": deal,
                "StageName": row["to_stage"],
                "Amount": row.get("amount", ""),
                "CreatedDate": row["changed_at"],
            }


def _programs(
    org: SalesforceOrg, rows: list[dict[str, str]], take: Callable[[str, Iterable[dict[str, Any]]], None]
) -> None:
    """Programmes and their levels by name, and who is a member of which."""
    programs = {row["Name"]: row["Id"] for row in org.rows("ChannelProgram")}
    levels = {(row["ProgramId"], row["Name"]): row["Id"] for row in org.rows("ChannelProgramLevel")}
    members = []
    for row in rows:
        name = row.get("program") or "Partner programme"
        if name not in programs:
            programs[name] = org.create("ChannelProgram", Name=name, IsActive=True)
        key = (programs[name], row["level"])
        if key not in levels:
            levels[key] = org.create("ChannelProgramLevel", Name=row["level"], ProgramId=key[0], Rank=len(levels) + 1)
        members.append(
            {
                "Id": row["source_id"],
                "ProgramId": key[0],
                "LevelId": levels[key],
                "PartnerId": row["account_id"],
                "CreatedDate": row.get("since", "") and f"{row['since']}T00:00:00.000Z",
            }
        )
    take("ChannelProgramMember", members)

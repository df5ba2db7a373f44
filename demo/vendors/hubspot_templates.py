"""The sample company in a HubSpot account: the CRM templates as records, and the same templates with HubSpot's ids.

    account.load_templates(folder)              accounts, opportunities, opportunity_partners, meetings, ... as records
    hubspot_templates(folder, to)               the same files with HubSpot's ids, stage for stage and row for row

so that what a connector makes of the account can be held against the rewritten files. HubSpot has no id for a partner's
part in a deal nor for a meeting with one company, so those are named by what they join: `deal/company/label` and
`kind/meeting/company`. A deleted deal has neither customer nor partners in the rewritten files: an archived deal shows
no associations.

| template | HubSpot |
|---|---|
| accounts | companies; `partner_number` and `region` are properties of the account's own |
| opportunities | deals, archived where deleted; stages of the pipeline are made as they come up |
| opportunity_partners | labels between deal and company; the main partner has the label `Lead partner` too |
| opportunity_stage_changes | the history of `dealstage` and `amount` |
| meetings | meetings, calls and tasks; how long a task took is the property `minutes_spent` |
| program_memberships | the companies' properties `partner_level` and `partner_since` |
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from demo.company import salesforce_id
from demo.writing import drafted

if TYPE_CHECKING:
    from demo.vendors.hubspot import HubspotAccount, Properties, Stage

Row = dict[str, str]

LEAD_LABEL = "Lead partner"
PARTNER_TYPE = "PARTNER"
# By kind: the three letters that its ids begin with in the CRM, and the HubSpot id of number 0. They begin where ids of
# one kind have different lengths, so that whoever compares ids as text does not get by.
_KINDS = {
    "account": ("001", 99_000),
    "opportunity": ("006", 995_000),
    "meeting": ("00U", 7_000_000),
    "owner": ("005", 90),
}
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def hubspot_id(kind: str, crm_id: str) -> str:
    """The id in HubSpot of a record of the sample company's CRM.

    Raises:
        ValueError: it is no id of that kind.
    """
    prefix, first = _KINDS[kind]
    number = 0
    for letter in crm_id[6:15]:
        number = number * 62 + _BASE62.index(letter)
    if salesforce_id(prefix, number) != crm_id:
        raise ValueError(f"{crm_id!r} is no {kind} id of the sample company")
    return str(first + number)


def crm_id(kind: str, hubspot_id: str) -> str:
    """The id in the sample company's CRM that `hubspot_id` was made from."""
    prefix, first = _KINDS[kind]
    return salesforce_id(prefix, int(hubspot_id) - first)


# -- the files with HubSpot's ids --------------------------------------------------------------------------------------


def hubspot_templates(source: Path, target: Path) -> dict[str, int]:
    """Write the templates in `source` with HubSpot's ids into `target`; rows per file."""
    deleted = {row["source_id"] for row in _rows(source, "opportunities") if row.get("is_deleted") == "true"}
    makers = {
        "accounts": _account, "opportunities": _opportunity, "opportunity_partners": _credit, "meetings": _meeting,
        "opportunity_stage_changes": _stage_change, "program_memberships": _membership,
    }  # fmt: skip
    with drafted(target) as drafts:
        for name, make in makers.items():
            if not (source / f"{name}.csv").exists():
                continue
            table = None
            for row in _rows(source, name):
                if name == "opportunity_partners" and row["opportunity_id"] in deleted:
                    continue
                made = make(row)
                table = table or drafts.table(f"{name}.csv", tuple(made))
                table.add(*made.values())
    return drafts.counts()


def _account(row: Row) -> Row:
    return {
        **row,
        "source_id": hubspot_id("account", row["source_id"]),
        "account_type": PARTNER_TYPE if row["is_partner"] == "true" else "",
        "owner_id": _id_or_blank("owner", row["owner_id"]),
        "parent_id": _id_or_blank("account", row["parent_id"]),
    }


def _opportunity(row: Row) -> Row:
    return {
        **row,
        "source_id": hubspot_id("opportunity", row["source_id"]),
        "account_id": "" if row.get("is_deleted") == "true" else hubspot_id("account", row["account_id"]),
        "owner_id": _id_or_blank("owner", row["owner_id"]),
    }


def _credit(row: Row) -> Row:
    deal, company = hubspot_id("opportunity", row["opportunity_id"]), hubspot_id("account", row["account_id"])
    return {
        **row,
        "source_id": f"{deal}/{company}/{row['role_raw'].lower()}",
        "opportunity_id": deal,
        "account_id": company,
    }


def _meeting(row: Row) -> Row:
    number, company = hubspot_id("meeting", row["source_id"]), hubspot_id("account", row["account_id"])
    return {
        **row,
        "source_id": f"{row['kind']}/{number}/{company}",
        "owner_id": _id_or_blank("owner", row["owner_id"]),
        "account_id": company,
    }


def _stage_change(row: Row) -> Row:
    deal = hubspot_id("opportunity", row["opportunity_id"])
    return {
        **row,
        "source_id": f"{deal}/{_stamp(_moment(row['changed_at']))}/{row['to_stage']}",
        "opportunity_id": deal,
    }


def _membership(row: Row) -> Row:
    company = hubspot_id("account", row["account_id"])
    return {**row, "source_id": company, "account_id": company}


def _id_or_blank(kind: str, crm_id: str) -> str:
    return hubspot_id(kind, crm_id) if crm_id else ""


# -- the account -------------------------------------------------------------------------------------------------------


def load(account: HubspotAccount, folder: Path) -> dict[str, int]:
    """Fill `account` from the templates in `folder`. What is there already is changed where it differs, and only then.

    Returns:
        Records written per object type.
    """
    with account.lock:
        _define(account)
        loading = _Loading(account, folder)
        loading.companies()
        loading.deals()
        loading.credits()
        loading.activities()
        return dict(loading.counts)


def _define(account: HubspotAccount) -> None:
    for kind, name, type_ in (
        ("companies", "partner_number", "string"),
        ("companies", "region", "string"),
        ("companies", "partner_level", "enumeration"),
        ("companies", "partner_since", "date"),
        ("tasks", "minutes_spent", "number"),
    ):
        account.define_property(kind, name, type_)


class _Loading:
    def __init__(self, account: HubspotAccount, folder: Path) -> None:
        self._account = account
        self._folder = folder
        self.counts: dict[str, int] = defaultdict(int)

    def companies(self) -> None:
        levels = {row["account_id"]: row for row in _rows(self._folder, "program_memberships")}
        for row in _rows(self._folder, "accounts"):
            held = levels.get(row["source_id"], {})
            self._put(
                "companies",
                int(hubspot_id("account", row["source_id"])),
                {
                    "name": row["name"],
                    "domain": row["domain"] or None,
                    "country": row["country"] or None,
                    "region": row["region"] or None,
                    "industry": row["industry"] or None,
                    "numberofemployees": row["employees"] or None,
                    "type": PARTNER_TYPE if row["is_partner"] == "true" else None,
                    "partner_number": row["partner_number"] or None,
                    "hubspot_owner_id": self._owner(row["owner_id"]),
                    "hs_parent_company_id": _id_or_blank("account", row["parent_id"]) or None,
                    "partner_level": held.get("level") or None,
                    "partner_since": held.get("since") or None,
                },
                created=_moment(row["created_at"]),
            )

    def deals(self) -> None:
        changes: dict[str, list[Row]] = defaultdict(list)
        for row in _rows(self._folder, "opportunity_stage_changes"):
            changes[row["opportunity_id"]].append(row)
        for row in _rows(self._folder, "opportunities"):
            number = int(hubspot_id("opportunity", row["source_id"]))
            stage = self._stage(row["stage"], row["is_closed"] == "true", row["is_won"] == "true")
            self._put(
                "deals",
                number,
                {
                    "dealname": row["name"],
                    "amount": row["amount"] or None,
                    "deal_currency_code": row["currency"] or None,
                    "pipeline": "default",
                    "dealstage": stage.id,
                    "closedate": self._local_midnight(row["close_date"]),
                    "hubspot_owner_id": self._owner(row["owner_id"]),
                },
                created=_moment(row["created_at"]),
            )
            self._rewrite_history(number, changes.get(row["source_id"], []))
            customer = int(hubspot_id("account", row["account_id"]))
            self._only_customer(number, customer)
            record = self._account.records["deals"][number]
            if row.get("is_deleted") == "true" and record.archived_at is None:
                self._account.archive("deals", number)
            elif row.get("is_deleted") != "true" and record.archived_at is not None:
                self._account.restore("deals", number)

    def _rewrite_history(self, number: int, changes: list[Row]) -> None:
        """The stages and amounts a deal went through, as the template tells them."""
        if not changes:
            return
        history = self._account.records["deals"][number].history
        changes = sorted(changes, key=lambda row: row["changed_at"], reverse=True)
        history["dealstage"] = [
            (self._stage(row["to_stage"], False, False).id, _moment(row["changed_at"])) for row in changes
        ]
        history["amount"] = [(row["amount"] or None, _moment(row["changed_at"])) for row in changes]

    def _only_customer(self, number: int, customer: int) -> None:
        account = self._account
        there = account.links.get(("deals", "companies"), {}).get(number, {})
        if 5 not in there.get(customer, ()):
            for other, types in list(there.items()):
                if 5 in types:
                    account.dissociate("deals", number, "companies", other)
            account.associate("deals", number, "companies", customer, primary=True)

    def credits(self) -> None:
        wanted: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for row in _rows(self._folder, "opportunity_partners"):
            if row.get("is_deleted") == "true":
                continue
            deal = int(hubspot_id("opportunity", row["opportunity_id"]))
            labels = {row["role_raw"], *([LEAD_LABEL] if row["is_primary"] == "true" else [])}
            wanted[deal][int(hubspot_id("account", row["account_id"]))] |= labels
        account = self._account
        pair = ("deals", "companies")
        for row in _rows(self._folder, "opportunities"):
            deal = int(hubspot_id("opportunity", row["source_id"]))
            names = {number: label for label, number in account.labels.get(pair, {}).items()}
            there = {
                company: {names[type_] for type_ in types if type_ in names}
                for company, types in account.links.get(pair, {}).get(deal, {}).items()
            }
            for company in {*there, *wanted[deal]}:
                now, then = wanted[deal].get(company, set()), there.get(company, set())
                if now - then:
                    account.associate("deals", deal, "companies", company, *sorted(now - then))
                for label in sorted(then - now):
                    account.dissociate("deals", deal, "companies", company, label)
                if then and not now:
                    account.dissociate("deals", deal, "companies", company)
            self.counts["labels"] += sum(map(len, wanted[deal].values()))

    def activities(self) -> None:
        for row in _rows(self._folder, "meetings"):
            number = int(hubspot_id("meeting", row["source_id"]))
            company = int(hubspot_id("account", row["account_id"]))
            began, minutes = _moment(row["started_at"]), int(row["minutes"])
            kind = f"{row['kind']}s"
            common: Properties = {
                "hs_timestamp": _stamp(began),
                "hubspot_owner_id": self._owner(row["owner_id"]),
            }
            own: dict[str, Properties] = {
                "meetings": {
                    "hs_meeting_start_time": _stamp(began),
                    "hs_meeting_end_time": _stamp(began + timedelta(minutes=minutes)),
                    "hs_meeting_outcome": "COMPLETED",
                    "hs_i_cal_uid": f"meeting-{number}@calendar.example",
                },
                "calls": {"hs_call_duration": str(minutes * 60_000), "hs_call_status": "COMPLETED"},
                "tasks": {
                    "hs_task_status": "COMPLETED",
                    "hs_task_completion_date": _stamp(began),
                    "minutes_spent": str(minutes),
                },
            }
            self._put(kind, number, {**common, **own[kind]}, created=began)
            if company not in self._account.links.get((kind, "companies"), {}).get(number, {}):
                self._account.associate(kind, number, "companies", company)

    # -- pieces --------------------------------------------------------------------------------------------------------

    def _put(self, kind: str, number: int, properties: Properties, *, created: datetime) -> None:
        record = self._account.records[kind].get(number)
        if record is None:
            self._account.create(kind, properties, id=number, created=created)
        else:
            changed = {name: value for name, value in properties.items() if record.properties.get(name) != value}
            if not changed:
                return
            self._account.update(kind, number, changed)
        self.counts[kind] += 1

    def _owner(self, crm_id: str) -> str | None:
        if not crm_id:
            return None
        number = int(hubspot_id("owner", crm_id))
        if number not in self._account.owners:
            self._account.add_owner(number, f"owner.{number}@example.com")
        return str(number)

    def _stage(self, label: str, is_closed: bool, is_won: bool) -> Stage:
        from demo.vendors.hubspot import Stage

        stages = self._account.pipelines[0].stages
        for stage in stages:
            if stage.label == label:
                return stage
        chance = ("1.0" if is_won else "0.0") if is_closed else "0.3"
        # Stages that an account adds are called by numbers.
        made = Stage(str(90_000 + len(stages)), label, chance, is_closed)
        stages.append(made)
        return made

    def _local_midnight(self, day: str) -> str | None:
        """The beginning of a day where the account is, which is what HubSpot keeps of a closing day."""
        if not day:
            return None
        zone = ZoneInfo(self._account.time_zone)
        return _stamp(datetime.combine(date.fromisoformat(day), time(0), zone))


def _rows(folder: Path, name: str) -> Iterator[Row]:
    path = folder / f"{name}.csv"
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

"""A Salesforce org of one's own: it holds records, and answers the data API as the vendor's does.

    org = SalesforceOrg()
    account = org.create("Account", Name="Brightwater", IsPartner=True)
    with serve(org.app()) as served:
        ...  # client credentials: org.app_key, org.app_secret

Everything a record goes through in a real org can happen to it here: changes that commit late with an older stamp, the
recycle bin and back, removal without a trace, merges, and any of these between two pages of one answer (`on_request`).
`faults` plans what goes wrong on the way. Thread-safe. What the API says is `salesforce_api.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from starlette.types import ASGIApp

from demo.company import salesforce_id
from demo.vendors.faults import Faults
from demo.vendors.salesforce_schema import OPTIONAL, WITH_CURRENCY, Field, key_prefix, standard_fields, standard_objects
from demo.vendors.soql import wire_moment

if TYPE_CHECKING:
    from demo.vendors.salesforce_block import Block
    from demo.vendors.salesforce_wire import Locator

Record = dict[str, Any]

STAGES: dict[str, tuple[bool, bool, float]] = {
    # stage: (closed, won, probability)
    "Prospecting": (False, False, 10.0),
    "Qualification": (False, False, 10.0),
    "Needs Analysis": (False, False, 20.0),
    "Value Proposition": (False, False, 50.0),
    "Proposal/Price Quote": (False, False, 75.0),
    "Negotiation/Review": (False, False, 90.0),
    "Closed Won": (True, True, 100.0),
    "Closed Lost": (True, False, 0.0),
}
_HISTORY_OF = ("StageName", "Amount", "CloseDate", "Probability")


@dataclass
class User:
    """Somebody whose eyes an API client sees through."""

    id: str
    username: str
    hidden_fields: set[tuple[str, str]] = field(default_factory=set)
    hidden_objects: set[str] = field(default_factory=set)
    is_api_enabled: bool = True
    may_view_all: bool = True
    may_view_setup: bool = True
    is_active: bool = True


@dataclass
class ExternalApp:
    """An external client app: its key and secret, whom it runs as, and the certificate for signed assertions."""

    key: str
    secret: str
    run_as: str
    public_key: str | None = None
    approved: set[str] = field(default_factory=set)


@dataclass
class ObjectTable:
    """One object: its fields, its records by id, and the immutable bulk of it where there is one."""

    fields: dict[str, Field]
    records: dict[str, Record] = field(default_factory=dict)
    block: Block | None = None

    def spelled(self, name: str) -> str | None:
        """A field's own spelling; SOQL does not care about case."""
        if name in self.fields:
            return name
        return next((own for own in self.fields if own.lower() == name.lower()), None)


class SalesforceOrg:
    """The org. Settings are attributes and may be changed while it is served.

    Attributes:
        page_size: most records of one REST page; the server may always give fewer than a client asked for.
        bulk_page_size: most records of one page of a Bulk result.
        bulk_polls: how often a job says InProgress before it is complete.
        bulk_failures: error messages of the next jobs, which end Failed.
        daily_limit: API requests per day; what is beyond is turned down.
        token_lifetime: how long a session lives by the org's clock.
        longest_scan: a query that matches more records times out; None: none does.
        most_url_bytes: longer request lines and headers together are turned down.
        mirrors_partners: whether an opportunity's partner also gets the reverse row, as the object reference says.
    """

    def __init__(self, *, name: str = "Sample Org", api_versions: tuple[int, ...] = tuple(range(41, 69))) -> None:
        self.lock = threading.RLock()
        self.name = name
        self.api_versions = api_versions
        self.page_size = 2000
        self.bulk_page_size = 50_000
        self.bulk_polls = 1
        self.bulk_jobs_left = 10_000
        self.bulk_failures: list[str] = []
        self.bulk_empty_body = False
        self.daily_limit = 100_000
        self.requests_today = 0
        self.token_lifetime = timedelta(hours=2)
        self.locator_lifetime = timedelta(minutes=15)
        self.longest_scan: int | None = None
        self.most_url_bytes = 16_384
        self.gzips = True
        self.mirrors_partners = False
        self.audiences = ("https://login.salesforce.com",)
        self.tables: dict[str, ObjectTable] = {}
        self.deletions: list[tuple[str, str, datetime]] = []
        self.on_request: list[Callable[[str, str], None]] = []
        self.requests: list[tuple[str, str]] = []
        self.locators: dict[str, Locator] = {}
        self.loaded_until: dict[str, str] = {}
        self._pinned: datetime | None = None
        self._numbers: dict[str, int] = {}
        self._late: datetime | None = None
        for object_name in standard_objects():
            if object_name not in OPTIONAL:
                self.add_object(object_name)
        self.id = salesforce_id("00D", 1)
        integration = self.create("User", Username="integration@example.com", Name="Integration", IsActive=True)
        self.user = User(integration, "integration@example.com")
        self.users = {self.user.username: self.user}
        self.app_key, self.app_secret = "3MVG9.SAMPLE.CONSUMER.KEY", "SAMPLE-CONSUMER-SECRET-0001"
        self.external_app = ExternalApp(self.app_key, self.app_secret, self.user.username)
        self.apps = {self.app_key: self.external_app}
        self.tokens: dict[str, tuple[User, datetime]] = {}
        self.faults = Faults(
            data_keys=("records",),
            cursors=(("nextRecordsUrl",),),
            cursor_headers=("sforce-locator",),
            expire=self.expire_tokens,
        )
        self.create(
            "Organization", Id=self.id, Name=name, OrganizationType="Developer Edition", InstanceName="XX1",
            IsSandbox=False, TimeZoneSidKey="Europe/Berlin", FiscalYearStartMonth=1,
        )  # fmt: skip

    # -- time ----------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The org's clock: the machine's until it is set."""
        return self._pinned or datetime.now(UTC)

    def set_clock(self, moment: datetime) -> None:
        """Stop the clock at a moment."""
        self._pinned = moment.astimezone(UTC)

    def advance(self, **amounts: float) -> None:
        """Move a stopped clock on (`seconds=1`, `days=2`, ...)."""
        self._pinned = self.now() + timedelta(**amounts)

    @contextmanager
    def late(self, began: datetime) -> Iterator[None]:
        """Changes of a transaction that began earlier and commits only now: they carry the older stamp."""
        with self.lock:
            self._late = began.astimezone(UTC)
            try:
                yield
            finally:
                self._late = None

    def stamp(self) -> str:
        """What a change gets as its SystemModstamp: whole seconds, as the vendor stamps."""
        return wire_moment((self._late or self.now()).replace(microsecond=0))

    # -- what there is -------------------------------------------------------------------------------------------------

    def add_object(self, name: str, **fields: str) -> None:
        """Bring in an object: a standard one by its name, or a custom one with its fields and their describe types."""
        with self.lock:
            known = standard_fields(name) if name in standard_objects() else standard_fields("ChannelProgram")
            self.tables.setdefault(name, ObjectTable(known))
            for field_name, kind in fields.items():
                self.add_field(name, field_name, kind)

    def remove_object(self, name: str) -> None:
        """An org without the licence for an object."""
        with self.lock:
            self.tables.pop(name, None)

    def add_field(self, name: str, field_name: str, kind: str = "string", *, refers_to: str | None = None) -> None:
        """Bring in a field; on all records it is null. A lookup is of kind `reference`."""
        relationship = field_name.removesuffix("__c") + "__r" if field_name.endswith("__c") else field_name[:-2]
        with self.lock:
            self.tables[name].fields[field_name] = Field(
                field_name, kind, is_custom=field_name.endswith("__c"),
                relationship=relationship if kind == "reference" else None,
                refers_to=refers_to if kind == "reference" else None,
            )  # fmt: skip

    def remove_field(self, name: str, field_name: str) -> None:
        """A field that somebody deletes, with all it held."""
        with self.lock:
            del self.tables[name].fields[field_name]
            for record in self.tables[name].records.values():
                record.pop(field_name, None)

    def use_several_currencies(self) -> None:
        """Switch multi-currency on: CurrencyIsoCode everywhere, and the two tables of rates."""
        for name in WITH_CURRENCY:
            if name in self.tables:
                self.add_field(name, "CurrencyIsoCode", "picklist")
        self.add_object("CurrencyType")
        self.add_object("DatedConversionRate")

    def hide(self, name: str, *field_names: str) -> None:
        """Take fields, or without any the whole object, from the running user's sight."""
        with self.lock:
            if not field_names:
                self.user.hidden_objects.add(name)
            self.user.hidden_fields |= {(name, field_name) for field_name in field_names}

    def show(self, name: str, *field_names: str) -> None:
        """Undo `hide`."""
        with self.lock:
            if not field_names:
                self.user.hidden_objects.discard(name)
            self.user.hidden_fields -= {(name, field_name) for field_name in field_names}

    # -- records -------------------------------------------------------------------------------------------------------

    def create(self, name: str, **values: Any) -> str:
        """A new record; returns its id. An opportunity's stage settles whether it is closed and won."""
        with self.lock:
            table = self.tables[name]
            key = values.get("Id") or self._new_id(name)
            moment = self.stamp()
            record: Record = {own: False if kind.type == "boolean" else None for own, kind in table.fields.items()}
            # A record is born when its transaction commits stamps it, unless the caller knows better.
            for own in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
                if own in record:
                    record[own] = moment
            record["Id"] = key
            self._set(name, record, values)
            table.records[key] = record
            if name == "Opportunity":
                self._write_history(record, None)
            return str(key)

    def update(self, name: str, key: str, **values: Any) -> None:
        """Change a record: its stamp moves, and an opportunity that moved gets a row of history."""
        with self.lock:
            record = self.tables[name].records[key]
            before = dict(record)
            self._set(name, record, values)
            self._touch(record, values)
            if name == "Opportunity":
                self._write_history(record, before)

    def put(self, name: str, record: Record) -> bool:
        """A record as another org has it, stamps and all; no history is written. Whether it is new or was changed."""
        with self.lock:
            table = self.tables[name]
            blank: Record = {own: False if kind.type == "boolean" else None for own, kind in table.fields.items()}
            whole = {**blank, **{self._own_name(name, own): value for own, value in record.items()}}
            before = table.records.get(whole["Id"])
            table.records[whole["Id"]] = whole
            return before != whole

    def delete(self, name: str, key: str) -> None:
        """Into the recycle bin, with what hangs on it."""
        with self.lock:
            record = self.tables[name].records[key]
            record["IsDeleted"] = True
            self._touch(record, {})
            self.deletions.append((name, key, self.now()))
            if name == "Opportunity":
                for child in self._children(key):
                    # A cascade leaves the child's own stamp as it was.
                    child["IsDeleted"] = True

    def undelete(self, name: str, key: str) -> None:
        """Out of the recycle bin, with what hangs on it."""
        with self.lock:
            record = self.tables[name].records[key]
            record["IsDeleted"] = False
            self._touch(record, {})
            if name == "Opportunity":
                for child in self._children(key):
                    child["IsDeleted"] = False

    def purge(self, name: str, key: str) -> None:
        """Gone without a trace, as after a hard delete or an emptied recycle bin."""
        with self.lock:
            del self.tables[name].records[key]
            for child_name in ("OpportunityHistory", "OpportunityPartner", "Partner") if name == "Opportunity" else ():
                children = self.tables[child_name].records
                for child in [child for child in children.values() if child["OpportunityId"] == key]:
                    del children[child["Id"]]

    def merge(self, name: str, winner: str, loser: str) -> None:
        """Two records become one: the loser is deleted and names the winner, what pointed at it now points there."""
        with self.lock:
            record = self.tables[name].records[loser]
            record["MasterRecordId"] = winner
            self.delete(name, loser)
            self._touch(self.tables[name].records[winner], {})
            for other in self.tables.values():
                pointing = [own for own, kind in other.fields.items() if kind.refers_to == name]
                for child in other.records.values():
                    for own in pointing:
                        if child.get(own) == loser and own != "MasterRecordId":
                            child[own] = winner
                            self._touch(child, {})

    def add_partner(self, opportunity: str, account: str, role: str | None, *, is_primary: bool = False) -> str:
        """A partner on an opportunity: a Partner row, mirrored as an OpportunityPartner row, whose id is returned."""
        with self.lock:
            own = self.tables["Opportunity"].records[opportunity]["AccountId"]
            if is_primary:
                for row in self.tables["OpportunityPartner"].records.values():
                    # The vendor flips the former primary without a word.
                    if row["OpportunityId"] == opportunity:
                        row["IsPrimary"] = False
            shared = {"OpportunityId": opportunity, "Role": role, "IsPrimary": is_primary}
            self.create("Partner", AccountFromId=own, AccountToId=account, **shared)
            forward = self.create("OpportunityPartner", AccountToId=account, **shared)
            if self.mirrors_partners:
                reverse = self.create(
                    "OpportunityPartner", AccountToId=own, OpportunityId=opportunity, Role=role,
                    ReversePartnerId=forward,
                )  # fmt: skip
                self.tables["OpportunityPartner"].records[forward]["ReversePartnerId"] = reverse
            return forward

    def rows(self, name: str) -> list[Record]:
        """Copies of all records, those in the recycle bin too."""
        with self.lock:
            return [dict(record) for record in self.tables[name].records.values()]

    def _set(self, name: str, record: Record, values: Record) -> None:
        for given, value in values.items():
            record[self._own_name(name, given)] = value
        if name == "Opportunity" and record.get("StageName") in STAGES and "StageName" in values:
            closed, won, probability = STAGES[record["StageName"]]
            settled = {"IsClosed": closed, "IsWon": won, "Probability": probability}
            record.update({own: value for own, value in settled.items() if own not in values})

    def _own_name(self, name: str, given: str) -> str:
        if given not in self.tables[name].fields:
            raise ValueError(f"{name} has no field {given}; add_field brings one in")
        return given

    def _touch(self, record: Record, values: Record) -> None:
        moment = self.stamp()
        for own in ("LastModifiedDate", "SystemModstamp"):
            if own in record and own not in values:
                record[own] = moment

    def _write_history(self, record: Record, before: Record | None) -> None:
        if before is not None and all(before.get(own) == record.get(own) for own in _HISTORY_OF):
            return
        if "OpportunityHistory" not in self.tables:
            return
        moment = self.stamp()
        values = {own: record.get(own) for own in _HISTORY_OF}
        self.create(
            "OpportunityHistory", OpportunityId=record["Id"], CreatedDate=moment, SystemModstamp=moment,
            PrevAmount=before and before.get("Amount"), PrevCloseDate=before and before.get("CloseDate"), **values,
        )  # fmt: skip

    def _children(self, key: str) -> list[Record]:
        return [
            child
            for name in ("OpportunityHistory", "OpportunityPartner", "Partner")
            if name in self.tables
            for child in self.tables[name].records.values()
            if child["OpportunityId"] == key
        ]

    def _new_id(self, name: str) -> str:
        prefix = key_prefix(name)
        # Objects may share a prefix; far above the numbers that the sample company gives out.
        self._numbers[prefix] = self._numbers.get(prefix, 50_000_000) + 1
        return salesforce_id(prefix, self._numbers[prefix])

    # -- sessions ------------------------------------------------------------------------------------------------------

    def expire_tokens(self) -> None:
        """End every session that is open now."""
        with self.lock:
            self.tokens.clear()

    def expire_locators(self) -> None:
        """Let go of every answer that is not read to its end."""
        with self.lock:
            self.locators.clear()

    # -- loading -------------------------------------------------------------------------------------------------------

    def load_export(self, folder: Path) -> dict[str, int]:
        """Take over a data export (Account.csv, Opportunity.csv, ...); new or changed records per object."""
        from demo.vendors.salesforce_loading import load_export

        return load_export(self, folder)

    def load_templates(self, folder: Path) -> dict[str, int]:
        """Take over a CRM in this project's templates (accounts.csv, ...); new or changed records per object."""
        from demo.vendors.salesforce_loading import load_templates

        return load_templates(self, folder)

    def load_block(self, name: str, records: pa.Table) -> None:
        """Very many records that never change, for measurements: see `salesforce_block.py`. Columns the object does not
        have become text fields; fields that have no column are hidden from sight."""
        from demo.vendors.salesforce_block import Block

        with self.lock:
            table = self.tables[name]
            for own in [own for own in table.fields if own not in records.column_names]:
                del table.fields[own]
            for own in records.column_names:
                table.fields.setdefault(own, Field(own, "string", is_custom=own.endswith("__c")))
            table.block = Block(records)

    # -- serving -------------------------------------------------------------------------------------------------------

    def app(self) -> ASGIApp:
        """The org as an ASGI app, behind its faults."""
        from demo.vendors.salesforce_api import Api

        return self.faults.around(Api(self))

"""A tiny Salesforce export that is right, and a deployment around it: the ground on which a test breaks one thing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.connector import instances
from pipelines.extract import Landed, extract
from pipelines.lake import Load, loads
from pipelines.release import Candidate, build_candidate
from pipelines.settings import Settings, read_settings
from pipelines.shape import Run, build, lay_inputs, plan
from pipelines.warehouse import Places, connect

POLICIES = Path(__file__).resolve().parents[2] / "policies"
TAKEN = datetime(2026, 10, 5, 6, tzinfo=UTC)
"""When the exports are taken; the deployments speak for the same day, so the quarter is 2026Q3."""

Row = dict[str, str]
_QUARTER_ENDS = ("2025-11-14", "2026-02-13", "2026-05-15", "2026-08-14")


@dataclass
class Export:
    """Three objects as lists of rows; change them, then `write` them."""

    accounts: list[Row] = field(default_factory=list)
    opportunities: list[Row] = field(default_factory=list)
    roles: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, partners: int = 5, *, prefix: str = "") -> Export:
        """`partners` partner accounts and one customer; every partner wins one deal in each of four quarters."""
        export = cls()
        export.account(f"{prefix}C1", IsPartner="false", Name="Customer One")
        for number in range(1, partners + 1):
            export.account(f"{prefix}P{number}", AccountNumber=f"{prefix}N{number:03}")
            for quarter, day in enumerate(_QUARTER_ENDS, 1):
                export.deal(f"{prefix}O{number}-{quarter}", f"{prefix}P{number}", f"{1000 * number}.00", CloseDate=day,
                            AccountId=f"{prefix}C1")  # fmt: skip
        return export

    def account(self, key: str, **values: str) -> Row:
        """One account more; a partner unless said otherwise."""
        row = {
            "Id": key, "Name": f"Company {key}", "AccountNumber": f"N-{key}", "Type": "Reseller", "IsPartner": "true",
            "Region__c": "North", "IsDeleted": "false", "CreatedDate": "2024-01-10T09:00:00.000+0000",
            "SystemModstamp": "2026-09-01T09:00:00.000+0000", **values,
        }  # fmt: skip
        self.accounts.append(row)
        return row

    def deal(self, key: str, partner: str | None, amount: str, **values: str) -> Row:
        """One won opportunity more, with its partner role."""
        row = {
            "Id": key, "Name": f"Deal {key}", "AccountId": "C1", "StageName": "Closed Won", "IsClosed": "true",
            "IsWon": "true", "Amount": amount, "CloseDate": "2026-08-14", "CurrencyIsoCode": "USD",
            "IsDeleted": "false", "CreatedDate": "2025-10-01T09:00:00.000+0000",
            "SystemModstamp": "2026-09-01T09:00:00.000+0000", **values,
        }  # fmt: skip
        self.opportunities.append(row)
        if partner:
            self.role(f"R-{key}", key, partner)
        return row

    def role(self, key: str, opportunity: str, partner: str, **values: str) -> Row:
        """One partner on one opportunity."""
        row = {
            "Id": key, "OpportunityId": opportunity, "AccountToId": partner, "Role": "Reseller", "IsPrimary": "true",
            "IsDeleted": "false", "CreatedDate": "2025-10-01T09:00:00.000+0000",
            "SystemModstamp": "2026-09-01T09:00:00.000+0000", **values,
        }  # fmt: skip
        self.roles.append(row)
        return row

    def write(self, folder: Path) -> Path:
        """Write the three files as Salesforce does: every value in quotes, UTF-8."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (
            ("Account", self.accounts),
            ("Opportunity", self.opportunities),
            ("OpportunityPartner", self.roles),
        ):
            (folder / f"{name}.csv").write_bytes(as_csv(rows))
        return folder


def as_csv(rows: list[Row], *, line_end: str = "\n") -> bytes:
    """Rows as a CSV with the first row's keys as header."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), quoting=csv.QUOTE_ALL, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def change(path: Path, old: str, new: str, *, times: int = 1) -> None:
    """Replace a text in a file; it must be there."""
    data = path.read_bytes()
    assert old.encode() in data, f"{old!r} is not in {path.name}"
    path.write_bytes(data.replace(old.encode(), new.encode(), times))


def add_line(path: Path, line: str) -> None:
    """Append one line to a file."""
    with path.open("a", encoding="utf-8", newline="") as handle:
        handle.write(line + "\n")


@dataclass(frozen=True)
class Deployment:
    """A folder with a deployment file, an export and the state of the runs."""

    root: Path

    @property
    def inputs(self) -> Path:
        """The folder of the export."""
        return self.root / "inputs"

    @property
    def file(self) -> Path:
        """The deployment file."""
        return self.root / "segments.yml"

    @property
    def places(self) -> Places:
        """The state folder's places."""
        return Places.of(self.settings())

    def configure(self, **changes: Any) -> Deployment:
        """Write the deployment file; JSON is YAML."""
        content: dict[str, Any] = {
            "deployment": "faults",
            "sources": {
                "salesforce": {"connector": "salesforce", "options": {"exported_at": TAKEN.isoformat()}},
            },
            "as_of": "2026-10-05",
            "history_quarters": 8,
            "exchange_rates": [{"currency": "EUR", "from": "2026-01-01", "rate": 1.10}],
            "policy": {"active": "adventureworks-baseline"},
            "paths": {"inputs": "inputs", "state": "state", "policies": str(POLICIES)},
            **changes,
        }
        self.root.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        return self

    def sources(self, **options: dict[str, Any]) -> Deployment:
        """One Salesforce source per keyword, each with its options."""
        return self.configure(
            sources={
                name: {"connector": "salesforce", "options": {"exported_at": TAKEN.isoformat(), **own}}
                for name, own in options.items()
            }
        )

    def settings(self) -> Settings:
        """The deployment, read anew."""
        return read_settings(self.file)

    def extract(self, *, accept_shrunk: Iterable[str] = ()) -> list[Landed]:
        """Land every source."""
        settings = self.settings()
        return [
            one
            for instance in instances(settings)
            for one in extract(settings, Places.of(settings), instance, accept_shrunk=frozenset(accept_shrunk))
        ]

    def loads(self, source: str = "salesforce") -> list[Load]:
        """What the lake holds."""
        return loads(self.places.lake, source)

    def rows(self) -> dict[str, int]:
        """Rows of the raw tables as a run would see them."""
        self.lay()
        with connect(self.places.warehouse, read_only=True) as con:
            return {
                table: con.execute(f"select count(*) from raw_salesforce.{table}").fetchall()[0][0]
                for table in ("account", "opportunity", "opportunity_partner")
            }

    def lay(self) -> Run:
        """Lay the views over the lake, without building."""
        run = plan(self.settings())
        lay_inputs(run)
        return run

    def shape(self, *, accept_shrunk: Iterable[str] = ()) -> Run:
        """Extract, lay and build."""
        self.extract(accept_shrunk=accept_shrunk)
        run = self.lay()
        build(run)
        return run

    def candidate(self, run: Run) -> Candidate:
        """The candidate of what was built."""
        return build_candidate(run.places, policy_hash=run.active.content_hash)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with connect(self.places.warehouse, read_only=True) as con:
            return con.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        """The single value of a statement."""
        return self.ask(sql)[0][0]


def deployment(root: Path, export: Export | None = None, **changes: Any) -> Deployment:
    """A deployment with an export that is right."""
    made = Deployment(root).configure(**changes)
    (export or Export.of()).write(made.inputs)
    return made


def released(places: Places, sql: str) -> list[tuple[Any, ...]]:
    """Ask the current release."""
    with duckdb.connect(str(places.released_file), read_only=True) as con:
        return con.execute(sql).fetchall()


def lake_files(places: Places) -> dict[str, bytes]:
    """Every file of the lake by its path: two of these are equal when the lake is unchanged."""
    return {
        str(path.relative_to(places.lake)): path.read_bytes()
        for path in sorted(places.lake.rglob("*"))
        if path.is_file()
    }

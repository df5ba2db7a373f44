"""A company that releases once and is refused the next time: its two exports and what its command line said."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from data_quality.releasing import Judged
from pipelines.release import Released
from tests.faults.exports import Deployment, Export

ROOT = Path(__file__).resolve().parents[2]


def segments(made: Deployment, *words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `segments WORDS` as a user would, in the deployment's folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENTS_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words, "--config", str(config or made.file)],
        cwd=made.root,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Story:
    """A company that released once and was refused at the command line the next time; its warehouse after each."""

    made: Deployment
    judged: Judged
    released: Released
    refused: subprocess.CompletedProcess[str]
    warehouse_of_release: Path

    def quarantined(self, entity: str = "opportunities") -> dict[str, list[tuple[str, str, int]]]:
        """What the refused run set aside, by id: reason, detail and row of the file."""
        found: dict[str, list[tuple[str, str, int]]] = {}
        for key, *rest in self.made.ask(
            "select coalesce(source_id, '(none)'), reject_reason, reject_detail, file_row "
            f"from quarantine.{entity} order by all"
        ):
            found.setdefault(key, []).append(tuple(rest))
        return found

    def believed(self, key: str, column: str = "amount", entity: str = "opportunities") -> list[object]:
        """The values a row has in the conformed table; empty when it is not there."""
        rows = self.made.ask(f"select {column} from conformed.{entity} where source_id = '{key}'")
        return [row[0] for row in rows]


def good_export() -> Export:
    """Five partners, 3,001 opportunities of which the last has no number for an amount, and a credit note."""
    export = Export.of()
    export.deal("NOTE", "P1", "-250.00", StageName="Closed Won", CloseDate="2026-09-01")
    for number in range(len(export.opportunities) + 1, 3001):
        export.deal(f"S{number}", None, "10.00", StageName="Closed Lost", IsWon="false")
    export.deal("WRONG", None, "twelve")
    for row in export.opportunities:
        row["Kept__c"] = "a field nobody asked for"
    return export


def bad_export() -> Export:
    """The same company a day later, with one row of every kind that cannot be believed."""
    export = good_export()
    deal, account, role = export.deal, export.account, export.role
    deal("DUP-SAME", "P1", "1.00")
    export.opportunities.append(dict(export.opportunities[-1]))
    deal("DUP-CONFLICT", "P1", "1.00")
    export.opportunities.append({**export.opportunities[-1], "Amount": "2.00"})
    deal("DUP-NEWER", "P1", "1.00", SystemModstamp="2026-09-01T09:00:00.000+0000")
    export.opportunities.append(
        {**export.opportunities[-1], "Amount": "2.00", "SystemModstamp": "2026-09-02T09:00:00.000+0000"}
    )
    deal("X-ACCOUNT", "P1", "1.00", AccountId="NOBODY")
    deal("X-NO-ACCOUNT", None, "1.00", AccountId="")
    deal("X-RATE", "P1", "1.00", CurrencyIsoCode="CHF")
    deal("X-OLD-RATE", "P1", "1.00", CurrencyIsoCode="EUR", CloseDate="2025-12-31")
    deal("T-RATE", None, "1.00", CurrencyIsoCode="EUR", CloseDate="2026-01-01")
    deal("X-FUTURE", "P1", "1.00", CloseDate="2027-08-14")
    deal("X-CREATED", "P1", "1.00", CreatedDate="2026-12-24T00:00:00.000+0000")
    deal("T-EXPECTED", None, "1.00", IsClosed="false", IsWon="false", StageName="Proposal", CloseDate="2027-08-14")
    deal("X-THOUSANDS", "P1", "1,234.56")
    deal("X-COMMA", "P1", "1234,56")
    deal("X-SWAPPED-ISO", "P1", "1.00", CloseDate="2026-14-08")
    deal("X-SWAPPED-US", "P1", "1.00", CloseDate="08/14/2026")
    deal("X-WON-OPEN", "P1", "1.00", IsClosed="false")
    deal("X-NO-DATE", "P1", "1.00", CloseDate="")
    deal("X-NO-AMOUNT", "P1", "")
    deal("X-NO-STATE", "P1", "1.00", IsWon="")
    deal("", None, "1.00")
    deal("X-DELETED", None, "abc", IsDeleted="true", AccountId="", IsClosed="")
    deal("T-DELETED", "P1", "70000.00", IsDeleted="true")
    deal("T-OFFSET", None, "1.00", CreatedDate="2026-03-01T00:30:00.000+0200")
    deal("T-PLAIN", None, "1.00", CreatedDate="2026-03-01T00:30:00")
    account("A-CREATED", CreatedDate="2027-01-01T00:00:00.000+0000")
    account("A-NUMBER", NumberOfEmployees="many")
    for row in export.accounts:
        row.setdefault("NumberOfEmployees", "10")
    role("R-DEAL", "NOWHERE", "P1")
    role("R-ACCOUNT", "O1-1", "NOBODY")
    role("R-DELETED", "NOWHERE", "P1", IsDeleted="true")
    for row in export.opportunities:
        row["Kept__c"] = "a field nobody asked for"
    return export

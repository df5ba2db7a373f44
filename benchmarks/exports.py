"""The rows a benchmark runs on: an export, the deployment file that fits it, and the same channel many times over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import yaml

from demo.company import EXPORTED_AT, exchange_rates
from demo.salesforce_export import write_salesforce_export
from pipelines.warehouse import literal, memory, quoted

ROOT = Path(__file__).resolve().parent.parent
ADVENTUREWORKS = ROOT.parent / "shared" / "data" / "adventureworks_salesforce_export"
FILES = ("Account", "Opportunity", "OpportunityPartner")
# Every id and every pointer to one; a copy of the channel is closed in itself.
_KEYS = {"Id", "AccountId", "AccountNumber", "AccountToId", "OpportunityId", "ParentId"}


@dataclass(frozen=True)
class Export:
    """A Salesforce export and what a deployment must know about it."""

    name: str
    folder: Path
    as_of: date
    exported_at: str
    rates: list[tuple[str, date, Decimal]] = field(default_factory=list)
    pseudo_partners: list[str] = field(default_factory=list)


def adventureworks(folder: Path = ADVENTUREWORKS) -> Export:
    """The AdventureWorks reseller channel."""
    return Export("adventureworks", folder, date(2013, 12, 31), "2014-01-02T00:00:00Z")


def sample(folder: Path, *, partners: int = 120, quarters: int = 12) -> Export:
    """The sample company, written into `folder`: several currencies, roles and a partner that is none."""
    write_salesforce_export(folder, partners=partners, quarters=quarters)
    rates = [(currency, start, rate) for currency, start, rate in exchange_rates() if currency != "USD"]
    return Export("sample", folder, EXPORTED_AT.date(), EXPORTED_AT.isoformat(), rates, ["Direct"])


def write_deployment(folder: Path, export: Export) -> Path:
    """Write `segments.yml` for the baseline policy over an export; its state lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "segments.yml"
    content = {
        "deployment": export.name,
        "sources": {
            "crm": {
                "connector": "salesforce",
                "options": {"folder": str(export.folder.resolve()), "exported_at": export.exported_at},
            }
        },
        "as_of": export.as_of,
        "exchange_rates": [{"currency": c, "from": start, "rate": str(rate)} for c, start, rate in export.rates],
        "pseudo_partners": export.pseudo_partners,
        "policy": {"active": "adventureworks-baseline"},
        "paths": {"inputs": str(export.folder.resolve()), "policies": str(ROOT / "policies"), "state": "state"},
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def replicate(folder: Path, target: Path, times: int) -> dict[str, int]:
    """Write the channel of `folder` `times` times over into `target`; returns rows per file.

    The first copy keeps its ids, so one time is the channel itself.
    """
    target.mkdir(parents=True, exist_ok=True)
    rows = {}
    with memory() as con:
        for name in FILES:
            source = f"read_csv({literal(folder / f'{name}.csv')}, all_varchar = true)"
            columns = [row[0] for row in con.execute(f"describe from {source}").fetchall()]
            cells = ", ".join(
                f"case when copy > 0 then {quoted(column)} || '-' || copy else {quoted(column)} end as {quoted(column)}"
                if column in _KEYS
                else quoted(column)
                for column in columns
            )
            con.execute(
                f"copy (select {cells} from range({times}) as copies (copy), {source}) "
                f"to {literal(target / f'{name}.csv')} (header, force_quote *)"
            )
            rows[name] = con.execute(f"select count(*) * {times} from {source}").fetchall()[0][0]
    return rows

"""Writes all systems of the sample company side by side, as they were exported at two moments.

Which system says what is in the export modules; this one only knows the folders:

    FOLDER/<system>/<day of the export>/<table>.csv

Each export is the whole of what a system shows on that day. The second one also brings what was late in the first:
deals closed in time but written down afterwards, credits added, amounts restated, a deal moved, lost again or deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from demo.company import DEFAULT_PARTNERS, DEFAULT_QUARTERS, DEFAULT_SEED, DROP_1, DROP_2, World
from demo.crm_export import CRM_TABLES, write_crm
from demo.mapping_export import write_account_mapping
from demo.prm_export import write_prm
from demo.salesforce_export import write_salesforce_export

DROPS: tuple[datetime, ...] = (DROP_1, DROP_2)
CrmShape = Literal["templates", "salesforce"]


def write_sample_company(
    folder: Path,
    *,
    seed: int = DEFAULT_SEED,
    partners: int = DEFAULT_PARTNERS,
    quarters: int = DEFAULT_QUARTERS,
    crm: CrmShape = "templates",
) -> dict[str, int]:
    """Write every system at both moments; return rows per file, named by its path below `folder`.

    With `crm="templates"` the folder `crm` holds the whole CRM in this project's column names. With `"salesforce"` the
    folder `salesforce` holds it as a data export, and `crm` only the meetings, which such an export does not bring.
    """
    world = World(seed, partners, quarters)
    counts: dict[str, int] = {}
    for drop in DROPS:
        for system, rows in _write_drop(Path(folder), world, drop, crm):
            for file_name, number in rows.items():
                counts[f"{system}/{drop.date().isoformat()}/{file_name}"] = number
    return counts


def _write_drop(folder: Path, world: World, drop: datetime, crm: CrmShape) -> Iterator[tuple[str, dict[str, int]]]:
    day = drop.date().isoformat()
    if crm == "salesforce":
        yield (
            "salesforce",
            write_salesforce_export(
                folder / "salesforce" / day,
                seed=world.seed,
                partners=world.partner_count,
                quarters=world.quarters,
                as_of=drop,
            ),
        )
    tables = CRM_TABLES if crm == "templates" else ("meetings",)
    yield "crm", write_crm(folder / "crm" / day, world, as_of=drop, tables=tables)
    yield "account_mapping", write_account_mapping(folder / "account_mapping" / day, world, as_of=drop)
    yield "prm", write_prm(folder / "prm" / day, world, as_of=drop)

"""The metric catalogue in words: what each metric means, in which unit, and which kinds of systems can know it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache

from pipelines.shape import PROJECT

# How people call the kinds of systems that metrics rest on.
SYSTEMS = {"crm": "the CRM", "account_mapping": "account mapping", "prm": "the partner portal"}


@dataclass(frozen=True)
class Metric:
    """One metric of the catalogue. `sources` are kinds of systems; it needs all of them."""

    name: str
    unit: str
    direction: str
    definition: str
    sources: tuple[str, ...]

    @property
    def unknown_when(self) -> str | None:
        """When the definition itself gives no value ("when nothing was decided"); None where it always gives one."""
        said = re.search(r"\bunknown ((?:when|without|before|from) [^;]+)", self.definition)
        return said[1].strip() if said else None


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Metric]:
    """Every metric of the catalogue by name, in its order."""
    with (PROJECT / "seeds" / "metric_catalogue.csv").open(encoding="utf-8", newline="") as handle:
        return {
            row["metric"]: Metric(
                row["metric"], row["unit"], row["direction"], row["definition"], tuple(row["sources"].split(";"))
            )
            for row in csv.DictReader(handle)
        }

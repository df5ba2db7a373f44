"""Measures a channel from its Salesforce export alone: concentration and persistence.

It reads what the writers wrote and knows nothing of the draws, so that the shape constants of `demo.company` can be
judged by their outcome. The pipeline's own measures are elsewhere (`dbt_project`); this is for trying other constants.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from demo.company import PSEUDO_PARTNER, quarter_number, rate, salesforce_id


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@dataclass
class Channel:
    """Won amounts in US dollars, by primary partner and quarter number; the pseudo-partner left out."""

    won: dict[tuple[str, int], float]
    partners: list[str]

    @property
    def quarters(self) -> list[int]:
        return sorted({quarter for _, quarter in self.won})

    def totals(self, last: int | None = None) -> list[float]:
        wanted = set(self.quarters[-last:] if last else self.quarters)
        total: dict[str, float] = defaultdict(float)
        for (partner, quarter), amount in self.won.items():
            if quarter in wanted:
                total[partner] += amount
        return sorted(total.get(partner, 0.0) for partner in self.partners)

    def active(self, quarter: int) -> dict[str, float]:
        return {partner: amount for (partner, q), amount in self.won.items() if q == quarter and amount > 0}

    def persistence(self) -> list[tuple[float, float]]:
        """Per pair of consecutive quarters: rank correlation of those active in both, share active again."""
        pairs = []
        for before, after in zip(self.quarters, self.quarters[1:], strict=False):
            first, second = self.active(before), self.active(after)
            both = sorted(first.keys() & second.keys())
            pairs.append((_spearman([first[p] for p in both], [second[p] for p in both]), len(both) / len(first)))
        return pairs


def read_channel(folder: Path) -> Channel:
    accounts = rows(folder / "Account.csv")
    pseudo = salesforce_id("001", PSEUDO_PARTNER)
    partners = [row["Id"] for row in accounts if row["IsPartner"] == "true" and row["Id"] != pseudo]
    primary = {
        row["OpportunityId"]: row["AccountToId"]
        for row in rows(folder / "OpportunityPartner.csv")
        if row["IsPrimary"] == "true"
    }
    won: dict[tuple[str, int], float] = defaultdict(float)
    for deal in rows(folder / "Opportunity.csv"):
        partner = primary.get(deal["Id"])
        if deal["IsWon"] != "true" or deal["IsDeleted"] == "true" or partner is None or partner == pseudo:
            continue
        day = date.fromisoformat(deal["CloseDate"])
        won[partner, quarter_number(day)] += float(deal["Amount"]) * float(rate(deal["CurrencyIsoCode"], day))
    return Channel(dict(won), partners)


def gini(ascending: list[float]) -> float:
    """0 when all produce the same, near 1 when one produces everything."""
    size, total = len(ascending), sum(ascending)
    return sum((2 * place - size - 1) * value for place, value in enumerate(ascending, start=1)) / (size * total)


def top_tenth_share(ascending: list[float]) -> float:
    return sum(ascending[-(len(ascending) // 10) :]) / sum(ascending)


def _spearman(left: list[float], right: list[float]) -> float:
    """Rank correlation; amounts with cents hardly ever tie, so ties are not shared out."""

    def ranks(values: list[float]) -> list[int]:
        order = sorted(range(len(values)), key=values.__getitem__)
        place = [0] * len(values)
        for rank, index in enumerate(order):
            place[index] = rank
        return place

    size = len(left)
    gap = sum((a - b) ** 2 for a, b in zip(ranks(left), ranks(right), strict=True))
    return 1 - 6 * gap / (size * (size**2 - 1))

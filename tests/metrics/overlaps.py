"""The oracle's overlaps: what mapping platforms say that we and a partner share, at the end of every quarter."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from metrics.facts import Deal
from metrics.identity import Accounts, Deployment, host
from metrics.reading import FileRow, Record, Source, day, number, word

POPULATIONS = ("customers", "open_opportunities", "prospects")
PAIRS = [(ours, theirs) for ours in POPULATIONS for theirs in POPULATIONS]
OVERLAP_COUNTS = (
    "overlap_accounts",
    "icp_overlap_accounts",
    "unique_reach_accounts",
    "overlap_customers",
    "whitespace_accounts",
    *(f"own_{ours}_their_{theirs}" for ours, theirs in PAIRS),
)

Lists = set[tuple[str, str]]
"""Pairs of a list of ours and one of the partner's."""


@dataclass(frozen=True)
class Shared:
    """One of our accounts that a partner knows too, since a day."""

    partner: Record
    account: Record
    since: date | None


class Overlaps:
    """What mapping platforms say, and what our CRM says of those accounts."""

    def __init__(self, deployment: Deployment, deals: list[Deal]) -> None:
        self.deployment = deployment
        crms = [source for source in deployment.sources if source.kind == "crm"]
        self.accounts = {(crm.name, row["source_id"]): row for crm in crms for row in crm.table("accounts")}
        self._by_id = Accounts(self.accounts)
        self._by_host: dict[str, list[Record]] = defaultdict(list)
        for key, row in self.accounts.items():
            if domain := host(row.get("domain")):
                self._by_host[domain].append(key)
        self._deals: dict[Record, list[Deal]] = defaultdict(list)
        for deal in deals:
            self._deals[deal.customer].append(deal)
        self._shared: list[Shared] = []
        # The lists are those of the newest export, whenever the account first stood in one of them.
        self._lists: dict[tuple[Record, Record], Lists] = defaultdict(set)
        self._counts: dict[Record, list[tuple[str, str, int]]] = defaultdict(list)
        for source in deployment.sources:
            self._read(source)

    def _read(self, source: Source) -> None:
        identity = self.deployment.identity
        for row in source.table("account_overlaps"):
            partner = identity.partner_of(source.name, row["partner_id"])
            if partner and "account_overlaps" in identity.shares[source.name, row["partner_id"]]:
                account = self._account(source, row)
                self._shared.append(Shared(partner, account, day(row["matched_at"])))
                self._lists[partner, account].add(_lists("account_overlaps", row))
        for row in source.table("overlap_counts"):
            partner = identity.partner_of(source.name, row["partner_id"])
            if partner and "overlap_counts" in identity.shares[source.name, row["partner_id"]]:
                count = int(row.get("account_count") or row["count"])
                self._counts[partner].append((*_lists("overlap_counts", row), count))

    def _account(self, source: Source, row: FileRow) -> Record:
        """Our account: by its id, else by its web address if one account has it, else as the platform names it."""
        named, domain = row["own_account_id"], host(row["domain"])
        at = self._by_host.get(domain or "", [])
        return self._by_id.find(named) or (at[0] if len(at) == 1 else (source.name, named or str(domain)))

    def at_the_end_of(self, quarter: int) -> dict[Record, dict[str, Any]]:
        """By partner that shares something: what it shares on the last day of a quarter."""
        last = self.deployment.calendar.end(quarter)
        standing: dict[Record, dict[Record, Lists]] = defaultdict(dict)
        for one in self._shared:
            if one.since is None or one.since <= last:
                standing[one.partner][one.account] = self._lists[one.partner, one.account]
        holders = Counter(account for known in standing.values() for account in known)
        made: dict[Record, dict[str, Any]] = {}
        for partner, known in self.deployment.knowledge.items():
            if "account_overlaps" in known:
                made[partner] = self._from_accounts(standing.get(partner, {}), holders, last)
            elif "overlap_counts" in known and quarter >= self._counted_in:
                made[partner] = _from_counts(self._counts[partner])
        return made

    @property
    def _counted_in(self) -> int:
        """Counts carry no day: they hold from the last quarter on that had ended when they were taken."""
        return sum(end < self.deployment.exported_on for end in self.deployment.calendar.ends)

    def _from_accounts(self, mine: dict[Record, Lists], holders: Counter[Record], last: date) -> dict[str, Any]:
        icp, sources = self.deployment.icp, self.deployment.sources
        has_rule = any(icp.get(name) for name in ("industries", "regions", "countries", "employees"))
        can_tell = has_rule and any("accounts" in source.offered for source in sources)
        has_deals = any("opportunities" in source.offered for source in sources)
        deals = [deal for account in mine for deal in self._deals.get(account, []) if deal.is_open_on(last)]
        return {
            "rests_on": "accounts",
            "overlap_accounts": len(mine),
            "icp_overlap_accounts": sum(map(self._fits, mine)) if can_tell else None,
            "unique_reach_accounts": sum(holders[account] == 1 for account in mine),
            "overlap_customers": sum(_has_ours(lists, "customers") for lists in mine.values()),
            "whitespace_accounts": sum(map(_is_whitespace, mine.values())),
            "overlap_open_amount": sum((deal.amount for deal in deals), Fraction(0)) if has_deals else None,
            **{f"own_{pair[0]}_their_{pair[1]}": sum(pair in lists for lists in mine.values()) for pair in PAIRS},
        }

    def _fits(self, account: Record) -> bool:
        """Whether an account is one that the company wants; what is not known of it does not fit."""
        row, rule = self.accounts.get(account), self.deployment.icp
        if row is None:
            return False
        for column, asked in (("industry", "industries"), ("region", "regions"), ("country", "countries")):
            wanted = {text.strip().lower() for text in rule.get(asked, [])}
            if wanted and (row.get(column) or "").strip().lower() not in wanted:
                return False
        bounds, count = rule.get("employees", {}), number(row.get("employees"))
        if count is None:
            return not bounds
        return bool(bounds.get("min", count) <= count <= bounds.get("max", count))


def _lists(entity: str, row: FileRow) -> tuple[str, str]:
    return (
        word(entity, "own_population", row["own_population"], "other"),
        word(entity, "partner_population", row["partner_population"], "other"),
    )


def _has_ours(lists: Lists, name: str) -> bool:
    return any(own == name for own, _ in lists)


def _is_whitespace(lists: Lists) -> bool:
    """A customer of the partner that is a prospect of ours and no customer."""
    return ("prospects", "customers") in lists and not _has_ours(lists, "customers")


def _from_counts(told: list[tuple[str, str, int]]) -> dict[str, Any]:
    def total(own: str | None = None, theirs: str | None = None) -> int:
        return sum(count for ours, other, count in told if own in (None, ours) and theirs in (None, other))

    return {
        "rests_on": "counts",
        "overlap_accounts": total(),
        "icp_overlap_accounts": None,
        "unique_reach_accounts": None,
        "overlap_customers": total("customers"),
        "whitespace_accounts": total("prospects", "customers"),
        "overlap_open_amount": None,
        **{f"own_{own}_their_{theirs}": total(own, theirs) for own, theirs in PAIRS},
    }

"""Writes the account-mapping platform of the sample company: partners.csv, account_overlaps.csv, overlap_counts.csv.

An overlap says that one of Ormwick's accounts is also known to a partner, and in which of their lists ("population") it
stands on either side. Not every partner is on the platform; of those who are, some share counts only, and some share
nothing, which is not the same as having no overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from demo.company import (
    COUNTS_ONLY,
    CRM_ONLY,
    DROP_1,
    DROP_2,
    DUPLICATE,
    DUPLICATE_AGAIN,
    EXPIRED_TEAM,
    EXPORTED_AT,
    FAMOUS_LOGO,
    HIDDEN_POTENTIAL,
    LUCKY_DEAL,
    OTHER_DOMAIN,
    PSEUDO_PARTNER,
    STALLED,
    Partner,
    World,
    last_closed_day,
    mix,
    person_at,
    share_of,
)
from demo.words import REGION_SLOTS, SLOTS_OF_REGION
from demo.writing import Cell, drafted

PARTNER_COLUMNS = ("source_id", "name", "domain", "sharing_level")
OVERLAP_COLUMNS = (
    "source_id", "own_account_id", "domain", "partner_id", "own_population", "partner_population", "matched_at",
    "partner_owner",
)  # fmt: skip
COUNT_COLUMNS = ("partner_id", "own_population", "partner_population", "count")

FULL, COUNTS, NOTHING = "full", "counts_only", "none"
CUSTOMERS, OPEN, PROSPECTS = "Customers", "Open Opportunities", "Prospects"

# On the platform but in no other system.
MAPPING_ONLY_NAME, MAPPING_ONLY_DOMAIN = "Saltmarsh Robotics", "saltmarsh-robotics.example"
_MAPPING_ONLY_INDEX = 90_000_001

_PLANTED_LEVELS: dict[int, str | None] = {
    FAMOUS_LOGO: FULL,
    STALLED: FULL,
    LUCKY_DEAL: None,
    DUPLICATE: FULL,
    DUPLICATE_AGAIN: None,
    HIDDEN_POTENTIAL: FULL,
    PSEUDO_PARTNER: None,
    EXPIRED_TEAM: FULL,
    CRM_ONLY: None,
    COUNTS_ONLY: COUNTS,
    OTHER_DOMAIN: FULL,
}
# Of the ICP accounts in its region; other partners reach about a tenth.
_HIDDEN_DEPTH = 0.7
_GONE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class _Population:
    """Which of Ormwick's own lists its accounts stand in at one moment."""

    buyers: frozenset[int]
    negotiating: frozenset[int]

    def of(self, customer: int) -> tuple[str, ...]:
        lists = []
        if customer in self.buyers:
            lists.append(CUSTOMERS)
        if customer in self.negotiating:
            lists.append(OPEN)
        return tuple(lists) or (PROSPECTS,)


def mapping_partner_id(index: int) -> str:
    """The platform's own id of a partner, a uuid in shape."""
    high, low = f"{mix(41, index):016x}", f"{mix(42, index):016x}"
    return f"{high[:8]}-{high[8:12]}-4{high[13:]}-a{low[1:4]}-{low[4:]}"


def sharing_level(world: World, partner: Partner) -> str | None:
    """What the partner shares on the platform; None when it is not there."""
    if partner.index in _PLANTED_LEVELS:
        return _PLANTED_LEVELS[partner.index]
    draw = share_of(world.seed, 43, partner.index)
    if draw < 0.50:
        return FULL
    if draw < 0.60:
        return COUNTS
    return NOTHING if draw < 0.64 else None


def write_account_mapping(folder: Path, world: World, *, as_of: datetime = EXPORTED_AT) -> dict[str, int]:
    """Write the three tables as of one moment; return rows per file."""
    population = _population(world, as_of)
    with drafted(folder) as drafts:
        drafts.table("partners.csv", PARTNER_COLUMNS).extend(_partners(world, as_of))
        overlaps = drafts.table("account_overlaps.csv", OVERLAP_COLUMNS)
        counts = drafts.table("overlap_counts.csv", COUNT_COLUMNS)
        for partner in world.partners():
            level = sharing_level(world, partner)
            if partner.joined > as_of.date() or level not in {FULL, COUNTS}:
                continue
            rows = _overlaps(world, partner, as_of, population)
            if level == FULL:
                overlaps.extend(rows)
                continue
            pairs = Counter((str(row[4]), str(row[5])) for row in rows)
            for (own, theirs), number in sorted(pairs.items()):
                counts.add(mapping_partner_id(partner.index), own, theirs, number)
    return drafts.counts()


def _population(world: World, as_of: datetime) -> _Population:
    buyers, negotiating = set(), set()
    for seen in world.deals_seen_at(as_of):
        if seen.is_won and not seen.is_deleted:
            buyers.add(seen.deal.customer)
        elif not seen.is_closed:
            negotiating.add(seen.deal.customer)
    return _Population(frozenset(buyers), frozenset(negotiating))


def _partners(world: World, as_of: datetime) -> Iterator[tuple[Cell, ...]]:
    for partner in world.partners():
        level = sharing_level(world, partner)
        if level is None or partner.joined > as_of.date():
            continue
        # The platform knows companies by the name on their door, without the legal form.
        name = partner.name.removesuffix(f" {partner.country.legal_form}")
        domain = "novotna-bridge.example" if partner.index == OTHER_DOMAIN else partner.domain
        yield mapping_partner_id(partner.index), name, domain, level
    yield mapping_partner_id(_MAPPING_ONLY_INDEX), MAPPING_ONLY_NAME, MAPPING_ONLY_DOMAIN, FULL


def _shared_customers(world: World, partner: Partner) -> Iterator[int]:
    """The customers that the partner knows too, each once."""
    if partner.index == HIDDEN_POTENTIAL:
        for customer in world.customers():
            if (
                customer.is_icp
                and customer.country.region == partner.region
                and share_of(world.seed, 44, customer.index) < _HIDDEN_DEPTH
            ):
                yield customer.index
        return
    # The two whose fall is told are well connected, so that it is not their reach that explains it.
    wanted = 140 if partner.index in (STALLED, EXPIRED_TEAM) else 25 + mix(world.seed, 45, partner.index) % 130
    per_slot = world.customer_count // 20
    met: set[int] = set()
    for draw in range(min(wanted, world.customer_count // 4)):
        region = partner.region
        if share_of(world.seed, 46, partner.index, draw) < 0.15:
            region = REGION_SLOTS[mix(world.seed, 47, partner.index, draw) % 20]
        slots = SLOTS_OF_REGION[region]
        slot = slots[mix(world.seed, 48, partner.index, draw) % len(slots)]
        index = mix(world.seed, 49, partner.index, draw) % per_slot * 20 + (slot if slot > 0 else 20)
        if index not in met:
            met.add(index)
            yield index


def _overlaps(world: World, partner: Partner, as_of: datetime, population: _Population) -> Iterator[tuple[Cell, ...]]:
    span = int((DROP_2 - timedelta(days=900) - DROP_2).total_seconds())
    for index in _shared_customers(world, partner):
        key = (world.seed, 50, partner.index, index)
        matched_at = DROP_2 - timedelta(days=6) - timedelta(seconds=mix(*key, 1) % -span)
        # A few are withdrawn between the two exports: a partner may unshare an account at any time.
        is_gone = as_of > DROP_1 and share_of(*key, 2) < _GONE_SHARE and partner.index != HIDDEN_POTENTIAL
        if matched_at.date() > last_closed_day(as_of) or is_gone:
            continue
        theirs = _partner_population(partner, share_of(*key, 3))
        given, family = person_at(world.seed, partner.index, mix(*key, 4) % 5)
        for own in population.of(index):
            yield (
                f"xo-{mix(*key, 5, _OWN_CODE[own]):016x}",
                world.customer(index).account_id,
                world.customer(index).domain,
                mapping_partner_id(partner.index),
                own,
                theirs,
                matched_at,
                f"{given} {family}",
            )


_OWN_CODE = {CUSTOMERS: 1, OPEN: 2, PROSPECTS: 3}


def _partner_population(partner: Partner, draw: float) -> str:
    # The hidden potential is that these accounts already buy from the partner.
    buying = 0.75 if partner.index == HIDDEN_POTENTIAL else 0.40
    if draw < buying:
        return CUSTOMERS
    return OPEN if draw < buying + 0.12 else PROSPECTS

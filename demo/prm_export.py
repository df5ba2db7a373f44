"""Writes the partner portal (PRM) of the sample company: who the partners are to the programme, and what they do in it.

One function per table, each drawing from a stream of its own. Not every partner of the CRM is in the portal, and one of
the portal is not in the CRM. The portal keeps the amounts as they were registered: where it and the CRM differ about a
deal, the CRM is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from demo.company import (
    CRM_ONLY,
    DUPLICATE_AGAIN,
    EXPIRED_TEAM,
    EXPORTED_AT,
    FAMOUS_LOGO,
    LAST_QUARTER,
    LUCKY_DEAL,
    PSEUDO_PARTNER,
    SOURCED,
    STALLED,
    Partner,
    SeenDeal,
    World,
    last_closed_day,
    mix,
    person_at,
    poisson,
    quarter_end,
    quarter_number,
    quarter_start,
    share_of,
)
from demo.words import COUNTRIES, slug
from demo.writing import Cell, drafted

Row = tuple[Cell, ...]

COLUMNS: dict[str, tuple[str, ...]] = {
    "partners": (
        "source_id", "name", "domain", "crm_account_id", "status", "program_group", "tier", "motion", "region",
        "country", "industry", "joined_at", "manager",
    ),
    "partner_users": (
        "source_id", "partner_id", "email", "first_name", "last_name", "job_title", "role", "is_active", "is_primary",
        "created_at", "last_login_at", "updated_at",
    ),
    "deal_registrations": (
        "source_id", "partner_id", "partner_user_id", "crm_opportunity_id", "customer_company", "deal_name",
        "registration_status", "outcome", "stage", "amount", "currency", "origin", "submitted_at", "decided_at",
        "expires_at", "expected_close_date", "closed_at", "lost_reason", "updated_at",
    ),
    "training_records": (
        "source_id", "partner_id", "user_id", "user_email", "item_name", "record_type", "status", "progress_pct",
        "enrolled_at", "completed_at", "expires_at", "updated_at",
    ),
    "activity_events": (
        "source_id", "partner_id", "user_id", "user_email", "event_type", "object_type", "object_name", "occurred_at",
    ),
    "mdf_requests": (
        "source_id", "partner_id", "fund_name", "activity_type", "status", "requested_amount", "approved_amount",
        "currency", "submitted_at", "decided_at", "activity_start", "activity_end", "updated_at",
    ),
    "mdf_claims": (
        "source_id", "request_id", "partner_id", "status", "claimed_amount", "approved_amount", "currency",
        "submitted_at", "paid_at", "updated_at",
    ),
    "csat_responses": (
        "source_id", "partner_id", "user_email", "survey_name", "score", "scale_max", "comment", "responded_at",
    ),
    "business_plans": (
        "source_id", "partner_id", "plan_type", "period_start", "period_end", "status", "target_amount",
        "actual_amount", "currency", "meeting_date", "updated_at",
    ),
}  # fmt: skip

# In the portal but in no other system; its registrations never reached the CRM.
PRM_ONLY_NAME, PRM_ONLY_DOMAIN = "Ibarra Cloud Works", "ibarra-cloud-works.example"
_PRM_ONLY_INDEX = 90_000_002

_COVERED_SHARE = 0.84
_LINKED_SHARE = 0.86
_PROGRAM_GROUPS = {
    "reseller": "Resell",
    "distributor": "Resell",
    "msp": "Services",
    "si": "Services",
    "tech_isv": "Technology",
    "referral": "Referral",
}
_TIER_BARS = ((15.0, "platinum"), (5.0, "gold"), (1.5, "silver"))
_JOBS = ("Account Executive", "Solution Consultant", "Alliance Manager", "Sales Director", "Project Lead")
_CERTIFICATES = (("Ormwick Certified Consultant", 365), ("Ormwick Certified Architect", 730))
_COURSES = ("Planning Foundations", "Forecasting in Practice", "Selling the Supplier Portal")
_ASSETS = ("Battle card", "Price book", "Reference story", "Demo script", "Proposal template")
_LOST_REASONS = ("price", "no decision", "competitor", "no budget")
_FIRST_EXPIRY, _LAST_EXPIRY = date(2026, 7, 10), date(2026, 9, 20)


@dataclass(frozen=True, slots=True)
class Member:
    """A partner as the portal knows it."""

    partner: Partner
    users: int

    @property
    def source_id(self) -> str:
        return f"PRM-{self.partner.index:06d}"


def write_prm(folder: Path, world: World, *, as_of: datetime = EXPORTED_AT) -> dict[str, int]:
    """Write the nine tables as of one moment; return rows per file."""
    members = {member.partner.index: member for member in _members(world) if member.partner.joined <= as_of.date()}
    with drafted(folder) as drafts:
        for name, rows in _TABLES.items():
            drafts.table(f"{name}.csv", COLUMNS[name]).extend(rows(world, members, as_of))
    return drafts.counts()


def _members(world: World) -> Iterator[Member]:
    absent = {CRM_ONLY, PSEUDO_PARTNER, DUPLICATE_AGAIN}
    for partner in world.partners():
        if partner.index in absent or (not partner.story and share_of(world.seed, 60, partner.index) >= _COVERED_SHARE):
            continue
        users = 1 + int(1.8 * partner.strength**0.4) + mix(world.seed, 61, partner.index) % 2
        yield Member(partner, {EXPIRED_TEAM: 9, FAMOUS_LOGO: 8, LUCKY_DEAL: 1}.get(partner.index, users))


def _at(day: date, *salt: int) -> datetime:
    """A working hour on `day`."""
    return datetime.combine(day, time(8 + mix(*salt) % 9, mix(*salt, 1) % 60), tzinfo=UTC)


def _end(as_of: datetime) -> datetime:
    return datetime.combine(last_closed_day(as_of), time(23, 59, 59), tzinfo=UTC)


def _chance(world: World, what: str, member: Member) -> random.Random:
    return random.Random(f"{world.seed}/prm/{what}/{member.partner.index}")


def _quarters_of(world: World, partner: Partner) -> Iterator[int]:
    last = quarter_number(partner.left) if partner.left is not None else LAST_QUARTER
    yield from range(max(world.first_quarter, quarter_number(partner.joined)), last + 1)


# ------------------------------------------------------------ partners and their people


def _status(world: World, partner: Partner, as_of: datetime) -> str:
    if partner.left is not None and partner.left <= as_of.date():
        return "archived"
    if quarter_number(partner.joined) >= quarter_number(last_closed_day(as_of)):
        return "onboarding"
    if partner.strength == 0 and not partner.story and share_of(world.seed, 62, partner.index) < 0.5:
        return "inactive"
    return "active"


def _tier(partner: Partner) -> str:
    """The tier the portal shows today, given by hand over the years. The famous logo got its own for the name."""
    if partner.index == FAMOUS_LOGO:
        return "platinum"
    return next((tier for bar, tier in _TIER_BARS if partner.strength >= bar), "registered")


def _partners(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        partner = member.partner
        is_linked = bool(partner.story) or share_of(world.seed, 63, partner.index) < _LINKED_SHARE
        yield (
            member.source_id,
            partner.name,
            partner.domain,
            partner.account_id if is_linked else None,
            _status(world, partner, as_of),
            _PROGRAM_GROUPS[partner.motion],
            _tier(partner),
            partner.motion,
            partner.region,
            partner.country.code,
            partner.industry,
            _at(partner.joined, 64, partner.index),
            partner.manager.email,
        )
    spain = COUNTRIES["ES"]
    joined = _at(date(2025, 11, 17), 64, _PRM_ONLY_INDEX)
    yield (
        f"PRM-{_PRM_ONLY_INDEX}", PRM_ONLY_NAME, PRM_ONLY_DOMAIN, None, "active", "Resell", "registered", "reseller",
        spain.region, spain.code, "Technology", joined, "",
    )  # fmt: skip


def _user_id(partner: int, place: int) -> str:
    return f"PU-{partner:06d}-{place:02d}"


def _user_email(world: World, partner: Partner, place: int) -> str:
    given, family = person_at(world.seed, partner.index, 100 + place)
    return f"{slug(given)}.{slug(family)}{place}@{partner.domain}"


def _partner_users(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        partner = member.partner
        for place in range(1, member.users + 1):
            given, family = person_at(world.seed, partner.index, 100 + place)
            salt = (world.seed, 65, partner.index, place)
            created = _at(partner.joined + timedelta(days=mix(*salt) % 40), *salt)
            if created > as_of:
                continue
            login: datetime | None = _at(last_closed_day(as_of) - timedelta(days=mix(*salt, 2) % 120), *salt, 3)
            if login is not None and login < created:
                login = None
            yield (
                _user_id(partner.index, place),
                member.source_id,
                _user_email(world, partner, place),
                given,
                family,
                _JOBS[mix(*salt, 4) % len(_JOBS)],
                "administrator" if place == 1 else "member",
                partner.left is None or partner.left > as_of.date(),
                place == 1,
                created,
                login,
                login or created,
            )


# ------------------------------------------------------------ deals


def _deal_registrations(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for seen in world.deals_seen_at(as_of):
        first = seen.deal.credits[0] if seen.deal.credits else None
        if first is None or first.role != SOURCED or first.partner not in members or seen.deal.is_credit_note:
            continue
        draw = share_of(world.seed, 66, seen.deal.number)
        if draw < 0.72 or first.partner == LUCKY_DEAL:
            yield _accepted(world, members[first.partner], seen, as_of)
        elif draw < 0.86:
            yield from _refused(world, members[first.partner], seen, as_of)
    yield from _never_in_the_crm(as_of)


def _accepted(world: World, member: Member, seen: SeenDeal, as_of: datetime) -> Row:
    deal, salt = seen.deal, (world.seed, 67, seen.deal.number)
    customer = world.customer(deal.customer)
    submitted = deal.created_at - timedelta(days=1 + mix(*salt) % 6, hours=mix(*salt, 1) % 3)
    is_automatic = mix(*salt, 2) % 10 == 0
    outcome = ("won" if seen.is_won else "lost") if seen.is_closed else "open"
    closed_at = _at(seen.close_date, *salt, 3) if seen.is_closed else None
    return (
        f"DR-{deal.number}",
        member.source_id,
        _user_id(member.partner.index, 1 + mix(*salt, 4) % member.users),
        deal.opportunity_id,
        customer.name,
        f"{customer.name} - {deal.product}",
        "auto_accepted" if is_automatic else "accepted",
        outcome,
        seen.stage,
        Decimal(deal.cents).scaleb(-2),
        deal.currency,
        "partner",
        submitted,
        submitted if is_automatic else deal.created_at,
        submitted + timedelta(days=180),
        deal.created_at.date() + timedelta(days=90),
        closed_at,
        _LOST_REASONS[mix(*salt, 5) % len(_LOST_REASONS)] if outcome == "lost" else None,
        min(seen.modified_at + timedelta(minutes=20), as_of),
    )


def _refused(world: World, member: Member, seen: SeenDeal, as_of: datetime) -> Iterator[Row]:
    """A registration that led to no deal: another company's name, submitted in the same weeks as a real one."""
    deal, salt = seen.deal, (world.seed, 68, seen.deal.number)
    customer = world.customer(1 + mix(*salt) % world.customer_count)
    submitted = deal.created_at - timedelta(hours=mix(*salt, 1) % 200)
    decided: datetime | None = submitted + timedelta(days=1 + mix(*salt, 2) % 12)
    status = ("declined", "declined", "expired")[mix(*salt, 3) % 3]
    if decided is not None and decided > as_of:
        status, decided = "submitted", None
    yield (
        f"DR-{deal.number}",
        member.source_id,
        _user_id(member.partner.index, 1 + mix(*salt, 4) % member.users),
        None,
        customer.name,
        f"{customer.name} - {deal.product}",
        status,
        "unknown",
        "Registered",
        Decimal(abs(deal.cents)).scaleb(-2),
        deal.currency,
        "partner",
        submitted,
        decided,
        submitted + timedelta(days=180),
        submitted.date() + timedelta(days=90),
        None,
        None,
        decided or submitted,
    )


def _never_in_the_crm(as_of: datetime) -> Iterator[Row]:
    for place in range(14):
        submitted = _at(date(2025, 12, 1) + timedelta(days=place * 20), 69, place)
        if submitted > _end(as_of):
            return
        yield (
            f"DR-{_PRM_ONLY_INDEX}-{place:02d}",
            f"PRM-{_PRM_ONLY_INDEX}",
            None,
            None,
            f"Cliente {place + 1:02d}",
            f"Cliente {place + 1:02d} - Scheduling",
            "submitted",
            "open",
            "Registered",
            Decimal(12_000 + 1_750 * place).quantize(Decimal("0.01")),
            "EUR",
            "partner",
            submitted,
            None,
            submitted + timedelta(days=180),
            submitted.date() + timedelta(days=90),
            None,
            None,
            submitted,
        )


# ------------------------------------------------------------ training and portal use


def _training_records(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        chance = _chance(world, "training", member)
        for place in range(1, member.users + 1):
            number = 0
            for name, kind, enrolled, completed, expires in _trainings(world, chance, member):
                number += 1
                if enrolled > _end(as_of):
                    continue
                is_done = completed is not None and completed <= _end(as_of)
                has_expired = is_done and expires is not None and expires <= as_of
                yield (
                    f"TR-{member.partner.index:06d}-{place:02d}-{number:02d}",
                    member.source_id,
                    _user_id(member.partner.index, place),
                    _user_email(world, member.partner, place),
                    name,
                    kind,
                    "expired" if has_expired else "completed" if is_done else "in_progress",
                    100 if is_done else 20 + mix(world.seed, 70, member.partner.index, place, number) % 70,
                    enrolled,
                    completed if is_done else None,
                    expires if is_done else None,
                    expires if has_expired else completed if is_done else enrolled,
                )


_Training = tuple[str, str, datetime, datetime | None, datetime | None]


def _trainings(world: World, chance: random.Random, member: Member) -> Iterator[_Training]:
    """One person's courses and certificates, oldest first."""
    partner = member.partner
    if partner.index == EXPIRED_TEAM:
        # The whole team took its certificate in one summer and nobody renewed it in the next.
        span = (_LAST_EXPIRY - _FIRST_EXPIRY).days
        expires = _at(_FIRST_EXPIRY + timedelta(days=chance.randrange(span + 1)), chance.getrandbits(32))
        completed = expires - timedelta(days=365)
        yield _CERTIFICATES[0][0], "certification", completed - timedelta(days=24), completed, expires
        return
    first = quarter_start(max(world.first_quarter - 2, quarter_number(partner.joined)))
    day = max(first, partner.joined) + timedelta(days=chance.randrange(200))
    diligence = 0.35 if partner.strength == 0 else min(0.55 + 0.04 * partner.strength, 0.85)
    if chance.random() < diligence:
        enrolled = _at(day, chance.getrandbits(32))
        is_finished = chance.random() < 0.85
        completed_course = enrolled + timedelta(days=chance.randrange(5, 40)) if is_finished else None
        yield chance.choice(_COURSES), "course", enrolled, completed_course, None
    if chance.random() < diligence * 0.8:
        name, valid = chance.choice(_CERTIFICATES)
        while day < quarter_end(LAST_QUARTER):
            enrolled = _at(day, chance.getrandbits(32))
            completed = enrolled + timedelta(days=chance.randrange(10, 50))
            expires = completed + timedelta(days=valid)
            yield name, "certification", enrolled, completed, expires
            if chance.random() > 0.82:
                return
            # Renewed a little before it runs out.
            day = expires.date() - timedelta(days=chance.randrange(25, 60))


def _activity_events(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        partner = member.partner
        chance = _chance(world, "activity", member)
        habit = 1.5 if partner.index in {FAMOUS_LOGO, STALLED} else chance.uniform(0.2, 2.6)
        number = 0
        for quarter in _quarters_of(world, partner):
            days = (quarter_end(quarter) - quarter_start(quarter)).days
            for _ in range(poisson(chance, habit * member.users)):
                number += 1
                day = quarter_start(quarter) + timedelta(days=chance.randrange(days + 1))
                place = chance.randrange(1, member.users + 1)
                event = chance.choice(("portal_login", "portal_login", "asset_view", "asset_download", "comment"))
                asset = chance.choice(_ASSETS)
                occurred = _at(day, chance.getrandbits(32))
                if occurred > _end(as_of) or day <= partner.joined:
                    continue
                is_about_asset = event in {"asset_view", "asset_download"}
                yield (
                    f"EV-{partner.index:06d}-{number:05d}",
                    member.source_id,
                    _user_id(partner.index, place),
                    _user_email(world, partner, place),
                    event,
                    "asset" if is_about_asset else None,
                    asset if is_about_asset else None,
                    occurred,
                )


# ------------------------------------------------------------ money, satisfaction, plans


@dataclass(frozen=True, slots=True)
class _Fund:
    """A request for marketing money and what became of it."""

    number: str
    partner: Partner
    member_id: str
    activity: str
    is_approved: bool
    requested: Decimal
    approved: Decimal
    submitted: datetime
    decided: datetime
    claim_share: float

    @property
    def start(self) -> date:
        return self.decided.date() + timedelta(days=20)

    @property
    def end(self) -> date:
        return self.start + timedelta(days=12)


def _funds(world: World, members: dict[int, Member]) -> Iterator[_Fund]:
    for member in members.values():
        partner = member.partner
        chance = _chance(world, "mdf", member)
        mean = 1.6 if partner.index == FAMOUS_LOGO else min(0.08 + 0.10 * partner.strength**0.5, 0.9)
        number = 0
        for quarter in _quarters_of(world, partner):
            for _ in range(poisson(chance, mean)):
                number += 1
                day = max(quarter_start(quarter) + timedelta(days=chance.randrange(85)), partner.joined)
                submitted = _at(day, chance.getrandbits(32))
                requested = Decimal(round(min(1500 * (1 + partner.strength) ** 0.5, 15_000) * chance.uniform(0.5, 1.8)))
                is_approved = partner.index == FAMOUS_LOGO or chance.random() < 0.78
                share = Decimal(chance.choice((60, 80, 100)))
                yield _Fund(
                    number=f"MDF-{partner.index:06d}-{number:03d}",
                    partner=partner,
                    member_id=member.source_id,
                    activity=chance.choice(("event", "webinar", "campaign", "content")),
                    is_approved=is_approved,
                    requested=requested.quantize(Decimal("0.01")),
                    approved=(requested * share / 100).quantize(Decimal("0.01")) if is_approved else Decimal("0.00"),
                    submitted=submitted,
                    decided=submitted + timedelta(days=chance.randrange(2, 15)),
                    claim_share=chance.choice((0.0, 0.8, 1.0, 1.0)),
                )


def _mdf_requests(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for fund in _funds(world, members):
        if fund.submitted > _end(as_of):
            continue
        is_decided = fund.decided <= as_of
        status = "submitted"
        if is_decided:
            is_over = fund.end <= as_of.date()
            status = ("completed" if is_over else "approved") if fund.is_approved else "declined"
        yield (
            fund.number,
            fund.member_id,
            f"Growth fund {fund.submitted.year}",
            fund.activity,
            status,
            fund.requested,
            fund.approved if is_decided else None,
            fund.partner.country.currency,
            fund.submitted,
            fund.decided if is_decided else None,
            fund.start if is_decided and fund.is_approved else None,
            fund.end if is_decided and fund.is_approved else None,
            fund.decided if is_decided else fund.submitted,
        )


def _mdf_claims(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for fund in _funds(world, members):
        claimed_at = _at(fund.end + timedelta(days=9), mix(71, fund.partner.index))
        paid_at = claimed_at + timedelta(days=30)
        if not fund.is_approved or fund.claim_share == 0.0 or claimed_at > _end(as_of):
            continue
        amount = (fund.approved * Decimal(str(fund.claim_share))).quantize(Decimal("0.01"))
        is_paid = paid_at <= as_of
        yield (
            fund.number.replace("MDF-", "CL-"),
            fund.number,
            fund.member_id,
            "paid" if is_paid else "submitted",
            amount,
            amount if is_paid else None,
            fund.partner.country.currency,
            claimed_at,
            paid_at if is_paid else None,
            paid_at if is_paid else claimed_at,
        )


def _csat_responses(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        partner = member.partner
        chance = _chance(world, "csat", member)
        mood = min(max(chance.gauss(4.0, 0.5), 1.5), 5.0)
        for quarter in _quarters_of(world, partner):
            answers, score = chance.random() < 0.35, round(min(max(chance.gauss(mood, 0.5), 1), 5))
            place = chance.randrange(1, member.users + 1)
            responded = _at(quarter_end(quarter) - timedelta(days=chance.randrange(30)), chance.getrandbits(32))
            if not answers or responded > _end(as_of) or responded.date() <= partner.joined:
                continue
            yield (
                f"CS-{partner.index:06d}-{quarter}",
                member.source_id,
                _user_email(world, partner, place),
                "Partner pulse",
                score,
                5,
                None,
                responded,
            )


def _business_plans(world: World, members: dict[int, Member], as_of: datetime) -> Iterator[Row]:
    for member in members.values():
        partner = member.partner
        if partner.strength < 5 and partner.index != FAMOUS_LOGO:
            continue
        chance = _chance(world, "plans", member)
        for quarter in _quarters_of(world, partner):
            is_yearly = quarter % 4 == 0
            is_reviewed = partner.strength >= 10 or partner.index == FAMOUS_LOGO
            target = Decimal(round(partner.won_per_quarter * partner.deal_size * chance.uniform(0.9, 1.3), -3))
            met = _at(quarter_start(quarter) + timedelta(days=chance.randrange(10, 50)), chance.getrandbits(32))
            if (not is_yearly and not is_reviewed) or met > _end(as_of) or met.date() < partner.joined:
                continue
            last = quarter + 3 if is_yearly else quarter
            is_over = quarter_end(last) <= last_closed_day(as_of)
            yield (
                f"BP-{partner.index:06d}-{quarter}",
                member.source_id,
                "business_plan" if is_yearly else "qbr",
                quarter_start(quarter),
                quarter_end(last),
                "completed" if is_over else "active",
                (target * (4 if is_yearly else 1)).quantize(Decimal("0.01")),
                None,
                "USD",
                met.date(),
                met,
            )


_TABLES: dict[str, Callable[[World, dict[int, Member], datetime], Iterator[Row]]] = {
    "partners": _partners,
    "partner_users": _partner_users,
    "deal_registrations": _deal_registrations,
    "training_records": _training_records,
    "activity_events": _activity_events,
    "mdf_requests": _mdf_requests,
    "mdf_claims": _mdf_claims,
    "csat_responses": _csat_responses,
    "business_plans": _business_plans,
}

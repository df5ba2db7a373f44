"""The world model: Ormwick Software, its partners, its customers and every deal, drawn from one seed.

Ormwick is invented. It sells planning software to companies through 120 partners, in three currencies, over 12 calendar
quarters that end with 2026Q3. What is *true* in that world is decided here; how a CRM, an account-mapping platform or a
PRM would write it down is decided by the writers beside (`salesforce_export`, `crm_export`, `mapping_export`,
`prm_export`).

How a partner comes about:

* **Strength** follows a bounded Pareto law. Strengths are spread evenly over the quantiles and then shuffled, so that
  every seed gives about the same concentration, though to other partners. A sixth of the roster is dormant.
* **Strength becomes deals** partly as more deals and partly as larger ones (`_COUNT_EXPONENT`, `_SIZE_EXPONENT`).
* **Momentum** is an AR(1) process per partner: a good quarter is followed by another more often than not.
* **Stories** (`STORIES`) replace the drawn traits of a few fixed partner numbers. They are what a reader should find.

Everything of one partner is drawn from a stream of its own, named by seed and partner number, so that what is changed
about one partner leaves the traits of all others alone. A world too large to be kept is drawn one partner at a time.

A moment matters twice: `deals()` tells what happened in the end, `seen_at()` what the CRM showed at a given moment.
Most deals only differ by being open then and closed now; a few were **revised** after the first export (`REVISIONS`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from demo.words import (
    COUNTRIES,
    COUNTRIES_OF_REGION,
    CUSTOMER_STEMS,
    CUSTOMER_WORDS,
    FAMILY_NAMES,
    GIVEN_NAMES,
    INDUSTRIES,
    PARTNER_WORDS,
    REGION_SLOTS,
    SLOTS_OF_REGION,
    Country,
    combination,
    slug,
)

COMPANY = "Ormwick Software"
DOMAIN = "ormwick.example"
PRODUCTS = ("Planning", "Forecasting", "Scheduling", "Supplier Portal")
DEFAULT_SEED = 20260930
DEFAULT_PARTNERS = 120
DEFAULT_QUARTERS = 12

# The two moments at which the sample company exports its systems. The second is the one to use when there is only one.
DROP_1 = datetime(2026, 7, 5, 6, 0, tzinfo=UTC)
DROP_2 = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)
EXPORTED_AT = DROP_2

REPORTING_CURRENCY = "USD"
# US dollars for one unit, from the first day of a half-year on. Invented, but of a believable size.
_RATES: tuple[tuple[date, Decimal, Decimal], ...] = (
    (date(2023, 1, 1), Decimal("1.0700"), Decimal("1.2300")),
    (date(2023, 7, 1), Decimal("1.0800"), Decimal("1.2500")),
    (date(2024, 1, 1), Decimal("1.0900"), Decimal("1.2700")),
    (date(2024, 7, 1), Decimal("1.0800"), Decimal("1.2900")),
    (date(2025, 1, 1), Decimal("1.0600"), Decimal("1.2600")),
    (date(2025, 7, 1), Decimal("1.1200"), Decimal("1.3300")),
    (date(2026, 1, 1), Decimal("1.1500"), Decimal("1.3400")),
    (date(2026, 7, 1), Decimal("1.1600"), Decimal("1.3500")),
)

# The accounts that Ormwick would most like to win: what `icp` in the deployment file says, repeated for the stories.
ICP_INDUSTRIES = frozenset({"Manufacturing", "Retail", "Logistics", "Food and Beverage"})
ICP_EMPLOYEES = 500

MOTIONS: dict[str, str] = {  # the word of the common model -> the CRM's picklist label
    "reseller": "Value Added Reseller",
    "si": "System Integrator",
    "msp": "Managed Service Provider",
    "tech_isv": "Technology Partner",
    "referral": "Referral Partner",
    "distributor": "Distributor",
}
_MOTION_SLOTS = (
    *("reseller",) * 8,
    *("si",) * 4,
    *("msp",) * 3,
    *("tech_isv",) * 2,
    *("referral",) * 2,
    "distributor",
)

SOURCED, INFLUENCED, FULFILLED = "sourced", "influenced", "fulfilled"

STAGES: dict[str, int] = {  # stage -> probability in per cent
    "Prospecting": 10,
    "Qualification": 25,
    "Needs Analysis": 40,
    "Proposal": 60,
    "Negotiation": 80,
    "Closed Won": 100,
    "Closed Lost": 0,
}
_OPEN_STAGES = tuple(STAGES)[:5]

# What may happen to a deal of the quarter before the first export, after that export.
REVISIONS = ("late_close", "late_partner", "restated_amount", "moved_quarter", "reversed", "deleted")
_REVISED_SHARE = 0.15

# Shape of the channel. Chosen by trying: they put the default company in the middle of the ranges that real channels
# show (the test of concentration holds them there for several seeds).
_PARETO_ALPHA = 1.15
_WEAKEST = 0.12
_STRONGEST = 75.0
_DORMANT_SHARE = 0.17
_COUNT_EXPONENT, _SIZE_EXPONENT = 0.35, 0.68
_WON_PER_QUARTER = 2.6
_DEAL_SIZE = 9_000.0
_MOMENTUM_KEPT, _MOMENTUM_SPREAD = 0.85, 0.40
_AMOUNT_SPREAD = 0.35
_SEASON = (0.92, 1.0, 0.94, 1.16)
_RAMP = (0.35, 0.6, 0.85)
_CUSTOMERS_PER_PARTNER = 24
_DIRECT_PER_PARTNER = 1.0

# A world of up to this many partners keeps its deals (some 100 each) between readings; a larger one draws them anew.
_KEPT_UP_TO = 2_000


# ------------------------------------------------------------ time


def quarter_number(day: date) -> int:
    """Quarters since year 0, so that consecutive quarters are consecutive integers."""
    return day.year * 4 + (day.month - 1) // 3


def quarter_start(number: int) -> date:
    return date(number // 4, number % 4 * 3 + 1, 1)


def quarter_end(number: int) -> date:
    return quarter_start(number + 1) - timedelta(days=1)


def quarter_name(number: int) -> str:
    return f"{number // 4}Q{number % 4 + 1}"


LAST_QUARTER = quarter_number(date(2026, 9, 30))


def last_closed_day(as_of: datetime) -> date:
    """Deals close up to the end of the quarter before `as_of`; the first days of the next bring none yet."""
    return quarter_end(quarter_number(as_of.date()) - 1)


def exchange_rates() -> Iterator[tuple[str, date, Decimal]]:
    """(currency, valid from, US dollars for one unit), oldest first."""
    for valid_from, euro, pound in _RATES:
        yield "EUR", valid_from, euro
        yield "GBP", valid_from, pound
        yield "USD", valid_from, Decimal("1.0000")


def rate(currency: str, day: date) -> Decimal:
    """US dollars for one unit of `currency` on `day`."""
    if currency == "USD":
        return Decimal("1.0000")
    _, euro, pound = next(row for row in reversed(_RATES) if row[0] <= day)
    return {"EUR": euro, "GBP": pound}[currency]


# ------------------------------------------------------------ chance


def mix(*parts: int) -> int:
    """A 64-bit number that looks random and depends on nothing but its parts (splitmix64, chained).

    For traits that must be found again without walking a stream, such as those of the thousandth customer.
    """
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & 0xFFFFFFFFFFFFFFFF)) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state


def share_of(*parts: int) -> float:
    """`mix` as a fraction in [0, 1)."""
    return (mix(*parts) >> 11) / (1 << 53)


def poisson(chance: random.Random, mean: float) -> int:
    """Knuth's way; means stay below 60 here, where it is exact enough and quick."""
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@lru_cache(maxsize=100_000)
def salesforce_id(prefix: str, number: int) -> str:
    """An 18-character record id: type, organisation, number in base 62, and the vendor's three check characters."""
    digits = ""
    rest = number
    for _ in range(9):
        rest, place = divmod(rest, 62)
        digits = _BASE62[place] + digits
    body = f"{prefix}Ow0{digits}"
    return body + _check_letter(body[:5]) + _check_letter(body[5:10]) + _check_letter(body[10:])


@lru_cache(maxsize=100_000)
def _check_letter(five: str) -> str:
    """One letter that says which of five characters are capitals, for readers that ignore case."""
    return _CHECK[sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")]


# ------------------------------------------------------------ stories


@dataclass(frozen=True, slots=True)
class Story:
    """A planted partner. `strength` None means that the story, not a draw, decides what the partner produces."""

    key: str
    number: int
    name: str
    country: str
    motion: str
    employees: int
    strength: float
    industry: str = "Technology"
    website: str = ""


STORIES: dict[int, Story] = {
    story.number: story
    for story in (
        Story("famous_logo", 3, "Aurelian Crown Group", "DE", "si", 212_000, 0.0),
        Story("stalled", 5, "Tanaka Reyes Systems", "US", "reseller", 1_450, 62.0),
        Story("lucky_deal", 11, "Pemberwick & Daughters", "US", "referral", 14, 0.75),
        Story("duplicate", 14, "Lindqvist & Okafor Consulting AB", "SE", "si", 320, 7.0),
        Story("hidden_potential", 17, "Mbeki Sørensen Advisory", "GB", "reseller", 95, 1.3),
        Story("pseudo_partner", 20, "Direct", "US", "reseller", 0, 0.0),
        Story("expired_team", 23, "Castellane Rao Engineering", "FR", "si", 410, 6.5),
        Story("crm_only", 27, "Old Harbour Computing", "IE", "reseller", 38, 3.2),
        Story("other_domain", 37, "Novotná Bridge Informatics", "PL", "si", 130, 2.1),
        Story("counts_only", 29, "Vasquez Holt Networks", "US", "msp", 260, 4.2),
        Story(
            "duplicate_again", 31, "Lindqvist and Okafor Consulting", "SE", "si", 320, 7.0,
            website="http://lindqvist-okafor-consulting.example/se",
        ),
    )
}  # fmt: skip
_DUPLICATE_DOMAIN = "lindqvist-okafor-consulting.example"
FAMOUS_LOGO, STALLED, LUCKY_DEAL, DUPLICATE, HIDDEN_POTENTIAL = 3, 5, 11, 14, 17
PSEUDO_PARTNER, EXPIRED_TEAM, CRM_ONLY, COUNTS_ONLY, DUPLICATE_AGAIN, OTHER_DOMAIN = 20, 23, 27, 29, 31, 37

_LUCKY_CREATED = datetime(2026, 5, 12, 13, 20, tzinfo=UTC)
_LUCKY_CLOSED = date(2026, 8, 27)
_LUCKY_AMOUNT = 960_000_00
# The stall covers the last two quarters.
_STALL_FROM = quarter_start(LAST_QUARTER - 1)
# Share of the one company's deals that stand on its first record; the rest went to the second.
_DUPLICATE_SPLIT = {DUPLICATE: 0.6, DUPLICATE_AGAIN: 0.4}


# ------------------------------------------------------------ people and companies


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    given_name: str
    family_name: str

    @property
    def user_id(self) -> str:
        return salesforce_id("005", self.number)

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        return f"{slug(self.given_name)}.{slug(self.family_name)}@{DOMAIN}"


PARTNER_MANAGERS: tuple[Person, ...] = (
    Person(11, "Ngozi", "Brandt"),
    Person(12, "Søren", "Iyer"),
    Person(13, "Paloma", "Whitfield"),
    Person(14, "Kenji", "Abadi"),
)
SELLERS: tuple[Person, ...] = (
    Person(21, "Odette", "Mwangi"),
    Person(22, "Rui", "Falk"),
    Person(23, "Shirin", "Costa"),
    Person(24, "Tobias", "Achebe"),
    Person(25, "Lakshmi", "Novak"),
    Person(26, "Emeka", "Laurent"),
)


@dataclass(frozen=True, slots=True)
class Partner:
    """One partner account of the CRM (the roster counts records, so the duplicate stands twice)."""

    index: int
    name: str
    domain: str
    website: str
    country: Country
    industry: str
    motion: str
    employees: int
    joined: date
    left: date | None
    strength: float
    won_per_quarter: float
    deal_size: float
    win_rate: float
    manager: Person
    story: str = ""

    @property
    def number(self) -> str:
        return f"P-{self.index:04d}"

    @property
    def account_id(self) -> str:
        return salesforce_id("001", self.index)

    @property
    def region(self) -> str:
        return self.country.region

    @property
    def is_pseudo(self) -> bool:
        return self.story == "pseudo_partner"


# Customers' record ids start here, far above any partner's.
_FIRST_CUSTOMER_ID = 10_000_000


@dataclass(frozen=True, slots=True)
class Customer:
    """A company that buys or might buy."""

    index: int
    name: str
    domain: str
    country: Country
    industry: str
    employees: int
    created: date
    parent: int | None

    @property
    def number(self) -> str:
        return f"C-{self.index:06d}"

    @property
    def account_id(self) -> str:
        return customer_account_id(self.index)

    @property
    def is_icp(self) -> bool:
        return self.industry in ICP_INDUSTRIES and self.employees >= ICP_EMPLOYEES


def customer_account_id(index: int) -> str:
    return salesforce_id("001", _FIRST_CUSTOMER_ID + index)


@dataclass(frozen=True, slots=True)
class Credit:
    """A partner's part in a deal."""

    partner: int
    role: str
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as it went in the end, but for its revision: fields are those before it."""

    number: int
    customer: int
    seller: Person
    product: str
    is_expansion: bool
    is_credit_note: bool
    lead_source: str
    credits: tuple[Credit, ...]
    created_at: datetime
    close_date: date
    is_won: bool
    cents: int
    currency: str
    revision: str = ""
    revised_at: datetime | None = None

    @property
    def opportunity_id(self) -> str:
        return salesforce_id("006", self.number)


@dataclass(frozen=True, slots=True)
class SeenDeal:
    """A deal as the CRM shows it at one moment."""

    deal: Deal
    stage: str
    is_closed: bool
    is_won: bool
    cents: int
    close_date: date
    credits: tuple[Credit, ...]
    is_deleted: bool
    modified_at: datetime

    @property
    def amount(self) -> Decimal:
        return Decimal(self.cents).scaleb(-2)


# ------------------------------------------------------------ the world


class World:
    """Ormwick's channel for one seed. Cheap to make: everything is drawn when first asked for."""

    def __init__(
        self, seed: int = DEFAULT_SEED, partners: int = DEFAULT_PARTNERS, quarters: int = DEFAULT_QUARTERS
    ) -> None:
        if partners < 1:
            raise ValueError(f"partners: {partners} given, at least 1 needed")
        if not 1 <= quarters <= 60:
            raise ValueError(f"quarters: {quarters} given, 1 to 60 can be told")
        self.seed = seed
        self.partner_count = partners
        self.quarters = quarters
        self.first_quarter = LAST_QUARTER - quarters + 1
        # A multiple of the region slots, so that every region has the same number of customers per slot.
        self.customer_count = 20 * max(10, partners * _CUSTOMERS_PER_PARTNER // 20)
        self._strengths = self._draw_strengths()
        self.customer = lru_cache(maxsize=100_000)(self._customer)
        self._influencers: list[int] | None = None
        self._kept: tuple[Deal, ...] | None = None
        self._kept_seen: dict[datetime, tuple[SeenDeal, ...]] = {}

    # ---- companies

    def _draw_strengths(self) -> list[float]:
        chance = random.Random(f"{self.seed}/strengths")
        ranks = list(range(self.partner_count))
        chance.shuffle(ranks)
        dormant = round(self.partner_count * _DORMANT_SHARE)
        strengths = []
        for rank in ranks:
            if rank < dormant:
                strengths.append(0.0)
                continue
            quantile = (rank - dormant + 0.5) / (self.partner_count - dormant)
            # A Pareto law alone crowds its lower end; the factor spreads the small partners too.
            spread = _WEAKEST + (1.0 - _WEAKEST) * quantile
            strengths.append(min(spread * (1.0 - quantile) ** (-1.0 / _PARETO_ALPHA), _STRONGEST))
        return strengths

    def partners(self) -> Iterator[Partner]:
        for index in range(1, self.partner_count + 1):
            yield self.partner(index)

    def partner(self, index: int) -> Partner:
        chance = random.Random(f"{self.seed}/partner/{index}")
        region = REGION_SLOTS[chance.randrange(20)]
        country = COUNTRIES[chance.choice(COUNTRIES_OF_REGION[region])]
        family, word, spare = combination(
            FAMILY_NAMES, len(PARTNER_WORDS), index - 1, mix(self.seed, 1) % len(FAMILY_NAMES)
        )
        short_name = " ".join(part for part in (family, spare, PARTNER_WORDS[word]) if part)
        name = f"{short_name} {country.legal_form}"
        motion = chance.choice(_MOTION_SLOTS)
        industry = chance.choice(INDUSTRIES)
        # Head count says little about production, in this world as in real channels.
        employees = int(8 * 10 ** (chance.random() * 2.6))
        strength = self._strengths[index - 1]
        is_newcomer, is_leaver = chance.random() < 0.18, chance.random() < 0.05
        joined = quarter_start(self.first_quarter) - timedelta(days=chance.randrange(120, 2200))
        newcomer_day = quarter_start(self.first_quarter + chance.randrange(max(1, self.quarters - 1)))
        newcomer_day += timedelta(days=chance.randrange(20))
        leaving = quarter_end(self.first_quarter + chance.randrange(max(1, self.quarters - 1)))
        win_rate = min(max(chance.gauss(0.40, 0.09), 0.20), 0.65)
        # A few dormant partners close something once in a while; most never.
        trickle = 0.06 if chance.random() < 0.3 else 0.0
        manager = PARTNER_MANAGERS[chance.randrange(len(PARTNER_MANAGERS))]

        story = STORIES.get(index)
        if story is not None:
            name, short_name, country = story.name, story.name, COUNTRIES[story.country]
            motion, employees, industry, strength = story.motion, story.employees, story.industry, story.strength
            is_newcomer = is_leaver = False
            trickle = 0.0
        domain = f"{slug(short_name)}.example"
        website = f"https://www.{domain}"
        if index in _DUPLICATE_SPLIT:
            domain = _DUPLICATE_DOMAIN
            website = story.website if story is not None and story.website else f"https://www.{domain}"
        if index == PSEUDO_PARTNER:
            website = domain = ""
        won = _WON_PER_QUARTER * strength**_COUNT_EXPONENT if strength > 0 else trickle
        return Partner(
            index=index,
            name=name,
            domain=domain,
            website=website,
            country=country,
            industry=industry,
            motion=motion,
            employees=employees,
            joined=newcomer_day if is_newcomer and strength < 20 else joined,
            left=leaving if is_leaver and not is_newcomer and strength < 20 else None,
            strength=strength,
            won_per_quarter=won * _DUPLICATE_SPLIT.get(index, 1.0),
            deal_size=_DEAL_SIZE * max(strength, _WEAKEST) ** _SIZE_EXPONENT,
            win_rate=win_rate,
            manager=manager,
            story=story.key if story is not None else "",
        )

    def customers(self) -> Iterator[Customer]:
        for index in range(1, self.customer_count + 1):
            yield self.customer(index)

    def _customer(self, index: int) -> Customer:
        region = REGION_SLOTS[index % 20]
        markets = COUNTRIES_OF_REGION[region]
        country = COUNTRIES[markets[mix(self.seed, 2, index) % len(markets)]]
        words = sum((CUSTOMER_WORDS[industry] for industry in INDUSTRIES), ())
        stem, word, spare = combination(CUSTOMER_STEMS, len(words), index - 1, mix(self.seed, 3) % len(CUSTOMER_STEMS))
        name = " ".join(part for part in (stem, spare, words[word]) if part)
        oldest = quarter_start(self.first_quarter) - timedelta(days=1500)
        parent = None
        # Some customers belong to another one: always one with a lower index, so that parents form no circle.
        if index > 40 and share_of(self.seed, 4, index) < 0.05:
            parent = 1 + mix(self.seed, 5, index) % (index - 1)
        return Customer(
            index=index,
            name=name,
            domain=f"{slug(name)}.example",
            country=country,
            industry=INDUSTRIES[word // 5],
            employees=int(30 * 10 ** (3 * share_of(self.seed, 6, index))),
            created=oldest + timedelta(days=mix(self.seed, 7, index) % 1200),
            parent=parent,
        )

    def _pick_customer(self, chance: random.Random, region: str, home: int, reach: float) -> int:
        """A customer near `home`, in the region nine times out of ten: partners sell again to those they know."""
        if chance.random() < 0.1:
            region = REGION_SLOTS[chance.randrange(20)]
        slot = chance.choice(SLOTS_OF_REGION[region])
        per_slot = self.customer_count // 20
        place = (home + int(chance.expovariate(1.0 / reach))) % per_slot
        # Slots are counted by index % 20 and indexes start at 1.
        return place * 20 + (slot if slot > 0 else 20)

    # ---- deals

    def deals(self) -> Iterator[Deal]:
        """Every deal of the world, the partners' in the order of their numbers, then the direct ones."""
        if self.partner_count > _KEPT_UP_TO:
            return self._drawn_deals()
        if self._kept is None:
            self._kept = tuple(self._drawn_deals())
        return iter(self._kept)

    def _drawn_deals(self) -> Iterator[Deal]:
        for partner in self.partners():
            yield from self._partner_deals(partner)
        yield from self._direct_deals()

    def deals_seen_at(self, as_of: datetime = EXPORTED_AT) -> Iterator[SeenDeal]:
        """The deals as the CRM showed them at `as_of`, in the order of `deals`."""
        seen = (found for deal in self.deals() if (found := seen_at(deal, as_of)) is not None)
        if self.partner_count > _KEPT_UP_TO:
            return seen
        if as_of not in self._kept_seen:
            self._kept_seen[as_of] = tuple(seen)
        return iter(self._kept_seen[as_of])

    def _influencer(self, chance: random.Random, besides: int) -> int | None:
        """A partner who helps on somebody else's deal. Planted partners never do: their story would blur."""
        if self._influencers is None:
            self._influencers = [
                partner.index
                for partner in self.partners()
                if partner.motion in {"si", "tech_isv", "msp"}
                and not partner.story
                and partner.strength > 0
                and partner.left is None
            ]
        if not self._influencers:
            return None
        index = chance.choice(self._influencers)
        return index if index != besides else None

    def _partner_deals(self, partner: Partner) -> Iterator[Deal]:
        chance = random.Random(f"{self.seed}/deals/{partner.index}")
        home = chance.randrange(self.customer_count // 20)
        known_customers: set[int] = set()
        momentum = chance.gauss(0.0, _MOMENTUM_SPREAD)
        shock = _MOMENTUM_SPREAD * math.sqrt(1.0 - _MOMENTUM_KEPT**2)
        joined_quarter = quarter_number(partner.joined)
        count = 0
        # Two quarters early, so that the first quarter told has deals to close.
        for quarter in range(self.first_quarter - 2, LAST_QUARTER + 1):
            momentum = _MOMENTUM_KEPT * momentum + chance.gauss(0.0, shock)
            if quarter < joined_quarter or (partner.left is not None and quarter > quarter_number(partner.left)):
                continue
            age = quarter - joined_quarter
            ramp = _RAMP[age] if age < len(_RAMP) else 1.0
            created = partner.won_per_quarter / partner.win_rate * math.exp(momentum - _MOMENTUM_SPREAD**2 / 2)
            if partner.index == FAMOUS_LOGO:
                created = 1.3
            for _ in range(poisson(chance, min(created * ramp * _SEASON[quarter % 4], 55.0))):
                count += 1
                deal = self._partner_deal(chance, partner, quarter, count, home, known_customers)
                if deal is None:
                    continue
                yield deal
                credit_note = self._credit_note(deal, partner)
                if credit_note is not None:
                    yield credit_note
        if partner.index == LUCKY_DEAL:
            yield self._lucky_deal(partner, home)

    def _partner_deal(
        self,
        chance: random.Random,
        partner: Partner,
        quarter: int,
        count: int,
        home: int,
        known_customers: set[int],
    ) -> Deal | None:
        first_day = max(quarter_start(quarter), partner.joined + timedelta(days=1))
        created_at = _moment(chance, first_day, (quarter_end(quarter) - first_day).days)
        close_date = created_at.date() + timedelta(days=_cycle_days(chance, partner.deal_size))
        customer = self.customer(
            self._pick_customer(chance, partner.region, home, reach=1.0 + 0.5 * partner.won_per_quarter)
        )
        is_won = chance.random() < partner.win_rate
        usd = partner.deal_size * math.exp(chance.gauss(0.0, _AMOUNT_SPREAD))
        seller = SELLERS[chance.randrange(len(SELLERS))]
        product = chance.choice(PRODUCTS)
        credits = [Credit(partner.index, SOURCED, True)]
        if not partner.story or partner.index == DUPLICATE:
            credits += self._helpers(chance, partner.index)
        if partner.index == FAMOUS_LOGO:
            is_won = False
        if partner.index == STALLED and close_date >= _STALL_FROM and is_won:
            # What would have been won is lost now, or pushed out of sight.
            if chance.random() < 0.45:
                is_won = False
            else:
                close_date = max(close_date + timedelta(days=120), quarter_end(LAST_QUARTER) + timedelta(days=30))
        if close_date < quarter_start(self.first_quarter):
            return None
        is_expansion = customer.index in known_customers
        if is_won:
            known_customers.add(customer.index)
        deal = Deal(
            number=partner.index * 100_000 + count,
            customer=customer.index,
            seller=seller,
            product=product,
            is_expansion=is_expansion,
            is_credit_note=False,
            lead_source="Partner",
            credits=tuple(credits),
            created_at=created_at,
            close_date=close_date,
            is_won=is_won,
            cents=_price(usd, customer.country.currency, close_date),
            currency=customer.country.currency,
        )
        return deal if partner.story else self._revised(deal)

    def _helpers(self, chance: random.Random, besides: int) -> list[Credit]:
        helpers: list[Credit] = []
        draw = chance.random()
        if draw < 0.17:
            first = self._influencer(chance, besides)
            if first is not None:
                helpers.append(Credit(first, INFLUENCED, False))
            if draw < 0.03:
                second = self._influencer(chance, besides)
                if second is not None and second != first:
                    helpers.append(Credit(second, FULFILLED, False))
        return helpers

    def _revised(self, deal: Deal) -> Deal:
        """Some deals won in the quarter before the first export look different in the second."""
        if not deal.is_won or quarter_number(deal.close_date) != LAST_QUARTER - 1:
            return deal
        if share_of(self.seed, 8, deal.number) >= _REVISED_SHARE:
            return deal
        revision = REVISIONS[mix(self.seed, 9, deal.number) % len(REVISIONS)]
        days, hours = 3 + mix(self.seed, 10, deal.number) % 70, mix(self.seed, 11, deal.number) % 10
        return replace(deal, revision=revision, revised_at=DROP_1 + timedelta(days=days, hours=hours))

    def _credit_note(self, deal: Deal, partner: Partner) -> Deal | None:
        """Now and then a part of a won deal is given back: a negative deal of its own, as some CRMs keep it."""
        if not deal.is_won or deal.revision or partner.strength < 3 or partner.story:
            return None
        if share_of(self.seed, 12, deal.number) >= 0.006:
            return None
        day = deal.close_date + timedelta(days=30 + mix(self.seed, 13, deal.number) % 50)
        if day > quarter_end(LAST_QUARTER):
            return None
        cents = -(deal.cents * (10 + mix(self.seed, 14, deal.number) % 20) // 100)
        return replace(
            deal,
            number=deal.number + 50_000,
            is_credit_note=True,
            created_at=datetime.combine(day, time(9, 30), tzinfo=UTC),
            close_date=day,
            cents=cents,
        )

    def _lucky_deal(self, partner: Partner, home: int) -> Deal:
        customer = self.customer(home * 20 + SLOTS_OF_REGION[partner.region][1])
        return Deal(
            number=partner.index * 100_000 + 49_999,
            customer=customer.index,
            seller=SELLERS[0],
            product="Planning",
            is_expansion=False,
            is_credit_note=False,
            lead_source="Partner",
            credits=(Credit(partner.index, SOURCED, True),),
            created_at=_LUCKY_CREATED,
            close_date=_LUCKY_CLOSED,
            is_won=True,
            cents=_LUCKY_AMOUNT,
            currency="USD",
        )

    def _direct_deals(self) -> Iterator[Deal]:
        """Deals that Ormwick found itself. A partner helped with some; about half name 'Direct' as partner."""
        chance = random.Random(f"{self.seed}/direct")
        count = 0
        per_quarter = max(1, round(self.partner_count * _DIRECT_PER_PARTNER))
        for quarter in range(self.first_quarter - 2, LAST_QUARTER + 1):
            for _ in range(per_quarter):
                count += 1
                region = REGION_SLOTS[chance.randrange(20)]
                customer = self.customer(
                    self._pick_customer(chance, region, chance.randrange(self.customer_count // 20), reach=2.0)
                )
                first_day = quarter_start(quarter)
                created_at = _moment(chance, first_day, (quarter_end(quarter) - first_day).days)
                size = 15_000.0 * math.exp(chance.gauss(0.0, 0.8))
                close_date = created_at.date() + timedelta(days=_cycle_days(chance, size))
                is_won = chance.random() < 0.30
                credits: tuple[Credit, ...] = ()
                draw = chance.random()
                helper = self._influencer(chance, 0)
                if draw < 0.12 and helper is not None:
                    credits = (Credit(helper, INFLUENCED, True),)
                elif draw < 0.60 and self.partner_count >= PSEUDO_PARTNER:
                    credits = (Credit(PSEUDO_PARTNER, SOURCED, True),)
                seller = SELLERS[chance.randrange(len(SELLERS))]
                product = chance.choice(PRODUCTS)
                lead_source = chance.choice(("Web", "Event", "Outbound", "Customer Referral"))
                is_expansion = chance.random() < 0.3
                if close_date < quarter_start(self.first_quarter):
                    continue
                yield Deal(
                    number=count,
                    customer=customer.index,
                    seller=seller,
                    product=product,
                    is_expansion=is_expansion,
                    is_credit_note=False,
                    lead_source=lead_source,
                    credits=credits,
                    created_at=created_at,
                    close_date=close_date,
                    is_won=is_won,
                    cents=_price(size, customer.country.currency, close_date),
                    currency=customer.country.currency,
                )


def _moment(chance: random.Random, first_day: date, days: int) -> datetime:
    """A working hour on one of the days."""
    day = first_day + timedelta(days=chance.randrange(max(days, 0) + 1))
    clock = time(chance.randrange(7, 18), chance.randrange(60), chance.randrange(60))
    return datetime.combine(day, clock, tzinfo=UTC)


def _cycle_days(chance: random.Random, deal_size: float) -> int:
    """Days from creation to decision: about two months, longer for larger deals."""
    middle = 52.0 * (deal_size / 15_000.0) ** 0.12
    return min(max(int(middle * math.exp(chance.gauss(0.0, 0.45))), 5), 260)


def _price(usd: float, currency: str, day: date) -> int:
    """Cents in the deal's currency; lists end in 5, discounts are what makes the rest odd."""
    units = usd / float(rate(currency, min(day, quarter_end(LAST_QUARTER))))
    return max(round(units * 20) * 5, 25_000)


def seen_at(deal: Deal, as_of: datetime) -> SeenDeal | None:
    """The deal as the CRM showed it at `as_of`; None when it did not exist yet."""
    if deal.created_at > as_of:
        return None
    is_revised = deal.revised_at is not None and deal.revised_at <= as_of
    close_date, is_won, cents, credits = deal.close_date, deal.is_won, deal.cents, deal.credits
    if is_revised:
        if deal.revision == "restated_amount":
            cents = cents * (70 + mix(deal.number) % 25) // 100
        elif deal.revision == "moved_quarter":
            close_date = quarter_start(LAST_QUARTER) + timedelta(days=1 + mix(deal.number) % 6)
        elif deal.revision == "reversed":
            is_won = False
    elif deal.revision == "late_partner":
        credits = ()
    if deal.close_date > last_closed_day(as_of) or (deal.revision == "late_close" and not is_revised):
        return _seen_open(deal, as_of)
    touched = datetime.combine(
        deal.close_date + timedelta(days=mix(deal.number, 1) % 4),
        time(8 + mix(deal.number, 2) % 10, mix(deal.number, 3) % 60),
        tzinfo=UTC,
    )
    modified_at = deal.revised_at if is_revised and deal.revised_at is not None else min(touched, as_of)
    return SeenDeal(
        deal=deal,
        stage="Closed Won" if is_won else "Closed Lost",
        is_closed=True,
        is_won=is_won,
        cents=cents,
        close_date=close_date,
        credits=credits,
        is_deleted=is_revised and deal.revision == "deleted",
        modified_at=max(modified_at, deal.created_at),
    )


def _seen_open(deal: Deal, as_of: datetime) -> SeenDeal:
    """An open deal. Its date is a plan: ahead of us, except for one that was closed in time and written down late."""
    today = as_of.date()
    age = (today - deal.created_at.date()).days
    whole = max((deal.close_date - deal.created_at.date()).days, 1)
    close_date = deal.close_date
    stage = _OPEN_STAGES[min(int(5 * age / whole), 4)]
    if deal.revision != "late_close":
        close_date = max(deal.close_date + timedelta(days=mix(deal.number, 4) % 21), today + timedelta(days=4))
    since = max((as_of - deal.created_at).total_seconds(), 0.0)
    modified_at = deal.created_at + timedelta(seconds=int(since * share_of(deal.number, 5)))
    return SeenDeal(
        deal=deal,
        stage=stage,
        is_closed=False,
        is_won=False,
        cents=deal.cents,
        close_date=close_date,
        credits=deal.credits,
        is_deleted=False,
        modified_at=modified_at,
    )


def person_at(seed: int, *parts: int) -> tuple[str, str]:
    """A given and a family name for somebody at a partner."""
    return (
        GIVEN_NAMES[mix(seed, 20, *parts) % len(GIVEN_NAMES)],
        FAMILY_NAMES[mix(seed, 21, *parts) % len(FAMILY_NAMES)],
    )

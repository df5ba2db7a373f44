"""The word lists that names are put together from, and the countries they stand in.

Only lists and the two functions that combine them; who gets which name is decided in `demo.company`. All companies are
invented, and every domain ends in `.example`, which is reserved and belongs to nobody.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """A country as the CRM writes it, with the currency its deals are signed in."""

    code: str
    name: str
    city: str
    region: str
    currency: str
    legal_form: str


COUNTRIES: dict[str, Country] = {
    country.code: country
    for country in (
        Country("US", "United States", "Columbus", "North America", "USD", "Inc."),
        Country("CA", "Canada", "Halifax", "North America", "USD", "Ltd."),
        Country("GB", "United Kingdom", "Leeds", "Europe", "GBP", "Ltd"),
        Country("IE", "Ireland", "Cork", "Europe", "EUR", "Ltd"),
        Country("DE", "Germany", "Bremen", "Europe", "EUR", "GmbH"),
        Country("FR", "France", "Nantes", "Europe", "EUR", "SAS"),
        Country("NL", "Netherlands", "Utrecht", "Europe", "EUR", "B.V."),
        Country("ES", "Spain", "Zaragoza", "Europe", "EUR", "S.L."),
        Country("IT", "Italy", "Torino", "Europe", "EUR", "S.r.l."),
        Country("SE", "Sweden", "Göteborg", "Europe", "EUR", "AB"),
        Country("PL", "Poland", "Łódź", "Europe", "EUR", "Sp. z o.o."),
        Country("AU", "Australia", "Adelaide", "Asia Pacific", "USD", "Pty Ltd"),
        Country("SG", "Singapore", "Singapore", "Asia Pacific", "USD", "Pte. Ltd."),
        Country("JP", "Japan", "Nagoya", "Asia Pacific", "USD", "KK"),
        Country("IN", "India", "Pune", "Asia Pacific", "USD", "Pvt. Ltd."),
        Country("BR", "Brazil", "Curitiba", "Latin America", "USD", "Ltda."),
        Country("MX", "Mexico", "Puebla", "Latin America", "USD", "S.A. de C.V."),
        Country("ZA", "South Africa", "Durban", "Middle East and Africa", "USD", "(Pty) Ltd"),
        Country("KE", "Kenya", "Mombasa", "Middle East and Africa", "USD", "Ltd"),
        Country("AE", "United Arab Emirates", "Sharjah", "Middle East and Africa", "USD", "LLC"),
    )
}

# Twenty slots, so that slot = index % 20 gives both the share of a region and the way to find its accounts again.
REGION_SLOTS: tuple[str, ...] = (
    ("North America",) * 7
    + ("Europe",) * 7
    + ("Asia Pacific",) * 3
    + ("Latin America",) * 2
    + ("Middle East and Africa",)
)
SLOTS_OF_REGION: dict[str, tuple[int, ...]] = {
    region: tuple(slot for slot, name in enumerate(REGION_SLOTS) if name == region) for region in set(REGION_SLOTS)
}
# The larger markets stand more than once.
COUNTRIES_OF_REGION: dict[str, tuple[str, ...]] = {
    "North America": ("US", "US", "US", "US", "CA"),
    "Europe": ("GB", "GB", "GB", "DE", "DE", "FR", "FR", "NL", "ES", "IT", "SE", "IE", "PL"),
    "Asia Pacific": ("AU", "AU", "SG", "JP", "IN"),
    "Latin America": ("BR", "BR", "MX"),
    "Middle East and Africa": ("ZA", "KE", "AE"),
}

INDUSTRIES: tuple[str, ...] = (
    "Manufacturing", "Retail", "Logistics", "Food and Beverage", "Healthcare",
    "Energy", "Financial Services", "Public Sector", "Technology", "Education",
)  # fmt: skip

FAMILY_NAMES: tuple[str, ...] = (
    "Adeyemi", "Aguirre", "Almasi", "Andersson", "Appiah", "Arslan", "Baptista", "Barzani", "Bergström", "Bhandari",
    "Bianchi", "Boateng", "Brouwer", "Castañeda", "Chaudhry", "Chevalier", "Chikwanha", "Cohen", "Dąbrowski",
    "Delacroix", "Dimitrov", "Dlamini", "Durand", "Echeverría", "Eriksen", "Fagbemi", "Farahani", "Ferreira",
    "Fujimoto", "Galvão", "García", "Giordano", "Gutiérrez", "Haddad", "Halvorsen", "Hashimoto", "Hernández",
    "Ibrahim", "Ivanova", "Jansen", "Jayawardena", "Kamau", "Kapoor", "Kowalczyk", "Kruger", "Larsson", "Mahlangu",
    "Marchetti", "McAllister", "Mensah", "Moreau", "Mukherjee", "Müller", "Nakamura", "Nguyen", "Njoroge", "Nowak",
    "O'Donnell", "Oliveira", "Osei", "Pettersson", "Quispe", "Rahman", "Rossi", "Saito", "Şahin", "Schröder",
    "Sithole", "Takahashi", "Tavares", "Van Dijk", "Wójcik", "Yilmaz", "Zhang", "Zielińska",
)  # fmt: skip

GIVEN_NAMES: tuple[str, ...] = (
    "Aiko", "Amara", "Anil", "Astrid", "Beatriz", "Bongani", "Camille", "Chidi", "Dalia", "Dmitri", "Elif", "Esteban",
    "Fatima", "Femke", "Giulia", "Goran", "Hana", "Hugo", "Imani", "Ingrid", "Jakub", "Jamila", "Kavya", "Kwame",
    "Leila",
    "Lucas", "Mei", "Mateo", "Nadia", "Niamh", "Olga", "Omar", "Priya", "Rafael", "Ruth", "Sanjay", "Sofia", "Tariq",
    "Thandi", "Uche", "Valeria", "Wei", "Yara", "Yusuf", "Zanele", "Zofia",
)  # fmt: skip

PARTNER_WORDS: tuple[str, ...] = (
    "Advisory", "Analytics", "Automation", "Cloudworks", "Consulting", "Data Services", "Digital", "Engineering",
    "Enterprise Systems", "Group", "Industrial IT", "Informatics", "Integration", "Logic", "Managed Services",
    "Networks",
    "Operations", "Partners", "Platforms", "Process Design", "Software House", "Solutions", "Supply Systems",
    "Technologies", "Transformation", "Workflows",
)  # fmt: skip

CUSTOMER_STEMS: tuple[str, ...] = (
    "Alder", "Amberfield", "Arrowmoor", "Ashgrove", "Balmere", "Birchholt", "Blackwater", "Bluestem", "Bramwell",
    "Brookhaven", "Calderon", "Cedarline", "Clearwell", "Copperas", "Corvale", "Cranmoor", "Dawnridge", "Deepwell",
    "Eastmarch", "Elmsworth", "Emberly", "Fairhollow", "Fernleigh", "Foxglade", "Glenrush", "Goldmere", "Granitepoint",
    "Greyhaven", "Harrowgate", "Hawkstone", "Heatherby", "Highmoor", "Ironbrook", "Juniper Vale", "Kestrel",
    "Kingsmead",
    "Lakemont", "Larkspur", "Limestone", "Longacre", "Maplewick", "Marshfield", "Millrace", "Northlea", "Oakenshaw",
    "Orchard Bay", "Pebbleford", "Pinecrest", "Quarry Hill", "Ravensdale", "Redwillow", "Riverbend", "Rowanbank",
    "Saltmere", "Sandhurst Bay", "Silverbeck", "Stonebridge", "Summerlea", "Thistledown", "Thornbury", "Umberland",
    "Valewood", "Westerby", "Whitcombe", "Windmere", "Yarrowfield",
)  # fmt: skip

CUSTOMER_WORDS: dict[str, tuple[str, ...]] = {
    "Manufacturing": ("Components", "Machine Works", "Castings", "Instruments", "Plastics"),
    "Retail": ("Stores", "Outfitters", "Home", "Markets", "Department Stores"),
    "Logistics": ("Freight", "Haulage", "Forwarding", "Parcel", "Cold Chain"),
    "Food and Beverage": ("Foods", "Dairy", "Brewing", "Bakeries", "Produce"),
    "Healthcare": ("Clinics", "Hospitals", "Diagnostics", "Pharmacies", "Care"),
    "Energy": ("Power", "Renewables", "Grid", "Heat Networks", "Fuels"),
    "Financial Services": ("Bank", "Insurance", "Mutual", "Leasing", "Credit Union"),
    "Public Sector": ("Council", "Transit Authority", "Port Authority", "Utilities Board", "Housing Trust"),
    "Technology": ("Devices", "Semiconductors", "Interactive", "Robotics", "Telecom"),
    "Education": ("University", "College", "Schools Trust", "Academy", "Institute"),
}

SPARE_WORDS: tuple[str, ...] = (
    "Aurora", "Basalt", "Cobalt", "Delta", "Ember", "Fjord", "Garnet", "Harbour", "Indigo", "Jasper", "Karst", "Lagoon",
    "Mesa", "Nimbus", "Onyx", "Prairie", "Quartz", "Ridge", "Savanna", "Tundra", "Umbra", "Vertex", "Willow", "Xenia",
    "Yonder", "Zenith",
)  # fmt: skip

# Prime, and a factor of no list length here, so that walking through the combinations by it meets each exactly once.
_STRIDE = 1_237


def combination(first: tuple[str, ...], second_size: int, index: int, offset: int) -> tuple[str, int, str]:
    """The index-th of all pairs (a word, a position), in a scattered order; a third word once all pairs are used up."""
    pairs = len(first) * second_size
    lap, place = divmod(index, pairs)
    place = (place * _STRIDE + offset) % pairs
    spare = ""
    while lap > 0:
        lap, which = divmod(lap - 1, len(SPARE_WORDS))
        spare = f"{SPARE_WORDS[which]} {spare}".strip()
    return first[place % len(first)], place // len(first), spare


_LETTERS_WITHOUT_ACCENT_FORM = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "ı": "i", "đ": "d"})


def slug(name: str) -> str:
    """A name as it stands in a domain: lower case, no accents, hyphens between words."""
    plain = unicodedata.normalize("NFKD", name.lower()).translate(_LETTERS_WITHOUT_ACCENT_FORM)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

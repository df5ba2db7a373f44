"""What a name comes to before it is compared: legal forms, letters, remarks, second names, countries."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.identity_evaluation import Record
from tests.identity.conftest import Answer, Rules

WORDS = {
    "Ostermann GmbH": "ostermann",
    "Ostermann GmbH & Co. KG": "ostermann",
    "OSTERMANN G.m.b.H.": "ostermann",
    "Haverkamp Trading Co., Ltd.": "haverkamp trading",
    "Wierzba Sp. z o.o.": "wierzba",
    "Nopal S. de R.L. de C.V.": "nopal",
    "ООО Ромашка": "romashka",
    "OOO Romashka": "romashka",
    "Νέα Σελήνη Α.Ε.": "nea selini",
    "株式会社Minato": "minato",
    "Minato K.K.": "minato",
    "Ahlqvist & Söner AB": "ahlqvist soner",
    "Ahlqvist och Söner": "ahlqvist soner",
    "Ahlqvist &amp; Soner": "ahlqvist soner",
    "Dubois et Fils S.à r.l.": "dubois fils",
    "O'Mara's Data": "omaras data",
    "MÃ¼llerhof GmbH": "mullerhof",
    "M&uuml;llerhof": "mullerhof",
    "Åkerlund AB": "akerlund",
    "Merlot Uždaroji akcinė bendrovė": "merlot",
    "Three Merlots": "3 merlots",
    "I.B.X. Systems, Inc.": "ibx systems",
    "Merlot (EMEA)": "merlot",
    "Merlot - old": "merlot",
    "Merlot Ltd - DO NOT USE": "merlot",
    "DO NOT USE - Merlot": "merlot",
    "Merlot [inactive 2023]": "merlot",
    "Merlot (formerly Shiraz Ltd)": "merlot",
    "Merlot Ltd t/a Shiraz": "merlot",
    "Merlot Ltd (via Shiraz Distribution)": "merlot",
    "Merlot (now Shiraz)": "merlot",
    "Merlot (ex-Shiraz)": "merlot",
    "Merlot vorm. Shiraz": "merlot",
    "Merlot - vorm Shiraz": "merlot",
    "Merlot, c/o Shiraz": "merlot",
    # Words that give a second name elsewhere, and here are the name.
    "Right Now Ltd": "right now",
    "Buy Now Pay Later": "buy now pay later",
    "Best Buy Via Roma": "best buy via roma",
    "Stern Gia Studio": "stern gia studio",
    "Blick Vorm Berg": "blick vorm berg",
    "Studio T A Merlot": "studio t a merlot",
    "Studio C O Merlot": "studio c o merlot",
    # Letters that are `and` elsewhere.
    "Vitamin E Studio": "vitamin e studio",
    "Generation Y": "generation y",
    "Plan I Bau": "plan i bau",
    "Merlot (North)": "merlot north",
    "Limited": "limited",
    "(old)": "old",
}


@pytest.fixture(scope="module")
def named(rules: Rules) -> Answer:
    return rules([Record("crm", str(place), name) for place, name in enumerate(WORDS)])


@pytest.mark.parametrize("name", WORDS)
def test_a_name_comes_to_its_words(named: Answer, name: str) -> None:
    assert named.words[f"crm/{list(WORDS).index(name)}"] == WORDS[name]


def test_a_stated_second_name_is_kept_beside_the_first(named: Answer) -> None:
    place = {name: f"crm/{number}" for number, name in enumerate(WORDS)}
    said = ["(formerly Shiraz Ltd)", "Ltd t/a Shiraz", "(now Shiraz)", "(ex-Shiraz)", "vorm. Shiraz", "- vorm Shiraz"]
    assert named.second == {place[f"Merlot {one}"]: "shiraz" for one in said}


@pytest.fixture(scope="module")
def placed(rules: Rules) -> Answer:
    said = [
        "DE",
        "deu",
        "Germany",
        "Deutschland",
        "ALLEMAGNE",
        "U.S.A.",
        "United States of America",
        "Côte d'Ivoire",
        "?",
    ]
    records = [Record("crm", one, f"Partner {place}", country=one) for place, one in enumerate(said)]
    return rules([*records, Record("crm", "named", "Partner Nine (Germany)"), Record("crm", "it", "Partner Ten (IT)")])


def test_a_country_is_known_by_codes_and_names(placed: Answer) -> None:
    assert placed.countries == {
        **dict.fromkeys(["crm/DE", "crm/deu", "crm/Germany", "crm/Deutschland", "crm/ALLEMAGNE", "crm/named"], "DE"),
        **dict.fromkeys(["crm/U.S.A.", "crm/United States of America"], "US"),
        "crm/Côte d'Ivoire": "CI",
        "crm/?": None,
        "crm/it": None,
    }


_FORMS = ["", " GmbH", " Inc.", " S.A. de C.V.", " (EMEA)", " - old"]
_TEXT = st.text(st.sampled_from("abcdefgäöüßéñøłжщяλκ&'.-/ 0123"), min_size=4, max_size=14)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_TEXT, st.sampled_from(_FORMS)), min_size=30, max_size=30))
def test_what_a_name_comes_to_comes_to_itself(rules: Rules, parts: list[tuple[str, str]]) -> None:
    names = [f"Core {text} Rim{form}" for text, form in parts]
    once = rules([Record("crm", str(place), name) for place, name in enumerate(names)]).words
    twice = rules([Record("crm", key.partition("/")[2], words) for key, words in once.items()]).words
    assert len(once) == len(names)
    assert twice == once

"""Which records the rules link, which they put to a person, and that neither depends on the order of anything."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.identity_evaluation import Record
from tests.identity.conftest import KINDS, Answer, Rules

ROSTER = [
    Record("crm", "wren", "Wrenbury GmbH", None, "DE"),
    Record("prm", "wren", "WRENBURY", "wrenbury.example", "Germany"),
    Record("account_mapping", "wren", "Wrenbury", "wrenbury.example", None),
    # The same name without a country, in two countries, twice in one.
    Record("crm", "tern", "Ternfield", None, "FR"),
    Record("prm", "tern", "Ternfield", None, None),
    Record("crm", "gull", "Gullhaven", None, "IE"),
    Record("prm", "gull", "Gullhaven", None, "GB"),
    Record("crm", "lark", "Larkholm", None, "DK"),
    Record("crm", "lark-two", "Larkholm ApS", None, "DK"),
    Record("prm", "lark", "Larkholm", None, "DK"),
    # One domain: a new name, a subsidiary, two countries, a group, a mail provider, a marketplace.
    Record("crm", "rook", "Rookwell", "rookwell.example", "SE"),
    Record("prm", "rook", "Tannvik", "www.rookwell.example", "Sweden"),
    Record("crm", "heron", "Heronsgate", "heronsgate.example", "NL"),
    Record("prm", "heron", "Heronsgate Leasing", "heronsgate.example", "NL"),
    Record("crm", "finch", "Finchley Data", "finchley.example", "US"),
    Record("prm", "finch", "Finchley Data", "finchley.example", "CA"),
    Record("crm", "stork", "Storkwood Print", "storkwood.example", "BE"),
    Record("crm", "stork-two", "Storkwood Freight", "storkwood.example", "BE"),
    Record("prm", "stork", "Oakmere", "storkwood.example", "BE"),
    Record("crm", "crane", "Cranebrook", "gmail.com", "AT"),
    Record("prm", "crane", "Vossberg", "GMAIL.com", "AT"),
    Record("crm", "ibis", "Ibisfeld", "appsource.microsoft.com/ibisfeld", "CH"),
    Record("prm", "ibis", "Quellmatt", "appsource.microsoft.com/quellmatt", "CH"),
    # One name in one country: on two unlike domains, of common words, with another legal form.
    Record("crm", "kite", "Kitesworth", "kitesworth.example", "NO"),
    Record("prm", "kite", "Kitesworth", "fjordlys.example", "NO"),
    Record("crm", "data", "Data Systems", None, "PL"),
    Record("prm", "data", "Data Systems", None, "PL"),
    Record("crm", "plover", "Ploverdale AG", None, "LI"),
    Record("prm", "plover", "Ploverdale GmbH", None, "LI"),
    # One domain and a long beginning: two places, two funds, two trades.
    Record("crm", "teal", "Tealbourne North", "tealbourne.example", "GB"),
    Record("prm", "teal", "Tealbourne South", "tealbourne.example", "GB"),
    Record("crm", "fund", "Auktal Fund I", "auktal.example", "LU"),
    Record("prm", "fund", "Auktal Fund II", "auktal.example", "LU"),
    Record("crm", "dove", "Dovecliff Fund B", "dovecliff.example", "LU"),
    Record("prm", "dove", "Dovecliff Fund V", "dovecliff.example", "LU"),
    Record("crm", "egg", "Plovercroft Systems", "plovercroft.example", "GB"),
    Record("prm", "egg", "Plovercroft Services", "plovercroft.example", "GB"),
    # One name on two domains that share its word; on two that are one but for the ending.
    Record("crm", "merc", "Mercurius Systems", "mercurius-plumbing.example", "US"),
    Record("prm", "merc", "Mercurius Systems", "mercurius-it.example", "US"),
    # One domain that is called like neither: a house that both sit in; the house and a tenant. A service company.
    Record("crm", "bunting", "Buntingstein", "technikpark-west.example", "DE"),
    Record("prm", "bunting", "Seeadler", "technikpark-west.example", "DE"),
    Record("crm", "godwit", "Godwit Tech Park", "godwitpark.example", "GB"),
    Record("prm", "godwit", "Quayside Robotics", "godwitpark.example", "GB"),
    Record("crm", "snipe", "Snipefield", "snipefield.example", "GB"),
    Record("prm", "snipe", "Snipefield Services", "snipefield.example", "GB"),
    # Domains that differ in a hyphen and the ending.
    Record("crm", "whimbrel", "Whimbrel Lake", "whimbrel-lake.example", "US"),
    Record("prm", "whimbrel", "Whimbrel Lake", "whimbrellake.test", "US"),
    # An umlaut written out, one left bare; two names of which one looks like the other with an umlaut written out.
    Record("crm", "muller", "Müllerhof", None, "DE"),
    Record("prm", "muller", "Muellerhof", None, "DE"),
    Record("crm", "bolkow", "Bölkow Technik", None, "DE"),
    Record("prm", "bolkow", "Bolkow Technik", None, "DE"),
    Record("crm", "bauer", "Bauer Netzwerke", None, "DE"),
    Record("prm", "bauer", "Baur Netzwerke", None, "DE"),
    # A new name that says the old one, on a new domain; the company beside its association.
    Record("crm", "ouzel", "Ouzelby", "ouzelby.example", "IS"),
    Record("prm", "ouzel", "Lumenvik (formerly Ouzelby)", "lumenvik.example", "IS"),
    Record("crm", "quail", "Wachtelheim e.V.", None, "DE"),
    Record("prm", "quail", "Wachtelheim GmbH", None, "DE"),
    # A word cut short, letters lost, another order of letters at the beginning.
    Record("crm", "crake", "Corncrake Telecomunicaciones", None, "CO"),
    Record("prm", "crake", "Corncrake Telec.", None, "CO"),
    Record("crm", "hoopoe", "Hoopoe & Hobby Consulting", None, "GB"),
    Record("prm", "hoopoe", "H & H Consulting", None, "GB"),
    Record("crm", "shrike", "Shrikeholm Instruments", None, "FI"),
    Record("prm", "shrike", "Srhikeholm Instruments", None, "FI"),
    Record("crm", "smew", "Smewhurst", "smewhurst.example", "GB"),
    Record("prm", "smew", "Smewhurst", "smewhurst.test", "GB"),
    # Domains that nobody has: a placeholder and an address of digits.
    Record("crm", "dodo", "Dodomere", "example.com", "PT"),
    Record("prm", "dodo", "Kestrelby", "example.com", "PT"),
    Record("crm", "auk", "Aukenrode", "http://192.168.4.7/", "HU"),
    Record("prm", "auk", "Buntingen", "10.20.4.7", "HU"),
    # A domain where the other has a name alone; a slip of the pen; an account id.
    Record("crm", "swift", "Swiftmoor", "swiftmoor.example", "FI"),
    Record("account_mapping", "swift", "Swiftmoor Oy", "swiftmoor.example", None),
    Record("crm", "egret", "Egretholm Netzwerke", None, "DE"),
    Record("prm", "egret", "Egretholm Netzwreke", None, "DE"),
    Record("crm", "knot", "Knotley", "knotley.example", "MX"),
    Record("prm", "knot", "Something Else", "else.example", "MX", crm_account_id="knot"),
]

LINKED = {
    ("crm/wren", "prm/wren"): "name_and_country",
    ("crm/wren", "account_mapping/wren"): "domain",
    ("crm/rook", "prm/rook"): "domain",
    ("crm/swift", "account_mapping/swift"): "domain",
    ("crm/knot", "prm/knot"): "crm_account_id",
    ("crm/smew", "prm/smew"): "name_and_country",
    ("crm/muller", "prm/muller"): "name_and_country",
    ("crm/bolkow", "prm/bolkow"): "name_and_country",
    ("crm/ouzel", "prm/ouzel"): "name_and_country",
}
QUEUED = [
    ("crm/tern", "prm/tern"),
    ("crm/gull", "prm/gull"),
    ("crm/lark", "prm/lark"),
    ("crm/lark-two", "prm/lark"),
    ("crm/lark", "crm/lark-two"),
    ("crm/heron", "prm/heron"),
    ("crm/finch", "prm/finch"),
    ("crm/stork", "prm/stork"),
    ("crm/kite", "prm/kite"),
    ("crm/data", "prm/data"),
    ("crm/plover", "prm/plover"),
    ("crm/egret", "prm/egret"),
    ("crm/teal", "prm/teal"),
    ("crm/fund", "prm/fund"),
    ("crm/dove", "prm/dove"),
    ("crm/egg", "prm/egg"),
    ("crm/merc", "prm/merc"),
    ("crm/bunting", "prm/bunting"),
    ("crm/godwit", "prm/godwit"),
    ("crm/snipe", "prm/snipe"),
    ("crm/whimbrel", "prm/whimbrel"),
    ("crm/bauer", "prm/bauer"),
    ("crm/quail", "prm/quail"),
    ("crm/crake", "prm/crake"),
    ("crm/hoopoe", "prm/hoopoe"),
    ("crm/shrike", "prm/shrike"),
]
APART = [("crm/dodo", "prm/dodo"), ("crm/auk", "prm/auk"), ("crm/crane", "prm/crane"), ("crm/ibis", "prm/ibis")]


@pytest.fixture(scope="module")
def roster(rules: Rules) -> Answer:
    return rules(ROSTER)


@pytest.mark.parametrize("pair", LINKED)
def test_these_are_one_partner_by_this_rule(roster: Answer, pair: tuple[str, str]) -> None:
    assert roster.are_one(*pair)
    assert roster.rules[pair[1]] == LINKED[pair]
    assert roster.rules[pair[0]] == "own"


@pytest.mark.parametrize("pair", QUEUED)
def test_these_are_put_to_a_person(roster: Answer, pair: tuple[str, str]) -> None:
    assert not roster.are_one(*pair)
    assert roster.is_queued(*pair)


@pytest.mark.parametrize("pair", APART)
def test_these_have_nothing_to_do_with_each_other(roster: Answer, pair: tuple[str, str]) -> None:
    assert not roster.are_one(*pair)
    assert not roster.is_queued(*pair)


def test_a_similarity_is_a_share_and_that_of_one_name_is_1(roster: Answer) -> None:
    assert all(0 < similarity <= 1 for _, similarity in roster.queue.values())
    assert roster.queue[frozenset(("crm/tern", "prm/tern"))] == ("same_name", 1)


def test_nothing_links_two_records_of_one_system(roster: Answer) -> None:
    for cluster in roster.clusters:
        systems = [key.partition("/")[0] for key in cluster]
        assert len(systems) == len(set(systems)), cluster


def test_the_crosswalk_links_what_the_rules_would_not_and_parts_what_they_would(rules: Rules) -> None:
    crosswalk = [
        ("prm", "heron", "heron"),
        ("prm", "wren", "itself"),
        ("prm", "knot", "itself"),
        ("prm", "tern", "crm/tern"),
        ("crm", "lark-two", "crm/lark"),
    ]
    found = rules(ROSTER, crosswalk=crosswalk)
    assert found.are_one("crm/heron", "prm/heron")
    assert found.are_one("crm/tern", "prm/tern")
    assert found.are_one("crm/lark", "crm/lark-two")
    # Two slips put right: the name now stands once in either system.
    assert found.are_one("crm/lark", "prm/lark")
    for key in ("prm/wren", "prm/knot"):
        assert found.rules[key] == "crosswalk"
        assert [cluster for cluster in found.clusters if key in cluster] == [{key}]
        assert not any(key in pair for pair in found.queue)
    assert not found.are_one("crm/wren", "account_mapping/wren"), "what hung on the parted record hangs on nobody else"


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(ROSTER), st.permutations(list(KINDS)))
def test_the_order_of_rows_and_systems_links_nothing_else(
    rules: Rules, roster: Answer, rows: list[Record], systems: list[str]
) -> None:
    found = rules(rows, kinds={name: KINDS[name] for name in systems})
    assert found.clusters == roster.clusters
    assert found.queue == roster.queue


def test_what_links_one_way_links_the_other_way_round(rules: Rules, roster: Answer) -> None:
    """The CRM's records as the portal's and the other way round; account ids lead one way only."""
    swap = {"crm": "prm", "prm": "crm"}
    turned = [
        Record(swap.get(one.source, one.source), one.source_id, one.name, one.domain, one.country)
        for one in ROSTER
        if one.source_id != "knot"
    ]
    found = rules(turned)
    back = {
        frozenset("/".join((swap.get(k.split("/")[0], k.split("/")[0]), k.split("/")[1])) for k in c)
        for c in found.clusters
    }
    assert back == {cluster for cluster in roster.clusters if not any("knot" in key for key in cluster)}


def test_two_names_on_two_resellers_each_are_never_linked(rules: Rules, adventureworks_rows: Path) -> None:
    with (adventureworks_rows / "Account.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    standing: dict[str, list[str]] = {}
    for row in rows:
        standing.setdefault(row["Name"].strip().lower(), []).append(row["Id"])
    twice = {name: ids for name, ids in standing.items() if len(ids) > 1}
    assert [len(ids) for ids in twice.values()] == [2, 2]
    records = [Record("crm", row["Id"], row["Name"], None, row["BillingCountryCode"]) for row in rows]
    portal = [
        Record("prm", row["AccountNumber"], row["Name"].upper(), None, row["BillingCountry"])
        for row in rows
        if row["Name"].strip().lower() in twice or row["AccountNumber"].endswith("7")
    ]
    found = rules([*records, *portal])
    linked = {key for cluster in found.clusters if len(cluster) > 1 for key in cluster}
    assert len(linked) > 50
    for ids in twice.values():
        mine = {f"crm/{one}" for one in ids} | {f"prm/{row['AccountNumber']}" for row in rows if row["Id"] in ids}
        countries = {found.countries[key] for key in mine}
        if len(countries) == 1:
            assert not mine & linked
        for one in ids:
            for other in ids:
                assert one == other or not found.are_one(f"crm/{one}", f"crm/{other}")

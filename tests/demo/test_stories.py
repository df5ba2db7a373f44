"""Each planted story can be found in the files, by what a reader would look at. `docs/sample-company.md` tells them."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from demo.channel import Channel, read_channel, rows
from demo.company import STORIES, World, salesforce_id
from demo.mapping_export import MAPPING_ONLY_DOMAIN, mapping_partner_id
from demo.prm_export import PRM_ONLY_DOMAIN

ROOT = Path(__file__).parents[2]
DAYS = ("2026-07-05", "2026-10-05")


@pytest.fixture(scope="module")
def channel(export: Path) -> Channel:
    return read_channel(export)


def produced(channel: Channel, partner: int) -> list[float]:
    account = salesforce_id("001", partner)
    return [channel.won.get((account, quarter), 0.0) for quarter in channel.quarters]


def place_in_the_last_year(channel: Channel, partner: int) -> int:
    """1 for the partner with the highest production of the last four quarters."""
    mine = sum(produced(channel, partner)[-4:])
    return 1 + sum(total > mine for total in channel.totals(4))


def story(key: str) -> int:
    return next(number for number, told in STORIES.items() if told.key == key)


def test_the_famous_logo_is_among_the_three_met_most_and_produces_nothing(
    export: Path, company: Path, channel: Channel
) -> None:
    partner = story("famous_logo")
    assert sum(produced(channel, partner)) == 0
    account = salesforce_id("001", partner)
    credits = {r["OpportunityId"] for r in rows(export / "OpportunityPartner.csv") if r["AccountToId"] == account}
    tried = [row for row in rows(export / "Opportunity.csv") if row["Id"] in credits]
    assert tried and not any(row["IsWon"] == "true" for row in tried)
    minutes: Counter[str] = Counter()
    for row in rows(company / "crm" / DAYS[1] / "meetings.csv"):
        if row["started_at"] >= "2025-10":
            minutes[row["account_id"]] += int(row["minutes"])
    assert account in dict(minutes.most_common(3))
    approved: Counter[str] = Counter()
    for row in rows(company / "prm" / DAYS[1] / "mdf_requests.csv"):
        approved[row["partner_id"]] += row["status"] in {"approved", "completed"}
    assert approved.most_common(1)[0][0] == f"PRM-{partner:06d}"


def test_the_stalled_partner_was_near_the_top_and_won_nothing_for_two_quarters(channel: Channel) -> None:
    by_quarter = produced(channel, story("stalled"))
    assert all(amount > 400_000 for amount in by_quarter[:-2])
    assert by_quarter[-2:] == [0, 0]
    assert place_in_the_last_year(channel, story("stalled")) <= 6


def test_the_lucky_partner_is_among_the_first_by_one_deal(export: Path, channel: Channel) -> None:
    by_quarter = produced(channel, story("lucky_deal"))
    assert max(by_quarter[:-1]) < 100_000 and by_quarter[-1] > 900_000
    assert place_in_the_last_year(channel, story("lucky_deal")) <= 12
    largest = max(
        rows(export / "Opportunity.csv"), key=lambda row: float(row["Amount"]) * (row["Amount"] == "960000.00")
    )
    assert largest["CloseDate"] == "2026-08-27" and largest["IsWon"] == "true"


def test_the_duplicate_company_produces_on_both_of_its_records(export: Path, channel: Channel) -> None:
    first, second = story("duplicate"), story("duplicate_again")
    by_number = {row["AccountNumber"]: row for row in rows(export / "Account.csv")}
    one, two = by_number[f"P-{first:04d}"], by_number[f"P-{second:04d}"]
    assert "lindqvist-okafor-consulting.example" in one["Website"]
    assert "lindqvist-okafor-consulting.example" in two["Website"]
    assert one["BillingCountryCode"] == two["BillingCountryCode"] and one["Name"] != two["Name"]
    assert sum(produced(channel, first)[-4:]) > 0 and sum(produced(channel, second)[-4:]) > 0


def test_the_pseudo_partner_would_be_a_top_partner_if_it_were_one(export: Path, channel: Channel) -> None:
    account = salesforce_id("001", story("pseudo_partner"))
    theirs = {r["OpportunityId"] for r in rows(export / "OpportunityPartner.csv") if r["AccountToId"] == account}
    won = [float(r["Amount"]) for r in rows(export / "Opportunity.csv") if r["Id"] in theirs and r["IsWon"] == "true"]
    assert len(won) > 50 and sum(won) > sorted(channel.totals())[-10]


def test_no_partner_has_a_namesake_domain_but_the_duplicate() -> None:
    shared: dict[str, list[str]] = defaultdict(list)
    for partner in World().partners():
        shared[partner.domain].append(partner.number)
    assert [numbers for numbers in shared.values() if len(numbers) > 1] == [["P-0014", "P-0031"]]


def icp_overlaps(company: Path, day: str) -> Counter[str]:
    icp = {customer.account_id for customer in World().customers() if customer.is_icp}
    overlaps = rows(company / "account_mapping" / day / "account_overlaps.csv")
    pairs = {(row["partner_id"], row["own_account_id"]) for row in overlaps if row["own_account_id"] in icp}
    return Counter(partner for partner, _ in pairs)


def test_the_hidden_potential_overlaps_most_is_mid_sized_and_nobody_meets_it(company: Path, channel: Channel) -> None:
    partner = story("hidden_potential")
    (first, most), (_, next_most) = icp_overlaps(company, DAYS[1]).most_common(2)
    assert first == mapping_partner_id(partner) and most > 2 * next_most
    assert 20 <= place_in_the_last_year(channel, partner) <= 60
    met = {row["account_id"] for row in rows(company / "crm" / DAYS[1] / "meetings.csv")}
    assert salesforce_id("001", partner) not in met


def test_the_counts_only_partner_has_counts_and_no_account(company: Path) -> None:
    partner = mapping_partner_id(story("counts_only"))
    for day in DAYS:
        folder = company / "account_mapping" / day
        assert partner not in {row["partner_id"] for row in rows(folder / "account_overlaps.csv")}
        counts = [int(row["count"]) for row in rows(folder / "overlap_counts.csv") if row["partner_id"] == partner]
        assert sum(counts) > 30
        levels = {row["source_id"]: row["sharing_level"] for row in rows(folder / "partners.csv")}
        assert levels[partner] == "counts_only"
        # Who shares nothing has neither rows nor counts: unknown, not none.
        silent = {source_id for source_id, level in levels.items() if level == "none"}
        heard = {
            row["partner_id"] for name in ("account_overlaps", "overlap_counts") for row in rows(folder / f"{name}.csv")
        }
        assert silent and not silent & heard


def test_the_expired_team_held_nine_certificates_in_july_and_none_in_october(company: Path) -> None:
    member = f"PRM-{story('expired_team'):06d}"
    valid = []
    for day in DAYS:
        records = [r for r in rows(company / "prm" / day / "training_records.csv") if r["partner_id"] == member]
        valid.append({r["user_id"] for r in records if r["status"] == "completed" and r["expires_at"][:10] > day})
    assert [len(people) for people in valid] == [9, 0]


def test_three_companies_are_known_to_one_system_only(company: Path) -> None:
    accounts = rows(company / "crm" / DAYS[1] / "accounts.csv")
    mapped = rows(company / "account_mapping" / DAYS[1] / "partners.csv")
    members = rows(company / "prm" / DAYS[1] / "partners.csv")
    domains = [{row["domain"] for row in table} for table in (accounts, mapped, members)]
    crm_only = World().partner(story("crm_only")).domain
    assert [crm_only in known for known in domains] == [True, False, False]
    assert [MAPPING_ONLY_DOMAIN in known for known in domains] == [False, True, False]
    assert [PRM_ONLY_DOMAIN in known for known in domains] == [False, False, True]
    registered = [
        r for r in rows(company / "prm" / DAYS[1] / "deal_registrations.csv") if "90000002" in r["partner_id"]
    ]
    assert len(registered) > 10 and not any(row["crm_opportunity_id"] for row in registered)


def test_one_partner_stands_under_another_domain_on_the_mapping_platform(company: Path) -> None:
    partner = World().partner(story("other_domain"))
    mapped = {row["source_id"]: row for row in rows(company / "account_mapping" / DAYS[1] / "partners.csv")}
    row = mapped[mapping_partner_id(partner.index)]
    assert row["name"] == partner.name and row["domain"] != partner.domain


def test_the_document_names_every_planted_partner() -> None:
    told = (ROOT / "docs" / "sample-company.md").read_text(encoding="utf-8")
    for planted in STORIES.values():
        assert planted.name in told, planted.key
        assert f"P-{planted.number:04d}" in told, planted.key
    assert "Saltmarsh Robotics" in told and "Ibarra Cloud Works" in told

"""The published programmes give what their publishers, and whoever recomputed their examples, say."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.conformance import Judged, Report, conform
from tests.conformance.conftest import REFERENCE, Said


@pytest.fixture(scope="module")
def report() -> Report:
    return conform(REFERENCE)


def found(report: Report, policy: str, case: str) -> list[Judged]:
    return [one for one in report.judged if (one.case.policy, one.case.id) == (policy, case)]


def test_every_case_passes_but_the_one_its_page_contradicts(report: Report) -> None:
    assert {(one.case.policy, one.case.id): one.differences for one in report.judged if one.differences} == {
        ("microsoft-modern-work", "MS-43-printed"): (
            "points of small_deployments: expected 20, came 15 for small_deployment_points 15",
        )
    }
    assert [one.case.id for one in report.judged if one.case.disputed] == ["MS-43-printed"]


def test_no_programme_is_without_cases_and_no_line_is_left_out(report: Report) -> None:
    assert all(row.vectors for row in report.counted())
    written = 0
    for path in REFERENCE.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as handle:
            written += sum(bool(line) and not line[0].startswith("#") for line in csv.reader(handle)) - 1
    assert len(report.judged) == sum(row.vectors for row in report.counted()) == written


def test_every_case_says_where_it_comes_from_and_every_programme_who_published_it(report: Report) -> None:
    assert [one.case.id for one in report.judged if not one.case.provenance] == []
    assert [policy.key for policy in report.policies if not policy.document.source] == []


def test_the_certificates_of_three_people_lose_their_points_on_the_day_the_rule_changes(report: Report) -> None:
    before, after = found(report, "microsoft-security", "MS-64")
    assert (before.outcome.version, before.outcome.points["intermediate"].points) == ("2023-10", Decimal("6.67"))
    assert (after.outcome.version, after.outcome.points["intermediate"].points) == ("2023-12", 0)
    assert {x: after.outcome.values[x] for x in ("step_1_people", "step_2_people", "step_3_people")} == {
        x: before.outcome.values[x] for x in ("step_1_people", "step_2_people", "step_3_people")
    }


def test_a_partner_changes_tier_overnight_without_selling_anything(report: Report) -> None:
    before, after = found(report, "hubspot-solutions", "HS-8")
    assert before.outcome.values == after.outcome.values
    assert [one.outcome.levels["tier"].name(one.outcome.levels["tier"].held) for one in (before, after)] == [
        "none",
        "silver",
    ]


def test_an_enrolment_outlives_its_designation_until_the_anniversary(report: Report) -> None:
    actions = [
        one.outcome.levels["enrolment"].action for one in found(report, "microsoft-azure-infrastructure", "MS-28")
    ]
    assert actions == ["entered", "on_watch", "on_watch", "on_watch", "exited"]


def test_the_command_prints_a_row_per_version_and_the_disputed_case(conform_command: Callable[..., Said]) -> None:
    said = conform_command(REFERENCE)
    assert said.code == 0
    rows = [line.split() for line in said.text.splitlines()]
    assert ["microsoft-security", "2023-10", "2", "2", "0", "0"] in rows
    assert ["microsoft-modern-work", "2023-10", "9", "8", "1", "0"] in rows
    assert "expected 20, came 15" in said.words
    assert "contradicts itself" in said.words


def test_the_command_as_json(conform_command: Callable[..., Said], reference: Callable[..., Path]) -> None:
    said = conform_command(reference("quickbooks-proadvisor"), "--json")
    printed = json.loads(said.text)
    assert said.code == 0
    assert printed["conforms"] is True
    case = next(case for case in printed["cases"] if case["id"] == "IN-3")
    assert (case["total"], case["points"]["desktop_bundle"]) == ("275", "100")
    assert case["levels"]["tier"] == {"held": "gold", "earned": "gold", "action": "entered"}


def test_show_tells_what_came_of_one_case(conform_command: Callable[..., Said], reference: Callable[..., Path]) -> None:
    folder = reference("quickbooks-proadvisor")
    said = conform_command(folder, "--show", "in-3")
    assert said.code == 0
    assert "desktop_bundle 100 (desktop_bundles 2): capped at the maximum" in said.words
    assert "platinum: fails: total score at least 800 (275)" in said.words
    unknown = conform_command(folder, "--show", "IN-33")
    assert (unknown.code, "did you mean `IN-3`?" in unknown.words) == (3, True)


# --- a difference is found --------------------------------------------------------------------------------------


def test_a_wrong_number_in_a_case_is_found_and_told(
    conform_command: Callable[..., Said], reference: Callable[..., Path]
) -> None:
    folder = reference("quickbooks-proadvisor")
    cases = folder / "quickbooks-proadvisor.csv"
    cases.write_text(
        cases.read_text().replace(
            "IN-4,online_clients=10; online_certified=2,700", "IN-4,online_clients=10; online_certified=2,701"
        )
    )
    said = conform_command(folder)
    assert said.code == 4
    assert "failed quickbooks-proadvisor IN-4 (quickbooks-proadvisor.csv, line 5)" in said.words
    assert "total: expected 701, came 700: online 500 (online_clients 10)" in said.words
    assert "1 case of 9 differ" in said.words


def test_a_wrong_bar_in_a_programme_is_found_and_told(
    conform_command: Callable[..., Said], reference: Callable[..., Path]
) -> None:
    folder = reference("quickbooks-proadvisor")
    policy = folder / "quickbooks-proadvisor.yml"
    policy.write_text(policy.read_text().replace("at_least: 200}", "at_least: 201}"))
    said = conform_command(folder)
    assert said.code == 4
    assert "level of tier: expected gold, came silver; for gold missing: total score at least 201 (200)" in said.words
    assert conform_command(folder, "--json").code == 4


def test_a_level_that_is_too_good_is_told_with_what_holds(reference: Callable[..., Path]) -> None:
    folder = reference("odoo")
    cases = folder / "odoo.csv"
    cases.write_text(cases.read_text().replace("retention=0.79,,silver,retention,", "retention=0.79,,ready,,"))
    (failed,) = [one for one in conform(folder).judged if one.verdict == "failed"]
    assert failed.differences == (
        "level of level: expected ready, came silver; silver holds by net_new_users at least 75 (300), "
        "certified_employees at least 3 (6), retention at least 0.7 (0.79)",
    )


def test_a_disputed_difference_is_shown_and_fails_nothing(
    conform_command: Callable[..., Said], reference: Callable[..., Path]
) -> None:
    folder = reference("quickbooks-proadvisor")
    cases = folder / "quickbooks-proadvisor.csv"
    cases.write_text(
        cases.read_text().replace(
            "online_certified=2,700,gold,from the rule text,", "online_certified=2,701,gold,,misprint"
        )
    )
    said = conform_command(folder)
    assert said.code == 0
    assert "disputed quickbooks-proadvisor IN-4" in said.words
    assert "misprint" in said.words


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("users", "failed conditions of gold: expected users, came retention at least 0.8 (0.79)"),
        (
            "users; retention",
            "failed conditions of gold: expected users, retention, came retention at least 0.8 (0.79)",
        ),
        ("none", "failed conditions of gold: expected nothing, came retention at least 0.8 (0.79)"),
        ("level.gold: certified", "failed conditions of gold: expected certified, came retention at least 0.8 (0.79)"),
        ("silver: retention", "failed conditions of silver: expected retention, came nothing"),
    ],
)
def test_wrongly_expected_failures_are_told(reference: Callable[..., Path], written: str, told: str) -> None:
    folder = reference("odoo")
    cases = folder / "odoo.csv"
    cases.write_text(
        cases.read_text().replace("retention=0.79,,silver,retention,", f"retention=0.79,,silver,{written},")
    )
    (failed,) = [one for one in conform(folder).judged if one.verdict == "failed"]
    assert failed.differences == (told,)

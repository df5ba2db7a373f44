"""`segments policy check` as people and scripts meet it: what is printed, what is JSON, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipelines.catalogue import catalogue
from pipelines.policy import read_policy
from pipelines.policy_review import KINDS, Outcome, by_the_models, review
from pipelines.policy_review.facts import Facts, Rows
from policy_review.programmes import HEAD, ladder

ROOT = Path(__file__).resolve().parents[2]
Write = Callable[..., Path]

CLEAN = HEAD + ladder("{metric: won_deals, at_least: 10}", "{metric: won_deals, at_least: 5}")
LOSING = HEAD + ladder("{metric: won_deals, equals: 10}", "{metric: won_deals, at_least: 5}")


def check(*words: str | Path) -> tuple[int, str]:
    """Exit code and everything printed."""
    done = CliRunner().invoke(app, ["policy", "check", *map(str, words)], env={"COLUMNS": "200"})
    return done.exit_code, done.output


# --- refusals -------------------------------------------------------------------------------------------------------

SCORED = (
    HEAD
    + """\
score:
  combine: weighted
  dimensions: {a: 0.6, b: 0.4}
  criteria:
    - {id: deals, metric: won_deals, dimension: a, weight: 1, points: {range: {low: 0, high: 10}}}
    - {id: people, metric: certified_people, dimension: b, weight: 1, points: {range: {low: 0, high: 5}}}
"""
    + ladder("{score: total, at_least: 80}", "{score: total, at_least: 40}")
)

REFUSED = {
    "weights": (SCORED.replace("b: 0.4", "b: 0.3"), "score.dimensions", "a sum of 1: 0.1 too little"),
    "weights_within": (SCORED.replace("dimension: b, weight: 1", "dimension: b, weight: 0.9"), "weight", "a sum of 1"),
    "metric": (SCORED.replace("won_deals", "won_deal"), "score.criteria[0].metric", "did you mean `won_deals`?"),
    "reach": (SCORED.replace("at_least: 80", "at_least: 101"), "levels[0].enter", "a condition that can be met"),
    "rising": (SCORED.replace("at_least: 40", "at_least: 90"), "levels[1].enter", "bars that rise with the level"),
    "twice": (SCORED.replace("level: silver", "level: gold"), "levels[1].level", "a name of its own"),
    "capacity": (
        SCORED + "capacity: {partner_managers: 1, hours_per_week: -40, weeks: 12, utilisation: 1}\n",
        "capacity.hours_per_week",
        "a number not below zero",
    ),
    "share": (
        HEAD + ladder("{top_share: {share: -0.1, by: won_deals}}", "{metric: won_deals, at_least: 1}"),
        "top_share.share",
        "a share above 0 and at most 1",
    ),
    "key": (SCORED.replace("combine:", "combines:"), "score.combines", "did you mean `combine`?"),
    "example": (
        CLEAN + "examples: [{facts: {won_deals: 10}, expect: {tier: silver}}]\n",
        "examples[0].expect.tier",
        "them to agree",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told_with_its_place_and_what_to_write(write: Write, name: str) -> None:
    text, path, mend = REFUSED[name]
    code, said = check(write(acme=text) / "acme.yml")
    assert code == 2
    assert f"{path}`: " in said
    assert "line " in said
    assert mend in said
    assert "next: correct the policy" in said


def test_all_files_of_a_folder_are_told_at_once(write: Write) -> None:
    folder = write(**{name: text for name, (text, _, _) in REFUSED.items()}, clean=CLEAN)
    code, said = check(folder)
    assert code == 2
    for name, (_, path, mend) in REFUSED.items():
        assert f"{name}.yml: " in said
        assert path in said
        assert mend in said
    assert "clean.yml: acme@1 is in order, no warnings" in said


def test_all_problems_of_a_file_are_told_at_once(write: Write) -> None:
    bad = (
        SCORED.replace("b: 0.4", "b: 0.3")
        .replace("certified_people", "people")
        .replace("score: total", "score: sum", 1)
    )
    code, said = check(write(acme=bad) / "acme.yml", "--json")
    assert code == 2
    (file,) = json.loads(said)["files"]
    assert file["policy"] is None
    lines = [refusal["line"] for refusal in file["refusals"]]
    assert len(lines) >= 1
    assert lines == sorted(lines)
    for refusal in file["refusals"]:
        assert refusal["path"]
        assert ", expected " in refusal["message"]


def test_several_problems_of_sense_have_a_path_each(write: Write) -> None:
    bad = (
        SCORED.replace("b: 0.4", "b: 0.3")
        .replace("certified_people", "certified_persons")
        .replace("won_deals", "won_deal")
    )
    code, said = check(write(acme=bad) / "acme.yml", "--json")
    assert code == 2
    (file,) = json.loads(said)["files"]
    assert [refusal["path"] for refusal in file["refusals"]] == [
        "score.dimensions",
        "score.criteria[0].metric",
        "score.criteria[1].metric",
    ]


def test_versions_of_one_policy_that_overlap(write: Write) -> None:
    code, said = check(write(a=CLEAN, b=CLEAN.replace('version: "1"', 'version: "2"')))
    assert code == 2
    assert "b.yml: `effective_from`: 2026-01-01 is also the first day of version 1" in said
    assert "expected one version in force at a time" in said


def test_exceptions_without_an_approver_or_an_end(write: Write) -> None:
    signed = "exceptions:\n  - {partner: P-1, ladder: tier, level: gold, why: new owner}\n"
    code, said = check(write(acme=CLEAN, exceptions=signed))
    assert code == 2
    assert "exceptions.yml" in said
    assert "the key `until` is missing" in said
    assert "the key `approved_by` is missing" in said


def test_a_file_that_is_no_yaml_and_one_that_is_not_there(write: Write, tmp_path: Path) -> None:
    code, said = check(write(acme="policy: [") / "acme.yml")
    assert code == 2
    assert "line 1, column 10: not YAML" in said
    assert check(tmp_path / "nowhere.yml")[0] == 2


# --- warnings -------------------------------------------------------------------------------------------------------


def test_a_warning_shows_place_partners_and_fix(write: Write) -> None:
    code, said = check(write(acme=LOSING) / "acme.yml")
    assert code == 0
    assert "acme.yml: acme@1 is in order, 1 warning" in said
    assert f"1. {KINDS['loses_by_more']}  line 10, ladders.tier.levels[0].enter" in said
    table = [line.split() for line in said.splitlines()]
    assert ["won_deals", "10", "11"] in table
    assert ["->", "tier", "gold", "silver"] in table
    assert "fix: drop the bar" in said


def test_strict_ends_with_2_where_there_are_warnings(write: Write) -> None:
    folder = write(clean=CLEAN, losing=LOSING.replace("policy: acme", "policy: other"))
    assert check(folder / "clean.yml", "--strict")[0] == 0
    code, said = check(folder / "clean.yml", folder / "losing.yml", "--strict")
    assert code == 2
    assert "1 warning, and --strict was asked for" in said


def test_json_is_one_object_with_everything(write: Write) -> None:
    folder = write(losing=LOSING, refused=REFUSED["key"][0])
    code, said = check(folder / "losing.yml", folder / "refused.yml", "--json")
    assert code == 2
    told = json.loads(said)
    assert told["exit_code"] == 2
    losing, refused = told["files"]
    (warning,) = losing["warnings"]
    assert losing["policy"] == "acme@1"
    assert warning["path"] == "ladders.tier.levels[0].enter"
    assert warning["line"] == 10
    assert [partner["facts"] for partner in warning["partners"]] == [{"won_deals": 10}, {"won_deals": 11}]
    assert [partner["levels"] for partner in warning["partners"]] == [{"tier": "gold"}, {"tier": "silver"}]
    assert [refusal["path"] for refusal in refused["refusals"]] == ["score", "score.combines"]
    assert refused["warnings"] == []


# --- the policies that come with the project ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["partner-programme", "sample-programme", "adventureworks-baseline"])
def test_our_own_policies_earn_few_warnings_for_few_passes(name: str) -> None:
    asked: list[int] = []

    def counting(rows: Rows, facts: Sequence[Facts]) -> list[Outcome]:
        asked.append(len(facts))
        return by_the_models(rows, facts)

    policy = read_policy(ROOT / "policies" / f"{name}.yml", catalogue())
    found = review(policy, counting, catalogue())
    # What nobody knows of a partner is left out of partner-programme's score, and that is worth its warning.
    assert {finding.kind for finding in found if not finding.is_note} <= {"single_value"}
    assert len(asked) <= 9
    assert sum(asked) < 8000


def test_the_review_of_a_policy_is_the_same_every_time() -> None:
    policy = read_policy(ROOT / "policies" / "sample-programme.yml", catalogue())
    first, second = (review(policy, by_the_models, catalogue()) for _ in range(2))
    assert first == second
    assert first


# --- the page about it ----------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "checking-a-policy.md").read_text(encoding="utf-8")


def test_the_page_explains_every_kind_of_warning() -> None:
    told = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert told == list(KINDS.values())


def test_the_example_of_the_page_says_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(
        r"^```yaml acme\.yml\n(.+?)^```\n\n^```\n\$ segments policy check acme\.yml\n(.+?)^```\n", PAGE, re.M | re.S
    )
    assert found is not None
    policy, shown = found.groups()
    (tmp_path / "acme.yml").write_text(policy, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["policy", "check", "acme.yml"], env={"COLUMNS": "110"})
    assert [line.rstrip() for line in done.stdout.strip().splitlines()] == shown.strip().splitlines()

"""Several policies and versions in one folder: which are refused together, and which one decides a day."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import PolicyError
from pipelines.policy import in_force, read_policies, rows_of

Make = Callable[..., str]
Folder = Callable[..., Path]

SECOND = (('version: "1"', 'version: "2"'), ("2026-01-01", "2026-07-01"))


def test_a_version_ends_where_the_next_begins(folder: Folder, plain: Make, scored: Make, catalogue: list[str]) -> None:
    policies = read_policies(folder(b=plain(), a=plain(*SECOND), c=scored()), catalogue)
    assert [(policy.key, policy.effective_to) for policy in policies] == [
        ("acme@1", datetime.date(2026, 7, 1)),
        ("acme@2", None),
        ("acme-scored@1", None),
    ]


def test_the_version_in_force_is_the_last_that_has_begun(folder: Folder, plain: Make, catalogue: list[str]) -> None:
    policies = read_policies(folder(a=plain(), b=plain(*SECOND)), catalogue)
    assert in_force(policies, "acme", datetime.date(2026, 6, 30)).version == "1"
    assert in_force(policies, "acme", datetime.date(2026, 7, 1)).version == "2"
    assert in_force(policies, "acme@1", datetime.date(2030, 1, 1)).version == "1"


@pytest.mark.parametrize(
    ("name", "day", "words"),
    [
        ("acne", "2026-06-30", "there is no policy `acne`, only acme@1 from 2026-01-01, acme@2 from 2026-07-01; did"),
        ("acme@3", "2026-06-30", "has no version `3`, only acme@1"),
        ("acme", "2025-12-31", "no version of policy `acme` is in force on 2025-12-31, only acme@1 from 2026-01-01"),
    ],
)
def test_a_policy_that_is_not_there_is_refused_with_those_that_are(
    folder: Folder, plain: Make, catalogue: list[str], name: str, day: str, words: str
) -> None:
    policies = read_policies(folder(a=plain(), b=plain(*SECOND)), catalogue)
    with pytest.raises(PolicyError) as caught:
        in_force(policies, name, datetime.date.fromisoformat(day))
    assert words in caught.value.message


def test_two_versions_that_begin_on_one_day_are_refused(folder_refusal: Make, plain: Make) -> None:
    message = folder_refusal(a=plain(), b=plain(('"1"', '"2"')))
    assert "b.yml: `effective_from`: 2026-01-01 is also the first day of version 1 (" in message
    assert "expected one version in force at a time" in message


def test_one_version_in_two_files_is_refused(folder_refusal: Make, plain: Make) -> None:
    message = folder_refusal(a=plain(), b=plain(("2026-01-01", "2026-07-01")))
    assert "b.yml: `version`: acme@1 also stands in " in message
    assert "a.yml" in message


def test_other_levels_need_another_policy_name(folder_refusal: Make, plain: Make) -> None:
    message = folder_refusal(a=plain(), b=plain(*SECOND, ("level: gold", "level: platinum")))
    assert "b.yml: `ladders.tier`: the levels of tier are platinum > silver > registered, in version 1" in message
    assert "use a new policy name" in message


def test_the_problems_of_all_files_are_told_at_once(folder_refusal: Make, plain: Make) -> None:
    message = folder_refusal(a=plain(("won_deals, at_least: 10", "won_deal, at_least: 10")), b="")
    assert "a.yml: line 10" in message
    assert "b.yml: the file is empty" in message


def test_exceptions_hidden_files_and_sub_folders_are_no_policies(
    folder: Folder, plain: Make, catalogue: list[str]
) -> None:
    place = folder(acme=plain(), exceptions="- {partner: x}\n")
    (place / ".draft.yml").write_text("nonsense")
    (place / "notes.md").write_text("nonsense")
    (place / "reference").mkdir()
    (place / "reference" / "old.yml").write_text("nonsense")
    assert [policy.name for policy in read_policies(place, catalogue)] == ["acme"]


def test_rows_do_not_depend_on_the_order_of_files(folder: Folder, plain: Make, catalogue: list[str]) -> None:
    policies = read_policies(folder(a=plain(), b=plain(*SECOND)), catalogue)
    assert rows_of(policies) == rows_of(reversed(policies))
    assert [row["version"] for row in rows_of(policies)["policies"]] == ["1", "2"]

"""What a person at the command line sees when input, policy or gate say no: exit code, words, and the last release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from data_quality.releasing import VERDICT_FILE
from data_quality.verdict import Verdict
from pipelines.release import current, read_candidate
from tests.faults.exports import POLICIES, Deployment, released
from tests.faults.story import Story, segments


def flat(text: str) -> str:
    """A message without the terminal's line breaks."""
    return " ".join(text.split())


def previous_release_is_readable(story: Story) -> None:
    """The release that went out first is still the one that `show` reads."""
    manifest = current(story.made.places)
    assert manifest is not None
    assert manifest["release"] == story.released.release
    assert released(story.made.places, "select count(*) from partner_segments") == [(5,)]
    shown = segments(story.made, "show")
    assert shown.returncode == 0, shown.stderr
    assert "N001" in shown.stdout


def test_a_refusal_ends_with_4_says_the_failed_expectations_and_keeps_the_release(story: Story) -> None:
    done = story.refused
    assert done.returncode == 4, done.stderr
    said = flat(done.stderr)
    assert f"was refused; release {story.released.release} stays as it is" in said
    assert "rows could not be believed" in said
    assert "entity=accounts" in said
    assert "amounts have no exchange rate for their currency and date; add the rate and run again" in said
    assert "id X-RATE: no rate for CHF on 2026-08-14" in said
    assert "verdict.html" in said
    previous_release_is_readable(story)


def test_the_verdict_of_a_refusal_lies_beside_its_candidate(story: Story) -> None:
    candidate = read_candidate(story.made.places)
    verdict = Verdict.read(candidate.folder / VERDICT_FILE)
    assert verdict.decision == "refuse"
    assert verdict.candidate_hash == candidate.hash
    refusing = {(result.suite, result.expectation) for result in verdict.failures() if result.refuses}
    assert refusing == {("quarantine", "share_is_believable"), ("quarantine", "every_currency_has_a_rate")}


def _copy(story: Story, tmp_path: Path) -> Deployment:
    """The story's deployment, to break further."""
    shutil.copytree(story.made.root, tmp_path / "copy", symlinks=True)
    return Deployment(tmp_path / "copy")


def test_a_damaged_export_ends_with_3_and_leaves_the_release(story: Story, tmp_path: Path) -> None:
    made = _copy(story, tmp_path)
    (made.inputs / "Opportunity.csv").write_bytes(b"")
    done = segments(made, "run", "--json")
    assert done.returncode == 3, done.stderr
    assert "source salesforce: Opportunity.csv: the file is empty" in flat(done.stderr)
    ended = json.loads(done.stdout.splitlines()[-1])
    assert (ended["event"], ended["exit_code"], ended["kind"]) == ("ended", 3, "input")
    assert released(made.places, "select count(*) from partner_segments") == [(5,)]


def test_an_unreadable_policy_ends_with_2_and_show_still_works(story: Story, tmp_path: Path) -> None:
    made = _copy(story, tmp_path)
    shutil.copytree(POLICIES, made.root / "policies")
    (made.root / "policies" / "next-year.yml").write_text("policy: [next-year\n", encoding="utf-8")
    made.configure(paths={"inputs": "inputs", "state": "state", "policies": "policies"})
    done = segments(made, "run", "--quiet")
    assert done.returncode == 2, done.stderr
    said = flat(done.stderr)
    assert "next-year.yml" in said
    assert "line 2" in said
    assert segments(made, "show").returncode == 0


def test_two_sources_of_one_name_end_with_2(ground: Deployment) -> None:
    ground.file.write_text("sources:\n  a: {connector: salesforce}\n  a: {connector: salesforce}\n", encoding="utf-8")
    done = segments(ground, "check")
    assert done.returncode == 2
    assert "line 3, column 3: the key 'a' stands twice" in flat(done.stderr)

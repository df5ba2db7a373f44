"""A person's word against the gate: what it takes, what it never overrules, and that both stay on record."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from data_quality.approval import approve, kept
from data_quality.blast import EXPECTATION as BUDGET
from data_quality.releasing import Judged, documents_of, is_approved, judged_for, read_judged, refuse_unless_good
from data_quality.report import PAGE
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines import release as room
from pipelines.errors import ConfigError, GateRefused, InputError
from pipelines.release import Candidate, build_candidate, candidates, current, history, roll_back
from pipelines.warehouse import Places, connect
from tests.conftest import Deployment, deployment_in
from tests.journey.test_release import lay_marts, let_out

WORD = {"by": "head of partner operations", "why": "the wave is real, the bars were lowered in June"}
BROKEN = Result(
    suite="partner_level_history",
    table="partner_level_history",
    expectation="no_more_moves_than_the_guardrail",
    severity="critical",
    success=False,
    observed="1 unexpected row",
    unexpected_count=1,
    says="a larger share of the roster would move than the policy allows at once",
)


def judged(places: Places, *results: Result, against: str = "none") -> Candidate:
    """A candidate of what lies in the warehouse, with a verdict beside it that says these results."""
    candidate = build_candidate(places, policy_hash="h")
    verdict_of(candidate, *results, against=against).write(candidate.folder / VERDICT_FILE)
    return candidate


def verdict_of(candidate: Candidate, *results: Result, against: str = "none") -> Verdict:
    """The verdict about a candidate's bytes; without results the one broken guardrail."""
    return Verdict.of(candidate.hash, {"previous_release": against}, list(results or (BROKEN,)))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A state folder with the smallest warehouse a candidate can be built from."""
    made = Places(tmp_path / "state")
    made.state.mkdir()
    lay_marts(made, "2026Q2", amount=100)
    return made


def ask(places: Places, sql: str) -> list[tuple[Any, ...]]:
    """Ask the current release."""
    with duckdb.connect(str(places.released_file), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_refusal_and_approval_are_both_on_record(places: Places) -> None:
    candidate = judged(places)
    assert [one.state for one in kept(places)] == ["waits for a person"]
    done = approve(places, candidate.release, **WORD)
    assert (done.release, done.is_new) == (candidate.release, True)
    manifest = current(places)
    assert manifest is not None
    word = manifest["approval"]
    assert (word["by"], word["why"]) == (WORD["by"], WORD["why"])
    assert word["overruled"] == ["partner_level_history.no_more_moves_than_the_guardrail"]
    assert word["at"]
    assert ask(places, "select release, approved_by, approval_reason from releases") == [
        (candidate.release, WORD["by"], WORD["why"])
    ]
    assert ask(places, "select expectation, has_passed from data_quality_results") == [(BROKEN.expectation, False)]
    assert Verdict.read(places.current / VERDICT_FILE).decision == "refuse"
    html = (places.current / PAGE).read_text(encoding="utf-8")
    assert f"Released all the same: {WORD['by']}, {word['at']}: {WORD['why']}" in html
    assert "stays as it is" not in html
    assert [one.state for one in kept(places)] == [f"approved by {WORD['by']}"]


def test_a_second_word_changes_nothing(places: Places) -> None:
    candidate = judged(places)
    approve(places, candidate.release, **WORD)
    before = (places.current / "manifest.json").read_bytes()
    again = approve(places, candidate.release, by="somebody else", why="me too")
    assert not again.is_new
    assert (places.current / "manifest.json").read_bytes() == before


def test_the_word_holds_for_the_same_release_and_for_what_it_overruled_alone(places: Places) -> None:
    candidate = judged(places)
    verdict = verdict_of(candidate)
    assert not is_approved(places, candidate, verdict)
    approve(places, candidate.release, **WORD)
    again = judged(places, against=candidate.release)
    assert again.release == candidate.release
    assert is_approved(places, again, verdict)
    other = BROKEN.model_copy(update={"expectation": "partners_did_not_halve"})
    assert not is_approved(places, again, verdict_of(again, BROKEN, other))
    assert not is_approved(places, again, verdict_of(again, BROKEN.model_copy(update={"raised": True})))
    lay_marts(places, "2026Q2", amount=500)
    new = judged(places, against=candidate.release)
    assert not is_approved(places, new, verdict_of(new))


def test_a_release_that_fails_of_something_new_is_refused_as_the_one_that_is_out(places: Places) -> None:
    """Nothing is let out on the word, and nobody reads that the release in use is none."""
    first = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=100)
    candidate = judged(places, against=first.release)
    approve(places, candidate.release, **WORD)
    run: Any = SimpleNamespace(places=places)
    refuse_unless_good(run, Judged(candidate, verdict_of(candidate), 0.0))
    other = BROKEN.model_copy(update={"expectation": "partners_did_not_halve", "says": "half of the partners is gone"})
    again = Judged(candidate, verdict_of(candidate, BROKEN, other), 0.0)
    with pytest.raises(GateRefused) as caught:
        refuse_unless_good(run, again)
    head, *listed = caught.value.message.splitlines()
    assert head == (
        f"release {candidate.release} is out already, approved by {WORD['by']}, and stays the current one; "
        "judged again it fails of what nobody overruled"
    )
    assert [line.partition(" (")[0] for line in listed] == ["  - partner_level_history: half of the partners is gone"]
    assert "segments rollback" in caught.value.next_step
    html = documents_of(places, again)[PAGE]
    assert f"Release {candidate.release} is out already and stays the current one." in html

    roll_back(places)
    with pytest.raises(GateRefused) as caught:
        refuse_unless_good(run, Judged(candidate, verdict_of(candidate), 0.0))
    assert caught.value.message.startswith(
        f"candidate {candidate.release} was refused; it was let out before, approved by {WORD['by']}, and is not the "
        f"current release; release {first.release} stays as it is"
    )
    assert f"segments rollback {candidate.release}" in caught.value.next_step


def test_the_page_of_a_release_that_is_judged_again_says_whose_word_it_is_out_on(places: Places) -> None:
    candidate = judged(places)
    assert "Released all the same" not in documents_of(places, Judged(candidate, verdict_of(candidate), 0.0))[PAGE]
    approve(places, candidate.release, **WORD)
    again = judged(places, against=candidate.release)
    html = documents_of(places, Judged(again, verdict_of(again), 0.0))[PAGE]
    assert f"Released all the same: {WORD['by']}, " in html
    assert "stays as it is" not in html


def test_later_releases_keep_the_word_in_their_chain(places: Places) -> None:
    approve(places, judged(places).release, **WORD)
    lay_marts(places, "2026Q3", amount=100)
    let_out(places, build_candidate(places, policy_hash="h"))
    assert ask(places, "select approved_by from releases order by position") == [(WORD["by"],), (None,)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"by": " "}, "--by: is empty"),
        ({"why": "\n"}, "--why: is empty"),
        ({"by": "kim@example.org"}, "holds an @"),
        ({"why": "x" * 501}, "501 characters"),
    ],
)
def test_who_does_not_sign_or_say_why_releases_nothing(places: Places, words: dict[str, str], said: str) -> None:
    candidate = judged(places)
    with pytest.raises(ConfigError, match=said):
        approve(places, candidate.release, **{**WORD, **words})
    assert current(places) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"raised": True}, "not everything could be judged"),
        ({"suite": "gate", "expectation": "table_has_a_suite"}, "not everything could be judged"),
        ({"suite": "gate", "expectation": BUDGET, "raised": True}, "not everything could be judged"),
        ({"expectation": "no_mail_address"}, "no word overrules"),
        ({"severity": "warning"}, "it needs no approval"),
    ],
)
def test_what_no_word_overrules(places: Places, change: dict[str, Any], said: str) -> None:
    candidate = judged(places, BROKEN.model_copy(update=change))
    with pytest.raises(GateRefused, match=said):
        approve(places, candidate.release, **WORD)
    assert current(places) is None


def test_a_budget_of_decisions_at_risk_that_is_exceeded_can_be_overruled(places: Places) -> None:
    exceeded = BROKEN.model_copy(update={"suite": "gate", "table": "partner_segments", "expectation": BUDGET})
    candidate = judged(places, exceeded)
    assert approve(places, candidate.release, **WORD).is_new
    assert is_approved(places, candidate, verdict_of(candidate, exceeded))


def test_a_damaged_verdict_counts_as_changed_and_is_in_no_others_way(places: Places) -> None:
    damaged = judged(places)
    (damaged.folder / VERDICT_FILE).write_text('{"half":', encoding="utf-8")
    lay_marts(places, "2026Q3", amount=100)
    other = judged(places)
    assert {one.candidate.release: one.state for one in kept(places)} == {
        damaged.release: "changed since it was judged",
        other.release: "waits for a person",
    }
    with pytest.raises(GateRefused, match="not those that were judged"):
        approve(places, damaged.release, **WORD)
    assert approve(places, other.release, **WORD).is_new


def test_a_verdict_speaks_only_beside_the_release_it_was_compared_with(places: Places) -> None:
    """Whoever releases without judging takes the verdict that lies there, if it still holds."""
    candidate = judged(places)
    assert read_judged(places, candidate) is not None
    first = let_out(places, candidate)
    # The candidate is the current release itself; finding that out needs no other verdict.
    assert read_judged(places, candidate) is not None
    lay_marts(places, "2026Q3", amount=100)
    stale, fresh = judged(places), judged(places, against=first.release)
    assert stale.release == fresh.release
    assert read_judged(places, fresh) is not None
    verdict_of(fresh).write(fresh.folder / VERDICT_FILE)
    assert read_judged(places, fresh) is None


def test_a_candidate_of_another_quarter_than_the_run_is_not_released(places: Places) -> None:
    candidate = judged(places)
    run: Any = SimpleNamespace(places=places, quarter=SimpleNamespace(label="2026Q3"))
    with pytest.raises(InputError, match=r"is of 2026Q2, but 2026Q3 is to be released") as caught:
        judged_for(run, candidate)
    assert "--quarter 2026Q3" in caught.value.next_step


def test_candidates_do_not_pile_up_while_nothing_is_released(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_KEPT_CANDIDATES", 2)
    refused = judged(places)
    os.utime(refused.folder, (time.time() - 900, time.time() - 900))
    (places.state / f"{room.SCRATCH}of-a-killed-run").mkdir()
    made = []
    for amount in range(1, 5):
        lay_marts(places, "2026Q2", amount=amount)
        made.append(build_candidate(places, policy_hash="h"))
        os.utime(made[-1].folder, (time.time() - 500 + amount, time.time() - 500 + amount))
    assert {one.release for one in candidates(places)} == {refused.release, *(one.release for one in made[-2:])}
    assert not [*places.state.glob(f"{room.SCRATCH}*")]


def test_a_candidate_without_verdict_cannot_be_approved(places: Places) -> None:
    candidate = build_candidate(places, policy_hash="h")
    with pytest.raises(GateRefused, match="it was not judged"):
        approve(places, candidate.release, **WORD)
    with pytest.raises(InputError, match="not there"):
        approve(places, "2026Q2-000000000000", **WORD)


@pytest.mark.parametrize("what", ["table", "facts"])
def test_a_candidate_changed_since_it_was_judged_cannot_be_approved(places: Places, what: str) -> None:
    candidate = judged(places)
    if what == "table":
        with connect(candidate.folder / "segments.duckdb") as con:
            con.execute("update partner_segments set sourced_won_amount = 1000000")
    else:
        facts = json.loads((candidate.folder / "candidate.json").read_text(encoding="utf-8"))
        facts["policy_hash"] = "another"
        (candidate.folder / "candidate.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(GateRefused, match=r"not those that were judged|was changed after it was built"):
        approve(places, candidate.release, **WORD)
    assert current(places) is None


def test_time_does_not_run_backwards_unless_said_so(places: Places) -> None:
    old = judged(places)
    lay_marts(places, "2026Q3", amount=100)
    let_out(places, build_candidate(places, policy_hash="h"))
    with pytest.raises(GateRefused, match="older than the current release"):
        approve(places, old.release, **WORD)
    assert approve(places, old.release, **WORD, out_of_order=True).is_new
    assert [link["quarter"] for link in history(places)] == ["2026Q3", "2026Q2"]


def test_a_candidate_judged_beside_another_release_is_judged_again_first(places: Places) -> None:
    first = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=100)
    candidate = judged(places, against="2026Q2-000000000000")
    with pytest.raises(GateRefused, match=f"but {first.release} is current now"):
        approve(places, candidate.release, **WORD)
    candidate = judged(places, against=first.release)
    assert approve(places, candidate.release, **WORD).previous == first.release


def test_a_rollback_takes_the_word_back_until_it_is_rolled_forward(places: Places) -> None:
    first = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=100)
    candidate = judged(places, against=first.release)
    approve(places, candidate.release, **WORD)
    roll_back(places)
    assert not is_approved(places, candidate, verdict_of(candidate))
    with pytest.raises(InputError, match="is released already") as caught:
        approve(places, candidate.release, **WORD)
    assert f"segments rollback {candidate.release}" in caught.value.next_step
    roll_back(places, candidate.release)
    assert is_approved(places, candidate, verdict_of(candidate))


def test_the_newest_refused_candidate_of_a_quarter_is_never_swept_away(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_KEPT_CANDIDATES", 1)
    made: list[Candidate] = []
    for age, (quarter, amount) in enumerate((("2026Q2", 1), ("2026Q2", 2), ("2026Q3", 1))):
        lay_marts(places, quarter, amount=amount)
        made.append(judged(places))
        os.utime(made[-1].folder, (time.time() - 900 + age, time.time() - 900 + age))
    lay_marts(places, "2026Q4", amount=1)
    let_out(places, build_candidate(places, policy_hash="h"))
    left = {one.release for one in candidates(places)}
    assert made[0].release not in left
    assert {made[1].release, made[2].release} <= left


def test_an_old_candidate_is_not_swept_away_while_it_is_let_out(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_KEPT_CANDIDATES", 1)
    old = judged(places)
    lay_marts(places, "2026Q2", amount=500)
    newest = judged(places)
    os.utime(old.folder, (time.time() - 900, time.time() - 900))
    assert newest.release != old.release
    assert approve(places, old.release, **WORD).is_new


def test_from_a_refusal_to_a_release_at_the_command_line(sample: Deployment, tmp_path: Path) -> None:
    """The sample's Salesforce export under a guardrail that its tiers are over."""
    shutil.copytree(sample.state, tmp_path / "state", symlinks=True)
    shutil.copytree(sample.file.parent / "inputs", tmp_path / "inputs")
    shutil.copytree(sample.file.parent / "policies", tmp_path / "policies")
    policy = tmp_path / "policies" / "sample-programme.yml"
    text = policy.read_text(encoding="utf-8")
    assert "max_share: {gold: 0.30}" in text
    policy.write_text(text.replace("max_share: {gold: 0.30}", "max_share: {gold: 0.01}"), encoding="utf-8")
    made = deployment_in(tmp_path, sample.file, sample=None, paths={"policies_absolute": tmp_path / "policies"})
    before = (sample.state / "released" / "current").resolve().name

    refused = made.segments("run", "--quiet", check=False)
    assert refused.returncode == 4, refused.stderr
    listed = json.loads(made.segments("release", "list", "--format", "json").stdout)
    waiting = next(one for one in listed if one["state"] == "waits for a person")
    assert "partner_level_history.no_level_is_larger_than_its_guardrail" in waiting["failed"]
    shown = made.segments("release", "show", waiting["candidate"]).stdout
    assert "[critical: partner_level_history.no_level_is_larger_than_its_guardrail]" in shown
    assert f"segments release approve {waiting['candidate']} --by NAME --why TEXT" in shown
    count = made.segments(
        "release", "query", waiting["candidate"], "select count(*) as n from partner_segments", "-f", "csv"
    )
    assert int(count.stdout.split()[1]) > 0

    unsigned = made.segments("release", "approve", waiting["candidate"], "--by", "Kim", "--why", " ", check=False)
    assert unsigned.returncode == 2
    assert (tmp_path / "state" / "released" / "current").resolve().name == before
    said = made.segments("release", "approve", waiting["candidate"], "--by", WORD["by"], "--why", WORD["why"]).stdout
    assert f"{waiting['candidate']} is released, approved by {WORD['by']}" in said
    with made.released() as con:
        assert con.execute("select approved_by from releases order by position desc limit 1").fetchall() == [
            (WORD["by"],)
        ]

    again = made.segments("run", "--quiet")
    assert f"{waiting['candidate']}  unchanged" in again.stdout
    made.segments("rollback")
    assert (tmp_path / "state" / "released" / "current").resolve().name == before

"""The record of judgements: it grows by outcomes, survives a kill and a damaged line, and knows what became of each."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from data_quality import record
from data_quality.record import fate, read_record, standing
from pipelines import release as room
from pipelines.errors import InputError
from tests.quality.conftest import RULES, Made


def test_a_judgement_is_on_record_with_its_failures_and_without_keys_of_rows(made: Made) -> None:
    candidate = made.candidate()
    made.judge(candidate, "deal_is_dated", "amount_is_usual")
    (line,) = read_record(made.places).judgements
    assert (line.candidate, line.quarter, line.decision, line.asked) == (candidate.release, "2026Q2", "refuse", 4)
    assert [(x.name, x.severity, x.refuses) for x in line.failures] == [
        ("deals.deal_is_dated", "critical", True),
        ("deals.amount_is_usual", "warning", False),
    ]
    assert (line.failures[0].partners, line.failures[0].at_risk, line.failures[0].unexpected_count) == (2, 1, 2)
    assert "D-7" not in (made.places.quality / "verdicts.jsonl").read_text(encoding="utf-8")


def test_the_same_outcome_again_moves_its_line_and_another_outcome_adds_one(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = made.candidate()
    for day, failing in ((1, ("amount_is_usual",)), (2, ("deal_is_dated",)), (3, ("amount_is_usual",))):
        monkeypatch.setenv("SEGMENTS_NOW", f"2026-07-0{day}T06:00:00Z")
        made.judge(candidate, *failing)
    lines = read_record(made.places).judgements
    assert [(x.decision, x.times, x.first_at.day, x.last_at.day) for x in lines] == [
        ("release", 2, 1, 3),
        ("refuse", 1, 2, 2),
    ]


def test_what_the_run_was_told_makes_no_other_outcome(made: Made) -> None:
    """The release before is another one as soon as the candidate is out; a rehearsal after that finds the same."""
    judged = made.judge(made.candidate(), "amount_is_usual")
    made.release(judged)
    told = judged.verdict.model_copy(update={"parameters": {"previous_release": judged.candidate.release}})
    record.remember(made.places, judged.candidate, told)
    (line,) = read_record(made.places).judgements
    assert line.times == 2
    assert fate(made.places, line) == "current"


def test_the_same_candidate_in_other_bytes_is_the_same_judgement(made: Made) -> None:
    """DuckDB never writes a file twice in the same bytes; a second run over the same inputs finds the release out."""
    judged = made.judge(made.candidate(), "amount_is_usual")
    made.release(judged)
    again = record.Verdict.of("0" * 64, {}, list(judged.verdict.results))
    record.remember(made.places, judged.candidate, again)
    record.remember(made.places, judged.candidate, record.Verdict.of("1" * 64, {}, list(judged.verdict.results[1:])))
    assert [(x.times, fate(made.places, x)) for x in read_record(made.places).judgements] == [
        (1, "current"),
        (2, "current"),
    ]


def test_a_verdict_holds_no_time_of_day(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = made.candidate()
    texts = set()
    for day in (1, 2):
        monkeypatch.setenv("SEGMENTS_NOW", f"2026-07-0{day}T06:00:00Z")
        texts.add(made.judge(candidate, "amount_is_usual").verdict.json_text())
    assert len(texts) == 1


def test_a_damaged_line_is_counted_kept_and_in_nobodys_way(made: Made) -> None:
    made.judge(made.candidate())
    file = made.places.quality / "verdicts.jsonl"
    file.write_text('{"half": \n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    made.judge(made.candidate(amount=200))
    found = read_record(made.places)
    assert (len(found.judgements), found.unreadable) == (2, 1)
    assert '{"half": ' in file.read_text(encoding="utf-8").splitlines()


def test_a_kill_while_it_is_written_leaves_the_record_as_it_was(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.judge(made.candidate())
    before = read_record(made.places)
    candidate = made.candidate(amount=200)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            record.remember(made.places, candidate, made_up_verdict(candidate))
    assert read_record(made.places) == before
    made.judge(candidate)
    assert len(read_record(made.places).judgements) == 2


def made_up_verdict(candidate: room.Candidate) -> record.Verdict:
    """A verdict that nobody has written."""
    return record.Verdict.of(candidate.hash, {}, [])


def test_the_oldest_judgements_go_first(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "KEPT", 2)
    candidate = made.candidate()
    for failing in ("there_are_deals", "deal_is_dated", "amount_is_usual"):
        made.judge(candidate, failing)
    assert [x.failures[0].expectation for x in read_record(made.places).judgements] == [
        "amount_is_usual",
        "deal_is_dated",
    ]


def test_what_became_of_each_judgement(made: Made) -> None:
    first = made.judge(made.candidate(amount=100))
    made.release(first)
    refused = made.candidate("2026Q3", amount=200)
    made.judge(refused, "deal_is_dated")
    made.release(made.judge(refused, "amount_is_usual"))
    made.judge(made.candidate("2026Q3", amount=300))
    became = [fate(made.places, line) for line in read_record(made.places).judgements]
    assert became == ["kept back", "current", "refused", "released"]


def test_a_refused_candidate_that_a_person_let_out_says_so(made: Made) -> None:
    judged = made.judge(made.candidate(), "deal_is_dated")
    word = room.Approval(by="head of partners", why="checked by hand", at="2026-07-06T08:00:00Z", overruled=())
    room.release(
        made.places,
        judged.candidate,
        verdict_hash=judged.verdict.candidate_hash,
        decision="refuse",
        findings=[],
        run="test",
        documents={"verdict.json": judged.verdict.json_text()},
        approval=word,
    )
    (line,) = read_record(made.places).judgements
    assert fate(made.places, line) == "approved"


def test_a_release_that_fails_when_it_is_judged_again_is_out_all_the_same(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is its own baseline by then, so that other things fail, and as many times as it is judged again."""
    monkeypatch.setenv("SEGMENTS_NOW", "2026-07-05T06:00:00Z")
    candidate = made.candidate()
    made.judge(candidate, "there_are_deals")
    made.approve(made.judge(candidate, "there_are_deals", "deal_is_dated"))
    monkeypatch.setenv("SEGMENTS_NOW", "2026-07-06T06:00:00Z")
    made.judge(candidate, "deal_is_dated")
    became = [fate(made.places, line) for line in read_record(made.places).judgements]
    assert became == ["out already", "approved", "refused"]


def test_a_damaged_verdict_in_an_old_release_stops_nobody(made: Made) -> None:
    """Every page and every list of judgements asks what became of the ones before."""
    folder = made.release(made.judge(made.candidate())).folder
    room.unlock(folder)
    (folder / "verdict.json").write_text('{"half":', encoding="utf-8")
    made.release(made.judge(made.candidate(amount=200)))
    assert [fate(made.places, line) for line in read_record(made.places).judgements] == ["current", "released"]


def test_how_one_expectation_fared_and_what_was_not_asked_yet(made: Made) -> None:
    made.judge(made.candidate(), rules=RULES[:2])
    made.judge(made.candidate(amount=200), "amount_is_usual")
    made.judge(made.candidate(amount=300))
    fared = [standing(made.places, line, "deals.amount_is_usual") for line in read_record(made.places).judgements]
    assert fared[0] is True
    assert isinstance(fared[1], record.Failure)
    assert fared[2] is None


# --- the same over the releases, for analysts -----------------------------------------------------------------------


def results_of(made: Made) -> list[tuple[str, int, int]]:
    """Release, expectations asked and failed, in the order of the chain."""
    with duckdb.connect(str(made.places.released_file), read_only=True) as con:
        return con.execute(
            "select r.release, count(*), count(*) filter (where not has_passed) from data_quality_results "
            "inner join releases as r using (release) group by r.release, r.position order by r.position"
        ).fetchall()


def test_data_quality_results_speak_of_every_release_of_the_chain(made: Made) -> None:
    releases = []
    for amount, failing in ((100, ()), (200, ("amount_is_usual",)), (300, ("owner_is_known", "amount_is_usual"))):
        releases.append(made.release(made.judge(made.candidate(amount=amount), *failing)).release)
    assert results_of(made) == [(releases[0], 4, 0), (releases[1], 4, 1), (releases[2], 4, 2)]
    room.roll_back(made.places)
    assert results_of(made) == [(releases[0], 4, 0), (releases[1], 4, 1)]


def test_data_quality_results_are_bounded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "KEPT_RESULTS", 2)
    releases = [made.release(made.judge(made.candidate(amount=amount))).release for amount in (100, 200, 300)]
    assert [release for release, *_ in results_of(made)] == releases[1:]


def test_results_of_releases_by_an_older_version_are_read_with_what_they_have(made: Made) -> None:
    """They had a column less, and each release had nothing but its own results."""
    releases = []
    for amount in (100, 200):
        done = made.release(made.judge(made.candidate(amount=amount)))
        releases.append(done.release)
        path = done.folder / "data_quality_results.parquet"
        room.unlock(done.folder)
        with duckdb.connect() as con:
            con.execute(
                f"create table t as select * exclude (unexpected_count) from '{path}' where release = '{done.release}'"
            )
            con.execute(f"copy t to '{path}' (format parquet)")
    releases.append(made.release(made.judge(made.candidate(amount=300))).release)
    assert results_of(made) == [(release, 4, 0) for release in releases]


def test_results_of_an_earlier_release_that_cannot_be_read_stop_the_next(made: Made) -> None:
    done = made.release(made.judge(made.candidate()))
    room.unlock(done.folder)
    (done.folder / "data_quality_results.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"data_quality_results\.parquet cannot be read"):
        made.release(made.judge(made.candidate(amount=200)))
    assert room.history(made.places)[-1]["release"] == done.release


def test_a_release_keeps_its_verdict_and_page_and_the_manifest_vouches_for_them(made: Made) -> None:
    judged = made.judge(made.candidate(), "amount_is_usual")
    folder = made.release(judged).folder
    assert (folder / "verdict.json").read_text(encoding="utf-8") == judged.verdict.json_text()
    html = (folder / "verdict.html").read_text(encoding="utf-8")
    assert "deals break the rule amount_is_usual" in html
    assert "4 rows of 110 could not be believed" in html
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert {"verdict.json", "verdict.html", "partner_segments.parquet"} <= set(files)
    assert all(len(sha256) == 64 for sha256 in files.values())

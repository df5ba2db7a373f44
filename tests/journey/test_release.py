"""Out: a release is whole or not there, is bound to its verdict, is on record, and can be rolled back."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import release as room
from pipelines.errors import ConfigError, GateRefused, InputError
from pipelines.release import RELEASED_TABLES, Candidate, build_candidate, current, history, roll_back
from pipelines.warehouse import Places, connect, quoted
from tests.conftest import ROOT, Deployment

FINDINGS = [
    {
        "suite": "partner_segments",
        "table_name": "partner_segments",
        "expectation": "there_are_partners",
        "severity": "critical",
        "has_passed": True,
        "observed": "3",
        "says": "there are partners",
    }
]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A state folder with a warehouse whose marts hold three partners."""
    made = Places(tmp_path / "state")
    made.state.mkdir()
    lay_marts(made, "2026Q2", amount=100)
    return made


def lay_marts(places: Places, quarter: str, *, amount: int, partners: int = 3) -> None:
    """The smallest warehouse a candidate can be built from."""
    places.warehouse.unlink(missing_ok=True)
    with connect(places.warehouse) as con:
        con.execute("create schema deployment")
        con.execute("create schema marts")
        con.execute(
            f"create table deployment.run_context as select 'test' as deployment, '{quarter}' as quarter, "
            "'p' as policy, '1' as version, timestamp '2026-07-05 06:00:00' as known_at"
        )
        con.execute(
            "create table deployment.loads as select 'crm' as source, 'account' as table_name, 3::bigint as rows, "
            "'abc' as content_hash, '1.5' as load_id"
        )
        facts = {
            "partner_segments": f"'Partner ' || i as partner_name, {amount} + i as sourced_won_amount",
            "partner_level_history": "'010000K' as released_state, 'gold' as released_level, 'kept' as released_action",
        }
        for table, order in RELEASED_TABLES.items():
            columns = dict.fromkeys(["partner_id", "quarter", "policy", "version", *order], "'x'")
            columns |= {"partner_id": "'p_' || i", "quarter": f"'{quarter}'", "policy": "'p'", "version": "'1'"}
            selected = [*(f"{value} as {quoted(name)}" for name, value in columns.items()), facts.get(table, "")]
            con.execute(
                f"create table marts.{table} as select {', '.join(filter(None, selected))} from range({partners}) t(i)"
            )


def let_out(places: Places, candidate: Candidate, **changes: Any) -> room.Released:
    """Release a candidate as if it had been judged good just now."""
    words: dict[str, Any] = {"verdict_hash": candidate.hash, "decision": "release", "findings": FINDINGS, "run": "test"}
    return room.release(places, candidate, **{**words, **changes})


def amounts(places: Places) -> list[int]:
    with duckdb.connect(str(places.released_file), read_only=True) as con:
        return [row[0] for row in con.execute("select sourced_won_amount from partner_segments order by 1").fetchall()]


def test_a_release_is_readable_as_one_file_and_as_parquet(places: Places) -> None:
    done = let_out(places, build_candidate(places, policy_hash="h"))
    assert done.is_new
    with duckdb.connect(str(places.released_file), read_only=True) as con:
        tables = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
    assert tables == {*RELEASED_TABLES, "data_quality_results", "releases"}
    assert {path.stem for path in places.current.resolve().glob("*.parquet")} == tables
    manifest = json.loads((places.current / "manifest.json").read_text())
    assert manifest["release"] == done.release
    assert manifest["previous"] is None


def test_the_single_file_opens_with_duckdb_1_4(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    header = places.released_file.read_bytes()[:256]
    # The storage version stands in the first header; 64 is what 1.0 to 1.4 read, 2.x writes 69 and later by default.
    assert b"DUCK" in header
    assert header[12] <= 67


def test_the_same_candidate_twice_changes_nothing(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    before = (places.current / "manifest.json").read_bytes(), places.released_file.stat().st_mtime_ns
    again = let_out(places, build_candidate(places, policy_hash="h"))
    assert not again.is_new
    assert ((places.current / "manifest.json").read_bytes(), places.released_file.stat().st_mtime_ns) == before


def test_a_refused_candidate_leaves_the_last_release(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=900)
    with pytest.raises(GateRefused, match="refuse"):
        let_out(places, build_candidate(places, policy_hash="h"), decision="refuse")
    assert amounts(places) == [100, 101, 102]


def test_a_candidate_changed_after_it_was_judged_is_refused(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=900)
    candidate = build_candidate(places, policy_hash="h")
    judged = candidate.hash
    with connect(candidate.folder / "segments.duckdb") as con:
        con.execute("update partner_segments set sourced_won_amount = 1000000")
    with pytest.raises(GateRefused, match="was judged as"):
        let_out(places, candidate, verdict_hash=judged)
    assert amounts(places) == [100, 101, 102]


def test_parquet_that_is_not_what_was_judged_is_refused(places: Places) -> None:
    candidate = build_candidate(places, policy_hash="h")
    path = candidate.folder / "partner_segments.parquet"
    with duckdb.connect() as con:
        con.execute(f"create table t as select * replace (999 as sourced_won_amount) from '{path}'")
        con.execute(f"copy t to '{path}' (format parquet)")
    with pytest.raises(GateRefused, match="differs between"):
        let_out(places, candidate)
    assert not places.released_file.exists()


def test_released_files_cannot_be_written_by_accident(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    folder = places.current.resolve()
    assert all(path.stat().st_mode & 0o222 == 0 for path in [folder, *folder.iterdir()])


def test_roll_back_and_the_next_run_goes_on_from_there(places: Places) -> None:
    first = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=900)
    second = let_out(places, build_candidate(places, policy_hash="h"))
    assert [link["release"] for link in history(places)] == [first.release, second.release]
    roll_back(places)
    assert amounts(places) == [100, 101, 102]
    assert [link["release"] for link in history(places)] == [first.release]
    with pytest.raises(InputError, match="first release"):
        roll_back(places)
    again = let_out(places, build_candidate(places, policy_hash="h"))
    assert again.release == second.release
    assert amounts(places) == [900, 901, 902]


def test_decisions_of_earlier_quarters_are_read_back_and_the_newest_release_of_a_quarter_speaks(places: Places) -> None:
    from pipelines.fiscal import FiscalCalendar
    from pipelines.release import recorded_decisions

    let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q2", amount=500, partners=4)
    corrected = let_out(places, build_candidate(places, policy_hash="h"))
    calendar = FiscalCalendar()
    spine = calendar.spine(calendar.parse("2026Q2"), 4)
    with duckdb.connect() as con:
        recorded_decisions(con, places, spine)
        rows = con.execute("select quarter_index, release, count(*) from released.decisions group by all").fetchall()
    assert rows == [(4, corrected.release, 4)]


def test_releasing_an_earlier_quarter_again_forgets_none_of_those_after_it(places: Places) -> None:
    out = []
    for quarter, amount in (("2026Q2", 100), ("2026Q3", 200), ("2026Q4", 300)):
        lay_marts(places, quarter, amount=amount)
        out.append(let_out(places, build_candidate(places, policy_hash="h")).release)
    lay_marts(places, "2026Q3", amount=200)
    again = let_out(places, build_candidate(places, policy_hash="h"))
    assert (again.release, again.is_new) == (out[1], False)
    assert [link["release"] for link in history(places)] == out
    assert amounts(places) == [300, 301, 302]
    lay_marts(places, "2026Q4", amount=400)
    let_out(places, build_candidate(places, policy_hash="h"))
    assert [link["quarter"] for link in history(places)] == ["2026Q2", "2026Q3", "2026Q4", "2026Q4"]
    assert amounts(places) == [400, 401, 402]


def test_a_gap_that_is_filled_below_is_not_what_the_next_run_goes_on_from(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=200, partners=30)
    third = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q1", amount=50, partners=2)
    with connect(places.warehouse) as con:
        con.execute("update deployment.run_context set known_at = timestamp '2026-04-05 06:00:00'")
    gap = let_out(places, build_candidate(places, policy_hash="h"))
    assert [link["quarter"] for link in history(places)] == ["2026Q2", "2026Q3", "2026Q1"]

    def base(known_at: datetime | None) -> str | None:
        found = room.base_of(places, known_at)
        return found and str(found["release"])

    assert base(None) == third.release
    assert base(datetime(2026, 5, 1, tzinfo=UTC)) == gap.release
    assert base(datetime(2026, 4, 1, tzinfo=UTC)) is None
    counts = {q: room.previous_facts(places, q)["previous_partner_count"] for q in ("2025Q4", "2026Q1", "2026Q4")}
    assert counts == {"2025Q4": 0, "2026Q1": 2, "2026Q4": 30}


def test_a_release_that_lost_records_is_no_measure_unless_somebody_approved_it(places: Places) -> None:
    lost = [{**FINDINGS[0], "suite": "load_changes", "expectation": "few_records_are_gone", "has_passed": False}]
    word = room.Approval(by="operations", why="tidied up", at="2026-10-05", overruled=())

    def base() -> str:
        found = room.base_of_loads(places, None)
        assert found is not None
        return str(found["release"])

    first = let_out(places, build_candidate(places, policy_hash="h"), findings=lost)
    assert base() == first.release  # there is nothing better
    lay_marts(places, "2026Q3", amount=200)
    sound = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=300)
    let_out(places, build_candidate(places, policy_hash="h"), findings=lost)
    assert base() == sound.release
    lay_marts(places, "2026Q3", amount=400)
    signed = let_out(places, build_candidate(places, policy_hash="h"), findings=lost, approval=word)
    assert base() == signed.release


def test_a_state_folder_is_one_deployments(places: Places) -> None:
    room.check_owner(places, "another")
    let_out(places, build_candidate(places, policy_hash="h"))
    room.check_owner(places, "test")
    with pytest.raises(ConfigError, match="releases of the deployment 'test'"):
        room.check_owner(places, "another")


@pytest.mark.parametrize("broken", ["link", "file"])
def test_a_half_finished_switch_is_finished_by_the_next_run(places: Places, broken: str) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=900)
    candidate = build_candidate(places, policy_hash="h")
    old_link, old_file = os.readlink(places.current), places.released_file.read_bytes()
    let_out(places, candidate)
    if broken == "link":
        places.current.unlink()
        places.current.symlink_to(old_link)
    else:
        places.released_file.write_bytes(old_file)
    let_out(places, candidate)
    assert amounts(places) == [900, 901, 902]
    current_release = current(places)
    assert current_release is not None
    assert current_release["release"] == candidate.release


def _read_in_a_loop(path: str, until: float, results: Any) -> None:
    torn = reads = 0
    while time.time() < until:
        with duckdb.connect(path, read_only=True) as con:
            low, high = con.execute(
                "select min(sourced_won_amount), max(sourced_won_amount) from partner_segments"
            ).fetchall()[0]
            release = con.execute("select any_value(release) from partner_segments").fetchall()[0][0]
            newest = con.execute("select max_by(release, position) from releases").fetchall()[0][0]
        reads += 1
        torn += int(high - low != 2 or release != newest)
    results.put((reads, torn))


def test_readers_never_see_half_a_release_while_twelve_are_published(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    results: Any = multiprocessing.get_context("spawn").Queue()
    until = time.time() + 20
    reader = multiprocessing.get_context("spawn").Process(
        target=_read_in_a_loop, args=(str(places.released_file), until, results)
    )
    reader.start()
    for number in range(1, 13):
        lay_marts(places, "2026Q3", amount=1000 * number)
        let_out(places, build_candidate(places, policy_hash="h"))
        if time.time() > until:
            break
    reads, torn = results.get(timeout=60)
    reader.join()
    assert reads > 5
    assert torn == 0


_PUBLISHER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from pipelines.warehouse import Places
from tests.journey.test_release import lay_marts, let_out
from pipelines.release import build_candidate
places = Places(Path({state!r}))
print("ready", flush=True)
number = {start}
while True:
    number += 1
    lay_marts(places, "2026Q3", amount=1000 * number)
    let_out(places, build_candidate(places, policy_hash="h"))
"""


@pytest.mark.slow
def test_a_publisher_killed_at_any_moment_leaves_a_whole_release(places: Places) -> None:
    let_out(places, build_candidate(places, policy_hash="h"))
    for kill in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _PUBLISHER.format(root=str(ROOT), state=str(places.state), start=kill * 100)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15 + kill * 0.07)
        process.send_signal(signal.SIGKILL)
        process.wait()
        low, _, high = amounts(places)
        assert high - low == 2
        manifest = json.loads((places.current / "manifest.json").read_text())
        assert all((places.current / name).exists() for name in manifest["files"])
    lay_marts(places, "2026Q3", amount=7)
    let_out(places, build_candidate(places, policy_hash="h"))
    assert amounts(places) == [7, 8, 9]
    assert not list((places.released / "releases").glob("*/.*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("after", ["extract", "shape", "judge"])
def test_a_run_killed_in_the_middle_leaves_the_last_release_and_the_next_run_is_right(
    sample: Deployment, tmp_path: Path, after: str
) -> None:
    """Kill -9 while it extracts, builds or judges and releases; then run again."""
    from tests.conftest import deployment_in, segments

    shutil.copytree(sample.state, tmp_path / "state", symlinks=True)
    shutil.copytree(sample.file.parent / "inputs", tmp_path / "inputs")
    made = deployment_in(
        tmp_path, sample.file, sample=None, paths={"policies_absolute": sample.file.parent / "policies"}
    )
    changed = (tmp_path / "inputs" / "Opportunity.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "inputs" / "Opportunity.csv").write_text("".join(changed[:-20]), encoding="utf-8")
    partners = (tmp_path / "inputs" / "OpportunityPartner.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = {line.split(",", 1)[0].strip('"') for line in changed[:-20]}
    (tmp_path / "inputs" / "OpportunityPartner.csv").write_text(
        partners[0] + "".join(line for line in partners[1:] if line.split(",")[1].strip('"') in kept), encoding="utf-8"
    )
    before = sample.segments(
        "query", "select any_value(release) as release from partner_segments", "--format", "csv"
    ).stdout
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENTS_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "run", "--json", "--config", str(made.file)],
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    awaited = {"extract": "table_landed", "shape": "table_landed", "judge": "candidate_built"}[after]
    for line in process.stdout:
        if json.loads(line)["event"] == awaited:
            break
    time.sleep({"extract": 0.0, "shape": 6.0, "judge": 2.0}[after])
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (
        made.segments("query", "select any_value(release) as release from partner_segments", "--format", "csv").stdout
        == before
    )
    finished = segments("run", "--quiet", "--config", str(made.file), cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "released" in finished.stdout
    assert (
        made.segments("query", "select any_value(release) as release from partner_segments", "--format", "csv").stdout
        != before
    )


def test_a_rollback_takes_the_beginning_of_one_id(places: Places) -> None:
    first = let_out(places, build_candidate(places, policy_hash="h"))
    lay_marts(places, "2026Q3", amount=100)
    second = let_out(places, build_candidate(places, policy_hash="h"))
    with pytest.raises(InputError, match=f"several begin so: {first.release}, {second.release}"):
        roll_back(places, "2026")
    with pytest.raises(InputError, match="not there"):
        roll_back(places, "2025")
    assert roll_back(places, first.release[:10]).release == first.release

"""What a killed run leaves in the lake or in dlt's folder is invisible, and the next run is right all the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import InputError
from pipelines.lake import completed_ids
from tests.faults.exports import Deployment, Export

RIGHT = {"account": 6, "opportunity": 20, "opportunity_partner": 20}
NEXT = {"account": 7, "opportunity": 24, "opportunity_partner": 24}


def parquet(made: Deployment, table: str) -> Path:
    """The only Parquet file of a table."""
    (found,) = (made.places.lake / "salesforce" / table).glob("*/*.parquet")
    return found


def next_run_is_right(made: Deployment) -> None:
    """A new export lands as if nothing had happened."""
    Export.of(6).write(made.inputs)
    made.extract()
    assert made.rows() == NEXT


def test_rows_of_a_load_that_was_never_marked_complete_are_invisible(loaded: Deployment) -> None:
    for table in ("account", "opportunity", "load_facts"):
        file = parquet(loaded, table)
        shutil.copy(file, file.with_name("1900000000.5.abcdef1234.parquet"))
    assert loaded.rows() == RIGHT
    assert len(loaded.loads()) == 3
    next_run_is_right(loaded)


def test_a_truncated_file_of_such_a_load_is_invisible(loaded: Deployment) -> None:
    for table in ("opportunity", "load_facts"):
        file = parquet(loaded, table)
        file.with_name("1900000000.5.abcdef1234.parquet").write_bytes(file.read_bytes()[:100])
    assert loaded.rows() == RIGHT
    next_run_is_right(loaded)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"load_id":"1900000000.5","sch', b"\xff\xfe\x00", b"12\n", b"[]", b'{"status":0}',
     b'{"load_id":"1900000000.5","status":1}'],
)  # fmt: skip
def test_a_broken_mark_completes_nothing(loaded: Deployment, content: bytes) -> None:
    mark = loaded.places.lake / "salesforce" / "_dlt_loads" / "salesforce__1900000000.5.jsonl"
    mark.write_bytes(content)
    file = parquet(loaded, "account")
    shutil.copy(file, file.with_name("1900000000.5.abcdef1234.parquet"))
    assert "1900000000.5" not in completed_ids(loaded.places.lake, "salesforce")
    assert loaded.rows() == RIGHT


def test_without_its_mark_a_load_is_loaded_again(loaded: Deployment) -> None:
    for mark in (loaded.places.lake / "salesforce" / "_dlt_loads").iterdir():
        mark.write_bytes(mark.read_bytes()[:20])
    assert loaded.loads() == []
    assert [one.is_new for one in loaded.extract()] == [True, True, True]
    assert loaded.rows() == RIGHT


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _empty])
@pytest.mark.parametrize(
    "files",
    ["lake/salesforce/_dlt_version/*", "lake/salesforce/init", "dlt/salesforce/state.json", "dlt/salesforce/schemas/*"],
)
def test_what_dlt_left_half_written_stops_no_later_run(
    loaded: Deployment, files: str, damage: Callable[[Path], None]
) -> None:
    found = list(loaded.places.state.glob(files))
    assert found
    for path in found:
        damage(path)
    next_run_is_right(loaded)


@pytest.mark.parametrize("left", [[], ["account"], ["_dlt_loads", "_dlt_version"], ["init"]])
def test_a_first_load_killed_while_it_lays_the_folders_stops_no_later_run(ground: Deployment, left: list[str]) -> None:
    folder = ground.places.lake / "salesforce"
    folder.mkdir(parents=True)
    for name in left:
        (folder / name).touch() if name == "init" else (folder / name).mkdir()
    assert ground.loads() == []
    next_run_is_right(ground)
    assert [one.is_new for one in ground.extract()] == [False, False, False]


def test_a_package_left_in_dlts_folder_is_not_loaded_in_place_of_the_export(loaded: Deployment) -> None:
    package = next((loaded.places.dlt / "salesforce" / "load" / "loaded").iterdir())
    waiting = loaded.places.dlt / "salesforce" / "load" / "normalized" / package.name
    shutil.copytree(package, waiting)
    for job in (waiting / "completed_jobs").iterdir():
        job.rename(waiting / "new_jobs" / job.name)
    (waiting / "package_completed.json").unlink()
    next_run_is_right(loaded)
    assert len(completed_ids(loaded.places.lake, "salesforce")) == 2


def test_dlts_folder_may_be_deleted_between_runs(loaded: Deployment) -> None:
    shutil.rmtree(loaded.places.dlt)
    next_run_is_right(loaded)


# Damage to a load that did complete is no crash of ours: it is said, and nothing is built on it.


def test_a_damaged_file_of_a_completed_load_stops_the_run_and_is_named(loaded: Deployment) -> None:
    _cut(parquet(loaded, "opportunity"))
    with pytest.raises(InputError) as caught:
        loaded.lay()
    for word in ("source salesforce", "lake", "opportunity", "cannot be read", "nothing was built", "backup"):
        assert word in str(caught.value)


def test_a_missing_file_of_a_completed_load_stops_the_run_with_both_numbers(loaded: Deployment) -> None:
    parquet(loaded, "opportunity").unlink()
    with pytest.raises(InputError, match="the ledger says 20 rows, the files hold 0; nothing was built"):
        loaded.lay()


def test_a_damaged_ledger_stops_the_run_and_is_named(loaded: Deployment) -> None:
    _cut(parquet(loaded, "load_facts"))
    with pytest.raises(
        InputError, match=r"source salesforce: lake .*load_facts: a file of a completed load cannot be read"
    ):
        loaded.extract()


def test_a_source_moved_out_of_a_damaged_lake_is_loaded_again(loaded: Deployment) -> None:
    _cut(parquet(loaded, "opportunity"))
    (loaded.places.lake / "salesforce").rename(loaded.root / "damaged")
    loaded.extract()
    assert loaded.rows() == RIGHT


def test_a_lake_written_before_drops_could_be_accepted_is_still_read(loaded: Deployment) -> None:
    import pyarrow.parquet as pq

    file = parquet(loaded, "load_facts")
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["is_shrink_accepted"]), file)
    assert [load.is_shrink_accepted for load in loaded.loads()] == [False, False, False]
    assert loaded.rows() == RIGHT


def test_a_mark_is_one_json_object_per_load(loaded: Deployment) -> None:
    (mark,) = (loaded.places.lake / "salesforce" / "_dlt_loads").iterdir()
    assert json.loads(mark.read_text())["status"] == 0

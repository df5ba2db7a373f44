"""What goes wrong while a live source is read and landed: the lake stays readable as it was, and the next good run ends
in exactly what the vendor holds."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.vendors.faults import Fault
from pipelines.connector import Table
from pipelines.errors import InputError
from pipelines.extract import extract
from pipelines.http import BadAnswer, Refused, SourceDown, SourceLimited, SourceRefused
from pipelines.lake import Reads, lay_views, loads
from pipelines.pull import Stream, Window, text_table
from pipelines.warehouse import memory
from tests.kit import vendor
from tests.kit.conftest import Ground
from tests.kit.vendor import SECRET, TOKEN, Client, instance

ROOT = Path(__file__).resolve().parents[2]
ORDERS = ("GET", r"/v1/orders")
COUNT = 1200
WINDOWS: dict[str, Any] = {"window_hours": 6}

Newest = dict[str, tuple[str | None, str | None]]


def fill(ground: Ground, count: int = COUNT) -> None:
    """Orders over a day, each with words that do not compress, so that files have a size."""
    chance = random.Random(7)
    ground.orchard.page_size = 200
    for number in range(count):
        at = ground.orchard.now - (number + 1) / count * (ground.orchard.now - vendor.BEGAN)
        ground.orchard.put(f"o{number:05d}", amount=number, words=f"{chance.getrandbits(800):x}", at=at)


def move(ground: Ground) -> None:
    """An hour passes, in which a third of the orders change, some vanish from view, and new ones come."""
    chance = random.Random(ground.orchard.minutes)
    ground.orchard.minutes += 30
    for number in range(0, COUNT, 3):
        ground.orchard.put(f"o{number:05d}", amount=chance.randrange(10**6), words=f"{chance.getrandbits(800):x}")
    for number in range(1, 30, 3):
        ground.orchard.delete(f"o{number:05d}")
    for number in range(10):
        ground.orchard.put(f"n{ground.orchard.minutes}-{number}", amount=number)
    ground.orchard.minutes += 30


def held(ground: Ground) -> Newest:
    """What the vendor holds, as the lake should."""
    return {name: (str(x["amount"]), str(x["is_deleted"]).lower()) for name, x in ground.orchard.orders.items()}


def ends_well(ground: Ground, **options: Any) -> None:
    """A good run brings exactly what the vendor holds, no id twice in a load, and another one brings nothing."""
    ground.read(**options)
    assert ground.newest() == held(ground)
    rows = [(row["load_id"], row["id"]) for row in ground.rows()]
    assert len(rows) == len(set(rows))
    (landed,) = ground.read(**options)
    assert not landed.is_new
    assert not ground.places.spool.joinpath("orchard").exists()


def started(ground: Ground, **plan: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kit.live", str(ground.settings.file), ground.url, json.dumps(plan)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SEGMENTS_NOW": ground.orchard.now.isoformat()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def ran(ground: Ground, **plan: Any) -> tuple[int, str, str]:
    """How a run in a process of its own ended, and what it said."""
    with started(ground, **plan) as process:
        out, err = process.communicate()
        return process.returncode, out, err


# -- killed ------------------------------------------------------------------------------------------------------------

# Every step of a run of which another half could be missing: where, the call that counts, and whether it is before it.
DEATHS = [
    ("pipelines.pull:_Spool.write", 1, "die"),
    ("pipelines.pull:_Writer.add", 3, "die"),
    ("pipelines.pull:_Writer.close_file", 2, "die"),
    ("pipelines.pull:_Writer.close", 1, "die after"),
    ("pipelines.pull:_Spool.write", 4, "die"),
    ("pipelines.pull:_Spool.write", 4, "die after"),
    ("pipelines.pull:_settled", 1, "die"),
    ("pipelines.pull:_settled", 1, "die after"),
    ("pipelines.extract:_sweep", 1, "die after"),
    ("dlt.pipeline.pipeline:Pipeline.extract", 1, "die"),
    ("dlt.pipeline.pipeline:Pipeline.extract", 1, "die after"),
    ("dlt.common.data_writers.writers:ArrowToParquetWriter.write_data", 1, "die after"),
    ("dlt.pipeline.pipeline:Pipeline.normalize", 1, "die after"),
    ("dlt.destinations.impl.filesystem.filesystem:FilesystemLoadJob.run", 1, "die after"),
    ("dlt.destinations.impl.filesystem.filesystem:FilesystemLoadJob.run", 2, "die after"),
    ("dlt.destinations.impl.filesystem.filesystem:FilesystemClient.complete_load", 1, "die"),
    ("dlt.destinations.impl.filesystem.filesystem:FilesystemClient.complete_load", 1, "die after"),
    ("pipelines.extract:note_reads", 1, "die"),
    ("pipelines.extract:note_reads", 1, "die after"),
]
FEW = [DEATHS[5], DEATHS[14]]


def survives(ground: Ground, death: tuple[str, int, str], *, is_first: bool) -> None:
    point, nth, do = death
    fill(ground)
    before: Newest = {}
    if not is_first:
        ground.read(**WINDOWS)
        before = ground.newest()
        move(ground)
    code, out, err = ran(ground, options=WINDOWS, at=point, nth=nth, do=do)
    assert (code, "reached" in out) == (-signal.SIGKILL, True), f"{out}{err}"
    # Before anything is mended: the old load or the new one, never a mixture.
    now_there = ground.newest()
    assert now_there in (before, held(ground))
    # Between the killed run and the next one the vendor does not stand still.
    move(ground)
    ends_well(ground, **WINDOWS)


@pytest.mark.parametrize("death", FEW, ids=lambda death: f"{death[0].rpartition(':')[2]}-{death[1]}-{death[2]}")
def test_a_run_that_is_killed_leaves_a_whole_lake(ground: Ground, death: tuple[str, int, str]) -> None:
    survives(ground, death, is_first=False)


@pytest.mark.slow
@pytest.mark.parametrize("is_first", [True, False], ids=["first reading", "increment"])
@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death[0].rpartition(':')[2]}-{death[1]}-{death[2]}")
def test_a_run_that_is_killed_anywhere_leaves_a_whole_lake(
    ground: Ground, death: tuple[str, int, str], is_first: bool
) -> None:
    if death == ("pipelines.pull:_Spool.write", 4, "die") and not is_first:
        death = ("pipelines.pull:_Spool.write", 2, "die")  # an increment has fewer windows
    if death == ("pipelines.pull:_Spool.write", 4, "die after") and not is_first:
        death = ("pipelines.pull:_Spool.write", 3, "die after")
    survives(ground, death, is_first=is_first)


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_in_the_truth(ground: Ground) -> None:
    chance = random.Random(11)
    fill(ground)
    with started(ground, options=WINDOWS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        began = time.monotonic()
        assert process.stdout.readline() == "landed\n"
        whole = time.monotonic() - began
    cut_short = 0
    before = ground.newest()
    for kill in range(12):
        move(ground)
        with started(ground, options=WINDOWS) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            time.sleep(chance.uniform(0, whole))
            process.kill()
            cut_short += "landed" not in process.stdout.read()
        now_there = ground.newest()
        assert now_there in (before, held(ground)), f"kill {kill}"
        before = now_there
        if chance.random() < 0.3:
            ends_well(ground, **WINDOWS)
            before = ground.newest()
    assert cut_short >= 4, "the kills came too late to say anything"
    ends_well(ground, **WINDOWS)


def test_what_a_killed_run_had_read_is_not_asked_for_again(ground: Ground) -> None:
    fill(ground)
    code, out, err = ran(ground, options=WINDOWS, at="pipelines.pull:_Spool.write", nth=4, do="die after")
    assert (code, "reached" in out) == (-signal.SIGKILL, True), f"{out}{err}"
    asked = list(ground.orchard.asked)
    ground.orchard.asked.clear()
    ground.read(**WINDOWS)
    assert not set(asked) & set(ground.orchard.asked), "two of four windows were there"
    assert len(ground.orchard.asked) == len(asked)
    assert ground.newest() == held(ground)
    rows = [row["file_row"] for row in ground.rows()]
    assert sorted(rows) == list(range(1, COUNT + 1)), "a row of any window can be told by its number"


# -- no room -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "size", "words"),
    [
        ("pipelines.pull:_Writer.add", 20_000, "spool .*cannot be written"),
        ("pipelines.pull:_settled", 20_000, "spool .*cannot be settled"),
        ("pipelines.extract:_land", 20_000, "lake .*cannot be written"),
        ("dlt.pipeline.pipeline:Pipeline.load", 20_000, "lake .*cannot be written"),
        ("dlt.destinations.impl.filesystem.filesystem:FilesystemClient.complete_load", 20, "lake .*cannot be written"),
    ],
    ids=["the spool", "settling", "landing", "loading", "the mark"],
)
def test_a_disk_without_room_leaves_the_lake_as_it_was(ground: Ground, point: str, size: int, words: str) -> None:
    """No file may grow beyond a size, as under a quota: the kernel itself says no, in the middle of a write."""
    fill(ground)
    ground.read()
    before = ground.newest()
    move(ground)
    code, out, err = ran(ground, at=point, do="full", bytes=size)
    assert (code, "reached" in out) == (InputError.exit_code, True), f"{out}{err}"
    told = out.partition("InputError: ")[2]
    assert "nothing was loaded" in told
    assert re.search(words, told), told
    assert ground.newest() == before
    ends_well(ground)


@pytest.mark.parametrize("file", ["orders-00002-000.parquet", "plan.draft"])
def test_a_full_disk_while_parts_are_kept_keeps_the_others(ground: Ground, file: str) -> None:
    """The device is full for one file of the spool; what was read before stays, and the next run goes on from it."""
    fill(ground)
    quota = Fault(ORDERS, "status", nth=2, code=429, headers={"X-Quota": "0"})
    ground.orchard.faults.add(quota)
    ground.orchard.page_size = COUNT
    with pytest.raises(SourceLimited):
        ground.read(**WINDOWS)
    ground.orchard.faults.clear()
    place = ground.places.spool / "orchard" / file
    place.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"spool .* cannot be written .*No space left on device") as caught:
        ground.read(**WINDOWS)
    assert "make room on that disk, then run again: finished parts are kept" in str(caught.value)
    place.unlink(missing_ok=True)
    ground.orchard.asked.clear()
    ground.read(**WINDOWS)
    assert len(ground.orchard.asked) < 4
    ends_well(ground, **WINDOWS)


def test_a_spool_that_is_damaged_is_read_again(ground: Ground) -> None:
    """A machine that lost power may keep a file's name and not its end."""
    fill(ground)
    ground.orchard.page_size = COUNT
    ground.orchard.faults.add(Fault(ORDERS, "status", nth=3, code=429, headers={"X-Quota": "0"}))
    with pytest.raises(SourceLimited):
        ground.read(**WINDOWS)
    ground.orchard.faults.clear()
    file = ground.places.spool / "orchard" / "orders-00000-000.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"spool .* cannot be settled .*nothing was loaded"):
        ground.read(**WINDOWS)
    ends_well(ground, **WINDOWS)


# -- who we are, and how often -----------------------------------------------------------------------------------------


def test_tokens_that_die_between_pages_are_renewed(ground: Ground) -> None:
    fill(ground)
    ground.orchard.faults.add(*(Fault(ORDERS, "expire_token", nth=n) for n in (1, 4, 7)))
    ends_well(ground, renews=True)
    assert [kind for kind, _, _ in ground.orchard.faults.struck].count("expire_token") == 3
    assert ground.orchard.given >= 4


def test_access_that_is_taken_away_in_the_middle_keeps_what_was_read(ground: Ground) -> None:
    fill(ground)
    ground.read(renews=True, **WINDOWS)
    before = ground.newest()
    move(ground)
    ground.orchard.page_size = 50
    ground.orchard.faults.add(Fault(ORDERS, "expire_token", nth=3))
    ground.orchard.is_revoked = False

    def revoke(orchard: vendor.Orchard) -> None:
        orchard.is_revoked = True

    ground.orchard.on_page = revoke
    with pytest.raises(Refused, match="invalid_client"):
        ground.read(renews=True, **WINDOWS)
    assert ground.newest() == before
    ground.orchard.on_page, ground.orchard.is_revoked = None, False
    ends_well(ground, renews=True, **WINDOWS)


def test_a_storm_of_429_is_weathered(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pipelines.http.sleep", waits.append)
    fill(ground)
    storm = [n for n in range(1, 30) if n % 3]
    ground.orchard.faults.add(
        *(Fault(ORDERS, "status", nth=n, code=429, headers={"Retry-After": "9"}, body="calm down") for n in storm)
    )
    ends_well(ground)
    assert waits.count(9.0) >= 10


def test_a_storm_that_does_not_end_is_left_and_come_back_to(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.http.sleep", lambda seconds: None)
    fill(ground)
    ground.read(**WINDOWS)
    before = ground.newest()
    move(ground)
    ground.orchard.faults.add(Fault(ORDERS, "status", nth=2, times=0, code=429, headers={"Retry-After": "9"}))
    with pytest.raises(SourceDown, match=r"429 .*4 attempts; nothing was loaded"):
        ground.read(**WINDOWS)
    ground.orchard.faults.clear()
    ground.orchard.faults.add(Fault(ORDERS, "status", times=0, code=429, headers={"Retry-After": "3600"}))
    with pytest.raises(SourceLimited, match="asks for a pause of 3,600 s"):
        ground.read(**WINDOWS)
    assert ground.newest() == before
    ground.orchard.faults.clear()
    ends_well(ground, **WINDOWS)


# -- other columns, other types, other answers -------------------------------------------------------------------------


def test_columns_come_go_and_change_their_type_and_no_value_is_lost(ground: Ground) -> None:
    """A column that comes is kept, one that goes is unknown from then on, and one whose type changes stays text; what a
    cast cannot read is there to be counted."""
    fill(ground, 6)
    ground.read()
    ground.orchard.minutes += 60
    spoken: list[Any] = ["n/a", {"value": 3}, True, 7.25, [1, "b"], None]
    for number, value in enumerate(spoken):
        ground.orchard.put(f"o{number:05d}", amount=value, region="Nørre")
    ground.orchard.hidden = {"words"}
    ground.orchard.minutes += 1
    ground.read()
    rows = {row["id"]: row for row in ground.rows()}
    amounts = [rows[f"o{number:05d}"]["amount"] for number in range(6)]
    assert amounts == ["n/a", '{"value":3}', "true", "7.25", '[1,"b"]', None]
    assert {row["region"] for row in rows.values()} == {"Nørre"}
    assert {row["words"] for row in rows.values()} == {None}
    with memory() as con:
        lay_views(con, ground.places.lake, [instance(ground.url)], known_at=None)
        newest = (
            "select * from raw_orchard.orders qualify row_number() over (partition by id order by known_at desc) = 1"
        )
        counted = con.execute(
            "select count(*) filter (amount is not null and try_cast(amount as decimal(18, 2)) is null), "
            f"count(try_cast(amount as decimal(18, 2))) from ({newest})"
        ).fetchall()
    assert counted == [(4, 1)]


def test_a_column_may_be_called_anything(ground: Ground) -> None:
    """Names that the lake spells differently are the same columns when they come again."""
    odd = ("MyProp", "my_prop", "trailing_", "2x", "a__b", "with space", "dot.ted", "øre", "_lead", "Größe", "!", "?")
    values = {name: f"value of {name}" for name in odd}
    ground.orchard.put("a", amount=1, at=ground.orchard.now - timedelta(minutes=1), **values)
    ground.read()
    (row,) = ground.rows()
    assert sorted(str(row[name]) for name in row if str(row[name]).startswith("value of")) == sorted(values.values())
    assert (row["my_prop"], row["a__b"], row["with_space"]) == (
        "value of MyProp",
        "value of a__b",
        "value of with space",
    )
    ground.orchard.minutes += 3
    (landed,) = ground.read()
    assert not landed.is_new, "rows of the look-back are those that are there"


def test_rows_that_leave_things_out_are_one_table(ground: Ground) -> None:
    """Fields that are there now and then cost no file each, and what is left out is null."""
    fill(ground, 400)
    ground.orchard.page_size = 10
    for number in range(0, 400, 25):
        ground.orchard.orders[f"o{number:05d}"][f"field_{number}"] = number
    before = {name for name in ground.orchard.orders if "words" in ground.orchard.orders[name]}
    for name in sorted(before)[::2]:
        del ground.orchard.orders[name]["words"]
    ground.orchard.faults.add(Fault(("GET", "/v1/ids"), "status", code=500))
    code, out, err = ran(ground, at="pipelines.pull:_settled")
    assert (code, "reached" in out) == (-signal.SIGKILL, True), err
    assert len(list((ground.places.spool / "orchard").glob("orders-*.parquet"))) == 1
    ends_well(ground)
    rows = {row["id"]: row for row in ground.rows()}
    assert {rows[f"o{n:05d}"][f"field_{n}"] for n in range(0, 400, 25)} == {str(n) for n in range(0, 400, 25)}
    assert sum(row["words"] is None for row in rows.values()) == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(ORDERS, "error200", nth=2, times=0, body={"error": {"message": "try later"}}), BadAnswer),
        (Fault(ORDERS, "null_data", nth=2, times=0), BadAnswer),
        (Fault(ORDERS, "missing_data", nth=2, times=0), BadAnswer),
        (Fault(ORDERS, "truncate", nth=2, times=0), BadAnswer),
        (Fault(ORDERS, "html", nth=2, times=0), BadAnswer),
        (Fault(ORDERS, "short", nth=2, times=0), SourceDown),
        (Fault(ORDERS, "status", nth=1, times=0, code=503), SourceDown),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_an_answer_that_is_none_is_never_half_a_table(ground: Ground, fault: Fault, error: type[Exception]) -> None:
    fill(ground)
    ground.read(is_whole=True)
    before = ground.newest()
    move(ground)
    ground.orchard.faults.add(fault)
    with pytest.raises(error, match="nothing was loaded"):
        ground.read(is_whole=True)
    assert ground.newest() == before
    ground.orchard.faults.clear()
    ends_well(ground, is_whole=True)


def test_an_answer_that_looks_whole_and_is_short_keeps_the_table(ground: Ground) -> None:
    """Nothing in the answer tells that the rest is missing; that the table would shrink so much does."""
    fill(ground)
    ground.read(is_whole=True)
    before = ground.newest()
    ground.orchard.minutes += 60
    rows = [{"id": f"o{n:05d}", "amount": n, "is_deleted": False, "changed_at": "2026-01-02"} for n in range(20)]
    ground.orchard.faults.add(Fault(ORDERS, "error200", body={"items": rows, "next": None}))
    with pytest.raises(
        InputError, match=r"orders: 20 rows, below 80% of the last load's 1,200: table kept, run stopped"
    ):
        ground.read(is_whole=True)
    assert ground.newest() == before
    ends_well(ground, is_whole=True)


def test_rows_without_an_id_are_all_kept(ground: Ground) -> None:
    """What tells records apart is missing, so none is another version of another one; staging quarantines them."""
    fill(ground, 3)
    for number in range(3):
        ground.orchard.orders[f"x{number}"] = {
            "id": None, "amount": number, "is_deleted": False, "changed_at": "2026-01-01T05:00:00+00:00"
        }  # fmt: skip
    rows = [*ground.orchard.orders.values()]
    ground.orchard.faults.add(Fault(ORDERS, "error200", times=0, body={"items": rows, "next": None}))
    ground.read()
    assert sorted(row["amount"] for row in ground.rows() if row["id"] is None) == ["0", "1", "2"]


@pytest.mark.parametrize(("first", "then"), [("09:00:00Z", "09:00:00.500Z"), ("09:00:00.5+00:00", "11:00:01+02:00")])
def test_of_two_versions_in_one_reading_the_later_moment_counts(ground: Ground, first: str, then: str) -> None:
    """However the stamps are spelled: as text, the first of each pair would be the greater one or its equal."""
    versions = [
        {"id": "a", "amount": amount, "is_deleted": False, "changed_at": f"2026-01-01T{stamp}"}
        for amount, stamp in ((2, then), (1, first))
    ]
    ground.orchard.faults.add(Fault(ORDERS, "error200", body={"items": versions, "next": None}))
    ground.read()
    assert [row["amount"] for row in ground.rows()] == ["2"]


# -- what is gone ------------------------------------------------------------------------------------------------------


def test_a_table_without_a_deleted_mark_gets_one_where_ids_vanish(ground: Ground) -> None:
    fill(ground, 6)
    ground.orchard.hidden = {"is_deleted"}
    ground.read()
    ground.orchard.purge("o00002")
    ground.orchard.minutes += 60 * 24 * 8
    ground.read()
    newest = ground.newest()
    assert newest.pop("o00002") == ("2", "true")
    assert {deleted for _, deleted in newest.values()} == {None}


def test_a_table_that_was_never_filled_has_nothing_to_look_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("orders", vendor.TABLE.columns, ("id",), "increment", may_be_empty=True)
    monkeypatch.setattr(vendor, "TABLE", table)
    ground.read()
    ground.orchard.minutes += 60 * 24 * 8
    ground.read()
    ground.orchard.put("late", amount=1)
    ground.orchard.minutes += 60
    ground.read()
    assert ground.newest() == {"late": ("1", "false")}


# -- going on ----------------------------------------------------------------------------------------------------------


def stopped_half_way(ground: Ground, **options: Any) -> None:
    ground.orchard.page_size = COUNT
    ground.orchard.faults.add(Fault(ORDERS, "status", nth=3, code=429, headers={"X-Quota": "0"}))
    with pytest.raises(SourceLimited):
        ground.read(**WINDOWS, **options)
    ground.orchard.faults.clear()
    ground.orchard.asked.clear()


def test_more_patience_is_no_other_question(ground: Ground) -> None:
    """Who raises a limit because a message said so goes on where the reading stopped."""
    fill(ground)
    stopped_half_way(ground)
    ground.read(**WINDOWS, http={"longest_wait_seconds": 900, "backoff_seconds": 0})
    assert len(ground.orchard.asked) == 2
    assert ground.newest() == held(ground)


def test_columns_that_come_while_a_reading_is_stopped_are_read_for_every_row(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission for a field is given in between: the parts that are there know nothing of it."""
    fill(ground)
    ground.orchard.hidden = {"words"}
    stopped_half_way(ground)
    ground.orchard.hidden = set()
    streams = Client.streams

    def wider(client: Client) -> list[Stream]:
        return [replace(stream, selected=(*stream.selected, "words")) for stream in streams(client)]

    monkeypatch.setattr(Client, "streams", wider)
    ground.read(**WINDOWS)
    assert len(ground.orchard.asked) == 4
    (load,) = loads(ground.places.lake, "orchard")
    assert "words" in load.selected
    assert None not in {row["words"] for row in ground.rows()}


def test_a_mark_that_was_cut_off_while_it_was_written_hides_no_other(ground: Ground) -> None:
    fill(ground, 4)
    ground.read()
    reads = ground.places.lake / "orchard" / "reads.jsonl"
    reads.write_bytes(reads.read_bytes() + b'\n{"table": "orders", "cur')
    ground.orchard.minutes += 600
    ends_well(ground)
    assert Reads.of(ground.places.lake, "orchard").cursor("orders") == ground.orchard.now


def test_what_changes_while_a_first_reading_takes_its_time_is_in_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first reading of hours asks for windows of stamps; an order that changes before its window is read has left it
    by then, and would be in none."""
    fill(ground)
    touched = iter([f"o{number:05d}" for number in range(0, 100, 2)])

    def an_hour_passes(orchard: vendor.Orchard) -> None:
        orchard.minutes += 60
        if name := next(touched, ""):
            orchard.put(name, amount=777)
        monkeypatch.setenv("SEGMENTS_NOW", orchard.now.isoformat())

    ground.orchard.on_page = an_hour_passes
    ground.read(**WINDOWS)
    ground.orchard.on_page = None
    assert ground.newest().keys() == held(ground).keys()
    (load,) = loads(ground.places.lake, "orchard")
    assert load.cursor == vendor.BEGAN + timedelta(minutes=60 * 24), "the next reading looks again from the start"
    assert load.known_at > load.cursor
    ground.orchard.minutes += 1
    ends_well(ground, **WINDOWS)


def test_all_tables_of_a_reading_are_known_at_one_moment(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else there were moments as of which a deal is known and its account is not."""
    fill(ground, 20)
    streams = Client.streams
    more = Table("accounts", vendor.TABLE.columns, ("id",), "increment")

    def two(client: Client) -> list[Stream]:
        (orders,) = streams(client)
        return [orders, replace(orders, table=more, origin="accounts")]

    monkeypatch.setattr(Client, "streams", two)
    ground.orchard.on_page = lambda orchard: monkeypatch.setenv(
        "SEGMENTS_NOW", (ground.orchard.now + timedelta(seconds=len(orchard.asked))).isoformat()
    )
    ground.read()
    assert len({load.known_at for load in loads(ground.places.lake, "orchard")}) == 1
    assert {load.table for load in loads(ground.places.lake, "orchard")} == {"orders", "accounts"}


# -- text --------------------------------------------------------------------------------------------------------------


def slow_text_table(rows: list[dict[str, Any]]) -> dict[str, list[str | None]]:
    """The same, value by value and by the rule alone."""

    def spelled(value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, float):
            return repr(value).replace("e-0", "e-")
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [spelled(row.get(name)) for row in rows] for name in names}


@pytest.mark.parametrize("seed", range(20))
def test_every_mixture_of_values_is_spelled_as_json_spells_it(seed: int) -> None:
    chance = random.Random(seed)
    values: list[Callable[[], Any]] = [
        lambda: None, lambda: True, lambda: False, lambda: "null", lambda: "", lambda: "a,b", lambda: "Łódź 😀\0",
        lambda: chance.randrange(-(10**6), 10**6), lambda: 2**63, lambda: 2**80, lambda: chance.random(), lambda: 1e22,
        lambda: 100.0, lambda: -0.0, lambda: 1.5e-9, lambda: [1, "a,b", None], lambda: {"a": {"b": [True]}}, dict, list,
    ]  # fmt: skip
    kinds = [chance.sample(values, chance.randint(1, 4)) for _ in range(8)]
    rows = [
        {f"c{number}": chance.choice(kind)() for number, kind in enumerate(kinds) if chance.random() < 0.9}
        for _ in range(30)
    ]
    assert text_table(rows).to_pydict() == slow_text_table(rows)


def test_text_of_nothing_has_the_declared_columns() -> None:
    assert text_table([], ("id", "amount")).to_pydict() == {"id": [], "amount": []}
    assert text_table([{"b": 1}], ("a",)).to_pydict() == {"a": [None], "b": ["1"]}
    assert str(text_table([{}], ("a",)).schema.field("a").type) == "string"
    assert Window() == Window(None, None)


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "plan"),
    [
        (Fault(ORDERS, "status", times=0, code=500, body=f"no session {TOKEN}"), {}),
        (Fault(ORDERS, "status", nth=2, times=0, code=401, body=f"{TOKEN} is not known"), {}),
        (Fault(("POST", "/v1/token"), "status", times=0, code=400, body=f"secret={SECRET} is wrong"), {"renews": True}),
        (Fault(ORDERS, "status", times=0, code=302, headers={"Location": f"https://evil.example/{TOKEN}"}), {}),
        (Fault(ORDERS, "error200", times=0, body={"error": f"Bearer {TOKEN}"}), {}),
        (Fault(ORDERS, "reset", times=0), {"renews": True}),
        (None, {"renews": True}),
    ],
    ids=["500", "401", "token", "redirect", "200", "reset", "landing"],
)
def test_no_secret_is_written_anywhere_by_a_run_that_fails(
    ground: Ground, fault: Fault | None, plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is looked through: what was said at the lowest level by any library, tracebacks, and every file."""
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    fill(ground, 500)
    more: dict[str, Any] = {}
    if fault is None:
        more = {"at": "dlt.pipeline.pipeline:Pipeline.load", "do": "full", "bytes": 2_000}
    else:
        ground.orchard.faults.add(fault)
    code, out, err = ran(ground, is_loud=True, options={**plan, "window_hours": 6}, **more)
    assert code == InputError.exit_code, f"{out}{err}"
    assert "urllib3.connectionpool" in err
    assert "Traceback" in err
    assert ("dlt" in err) == (fault is None)
    files = [path for path in ground.places.state.rglob("*") if path.is_file()]
    assert files
    written = "".join(path.read_bytes().decode("latin-1") for path in files)
    for secret in (TOKEN, SECRET, "orchard-given-00000001"):
        assert secret not in out + err
        assert secret not in written
        assert secret[8:] not in out + err + written


def test_the_token_reaches_the_vendor_and_nobody_else(ground: Ground) -> None:
    """So that the test above looks for what is really used."""
    fill(ground, 4)
    ground.orchard.tokens.clear()
    with pytest.raises(SourceRefused):
        ground.read()
    ground.orchard.tokens.append(TOKEN)
    extract(ground.settings, ground.places, instance(ground.url))
    assert len(ground.newest()) == 4

"""What the kit promises of every live source: whole or nothing, once each, nothing lost, nothing new is no load."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from demo.vendors.faults import Fault
from pipelines.errors import InputError
from pipelines.extract import extract_group
from pipelines.http import BadAnswer, SourceDown, SourceLimited, SourceRefused
from pipelines.lake import Reads, loads
from tests.kit.conftest import Ground
from tests.kit.vendor import Orchard, instance

ORDERS = ("GET", r"/v1/orders")


def fill(ground: Ground, count: int = 8) -> None:
    for number in range(count):
        ground.orchard.put(f"o{number:02d}", amount=number, at=ground.orchard.now - timedelta(hours=20 - number))


def test_a_first_reading_lands_everything_over_all_pages(ground: Ground) -> None:
    fill(ground)
    (landed,) = ground.read()
    assert (landed.rows, landed.is_new) == (8, True)
    assert ground.newest() == {f"o{n:02d}": (str(n), "false") for n in range(8)}
    assert [row["file_row"] for row in ground.rows()] == list(range(1, 9))
    (load,) = loads(ground.places.lake, "orchard")
    assert (load.mode, load.cursor) == ("snapshot", ground.orchard.now)


def test_nothing_new_is_no_load_and_moves_the_mark(ground: Ground) -> None:
    fill(ground)
    ground.read()
    ground.orchard.minutes += 600
    (landed,) = ground.read()
    assert (landed.is_new, ground.load_count()) == (False, 1)
    assert Reads.of(ground.places.lake, "orchard").cursor("orders") == ground.orchard.now
    ground.orchard.minutes += 60
    ground.orchard.asked.clear()
    ground.read()
    assert "since=2026-01-02T09%3A50" in ground.orchard.asked[0], (
        "asks from the mark less the look-back, not from the load"
    )


def test_an_increment_brings_only_what_changed(ground: Ground) -> None:
    fill(ground)
    ground.read()
    ground.orchard.minutes += 60
    ground.orchard.put("o03", amount=33)
    ground.orchard.put("new", amount=1)
    ground.orchard.delete("o04")
    ground.orchard.minutes += 1
    (landed,) = ground.read()
    assert (landed.rows, landed.is_new, ground.load_count()) == (3, True, 2)
    assert ground.newest()["o03"] == ("33", "false")
    assert ground.newest()["o04"] == ("4", "true")
    assert [load.mode for load in loads(ground.places.lake, "orchard")] == ["snapshot", "increment"]


def test_a_change_that_is_stamped_late_is_not_lost(ground: Ground) -> None:
    """A transaction that began before our reading and was committed after it carries an earlier stamp."""
    fill(ground)
    ground.read()
    late = ground.orchard.now - timedelta(minutes=5)
    ground.orchard.minutes += 30
    ground.orchard.put("late", amount=5, at=late)
    ground.read()
    assert ground.newest()["late"] == ("5", "false")


def test_rows_read_again_in_the_look_back_are_left_out(ground: Ground) -> None:
    fill(ground, 2)
    ground.orchard.put("edge", amount=1, at=ground.orchard.now - timedelta(minutes=1))
    ground.read()
    ground.orchard.minutes += 5
    ground.orchard.put("new", amount=2, at=ground.orchard.now - timedelta(minutes=1))
    (landed,) = ground.read()
    assert landed.rows == 1
    assert [row["id"] for row in ground.rows()] == ["edge", "o00", "o01", "new"]


def test_an_id_that_comes_on_two_pages_counts_once_with_its_newest_version(ground: Ground) -> None:
    """A vendor that pages by position shows a row again when it moves to the end while we read."""
    fill(ground, 6)
    ground.orchard.pages_by_position = True
    ground.ahead = 1

    def touch(orchard: Orchard) -> None:
        if len(orchard.asked) == 2:
            orchard.put("o00", amount=77)

    ground.orchard.on_page = touch
    ground.read()
    versions = [row["amount"] for row in ground.rows() if row["id"] == "o00"]
    assert versions == ["77"]


def test_what_vanished_without_a_word_is_marked_deleted_on_the_weekly_pass(ground: Ground) -> None:
    fill(ground)
    ground.read()
    ground.orchard.purge("o02")
    ground.orchard.minutes += 60 * 24
    ground.read()
    assert ground.newest()["o02"] == ("2", "false"), "an increment cannot see it"
    ground.orchard.minutes += 60 * 24 * 7
    (landed,) = ground.read()
    assert (landed.rows, landed.is_new) == (1, True)
    assert ground.newest()["o02"] == ("2", "true")
    ground.orchard.minutes += 60 * 24 * 8
    assert not ground.read()[0].is_new, "once is enough"
    ground.orchard.put("o02", amount=9, is_deleted=False)
    ground.orchard.minutes += 1
    ground.read()
    assert ground.newest()["o02"] == ("9", "false"), "it came back"


def test_a_list_of_no_ids_deletes_nothing(ground: Ground) -> None:
    fill(ground)
    ground.read()
    ground.orchard.minutes += 60 * 24 * 8
    ground.orchard.faults.add(Fault(("GET", "/v1/ids"), "error200", body={"items": []}))
    with pytest.raises(InputError, match="orders: the vendor lists no ids at all; nothing was loaded"):
        ground.read()
    assert set(ground.newest().values()) == {(str(n), "false") for n in range(8)}


def test_a_quota_stops_at_a_checkpoint_and_the_next_run_goes_on_there(ground: Ground) -> None:
    fill(ground, 20)
    ground.orchard.page_size = 100
    ground.orchard.faults.add(
        Fault(ORDERS, "status", nth=3, times=1, code=429, headers={"X-Quota": "0"}, body={"error": "quota"})
    )
    with pytest.raises(
        SourceLimited, match="the daily quota is used up; nothing was loaded, what was read so far is kept"
    ):
        ground.read(window_hours=6)
    assert ground.load_count() == 0
    asked = len(ground.orchard.asked)
    ground.orchard.minutes += 600
    ground.read(window_hours=6)
    assert len(ground.orchard.asked) - asked == 2, "of four windows two were there"
    assert len(ground.newest()) == 20
    ground.orchard.put("later", amount=1, at=ground.orchard.now - timedelta(minutes=300))
    ground.read(window_hours=6)
    assert ground.newest()["later"] == ("1", "false"), "stamped while the reading was stopped"


def test_another_question_does_not_go_on_with_an_old_reading(ground: Ground) -> None:
    fill(ground, 4)
    ground.orchard.page_size = 100
    ground.orchard.faults.add(Fault(ORDERS, "status", nth=2, times=1, code=429, headers={"X-Quota": "0"}))
    with pytest.raises(SourceLimited):
        ground.read(window_hours=12)
    ground.orchard.asked.clear()
    ground.read(window_hours=8)
    assert len(ground.orchard.asked) == 3


def test_a_full_reading_brings_what_increments_cannot_see(ground: Ground) -> None:
    """A record that comes into sight with an old stamp, and one that went without a word."""
    fill(ground)
    ground.read()
    ground.orchard.put("shared", amount=5, at=ground.orchard.now - timedelta(hours=10))
    ground.orchard.purge("o02")
    ground.orchard.minutes += 60
    ground.read()
    assert "shared" not in ground.newest()
    assert "o02" in ground.newest()
    ground.orchard.minutes += 60
    ground.read(is_full=True)
    assert ground.newest()["shared"] == ("5", "false")
    assert "o02" not in ground.newest()
    assert [load.mode for load in loads(ground.places.lake, "orchard")] == ["snapshot", "snapshot"]


def test_a_new_column_asks_for_a_full_pass(ground: Ground) -> None:
    fill(ground, 3)
    for order in ground.orchard.orders.values():
        order["region"] = "north"
    ground.orchard.hidden = {"region"}
    ground.read()
    ground.orchard.hidden = set()
    ground.orchard.minutes += 60
    ground.read(columns=("id", "amount", "is_deleted", "changed_at", "region"))
    assert [load.mode for load in loads(ground.places.lake, "orchard")] == ["snapshot", "snapshot"]
    assert {row["region"] for row in ground.rows()} == {"north"}


def test_a_column_that_is_gone_is_unknown_and_one_that_is_new_is_kept(ground: Ground) -> None:
    fill(ground, 2)
    ground.read()
    ground.orchard.hidden = {"amount"}
    ground.orchard.minutes += 60
    ground.orchard.put("o00", mood="fine")
    ground.orchard.minutes += 1
    ground.read()
    newest = {row["id"]: row for row in ground.rows()}
    assert (newest["o00"]["amount"], newest["o00"]["mood"]) == (None, "fine")
    assert (newest["o01"]["amount"], newest["o01"]["mood"]) == ("1", None)


def test_a_full_table_that_shrank_keeps_its_last_load(ground: Ground) -> None:
    fill(ground, 20)
    ground.read(is_whole=True)
    for number in range(10):
        ground.orchard.purge(f"o{number:02d}")
    ground.orchard.minutes += 60
    with pytest.raises(InputError, match=r"orders: 10 rows, below 80% of the last load's 20: table kept, run stopped"):
        ground.read(is_whole=True)
    assert len(ground.newest()) == 20
    (landed,) = ground.read(is_whole=True, accept_shrunk=frozenset({"orchard.orders"}))
    assert landed.rows == 10
    assert len(ground.newest()) == 10


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(ORDERS, "status", times=0, code=503), SourceDown, "the vendor answers 503 .*4 attempts"),
        (Fault(ORDERS, "reset", times=0), SourceDown, "the answer broke off"),
        (Fault(ORDERS, "error200", nth=2, times=0, body={"error": "quota"}), BadAnswer, "200 and has no 'items'"),
        (Fault(ORDERS, "null_data", nth=2, times=0), BadAnswer, "200 and has no 'items'"),
        (Fault(ORDERS, "html", times=0), BadAnswer, "the answer is no JSON"),
        (Fault(ORDERS, "same_cursor", nth=1, times=0), BadAnswer, "a page that was read already|same page came twice"),
        (Fault(ORDERS, "status", nth=2, times=0, code=401), SourceRefused, "credentials turned down"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_does_not_get_better_ends_the_reading_and_leaves_the_lake_alone(
    ground: Ground, fault: Fault, error: type[Exception], words: str
) -> None:
    fill(ground)
    ground.read()
    ground.orchard.minutes += 60
    for number in range(8):
        ground.orchard.put(f"o{number:02d}", amount=100 + number)
    ground.orchard.minutes += 1
    ground.orchard.faults.add(fault)
    with pytest.raises(error, match=words):
        ground.read()
    assert ground.load_count() == 1
    ground.orchard.faults.clear()
    ground.read()
    assert ground.newest() == {f"o{n:02d}": (str(100 + n), "false") for n in range(8)}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(ORDERS, "status", nth=2, times=2, code=503),
        Fault(ORDERS, "status", nth=2, times=2, code=429, headers={"Retry-After": "0"}),
        Fault(ORDERS, "reset", nth=2),
        Fault(ORDERS, "short", nth=2),
        Fault(ORDERS, "not_json", nth=2),
        Fault(ORDERS, "missing_data", nth=2),
        Fault(ORDERS, "html", nth=2),
    ],
    ids=lambda fault: fault.kind,
)
def test_what_passes_is_passed_over(ground: Ground, fault: Fault) -> None:
    fill(ground)
    ground.orchard.faults.add(fault)
    ground.read()
    assert len(ground.newest()) == 8
    assert ground.orchard.faults.struck


def test_a_plan_that_was_cut_off_while_it_was_written_is_begun_again(ground: Ground) -> None:
    fill(ground, 4)
    ground.orchard.faults.add(Fault(ORDERS, "status", nth=2, times=1, code=429, headers={"X-Quota": "0"}))
    with pytest.raises(SourceLimited):
        ground.read(window_hours=12)
    plan = ground.places.spool / "orchard" / "plan.json"
    plan.write_text(plan.read_text()[:40])
    ground.read(window_hours=12)
    assert len(ground.newest()) == 4
    assert not plan.exists()


def test_the_ledger_and_the_marks_hold_no_secret(ground: Ground) -> None:
    fill(ground, 2)
    ground.read()
    text = "".join(path.read_bytes().decode("latin-1") for path in ground.places.state.rglob("*") if path.is_file())
    assert "orchard-0123456789" not in text
    assert json.loads((ground.places.lake / "orchard" / "reads.jsonl").read_text().strip())["table"] == "orders"


def test_a_vendor_that_is_down_keeps_no_other_source_from_loading(ground: Ground, tmp_path: Path) -> None:
    fill(ground)
    ground.read()
    known = ground.newest()
    grove = Orchard(minutes=ground.orchard.minutes)
    grove.put("g1", amount=1, at=grove.now - timedelta(hours=1))
    ground.orchard.minutes += 60
    ground.orchard.put("o03", amount=33)
    ground.orchard.faults.add(Fault(ORDERS, "status", times=0, code=503))
    with grove.running() as url:
        sources = [instance(ground.url), replace(instance(url), name="grove")]
        landed, unread = extract_group(ground.settings, sources)
        assert ([one.source for one in landed], unread) == (["grove"], ["orchard"])
        assert ground.newest() == known, "the source that is down keeps its last load"
        grove.faults.add(Fault(ORDERS, "status", times=0, code=503))
        never = [replace(instance(ground.url), name="meadow"), replace(instance(url), name="grove")]
        with pytest.raises(SourceDown, match="source meadow"):
            extract_group(ground.settings, never)

"""Drops over time: each is a load of its moment, whatever order they come in, and nothing is invented in between."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import extract as extract_room
from pipelines.connector import instances
from pipelines.errors import ConfigError, InputError
from pipelines.lake import lay_views
from pipelines.settings import read_settings
from pipelines.warehouse import memory
from tests.connectors.files.ground import Ground, deal, deals
from tests.faults.exports import lake_files

JULY, OCTOBER = datetime(2026, 7, 5, tzinfo=UTC), datetime(2026, 10, 5, 6, tzinfo=UTC)
Log = pytest.LogCaptureFixture


def two_drops(ground: Ground) -> Ground:
    """A first drop of ten deals, a second of twelve of which one is re-stated."""
    ground.put("2026-07-05/deal_registrations.csv", deals(10))
    ground.put("2026-10-05T06-00/deal_registrations.csv", [*deals(11), deal(12, amount="7")])
    return ground


def test_every_drop_is_a_load_of_its_moment(ground: Ground) -> None:
    landed = two_drops(ground).extract()["deal_registrations"]
    assert (landed.rows, landed.is_new, landed.drop) == (12, True, "2026-10-05T06-00")
    assert [(load.known_at, load.rows) for load in ground.loads()] == [(JULY, 10), (OCTOBER, 12)]
    assert len(ground.rows()) == 12
    assert len(ground.rows(known_at=datetime(2026, 10, 4, tzinfo=UTC))) == 10
    assert {row["file_name"] for row in ground.rows()} == {"2026-10-05T06-00/deal_registrations.csv"}


def test_a_second_run_lands_nothing(ground: Ground) -> None:
    two_drops(ground).extract()
    before = lake_files(ground.places)
    assert not ground.extract()["deal_registrations"].is_new
    assert lake_files(ground.places) == before


def test_a_new_drop_lands_beside_those_that_are_there(ground: Ground) -> None:
    ground.put("2026-07-05/deal_registrations.csv", deals(10))
    ground.extract()
    two_drops(ground).extract()
    assert [load.rows for load in ground.loads()] == [10, 12]


def test_a_drop_that_repeats_the_one_before_lands_nothing(ground: Ground) -> None:
    ground.put("2026-07-05/deal_registrations.csv", deals(10))
    rows = deals(10)
    random.Random(1).shuffle(rows)
    ground.put("2026-08-05/deal_registrations.csv", rows)
    ground.put("2026-09-05/deal_registrations.csv", deals(11))
    ground.put("2026-10-05/deal_registrations.csv", deals(10))
    ground.extract("portal.deal_registrations")
    assert [(f"{load.known_at:%m}", load.rows) for load in ground.loads()] == [("07", 10), ("09", 11), ("10", 10)]


def test_an_older_drop_can_be_added_later(ground: Ground, told: Log) -> None:
    ground.put("2026-07-05/deal_registrations.csv", deals(10))
    ground.put("2026-08-05/deal_registrations.csv", deals(10))
    ground.extract()
    ground.put("2026-04-05/deal_registrations.csv", deals(9))
    ground.put("2026-07-20/deal_registrations.csv", deals(11))
    landed = ground.extract()["deal_registrations"]
    # August repeated July and landed nothing; with another state in between it says something again.
    assert [(f"{load.known_at:%m-%d}", load.rows) for load in ground.loads()] == [
        ("04-05", 9),
        ("07-05", 10),
        ("07-20", 11),
        ("08-05", 10),
    ]
    assert (landed.rows, landed.is_new, landed.drop) == (10, True, "2026-08-05")
    assert "portal.deal_registrations: drop 2026-04-05 is added before the 1 later load(s) that are there" in told.text
    assert len(ground.rows(known_at=datetime(2026, 7, 25, tzinfo=UTC))) == 11


def test_an_old_drop_that_is_corrected_lands_again_with_its_moment_and_says_so(ground: Ground, told: Log) -> None:
    two_drops(ground).extract()
    ground.put("2026-07-05/deal_registrations.csv", [*deals(9), deal(10, amount="1")])
    ground.extract()
    assert [(load.known_at, load.rows) for load in ground.loads()] == [(JULY, 10), (JULY, 10), (OCTOBER, 12)]
    amounts = {row["source_id"]: row["amount"] for row in ground.rows(known_at=JULY)}
    assert amounts["D10"] == "1"
    assert "drop 2026-07-05 is no longer what was loaded from it" in told.text
    assert len(ground.rows()) == 12


def test_a_drop_that_is_archived_stays_in_the_lake(ground: Ground) -> None:
    two_drops(ground).extract()
    shutil.rmtree(ground.inputs / "2026-07-05")
    assert not ground.extract()["deal_registrations"].is_new
    assert [load.known_at for load in ground.loads()] == [JULY, OCTOBER]


def test_sizes_are_compared_with_the_drop_before_in_time(ground: Ground) -> None:
    two_drops(ground).extract()
    ground.put("2026-04-05/deal_registrations.csv", deals(3))  # the company was smaller then
    ground.extract()
    ground.put("2026-08-05/deal_registrations.csv", deals(5))
    ground.refused("2026-08-05/deal_registrations.csv: 5 rows, below 80% of the last load's 10", "--accept-shrunk")
    ground.extract("portal.deal_registrations")
    assert [load.rows for load in ground.loads()] == [3, 10, 5, 12]


def test_a_bad_drop_keeps_all_of_them_out(ground: Ground) -> None:
    two_drops(ground).put("2026-10-05T06-00/leads.csv", "")
    ground.refused("2026-10-05T06-00/leads.csv: the file is empty", "nothing was loaded")
    assert ground.loads() == []


def test_a_table_that_a_later_drop_leaves_out_keeps_its_load_and_says_so(ground: Ground, told: Log) -> None:
    ground.put("2026-07-05/partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    ground.put("2026-08-05/deal_registrations.csv", deals(9))
    two_drops(ground).extract()
    assert "portal.partners: not in drop 2026-08-05, drop 2026-10-05T06-00; the table keeps" in told.text
    assert "known of it on 2026-07-05" in told.text
    assert "deal_registrations: not in" not in told.text
    assert [row["name"] for row in ground.rows("partners")] == ["One"]
    assert [load.known_at for load in ground.loads("partners")] == [JULY]
    told.clear()
    shutil.rmtree(ground.inputs / "2026-07-05")
    ground.extract()
    assert "portal.partners: not in drop 2026-08-05, drop 2026-10-05T06-00" in told.text


# --- when a table was last there


def read_at(ground: Ground, *, known_at: datetime | None = None) -> dict[str, str]:
    """When each table was last read, as the warehouse is told."""
    with memory() as con:
        lay_views(con, ground.places.lake, [ground.instance], known_at=known_at)
        found = con.execute("select table_name, max(read_at) from deployment.loads group by all").fetchall()
    return {table: f"{moment:%Y-%m-%d}" for table, moment in found}


def test_a_table_that_a_drop_repeats_is_as_fresh_as_the_drop_and_one_it_lacks_is_not(ground: Ground) -> None:
    partners = [{"partner_id": "P1", "partner_name": "One"}]
    leads = [{"source_id": "L1", "partner_id": "P1", "status": "new", "submitted_at": "2026-03-01"}]
    for drop in ("2026-07-05", "2026-08-05"):
        ground.put(f"{drop}/partners.csv", partners)
        ground.put(f"{drop}/leads.csv", leads)
    two_drops(ground).put("2026-10-05T06-00/partners.csv", partners)
    ground.extract()
    assert [load.known_at for load in ground.loads("partners")] == [JULY]
    now = {"deal_registrations": "2026-10-05", "partners": "2026-10-05", "leads": "2026-08-05"}
    assert read_at(ground) == now
    # As of an earlier moment, what was there by then.
    then = {"deal_registrations": "2026-07-05", "partners": "2026-08-05", "leads": "2026-08-05"}
    assert read_at(ground, known_at=datetime(2026, 9, 1, tzinfo=UTC)) == then
    # An archived drop was there all the same, and a second run adds nothing to it.
    shutil.rmtree(ground.inputs / "2026-08-05")
    before = lake_files(ground.places)
    ground.extract()
    assert read_at(ground) == now
    assert lake_files(ground.places) == before


def test_files_in_no_drop_age_together_and_the_one_that_is_gone_ages_alone(ground: Ground) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.put("leads.csv", [{"source_id": "L1", "partner_id": "P1", "status": "new", "submitted_at": "2026-03-01"}])
    gone = ground.put("partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    ground.configure(exported_at="2026-07-05").extract()
    gone.unlink()
    ground.put("deal_registrations.csv", deals(4))
    ground.configure(exported_at="2026-10-05").extract()
    assert read_at(ground) == {"deal_registrations": "2026-10-05", "leads": "2026-10-05", "partners": "2026-07-05"}
    ground.configure(exported_at=None).extract()
    assert read_at(ground)["leads"] == "2026-10-05"


def test_a_lake_that_tells_of_no_reading_has_no_table_that_is_older_than_its_source(ground: Ground) -> None:
    ground.put("2026-07-05/partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    two_drops(ground).extract()
    (ground.places.lake / "portal" / "reads.jsonl").unlink()
    assert set(read_at(ground).values()) == {"2026-10-05"}


def test_a_file_that_is_gone_from_a_folder_without_drops_is_told(ground: Ground, told: Log) -> None:
    ground.put("deal_registrations.csv", deals(3))
    path = ground.put("partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    ground.extract()
    path.unlink()
    ground.extract()
    assert "portal.partners: not in the folder; the table keeps" in told.text
    assert len(ground.rows("partners")) == 1


def test_drops_that_come_after_a_load_of_a_later_moment_do_not_count_unheard(ground: Ground, told: Log) -> None:
    path = ground.configure(exported_at="2026-11-01").put("deal_registrations.csv", deals(20))
    ground.extract()
    path.unlink()
    two_drops(ground.configure(exported_at=None)).extract()
    assert len(ground.rows()) == 20
    assert "the lake holds a load of 2026-11-01 00:00 that is later than the newest drop" in told.text


def test_a_folder_without_drops_is_known_when_it_was_exported(ground: Ground) -> None:
    ground.configure(exported_at="2026-07-05T00:00:00").put("deal_registrations.csv", deals(3))
    ground.extract()
    assert [load.known_at for load in ground.loads()] == [JULY]
    ground.configure(exported_at="2026-07-04").put("deal_registrations.csv", deals(4))
    ground.refused("this export was taken at 2026-07-04", "nothing was loaded")


@pytest.mark.parametrize("name", ["2026-13-05", "2026-7-5", "20260705", "2026_07_05", "05.07.2026", "2026-07-05T06:00"])
def test_a_folder_that_was_meant_to_be_a_drop_is_told(ground: Ground, name: str) -> None:
    two_drops(ground).put(f"{name}/deal_registrations.csv", deals(3))
    error = ground.refused(f"{name}: no day or moment", "nothing was loaded")
    assert "2026-07-05T06-00" in error.next_step
    ground.configure(ignore=[name])
    assert len(ground.extract()) == 1


def test_other_folders_beside_the_drops_are_left_alone(ground: Ground) -> None:
    two_drops(ground).put("archive/deal_registrations.csv", deals(3))
    assert ground.extract()["deal_registrations"].rows == 12


def test_two_drops_of_one_moment_are_told(ground: Ground) -> None:
    two_drops(ground).put("2026-07-05T00-00/deal_registrations.csv", deals(3))
    ground.refused("2026-07-05 and 2026-07-05T00-00 are drops of one moment", "nothing was loaded")


def test_files_beside_the_drops_are_told(ground: Ground) -> None:
    two_drops(ground).put("partners.csv", "source_id,name\nP1,One\n")
    ground.refused("partners.csv: beside the drops", "nothing was loaded")


def test_exported_at_beside_drops_is_a_contradiction(ground: Ground) -> None:
    two_drops(ground).configure(exported_at="2026-07-05")
    assert isinstance(ground.refused("exported_at is told", "has drops"), ConfigError)


def test_a_drop_of_the_future_is_told(ground: Ground) -> None:
    ground.put("2999-07-05/deal_registrations.csv", deals(3))
    assert isinstance(ground.refused("drop 2999-07-05 is in the future", "nothing was loaded"), InputError)


def test_an_empty_drop_is_told(ground: Ground) -> None:
    two_drops(ground)
    (ground.inputs / "2026-11-05").mkdir()
    ground.refused("drop 2026-11-05: no file of an entity", "nothing was loaded")


def test_a_run_that_dies_between_two_drops_is_made_up_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    land, calls = extract_room._land, []

    def dying(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return land(*arguments)

    two_drops(ground)
    monkeypatch.setattr(extract_room, "_land", dying)
    with pytest.raises(KeyboardInterrupt):
        ground.extract()
    assert [load.known_at for load in ground.loads()] == [JULY]
    monkeypatch.setattr(extract_room, "_land", land)
    assert ground.extract()["deal_registrations"].is_new
    assert [load.known_at for load in ground.loads()] == [JULY, OCTOBER]


def test_all_tables_of_a_drop_are_one_package(ground: Ground) -> None:
    two_drops(ground).put("2026-07-05/partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    ground.extract()
    assert ground.loads("partners")[0].load_id == ground.loads()[0].load_id
    assert ground.loads()[0].load_id != ground.loads()[1].load_id


def test_sources_of_one_connector_keep_their_rows_apart(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {"kind": "prm", "folder": "one"})
    ground.put("one/partners.csv", [{"partner_id": "P1", "partner_name": "One", "extra": "x"}])
    ground.put("two/partners.csv", [{"partner_id": "P1", "partner_name": "Two", "sharing_level": "full"}])
    settings = ground.settings()
    content = json.loads(settings.file.read_text())
    content["sources"]["mapping"] = {"connector": "files", "options": {"kind": "account_mapping", "folder": "two"}}
    settings.file.write_text(json.dumps(content))
    settings = read_settings(settings.file)
    sources = instances(settings)
    for instance in sources:
        extract_room.extract(settings, ground.places, instance)
    with memory() as con:
        lay_views(con, ground.places.lake, sources, known_at=None)
        found = con.execute("select source, name, sharing_level, extra from raw_files.partners order by 1").fetchall()
    assert found == [("mapping", "Two", "full", None), ("portal", "One", None, "x")]

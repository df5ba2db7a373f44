"""`segments identity link` and `unlink`: what stands in the crosswalk afterwards, and what is refused."""

from __future__ import annotations

import csv
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
import yaml

from pipelines.errors import ConfigError, InputError
from pipelines.identity import (
    Known,
    crosswalk_of_last_run,
    find_record,
    known_records,
    link_records,
    pairs_waiting,
    read_crosswalk,
    unlink_record,
)
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places

RECORDS = [
    Known("crm", "a1", "Wrenbury GmbH", "P-1", "p_a", "000001/a1"),
    Known("crm", "a2", "Rookwell", None, "p_b", "000001/a2"),
    Known("crm_two", "a9", "Larkholm", "P-1", "p_c", "000002/a9"),
    Known("prm", "7", "Wrenbury", None, "p_d", "001003/7"),
    Known("prm", "8", "Rookwell AB", None, "p_b", "001003/8"),
]


@pytest.fixture
def deployment(tmp_path: Path) -> Settings:
    return _settings(tmp_path, {"crosswalk": "crosswalk.csv"})


def _settings(folder: Path, identity: dict[str, str]) -> Settings:
    source = {"connector": "files", "options": {"folder": "crm", "kind": "crm"}}
    file = folder / "segments.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "deployment": "trial",
                "sources": {"crm": source, "prm": {**source, "options": {"folder": "prm", "kind": "prm"}}},
                "reporting_currency": "EUR",
                "policy": {"active": "any"},
                "identity": identity,
            }
        ),
        encoding="utf-8",
    )
    return read_settings(file)


def rows(settings: Settings) -> list[dict[str, str]]:
    with (settings.file.parent / "crosswalk.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def record(address: str) -> Known:
    return next(one for one in RECORDS if one.address == address)


def test_a_link_assigns_the_record_believed_later_and_says_why(deployment: Settings) -> None:
    done = link_records(deployment, RECORDS, record("prm/7"), record("crm/a1"), why="one company", by="Kim")
    assert (done.record.address, done.partner_number, done.has_changed, done.is_new_file) == (
        "prm/7",
        "P-1",
        True,
        True,
    )
    (row,) = rows(deployment)
    assert {name: row[name] for name in ("source", "source_id", "partner_number", "why", "by")} == {
        "source": "prm",
        "source_id": "7",
        "partner_number": "P-1",
        "why": "one company",
        "by": "Kim",
    }
    assert row["at"]
    assert [one["partner_number"] for one in read_crosswalk(deployment, ["crm", "prm"])] == ["P-1"]


def test_either_order_and_a_second_time_change_nothing(deployment: Settings) -> None:
    link_records(deployment, RECORDS, record("prm/7"), record("crm/a1"))
    before = (deployment.file.parent / "crosswalk.csv").read_bytes()
    assert not link_records(deployment, RECORDS, record("crm/a1"), record("prm/7")).has_changed
    assert (deployment.file.parent / "crosswalk.csv").read_bytes() == before


def test_a_number_that_means_an_earlier_record_is_not_used(deployment: Settings) -> None:
    assert link_records(deployment, RECORDS, record("crm_two/a9"), record("prm/7")).partner_number == "crm_two/a9"


def test_unlink_says_itself_and_link_takes_it_back(deployment: Settings) -> None:
    assert unlink_record(deployment, record("prm/7")).partner_number == "itself"
    done = link_records(deployment, RECORDS, record("crm/a1"), record("prm/7"))
    assert (done.before, done.partner_number) == ("itself", "P-1")
    assert len(rows(deployment)) == 1


def test_rows_and_columns_of_others_stay(deployment: Settings) -> None:
    file = deployment.file.parent / "crosswalk.csv"
    file.write_text("source,source_id,ticket,partner_number\ncrm,a2,T-5,P-1\n", encoding="utf-8")
    unlink_record(deployment, record("prm/8"))
    found = rows(deployment)
    assert found[0]["ticket"] == "T-5"
    assert [row["partner_number"] for row in found] == ["P-1", "itself"]
    assert not list(file.parent.glob(".*.tmp"))


def test_an_assignment_the_other_way_round_is_not_turned_into_a_circle(deployment: Settings) -> None:
    (deployment.file.parent / "crosswalk.csv").write_text(
        "source,source_id,partner_number\ncrm,a1,7\n", encoding="utf-8"
    )
    assert not link_records(deployment, RECORDS, record("crm/a1"), record("prm/7")).has_changed


def test_what_nobody_changes_stays_as_it_stood(deployment: Settings) -> None:
    file = deployment.file.parent / "crosswalk.csv"
    text = (
        "\ufeffsource,source_id,partner_number,note,note,,why\r\n"
        'crm,a2,"P-1",one,two,"three, four",\r\n'
        "\r\n"
        "prm,8,P-1,five,six,seven,old"
    )
    file.write_text(text, encoding="utf-8", newline="")
    file.chmod(0o640)
    unlink_record(deployment, record("prm/8"), why="new, and right", by="Kim")
    link_records(deployment, RECORDS, record("prm/7"), record("crm/a1"))
    found = file.read_bytes().decode("utf-8").splitlines(keepends=True)
    assert found[:3] == [
        "\ufeffsource,source_id,partner_number,note,note,,why,by,at\r\n",
        'crm,a2,"P-1",one,two,"three, four",\r\n',
        "\r\n",
    ]
    assert found[3].startswith('prm,8,itself,five,six,seven,"new, and right",Kim,')
    assert found[4].startswith("prm,7,P-1,,,,,,")
    assert len(found) == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [row["partner_number"] for row in read_crosswalk(deployment, ["crm", "prm"])] == ["P-1", "itself", "P-1"]


def test_a_row_longer_than_the_header_is_refused_by_its_line(deployment: Settings) -> None:
    file = deployment.file.parent / "crosswalk.csv"
    text = 'source,source_id,partner_number,why\ncrm,a2,P-1,"two\nlines"\nprm,8,P-1,one,company\n'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="line 4 has 5 cells, the header 4"):
        unlink_record(deployment, record("prm/7"))
    assert file.read_text(encoding="utf-8") == text


def test_of_links_said_at_once_none_is_lost(deployment: Settings) -> None:
    some = [Known("prm", f"n{number}", "Wrenbury", None, f"p_{number}", f"001003/n{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: unlink_record(deployment, one), some))
    assert {row["source_id"] for row in rows(deployment)} == {one.source_id for one in some}


MAPPED = Known("account_mapping", "m1", "Larkholm", None, "p_a", "002004/m1", head="crm/a1")


def test_a_record_is_not_taken_from_its_partner_in_passing(deployment: Settings) -> None:
    records = [*RECORDS, MAPPED]
    with pytest.raises(InputError, match=r"account_mapping/m1 \(Larkholm\) belongs to crm/a1 and would leave it"):
        link_records(deployment, records, record("prm/7"), MAPPED)
    assert not (deployment.file.parent / "crosswalk.csv").exists()
    assert link_records(deployment, records, record("crm/a1"), MAPPED).partner_number == "P-1"
    # Somebody who has parted it first means it.
    unlink_record(deployment, MAPPED)
    assert link_records(deployment, records, record("prm/7"), MAPPED).partner_number == "7"


def test_only_rows_that_no_run_has_read_hide_a_pair(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute("create schema deployment")
        con.execute(
            "create table deployment.crosswalk as "
            "select 'prm' as source, '7' as source_id, 'P-1' as partner_number union all select 'prm', '8', 'P-1'"
        )
    pairs = [
        {"source": "crm", "source_id": one, "other_source": "prm", "other_source_id": other}
        for one, other in [("a1", "7"), ("a2", "8"), ("a3", "9"), ("a4", "10")]
    ]
    said = [
        {"source": "prm", "source_id": one, "partner_number": number}
        for one, number in [("7", "P-1"), ("8", "itself"), ("9", "itself")]
    ]
    read = crosswalk_of_last_run(Places(tmp_path))
    assert [pair["source_id"] for pair in pairs_waiting(pairs, said, read)] == ["a1", "a4"]
    assert [pair["source_id"] for pair in pairs_waiting(pairs, said, set())] == ["a4"]
    assert crosswalk_of_last_run(Places(tmp_path / "none")) == set()


def test_without_a_crosswalk_in_the_deployment_the_file_is_made_beside_it(tmp_path: Path) -> None:
    settings = _settings(tmp_path, {})
    assert unlink_record(settings, record("prm/7")).file == tmp_path / "crosswalk.csv"
    assert read_crosswalk(settings, ["crm", "prm"]) == []


@pytest.mark.parametrize(("said", "address"), [("crm/a1", "crm/a1"), ("a9", "crm_two/a9"), ("8", "prm/8")])
def test_a_record_is_found_by_address_and_by_id(said: str, address: str) -> None:
    assert find_record(RECORDS, said).address == address


@pytest.mark.parametrize(
    ("said", "message"),
    [("Wrenbry", r"the nearest is prm/7 \(Wrenbury\)"), ("crm/a3", "the nearest is crm/a"), ("zzzz", "no record")],
)
def test_an_unknown_record_is_told_with_the_nearest(said: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_record(RECORDS, said)


def test_a_number_of_several_records_is_refused_by_name() -> None:
    records = [*RECORDS, Known("prm", "9", "Wrenbury too", None, "p_a", "001003/9")]
    with pytest.raises(InputError, match=r"crm/a1 \(Wrenbury GmbH\), prm/9"):
        find_record(records, "P-1")


def test_one_record_twice_and_a_damaged_file_are_refused(deployment: Settings) -> None:
    with pytest.raises(InputError, match="is one record"):
        link_records(deployment, RECORDS, record("crm/a1"), record("crm/a1"))
    (deployment.file.parent / "crosswalk.csv").write_text("who,what\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no source, source_id, partner_number"):
        unlink_record(deployment, record("prm/7"))


def test_without_a_run_there_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run yet"):
        known_records(Places(tmp_path))
    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    with pytest.raises(InputError, match="did not come to its partners"):
        known_records(Places(tmp_path))

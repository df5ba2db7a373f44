"""The extraction benchmark, tiny: both ways read the same rows, a difference is told, aims are printed and not held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks import extraction

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return extraction.measure(2_500, 400, tmp_path_factory.mktemp("extraction"))


def test_both_ways_read_every_row_and_a_second_reading_lands_nothing(measured: dict[str, Any]) -> None:
    assert measured["differences"] == []
    assert (measured["bare"]["rows"], measured["lake"]["rows"]) == (2_500, 2_500)
    assert (measured["lake"]["is_new"], measured["again"]["is_new"]) == (True, False)
    for way in ("bare", "lake", "again"):
        assert measured[way]["cpu"] > 0
        assert measured[way]["megabytes"] > 50


def test_a_row_that_one_way_lost_is_told(measured: dict[str, Any], tmp_path: Path) -> None:
    rows = pq.read_table(measured["bare"]["files"])
    short = tmp_path / "short.parquet"
    pq.write_table(rows.slice(0, rows.num_rows - 1), short)
    told = extraction.differing(str(short), measured["lake"]["files"])
    assert "rows: 2499 and 2500" in told
    assert any(sentence.startswith("amount: ") for sentence in told)


def test_the_two_ways_of_an_org_bring_the_same_rows(tmp_path: Path) -> None:
    found = extraction.measure_org(3_000, tmp_path)
    assert found["differences"] == []
    assert found["rest"]["rows"] == found["bulk"]["rows"] == 3_000
    assert found["rest"]["content"] == found["bulk"]["content"]


def test_the_command_ends_well_and_prints_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert extraction.main(["--rows", "1200", "--page", "500", "--repeat", "1", "--json"]) == 0
    small, large, org = json.loads(capsys.readouterr().out)
    assert [small["rows"], large["rows"], org["rows"]] == [300, 1200, 1200]


def test_the_table_holds_every_aim_against_what_was_found(measured: dict[str, Any]) -> None:
    one = {"seconds": 1.0, "cpu": 1.0, "megabytes": 100.0}
    org = {"rows": 10, "rest": {**one, "cpu": 6.0}, "bulk": one, "differences": []}
    slow = {
        "rows": 1000, "page": 10, "bare": one, "lake": {**one, "cpu": 2.5, "megabytes": 700.0},
        "again": {**one, "cpu": 0.4}, "differences": [],
    }  # fmt: skip
    text = extraction.table([measured, slow], org)
    lines = {line.split("  ")[0]: line.split()[-2:] for line in text.splitlines()}
    assert lines["CPU, x bare loop"] == ["not", "met"]
    assert lines["peak memory at any size, MB"] == ["not", "met"]
    assert lines["nothing new, CPU s beyond the imports"][1] == "met"
    assert lines["Bulk CSV, x cheaper than REST JSON"][1] == "met"
    assert text.endswith("the rows are equal")
    assert "THE ROWS DIFFER\n  10 rows: rest 9" in extraction.table(
        [measured], {**org, "differences": ["rest 9, bulk 10"]}
    )


@pytest.mark.parametrize("wrong", [["--rows", "0"], ["--page", "0"], ["--repeat", "0"], ["--rows", "many"]])
def test_what_cannot_be_measured_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        extraction.main(wrong)
    assert caught.value.code == 2

"""A damaged export stops the run before anything is loaded: the message says source, file, row and what was decided."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines import extract as extract_room
from pipelines.errors import ConfigError, InputError
from tests.faults.exports import TAKEN, Deployment, Export, add_line, as_csv, change, deployment, lake_files


def refused(made: Deployment, *words: str, **options: Any) -> InputError:
    """Extraction must stop with an InputError that says all of `words`, and leave the lake as it was."""
    before = lake_files(made.places)
    with pytest.raises(InputError) as caught:
        made.extract(**options)
    for word in words:
        assert word in str(caught.value)
    assert lake_files(made.places) == before
    return caught.value


# -- what is not there -------------------------------------------------------------------------------------------------


def test_a_missing_folder_names_source_and_folder_and_loads_nothing(ground: Deployment) -> None:
    ground.configure(paths={"inputs": "elsewhere", "state": "state"})
    refused(ground, "source salesforce", str(ground.root / "elsewhere"), "not there; nothing was loaded", "--data")


def test_a_missing_file_names_the_file_and_keeps_the_lake(loaded: Deployment) -> None:
    (loaded.inputs / "OpportunityPartner.csv").unlink()
    Export.of(9).write(loaded.root / "more")
    (loaded.root / "more" / "Account.csv").replace(loaded.inputs / "Account.csv")
    refused(loaded, "source salesforce", "OpportunityPartner.csv not there", "nothing was loaded")
    assert loaded.rows() == {"account": 6, "opportunity": 20, "opportunity_partner": 20}


def test_a_folder_in_place_of_a_file_is_a_missing_file(ground: Deployment) -> None:
    (ground.inputs / "Account.csv").unlink()
    (ground.inputs / "Account.csv").mkdir()
    refused(ground, "source salesforce", "Account.csv not there", "nothing was loaded")


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\r\n"])
def test_an_empty_file_is_no_load(loaded: Deployment, content: bytes) -> None:
    (loaded.inputs / "Opportunity.csv").write_bytes(content)
    refused(loaded, "source salesforce", "Opportunity.csv", "the file is empty", "nothing was loaded")
    assert loaded.rows()["opportunity"] == 20


def test_a_header_without_rows_is_no_load(loaded: Deployment) -> None:
    lines = (loaded.inputs / "Opportunity.csv").read_bytes().splitlines(keepends=True)
    (loaded.inputs / "Opportunity.csv").write_bytes(lines[0])
    refused(loaded, "source salesforce", "Opportunity.csv", "a header and 0 rows", "the table keeps its 20 rows")
    assert loaded.rows()["opportunity"] == 20


def test_a_header_without_rows_is_no_first_load_either(ground: Deployment) -> None:
    lines = (ground.inputs / "Opportunity.csv").read_bytes().splitlines(keepends=True)
    (ground.inputs / "Opportunity.csv").write_bytes(lines[0].rstrip())
    refused(ground, "source salesforce", "Opportunity.csv", "0 rows", "nothing was loaded, run stopped")
    assert ground.loads() == []


def test_a_file_without_header_says_what_is_missing_and_repeats_no_row(ground: Deployment) -> None:
    lines = (ground.inputs / "Account.csv").read_bytes().splitlines(keepends=True)
    (ground.inputs / "Account.csv").write_bytes(b"".join(lines[1:]))
    count = len(next(csv.reader([lines[0].decode()])))
    error = refused(
        ground, "source salesforce", "Account.csv", "no header line", "missing from the header: Id, ",
        f"the first line has {count} columns", "nothing was loaded",
    )  # fmt: skip
    assert "Customer One" not in str(error)


def test_a_missing_required_field_is_named(ground: Deployment) -> None:
    change(ground.inputs / "Opportunity.csv", '"CloseDate"', '"Day"')
    error = refused(
        ground, "source salesforce", "Opportunity.csv", "missing from the header: CloseDate", "nothing was loaded"
    )
    assert "CloseDate" in error.next_step


def test_a_field_that_stands_twice_is_named(ground: Deployment) -> None:
    change(ground.inputs / "Account.csv", '"Region__c"', '"NAME"')
    refused(ground, "source salesforce", "Account.csv", "header names stand twice: NAME, Name", "nothing was loaded")


def test_a_file_with_another_separator_is_no_export(ground: Deployment) -> None:
    path = ground.inputs / "Account.csv"
    path.write_bytes(path.read_bytes().replace(b'","', b'";"'))
    refused(ground, "source salesforce", "Account.csv", "no header line", "has 1 column)", "nothing was loaded")


def test_a_file_of_broken_lines_only_says_so(ground: Deployment) -> None:
    path = ground.inputs / "Account.csv"
    head, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + b"".join(rest).replace(b'","', b'";"'))
    refused(ground, "source salesforce", "Account.csv", "0 rows beside 6 broken lines", "row 1: the line has 1 field")


# -- what is cut or changes --------------------------------------------------------------------------------------------


def test_a_truncated_line_is_set_aside_with_its_row_and_the_others_load(ground: Deployment) -> None:
    path = ground.inputs / "Opportunity.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:11], b'"CUT","Deal"\n', *lines[11:]]))
    landed = {one.table: one for one in ground.extract()}
    assert (landed["opportunity"].rows, landed["opportunity"].rejected_lines) == (20, 1)
    ground.lay()
    assert ground.ask(
        "select source, table_name, origin, file_row, line, reason from raw_salesforce.rejected_lines"
    ) == [("salesforce", "opportunity", "Opportunity.csv", 11, '"CUT","Deal"', "the line has 2 fields, the header 12")]
    assert [row[0] for row in ground.ask("select file_row from raw_salesforce.opportunity order by 1")] == [
        *range(1, 11),
        *range(12, 22),
    ]


def test_a_file_cut_in_the_middle_of_a_value_names_the_row(loaded: Deployment) -> None:
    path = loaded.inputs / "Opportunity.csv"
    path.write_bytes(path.read_bytes().rstrip()[:-8])
    refused(
        loaded, "source salesforce", "Opportunity.csv", "row 20", "ends inside a quoted field", "nothing was loaded"
    )


def test_a_file_cut_at_the_end_of_a_value_sets_its_last_line_aside(ground: Deployment) -> None:
    path = ground.inputs / "Opportunity.csv"
    path.write_bytes(path.read_bytes().rstrip().rsplit(b",", 2)[0])
    landed = {one.table: one for one in ground.extract()}
    assert (landed["opportunity"].rows, landed["opportunity"].rejected_lines) == (19, 1)


def test_half_a_file_is_not_taken_for_the_whole(loaded: Deployment) -> None:
    export = Export.of()
    del export.opportunities[10:]
    export.write(loaded.inputs)
    refused(
        loaded,
        "source salesforce", "Opportunity.csv", "10 rows, below 80% of the last load's 20", "table kept, run stopped",
        "--accept-shrunk salesforce.opportunity",
    )  # fmt: skip
    assert loaded.rows()["opportunity"] == 20


def test_a_file_just_above_the_limit_is_taken(loaded: Deployment) -> None:
    export = Export.of()
    del export.opportunities[16:]
    export.write(loaded.inputs)
    loaded.extract()
    assert loaded.rows()["opportunity"] == 16


def test_an_accepted_drop_is_loaded_and_is_the_new_measure(loaded: Deployment) -> None:
    export = Export.of()
    del export.opportunities[10:]
    export.write(loaded.inputs)
    loaded.extract(accept_shrunk=["salesforce.opportunity"])
    assert loaded.rows()["opportunity"] == 10
    assert loaded.ask("select rows, previous_rows from deployment.loads where table_name = 'opportunity'") == [
        (10, None)
    ]
    assert [one.is_new for one in loaded.extract()] == [False, False, False]
    del export.opportunities[7:]
    export.write(loaded.inputs)
    refused(loaded, "7 rows, below 80% of the last load's 10")


def test_a_drop_is_accepted_for_the_named_table_only(loaded: Deployment) -> None:
    export = Export.of()
    del export.opportunities[10:]
    del export.roles[10:]
    export.write(loaded.inputs)
    refused(loaded, "OpportunityPartner.csv", "table kept", accept_shrunk=["salesforce.opportunity"])


def test_accepting_a_table_that_is_not_there_is_a_mistake(loaded: Deployment) -> None:
    with pytest.raises(ConfigError, match=r"salesforce\.opportunities: source salesforce has no such table") as caught:
        loaded.extract(accept_shrunk=["salesforce.opportunities"])
    assert "salesforce.opportunity," in caught.value.next_step


def test_a_file_that_grows_while_it_is_read_is_not_loaded(ground: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ground.inputs / "Opportunity.csv"
    _between_looking_and_landing(monkeypatch, lambda: add_line(path, as_csv([Export.of(9).opportunities[-1]]).decode()))
    refused(ground, "source salesforce", "Opportunity.csv", "the file changed while it was read", "nothing was loaded")


def test_a_file_replaced_by_one_of_as_many_rows_is_noticed(ground: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace() -> None:
        other = ground.root / "other.csv"
        other.write_bytes((ground.inputs / "Opportunity.csv").read_bytes().replace(b"1000.00", b"9999.00"))
        other.replace(ground.inputs / "Opportunity.csv")

    _between_looking_and_landing(monkeypatch, replace)
    refused(ground, "source salesforce", "Opportunity.csv", "the file changed while it was read", "nothing was loaded")


def _between_looking_and_landing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    land = extract_room._land

    def acting(*arguments: Any) -> Any:
        act()
        return land(*arguments)

    monkeypatch.setattr(extract_room, "_land", acting)


def test_a_lake_that_cannot_be_written_says_so(ground: Deployment) -> None:
    ground.places.lake.parent.mkdir(parents=True)
    ground.places.lake.write_text("a file where the lake should be")
    with pytest.raises(InputError, match=r"source salesforce: lake .*: cannot be (written|read).*nothing was loaded"):
        ground.extract()


# -- what is new and what is not ---------------------------------------------------------------------------------------


def test_an_unchanged_export_lands_nothing(loaded: Deployment) -> None:
    before = lake_files(loaded.places)
    assert [one.is_new for one in loaded.extract()] == [False, False, False]
    assert lake_files(loaded.places) == before


def test_rows_and_columns_in_another_order_land_nothing(loaded: Deployment) -> None:
    before = lake_files(loaded.places)
    export = Export.of()
    for rows in (export.accounts, export.opportunities, export.roles):
        random.Random(1).shuffle(rows)
        rows[:] = [dict(reversed(row.items())) for row in rows]
    export.write(loaded.inputs)
    assert [one.is_new for one in loaded.extract()] == [False, False, False]
    assert lake_files(loaded.places) == before


def test_only_the_table_that_changed_lands(loaded: Deployment) -> None:
    change(loaded.inputs / "Opportunity.csv", '"1000.00"', '"1000.01"')
    assert {one.table: one.is_new for one in loaded.extract()} == {
        "account": False,
        "opportunity": True,
        "opportunity_partner": False,
    }
    assert [load.table for load in loaded.loads()] == ["account", "opportunity", "opportunity_partner", "opportunity"]
    assert loaded.rows()["opportunity"] == 20


def test_a_value_that_moves_to_the_next_column_is_a_change(loaded: Deployment) -> None:
    change(loaded.inputs / "Opportunity.csv", '"Deal O1-1","C1"', '"Deal O1-1C","1"')
    assert {one.table for one in loaded.extract() if one.is_new} == {"opportunity"}


def test_an_export_that_loses_only_a_broken_line_is_another_export(loaded: Deployment) -> None:
    add_line(loaded.inputs / "Opportunity.csv", '"CUT"')
    assert {one.table: one.rejected_lines for one in loaded.extract() if one.is_new} == {"opportunity": 1}
    Export.of().write(loaded.inputs)
    assert {one.table: one.rejected_lines for one in loaded.extract() if one.is_new} == {"opportunity": 0}


def test_a_return_to_an_earlier_state_is_a_load_of_its_own(loaded: Deployment) -> None:
    Export.of(6).write(loaded.inputs)
    loaded.extract()
    Export.of(5).write(loaded.inputs)
    loaded.extract()
    assert loaded.rows()["account"] == 6
    assert [load.rows for load in loaded.loads() if load.table == "account"] == [6, 7, 6]


# -- when it was taken -------------------------------------------------------------------------------------------------


def test_an_export_from_the_future_is_not_loaded(ground: Deployment) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    ground.sources(salesforce={"exported_at": ahead.isoformat()})
    refused(
        ground,
        "source salesforce",
        "Account.csv",
        f"exported_at {ahead.isoformat()} is in the future",
        "nothing was loaded",
    )


def test_an_export_older_than_the_lake_is_not_loaded(loaded: Deployment) -> None:
    Export.of(6).write(loaded.inputs)
    loaded.sources(salesforce={"exported_at": (TAKEN - timedelta(days=1)).isoformat()})
    refused(
        loaded,
        "source salesforce", "Account.csv", "taken at 2026-10-04", "already holds one of 2026-10-05",
        "nothing was loaded", "sources.salesforce.options.exported_at",
    )  # fmt: skip
    assert loaded.rows()["account"] == 6


def test_an_export_of_the_same_moment_corrects_the_lake(loaded: Deployment) -> None:
    Export.of(6).write(loaded.inputs)
    loaded.extract()
    assert loaded.rows()["account"] == 7


def test_a_moment_without_a_zone_is_utc(ground: Deployment) -> None:
    ground.sources(salesforce={"exported_at": "2026-10-05T06:00:00"}).configure(known_at="2026-10-05T06:00:00")
    ground.extract()
    assert {load.known_at for load in ground.loads()} == {TAKEN}
    assert ground.rows()["account"] == 6


def test_facts_from_after_known_at_are_not_seen(loaded: Deployment) -> None:
    Export.of(6).write(loaded.inputs)
    loaded.configure(known_at="2026-10-05T23:00:00Z", sources=_with("2026-10-06T06:00:00Z"), as_of="2026-10-06")
    loaded.extract()
    assert loaded.rows()["account"] == 6
    loaded.configure(sources=_with("2026-10-06T06:00:00Z"), as_of="2026-10-06")
    assert loaded.rows()["account"] == 7


def _with(moment: str) -> dict[str, Any]:
    return {"salesforce": {"connector": "salesforce", "options": {"exported_at": moment}}}


def test_two_deployments_do_not_share_a_lake(tmp_path: Path) -> None:
    one, two = deployment(tmp_path / "one"), deployment(tmp_path / "two", Export.of(7))
    one.extract()
    two.extract()
    assert (one.rows()["account"], two.rows()["account"]) == (6, 8)

"""What the extraction says of a damaged export is enough to name kind, source and table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.graph import _failure_told
from pipelines.alerts import Store, watching
from pipelines.connector import instances
from pipelines.errors import InputError
from pipelines.extract import extract_group
from tests.faults.exports import Deployment, Row, as_csv, deployment


def run(made: Deployment, *, fails: bool = False) -> set[str]:
    """Extract as a run does; the keys that are open afterwards."""
    settings = made.settings()

    def extracted() -> None:
        with watching(settings), _failure_told("extract", settings):
            extract_group(settings, instances(settings))

    if fails:
        with pytest.raises(InputError):
            extracted()
    else:
        extracted()
    return set(Store(made.places).read().open)


def rewrite(path: Path, change: Callable[[Row], Row]) -> None:
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    path.write_bytes(as_csv([change(row) for row in rows]))


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (lambda path: path.write_bytes(b""), "truncated:salesforce.opportunity"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "truncated:salesforce.opportunity"),
        (lambda path: path.write_bytes(path.read_bytes().splitlines()[0] + b"\n"), "truncated:salesforce.opportunity"),
        (lambda path: path.unlink(), "truncated:salesforce"),
        (
            lambda path: rewrite(path, lambda row: {k: v for k, v in row.items() if k != "StageName"}),
            "schema_changed:salesforce.opportunity",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"Deal O1-1", b"Deal \xff")),
            "source_down:salesforce.opportunity",
        ),
    ],
    ids=["empty", "cut short", "a header alone", "missing", "a column missing", "not UTF-8"],
)
def test_a_damaged_file_is_an_incident_of_its_kind_source_and_table(
    tmp_path: Path, damage: Callable[[Path], object], key: str
) -> None:
    made = deployment(tmp_path)
    damage(made.inputs / "Opportunity.csv")
    place = key.split(":")[1]
    assert run(made, fails=True) == {f"run_failed:extract/{place}", key}


def test_what_comes_smaller_is_truncated_and_columns_that_go_are_told_until_they_are_back(tmp_path: Path) -> None:
    made = deployment(tmp_path)
    accounts, deals = made.inputs / "Account.csv", made.inputs / "Opportunity.csv"
    assert run(made) == set()
    whole = deals.read_bytes()
    deals.write_bytes(b"\n".join(whole.splitlines()[:4]) + b"\n")
    assert run(made, fails=True) == {
        "run_failed:extract/salesforce.opportunity",
        "truncated:salesforce.opportunity",
    }
    deals.write_bytes(whole)
    rewrite(accounts, lambda row: {**row, "Name": f"{row['Name']} Ltd"})
    assert run(made) == set(), "the same columns with other values are no news"
    rewrite(accounts, lambda row: {k: v for k, v in row.items() if k != "Region__c"})
    assert run(made) == {"schema_changed:salesforce.account"}
    rewrite(accounts, lambda row: {**row, "Name": f"{row['Name']} Inc"})
    assert run(made) == {"schema_changed:salesforce.account"}
    rewrite(accounts, lambda row: {**row, "Region__c": "North"})
    assert run(made) == set()


def test_a_header_line_that_is_gone_puts_no_row_into_an_alert(tmp_path: Path) -> None:
    made = deployment(tmp_path)
    export = made.inputs / "Opportunity.csv"
    _, *rows = export.read_bytes().splitlines(keepends=True)
    export.write_bytes(b"".join(rows))
    assert run(made, fails=True) == {
        "run_failed:extract/salesforce.opportunity",
        "schema_changed:salesforce.opportunity",
    }
    cells = {cell for row in csv.reader(io.StringIO(rows[0].decode())) for cell in row if len(cell) > 3}
    for incident in Store(made.places).read().open.values():
        assert "required fields missing from the header: Id, " in incident.says
        told = f"{incident.says} {incident.next_step} {incident.keys}"
        assert not [cell for cell in cells if cell in told]

"""The shapes a Salesforce export comes in: whatever tool wrote it, the same rows reach the lake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines import csvfile
from pipelines.connector import RejectedLines, instances, snake
from pipelines.csvfile import read_batches, read_header
from pipelines.errors import InputError
from tests.faults.exports import Deployment, Export, as_csv, change, deployment


@pytest.fixture
def ground(tmp_path: Path) -> Deployment:
    """A deployment with a right export; nothing is loaded."""
    return deployment(tmp_path)


def read(path: Path, **options: tuple[str, ...]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows and rejected lines of one file."""
    rejected = RejectedLines()
    header = read_header(path, source="salesforce", required=options.get("required", ("Id", "Name")))
    tables = list(read_batches(path, header, source="salesforce", rejected=rejected))
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    return rows, rejected.lines


def file_of(folder: Path, content: bytes) -> Path:
    """A small file of two fields."""
    path = folder / "Account.csv"
    path.write_bytes(content)
    return path


def _other_tool(change_bytes: Callable[[bytes], bytes]) -> Callable[[Deployment], None]:
    def apply(made: Deployment) -> None:
        for path in made.inputs.glob("*.csv"):
            path.write_bytes(change_bytes(path.read_bytes()))

    return apply


def _upper_headings(data: bytes) -> bytes:
    head, _, rest = data.partition(b"\n")
    return head.upper() + b"\n" + rest


@pytest.mark.parametrize(
    "rewritten",
    [
        pytest.param(_other_tool(lambda data: b"\xef\xbb\xbf" + data), id="a byte order mark"),
        pytest.param(_other_tool(lambda data: data.replace(b"\n", b"\r\n")), id="Windows line ends"),
        pytest.param(_other_tool(lambda data: data.replace(b"\n", b"\r")), id="old Mac line ends"),
        pytest.param(_other_tool(_upper_headings), id="headings in capitals"),
        pytest.param(_other_tool(lambda data: data.replace(b'"', b"")), id="no quotes"),
        pytest.param(_other_tool(bytes.rstrip), id="no line end at the end"),
        pytest.param(_other_tool(lambda data: data + b"\n\n"), id="blank lines at the end"),
        pytest.param(_other_tool(lambda data: data.replace(b'"Id"', b'" Id "')), id="blanks around a heading"),
    ],
)
def test_an_export_written_by_another_tool_is_the_same_export(
    ground: Deployment, rewritten: Callable[[Deployment], None]
) -> None:
    ground.extract()
    rewritten(ground)
    assert [one.is_new for one in ground.extract()] == [False, False, False]


def test_a_first_load_with_headings_in_capitals_fills_the_same_columns(ground: Deployment) -> None:
    _other_tool(_upper_headings)(ground)
    ground.extract()
    ground.lay()
    assert ground.ask("select account_id, close_date, is_won from raw_salesforce.opportunity limit 1") == [
        ("C1", "2025-11-14", "true")
    ]
    assert ground.one("select region__c from raw_salesforce.account limit 1") == "North"


def test_fields_that_are_missing_but_not_required_are_unknown(tmp_path: Path) -> None:
    export = Export.of()
    for row in export.accounts:
        for name in ("Region__c", "AccountNumber", "IsDeleted", "SystemModstamp"):
            del row[name]
    made = deployment(tmp_path, export)
    made.extract()
    made.lay()
    assert made.one("select count(*) from raw_salesforce.account where region__c is null and is_deleted is null") == 6


def test_extra_fields_are_kept_in_the_lake(tmp_path: Path) -> None:
    export = Export.of()
    for row in export.accounts:
        row.update(
            {"Vertical__c": "Retail", "2nd Phone": "1", "": "blank heading", "Load Id": "theirs", "Source": "web"}
        )
    made = deployment(tmp_path, export)
    made.extract()
    made.lay()
    columns = [row[0] for row in made.ask("describe raw_salesforce.account")]
    assert "vertical__c" in columns
    assert columns.count("source") == columns.count("load_id") == 1
    assert made.ask("select distinct source, vertical__c from raw_salesforce.account") == [("salesforce", "Retail")]
    (file,) = (made.places.lake / "salesforce" / "account").glob("*/*.parquet")
    kept = pa.parquet.read_schema(file).names
    assert {"vertical__c", "source", "load_id"} <= set(kept)


def test_a_field_that_appears_later_is_unknown_before(ground: Deployment) -> None:
    ground.extract()
    export = Export.of()
    for row in export.accounts:
        row["Vertical__c"] = "Retail"
    export.write(ground.inputs)
    assert {one.table for one in ground.extract() if one.is_new} == {"account"}
    ground.lay()
    assert ground.ask("select distinct vertical__c from raw_salesforce.account") == [("Retail",)]


def test_values_are_kept_to_the_letter(tmp_path: Path) -> None:
    rows, _ = read(file_of(tmp_path, b'Id,Name\n007,NA\n"1e5", null \n"","a ""b"", c"\n'))
    assert [(row["id"], row["name"]) for row in rows] == [("007", "NA"), ("1e5", " null "), (None, 'a "b", c')]


def test_a_line_end_inside_quotes_belongs_to_the_value(tmp_path: Path) -> None:
    rows, rejected = read(file_of(tmp_path, b'Id,Name\n1,"two\nlines"\n2,"Windows\r\nlines"\n3\n4,last'))
    assert [(row["id"], row["name"], row["segments_row"]) for row in rows] == [
        ("1", "two\nlines", 1),
        ("2", "Windows\r\nlines", 2),
        ("4", "last", 4),
    ]
    assert [(line["row"], line["text"]) for line in rejected] == [(3, "3")]


def test_a_heading_over_two_lines_is_one_heading(tmp_path: Path) -> None:
    rows, rejected = read(file_of(tmp_path, b'Id,Name,"Note\nof ours"\n1,a,x\n2\n3,c,z\n'))
    assert [(row["id"], row["segments_row"]) for row in rows] == [("1", 1), ("3", 3)]
    assert [line["row"] for line in rejected] == [2]


def test_rows_keep_their_numbers_over_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"Id,Name"] + [b"%d" % n if n % 97 == 0 else b"%d,name %d" % (n, n) for n in range(1, 3002)]
    path = file_of(tmp_path, b"\n".join(lines) + b"\n")
    monkeypatch.setattr(csvfile, "_BLOCK", 1000)
    rows, rejected = read(path)
    assert len(rows) + len(rejected) == 3001
    assert all(str(row["segments_row"]) == row["id"] for row in rows)
    assert all(str(line["row"]) == line["text"] for line in rejected)


@pytest.mark.parametrize(
    "body", [b'1,a\n2,"b\n3,c\n', b'1,a\n2,b\n3,"c\n', b'1,a\n2,"b\n3,c\n4\n', b'1,a\n"2\n3,c\n4,d\n']
)
def test_a_quote_that_is_open_at_the_end_stops_the_run(tmp_path: Path, body: bytes) -> None:
    row = body[: body.index(b'"')].count(b"\n") + 1
    with pytest.raises(
        InputError, match=rf"source salesforce: Account\.csv: row {row}: the file ends inside a quoted field"
    ):
        read(file_of(tmp_path, b"Id,Name\n" + body))


@pytest.mark.parametrize(
    "body",
    [b'1,"a"\n2,"b\n3,"c"\n4,"d"\n', b'1,"a"\n2,"b\n3,"c"\n4,"d\n5,"e"\n', b'1,"a"\n2,"b\n3,"c"\n4,"d\n5,"e"'],
)
def test_a_quote_that_is_not_closed_does_not_swallow_the_next_row(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(InputError, match=r"row 2: a quote is not closed and runs on to line 4; nothing was loaded"):
        read(file_of(tmp_path, b"Id,Name\n" + body))


def test_a_quote_inside_a_value_without_quotes_is_a_character(tmp_path: Path) -> None:
    rows, rejected = read(file_of(tmp_path, b'Id,Name\n1,5" pipe\n2,b\n'))
    assert [(row["id"], row["name"]) for row in rows] == [("1", '5" pipe'), ("2", "b")]
    assert rejected == []


def test_a_very_long_value_is_no_open_quote(tmp_path: Path) -> None:
    rows, _ = read(file_of(tmp_path, b'Id,Name\n1,"' + b"long\n" * 60_000 + b'"\n2,b\n'))
    assert [row["segments_row"] for row in rows] == [1, 2]


@pytest.mark.parametrize("place", [1, 3001])
def test_text_that_is_not_utf_8_names_the_row_and_the_byte(tmp_path: Path, place: int) -> None:
    lines = [b"Id,Name"] + [b"%d,caf\xe9" % n if n == place else b"%d,name" % n for n in range(1, 3102)]
    with pytest.raises(
        InputError, match=rf"source salesforce: Account\.csv: row {place}: byte 0xe9 is not UTF-8; nothing"
    ):
        read(file_of(tmp_path, b"\n".join(lines)))


def test_a_unicode_text_file_of_a_spreadsheet_is_not_utf_8(ground: Deployment) -> None:
    path = ground.inputs / "Account.csv"
    path.write_bytes(path.read_bytes().decode().encode("utf-16"))
    with pytest.raises(InputError, match=r"source salesforce: Account\.csv: row 0: byte 0xff is not UTF-8") as caught:
        ground.extract()
    assert "as UTF-8" in caught.value.next_step


def test_a_file_that_grows_between_header_and_rows_is_noticed(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"Id,Name\n1,a\n")
    header = read_header(path, source="salesforce", required=("Id",))
    path.write_bytes(b"Id,Name\n1,a\n2,b\n")
    with pytest.raises(InputError, match=r"the file changed while it was read \(12 bytes before, 16 after\); nothing"):
        list(read_batches(path, header, source="salesforce", rejected=RejectedLines()))


def test_vendor_names_become_columns() -> None:
    names = {"Id": "id", "BillingCountryCode": "billing_country_code", "Region__c": "region__c", "CRM ID": "crm_id"}
    assert {name: snake(name) for name in names} == names


def test_the_connector_declares_what_its_reader_gives(ground: Deployment) -> None:
    (instance,) = instances(ground.settings())
    readings = list(instance.connector.read(instance))
    assert [reading.table for reading in readings] == list(instance.connector.tables[:3])
    assert [reading.origin for reading in readings] == ["Account.csv", "Opportunity.csv", "OpportunityPartner.csv"]
    assert instance.connector.entities["rejected_lines"] == "stg_salesforce__rejected_lines"


def test_a_files_version_is_its_bytes_and_not_its_date(ground: Deployment) -> None:
    (instance,) = instances(ground.settings())
    before = [reading.version for reading in instance.connector.read(instance)]
    export = Export.of()
    (ground.inputs / "Account.csv").write_bytes(as_csv(export.accounts))
    assert [reading.version for reading in instance.connector.read(instance)] == before
    change(ground.inputs / "Account.csv", "Customer One", "Customer Two")
    assert [reading.version for reading in instance.connector.read(instance)] != before

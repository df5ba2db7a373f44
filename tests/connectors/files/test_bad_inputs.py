"""A damaged file stops the run before anything is loaded; what could be meant two ways is asked, not guessed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from pipelines import extract as extract_room
from pipelines.errors import InputError
from tests.connectors.files.ground import Ground, as_csv, deal, deals

HEADER = "source_id,partner_id,registration_status,amount,submitted_at\n"


# -- which files -------------------------------------------------------------------------------------------------------


def test_a_missing_folder_is_told_with_the_way_out(ground: Ground) -> None:
    ground.configure(folder="elsewhere")
    error = ground.refused("source portal", str(ground.inputs / "elsewhere"), "not there; nothing was loaded")
    assert "--data" in error.next_step


def test_an_empty_folder_is_no_source(ground: Ground) -> None:
    ground.put("notes.md", "nothing")
    error = ground.refused("source portal", "no file of an entity", "nothing was loaded")
    assert "segments sources template" in error.next_step


def test_unknown_files_are_listed_with_the_nearest_entity(ground: Ground) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.put("deal_registratons.csv", deals(3))
    ground.put("campaigns.tsv", "a\tb\n")
    error = ground.refused("campaigns.tsv", "deal_registratons.csv - did you mean 'deal_registrations'?")
    assert "sources.portal.options.files" in error.next_step
    assert "`ignore`" in error.next_step
    ground.configure(ignore=["campaigns*", "deal_registratons.csv"])
    assert ground.extract()["deal_registrations"].rows == 3


def test_a_file_of_another_kind_says_whose_it_is(ground: Ground) -> None:
    ground.put("opportunities.csv", "source_id\n1\n")
    ground.refused("opportunities.csv (opportunities is no entity of kind prm (crm has it))", "nothing was loaded")


def test_a_workbook_is_to_be_saved_as_text(ground: Ground) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.put("partners.xlsx", b"PK\x03\x04")
    ground.refused("partners.xlsx (save it as CSV, one file per entity)")


@pytest.mark.parametrize("name", ["README.txt", ".hidden.csv", "_notes.csv", "~lock.csv"])
def test_what_lies_about_is_left_alone(ground: Ground, name: str) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.put(name, "whatever")
    assert ground.extract()["deal_registrations"].rows == 3


def test_one_table_in_two_formats_is_one_too_many(ground: Ground) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.put("deal_registrations.tsv", as_csv(deals(3), delimiter="\t"))
    ground.refused("deal_registrations.csv and deal_registrations.tsv are one file by name", "nothing was loaded")


def test_a_configured_file_that_is_not_there_is_told(ground: Ground) -> None:
    ground.put("partners.csv", [{"partner_id": "P1", "partner_name": "One"}])
    ground.configure(files={"leads": "leads-*.csv"})
    ground.refused("no file matches 'leads-*.csv'", "sources.portal.options.files", "leads; nothing was loaded")


# -- what is no table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"  \r\n\r\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"", mtime=0)]
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_empty_file_is_no_load(ground: Ground, content: bytes, ending: str) -> None:
    ground.put(f"deal_registrations.{ending}", content)
    ground.refused("source portal", f"deal_registrations.{ending}", "the file is empty", "nothing was loaded")


@pytest.mark.parametrize(
    ("name", "content"), [("d.csv", HEADER), ("d.csv", HEADER.strip()), ("d.json", "[]"), ("d.jsonl", "[ ]\n")]
)
def test_no_rows_are_no_load_unless_it_is_said(ground: Ground, name: str, content: str) -> None:
    ground.configure(files={"deal_registrations": name})
    ground.put(name, content)
    error = ground.refused("source portal", name, "a header and 0 rows", "nothing was loaded")
    assert "sources.portal.options.may_be_empty: [deal_registrations]" in error.next_step
    ground.configure(may_be_empty=["deal_registrations"])
    assert ground.extract()["deal_registrations"].rows == 0
    assert ground.rows() == []


def test_a_file_without_header_says_what_is_missing_and_repeats_no_row(ground: Ground) -> None:
    ground.put("deal_registrations.csv", "D1,P1,accepted,100,2026-03-01\n")
    error = ground.refused(
        "no header line of deal_registrations (the first line has 5 columns, and none is called source_id or ",
        "nothing was loaded",
    )
    assert "D1" not in str(error)


def test_a_row_in_place_of_the_header_is_not_repeated_where_a_word_of_it_means_a_column(ground: Ground) -> None:
    ground.put("deal_registrations.csv", "D1,Kim Doe,amount,Emil,2026-03-01\n")
    error = ground.refused(
        "required columns missing: source_id, ", "(the first line has 5 columns, and most are no headers)"
    )
    assert not any(word in str(error) for word in ("D1", "Kim", "Emil"))


def test_a_quote_that_swallows_the_file_does_not_swallow_the_message(ground: Ground) -> None:
    ground.put("deal_registrations.csv", '"' + as_csv(deals(5000)))
    error = ground.refused("deal_registrations.csv: no header line", "nothing was loaded")
    assert len(str(error)) < 1000


def test_excels_first_line_alone_is_an_empty_file(ground: Ground) -> None:
    ground.put("deal_registrations.csv", "sep=;\r\n")
    ground.refused("deal_registrations.csv: the file is empty", "nothing was loaded")


def test_a_header_that_is_somebodys_address_is_not_repeated(ground: Ground) -> None:
    ground.put(
        "deal_registrations.csv", "source_id,partner_id,amount,kim.doe@example.com\nD1,P1,5,kim.doe@example.com\n"
    )
    error = ground.refused("required columns missing", "unknown headers: (an e-mail address)")
    assert "kim" not in str(error)


def test_missing_columns_are_listed_with_the_headers_that_may_be_meant(ground: Ground) -> None:
    ground.put("deal_registrations.csv", "source_id,partner_id,Submited,Amout,Moon phase\nD1,P1,2026-03-01,5,full\n")
    error = ground.refused(
        "source portal: deal_registrations.csv: required columns missing: registration_status, submitted_at",
        "'Submited' - did you mean submitted_at?",
        "'Amout' - did you mean amount?",
        "'Moon phase'; nothing was loaded",
    )
    assert "rename the headers, or map them in sources.portal.options.headers.deal_registrations" in error.next_step


@pytest.mark.parametrize("twice", ["Partner ID", "partner_id", "PARTNER-ID"])
def test_a_column_that_stands_twice_is_told(ground: Ground, twice: str) -> None:
    ground.put("deal_registrations.csv", HEADER.strip() + f",{twice}\nD1,P1,accepted,1,2026-03-01,P2\n")
    ground.refused(f"the headers 'partner_id' and {twice!r} both mean partner_id", "nothing was loaded")


def test_two_other_names_of_one_column_are_told(ground: Ground) -> None:
    ground.put("leads.csv", "lead_id,record id,partner_id,status,submitted_at\nL1,R1,P1,submitted,2026-03-01\n")
    ground.refused("the headers 'lead_id' and 'record id' both mean source_id", "options.headers.leads")
    ground.configure(headers={"leads": {"lead_id": "source_id"}})
    ground.extract()
    assert ground.values("leads")[0]["source_id"] == "L1"
    assert ground.values("leads")[0]["record_id"] == "R1"


# -- what is text ------------------------------------------------------------------------------------------------------


def test_bytes_that_are_no_utf8_are_told_with_their_row(ground: Ground) -> None:
    ground.put("deal_registrations.csv", as_csv([deal(1), deal(2, customer_company="Café")][::-1]).encode("cp1252"))
    error = ground.refused("deal_registrations.csv: row 1: byte 0xe9 is not UTF-8", "nothing was loaded")
    assert "UTF-8" in error.next_step
    ground.configure(encoding="cp1252")
    ground.extract()
    assert ground.column("customer_company") == [None, "Café"]


def test_bytes_that_are_not_of_the_told_encoding_are_told_with_their_row(ground: Ground) -> None:
    rows = as_csv(deals(30, customer_company="Café")).encode("cp1252").replace(b"D17", b"D\x81")
    ground.put("deal_registrations.csv", rows)
    ground.configure(encoding="cp1252")
    ground.refused("deal_registrations.csv: row 17: byte 0x81 is not cp1252", "nothing was loaded")


def test_utf16_without_a_mark_has_to_be_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", as_csv(deals(3)).encode("utf-16-le"))
    error = ground.refused("deal_registrations.csv: zero bytes in the text", "nothing was loaded")
    assert "utf-16-le" in error.next_step
    ground.configure(encoding="utf-16-le")
    assert ground.extract()["deal_registrations"].rows == 3


@pytest.mark.parametrize("cut", [10, -9, -1])
def test_a_packed_file_that_is_cut_is_told(ground: Ground, cut: int) -> None:
    ground.put("deal_registrations.csv.gz", gzip.compress(as_csv(deals(300)).encode())[:cut])
    ground.refused("deal_registrations.csv.gz: the packed file is damaged or cut short", "nothing was loaded")


def test_a_header_of_mixed_delimiters_is_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", HEADER.replace(",", ";", 2) + "D1;P1;accepted,1,2026-03-01\n")
    ground.refused("deal_registrations.csv: the header mixes delimiters: a semicolon in column 1", "nothing was loaded")


@pytest.mark.parametrize(("of_header", "of_rows"), [(";", ","), (",", ";"), (",", "\t"), ("\t", "|")])
def test_rows_of_another_delimiter_than_the_header_are_told(ground: Ground, of_header: str, of_rows: str) -> None:
    lines = as_csv(deals(5)).splitlines(keepends=True)
    ground.put("deal_registrations.csv", lines[0].replace(",", of_header) + "".join(lines[1:]).replace(",", of_rows))
    error = ground.refused("deal_registrations.csv: mixed delimiters", "in row 1", "nothing was loaded")
    assert "one delimiter" in error.next_step


def test_one_row_of_another_delimiter_is_told_with_its_row(ground: Ground) -> None:
    lines = as_csv(deals(5)).splitlines(keepends=True)
    ground.put("deal_registrations.csv", "".join([*lines[:3], lines[3].replace(",", ";"), *lines[4:]]))
    ground.refused("mixed delimiters: a semicolon in row 3, a comma in the header", "nothing was loaded")


def test_a_broken_line_is_set_aside_and_the_others_load(ground: Ground) -> None:
    lines = as_csv(deals(5)).splitlines(keepends=True)
    ground.put("deal_registrations.csv", "".join([*lines[:3], "D9,P1\n", *lines[3:]]))
    landed = ground.extract()["deal_registrations"]
    assert (landed.rows, landed.rejected_lines) == (5, 1)
    assert ground.rejected() == [
        ("deal_registrations", "deal_registrations.csv", 3, "the line has 2 fields, the header 5")
    ]
    assert [row["file_row"] for row in ground.rows()] == [1, 2, 4, 5, 6]


def test_a_quote_that_is_never_closed_is_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", as_csv(deals(5)).replace("D4", '"D4'))
    ground.refused("deal_registrations.csv: row 4: the file ends inside a quoted field", "nothing was loaded")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"source_id": "D1"}, {"source_id": "D', "row 2: the array does not go on"),
        ('[{"source_id": "D1"} {"source_id" "D2"}]', "row 2: the array does not go on"),
        ('[{"source_id": "D1"}]\n[{"source_id": "D2"}]', "row 2: the array does not go on"),
        ('["D1", 5]', "a header and 0 rows beside 2 broken lines (row 1: no JSON object)"),
        ('{"source_id": "D1"\n{"source_id"\n', "a header and 0 rows beside 2 broken lines (row 1: no JSON"),
        ("<html>", "a header and 0 rows beside 1 broken lines"),
    ],
)
def test_json_that_is_none_is_told(ground: Ground, content: str, words: str) -> None:
    ground.put("deal_registrations.json", content)
    ground.refused("deal_registrations.json", words)


def test_a_line_of_json_that_is_none_is_set_aside(ground: Ground) -> None:
    ground.put(
        "leads.jsonl",
        '{"lead_id":"L1","partner_id":"P1","status":"won","submitted_at":"2026-03-01"}\n{"lead_id":\n[1]\n',
    )
    landed = ground.extract()["leads"]
    assert (landed.rows, landed.rejected_lines) == (1, 2)
    assert [(row, reason[:7]) for _, _, row, reason in ground.rejected()] == [(2, "no JSON"), (3, "no JSON")]


@pytest.mark.parametrize("content", [b"PAR1", b"source_id\n1\n", b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_parquet_that_is_none_is_told(ground: Ground, content: bytes) -> None:
    ground.put("deal_registrations.parquet", content)
    ground.refused("deal_registrations.parquet: no readable Parquet file", "nothing was loaded")


# -- what changes while it is read -------------------------------------------------------------------------------------


def _between_looking_and_landing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    land = extract_room._land

    def acting(*arguments: Any) -> Any:
        act()
        return land(*arguments)

    monkeypatch.setattr(extract_room, "_land", acting)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_that_changes_while_it_is_read_is_not_loaded(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    one = '{"source_id":"D1","partner_id":"P1","registration_status":"accepted","submitted_at":"2026-03-01"}\n'
    content = as_csv(deals(1)) if ending == "csv" else one
    path = ground.put(f"deal_registrations.{ending}", content)
    _between_looking_and_landing(monkeypatch, lambda: path.write_text(content.replace("P1", "P2") + "\n"))
    ground.refused(f"deal_registrations.{ending}: the file changed while it was read", "nothing was loaded")


def test_one_of_several_files_that_changes_stops_all_of_them(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.put("leads.csv", [{"lead_id": "L", "partner_id": "P", "status": "won", "submitted_at": "2026-03-01"}])
    ground.put("deal_registrations-1.csv", deals(2))
    path = ground.put("deal_registrations-2.csv", [deal(3)])
    _between_looking_and_landing(monkeypatch, lambda: path.write_text(as_csv([deal(4)])))
    ground.refused("deal_registrations-2.csv: the file changed while it was read")


# -- days and months, thousands and decimals ---------------------------------------------------------------------------


def test_a_day_that_could_be_a_month_is_asked_for(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1), deal(2, submitted_at="03/04/2026")])
    error = ground.refused("deal_registrations.csv: column submitted_at: ambiguous, e.g. 03/04/2026 in row 2")
    assert "sources.portal.options.date_format: day_first or month_first" in error.next_step
    ground.configure(date_format="month_first")
    ground.extract()
    assert ground.column("submitted_at")[1] == "2026-03-04"


def test_days_and_months_that_are_swapped_within_a_column_are_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1, submitted_at="31/03/2026"), deal(2, submitted_at="03/31/2026")])
    ground.refused("column submitted_at: mixed: the day comes first in 31/03/2026 in row 1, the month in 03/31/2026")


def test_year_day_month_is_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1, submitted_at="2026-03-05"), deal(2, submitted_at="2026-25-03")])
    ground.refused("column submitted_at: year, day, month in 2026-25-03 in row 2")
    ground.configure(date_format="iso")
    ground.extract()
    assert ground.column("submitted_at") == ["2026-03-05", "2026-25-03"]  # staging sets the second aside


def test_the_file_is_named_where_there_are_several(ground: Ground) -> None:
    ground.put("deal_registrations-1.csv", [deal(1, submitted_at="31/03/2026")])
    ground.put("deal_registrations-2.csv", [deal(2, submitted_at="03/31/2026")])
    ground.refused("31/03/2026 in row 1 of deal_registrations-1.csv", "03/31/2026 in row 1 of deal_registrations-2.csv")


def test_three_digits_behind_a_comma_are_asked_for(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1, amount="12"), deal(2, amount="1,234")])
    error = ground.refused("column amount: ambiguous, e.g. 1,234 in row 2: thousands or decimals")
    assert "sources.portal.options.decimal_mark" in error.next_step
    ground.configure(decimal_mark=",")
    ground.extract()
    assert ground.column("amount") == ["12", "1.234"]


def test_two_decimal_marks_in_one_column_are_told(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1, amount="1.234,56"), deal(2, amount="1,234.56")])
    ground.refused(
        "column amount: mixed: the decimal mark is a point in 1,234.56 in row 2, a comma in 1.234,56 in row 1"
    )


def test_a_point_against_a_told_comma_is_told(ground: Ground) -> None:
    ground.configure(decimal_mark=",")
    ground.put("deal_registrations.csv", [deal(1, amount="12.50")])
    ground.refused("column amount: a point as decimal mark in 12.50 in row 1, and decimal_mark ',' is told")


def test_amounts_of_two_currencies_need_a_column_that_says_which(ground: Ground) -> None:
    rows = [deal(1, amount="€1,200.00"), deal(2, amount="$1,200.00")]
    ground.put("deal_registrations.csv", rows)
    ground.refused("column amount: amounts in $, € and no column currency", "nothing was loaded")
    ground.put("deal_registrations.csv", [{**row, "currency": "EUR"} for row in rows])
    ground.extract()
    assert ground.column("amount") == ["1200.00", "1200.00"]


def test_every_error_is_an_input_error(ground: Ground) -> None:
    ground.put("deal_registrations.csv", "")
    assert isinstance(ground.refused(), InputError)

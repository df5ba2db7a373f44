"""The shapes that files come in: other names, other tools, other formats; the same rows reach the lake."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError

from pipelines.connectors.files import Options, entity_of
from pipelines.errors import ConfigError
from tests.connectors.files.ground import Ground, Row, as_csv, deal, deals
from tests.faults.exports import lake_files

Log = pytest.LogCaptureFixture


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stem", "entity"),
    [
        ("partners", "partners"),
        ("Partners", "partners"),
        ("partners-emea", "partners"),
        ("partners.2026-07", "partners"),
        ("Training Records", "training_records"),
        ("training-records-q3", "training_records"),
        ("training_completions", "training_records"),
        ("csat", "csat_responses"),
        ("partner_users", "partner_users"),
        ("partner-users-2", "partner_users"),
        ("partners_2026", None),
        ("partnership", None),
        ("campaigns", None),
    ],
)
def test_files_are_known_by_their_names(stem: str, entity: str | None) -> None:
    assert entity_of(stem, "prm") == entity


def test_headers_are_known_however_they_are_spelled(ground: Ground) -> None:
    ground.put("Leads.CSV", "LEAD-ID, Partner Id ,Status,SubmittedAt,customer_Company\nL1,P1,won,2026-03-01,Acme\n")
    ground.extract()
    assert ground.values("leads") == [
        {
            "source_id": "L1",
            "partner_id": "P1",
            "status": "won",
            "submitted_at": "2026-03-01",
            "customer_company": "Acme",
        }
    ]


def test_a_name_goes_before_an_alias_and_the_deployment_file_before_both(ground: Ground) -> None:
    header = "deal_id,id,partner_id,status,registration_status,submitted_at\n"
    ground.configure(headers={"deal_registrations": {"deal_id": "source_id"}})
    ground.put("deal_registrations.csv", header + "D1,7,P1,open,accepted,2026-03-01\n")
    ground.extract()
    row = ground.values()[0]
    assert (row["source_id"], row["registration_status"]) == ("D1", "accepted")
    assert (row["id"], row["status"]) == ("7", "open")  # kept, and told


def test_mapped_headers_and_defaults_fill_what_is_missing(ground: Ground, told: Log) -> None:
    ground.configure(
        files={"deal_registrations": ["deal export*.csv"]},
        headers={"deal_registrations": {"Deal No.": "source_id", "Reseller": "partner_id", "Valeu": "amount"}},
        defaults={"deal_registrations": {"registration_status": "accepted", "is_test": False, "currency": "EUR"}},
    )
    ground.put(
        "deal export 2026.csv",
        "deal no,reseller,Value,Currency,submitted at\nD1,P1,5,USD,2026-03-01\nD2,P1,5, ,2026-03-01\n",
    )
    ground.extract()
    assert ground.column("currency") == ["USD", "EUR"]
    assert ground.column("registration_status") == ["accepted", "accepted"]
    assert ground.column("is_test") == ["false", "false"]
    assert "`headers` maps 'Valeu' to amount, and no file has it, did you mean 'Value'?" in told.text


def test_another_mapping_is_another_content(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [{**row, "Value": "9"} for row in deals(3)])
    ground.extract()
    ground.configure(headers={"deal_registrations": {"Value": "amount"}})
    assert ground.extract()["deal_registrations"].is_new
    assert ground.column("amount") == ["9", "9", "9"]


def test_unknown_headers_are_kept_and_told_once_per_file(ground: Ground, told: Log) -> None:
    ground.put("deal_registrations.csv", [{**row, "Amout": "9", "Moon phase": "full", "": "x"} for row in deals(3)])
    ground.put("leads.csv", "lead_id,partner_id,status,submitted_at\nL1,P1,won,2026-03-01\n")
    ground.extract()
    assert ground.values()[0]["moon_phase"] == "full"
    told_of = [record.getMessage() for record in told.records if "headers of no column" in record.getMessage()]
    assert told_of == [
        "portal.deal_registrations: deal_registrations.csv: headers of no column, kept in the lake: 'Amout', "
        "'Moon phase', ''"
    ]
    told.clear()
    ground.put("leads.csv", "lead_id,partner_id,status,submitted_at,Amout\nL1,P1,won,2026-03-01,5\n")
    ground.extract()
    assert "leads.csv: headers of no column, kept in the lake: 'Amout' - did you mean amount?" in told.text
    assert "deal_registrations.csv: headers" not in told.text


def test_headers_that_fall_together_are_kept_apart(ground: Ground) -> None:
    ground.put(
        "leads.csv",
        "lead_id,partner_id,status,submitted_at,Note,note!,segments_row,2nd,Größe\nL1,P1,won,2026-03-01,a,b,c,d,e\n",
    )
    ground.extract()
    row = ground.values("leads")[0]
    assert (row["note"], row["note_2"], row["segments_row_2"], row["column_2nd"], row["gr_e"]) == tuple("abcde")


def test_one_file_may_feed_two_entities(tmp_path_factory: pytest.TempPathFactory) -> None:
    ground = Ground(tmp_path_factory.mktemp("crm"), {"kind": "crm"})
    ground.configure(
        files={"opportunities": "deals.csv", "opportunity_partners": "deals.csv"},
        headers={"opportunity_partners": {"Partner": "account_id", "Deal Id": "opportunity_id"}},
    )
    ground.put(
        "deals.csv",
        "Deal ID,Company ID,Partner,Amount,Closed,Won,Close Date\nO1,A1,P1,10.50,true,true,2026-03-01\n",
    )
    assert set(ground.extract()) == {"opportunities", "opportunity_partners"}
    assert ground.column("account_id", "opportunities") == ["A1"]
    assert [(row["opportunity_id"], row["account_id"]) for row in ground.rows("opportunity_partners")] == [("O1", "P1")]


def test_what_a_shared_file_means_to_the_other_entity_is_no_unknown_header(
    tmp_path_factory: pytest.TempPathFactory, told: Log
) -> None:
    ground = Ground(tmp_path_factory.mktemp("crm"), {"kind": "crm"})
    ground.configure(
        files={"opportunities": "deals.csv", "opportunity_partners": "deals.csv"},
        headers={"opportunity_partners": {"Our Partner": "account_id", "Deal Id": "opportunity_id"}},
    )
    ground.put(
        "deals.csv",
        "Deal ID,Company ID,Our Partner,Amount,Closed,Won,Close Date,Moon\nO1,A1,P1,1,true,true,2026-03-01,full\n",
    )
    ground.extract()
    unknown = [record.getMessage() for record in told.records if "headers of no column" in record.getMessage()]
    assert unknown == [
        f"portal.{entity}: deals.csv: headers of no column, kept in the lake: 'Moon'"
        for entity in ("opportunities", "opportunity_partners")
    ]


# -- their words -------------------------------------------------------------------------------------------------------


def test_one_header_may_feed_several_columns(ground: Ground, told: Log) -> None:
    ground.configure(
        headers={"leads": {"No.": ["source_id", "customer_email"], "Stage": ["status", "direction"]}},
        values={"leads": {"status": {"got it": "won", "*": "submitted"}}},
    )
    ground.put(
        "leads.csv", "No.,Partner Id,Stage,Submitted,is_won\nL1,P1, Got it ,2026-03-01,x\nL2,P1,new,2026-03-02,\n"
    )
    ground.extract()
    assert ground.column("customer_email", "leads") == ["L1", "L2"]
    assert ground.column("status", "leads") == ["won", "submitted"]
    assert [word.strip() for word in ground.column("direction", "leads")] == ["Got it", "new"]
    assert "headers of no column, kept in the lake: 'is_won'" in told.text


def test_a_header_of_several_columns_leaves_none_of_them_to_another(ground: Ground) -> None:
    ground.configure(headers={"leads": {"No.": ["source_id", "customer_email"]}})
    ground.put("leads.csv", "No.,Email,partner_id,status,submitted\nL1,a@b.example,P1,won,2026-03-01\n")
    ground.extract()
    row = ground.values("leads")[0]
    assert (row["customer_email"], row["email"]) == ("L1", "a@b.example")
    ground.configure(headers={"leads": {"No.": ["source_id", "status"], "Status": "status"}})
    ground.refused("the headers 'No.' and 'status' both mean status", "sources.portal.options.headers.leads")


def test_their_words_become_ours_and_the_others_stay(ground: Ground) -> None:
    ground.configure(
        values={
            "leads": {
                "status": {"Gewonnen": "won", "offen": "accepted", "99": "lost"},
                "is_test": {"ja": True, "nein": False},
                "amount": {"n/a": None, "viel": 1000000},
            }
        }
    )
    lines = ["gewonnen,ja,n/a", "OFFEN ,nein,12.50", "99,,viel", "rejected,perhaps,", ",ja,7"]
    body = "".join(f"L{place},P1,2026-03-01,{line}\n" for place, line in enumerate(lines))
    ground.put("leads.csv", "lead_id,partner_id,submitted,status,is_test,amount\n" + body)
    ground.extract()
    assert ground.column("status", "leads") == ["won", "accepted", "lost", "rejected", None]
    assert ground.column("is_test", "leads") == ["true", "false", None, "perhaps", "true"]
    assert ground.column("amount", "leads") == [None, "12.50", "1000000", None, "7"]


def test_other_words_are_another_content(ground: Ground) -> None:
    ground.put("deal_registrations.csv", deals(3))
    ground.extract()
    ground.configure(values={"deal_registrations": {"registration_status": {"accepted": "declined"}}})
    assert ground.extract()["deal_registrations"].is_new
    assert ground.column("registration_status") == ["declined"] * 3


def test_words_for_a_column_that_no_file_has_are_told(ground: Ground, told: Log) -> None:
    ground.configure(values={"deal_registrations": {"outcome": {"ja": "won"}}})
    ground.put("deal_registrations.csv", deals(1))
    ground.extract()
    assert "`values` speaks of outcome, and no file has it" in told.text


def test_rows_without_what_makes_them_one_are_left_out_and_counted(ground: Ground, told: Log) -> None:
    ground.configure(only_with={"leads": ["customer_company", "amount"]}, may_be_empty=["leads"])
    lines = ["Acme,5", ",5", "Acme,", "  ,", "Best,6"]
    body = "".join(f"L{place},P1,won,2026-03-01,{line}\n" for place, line in enumerate(lines))
    ground.put("leads.csv", "lead_id,partner_id,status,submitted,customer,amount\n" + body)
    assert ground.extract()["leads"].rows == 2
    assert ground.column("source_id", "leads") == ["L0", "L4"]
    assert [row["file_row"] for row in ground.rows("leads")] == [1, 5]
    assert "leads.csv: 3 rows without customer_company or amount are left out, as told" in told.text


def test_a_row_that_is_left_out_proves_nothing(ground: Ground) -> None:
    ground.configure(only_with={"leads": "customer_company"})
    ground.put(
        "leads.csv",
        'lead_id,partner_id,status,submitted,customer,amount\nL1,P1,won,2026-03-01,A,"1,5"\nL2,P1,won,2026-03-01,,2.5\n',
    )
    ground.extract()
    assert ground.column("amount", "leads") == ["1.5"]


def test_a_column_that_rows_must_have_is_needed(ground: Ground) -> None:
    ground.configure(only_with={"deal_registrations": "customer_company"}).put("deal_registrations.csv", deals(1))
    ground.refused("required columns missing: customer_company")


@pytest.mark.parametrize("name", ["leads.parquet", "leads.jsonl"])
def test_words_of_typed_files_are_words_too(ground: Ground, name: str) -> None:
    ground.configure(
        headers={"leads": {"won": ["status", "direction"]}},
        values={"leads": {"status": {"true": "won", "false": "lost"}}},
        only_with={"leads": "status"},
    )
    fixed = {"partner_id": "P1", "submitted": "2026-03-01"}
    rows = [{"lead_id": f"L{n}", "won": won, **fixed} for n, won in enumerate([True, False, None])]
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), ground.put(name, b""))
    else:
        ground.put(name, "\n".join(map(json.dumps, rows)))
    ground.extract()
    assert ground.column("status", "leads") == ["won", "lost"]
    assert ground.column("direction", "leads") == ["true", "false"]


# -- tools -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rewritten",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="a byte order mark"),
        pytest.param(lambda text: text.encode("utf-16"), id="UTF-16"),
        pytest.param(lambda text: b"\xfe\xff" + text.encode("utf-16-be"), id="UTF-16, the other way round"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(lambda text: text.replace("\n", "\r").encode(), id="old Mac line ends"),
        pytest.param(lambda text: text.replace(",", ";").encode(), id="semicolons"),
        pytest.param(lambda text: text.replace(",", "\t").encode(), id="tabs"),
        pytest.param(lambda text: text.replace(",", "|").encode(), id="bars"),
        pytest.param(lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(), id="Excel's first line"),
        pytest.param(lambda text: ("\n  \n" + text).encode(), id="blank lines on top"),
        pytest.param(lambda text: (text + "\n\n").encode(), id="blank lines at the end"),
        pytest.param(lambda text: (text + ",,,,,,\n,,,,,,\n").encode(), id="rows of nothing at the end"),
        pytest.param(lambda text: text.replace("\n", ",,\n").encode(), id="columns of nothing"),
        pytest.param(lambda text: text.rstrip().encode(), id="no line end at the end"),
        pytest.param(lambda text: gzip.compress(text.encode()), id="packed"),
        pytest.param(lambda text: gzip.compress(text.replace(",", ";").encode("utf-16")), id="packed UTF-16"),
    ],
)
def test_an_export_written_by_another_tool_is_the_same_export(
    ground: Ground, rewritten: Callable[[str], bytes]
) -> None:
    rows = [{**row, "customer_company": "Zoë’s Café", "lost_reason": "x"} for row in deals(5)]
    ground.put("deal_registrations.csv", rows)
    ground.extract()
    before = lake_files(ground.places)
    ground.put("deal_registrations.csv", rewritten(as_csv(rows)))
    assert not ground.extract()["deal_registrations"].is_new
    assert lake_files(ground.places) == before


def test_what_was_detected_is_told(ground: Ground, told: Log) -> None:
    ground.put("deal_registrations.csv", as_csv(deals(3), delimiter=";").encode("utf-16"))
    ground.extract()
    assert "portal.deal_registrations: deal_registrations.csv: UTF-16, as its byte order mark says" in told.text
    assert "portal.deal_registrations: deal_registrations.csv: delimited by a semicolon" in told.text


def test_a_told_delimiter_and_encoding_need_no_words(ground: Ground, told: Log) -> None:
    ground.configure(delimiter="tab", encoding="cp1252")
    ground.put("deal_registrations.csv", as_csv([deal(1, deal_name="Größe, neu")], delimiter="\t").encode("cp1252"))
    ground.extract()
    assert ground.column("deal_name") == ["Größe, neu"]
    assert "read_as" not in [getattr(record, "segments_event", "") for record in told.records]


def test_utf8_that_is_told_to_be_something_else_is_told(ground: Ground, told: Log) -> None:
    ground.configure(encoding="cp1252").put("deal_registrations.csv", [deal(1, deal_name="Größe")])
    ground.extract()
    assert "read as cp1252, as told, although it would be right UTF-8 too" in told.text


def test_line_ends_and_delimiters_inside_quotes_are_values(ground: Ground) -> None:
    ground.put("deal_registrations.csv", [deal(1, deal_name='two\nlines, "quoted"; and\r\nmore'), deal(2)])
    ground.extract()
    assert ground.column("deal_name")[0] == 'two\nlines, "quoted"; and\r\nmore'
    assert [row["file_row"] for row in ground.rows()] == [1, 2]


def test_a_column_of_blanks_is_unknown_and_told(ground: Ground, told: Log) -> None:
    ground.put("deal_registrations.csv", [{**row, "stage": "", "outcome": "  "} for row in deals(3)])
    ground.extract()
    assert "all values of stage, outcome are blank: unknown, not zero" in told.text
    assert ground.column("stage") == [None, None, None]


def test_rows_of_nothing_are_left_out_and_counted(ground: Ground, told: Log) -> None:
    ground.put("deal_registrations.csv", as_csv(deals(2)) + ",,,,\n" + ",P1,,,\n" + ",,,,\n")
    assert ground.extract()["deal_registrations"].rows == 3
    assert "2 rows without any value are left out" in told.text
    assert sorted(row["file_row"] for row in ground.rows()) == [1, 2, 4]


# -- dates and numbers -------------------------------------------------------------------------------------------------


def test_dates_that_a_column_proves_are_read_and_told(ground: Ground, told: Log) -> None:
    ground.put(
        "deal_registrations.csv",
        [
            deal(1, submitted_at="31.03.2026 14:05", expires_at="3/4/2026", expected_close_date="2026/04/05"),
            deal(2, submitted_at="5.3.2026", expires_at="12/31/2026 1:30 PM", expected_close_date="Apr 5, 2026"),
            deal(3, submitted_at="2026-03-05T06:00:00Z", expires_at="", expected_close_date="5/6/26"),
        ],
    )
    ground.extract()
    assert ground.column("submitted_at") == ["2026-03-31T14:05:00", "2026-03-05", "2026-03-05T06:00:00Z"]
    assert ground.column("expires_at") == ["2026-03-04", "2026-12-31T13:30:00", None]
    assert ground.column("expected_close_date") == ["2026-04-05", "2026-04-05", "5/6/26"]
    assert "dates are read as the columns prove: " in told.text
    assert "submitted_at day first (31.03.2026 14:05 in row 1)" in told.text
    assert "expires_at month first (12/31/2026 1:30 PM in row 2)" in told.text
    assert "expected_close_date" not in told.text


def test_the_proof_may_stand_in_another_part_of_a_split_file(ground: Ground) -> None:
    ground.put("deal_registrations-1.csv", [deal(1, submitted_at="03/04/2026", amount="1,234")])
    ground.put("deal_registrations-2.csv", [deal(2, submitted_at="31/03/2026", amount="1,234.50")])
    ground.extract()
    assert ground.column("submitted_at") == ["2026-04-03", "2026-03-31"]
    assert ground.column("amount") == ["1234", "1234.50"]


def test_amounts_are_read_whatever_marks_they_have(ground: Ground, told: Log) -> None:
    amounts = ["1.234,56", "1.234", "€ 5,00", "(7,50)", "-8", "1 000 000,5", "n/a", "50%", ""]
    ground.put("deal_registrations.csv", [deal(n, amount=amount) for n, amount in enumerate(amounts, 1)])
    ground.extract()
    assert ground.column("amount") == ["1234.56", "1234", "5.00", "-7.50", "-8", "1000000.5", "n/a", "50%", None]
    assert "amount with a decimal comma (1.234,56 in row 1)" in told.text
    assert "column amount: € beside the amounts is not read" in told.text


def test_plain_values_are_passed_on_as_they_stand(ground: Ground, told: Log) -> None:
    amounts = ["1.234", "0012.50", "1e5", "+3", ".5", "12345678901234567890.123456789"]
    ground.put("deal_registrations.csv", [deal(n, amount=amount) for n, amount in enumerate(amounts, 1)])
    ground.extract()
    assert ground.column("amount") == amounts
    assert "read as" not in told.text


# -- formats -----------------------------------------------------------------------------------------------------------


TYPED: list[Row] = [
    {
        "deal_id": "D1", "partner_id": "P1", "status": "accepted", "amount": Decimal("1234.50"), "currency": "EUR",
        "submitted_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "expected_close_date": date(2026, 7, 5),
        "is_test": False, "notes": {"a": [1, None], "ü": "x"}, "score": 3,
    },
    {
        "deal_id": "D2", "partner_id": "P1", "status": "accepted", "amount": None, "currency": "", "is_test": None,
        "submitted_at": datetime(2026, 3, 2, tzinfo=UTC), "expected_close_date": None, "notes": None, "score": None,
    },
]  # fmt: skip
AS_TEXT = (
    "deal_id,partner_id,status,amount,currency,submitted_at,expected_close_date,is_test,notes,score\n"
    'D1,P1,accepted,1234.50,EUR,2026-03-01T09:30:00.000Z,2026-07-05,false,"{""a"":[1,null],""ü"":""x""}",3\n'
    "D2,P1,accepted,,,2026-03-02T00:00:00.000Z,,,,\n"
)


def _as_parquet(path: Any) -> None:
    schema = pa.schema(
        [
            ("deal_id", pa.dictionary(pa.int32(), pa.string())),
            ("partner_id", pa.large_string()),
            ("status", pa.string()),
            ("amount", pa.decimal128(18, 2)),
            ("currency", pa.string()),
            ("submitted_at", pa.timestamp("ms", "Europe/Berlin")),
            ("expected_close_date", pa.date32()),
            ("is_test", pa.bool_()),
            ("notes", pa.struct([("a", pa.list_(pa.int8())), ("ü", pa.string())])),
            ("score", pa.float64()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(TYPED, schema), path)


def _json_objects() -> list[str]:
    texts = []
    for row in TYPED:
        known = {name: value for name, value in row.items() if name not in ("amount", "submitted_at") and value != ""}
        amount = "null" if row["amount"] is None else str(row["amount"])
        moment = row["submitted_at"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
        texts.append(json.dumps({**known, "submitted_at": moment}, default=str)[:-1] + f', "amount": {amount}}}')
    return texts


@pytest.mark.parametrize("name", ["d.parquet", "d.jsonl", "d.ndjson.gz", "d.json"])
def test_every_format_gives_the_same_content(ground: Ground, name: str) -> None:
    ground.configure(files={"deal_registrations": "d.csv"}).put("d.csv", AS_TEXT)
    ground.extract()
    expected = ground.values()
    (ground.inputs / "d.csv").unlink()
    ground.configure(files={"deal_registrations": name})
    if name == "d.parquet":
        _as_parquet(ground.inputs / name)
    elif name == "d.json":
        ground.put(name, "\ufeff[\n" + ",\n".join(_json_objects()) + "\n]\n")
    else:
        lines = "\n".join(_json_objects()).encode()
        ground.put(name, gzip.compress(lines) if name.endswith("gz") else lines)
    assert not ground.extract()["deal_registrations"].is_new
    assert ground.values() == expected


def test_typed_numbers_are_not_read_anew(ground: Ground) -> None:
    ground.configure(decimal_mark=",")
    row = {"deal_id": "D1", "partner_id": "P", "status": "x", "submitted_at": "2026-03-01", "amount": 1.234}
    ground.put("deal_registrations-1.jsonl", json.dumps(row))
    pq.write_table(pa.Table.from_pylist([{**row, "deal_id": "D2"}]), ground.put("deal_registrations-2.parquet", b""))
    ground.put("deal_registrations-3.csv", [{**row, "deal_id": "D3", "amount": "1.234"}])
    ground.extract()
    assert ground.column("amount") == ["1.234", "1.234", "1234"]


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([1.5, 1.0, 1e20, 1e-7, float("nan"), 123456789012.0, None], pa.float64(),
         ["1.5", "1", "100000000000000000000", "0.0000001", None, "123456789012", None]),
        ([0.1], pa.float32(), ["0.1"]),
        ([Decimal("0.00000001"), Decimal("12.5")], pa.decimal128(20, 8), ["0.00000001", "12.50000000"]),
        ([9007199254740993], pa.int64(), ["9007199254740993"]),
        ([datetime(2026, 7, 5)], pa.timestamp("ns"), ["2026-07-05"]),
        ([datetime(2026, 7, 5, 6, 30), None], pa.timestamp("ms"), ["2026-07-05T06:30:00.000", None]),
        ([datetime(2026, 7, 5, 6, 30, 1, 500)], pa.timestamp("ns", "UTC"), ["2026-07-05T06:30:01.000500Z"]),
        ([["a", "ü"], [], None], pa.list_(pa.string()), ['["a","ü"]', "[]", None]),
        ([b"x", b""], pa.binary(), ["x", None]),
        ([None], pa.null(), [None]),
    ],
)  # fmt: skip
def test_parquet_types_become_text_without_loss(
    ground: Ground, values: list[Any], kind: pa.DataType, texts: list[str | None]
) -> None:
    ids = [f"L{place}" for place in range(len(values))]
    fixed = {name: ["2026-03-01"] * len(ids) for name in ("partner_id", "status", "submitted_at")}
    table = pa.table({"lead_id": ids, **fixed, "extra": pa.array(values, kind)})
    pq.write_table(table, ground.put("leads.parquet", b""))
    ground.extract()
    assert ground.column("extra", "leads") == texts


def test_many_pages_are_one_table(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.tablefile._PAGE", 7)
    monkeypatch.setattr("pipelines.tablefile.BLOCK", 1000)
    rows = [{**row, "amount": float(row["amount"]), "deal_name": 'a "} ] [{ text' * 9} for row in deals(100)]
    ground.put("deal_registrations-1.json", json.dumps(rows[:50], indent=2))
    pq.write_table(pa.Table.from_pylist(rows[50:]), ground.put("deal_registrations-2.parquet", b""))
    assert ground.extract()["deal_registrations"].rows == 100
    assert sorted(row["file_row"] for row in ground.rows()) == sorted([*range(1, 51), *range(1, 51)])


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": None}, "sources.portal.options: kind: missing, expected what system the files come from"),
        ({"kind": "erp"}, "kind: found 'erp', input should be 'crm', 'account_mapping' or 'prm'"),
        ({"delimitr": ";"}, "delimitr: unknown key; did you mean 'delimiter'?"),
        ({"files": {"lead": "l.csv"}}, "files: unknown entity 'lead', did you mean 'leads'?"),
        ({"files": {"leads": "../l.csv"}}, "files.leads: expected a name or pattern inside the folder"),
        ({"headers": {"accounts": {}}}, "headers: accounts is no entity of kind prm (crm has it)"),
        ({"headers": {"leads": {"x": "amout"}}}, "headers.leads: unknown column 'amout', did you mean 'amount'?"),
        ({"defaults": {"leads": {"stat": "won"}}}, "defaults.leads: unknown column 'stat', did you mean 'status'?"),
        ({"defaults": {"leads": {"amount": "1,5"}}}, "defaults.leads.amount: expected a number"),
        ({"defaults": {"leads": {"submitted_at": "1.2.2026"}}}, "expected an ISO date"),
        ({"defaults": {"leads": {"is_test": "maybe"}}}, "expected true or false"),
        ({"headers": {"leads": {"x": ["status", "amout"]}}}, "headers.leads: unknown column 'amout'"),
        ({"values": {"leads": {"stat": {}}}}, "values.leads: unknown column 'stat', did you mean 'status'?"),
        ({"values": {"leads": {"is_test": {"ja": "maybe"}}}}, "values.leads.is_test.ja: expected true or false"),
        ({"only_with": {"leads": "stat"}}, "only_with.leads: unknown column 'stat', did you mean 'status'?"),
        (
            {"only_with": {"leads": "status"}, "defaults": {"leads": {"status": "won"}}},
            "only_with.leads: status is never blank, defaults fills it",
        ),
        ({"may_be_empty": ["partner"]}, "may_be_empty: unknown entity 'partner', did you mean 'partners'?"),
        ({"delimiter": "::"}, "expected one character"),
        ({"encoding": "utf-9"}, "unknown encoding"),
        ({"encoding": "hex"}, "unknown encoding"),
        ({"date_format": "us"}, "date_format: found 'us'"),
        ({"default_currency": "euro"}, "default_currency: found 'euro'"),
    ],
)
def test_options_that_cannot_be_meant_are_told(ground: Ground, options: dict[str, Any], words: str) -> None:
    ground.configure(**options)
    with pytest.raises(ConfigError) as caught:
        _ = ground.instance
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("headers: {leads: {No: source_id}}", "leads: YAML takes an unquoted word here for false; put words such"),
        ("values: {leads: {is_test: {yes: true}}}", "leads.is_test: YAML takes an unquoted word here for true"),
        ("values: {leads: {status: {~: won}}}", "leads.status: YAML takes an unquoted word here for null"),
    ],
)
def test_words_that_yaml_takes_for_something_else_want_quotes(options: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Options(kind="prm", **yaml.safe_load(options))


def test_numbers_and_days_are_words_too() -> None:
    told = Options(kind="prm", **yaml.safe_load("values: {leads: {status: {1: won, 2026-01-31: lost}}}"))
    assert told.values == {"leads": {"status": {"1": "won", "2026-01-31": "lost"}}}


def test_the_kind_is_the_instances(ground: Ground) -> None:
    assert ground.instance.connector.kind == "any"
    assert ground.instance.connector.offers_by_load
    assert ground.instance.kind == "prm"

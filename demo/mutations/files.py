"""How files break on their way, whatever stands in them: cut, packed, recoded, lost, sent twice or too late."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from demo.mutations.sheet import Breaks, Mutation, Sheet, editing, on, read_sheet, write_sheet

_DEALS = "opportunities"


def _rewritten(table: str, how: Callable[[bytes], bytes]) -> Breaks:
    """The file's bytes, changed; every row of it counts as touched."""

    def breaks(folder: Path, _: Random) -> int:
        file = folder / f"{table}.csv"
        rows = len(read_sheet(file).rows)
        file.write_bytes(how(file.read_bytes()))
        return rows

    return breaks


def _without_lines(first: float, last: float) -> Callable[[bytes], bytes]:
    """Without the lines of a stretch of the file, given as shares of it."""

    def how(content: bytes) -> bytes:
        header, *lines = content.splitlines(keepends=True)
        return header + b"".join(lines[: int(first * len(lines))] + lines[int(last * len(lines)) :])

    return how


def _cut_in_a_value(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    end = sum(map(len, lines[: len(lines) * 97 // 100]))
    return content[: end + 8]


def _cut_between_values(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    place = len(lines) * 97 // 100
    return b"".join(lines[:place]) + b",".join(lines[place].split(b",")[:5])


def _page_twice(sheet: Sheet, _: Random) -> None:
    sheet.add([dict(row) for row in sheet.rows[2000:2500]])


def _a_fifth_twice(sheet: Sheet, random: Random) -> None:
    sheet.add([dict(row) for row in random.sample(sheet.rows, len(sheet.rows) // 5)])


def _shuffled(sheet: Sheet, random: Random) -> None:
    random.shuffle(sheet.rows)
    sheet.touched = len(sheet.rows)


def _reordered(sheet: Sheet, _: Random) -> None:
    sheet.header.reverse()
    sheet.touched = len(sheet.rows)


def _with_a_new_column(sheet: Sheet, random: Random) -> None:
    sheet.header.append("forecast_category")
    for row in sheet.rows:
        row["forecast_category"] = random.choice(["Commit", "Best Case", "Pipeline"])
    sheet.touched = len(sheet.rows)


def _renamed(column: str, name: str) -> Callable[[Sheet, Random], None]:
    def how(sheet: Sheet, _: Random) -> None:
        sheet.header[sheet.header.index(column)] = name
        for row in sheet.rows:
            row[name] = row.pop(column)
        sheet.touched = len(sheet.rows)

    return how


def _without_column(column: str) -> Callable[[Sheet, Random], None]:
    def how(sheet: Sheet, _: Random) -> None:
        sheet.header.remove(column)
        sheet.touched = len(sheet.rows)

    return how


def _headers_exchanged(one: str, other: str) -> Callable[[Sheet, Random], None]:
    def how(sheet: Sheet, _: Random) -> None:
        for row in sheet.rows:
            row[one], row[other] = row[other], row[one]
        sheet.touched = len(sheet.rows)

    return how


def _header_again_in_the_middle(sheet: Sheet, _: Random) -> None:
    sheet.rows.insert(len(sheet.rows) // 2, {name: name for name in sheet.header})
    sheet.touched = 1


def _null_in_words(sheet: Sheet, _: Random) -> None:
    for column in sheet.header:
        sheet.change(column, lambda value: value or "NULL")


def _quotes_not_doubled(content: bytes) -> bytes:
    """A comma inside a value without the quotes around it, in one line of fifty."""
    header, *lines = content.splitlines(keepends=True)
    for place in range(0, len(lines), 50):
        lines[place] = lines[place].replace(b" - ", b", ", 1).replace(b'"', b"")
    return header + b"".join(lines)


def _with_delimiter(content: bytes) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(csv.reader(io.StringIO(content.decode(), newline="")))
    return text.getvalue().encode()


def _page_of_an_error(_: bytes) -> bytes:
    return b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head><body>Try again.</body></html>\n"


def _no_file(table: str) -> Breaks:
    def breaks(folder: Path, _: Random) -> int:
        file = folder / f"{table}.csv"
        rows = len(read_sheet(file).rows)
        file.unlink()
        return rows

    return breaks


def _all_rows(folder: Path) -> int:
    return sum(len(read_sheet(file).rows) for file in sorted(folder.glob("*.csv")))


def _no_export(folder: Path, _: Random) -> int:
    rows = _all_rows(folder)
    shutil.rmtree(folder)
    return rows


def _no_files(folder: Path, _: Random) -> int:
    rows = _all_rows(folder)
    for file in folder.iterdir():
        file.unlink()
    return rows


def _headers_alone(folder: Path, _: Random) -> int:
    rows = _all_rows(folder)
    for file in folder.glob("*.csv"):
        write_sheet(file, Sheet(read_sheet(file).header, []))
    return rows


def _a_week_old(folder: Path, _: Random) -> int:
    """The export of a week before: without what has happened since, and under its own day."""
    with editing(folder, "account_overlaps") as sheet:
        sheet.drop(lambda row: row["matched_at"][:10] >= "2026-09-28")
    folder.rename(folder.with_name("2026-09-28"))
    return max(sheet.touched, 1)


def _the_old_export_again(folder: Path, _: Random) -> int:
    """The job ran, but sent the files of the drop before once more."""
    rows = _all_rows(folder)
    before = sorted(x for x in folder.parent.iterdir() if x.is_dir() and x.name < folder.name)[-1]
    for file in folder.iterdir():
        shutil.copyfile(before / file.name, file)
    return rows


FILES: tuple[Mutation, ...] = (
    Mutation(
        "file_cut_in_half", "The export stopped half way, at the end of a line.", "crm", _DEALS, True,
        _rewritten(_DEALS, _without_lines(0.5, 1)),
    ),
    Mutation(
        "file_cut_by_a_tenth", "The last tenth of the file is missing, from the end of a line on.", "crm", _DEALS, True,
        _rewritten(_DEALS, _without_lines(0.9, 1)),
    ),
    Mutation(
        "file_cut_in_a_value", "The file ends in the middle of a line, inside a quoted value.", "crm", _DEALS, True,
        _rewritten(_DEALS, _cut_in_a_value),
    ),
    Mutation(
        "file_cut_between_values", "The file ends in the middle of a line, between two values.", "crm", _DEALS, True,
        _rewritten(_DEALS, _cut_between_values),
    ),
    Mutation(
        "page_doubled", "A page of 500 rows was written twice.", "crm", _DEALS, True, on(_DEALS, _page_twice)
    ),
    Mutation(
        "page_missing", "A page of the CRM's links is missing in the middle of the file.", "crm",
        "opportunity_partners", True, _rewritten("opportunity_partners", _without_lines(0.60, 0.65)),
    ),
    Mutation(
        "rows_doubled", "A fifth of the links stands twice, with the same ids.", "crm", "opportunity_partners", True,
        on("opportunity_partners", _a_fifth_twice),
    ),
    Mutation(
        "rows_shuffled", "The rows come in another order.", "crm", _DEALS, False, on(_DEALS, _shuffled)
    ),
    Mutation(
        "columns_reordered", "The columns come in another order.", "crm", "accounts", False,
        on("accounts", _reordered),
    ),
    Mutation(
        "column_new", "The CRM exports one more column.", "crm", _DEALS, False, on(_DEALS, _with_a_new_column)
    ),
    Mutation(
        "column_gone", "The column that says whether a deal was won is no longer exported.", "crm", _DEALS, True,
        on(_DEALS, _without_column("is_won")),
    ),
    Mutation(
        "currency_column_gone", "The column with the currency is no longer exported.", "crm", _DEALS, True,
        on(_DEALS, _without_column("currency")),
    ),
    Mutation(
        "partner_flag_gone", "The column that says which accounts are partners is no longer exported.", "crm",
        "accounts", True, on("accounts", _without_column("is_partner")),
    ),
    Mutation(
        "header_renamed", "The amount has another header, which nobody has heard of.", "crm", _DEALS, True,
        on(_DEALS, _renamed("amount", "tcv_fx")),
    ),
    Mutation(
        "optional_header_renamed", "The partner number has another header, which nobody has heard of.", "crm",
        "accounts", True, on("accounts", _renamed("partner_number", "legacy_key")),
    ),
    Mutation(
        "columns_swapped", "Country and region have changed places.", "crm", "accounts", False,
        on("accounts", _headers_exchanged("country", "region")),
    ),
    Mutation(
        "ids_swapped", "The deal's own id and that of its account have changed places.", "crm", _DEALS, True,
        on(_DEALS, _headers_exchanged("source_id", "account_id")),
    ),
    Mutation(
        "dates_swapped", "The day a registration was handed in and the day it was decided have changed places.", "prm",
        "deal_registrations", False, on("deal_registrations", _headers_exchanged("submitted_at", "decided_at")),
    ),
    Mutation(
        "header_in_the_middle", "Two files were joined, so that a header stands among the rows.", "crm", _DEALS, False,
        on(_DEALS, _header_again_in_the_middle),
    ),
    Mutation(
        "null_in_words", "What was blank is now the word NULL.", "prm", "deal_registrations", False,
        on("deal_registrations", _null_in_words),
    ),
    Mutation(
        "quotes_lost", "Some lines have a comma inside a value and no quotes around it.", "crm", _DEALS, True,
        _rewritten(_DEALS, _quotes_not_doubled),
    ),
    Mutation(
        "delimiter_changed", "The file is separated by semicolons.", "crm", "accounts", False,
        _rewritten("accounts", _with_delimiter),
    ),
    Mutation(
        "line_ends_changed", "The lines end as they do on Windows.", "crm", _DEALS, False,
        _rewritten(_DEALS, lambda content: content.replace(b"\n", b"\r\n")),
    ),
    Mutation(
        "blank_lines_at_the_end", "Blank lines stand at the end of the file.", "crm", _DEALS, False,
        _rewritten(_DEALS, lambda content: content + b"\n\n\n"),
    ),
    Mutation(
        "byte_order_mark", "The file begins with a byte order mark.", "crm", "accounts", False,
        _rewritten("accounts", lambda content: b"\xef\xbb\xbf" + content),
    ),
    Mutation(
        "written_as_utf16", "The file is UTF-16, with its mark.", "crm", "accounts", False,
        _rewritten("accounts", lambda content: content.decode().encode("utf-16")),
    ),
    Mutation(
        "encoding_broken", "The file was written in Latin-1.", "crm", "accounts", False,
        _rewritten("accounts", lambda content: content.decode().encode("latin-1", errors="replace")),
    ),
    Mutation(
        "encoded_twice", "The file was read as Latin-1 and written as UTF-8, which spoils every accent.", "crm",
        "accounts", False, _rewritten("accounts", lambda content: content.decode("latin-1").encode()),
    ),
    Mutation(
        "zero_bytes", "A block of zero bytes stands in the file.", "crm", _DEALS, True,
        _rewritten(_DEALS, lambda content: content[:3000] + b"\0" * 512 + content[3512:]),
    ),
    Mutation(
        "page_of_an_error", "The file holds the web page of an error.", "crm", _DEALS, True,
        _rewritten(_DEALS, _page_of_an_error),
    ),
    Mutation(
        "file_of_no_bytes", "The file is empty.", "prm", "training_records", True,
        _rewritten("training_records", lambda content: b""),
    ),
    Mutation(
        "file_missing", "The CRM's deals were not exported this time.", "crm", _DEALS, True, _no_file(_DEALS)
    ),
    Mutation(
        "file_of_trainings_missing", "The PRM's training records were not exported this time.", "prm",
        "training_records", True, _no_file("training_records"),
    ),
    Mutation("source_empty", "Every file of the CRM has its header and no rows.", "crm", "", True, _headers_alone),
    Mutation("folder_empty", "The folder of the export is there, with nothing in it.", "crm", "", True, _no_files),
    Mutation("source_not_exported", "The PRM was not exported this quarter.", "prm", "", True, _no_export),
    Mutation("crm_not_exported", "The CRM was not exported this quarter.", "crm", "", True, _no_export),
    Mutation(
        "source_a_week_old", "The mapping platform was exported a week before, before the quarter had ended.",
        "account_mapping", "", False, _a_week_old,
    ),
    Mutation(
        "old_export_again", "The job ran and sent the files of July once more, under the new day.", "crm", "", True,
        _the_old_export_again,
    ),
)  # fmt: skip

"""The file of signed exceptions: what it says, and that nothing unsigned, unending or unknown is taken."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import PolicyError
from pipelines.policy import TABLES, read_exceptions, read_policies, rows_of
from pipelines.policy.rows import Row

Make = Callable[..., str]
Folder = Callable[..., Path]
Exceptions = Callable[[str], list[Row]]

SIGNED = "{partner: '1042', ladder: tier, level: gold, until: 2026-12-31, why: merger, approved_by: J. Doe}"


@pytest.fixture
def exceptions(folder: Folder, plain: Make, scored: Make, catalogue: tuple[str, ...]) -> Exceptions:
    """The rows that an exceptions file gives beside two policies: acme (tier) and acme-scored (segment)."""

    def read(text: str) -> list[Row]:
        place = folder(acme=plain(), scored=scored(), exceptions=text)
        return read_exceptions(place, read_policies(place, catalogue))

    return read


@pytest.fixture
def refused(exceptions: Exceptions) -> Make:
    def message(text: str) -> str:
        with pytest.raises(PolicyError) as caught:
            exceptions(text)
        assert caught.value.exit_code == 2
        assert "exceptions.yml: " in caught.value.message
        return caught.value.message

    return message


def test_a_folder_without_exceptions_has_none(folder: Folder, plain: Make, catalogue: tuple[str, ...]) -> None:
    place = folder(acme=plain())
    assert read_exceptions(place, read_policies(place, catalogue)) == []


def test_an_exception_is_a_row_with_columns_of_its_own(exceptions: Exceptions) -> None:
    (row,) = exceptions(f"exceptions:\n  - {SIGNED}\n")
    assert row == {
        "policy": None,
        "partner": "1042",
        "ladder": "tier",
        "level": "gold",
        "valid_from": None,
        "valid_until": datetime.date(2026, 12, 31),
        "why": "merger",
        "approved_by": "J. Doe",
    }
    assert list(row) == list(TABLES["exceptions"])


def test_exceptions_come_in_one_order_and_fit_their_table(
    exceptions: Exceptions, folder: Folder, plain: Make, catalogue: tuple[str, ...]
) -> None:
    later = SIGNED.replace("until: 2026-12-31", "from: 2027-01-01, until: 2027-03-31, policy: acme")
    other = SIGNED.replace("'1042'", "A-7")
    rows = exceptions(f"exceptions:\n  - {other}\n  - {later}\n  - {SIGNED}\n")
    assert [(row["partner"], row["valid_from"], row["policy"]) for row in rows] == [
        ("1042", None, None),
        ("1042", datetime.date(2027, 1, 1), "acme"),
        ("A-7", None, None),
    ]
    policies = read_policies(folder(acme=plain()), catalogue)
    tables = rows_of(policies, rows)
    assert tables["exceptions"] == rows
    assert rows_of(policies)["exceptions"] == []
    connection = duckdb.connect()
    columns = ", ".join(f'"{name}" {kind}' for name, kind in TABLES["exceptions"].items())
    connection.execute(f"create table exceptions ({columns})")
    connection.executemany(
        f"insert into exceptions values ({', '.join('?' * 8)})", [list(row.values()) for row in rows]
    )
    assert connection.execute("select * from exceptions").fetchall() == [tuple(row.values()) for row in rows]


def test_no_exceptions_may_be_said_so(exceptions: Exceptions) -> None:
    assert exceptions("exceptions: []\n") == []


@pytest.mark.parametrize("key", ["partner", "ladder", "level", "until", "why", "approved_by"])
def test_an_exception_that_lacks_something_is_refused(refused: Make, key: str) -> None:
    entry = ", ".join(part for part in SIGNED.strip("{}").split(", ") if not part.startswith(f"{key}:"))
    message = refused(f"exceptions:\n  - {{{entry}}}\n")
    assert f"line 2, `exceptions[0]`: the key `{key}` is missing, expected " in message


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("J. Doe", "''", ".approved_by", "expected text that is not empty"),
        ("merger", "'  '", ".why", "expected text that is not empty"),
        ("'1042'", "1042", ".partner", "text (put quotes around it)"),
        ("2026-12-31", "soon", ".until", "a day as YYYY-MM-DD"),
        ("2026-12-31", "2026-02-30", ".until", "a day of the calendar"),
        (
            "tier",
            "teir",
            ".ladder",
            "expected a ladder of the policies of this folder (segment, tier); did you mean `tier`?",
        ),
        ("gold", "glod", ".level", "expected a level of tier in the policies of this folder"),
        ("gold", "strategic", ".level", "(gold, registered, silver)"),
        ("why", "policy: acm, why", ".policy", "did you mean `acme`?"),
        ("why", "policy: acme-scored, why", ".ladder", "a ladder of policy acme-scored (segment)"),
        ("until: 2026-12-31", "from: 2027-01-01, until: 2026-12-31", ".until", "before it begins on 2027-01-01"),
        ("why", "because", ".because", "unknown key"),
    ],
)
def test_an_exception_that_makes_no_sense_is_told_by_its_key_path(
    refused: Make, old: str, new: str, path: str, words: str
) -> None:
    message = refused(f"exceptions:\n  - {SIGNED.replace(old, new)}\n")
    assert f"line 2, `exceptions[0]{path}`: " in message
    assert words in message


@pytest.mark.parametrize(
    ("other", "is_refused"),
    [
        (SIGNED, True),
        (SIGNED.replace("level: gold", "level: silver"), True),
        (SIGNED.replace("until: 2026-12-31", "from: 2026-12-31, until: 2027-06-30"), True),
        (SIGNED.replace("until: 2026-12-31", "from: 2027-01-01, until: 2027-06-30"), False),
        (SIGNED.replace("until: 2026-12-31", "until: 2025-12-31"), True),
        (SIGNED.replace("'1042'", "'1043'"), False),
        (SIGNED.replace("why", "policy: acme, why"), True),
    ],
)
def test_two_exceptions_for_one_partner_and_ladder_do_not_overlap(
    exceptions: Exceptions, refused: Make, other: str, is_refused: bool
) -> None:
    text = f"exceptions:\n  - {SIGNED}\n  - {other}\n"
    if is_refused:
        message = refused(text)
        assert "line 3, `exceptions[1]`: 1042 on tier until " in message
        assert "overlaps exceptions[0]: gold until 2026-12-31, expected one exception at a time" in message
    else:
        assert len(exceptions(text)) == 2


def test_exceptions_of_two_policies_stand_side_by_side(folder: Folder, plain: Make, catalogue: tuple[str, ...]) -> None:
    entries = [SIGNED.replace("why", f"policy: {name}, why") for name in ("acme", "acme-too")]
    place = folder(
        acme=plain(),
        too=plain(("policy: acme", "policy: acme-too")),
        exceptions="exceptions:\n" + "".join(f"  - {entry}\n" for entry in entries),
    )
    assert len(read_exceptions(place, read_policies(place, catalogue))) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty, expected the key `exceptions` with a list"),
        ("- {partner: x}\n", "found a list at the top, expected a mapping"),
        ("exceptions:\n", "`exceptions`: nothing, expected a list"),
        ("exceptions: {}\n", "`exceptions`: found a mapping with nothing in it, expected a list"),
        (f"exceptions:\n  - &a {SIGNED}\n  - *a\n", "anchor or alias"),
        ("exceptions: [\n", "not YAML"),
        ("deviations: []\n", "`deviations`: unknown key, expected one of the keys exceptions"),
    ],
)
def test_a_file_that_holds_no_exceptions_is_refused(refused: Make, text: str, words: str) -> None:
    assert words in refused(text)


def test_all_problems_are_told_at_once(refused: Make) -> None:
    wrong = SIGNED.replace("gold", "glod")
    message = refused(f"exceptions:\n  - {wrong}\n  - {SIGNED.replace('tier', 'teir')}\n")
    assert message.splitlines()[0].endswith("exceptions.yml: 2 problems")


def test_two_files_of_exceptions_are_refused(folder: Folder, plain: Make, catalogue: tuple[str, ...]) -> None:
    place = folder(acme=plain(), exceptions="exceptions: []\n")
    (place / "exceptions.yaml").write_text("exceptions: []\n")
    with pytest.raises(PolicyError, match=r"exceptions\.yaml stands beside it, expected one file of exceptions"):
        read_exceptions(place, read_policies(place, catalogue))

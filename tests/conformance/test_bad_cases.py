"""What is wrong with a CSV of cases is said with file, line and what should stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cases import COLUMNS, CaseError
from pipelines.conformance import conform
from tests.conformance.conftest import REFERENCE, Said
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "plain.csv: is empty"),
        ("facts,level\nwon_deals=1,gold\n", "the header lacks id"),
        ("id,level\nA,gold\n", "the header lacks facts"),
        ("id,facts\nA,won_deals=1\n", "no column says what is expected"),
        ("id,facts,levle\nA,,gold\n", "unknown column `levle`"),
        ("id,facts,levle\nA,,gold\n", "did you mean `level`?"),
        ("id,facts,level,level\nA,,gold,gold\n", "the column `level` stands twice"),
        ("id,facts,level\nA,won_deals=1,\n", "plain.csv, line 2 (A): expects nothing"),
        ("id,facts,level\n,won_deals=1,gold\n", "plain.csv, line 2: the case has no id"),
        ("id,facts,level\nA,won_deals=1,gold,more\n", "line 2: 4 cells under 3 columns"),
        ("id,facts,level\nA,won_deals=1,gold\n\nA,won_deals=2,gold\n", "line 4 (A): the id stands twice"),
        ("id,facts,level\nA,won_deals=1,platinium\n", "unknown level of tier `platinium`, there are gold, silver"),
        ("id,facts,level\nA,won_deals=1,silvre\n", "did you mean `silver`?"),
        ("id,facts,level\nA,won_deals=1,league=gold\n", "unknown ladder `league`, there are tier"),
        ("id,facts,level\nA,won_deal=1,gold\n", "unknown fact `won_deal`"),
        ("id,facts,level\nA,won_deal=1,gold\n", "did you mean `won_deals`?"),
        ("id,facts,level\nA,won_deals=1;won_deals=2,gold\n", "`won_deals` stands twice"),
        ("id,facts,level\nA,won_deals,gold\n", "found 'won_deals', expected `name=value; name=value`"),
        ("id,facts,level\nA,won_deals=1.2.3,gold\n", "won_deals: found '1.2.3', expected a number"),
        ('id,facts,level\nA,"won_deals=1,000",gold\n', "no marks between thousands"),
        ("id,facts,level\nA,won_deals=80%,gold\n", "a share is written as 0.8"),
        ("id,facts,level\nA,won_deals=0.1234567,gold\n", "at most 6 decimals"),
        ("id,facts,level\nA,won_deals=1e30,gold\n", "at most 22 digits"),
        ("id,facts,level\nA,won_deals=many,gold\n", "`won_deals` is a metric and 'many' is no number"),
        ("id,facts,level\nA,region=1,gold\n", "the attribute `region` is no text"),
        ("id,facts,points\nA,won_deals=1,won=3\n", "unknown criterion or dimension `won`, there are total"),
        ("id,facts,points\nA,won_deals=1,total=x\n", "points of total: found 'x', expected a number"),
        ("id,facts,values\nA,won_deals=1,3\n", "values: found '3', expected `metric=number; metric=number`"),
        ("id,facts,values\nA,won_deals=1,peple=3\n", "unknown metric `peple`"),
        ("id,facts,failed\nA,won_deals=1,retention\n", "unknown condition of silver `retention`, there are people at"),
        ("id,facts,level,policy\nA,won_deals=1,gold,plane\n", "the column `policy` says `plane`"),
        ("id,facts,level,version\nA,won_deals=1,gold,3\n", "unknown version `3`, there are 1"),
        ("id,facts,level,on\nA,won_deals=1,gold,31.12.2024\n", "found the day '31.12.2024'"),
        (
            "id,facts,level,on\nA,won_deals=1,gold,2023-12-31\n",
            "no version of policy `plain` is in force on 2023-12-31",
        ),
        ("id,facts,level,quarter\nA,won_deals=1,gold,2024Q5\n", "found the quarter '2024Q5'"),
        ("id,facts,level,quarter,on\nA,won_deals=1,gold,2024Q1,2024-03-31\n", "states both a day"),
        (
            "id,facts,level,quarter\nA,won_deals=1,gold,2024Q2\nA,won_deals=1,gold,2024Q1\n",
            "line 3 (A): the review of 2024-03-31 stands after that of 2024-06-30",
        ),
        (
            "id,facts,level,quarter\nA,won_deals=1,gold,2024Q1\nA,won_deals=1,gold,2024Q3\n",
            "no review between 2024-03-31 and 2024-09-30",
        ),
        (
            "id,facts,level,quarter\nA,region=emea,gold,2024Q1\nA,region=apac,gold,2024Q2\n",
            "attributes of a partner do not change",
        ),
        (
            'id,facts,level\nA,"{""won_deals"": [1]}",gold\n',
            "`won_deals` is given as a list of facts, but it is not declared",
        ),
        ('id,facts,level\nA,"{""invoices"": 1}",gold\n', "`invoices` is the name of facts, not of a metric"),
        ('id,facts,level\nA,"{""won_deals"": ",gold\n', "facts: not JSON"),
        ('id,facts,level\nA,"{""won_deals"": 1, ""won_deals"": 2}",gold\n', "`won_deals` stands twice"),
        ('id,facts,level\nA,"{""won_deals"": {""spring"": 1}}",gold\n', "expected values by quarter such as 2026Q1"),
        ('id,facts,level\nA,"{""won_deals"": {""2024Q1"": ""x""}}",gold\n', "expected a number by quarter"),
        ('id,facts,level\nA,"{""people"": [[1]]}",gold\n', "expected facts such as"),
        ('id,facts,level\nA,"{""people"": [{""date"": ""soon""}]}",gold\n', "found the day 'soon'"),
        (
            'id,facts,level\nA,"{""people"": [{""value"": ""x""}]}",gold\n',
            "the value of a fact is 'x', expected a number",
        ),
        ('id,facts,level\nA,"won_deals=1,gold\n', "not CSV"),
        ('id,facts,level\nA,"{""won_deals"": NaN}",gold\n', "facts: found NaN, expected a number"),
        (
            "id,facts,level,on,group\nA,won_deals=1,gold,2024-03-31,g\nB,won_deals=1,gold,,g\n",
            "line 3 (B): in the group g some cases state a day and others none",
        ),
    ],
)
def test_what_is_wrong_is_said(plain: Callable[[str], Path], text: str, told: str) -> None:
    with pytest.raises(CaseError) as raised:
        conform(plain(text))
    assert told in raised.value.message


def test_a_file_that_is_not_utf_8(plain: Callable[[str], Path]) -> None:
    folder = plain("id,facts,level\n")
    (folder / "plain.csv").write_bytes("id,facts,level\nA,region=Köln,gold\n".encode("latin-1"))
    with pytest.raises(CaseError, match=r"plain.csv, line 2: is not UTF-8"):
        conform(folder)


def test_a_file_named_after_no_programme(plain: Callable[[str], Path]) -> None:
    folder = plain("id,facts,level\nA,won_deals=1,gold\n")
    (folder / "plain.csv").rename(folder / "plian.csv")
    with pytest.raises(CaseError, match=r"the file's name says `plian`.*did you mean `plain`"):
        conform(folder)


def test_a_folder_without_cases_or_programmes(conform_command: Callable[..., Said], tmp_path: Path) -> None:
    assert "is no folder" in conform_command(tmp_path / "absent").words
    said = conform_command(tmp_path)
    assert (said.code, "holds no policy" in said.words) == (2, True)


def test_a_programme_without_cases(conform_command: Callable[..., Said], plain: Callable[[str], Path]) -> None:
    folder = plain("")
    (folder / "plain.csv").unlink()
    said = conform_command(folder)
    assert (said.code, "holds no cases" in said.words) == (3, True)
    said = conform_command(folder, "--json")
    assert (said.code, '"kind": "cases"' in said.text) == (3, True)


def test_every_column_is_described() -> None:
    page = (ROOT / "docs" / "reference-programmes.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert set(COLUMNS) - described == {"provenance", "disputed"}
    assert "`provenance`" in page
    assert "`disputed`" in page


def test_every_reference_programme_is_listed() -> None:
    page = (ROOT / "docs" / "reference-programmes.md").read_text(encoding="utf-8")
    listed = {
        name for cells in re.findall(r"^\| (`[^|]+`) \| [A-Z]", page, flags=re.MULTILINE) for name in cells.split(", ")
    }
    stems = {path.stem for path in REFERENCE.glob("*.yml")}
    written = {name.strip("`") for name in listed}
    assert {stem for stem in stems if not any(stem == name or stem.endswith(name) for name in written)} == set()

"""Precision and recall on pairs that were labelled before the rules were written, and how any such file is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.errors import InputError
from pipelines.identity_evaluation import evaluate_pairs, read_pairs
from tests.conftest import segments

LABELLED = Path(__file__).parent / "labelled"
# The aim is a precision of 0.98 and a recall of 0.95, on each list. What was looked at of which: labelled/README.md.
FLOORS = {
    "pairs.csv": (0.98, 0.95),
    "heldout.csv": (0.98, 0.95),
    "varied.csv": (0.98, 0.95),
    "varied_heldout.csv": (0.98, 0.95),
    "blind.csv": (0.98, 0.95),
}


@pytest.mark.parametrize("file", FLOORS)
def test_precision_of_links_and_recall_of_links_and_queue_do_not_fall(file: str, cache_folder: Path) -> None:
    found = evaluate_pairs(read_pairs(LABELLED / file), cache_folder=cache_folder)
    precision, recall = found.precision("linked"), found.recall("linked", "queued")
    assert precision is not None
    assert recall is not None
    assert (precision >= FLOORS[file][0], recall >= FLOORS[file][1]) == (True, True), (precision, recall)


HEADERS = [
    "left_name,right_name,same",
    "name_a,name_b,label",
    "a_name,b_name,match",
    "name1,name2,is_match",
    "Name Left,Name Right,Is Same",
    "company_a,company_b,same_partner",
    "nameA;nameB;Truth",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(("yes", "no"), [("yes", "no"), ("1", "0"), ("True", "FALSE")])
def test_headings_and_answers_are_read_as_people_write_them(tmp_path: Path, header: str, yes: str, no: str) -> None:
    comma = ";" if ";" in header else ","
    lines = [header, comma.join(("Acme", "ACME", yes)), comma.join(("Acme", "Apex", no))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    pairs = read_pairs(tmp_path / "pairs.csv")
    assert [(one.left.name, one.right.name, one.is_same) for one in pairs] == [
        ("Acme", "ACME", True),
        ("Acme", "Apex", False),
    ]
    assert pairs[0].left == pairs[1].left
    assert {pairs[0].left.source, pairs[0].right.source} == {"left", "right"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("left_name,right_name,same\n", "no pair"),
        ("left_name,right_nam,same\nA,B,yes\n", "right_name"),
        ("left_name,right_name\nA,B\n", "has no column same"),
        ("left_name,right_name,same\nA,B,perhaps\n", "line 2: same is 'perhaps'"),
        ('left_name,right_name,same\n"A\nB",C,yes\n\nA,B,perhaps\n', "line 5: same is 'perhaps'"),
        ("left_name,right_name,same,label\nA,B,yes,no\n", "same and label both say the same"),
        ("left_name,company_a,right_name,same\nA,B,C,yes\n", "left_name and company_a both say the same"),
        ("left_name,right_name,same\nA,,yes\n", "line 2: the right record has no name"),
        ("left_id,left_name,right_name,same\n1,A,B,yes\n1,C,D,no\n", "line 3: left record 1 says something else"),
        ("left_source,left_id,left_name,right_source,right_id,right_name,same\nx,1,A,x,1,A,yes\n", "both sides"),
    ],
)
def test_a_file_that_cannot_be_judged_is_told(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_pairs(tmp_path / "pairs.csv")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_pairs(tmp_path / "none.csv")


def test_the_command_prints_precision_and_recall_and_names_what_was_missed(tmp_path: Path, cache_home: Path) -> None:
    (tmp_path / "pairs.csv").write_text(
        "left_name,left_country,right_name,right_country,same\n"
        "Wrenbury GmbH,DE,WRENBURY,Germany,yes\n"
        "Rookwell,SE,Tannvik,SE,yes\n"
        "Larkholm,DK,Larkholm,DK,no\n"
        "Egretholm Netzwerke,DE,Egretholm Netzwreke,DE,yes\n",
        encoding="utf-8",
    )
    done = segments("identity", "evaluate", "pairs.csv", "--json", cwd=tmp_path, XDG_CACHE_HOME=str(cache_home))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["links"] == {"precision": 0.5, "recall": pytest.approx(1 / 3)}
    assert said["links_and_queue"]["recall"] == pytest.approx(2 / 3)
    assert [one["line"] for one in said["wrong_links"]] == [4]
    assert [one["line"] for one in said["missed"]] == [3]

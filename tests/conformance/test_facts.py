"""What the ways of stating facts come to: numbers, unknowns, facts by day, values by quarter, columns of one name."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from pipelines.conformance import Judged, conform


def judged(folder: Path) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {}
    for one in conform(folder).judged:
        found.setdefault(one.case.id, []).append(one)
    return found


def test_ways_to_state_a_fact(plain: Callable[[str], Path]) -> None:
    found = judged(
        plain(
            "\ufeffid;facts;facts.region;level\r\n"
            "# Semicolons between cells, as some spreadsheets write them.\r\n"
            'text;"won_deals=10";emea;Gold\r\n'
            'json;"{""won_deals"": 10, ""region"": ""emea""}";;tier=gold\r\n'
            'unknown;"won_deals=unknown; people=; visits=null";emea;registered\r\n'
            "nothing;;;registered\r\n"
            'subjects;"{""people"": [""A"", ""B"", ""A""]}";;silver\r\n'
            'mixed;"people=[""A""]; revenue=120.5";;silver\r\n'
        )
    )
    assert {name: [x.differences for x in lines] for name, lines in found.items() if lines[0].differences} == {}
    values = {name: lines[0].outcome.values for name, lines in found.items()}
    assert values["text"] == values["json"]
    # Whoever is absent from the visits has none; what is not stated otherwise is unknown.
    assert values["nothing"] == values["unknown"]
    assert {name: x for name, x in values["nothing"].items() if x is not None} == {"visits": 0}
    assert values["subjects"]["people"] == 2
    assert values["mixed"]["revenue_each"] == Decimal("120.5")


def test_facts_feed_every_metric_that_reads_them_and_numbers_only_their_own(plain: Callable[[str], Path]) -> None:
    found = judged(
        plain(
            "id,on,facts,level\n"
            'facts,2024-12-31,"{""invoices"": [{""date"": ""2024-03-01"", ""value"": 500}, '
            '{""date"": ""2024-10-01"", ""value"": 99.99}, {""date"": ""2023-12-31"", ""value"": 7000}]}",registered\n'
            "numbers,2024-12-31,revenue=500; latest=1000,silver\n"
            'both,2024-12-31,"{""invoices"": [{""value"": 500}], ""latest"": 2000}",silver\n'
            'named,2024-12-31,"{""revenue"": [{}]}",registered\n'
        )
    )
    assert [name for name, lines in found.items() if lines[0].differences] == []
    values = {name: (x[0].outcome.values["revenue"], x[0].outcome.values["latest"]) for name, x in found.items()}
    assert values == {
        "facts": (500, Decimal("99.99")),
        "numbers": (500, 1000),
        "both": (500, 2000),
        # Under the metric's name a fact has what the metric asks for: here a value of at least 100.
        "named": (100, 100),
    }


def test_a_number_is_what_the_metric_is_at_every_review_of_a_history(plain: Callable[[str], Path]) -> None:
    found = judged(
        plain(
            "id,quarter,facts,level\n"
            "A,2024Q1,people=5; visits=0,silver\n"
            "A,2024Q2,people=1,registered\n"
            "A,2024Q3,people=3; visits=2,silver\n"
        )
    )
    assert [one.differences for one in found["A"]] == [(), (), ()]
    assert [one.outcome.values["people"] for one in found["A"]] == [5, 1, 3]
    assert [one.outcome.values["visits"] for one in found["A"]] == [0, 0, 2]


def test_a_metric_read_some_quarters_back_is_known_from_the_history(plain: Callable[[str], Path]) -> None:
    found = judged(
        plain(
            "id,quarter,facts,level\n"
            'line,,"{""won_deals"": {""2024Q1"": 5, ""2024Q2"": 0}}",silver\n'
            'before,2024Q2,"{""won_deals"": {""2024Q1"": 4}}",registered\n'
            "lines,2024Q1,won_deals=5,registered\n"
            "lines,2024Q2,won_deals=0,silver\n"
            "lines,2024Q3,won_deals=0,registered\n"
            "stated,2024Q2,won_deals=0; won_before=6,silver\n"
        )
    )
    assert {
        name: [x.differences for x in lines] for name, lines in found.items() if any(x.differences for x in lines)
    } == {}
    assert [one.outcome.values["won_before"] for one in found["lines"]] == [None, 5, 0]
    assert found["line"][0].outcome.values["won_before"] == 5


def test_a_stated_result_is_not_computed(plain: Callable[[str], Path]) -> None:
    found = judged(
        plain("id,facts,level\nA,revenue=10; people=1; revenue_each=50,silver\nB,revenue=49; people=1,registered\n")
    )
    assert [(name, lines[0].differences) for name, lines in found.items()] == [("A", ()), ("B", ())]


def test_the_same_id_once_per_version(plain: Callable[[str], Path]) -> None:
    folder = plain("id,version,facts,level\nA,1,people=2,silver\nA,2,people=2,registered\n")
    text = (folder / "plain.yml").read_text()
    changed = text.replace('version: "1"', 'version: "2"').replace("2024-01-01", "2025-01-01")
    (folder / "later.yml").write_text(changed.replace("{metric: people, at_least: 2}", "{metric: people, at_least: 3}"))
    report = conform(folder)
    assert [(row.version, row.passed, row.failed) for row in report.counted()] == [("1", 1, 0), ("2", 1, 0)]

"""The page with everything around the verdict: partners, what was set aside, the judgements before."""

from __future__ import annotations

import re

from data_quality.quarantine import Aside, Share, summary, warehouse
from data_quality.record import fate, read_record
from data_quality.releasing import documents_of
from data_quality.report import PAGE, Beside, page
from tests.gate.test_report import Elements
from tests.quality.conftest import Made

NASTY = '<script>alert("x")</script>'


def test_the_page_tells_partners_set_aside_rows_and_the_last_judgements(made: Made) -> None:
    first = made.candidate()
    made.judge(first)
    candidate = made.candidate("2026Q3", amount=200)
    judged = made.judge(candidate, "deal_is_dated")
    with warehouse(made.places) as con:
        aside = summary(con)
    lines = [(line, fate(made.places, line)) for line in read_record(made.places).judgements]
    html = page(
        judged.verdict, Beside(candidate.release, candidate.known_at, kept="2026Q1-abc", aside=aside, history=lines)
    )
    assert "1 of 2 critical failed" in html
    assert "Release 2026Q1-abc stays as it is." in html
    assert "2 partners touched, the level of 1 could differ." in html
    assert "4 rows of 110 could not be believed" in html
    assert "2 rows more were replaced by a later load or deleted at the source" in html
    (own,) = re.findall(r"<tr>(?:(?!</tr>).)*this one(?:(?!</tr>).)*</tr>", html)
    assert candidate.release in own
    assert first.release in html
    assert html.index("Forbids the release") < html.index("<h2>Partners") < html.index("<h2>Set aside")


def test_the_page_counts_partners_that_are_not_listed(made: Made) -> None:
    judged = made.judge(made.candidate(), "deal_is_dated", "amount_is_usual")
    results = [
        one.model_copy(update={"partner_count": 90_000 + number, "at_risk_count": 1_000})
        for number, one in enumerate(judged.verdict.failures())
    ]
    html = page(judged.verdict.model_copy(update={"results": tuple(results)}))
    assert "at least 90,001 partners touched, the level of at least 1,000 could differ." in html
    assert '<td class="n">90,000</td><td class="n">1,000</td>' in html


def test_the_whole_page_reaches_for_nothing_and_runs_nothing(made: Made) -> None:
    judged = made.judge(made.candidate(), "deal_is_dated")
    beside = Beside(
        NASTY, NASTY, kept=NASTY, aside=Aside((Share(NASTY, NASTY, NASTY, 1, 2),), 2, 0), approved=NASTY, history=()
    )
    html = page(judged.verdict, beside)
    found = Elements(html)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "a", "base"}
    assert found.attributes <= {"lang", "charset", "name", "content", "class", "http-equiv"}
    assert html.count("&lt;script&gt;") >= 6


def test_a_page_on_a_persons_word_says_whose(made: Made) -> None:
    judged = made.judge(made.candidate(), "deal_is_dated")
    html = page(judged.verdict, Beside("r", "2026-07-05", kept="2026Q1-abc", approved="head of partners: checked"))
    assert "Released all the same: head of partners: checked" in html
    assert "stays as it is" not in html


def test_nothing_set_aside_is_said(made: Made) -> None:
    judged = made.judge(made.candidate())
    html = page(judged.verdict, Beside("r", "2026-07-05", aside=Aside((), 110, 0)))
    assert "Nothing: all of 110 rows are believed." in html


def test_a_warehouse_that_cannot_be_asked_keeps_nobody_waiting_for_the_page(made: Made) -> None:
    judged = made.judge(made.candidate())
    made.places.warehouse.write_bytes(b"no database")
    html = documents_of(made.places, judged)[PAGE]
    assert "May be released" in html
    assert "<h2>Set aside" not in html

"""The page: complete, escaped, and silent towards the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from data_quality.report import page, write_page
from data_quality.verdict import Result, Verdict


class Elements(HTMLParser):
    """Every element, attribute and style of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_reaches_for_nothing(bad_verdict: Verdict) -> None:
    html = page(bad_verdict)
    found = Elements(html)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "a", "base"}
    assert found.attributes <= {"lang", "charset", "name", "content", "class", "http-equiv"}
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_the_page_shows_every_failure_and_every_rule(bad_verdict: Verdict) -> None:
    html = page(bad_verdict)
    assert "Refused: " in html
    for result in bad_verdict.results:
        assert result.expectation.replace("_", " ") in html
    for result in bad_verdict.failures():
        assert f"{result.suite}.{result.expectation}" in html


def test_the_page_of_a_good_verdict_says_so(good_verdict: Verdict, tmp_path: Path) -> None:
    write_page(good_verdict, tmp_path / "deep" / "gate.html")
    html = (tmp_path / "deep" / "gate.html").read_text(encoding="utf-8")
    assert "May be released: " in html
    assert "Forbids the release" not in html
    assert "sha-of-good" in html


def test_what_data_say_is_shown_and_never_run() -> None:
    nasty = '<script>alert("x")</script>'
    result = Result(
        suite="things",
        table=nasty,
        expectation="rows_are_right",
        severity="critical",
        success=False,
        observed=nasty,
        sample=(nasty,),
        says=nasty,
        sql=nasty,
    )
    html = page(Verdict.of(nasty, {"quarter": nasty, "policy": nasty, "version": nasty}, [result]))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8

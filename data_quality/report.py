"""The verdict as one page for people: a file that stands alone, opens offline and asks nobody for anything.

Great Expectations' own Data Docs load styles, scripts and a tracked picture from other hosts, so this page is drawn
here from the verdict, what was set aside and the judgements before. What the words say is `verdict.py`; the review pack
of what was released is drawn in `review/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from data_quality.quarantine import Aside
from data_quality.record import SEVERITIES, Fate, Judgement, counts_by_severity, outcome_of
from data_quality.verdict import Result, Verdict

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --good: #1a7f37; --bad: #b62324; --warn: #8a5c00;
  --info: #57606a; }
@media (prefers-color-scheme: dark) { :root { --good: #56d364; --bad: #ff8d86; --warn: #e3b341; --info: #a3adb8; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.decision { font-weight: 600; } .release { color: var(--good); } .refuse { color: var(--bad); }
.facts { color: var(--info); font-size: .85rem; overflow-wrap: anywhere; margin: .2rem 0; }
article { border: 1px solid var(--line); border-left: .35rem solid var(--info); border-radius: .3rem;
  padding: .6rem 1rem; margin: .8rem 0; overflow-wrap: anywhere; }
article.critical, article.raised { border-left-color: var(--bad); } article.warning { border-left-color: var(--warn); }
article p { margin: .2rem 0; } .tag { font-size: .8rem; color: var(--info); }
ul { margin: .3rem 0; padding-left: 1.2rem; } li { font-size: .9rem; }
pre { overflow-x: auto; white-space: pre-wrap; font-size: .8rem; background: var(--soft); padding: .6rem; }
summary { cursor: pointer; padding: .2rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.w { white-space: nowrap; }
.ok { color: var(--good); } .no { color: var(--bad); }
@media print { details { display: block; } body { max-width: none; margin: 0; } }
"""

PAGE = "verdict.html"
_NAMED = 25
"""So many partners are named; the verdict file has more of them."""


@dataclass(frozen=True)
class Beside:
    """What a page tells besides the verdict."""

    candidate: str
    known_at: str
    kept: str | None = None
    """The release that stays when this one is not let out; None: there is none yet."""
    aside: Aside | None = None
    """What was set aside; None where the warehouse could not be asked."""
    history: Sequence[tuple[Judgement, Fate]] = ()
    """The last judgements, the latest first, this page's own among them."""
    approved: str = ""
    """Who let it out in spite of the verdict, and why."""


def page(verdict: Verdict, beside: Beside | None = None) -> str:
    """The verdict as HTML."""
    failures = verdict.failures()
    head = verdict.sentences()[0].split(": ", 1)[-1]
    title = "May be released" if verdict.is_released else "Refused"
    quarter = verdict.parameters.get("quarter", "")
    policy = f"{verdict.parameters.get('policy', '')}@{verdict.parameters.get('version', '')}"
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}: {escape(quarter)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>Verdict on {escape(quarter)} under {escape(policy)}</h1>",
        f'<p class="decision {verdict.decision}">{title}: {escape(head)}.</p>',
        f'<p class="facts">{_counts(verdict)}</p>',
    ]
    if beside:
        kept = f"release {beside.kept} stays as it is" if beside.kept else "nothing was released before"
        if beside.kept == beside.candidate:
            kept = f"release {beside.kept} is out already and stays the current one"
        parts.append(f'<p class="facts">facts known up to {escape(beside.known_at)} UTC</p>')
        if beside.approved:
            parts.append(f"<p>Released all the same: {escape(beside.approved)}</p>")
        elif not verdict.is_released:
            parts.append(f"<p>{escape(kept[0].upper() + kept[1:])}.</p>")
    named = f"{escape(beside.candidate)}, " if beside else ""
    parts.append(f'<p class="facts">candidate {named}{escape(verdict.candidate_hash)}</p>')
    groups = (
        ("Forbids the release", [result for result in failures if result.refuses]),
        ("To look at", [result for result in failures if not result.refuses]),
    )
    for heading, results in groups:
        if results:
            parts.append(f"<h2>{heading}</h2>")
            parts += [_failure(result) for result in results]
    parts += _partners(failures)
    if beside:
        if beside.aside is not None:
            parts += _set_aside(beside.aside)
        if beside.history:
            parts += _history(beside.history, (beside.candidate, outcome_of(verdict)))
    parts.append("<h2>Everything that was asked</h2>")
    parts += [_suite(name, list(results)) for name, results in groupby(verdict.results, key=lambda item: item.suite)]
    parts.append("<h2>What the run was told</h2>")
    parts += _table((), [(("", name), ("", value)) for name, value in verdict.parameters.items()])
    parts.append("</body>\n</html>\n")
    return "\n".join(parts)


def write_page(verdict: Verdict, path: Path, beside: Beside | None = None) -> None:
    """Write the page to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page(verdict, beside), encoding="utf-8")
    partial.replace(path)


def _counts(verdict: Verdict) -> str:
    counts = counts_by_severity(verdict)
    return ", ".join(f"{failed} of {asked} {severity} failed" for severity, (failed, asked) in counts.items())


def _failure(result: Result) -> str:
    kind = "raised" if result.raised else result.severity
    words = "could not be judged" if result.raised else result.severity
    lines = [
        f'<article class="{kind}"><p><strong>{escape(result.says)}</strong></p>',
        f'<p class="tag">{escape(words)} &middot; {escape(result.table)} &middot; {escape(result.suite)}.'
        f"{escape(result.expectation)} &middot; found {escape(result.observed)}</p>",
    ]
    if result.reach:
        lines.append(f'<p class="tag">{escape(result.reach)}</p>')
    if result.sample:
        lines.append("<ul>" + "".join(f"<li>{escape(row)}</li>" for row in result.sample) + "</ul>")
    if result.sql:
        lines.append(f"<details><summary>SQL that shows it</summary><pre>{escape(result.sql)}</pre></details>")
    return "\n".join([*lines, "</article>"])


def _partners(failures: Iterable[Result]) -> list[str]:
    """Who is touched, failure by failure; nothing where no failure touches anybody."""
    reaching = [result for result in failures if result.partners]
    if not reaching:
        return []
    rows = [
        (
            ("", f"{result.suite}.{result.expectation}".replace("_", " ")),
            ("n", f"{result.partner_count:,}"),
            ("n", f"{result.at_risk_count:,}"),
            (
                "",
                _some(result.at_risk, result.at_risk_count)
                if result.at_risk
                else _some(result.partners, result.partner_count),
            ),
        )
        for result in reaching
    ]
    touched = _together([(result.partners, result.partner_count) for result in reaching])
    risky = _together([(result.at_risk, result.at_risk_count) for result in reaching])
    noun = "partner" if touched == "1" else "partners"
    together = f"{touched} {noun} touched, the level of {risky} could differ"
    heads = (
        ("", "expectation"),
        ("n", "touched"),
        ("n", "at risk"),
        ("", "numbers, those at risk where there are any"),
    )
    return ["<h2>Partners</h2>", f"<p>{together}.</p>", *_table(heads, rows)]


def _set_aside(aside: Aside) -> list[str]:
    heading = "<h2>Set aside</h2>"
    harmless = f" {_number(aside.harmless, 'row')} more were replaced by a later load or deleted at the source."
    rest = harmless if aside.harmless else ""
    if not aside.shares:
        return [heading, f"<p>Nothing: all of {_number(aside.rows, 'row')} are believed.{rest}</p>"]
    rows = [
        (
            ("", share.source),
            ("", share.entity),
            ("", share.reason.replace("_", " ")),
            ("n", f"{share.count:,}"),
            ("n", f"{share.share:.2%}"),
        )
        for share in aside.shares
    ]
    heads = (("", "source"), ("", "entity"), ("", "rule"), ("n", "rows"), ("n", "share"))
    said = (
        f"{_number(aside.count, 'row')} of {aside.rows:,} could not be believed and count nowhere. They come back by "
        f"themselves once the source is right.{rest}"
    )
    return [heading, f"<p>{said}</p>", *_table(heads, rows)]


def _history(history: Sequence[tuple[Judgement, Fate]], own: tuple[str, str]) -> list[str]:
    rows = [
        (
            ("w", f"{line.last_at:%Y-%m-%d %H:%M}"),
            ("", line.quarter),
            ("ok" if line.decision == "release" else "no", line.decision),
            *(("n", str(line.count(severity))) for severity in SEVERITIES),
            ("w", "this one" if (line.candidate, line.outcome_sha256) == own else fate),
            ("w", line.candidate),
        )
        for line, fate in history
    ]
    heads = (
        ("", "judged (UTC)"),
        ("", "quarter"),
        ("", "decision"),
        ("n", "critical"),
        ("n", "warning"),
        ("n", "info"),
        ("", "became"),
        ("", "candidate"),
    )
    return ["<h2>The last judgements</h2>", *_table(heads, rows)]


def _suite(name: str, results: list[Result]) -> str:
    held = sum(result.success for result in results)
    rows = [
        (
            ("ok" if result.success else "no", "holds" if result.success else "fails"),
            ("", result.expectation.replace("_", " ")),
            ("", result.table),
            ("", result.severity),
        )
        for result in results
    ]
    summary = f"<summary>{escape(name)}: {held} of {len(results)} hold</summary>"
    return "\n".join([f"<details>{summary}", *_table((), rows), "</details>"])


Cell = tuple[str, str]
"""A class and a text."""


def _table(heads: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> list[str]:
    def cells(row: Sequence[Cell], tag: str) -> str:
        spelled = (
            f'<{tag} class="{kind}">{escape(text)}</{tag}>' if kind else f"<{tag}>{escape(text)}</{tag}>"
            for kind, text in row
        )
        return f"<tr>{''.join(spelled)}</tr>"

    top = [cells(heads, "th")] if heads else []
    return ['<div class="wide"><table>', *top, *(cells(row, "td") for row in rows), "</table></div>"]


def _some(names: Sequence[str], count: int) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {count - _NAMED:,} more" if count > _NAMED else shown


def _together(lists: Sequence[tuple[Sequence[str], int]]) -> str:
    """How many partners several lists name together; at least so many where one of them is cut short."""
    union = len({partner for listed, _ in lists for partner in listed})
    is_cut = any(count > len(listed) for listed, count in lists)
    most = max(union, *(count for _, count in lists))
    return f"at least {most:,}" if is_cut else f"{union:,}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")

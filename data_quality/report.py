"""The verdict as one page for people: a file that stands alone, opens offline and asks nobody for anything.

Great Expectations' own Data Docs load styles, scripts and a tracked picture from other hosts, so this page is drawn
here from the verdict alone. What the words say is `verdict.py`; the review pack of what was released is drawn in
`review/`.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path

from data_quality.verdict import Result, Verdict

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --good: #1a7f37; --bad: #c4232b; --warn: #9a6700; --info: #57606a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.decision { font-weight: 600; } .release { color: var(--good); } .refuse { color: var(--bad); }
.facts { color: var(--info); font-size: .85rem; overflow-wrap: anywhere; }
article { border: 1px solid var(--line); border-left: .35rem solid var(--info); border-radius: .3rem;
  padding: .6rem 1rem; margin: .8rem 0; overflow-wrap: anywhere; }
article.critical, article.raised { border-left-color: var(--bad); } article.warning { border-left-color: var(--warn); }
article p { margin: .2rem 0; } .tag { font-size: .8rem; color: var(--info); }
pre { overflow-x: auto; white-space: pre-wrap; font-size: .8rem; background: #8881; padding: .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.ok { color: var(--good); } .no { color: var(--bad); }
"""


def page(verdict: Verdict) -> str:
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
        f'<p class="facts">candidate {escape(verdict.candidate_hash)}</p>',
    ]
    groups = (
        ("Forbids the release", [result for result in failures if result.refuses]),
        ("To look at", [result for result in failures if not result.refuses]),
    )
    for heading, results in groups:
        if results:
            parts.append(f"<h2>{heading}</h2>")
            parts += [_failure(result) for result in results]
    parts.append("<h2>Everything that was asked</h2>")
    parts += [_suite(name, list(results)) for name, results in groupby(verdict.results, key=lambda item: item.suite)]
    parts.append("<h2>What the run was told</h2>\n<table>")
    parts += [f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in verdict.parameters.items()]
    parts.append("</table>\n</body>\n</html>\n")
    return "\n".join(parts)


def write_page(verdict: Verdict, path: Path) -> None:
    """Write the page to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(verdict), encoding="utf-8")


def _failure(result: Result) -> str:
    kind = "raised" if result.raised else result.severity
    words = "could not be judged" if result.raised else result.severity
    lines = [
        f'<article class="{kind}"><p><strong>{escape(result.says)}</strong></p>',
        f'<p class="tag">{escape(words)} &middot; {escape(result.table)} &middot; {escape(result.suite)}.'
        f"{escape(result.expectation)} &middot; found {escape(result.observed)}</p>",
    ]
    if result.sample:
        lines.append("<ul>" + "".join(f"<li>{escape(row)}</li>" for row in result.sample) + "</ul>")
    if result.sql:
        lines.append(f"<details><summary>SQL that shows it</summary><pre>{escape(result.sql)}</pre></details>")
    return "\n".join([*lines, "</article>"])


def _suite(name: str, results: list[Result]) -> str:
    held = sum(result.success for result in results)
    rows = [
        f'<tr><td class="{"ok" if result.success else "no"}">{"holds" if result.success else "fails"}</td>'
        f"<td>{escape(result.expectation.replace('_', ' '))}</td><td>{escape(result.table)}</td>"
        f"<td>{escape(result.severity)}</td></tr>"
        for result in results
    ]
    summary = f"<summary>{escape(name)}: {held} of {len(results)} hold</summary>"
    return f"<details>{summary}\n<table>\n" + "\n".join(rows) + "\n</table></details>"

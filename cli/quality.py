"""`segments quality ...`: what the gate said and why, how it said it before, what was set aside, and the SQL that shows
a failure again."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape
from rich.table import Table

from cli.common import Config, Format, guarded, out, print_rows, released_of
from cli.quality_drill import drill
from data_quality import quarantine as aside_room
from data_quality.masking import without_mail
from data_quality.record import (
    SEVERITIES,
    Failure,
    Fate,
    Judgement,
    Record,
    asked_names,
    counts_by_severity,
    fate,
    outcome_of,
    read_record,
    standing,
)
from data_quality.report import PAGE
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines.errors import Busy, ConfigError, InputError
from pipelines.release import Candidate, approval_of, current, read_candidate
from pipelines.warehouse import Places, literal, memory

_HELP = (
    "What the gate said of the newest candidate and of the current release, each failure in words. `history` has every "
    "judgement so far, `quarantine` the rows that were set aside, `sql` the statement that shows a failure again."
)

quality_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, help=_HELP)

quality_app.command("drill")(drill)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

_LISTED = 30
_COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}
# `_means` has the words for what is out already.
_MEANS: dict[Fate, str] = {
    "current": "it is the current release",
    "released": "it was released; another release is current",
    "approved": "it was released on a person's word",
    "refused": "it is not released",
    "kept back": "it is not released yet",
}


@dataclass(frozen=True)
class _Said:
    """A verdict with what is known around it."""

    release: str
    quarter: str
    policy: str
    known_at: str
    verdict: Verdict
    line: Judgement | None
    became: Fate
    approval: dict[str, Any] | None
    folder: Path
    """The candidate's, or the release's."""


# --- the last verdict -------------------------------------------------------------------------------------------------


@quality_app.callback(invoke_without_command=True, help=_HELP)
@guarded
def quality(
    context: typer.Context,
    config: Config = None,
    every: Annotated[bool, typer.Option("--all", help="Also every expectation that held.")] = False,
    as_json: AsJson = False,
) -> None:
    """The group alone shows the last verdicts."""
    if context.invoked_subcommand is not None:
        return
    places, _ = released_of(config)
    newest, standing_release = _newest(places), _current(places)
    if newest is None and standing_release is None:
        raise InputError(
            f"nothing was judged yet in {places.state}",
            next_step="`segments run --rehearse` judges and releases nothing",
        )
    is_same = (
        newest is not None
        and standing_release is not None
        and newest.release == standing_release.release
        and newest.verdict == standing_release.verdict
    )
    if as_json:
        told = {
            "candidate": _as_json(places, newest, every) if newest else None,
            "current": _as_json(places, standing_release, every) if standing_release else None,
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if newest is not None:
        out.print(f"[bold]candidate {newest.release}[/bold]  {escape(_means(places, newest))}", soft_wrap=True)
        _print_said(places, newest, every)
    if standing_release is not None and not is_same:
        if newest is not None:
            out.print()
        out.print(f"[bold]current release {standing_release.release}[/bold]  was let out on", soft_wrap=True)
        _print_said(places, standing_release, every)
    out.print()
    for word, text in _afterwards(places, newest or standing_release):
        out.print(f"{word:<7} {text}", markup=False, soft_wrap=True)


def _newest(places: Places) -> _Said | None:
    """The newest candidate with its verdict; None where none was judged."""
    if not (places.candidates / "newest").exists():
        return None
    candidate = read_candidate(places)
    path = candidate.folder / VERDICT_FILE
    if not path.exists():
        raise InputError(
            f"candidate {candidate.release} was built and not judged: the run ended in between",
            next_step="`segments run` judges it",
        )
    verdict = Verdict.read(path)
    if verdict.candidate_hash != candidate.hash:
        raise InputError(
            f"candidate {candidate.release} was changed after it was judged, so the verdict beside it is about another",
            next_step="`segments run` builds and judges it anew",
        )
    return _said(places, candidate, verdict, candidate.folder)


def _current(places: Places) -> _Said | None:
    """The current release with the verdict it was let out on; None where there is none to be read."""
    manifest = current(places)
    if manifest is None:
        return None
    folder = places.current.resolve()
    # Releases that were made before they kept their verdict: it may still lie beside the candidate.
    for path in (folder / VERDICT_FILE, places.candidates / manifest["release"] / VERDICT_FILE):
        if path.exists():
            facts: dict[str, Any] = {
                name: manifest.get(name) for name in Candidate.__dataclass_fields__ if name != "folder"
            }
            return _said(places, Candidate(**facts, folder=folder), Verdict.read(path), folder)
    return None


def _said(places: Places, candidate: Candidate, verdict: Verdict, folder: Path) -> _Said:
    word = approval_of(places, candidate.release)
    outcome = outcome_of(verdict)
    lines = read_record(places).judgements
    line = next((x for x in lines if (x.candidate, x.outcome_sha256) == (candidate.release, outcome)), None)
    return _Said(
        release=candidate.release,
        quarter=candidate.quarter,
        policy=f"{candidate.policy}@{candidate.version}",
        known_at=candidate.known_at,
        verdict=verdict,
        line=line,
        became=fate(places, line) if line else _fate_without_record(places, candidate, verdict),
        approval=asdict(word) if word else None,
        folder=folder,
    )


def _means(places: Places, said: _Said) -> str:
    """What became of a candidate, in words. One that is out is never told as if it were not."""
    if said.became != "out already":
        return _MEANS[said.became]
    signed = f", approved by {said.approval['by']}" if said.approval else ""
    if _is_current(places, said):
        return f"it is out{signed}; judged again it fails"
    return f"it was out{signed}{',' if signed else ''} and is not the current release; judged again it fails"


def _is_current(places: Places, said: _Said) -> bool:
    manifest = current(places)
    return manifest is not None and manifest["release"] == said.release


def _fate_without_record(places: Places, candidate: Candidate, verdict: Verdict) -> Fate:
    """What became of a candidate that was judged before judgements were put on record."""
    manifest = current(places)
    if manifest is not None and manifest["release"] == candidate.release:
        return "current"
    if (places.released / "releases" / candidate.quarter / candidate.release).exists():
        return "released"
    return "kept back" if verdict.is_released else "refused"


def _print_said(places: Places, said: _Said, every: bool) -> None:
    verdict = said.verdict
    colour = "green" if verdict.is_released else "bold red"
    out.print(f"{said.quarter} under {said.policy}, facts known up to {said.known_at} UTC", markup=False)
    out.print(verdict.sentences()[0], style=colour, markup=False)
    counts = counts_by_severity(verdict)
    words = [f"{failed} of {asked} {severity} failed" for severity, (failed, asked) in counts.items()]
    if raised := sum(result.raised for result in verdict.results):
        words.append(f"{raised} of these could not be judged")
    out.print(", ".join(words))
    if said.line is not None:
        again = f", {said.line.times} times, first at {said.line.first_at:%Y-%m-%d %H:%M}"
        out.print(
            f"judged at {said.line.last_at:%Y-%m-%d %H:%M} UTC{again if said.line.times > 1 else ''}", style="dim"
        )
    if said.approval:
        out.print(f"approved by {said.approval.get('by')}: {said.approval.get('why')}", markup=False, soft_wrap=True)
    for result in verdict.failures():
        _print_failure(result)
    if every:
        out.print("\nheld:")
        for result in verdict.results:
            if result.success:
                out.print(f"  {result.severity:<9} {result.suite}.{result.expectation}", markup=False)


def _print_failure(result: Result) -> None:
    word = "not judged" if result.raised else result.severity
    colour = "red" if result.raised else _COLOURS[result.severity]
    does = "  forbids the release" if result.refuses else ""
    out.print(
        f"\n[{colour}]{word}[/{colour}]  {result.table}  {result.suite}.{result.expectation}{does}", soft_wrap=True
    )
    found = f" (found: {result.observed})" if result.observed else ""
    out.print(f"  {result.says}{found}", markup=False, soft_wrap=True)
    if result.reach:
        out.print(f"  {result.reach}", markup=False, soft_wrap=True)
    elif result.partners:
        out.print(f"  touches {result.partner_count:,} partners, {result.at_risk_count:,} at risk", markup=False)
    for row in result.sample:
        out.print(f"    {row}", markup=False, soft_wrap=True)


def _afterwards(places: Places, said: _Said | None) -> list[tuple[str, str]]:
    """What stays, where the page is, and what to do."""
    manifest = current(places)
    lines: list[tuple[str, str]] = []
    if said is not None and said.became in ("out already", "refused", "kept back"):
        kept = f"release {manifest['release']} stays as it is" if manifest else "nothing is released"
        if _is_current(places, said):
            kept = f"release {said.release} stays the current one"
        lines.append(("kept", kept))
    page = places.reports / PAGE
    if page.exists():
        lines.append(("page", str(page)))
    lines.append(("next", _next(places, said)))
    return lines


def _next(places: Places, said: _Said | None) -> str:
    if said is None:
        return "segments run"
    failures = said.verdict.failures()
    example = next((x.name for x in failures if x.sql), None)
    rows = f"; the rows of a failure: segments quality sql {example}" if example else ""
    if said.became == "refused":
        return (
            "correct the data at the source and run again; where the data are right, `segments release show "
            f"{said.release}` says whether a person may let it out{rows}"
        )
    if said.became == "kept back":
        return f"segments run releases it{rows}"
    if said.became in ("out already", "approved") and not _is_current(places, said):
        return f"segments rollback {said.release} makes it the current release again, where it should be{rows}"
    return f"look at what failed{rows}" if failures else "nothing; segments show"


def _as_json(places: Places, said: _Said, every: bool) -> dict[str, Any]:
    shown = said.verdict.results if every else said.verdict.failures()
    return {
        "release": said.release,
        "quarter": said.quarter,
        "policy": said.policy,
        "known_at": said.known_at,
        "decision": said.verdict.decision,
        "became": said.became,
        "approval": said.approval,
        "judged": said.line.model_dump(mode="json", include={"first_at", "last_at", "times"}) if said.line else None,
        "counts": {
            severity: {"failed": failed, "asked": asked}
            for severity, (failed, asked) in counts_by_severity(said.verdict).items()
        },
        "results": [
            {**result.model_dump(mode="json"), "refuses": result.refuses, "sentence": result.sentence()}
            for result in shown
        ],
        "verdict": str(said.folder / VERDICT_FILE),
        **{word: text for word, text in _afterwards(places, said) if word != "page"},
        "page": str(path) if (path := places.reports / PAGE).exists() else None,
    }


# --- history ----------------------------------------------------------------------------------------------------------


@quality_app.command("history")
@guarded
def quality_history(
    config: Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many judgements; 0 = all.")] = 20,
    rule: Annotated[
        str | None, typer.Option("--rule", help="How one expectation fared: its name, or SUITE.NAME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Every judgement so far, the latest first: also refused candidates and rehearsals."""
    places, _ = released_of(config)
    record = read_record(places)
    if not record.judgements:
        damaged = f", but {record.unreadable} lines that cannot be read" if record.unreadable else ""
        raise InputError(f"nothing is on record yet in {places.quality}{damaged}", next_step="`segments run` judges")
    shown = record.judgements[:limit] if limit else record.judgements
    if rule is not None:
        _rule_history(places, record, shown, rule, as_json)
        return
    if as_json:
        lines = [{**line.model_dump(mode="json"), "became": fate(places, line)} for line in shown]
        print(json.dumps({"judgements": lines, "unreadable_lines": record.unreadable}, indent=2))
        return
    grid = Table(box=None, pad_edge=False)
    for name in ("judged (UTC)", "candidate", "decision"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("failed")
    grid.add_column("became", no_wrap=True)
    for line in shown:
        counts = ((line.count(severity), severity) for severity in SEVERITIES)
        grid.add_row(
            f"{line.last_at:%Y-%m-%d %H:%M}",
            line.candidate,
            f"[{'green' if line.decision == 'release' else 'red'}]{line.decision}[/]",
            ", ".join(f"{count} {severity}" for count, severity in counts if count) or "nothing",
            fate(places, line),
        )
    out.print(grid)
    _print_rest(record, len(shown))


def _rule_history(places: Places, record: Record, shown: Collection[Judgement], rule: str, as_json: bool) -> None:
    known = {name for line in record.judgements for name in asked_names(places, line)}
    name = _one_of(rule, known, "expectation")
    found = [(line, standing(places, line, name)) for line in shown]
    if as_json:
        told = [
            {
                "last_at": line.last_at.isoformat(),
                "first_at": line.first_at.isoformat(),
                "quarter": line.quarter,
                "candidate": line.candidate,
                "outcome": _outcome(how),
                "observed": how.observed if isinstance(how, Failure) else None,
                "unexpected_count": how.unexpected_count if isinstance(how, Failure) else None,
                "partners": how.partners if isinstance(how, Failure) else None,
                "at_risk": how.at_risk if isinstance(how, Failure) else None,
            }
            for line, how in found
        ]
        print(json.dumps({"rule": name, "judgements": told}, indent=2))
        return
    out.print(f"[bold]{name}[/bold]")
    grid = Table(box=None, pad_edge=False)
    for heading in ("judged (UTC)", "candidate", "outcome"):
        grid.add_column(heading, no_wrap=True)
    grid.add_column("found")
    for heading in ("touched", "at risk"):
        grid.add_column(heading, justify="right")
    for line, how in found:
        failed = how if isinstance(how, Failure) else None
        grid.add_row(
            f"{line.last_at:%Y-%m-%d %H:%M}",
            line.candidate,
            _outcome(how),
            failed.observed if failed else "",
            *("" if failed is None or count is None else f"{count:,}" for count in _reach(failed)),
        )
    out.print(grid)
    asked = [(line, how) for line, how in found if how is not None]
    failing = [line for line, how in asked if isinstance(how, Failure)]
    words = f"failed in {len(failing)} of {len(asked)} judgements"
    if failing:
        words += f", first on {failing[-1].first_at:%Y-%m-%d}, last on {failing[0].last_at:%Y-%m-%d}"
    out.print(words)
    _print_rest(record, len(found))


def _reach(failed: Failure | None) -> tuple[int | None, int | None]:
    return (failed.partners, failed.at_risk) if failed else (None, None)


def _outcome(how: Failure | bool | None) -> str:
    if isinstance(how, Failure):
        return "not judged" if how.raised else f"failed ({how.severity})"
    return "held" if how else "not asked"


def _print_rest(record: Record, shown: int) -> None:
    if shown < len(record.judgements):
        out.print(f"{shown} of {len(record.judgements)} judgements; `--limit 0` shows all", style="dim")
    if record.unreadable:
        out.print(f"{record.unreadable} lines of the record cannot be read and were left out", style="yellow")


# --- quarantine -------------------------------------------------------------------------------------------------------


@quality_app.command("quarantine")
@guarded
def quality_quarantine(
    config: Config = None,
    entity: Annotated[str | None, typer.Option("--entity", "-e", help="Only rows of this entity.")] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", help="Only rows of this source.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Only rows that break this rule.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many rows; 0 = all.")] = 50,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """What the last run set aside, counted by source, entity and rule; with a filter, row by row."""
    places, settings = released_of(config)
    output = Format.json if as_json else output
    with aside_room.warehouse(places) as con:
        if entity is not None:
            _one_of(entity, aside_room.entities(con), "entity")
        if source is not None:
            _one_of(source, settings.sources, "source")
        aside = aside_room.summary(con)
        if reason is not None and aside.shares:
            _one_of(reason, {share.reason for share in aside.shares}, "rule that a row was set aside by")
        is_filtered = (entity, source, reason) != (None, None, None)
        rows = aside_room.listed(con, entity=entity, source=source, reason=reason, limit=limit) if is_filtered else None
    chosen = [
        share
        for share in aside.shares
        if entity in (None, share.entity) and source in (None, share.source) and reason in (None, share.reason)
    ]
    total = sum(share.count for share in chosen)
    if output is Format.json:
        told: dict[str, Any] = {
            "row_count": aside.rows,
            "set_aside_count": total,
            "superseded_or_deleted_count": aside.harmless,
            "shares": [{**asdict(share), "share": share.share} for share in chosen],
        }
        if rows is not None:
            told["rows"] = [asdict(row) for row in rows]
        print(json.dumps(told, indent=2, default=str, ensure_ascii=False))
        return
    names, cells = _rows_as_cells(rows) if rows is not None else _shares_as_cells(chosen)
    if output is Format.csv:
        print_rows(names, cells, output)
        return
    if not total:
        where = " of what you asked for" if is_filtered else ""
        out.print(f"nothing is set aside{where}: {aside.rows:,} rows are believed, {aside.count:,} in all are not")
        return
    print_rows(names, cells, output)
    shown = len(rows) if rows is not None else total
    if shown < total:
        out.print(f"{shown:,} of {total:,}; `--limit 0` shows all", style="dim")
    out.print(
        f"{total:,} of {aside.rows:,} rows count nowhere. They come back by themselves with the run after the source "
        "is right.",
        soft_wrap=True,
    )
    if rows is None:
        out.print("row by row: segments quality quarantine --entity NAME", style="dim")


def _shares_as_cells(shares: list[aside_room.Share]) -> tuple[list[str], list[tuple[Any, ...]]]:
    cells = [(x.source, x.entity, x.reason, x.count, x.rows, f"{x.share:.4f}") for x in shares]
    return ["source", "entity", "rule", "set_aside", "rows", "share"], cells


def _rows_as_cells(rows: list[aside_room.Row]) -> tuple[list[str], list[tuple[Any, ...]]]:
    names = ["source", "entity", "source_id", "rule", "detail", "file", "row", "load", "since"]
    cells: list[tuple[Any, ...]] = [
        (x.source, x.entity, x.source_id, x.reason, x.detail, x.file_name, x.file_row, x.load_id, x.since) for x in rows
    ]
    return names, cells


# --- sql --------------------------------------------------------------------------------------------------------------


@quality_app.command("sql")
@guarded
def quality_sql(
    rule: Annotated[str, typer.Argument(help="A failed expectation of the newest candidate: its name, or SUITE.NAME.")],
    config: Config = None,
    run: Annotated[bool, typer.Option("--run", help="Ask it here, and print the first rows.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="With --run: how many rows; 0 = all.")] = 20,
    output: Annotated[Format, typer.Option("--format", "-f", help="With --run: how to print.")] = Format.table,
) -> None:
    """The statement that shows a failure again, ready for DuckDB's command line; nothing of it writes."""
    # Here, not above: it brings libraries along that other commands would wait for.
    from data_quality.gate import DATABASE

    places, _ = released_of(config)
    said = _newest(places)
    if said is None:
        raise InputError(f"nothing was judged yet in {places.state}", next_step="`segments run --rehearse`")
    name = _one_of(rule, {x.name for x in said.verdict.results}, "expectation")
    results = [x for x in said.verdict.results if x.name == name]
    failed = next((x for x in results if not x.success), None)
    if failed is None:
        raise InputError(f"{name} held for candidate {said.release}; there is nothing to show")
    if not failed.sql:
        raise InputError(f"{name}: no statement shows it: {failed.sentence()}")
    attached = {"warehouse": places.warehouse, "candidate": said.folder / DATABASE}
    attach = [f"attach {literal(path.resolve())} as {word} (read_only);" for word, path in attached.items()]
    if not run:
        print(f"-- {' '.join(failed.sentence().split())}")
        print(f"-- candidate {said.release}; the warehouse is that of the last run")
        print("\n".join([*attach, "use warehouse;", failed.sql.rstrip().rstrip(";") + ";"]))
        return
    bound = f" limit {limit}" if limit else ""
    try:
        with memory() as con:
            for statement in attach:
                con.execute(statement)
            con.execute("use warehouse")
            found = con.execute(f"select distinct * from ({failed.sql}) order by all{bound}")
            columns = [column[0] for column in found.description or []]
            rows = [tuple(without_mail(x) if isinstance(x, str) else x for x in row) for row in found.fetchall()]
    except duckdb.Error as problem:
        if "lock" in str(problem):
            raise Busy(f"{name}: a run is writing to the warehouse", next_step="ask again when it has ended") from None
        raise InputError(
            f"{name}: {problem}", next_step="`segments run --rehearse` builds the warehouse it asks anew"
        ) from None
    print_rows(columns, rows, output)


def _one_of(word: str, known: Collection[str], what: str) -> str:
    """The one name that is meant: the whole of it, or what stands after its dot.

    Raises:
        ConfigError: there is none of that name, or more than one.
    """
    if word in known:
        return word
    ends = sorted(name for name in known if name.rpartition(".")[2] == word)
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ConfigError(f"{word}: more than one {what} has that name", next_step=f"one of: {', '.join(ends)}")
    short = {name.rpartition(".")[2]: name for name in sorted(known, reverse=True)}
    near = [short[x] for x in difflib.get_close_matches(word.rpartition(".")[2], short, n=3)]
    listed = ", ".join(sorted(known)) or "none" if len(known) <= _LISTED else "`segments quality --all` lists them"
    raise ConfigError(
        f"{word}: no {what} has that name",
        next_step=f"did you mean {' or '.join(near)}?" if near else f"known: {listed}",
    )

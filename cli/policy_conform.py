"""`segments policy conform`: programmes of a folder held against worked cases beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.common import guarded, out
from pipelines.cases import CaseError
from pipelines.conformance import Differs, Judged, Report
from pipelines.policy.conditions import plain
from pipelines.policy.parts import nearest


@guarded
def conform(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with programmes (*.yml) and cases (*.csv).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    show: Annotated[str, typer.Option("--show", metavar="ID", help="Show all that came of one case.")] = "",
) -> None:
    """Judge worked cases by the programmes beside them: facts in, points and levels out, each difference in words.

    Ends with code 4 when a case that is not marked as disputed differs.
    """
    from pipelines.conformance import conform as judge

    report = judge(folder)
    if as_json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        raise typer.Exit(Differs.exit_code if report.failed else 0)
    if show:
        _show(report, show)
        return
    _print(report)
    if report.failed:
        count = f"{report.failed} case{'' if report.failed == 1 else 's'}"
        raise Differs(
            f"{count} of {len(report.judged)} differ from what the programmes give",
            next_step="correct the programme or the case; `--show ID` tells all that came of one",
        )


def _print(report: Report) -> None:
    grid = Table("programme", "version", box=None, pad_edge=False)
    for name in ("vectors", "passed", "disputed", "failed"):
        grid.add_column(name, justify="right")
    for row in report.counted():
        numbers = (row.vectors, row.passed, row.disputed, row.failed)
        grid.add_row(row.policy, row.version, *(str(number) for number in numbers))
    out.print(grid)
    for verdict in ("disputed", "failed"):
        for one in report.judged:
            if one.verdict == verdict:
                why = f": {one.case.disputed}" if one.case.disputed else ""
                _say(f"\n{verdict} {one.case.policy} {one.case.id} ({one.case.file}, line {one.case.line}){why}")
                for difference in one.differences:
                    _say(f"  {difference}")


def _say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def _show(report: Report, name: str) -> None:
    found = [one for one in report.judged if one.case.id.casefold() == name.casefold()]
    if not found:
        hint = nearest(name, {one.case.id for one in report.judged})
        raise CaseError(f"there is no case `{name}`" + (f"; did you mean `{hint}`?" if hint else ""))
    for one in found:
        _show_one(one)


def _show_one(one: Judged) -> None:
    case, outcome = one.case, one.outcome
    _say(f"{case.policy} {outcome.version}, {case.id} ({case.file}, line {case.line}): {one.verdict}")
    _say(f"  reviewed on {outcome.day}" + (f"; {case.provenance}" if case.provenance else ""))
    for difference in one.differences:
        _say(f"  difference: {difference}")
    _say("  what is known")
    for metric, value in outcome.values.items():
        _say(f"    {metric}: {'unknown' if value is None else plain(value)}")
    if outcome.points:
        track = f" in the track {outcome.track}" if outcome.track else ""
        total = "unknown" if outcome.total is None else plain(outcome.total)
        _say(f"  total {total}{track}")
        for points in outcome.points.values():
            _say(f"    {points}")
    for level in outcome.levels.values():
        _say(f"  {level.ladder}: {level.name(level.held)}, earned {level.name(level.earned)}, {level}")
        for rank in range(1, level.reached + 1):
            conditions = outcome.conditions.get((level.ladder, rank), ())
            for condition in conditions:
                mark = "holds" if condition.has_passed else "fails"
                way = f" way {condition.alternative}" if conditions[-1].alternative > 1 else ""
                _say(f"    {level.name(rank)}{way}: {mark}: {condition}")

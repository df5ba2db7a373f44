"""`segments quality drill`: break the sample's exports one way at a time, and see that somebody would notice."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.common import Config, err, guarded, out
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from data_quality.drill import CleanRun, Drill, Outcome

_SAYS_WIDTH = 110


@guarded
def drill(
    config: Config = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this mutation; may be given several times.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the sample; default: the deployment's.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="How many mutations are tried at a time.")] = 2,
    clean_seeds: Annotated[
        str | None,
        typer.Option("--clean-seeds", metavar="A..B", help="Break nothing: run samples of these seeds, count alarms."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Say which mutations there are, try none.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Keep the base here, and use it again while neither code nor sample change."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The outcomes as one JSON object.")] = False,
) -> None:
    """Break the sample company's exports in every known way and see that each is noticed, or does no harm.

    Works in a folder of its own; the deployment is only read. Ends with code 1 where a mutation that would change
    decisions is missed.
    """
    from data_quality.drill import choose, run_clean, run_drill
    from demo.mutations import MUTATIONS

    if list_all:
        if as_json:
            listed = [
                {"mutation": x.name, "source": x.source, "table": x.table, "critical": x.is_critical, "says": x.says}
                for x in MUTATIONS
            ]
            print(json.dumps(listed, indent=2))
            return
        grid = Table("mutation", "breaks", "critical", "what happened", box=None, pad_edge=False)
        for x in MUTATIONS:
            grid.add_row(x.name, f"{x.source}.{x.table}".rstrip("."), "yes" if x.is_critical else "", x.says)
        out.print(grid)
        return
    mutations = choose(only)
    file = config or Path("segments.yml")
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segments-drill-")))
        if clean_seeds is not None:
            if only or seed is not None:
                raise ConfigError("--clean-seeds goes with neither --only nor --seed: it breaks nothing")
            runs = run_clean(file, place, _seeds(clean_seeds), workers=workers, on_run=_told_run)
            _print_clean(runs, as_json=as_json)
            return
        done = run_drill(file, place, mutations, seed=seed, workers=workers, on_outcome=_told)
    if as_json:
        print(json.dumps(done.as_dict(), indent=2))
    else:
        _print(done)
    if done.missed_critical or done.lost_release:
        raise typer.Exit(1)


def _seeds(text: str) -> list[int]:
    first, dots, last = text.partition("..")
    if not first.isdecimal() or (dots and not last.isdecimal()):
        raise ConfigError(f"--clean-seeds {text}: expected numbers such as 1..20")
    found = list(range(int(first), int(last or first) + 1))
    if not found:
        raise ConfigError(f"--clean-seeds {text}: the last seed is below the first")
    return found


def _told(outcome: Outcome) -> None:
    err.print(f"{outcome.result:<9} {outcome.mutation}  ({outcome.seconds:.0f} s)", markup=False)


def _told_run(run: CleanRun) -> None:
    err.print(f"seed {run.seed}: {len(run.alarms)} false alarms", markup=False)


def _print(done: Drill) -> None:
    grid = Table("mutation", "breaks", "", "result", "by", "names", "message", box=None, pad_edge=False)
    for outcome in done.outcomes:
        by = f"{outcome.stage}{', refused' if outcome.is_refused else ''}"
        grid.add_row(
            outcome.mutation,
            outcome.place,
            "critical" if outcome.is_critical else "",
            outcome.result,
            by,
            _names(outcome),
            outcome.says[:_SAYS_WIDTH],
        )
    out.print(grid)
    for name in done.lost_release:
        out.print(f"{name}: the release before is no longer as it was")
    wrong = [x.mutation for x in done.outcomes if x.result == "detected" and not x.is_named_rightly]
    if wrong:
        out.print(f"detected by a message that does not name source and table: {', '.join(wrong)}", soft_wrap=True)
    if done.missed_critical:
        out.print(f"missed although critical: {', '.join(done.missed_critical)}", soft_wrap=True)
    out.print(done.summary(), soft_wrap=True)


def _names(outcome: Outcome) -> str:
    if outcome.result != "detected":
        return ""
    if outcome.is_named_rightly:
        return "right"
    return "source alone" if outcome.names_source else "table alone" if outcome.names_table else "neither"


def _print_clean(runs: list[CleanRun], *, as_json: bool) -> None:
    judged, alarms = sum(run.judged for run in runs), sum(len(run.alarms) for run in runs)
    troubled = sum(bool(run.alarms) for run in runs)
    if as_json:
        listed = [{"seed": run.seed, "judged": run.judged, "alarms": list(run.alarms)} for run in runs]
        print(json.dumps({"judged": judged, "alarms": alarms, "troubled": troubled, "runs": listed}, indent=2))
        return
    for run in runs:
        for alarm in run.alarms:
            out.print(f"seed {run.seed}: {alarm}", markup=False, soft_wrap=True)
    share = alarms / judged if judged else 0.0
    out.print(
        f"{len(runs)} clean runs, {judged:,} expectations judged, "
        f"{alarms} false alarms ({share:.2%}) in {troubled} runs",
        soft_wrap=True,
    )

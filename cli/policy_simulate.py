"""`segments policy simulate`: what a proposed policy would have done beside today's, as tables, JSON or rows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cli.common import Config, err, guarded, out, released_of
from pipelines.events import LOGGER, fields_of

if TYPE_CHECKING:  # the room is imported when the command runs: the others need not wait for it
    from pipelines.shape import Built
    from pipelines.simulation import Comparison, Context, Moves, Proposal, Simulation

_SIDES = ("today", "proposed")
_WHOSE = {"today": "today's policy", "proposed": "the proposal"}
_MOVED: tuple[tuple[str, Callable[[Moves], int]], ...] = (
    ("moves", lambda moved: moved.total),
    ("up", lambda moved: moved.promoted + moved.entered),
    ("down", lambda moved: moved.demoted + moved.exited),
    ("undone", lambda moved: moved.undone),
)
# What fits a screen; `--json` and `--to` have everything.
_QUARTERS_SHOWN = 12
_REASONS_SHOWN = 8
# Below this width a column of sentences would be a column of words.
_WIDE_ENOUGH = 110


@guarded
def simulate(
    file: Annotated[Path, typer.Argument(help="The proposed policy; it need not lie in the folder of policies.")],
    against: Annotated[
        str,
        typer.Option("--against", metavar="active|NAME@VERSION|FILE", help="What it is compared with."),
    ] = "active",
    config: Config = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Also write the comparison's rows: Parquet and CSV.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the scratch copy of the warehouse behind.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many partners per ladder; 0 = all.")] = 25,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Replay all quarters under a proposed policy beside today's: who moves, level sizes, moves, hours, reasons.

    Works on a scratch copy of the last run's warehouse: nothing of the deployment is changed, and nothing is released.
    """
    from pipelines.simulation import simulate as replayed

    places, settings = released_of(config)
    with _Progress(quiet=as_json) as progress:
        done = replayed(
            settings, file, against=against, to=to, keep=keep, on_start=progress.begin, on_node=progress.built
        )
    if as_json:
        print(json.dumps(done.as_dict(), default=_plain_value, indent=2))
    else:
        show(done, limit)
    if not as_json and to is not None:
        out.print(f"rows of the comparison: {to}", markup=False, soft_wrap=True)
    if not as_json and done.scratch is not None:
        kept = done.scratch / places.warehouse.name
        out.print(f"scratch copy kept: {kept} (its tables are in the schema simulation)", markup=False, soft_wrap=True)


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


class _Progress(logging.Handler):
    """Says what is compared and how far the long step is, on standard error; tells waits and warnings."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(logging.INFO)
        self.quiet = quiet
        self.nodes = 0
        self.started = time.perf_counter()
        self.status = err.status("") if err.is_terminal and not quiet else None

    def __enter__(self) -> _Progress:
        # The room's lines about every table are for runs.
        LOGGER.handlers, LOGGER.propagate = [self], False
        LOGGER.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status:
            self.status.stop()
        if kind is None and not self.quiet:
            err.print(f"{self.nodes} tables built in {time.perf_counter() - self.started:.1f} s", style="dim")

    def emit(self, record: logging.LogRecord) -> None:
        """Print a wait or a warning."""
        event, _ = fields_of(record)
        if record.levelno >= logging.WARNING or (event == "waiting" and not self.quiet):
            err.print(record.getMessage(), markup=False, soft_wrap=True)

    def begin(self, proposal: Proposal, context: Context) -> None:
        """Say what is about to be replayed."""
        if self.quiet:
            return
        err.print(
            f"replaying {context.quarters} quarters up to {context.quarter} under {proposal.proposed.key} and "
            f"{proposal.today.key}, in a scratch copy ...",
            markup=False,
            soft_wrap=True,
        )
        if self.status:
            self.status.start()
            self.status.update("reading the models")

    def built(self, node: Built) -> None:
        """Count a table."""
        self.nodes += 1
        if self.status:
            self.status.update(f"replaying: {self.nodes} tables built, now after {node.schema}.{node.table}")


# --- tables -----------------------------------------------------------------------------------------------------------


def show(done: Simulation, limit: int) -> None:
    """Print a simulation as tables, with at most `limit` partners per ladder (0: all)."""
    proposal, context = done.proposal, done.context
    out.print(
        f"[bold]{escape(proposal.proposed.key)}[/bold] ({escape(Path(proposal.proposed.file).name)}) beside "
        f"[bold]{escape(proposal.today.key)}[/bold], {context.deployment}, facts of the last run: {context.quarter}, "
        f"known up to {context.known_at} UTC",
        soft_wrap=True,
    )
    out.print(
        "Both are replayed over all quarters, whatever their effective_from; neither starts from decisions on record, "
        "and signed exceptions are left out.",
        style="dim",
        soft_wrap=True,
    )
    for ladder in done.ladders:
        out.print()
        _print_ladder(ladder, context.quarter, limit)
    for side, ladders in done.only.items():
        for name in ladders:
            out.print()
            out.print(f"[bold]{escape(name)}[/bold]: a ladder of {_WHOSE[side]} only, so there is nothing to compare")
    if any(balance.capacity or balance.demands for balance in done.balances.values()):
        out.print()
        _print_hours(done)
    out.print(
        "a > b: today's number, then the proposal's; undone: moves that take back one of the two quarters before",
        style="dim",
        soft_wrap=True,
    )


def _print_ladder(ladder: Comparison, quarter: str, limit: int) -> None:
    moving = len(ladder.movers)
    directions = {
        word: sum(mover.direction == word for mover in ladder.movers)
        for word in ("up", "down", "enters", "leaves", "other")
    }
    counted = ", ".join(f"{count:,} {word}" for word, count in directions.items() if count)
    out.print(
        f"[bold]{escape(ladder.ladder)}[/bold]  {moving:,} of {ladder.partners:,} partners would hold another level in "
        f"{quarter}{': ' + counted if counted else ''}",
        soft_wrap=True,
    )
    for side, other in (("proposed", "today"), ("today", "proposed")):
        own = [level for level in ladder.levels[side] if level not in ladder.levels[other]]
        if own:
            out.print(f"levels of {_WHOSE[side]} only: {', '.join(own)}", markup=False)
    if ladder.movers:
        _print_movers(ladder, limit)
        _print_reasons(ladder)
    _print_quarters(ladder)


def _print_movers(ladder: Comparison, limit: int) -> None:
    wide = out.width >= _WIDE_ENOUGH
    grid = Table(box=None, pad_edge=False, header_style="bold", expand=wide)
    grid.add_column("number", no_wrap=True)
    grid.add_column("partner", max_width=30, no_wrap=True)
    grid.add_column("today", no_wrap=True)
    grid.add_column("proposed", no_wrap=True)
    grid.add_column("score", justify="right", no_wrap=True)
    if wide:
        grid.add_column("why", ratio=1)
    shown = ladder.movers if limit == 0 else ladder.movers[:limit]
    for mover in shown:
        colour = {"up": "green", "enters": "green", "down": "red", "leaves": "red"}.get(mover.direction, "default")
        grid.add_row(
            escape(mover.partner_number or ""),
            escape(mover.partner_name),
            escape(mover.today),
            f"[{colour}]{escape(mover.proposed)}[/{colour}]",
            _both(_score(mover.today_score), _score(mover.proposed_score)),
            *([escape("; ".join(mover.why))] if wide else []),
        )
    out.print(grid)
    if len(shown) < len(ladder.movers):
        out.print(f"{len(shown)} of {len(ladder.movers):,} partners; `--limit 0` shows all", style="dim")
    if not wide:
        out.print("a wider terminal shows each partner's reason", style="dim")


def _print_reasons(ladder: Comparison) -> None:
    out.print()
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("partners", justify="right")
    grid.add_column("move")
    grid.add_column("top reasons")
    for reason in ladder.reasons[:_REASONS_SHOWN]:
        grid.add_row(f"{reason.partners:,}", reason.direction, escape(reason.reason))
    out.print(grid)


def _print_quarters(ladder: Comparison) -> None:
    """Sizes and moves, a quarter a line, today's number before the proposal's where they differ."""
    out.print()
    sizes = {(size.quarter, size.side, size.level): size.partners for size in ladder.sizes}
    quarters = list(dict.fromkeys(moved.quarter for moved in ladder.moves))
    levels = list(dict.fromkeys([*ladder.levels["proposed"], *ladder.levels["today"]]))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("quarter", no_wrap=True)
    for name in (*levels, *(name for name, _ in _MOVED)):
        grid.add_column(escape(name), justify="right", no_wrap=True)
    shown = quarters[-_QUARTERS_SHOWN:]
    for quarter in shown:
        held = (_both(*(_count(sizes.get((quarter, side, level))) for side in _SIDES)) for level in levels)
        grid.add_row(quarter, *held, *_moves_of(ladder, {quarter}))
    grid.add_row(f"all {len(quarters)}", *("" for _ in levels), *_moves_of(ladder, set(quarters)), style="bold")
    out.print(grid)
    if len(shown) < len(quarters):
        out.print(f"the last {len(shown)} of {len(quarters)} quarters; `--json` and `--to` have all", style="dim")
    for side in _SIDES:
        for level in ladder.levels[side]:
            _print_overfull(ladder, side, level, len(quarters))


def _moves_of(ladder: Comparison, quarters: set[str]) -> list[str]:
    """The cells of moves in some quarters, one per kind."""
    cells = []
    for _, number in _MOVED:
        today, proposed = (
            sum(number(moved) for moved in ladder.moves if moved.side == side and moved.quarter in quarters)
            for side in _SIDES
        )
        cells.append(_both(f"{today:,}", f"{proposed:,}"))
    return cells


def _print_overfull(ladder: Comparison, side: str, level: str, quarters: int) -> None:
    """Say where movement keeps more partners on a level than it has places: capacity limits what is earned."""
    over = [
        size
        for size in ladder.sizes
        if size.side == side and size.level == level and size.capacity is not None and size.partners > size.capacity
    ]
    if over:
        out.print(
            f"{level} holds more than its capacity of {over[0].capacity} in {len(over)} of {quarters} quarters under "
            f"{_WHOSE[side]}, up to {max(size.partners for size in over)}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def _print_hours(done: Simulation) -> None:
    out.print(f"[bold]hours[/bold] of partner managers in {done.context.quarter}")
    for side in _SIDES:
        balance = done.balances[side]
        colour = "red" if balance.hours_missing else "default"
        out.print(f"  {side:<9} [{colour}]{escape(balance.text())}[/{colour}]", soft_wrap=True)
        needed = [(hours, quarter) for quarter, of_side, hours in done.hours if of_side == side]
        there = balance.hours_there
        over = [quarter for hours, quarter in needed if there is not None and hours > there]
        if over:
            most, when = max(needed)
            out.print(
                f"  {'':<9} too many in {len(over)} of {len(needed)} quarters, most in {when}: {_hours(most)} h",
                soft_wrap=True,
            )


def _both(today: str, proposed: str) -> str:
    return today if today == proposed else f"{today or '-'} > {proposed or '-'}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _score(score: Decimal | None) -> str:
    return "" if score is None else f"{score:,.2f}"


def _hours(hours: Decimal) -> str:
    text = f"{hours:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

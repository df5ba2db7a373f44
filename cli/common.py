"""What every command shares: how options are named, errors told, deployments found and results printed."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from pipelines.errors import SegmentsError
from pipelines.settings import Settings, read_settings
from pipelines.stopping import stopping
from pipelines.warehouse import Places

_LAST = Path(".segments") / "last"
STOPPED = 130
"""Exit code of a command that somebody stopped at the keyboard."""
STOPPED_SAYS = "stopped; the last release is untouched; run again, nothing has to be cleaned up"
# Where a terminal has no room for a table, columns of words give way down to this.
_NARROW = 10
# A longer cell without a space, such as a path, goes over several lines instead of making the table wider.
_LONGEST_KEY = 64
_ENDLESS = 100_000


class Paper(Console):
    """A console whose tables cut no id, number or other single word short.

    On a terminal columns of words give way, and where that is not enough the terminal wraps the lines. In a pipe or a
    file a table is as wide as it needs.
    """

    def print(self, *objects: Any, **named: Any) -> None:
        """Print; a table that stands alone gets the width it needs."""
        grid = objects[0] if len(objects) == 1 else None
        if not isinstance(grid, Table) or grid.width is not None or not grid.columns:
            super().print(*objects, **named)
            return
        own = self._width
        self.width = self._fitted(grid)
        try:
            super().print(grid, **named)
        finally:
            self._width = own

    def _fitted(self, grid: Table) -> int:
        """Tell a table's columns how they may shrink; returns the width to print it at."""
        endless = self.options.update(max_width=_ENDLESS)
        needs: list[int] = []
        is_key: list[bool] = []
        for column in grid.columns:
            cells = [Measurement.get(self, endless, cell) for cell in (column.header, *column.cells)]
            most = max(cell.maximum for cell in cells)
            is_key.append(
                all(cell.minimum == cell.maximum for cell in cells[1:])
                and column.max_width is None
                and column.ratio is None
                and most <= _LONGEST_KEY
            )
            needs.append(most if column.max_width is None else min(most, column.max_width))
        between = Measurement.get(self, endless, grid).maximum - sum(needs)
        for column, whole in zip(grid.columns, is_key, strict=True):
            column.no_wrap = column.no_wrap or whole
            if not column.no_wrap:
                column.overflow = "fold"
        if not self.is_terminal:
            for column in grid.columns:
                column.ratio = None
            grid.expand = False
            return sum(needs) + between
        fixed = sum(need for need, whole in zip(needs, is_key, strict=True) if whole) + between
        words = [need for need, whole in zip(needs, is_key, strict=True) if not whole]
        widest = max(words, default=0)
        while widest > _NARROW and fixed + sum(min(need, widest) for need in words) > self.width:
            widest -= 1
        for column, whole in zip(grid.columns, is_key, strict=True):
            if not whole and column.ratio is None:
                column.max_width = min(widest, column.max_width or widest)
        return max(self.width, fixed + sum(min(need, widest) for need in words))


out, err = Paper(highlight=False), Console(stderr=True, highlight=False)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="SEGMENTS_CONFIG", help="Deployment file; default: ./segments.yml."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="SEGMENTS_DATA", help="Folder of the file sources, in place of paths.inputs."),
]


class Format(StrEnum):
    """How a result is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Print a room's error as people read it and end with its exit code; anything else is a defect with its trace."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with stopping():
                command(*args, **kwargs)
        except SegmentsError as problem:
            if kwargs.get("as_json"):
                line = {"event": "ended", "exit_code": problem.exit_code, "kind": problem.title}
                print(json.dumps({**line, "message": problem.message, "next_step": problem.next_step}))
            err.print(f"[bold red]{problem.title}[/bold red]: ", end="")
            err.print(problem.message, markup=False, soft_wrap=True)
            if problem.next_step:
                err.print(f"next: {problem.next_step}", markup=False, soft_wrap=True)
            raise typer.Exit(problem.exit_code) from None
        except KeyboardInterrupt:
            if kwargs.get("as_json"):
                print(json.dumps({"event": "ended", "exit_code": STOPPED, "kind": "stopped", "message": STOPPED_SAYS}))
            err.print(STOPPED_SAYS, soft_wrap=True)
            raise typer.Exit(STOPPED) from None

    return run


def settings_of(config: Path | None, data: Path | None = None) -> Settings:
    return read_settings(config or Path("segments.yml"), data=data)


def remember(settings: Settings) -> None:
    """Note which deployment ran last here, so that `show` and `query` need no option after `run`."""
    try:
        _LAST.parent.mkdir(exist_ok=True)
        _LAST.write_text(str(settings.file), encoding="utf-8")
    except OSError:
        return  # a read-only working folder: commands then ask for --config


def released_of(config: Path | None) -> tuple[Places, Settings]:
    """The deployment asked for, else the one that ran last from this folder, else ./segments.yml."""
    path = config
    if path is None and _LAST.exists():
        remembered = Path(_LAST.read_text(encoding="utf-8").strip())
        if remembered.exists() and remembered.resolve() != Path("segments.yml").resolve():
            err.print(
                f"deployment: {os.path.relpath(remembered)} (ran last here; --config chooses another)", style="dim"
            )
            path = remembered
    settings = settings_of(path)
    return Places.of(settings), settings


def print_rows(names: list[str], rows: list[tuple[Any, ...]], output: Format) -> None:
    if output is Format.json:
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, indent=2))
    elif output is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        grid = Table(*names, box=None, pad_edge=False)
        for row in rows:
            grid.add_row(*("" if value is None else str(value) for value in row))
        out.print(grid)
        out.print(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", style="dim")

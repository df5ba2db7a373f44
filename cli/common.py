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
from rich.table import Table

from pipelines.errors import SegmentsError
from pipelines.settings import Settings, read_settings
from pipelines.stopping import stopping
from pipelines.warehouse import Places

_LAST = Path(".segments") / "last"
STOPPED = 130
"""Exit code of a command that somebody stopped at the keyboard."""
STOPPED_SAYS = "stopped; the last release is untouched; run again, nothing has to be cleaned up"
out, err = Console(highlight=False), Console(stderr=True, highlight=False)

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

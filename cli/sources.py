"""`segments sources ...`: which connectors there are, what a source may read, and how one of your own begins."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.table import Table
from typer.core import TyperGroup

from cli.common import Config, Data, err, guarded, out, settings_of
from pipelines.connector import available, find, instances
from pipelines.errors import ConfigError
from pipelines.probing import as_json as report_as_json
from pipelines.probing import probe as ask
from pipelines.probing import reads
from pipelines.scaffold import write_connector
from pipelines.templates import did_you_mean, write_templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.connector_checks import Check
    from pipelines.probing import Report

_HELP = (
    "The connectors there are; with a name, its tables and options. `probe` asks a source what it may read, `template` "
    "writes files to fill in, `new` and `test` are for those who write a connector."
)


class _SourcesGroup(TyperGroup):
    """`segments sources NAME` is short for `segments sources describe NAME`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word; any word that is none is a connector's name."""
        words = args if not args or args[0] in self.commands or args[0].startswith("-") else ["describe", *args]
        return super().resolve_command(ctx, words)


app = typer.Typer(cls=_SourcesGroup, invoke_without_command=True, rich_markup_mode=None, help=_HELP)


@app.callback(invoke_without_command=True, help=_HELP)
def sources(context: typer.Context) -> None:
    """The group alone lists the connectors."""
    if context.invoked_subcommand is None:
        sources_list()


@app.command("list")
@guarded
def sources_list() -> None:
    """The connectors there are, what they read, and the entities they feed."""
    grid = Table("connector", "kind", "reads", "feeds", box=None, pad_edge=False)
    for found in available():
        connector = find(found)
        entities = [entity for entity in connector.entities if entity != "rejected_lines"]
        grid.add_row(connector.name, connector.kind, reads(connector), ", ".join(entities))
    out.print(grid)


@app.command("describe")
@guarded
def sources_describe(name: Annotated[str, typer.Argument(help="A connector.")]) -> None:
    """Tables and options of one connector."""
    connector = find(name)
    out.print(f"{connector.name} ({connector.kind})\noptions:")
    _print_options(connector.options, "  ")
    out.print("tables:")
    for table in connector.tables:
        out.print(f"  {table.name}: needs {', '.join(table.required)}; uses {', '.join(table.columns)}", markup=False)
    if connector.kind == "any":
        out.print("what every column is: segments sources template --to FOLDER writes it beside files to fill in")


def _print_options(model: type[BaseModel], indent: str) -> None:
    for option, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            words = field.description or (inner.__doc__ or "").strip().splitlines()[0]
            out.print(f"{indent}{option}: {words}", markup=False)
            _print_options(inner, indent + "  ")
            continue
        default = "to be said" if field.is_required() else field.get_default(call_default_factory=True)
        out.print(f"{indent}{option}: {field.description} (default: {default})", markup=False)


@app.command("template")
@guarded
def sources_template(
    entities: Annotated[list[str] | None, typer.Argument(help="Entities; default: all of the kind.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="crm, account_mapping or prm; default: every kind in its own folder.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder; made if missing.")] = Path("templates"),
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Write CSV files with nothing but their header, to fill in for the connector `files`, and a README of columns."""
    for path in write_templates(to, kind=kind, entities=entities or [], force=force):
        out.print(str(path), markup=False)


# -- what a source may read --------------------------------------------------------------------------------------------


@app.command("probe")
@guarded
def sources_probe(
    name: Annotated[str, typer.Argument(help="A source of the deployment file.")],
    config: Config = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Ask one source who we are to it, what it lets us read, and what can be known from that. Loads nothing."""
    settings = settings_of(config, data)
    configured = {instance.name: instance for instance in instances(settings)}
    if name not in configured:
        raise ConfigError(
            f"{settings.file}: no source {name!r}{did_you_mean(name, configured)}; nothing was asked",
            next_step=f"its sources are {', '.join(configured)}",
        )
    report = ask(configured[name])
    if as_json:
        print(json.dumps(report_as_json(report), indent=2))
    else:
        _print_report(report)


def _print_report(report: Report) -> None:
    how = "over its API" if report.is_live else "from files"
    out.print(f"{report.source}: {report.connector} ({report.kind}), {how}", markup=False)
    facts = [("we are" if report.is_live else "reads", report.identity), *report.facts]
    width = max(len(name) for name, _ in facts)
    for what, value in facts:
        out.print(f"  {what:<{width}}  {value}", markup=False, soft_wrap=True)
    for title, rows in (
        ("table", [(table.name, table.state, table.detail) for table in report.tables]),
        ("entity", [(one.name, "known" if one.is_known else "unknown", one.detail) for one in report.entities]),
    ):
        widths = [max(len(row[place]) for row in [(title, "state", ""), *rows]) for place in (0, 1)]
        out.print(f"\n{title:<{widths[0]}}  state", markup=False)
        for row in rows:
            out.print(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip(), markup=False, soft_wrap=True)


# -- a connector of one's own ------------------------------------------------------------------------------------------


@app.command("new")
@guarded
def sources_new(
    name: Annotated[str, typer.Argument(help="What the connector is called: small letters, digits and _.")],
    kind: Annotated[str, typer.Option("--kind", help="What kind of system it is: crm, account_mapping or prm.")],
) -> None:
    """Write the skeleton of a connector: module, staging models, a fake vendor, tests that say what to fill in."""
    for path in write_connector(name, kind):
        out.print(str(path), markup=False, soft_wrap=True)
    out.print(
        f"\nnext: segments sources test {name}   |   the steps are in CONTRIBUTING.md, `Add a source`", style="dim"
    )


@app.command("test")
@guarded
def sources_test(
    name: Annotated[str, typer.Argument(help="A connector.")],
) -> None:
    """Hold a connector to what the kit asks of every one, against the vendor's fake, then run its own tests."""
    from pipelines.connector_checks import own_tests

    connector = find(name)
    open_count = 0
    with _scratch(name) as folder:
        for check in _checks(name, folder):
            _print_check(check)
            open_count += not check.is_ok
        for check in own_tests(connector.name, folder):
            _print_check(check)
            open_count += not check.is_ok
    if open_count:
        out.print(f"{open_count} not yet", style="dim")
        raise typer.Exit(1)


def _checks(name: str, folder: Path) -> Iterator[Check]:
    from demo.vendors.trial import running, trial_of
    from pipelines.connector_checks import checks

    connector, trial = find(name), trial_of(name)
    if trial is None:
        yield from checks(connector, None, folder)
        return
    with running(trial) as vendor:
        yield from checks(connector, vendor, folder)


def _print_check(check: Check) -> None:
    mark = "ok" if check.is_ok else "not yet"
    out.print(f"{mark:<8} {check.what}", markup=False, soft_wrap=True)
    for why in check.why:
        out.print(f"         {why}", markup=False, soft_wrap=True)


@contextmanager
def _scratch(name: str) -> Iterator[Path]:
    """A state folder for one trial, kept when it is asked for by name in a message."""
    folder = Path(tempfile.mkdtemp(prefix=f"segments-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            err.print(f"left behind: {folder}", style="dim")

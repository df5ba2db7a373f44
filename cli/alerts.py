"""`segments alerts ...`: which troubles are open, whether messages arrive, and how one is closed by hand."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.common import Config, guarded, out, settings_of
from pipelines.alerts import Incident, Store, close, send_kept, settle, took_test
from pipelines.alerts.delivery import Delivery, NotTaken, send
from pipelines.alerts.findings import severity_word
from pipelines.alerts.messages import headline, test_message
from pipelines.errors import ConfigError
from pipelines.warehouse import Places

_HELP = (
    "Incidents: what is wrong, since when, and who was told. A run opens an incident once, tells the targets of "
    "`alerts:` in the deployment file once, and a later run that shows it no more closes it."
)

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, help=_HELP)


@app.callback(invoke_without_command=True, help=_HELP)
def alerts(context: typer.Context) -> None:
    """The group alone lists what is open."""
    if context.invoked_subcommand is None:
        alerts_list()


@app.command("list")
@guarded
def alerts_list(
    config: Config = None,
    every: Annotated[bool, typer.Option("--all", help="Also incidents that are closed, and releases.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False,
) -> None:
    """What is open: since when, how grave, how often seen, the key to close it by, and who has not been told yet."""
    settings = settings_of(config)
    settle(settings, tell=False)  # a run that was killed has left word and nobody has read it yet
    book = Store(Places.of(settings)).read()
    shown = book.every() if every else [one for one in book.every() if one.closed_at is None]
    if as_json:
        print(json.dumps([one.model_dump(mode="json") | {"key": one.key} for one in shown], indent=2))
        return
    if not shown:
        out.print("no incident on record" if every else "nothing is open; --all shows what was")
        return
    for one in shown:
        _print(one)
    if not every:
        out.print('\nby hand: segments alerts close KEY --by NAME --why "..."', style="dim", markup=False)


def _print(one: Incident) -> None:
    state = f"closed {one.closed_at:%Y-%m-%d %H:%M} by {one.closed_by}: {one.why}" if one.closed_by else ""
    if one.kind == "released":
        out.print(f"{one.opened_at:%Y-%m-%d %H:%M}  {headline(one)}", markup=False, soft_wrap=True)
        return
    mark = "CLOSED" if one.closed_at else severity_word(one.severity)
    out.print(f"{one.opened_at:%Y-%m-%d %H:%M}  {mark:<8}  {one.key}", markup=False, soft_wrap=True)
    seen = f"seen by {one.runs} run{'' if one.runs == 1 else 's'}, last {one.last_seen:%Y-%m-%d %H:%M} UTC"
    told = f"told: {', '.join(sorted(one.told)) or 'nobody'}"
    due = f"; still to tell: {', '.join(sorted(one.due))}" if one.due else ""
    for line in (one.says, f"{seen}; {told}{due}", state, f"next: {one.next_step}" if one.next_step else ""):
        if line:
            out.print(f"    {line}", markup=False, soft_wrap=True)


@app.command("test")
@guarded
def alerts_test(
    target: Annotated[str | None, typer.Argument(help="A target of the deployment file; default: all.")] = None,
    config: Config = None,
) -> None:
    """Send a test message, and say who took it and who did not. Ends with 1 when somebody did not."""
    settings = settings_of(config)
    if not settings.alerts:
        raise ConfigError(
            f"{settings.file}: no alert targets; nothing was sent",
            next_step="name some under `alerts:`; docs/alerts.md",
        )
    known = {one.name: one for one in settings.alerts}
    if target is not None and target not in known:
        raise ConfigError(
            f"{settings.file}: no alert target {target!r}; nothing was sent",
            next_step=f"its targets are {', '.join(known)}",
        )
    failed = 0
    for one in [known[target]] if target else settings.alerts:
        try:
            send(settings, one, test_message(settings.deployment, one.name))
            out.print(f"{one.name}: taken", markup=False)
            took_test(settings, one.name)
        except NotTaken as problem:
            failed += 1
            out.print(f"{one.name}: not taken: {problem}", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command("send")
@guarded
def alerts_send(config: Config = None) -> None:
    """Tell what is due: of a run that was killed, and to targets that were down. Every run does this at its end.

    Ends with 1 when somebody could not be told, or when the incidents cannot be read or written.
    """
    settings = settings_of(config)
    done = send_kept(settings)
    for one in done:
        out.print(_outcome(one), markup=False, soft_wrap=True)
    if not any(one.sent or one.reason for one in done):
        out.print("nothing was due")
    if any(one.reason for one in done):
        raise typer.Exit(1)


def _outcome(one: Delivery) -> str:
    if one.reason:
        return f"{one.target}: {one.sent} sent, {one.left} kept: {one.reason}"
    return f"{one.target}: {one.sent} sent"


@app.command("close")
@guarded
def alerts_close(
    key: Annotated[str, typer.Argument(help="The incident's key, from `segments alerts list`.")],
    by: Annotated[str, typer.Option("--by", help="Who says so: a name or a role, no e-mail address.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for those who were told of it.")],
    config: Config = None,
) -> None:
    """Close an incident by hand. If a later run shows it again, it is opened anew."""
    settings = settings_of(config)
    closed = close(settings, key, by=by, why=why)
    told = ", ".join(sorted(closed.due))
    out.print(f"{closed.key} closed" + (f"; told: {told}" if told else ""), markup=False)

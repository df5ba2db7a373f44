"""The commands. Each reads options, calls one room, prints; messages and exit codes come from the rooms' errors."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.table import Table

from cli.alerts import app as alerts_app
from cli.common import (
    STOPPED,
    STOPPED_SAYS,
    Config,
    Data,
    Format,
    err,
    guarded,
    out,
    print_rows,
    released_of,
    remember,
    settings_of,
)
from cli.demo import demo_app
from cli.explain import explain
from cli.identity import app as identity_app
from cli.policy import app as policy_app
from cli.quality import quality_app
from cli.release import release_app
from cli.reporter import Mode, Reporter
from cli.sources import app as sources_app
from pipelines import release as releases_room
from pipelines.alerts import watching
from pipelines.errors import ConfigError, InputError
from pipelines.stopping import is_stopped, listen
from pipelines.template import TEMPLATE
from pipelines.warehouse import quoted

app = typer.Typer(
    help="Turn CRM, account-mapping and PRM data into partner segments and tiers that can be defended.",
    epilog="Exit codes: 0 done, 1 defect, 2 configuration or policy, 3 input, 4 refused by the gate, 5 build, 6 busy.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
@guarded
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("segments.yml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented deployment file to fill in."""
    if path.exists() and not force:
        raise ConfigError(f"{path}: is there already, left as it is", next_step="`--force` replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE, encoding="utf-8")
    out.print(f"{path} written. Name your sources, currency and policies in it, then: segments check --config {path}")


@app.command()
@guarded
def check(config: Config = None, data: Data = None) -> None:
    """Read the deployment file, options, policies, crosswalk and the files' headers, and say what a run would do."""
    from pipelines.identity import read_crosswalk
    from pipelines.probing import unreadable
    from pipelines.shape import plan

    Reporter("quiet").install()
    settings = settings_of(config, data)
    run = plan(settings)
    read_crosswalk(settings, [source.name for source in run.sources])
    # The sample's files are written by the first run.
    has_inputs = settings.sample is None or settings.folder("inputs").is_dir()
    troubles = unreadable(run.sources) if has_inputs else []
    if not troubles:
        out.print(f"{settings.deployment}: {settings.file.name} is in order")
    out.print(f"  quarter   {run.quarter.label} ({run.quarter.first_day} to {run.quarter.last_day})")
    out.print(f"  policy    {run.active.key}, in force since {run.active.effective_from}")
    for policy in run.policies:
        if policy.key != run.active.key:
            out.print(f"  beside it {policy.key}")
    for instance in run.sources:
        out.print(f"  source    {instance.name} ({instance.connector.name}, {instance.kind})")
    out.print(f"  state     {run.places.state}")
    for target in settings.alerts:
        if not os.environ.get(target.url_env, "").strip():
            err.print(
                f"warning: alerts: {target.name}: the environment variable {target.url_env} is not set; a run goes on, "
                "and this target hears nothing of it",
                markup=False,
                soft_wrap=True,
            )
    if troubles:
        first, *more = troubles
        raise InputError(first.message + "".join(f"\n{problem.message}" for problem in more), next_step=first.next_step)


@app.command()
@guarded
def run(
    config: Config = None,
    data: Data = None,
    quarter: Annotated[
        str | None, typer.Option("--quarter", "-q", help="Fiscal quarter, e.g. 2026Q3; default: the last that ended.")
    ] = None,
    known_at: Annotated[
        datetime | None,
        typer.Option("--known-at", help="Use only loads known up to this moment (UTC), to reproduce a past state."),
    ] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Compute and judge, release nothing.")] = False,
    accept_shrunk: Annotated[
        list[str] | None,
        typer.Option("--accept-shrunk", metavar="SOURCE.TABLE", help="Take a table although it lost many rows."),
    ] = None,
    full: Annotated[
        list[str] | None,
        typer.Option("--full", metavar="SOURCE", help="Read a source's API from the beginning, not only what changed."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings, errors and the result.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also tables of policy and deployment.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per event on standard output.")] = False,
) -> None:
    """Extract, shape, judge and release one quarter: the same graph as in the UI, in this process.

    With `first_release` in the deployment file, quarters without a release are made up for before. Running again with
    the same inputs changes nothing. A refusal or a failure leaves the last release readable.
    """
    started = time.perf_counter()
    mode: Mode = "json" if as_json else "quiet" if quiet else "verbose" if verbose else "normal"
    reporter = Reporter(mode).install()
    settings = settings_of(config, data)
    remember(settings)
    if mode in ("normal", "verbose"):
        err.print(f"[bold]{settings.deployment}[/bold]  quarter {settings.quarter(quarter).label}  (loading the graph)")
    from assets.graph import Options
    from assets.run import run_once

    options = Options(
        known_at=known_at.replace(tzinfo=UTC) if known_at else None,
        accept_shrunk=frozenset(accept_shrunk or ()),
        full=frozenset(full or ()),
    )
    try:
        with watching(settings, quarter=quarter, is_rehearsal=rehearse, is_look_back=known_at is not None):
            journal = run_once(settings, quarter=quarter, options=options, release=not rehearse)
    finally:
        reporter.close()
    seconds = time.perf_counter() - started
    done, candidate = journal.released, journal.candidate
    if as_json:
        result = {
            "event": "ended",
            "exit_code": 0,
            "seconds": round(seconds, 2),
            "release": done.release if done else None,
            "candidate": candidate.release if candidate else None,
            "earlier": [earlier.release for earlier in journal.earlier],
        }
        print(json.dumps(result))
    elif done:
        for earlier in journal.earlier:
            out.print(f"{earlier.release}  released first, from what its release day knew")
        state = "released" if done.is_new else "unchanged, the same inputs give the same release"
        out.print(f"{done.release}  {state}  ({seconds:.1f} s)")
    elif candidate:
        out.print(f"{candidate.release}  good to release; nothing was released (--rehearse)  ({seconds:.1f} s)")
    if mode in ("normal", "verbose") and done:
        err.print('look at it: segments show   |   segments query "from partner_segments limit 5"')


@app.command()
@guarded
def show(
    partner: Annotated[
        str | None, typer.Argument(help="A partner's number, name or a part of it: its whole story.")
    ] = None,
    config: Config = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many partners; 0 = all.")] = 25,
    level: Annotated[str | None, typer.Option("--level", "-l", help="Only holders of this tier or segment.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="SYSTEM",
            help="Beside it the level that crm, prm or a source says is held, and who differs.",
        ),
    ] = None,
) -> None:
    """Who holds which level, and why, as a table; with a partner's name, everything that led to it."""
    from review.terminal import partner_story, roster, told_levels

    places, _ = released_of(config)
    with releases_room.reader(places) as con:
        if against is not None:
            if partner is not None or level is not None:
                raise ConfigError("show --against compares the whole roster: it goes with no partner and no --level")
            told_levels(con, out, against, limit=limit)
        elif partner is None:
            roster(con, out, limit=limit, level=level)
        else:
            partner_story(con, out, partner)


app.command()(explain)


@app.command()
@guarded
def query(
    sql: Annotated[str, typer.Argument(help="A statement on the released tables; `segments tables` lists them.")],
    config: Config = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
) -> None:
    """Ask the current release anything, in DuckDB's SQL. Read-only; one query sees one release."""
    places, _ = released_of(config)
    with releases_room.reader(places) as con:
        # A query is a question about the release: it has no business with other files or the network.
        con.execute("set enable_external_access = false")
        try:
            result = con.execute(sql)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall()
        except duckdb.Error as problem:
            known = [row[0] for row in con.execute("select table_name from duckdb_tables() order by 1").fetchall()]
            raise InputError(f"query: {problem}", next_step=f"released tables: {', '.join(known)}") from None
    print_rows(names, rows, output)


@app.command()
@guarded
def tables(config: Config = None) -> None:
    """The released tables with their rows and columns."""
    places, _ = released_of(config)
    with releases_room.reader(places) as con:
        names = [row[0] for row in con.execute("select table_name from duckdb_tables() order by 1").fetchall()]
        grid = Table("table", "rows", "columns", box=None, pad_edge=False)
        for name in names:
            count = con.execute(f"select count(*) from {quoted(name)}").fetchall()[0][0]
            columns = [row[0] for row in con.execute(f"describe {quoted(name)}").fetchall()]
            grid.add_row(name, f"{count:,}", ", ".join(columns))
    out.print(grid)


@app.command()
@guarded
def releases(config: Config = None) -> None:
    """The chain of releases that led to the current one."""
    places, _ = released_of(config)
    current = releases_room.current(places)
    if current is None:
        raise InputError(f"nothing is released yet in {places.released}", next_step="`segments run` makes a release")
    grid = Table("release", "quarter", "policy", "known at (UTC)", "partners", "", box=None, pad_edge=False)
    for link in releases_room.history(places):
        signed = f"approved by {link['approved_by']}" if link.get("approved_by") else ""
        mark = ", ".join(filter(None, ["current" if link["release"] == current["release"] else "", signed]))
        policy = f"{link['policy']}@{link['version']}"
        grid.add_row(link["release"], link["quarter"], policy, link["known_at"], f"{link['partner_count']:,}", mark)
    out.print(grid)


@app.command()
@guarded
def rollback(
    release: Annotated[str | None, typer.Argument(help="Release id; default: the one before the current.")] = None,
    config: Config = None,
) -> None:
    """Make an earlier release the current one. Nothing is deleted; the next run goes on from there."""
    from pipelines.warehouse import writer

    places, settings = released_of(config)
    with writer(places):
        # What is turned down here is between the person and the terminal: no alert says that something failed.
        releases_room.before_and_after(places, release)
        with watching(settings):
            done = releases_room.roll_back(places, release)
    out.print(f"{done.release} is the current release again (it was {done.previous})")


app.add_typer(sources_app, name="sources")
app.add_typer(policy_app, name="policy")
app.add_typer(demo_app, name="demo")
app.add_typer(release_app, name="release")
app.add_typer(quality_app, name="quality")
app.add_typer(identity_app, name="identity")
app.add_typer(alerts_app, name="alerts")


def main() -> None:
    """Entry point of the `segments` command."""
    code = 0
    try:
        listen()
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
    except BaseException:  # noqa: BLE001 - a defect is told with its trace, and the process ends
        if is_stopped():  # before or after a command, or once more while one was ending
            print(STOPPED_SAYS, file=sys.stderr)
            code = STOPPED
        else:
            traceback.print_exc()
            code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # DuckDB 2.0's binding prints fifty lines about leaked objects whenever a normal exit follows an exception.
    os._exit(code)


if __name__ == "__main__":
    main()

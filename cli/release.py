"""`segments release ...`: the candidates that are kept, what the gate said of them, and a person's word against it."""

from __future__ import annotations

from typing import Annotated

import duckdb
import typer
from rich.table import Table

from cli.common import Config, Format, err, guarded, out, print_rows, released_of
from data_quality import approval as room
from data_quality.report import PAGE
from pipelines.alerts import watching
from pipelines.errors import InputError
from pipelines.warehouse import connect, writer

release_app = typer.Typer(
    help="Look at candidates the gate refused, and let one out on a person's word.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The candidate's release id; `segments release list` has it.")]


@release_app.command("list")
@guarded
def list_candidates(
    config: Config = None, output: Annotated[Format, typer.Option("--format", "-f")] = Format.table
) -> None:
    """The candidates that are kept, the newest first: what the gate decided and whether a person let one out."""
    places, _ = released_of(config)
    names = ["candidate", "quarter", "judged (UTC)", "decision", "state", "failed"]
    rows = [
        (
            one.candidate.release,
            one.candidate.quarter,
            f"{one.judged_at:%Y-%m-%d %H:%M}" if one.judged_at else None,
            one.verdict.decision if one.verdict else None,
            one.state,
            ", ".join(result.name for result in one.refusing),
        )
        for one in room.kept(places)
    ]
    print_rows(names, rows, output)


@release_app.command("show")
@guarded
def show(release: Id, config: Config = None) -> None:
    """What the gate said of a candidate, where it lies, how to look into it, and whether it can be approved."""
    places, _ = released_of(config)
    one = room.find(places, release)
    grid = Table.grid(padding=(0, 2))
    facts = {
        "candidate": f"{one.candidate.release}, {one.state}",
        "quarter": one.candidate.quarter,
        "policy": f"{one.candidate.policy}@{one.candidate.version}",
        "known at": f"{one.candidate.known_at} UTC",
        "judged": f"{one.judged_at:%Y-%m-%d %H:%M} UTC" if one.judged_at else "not yet",
        "files": str(one.candidate.folder),
    }
    for name, value in facts.items():
        grid.add_row(name, value)
    out.print(grid)
    if one.approval is not None:
        out.print(f"approved by {one.approval.by} at {one.approval.at}: {one.approval.why}", markup=False)
        out.print(f"  overruled: {', '.join(one.approval.overruled)}", markup=False)
    for sentence in one.verdict.sentences() if one.verdict else ():
        out.print(f"  {sentence}", markup=False, soft_wrap=True)
    out.print(f'look into it: segments release query {release} "from partner_segments limit 5"', markup=False)
    if one.is_out:
        return
    if trouble := room.obstacle(places, one):
        out.print(f"it cannot be approved: {trouble}", markup=False, soft_wrap=True)
    else:
        out.print(f"approve it: segments release approve {release} --by NAME --why TEXT", markup=False)


@release_app.command("query")
@guarded
def query(
    release: Id,
    sql: Annotated[str, typer.Argument(help="A statement on the candidate's tables, in DuckDB's SQL.")],
    config: Config = None,
    output: Annotated[Format, typer.Option("--format", "-f", help="How to print.")] = Format.table,
) -> None:
    """Ask a candidate anything, read-only. Its tables have the names and columns of the released ones."""
    places, _ = released_of(config)
    with connect(room.path_of(room.find(places, release)), read_only=True) as con:
        con.execute("set enable_external_access = false")
        try:
            result = con.execute(sql)
            names = [column[0] for column in result.description or []]
            rows = result.fetchall()
        except duckdb.Error as problem:
            known = [row[0] for row in con.execute("select table_name from duckdb_tables() order by 1").fetchall()]
            raise InputError(f"query: {problem}", next_step=f"tables: {', '.join(known)}") from None
    print_rows(names, rows, output)


@release_app.command("approve")
@guarded
def approve(
    release: Id,
    by: Annotated[str, typer.Option("--by", help="Who answers for it: a name or a role, no address. Is released.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever asks later. Is released.")],
    config: Config = None,
    out_of_order: Annotated[
        bool,
        typer.Option(
            "--out-of-order", help="Although a newer release, or another than it was judged beside, is current."
        ),
    ] = False,
) -> None:
    """Release a candidate that the gate refused. The refusal stays on record, beside it who overruled it and why."""
    places, settings = released_of(config)
    with writer(places):
        # What is turned down here is between the person and the terminal: nothing ran, so no alert says that it failed.
        room.check(places, release, by=by, why=why, out_of_order=out_of_order)
        with watching(settings, quarter=release.rsplit("-", 1)[0]):
            done = room.approve(places, release, by=by, why=why, out_of_order=out_of_order)
    if not done.is_new:
        out.print(f"{done.release} is the current release on a person's word already; nothing was changed")
        return
    out.print(f"{done.release} is released, approved by {' '.join(by.split())}")
    before = f"segments rollback takes it back to {done.previous}" if done.previous else "it is the first release"
    err.print(f"{before}; the verdict lies beside it: {done.folder / PAGE}", markup=False, soft_wrap=True)

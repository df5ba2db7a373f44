"""`segments policy check`: what is wrong with a policy, all of it, and what it does that nobody may have meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.common import err, guarded, out
from pipelines.errors import PolicyError

if TYPE_CHECKING:  # the room is imported when the command runs: the others need not wait for it
    from pipelines.policy_review import Examined, Finding

_CORRECT = "correct the policy; nothing was read from sources or written"


@guarded
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Policy files, or folders of them.", exists=True, metavar="FILE...")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 2 where there are warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Say what is wrong with policies, and warn of what they do that somebody may not have meant.

    A warning shows two partners and what each of them gets. Nothing of a deployment is read or changed.
    """
    from pipelines.policy_review import KINDS, examine

    def tell(file: str) -> None:
        if not as_json:
            err.print(f"reviewing {file}", style="dim", markup=False, soft_wrap=True)

    examined = list(examine(files, on_file=tell))
    refused = [each for each in examined if each.refusals]
    warnings = sum(len(each.warnings) for each in examined)
    code = PolicyError.exit_code if refused or (strict and warnings) else 0
    if as_json:
        print(json.dumps({"files": [each.as_json() for each in examined], "exit_code": code}, indent=2))
        raise typer.Exit(code)
    for each in examined:
        if each.policy is not None:
            _print(each, KINDS)
    if refused:
        raise PolicyError("\n".join(_refusal(each) for each in refused), next_step=_CORRECT)
    if code:
        raise PolicyError(f"{_counted(warnings, 'warning')}, and --strict was asked for", next_step="mend or drop it")


def _print(examined: Examined, kinds: dict[str, str]) -> None:
    assert examined.policy is not None
    said = _counted(len(examined.warnings), "warning") if examined.warnings else "no warnings"
    out.print(f"{examined.file}: {examined.policy.key} is in order, {said}", markup=False, soft_wrap=True)
    for number, (finding, line) in enumerate(examined.warnings, start=1):
        _print_finding(f"{number}. {kinds[finding.kind]}", finding, line)
    for finding, line in examined.notes:
        _print_finding(f"note: {kinds[finding.kind]}", finding, line)


def _print_finding(title: str, finding: Finding, line: int | None) -> None:
    place = f"line {line}, {finding.place}" if line else finding.place
    out.print()
    out.print(Text.assemble((title, "bold"), f"  {place}"), soft_wrap=True)
    out.print(f"   {finding.sentence}", markup=False, soft_wrap=True)
    if finding.partners:
        grid = Table("", *"AB"[: len(finding.partners)], box=None, pad_edge=False, header_style="bold")
        for row in finding.table():
            grid.add_row(*(Text(cell) for cell in row))
        out.print(Padding(grid, (0, 0, 0, 5), expand=False))
    if finding.assumed:
        out.print(f"   assumed: {finding.assumed}", markup=False, soft_wrap=True)
    if finding.fix:
        out.print(f"   fix: {finding.fix}", markup=False, soft_wrap=True)


def _refusal(examined: Examined) -> str:
    if len(examined.refusals) == 1:
        return f"{examined.file}: {examined.refusals[0]}"
    listed = "\n".join(f"  {refusal}" for refusal in examined.refusals)
    return f"{examined.file}: {_counted(len(examined.refusals), 'problem')}\n{listed}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

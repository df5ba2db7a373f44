"""`segments policy ...`: what partner operations does with a programme before it decides anything."""

from __future__ import annotations

import typer

from cli.policy_check import check
from cli.policy_conform import conform
from cli.policy_document import document
from cli.policy_simulate import simulate

app = typer.Typer(
    help="Check, try out, explain and document a partner programme before it decides anything.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("check")(check)
app.command("simulate")(simulate)
app.command("document")(document)
app.command("conform")(conform)

"""`segments policy ...`: what partner operations does with a programme before it decides anything."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Check, try out, explain and document a partner programme before it decides anything.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

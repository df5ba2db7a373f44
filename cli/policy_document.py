"""`segments policy document`: the methodology page of a policy, for ourselves or for partners."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.common import Config, guarded, out, settings_of
from pipelines.errors import ConfigError
from pipelines.policy import Policy, in_force, read_policies, read_policy
from pipelines.policy_document import policy_page
from pipelines.shape import metric_names


class Edition(StrEnum):
    """Whom the page is for."""

    internal = "internal"
    partner = "partner"


@guarded
def document(
    policy: Annotated[
        str, typer.Argument(metavar="FILE|NAME", help="A policy file, or a policy of the deployment (NAME@VERSION).")
    ],
    edition: Annotated[
        Edition, typer.Option("--edition", help="partner leaves out internal ladders and all that names them.")
    ] = Edition.internal,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write it there, not to the screen.")] = None,
    config: Config = None,
) -> None:
    """Write the methodology page of a policy, in Markdown, from the policy itself."""
    page = policy_page(_found(policy, config).document, edition.value)
    if to is None:
        print(page, end="")
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{to}: cannot be written ({problem.strerror or problem})") from None
    out.print(f"{to} written", markup=False, soft_wrap=True)


def _found(name: str, config: Path | None) -> Policy:
    """The policy of a file, else the one of that name in force at the deployment's quarter, else that very version."""
    file = Path(name)
    if file.is_file() or file.suffix.lower() in (".yml", ".yaml"):
        return read_policy(file, metric_names())
    settings = settings_of(config)
    policies = read_policies(settings.folder("policies"), metric_names())
    return in_force(policies, name, settings.quarter().last_day)

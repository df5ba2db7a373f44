"""`segments explain`: why a partner holds its levels, and what a rise would take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from cli.common import Config, err, guarded, out, released_of
from pipelines import release as releases_room
from pipelines.errors import PolicyError
from pipelines.explanation import explain as explained
from pipelines.policy import read_policies
from pipelines.policy.model import PolicyDocument
from pipelines.settings import Settings
from pipelines.shape import metric_names
from pipelines.warehouse import Places
from review.explanation import print_explanation


class Audience(StrEnum):
    """Whom an explanation or a document is for."""

    internal = "internal"
    partner = "partner"


@guarded
def explain(
    partner: Annotated[str, typer.Argument(help="A partner's number, id, name or a part of it.")],
    config: Config = None,
    quarter: Annotated[
        str | None, typer.Option("--quarter", "-q", help="Fiscal quarter, e.g. 2026Q2; default: the release's.")
    ] = None,
    ladder: Annotated[str | None, typer.Option("--ladder", "-l", help="This ladder alone.")] = None,
    audience: Annotated[
        Audience, typer.Option("--audience", help="partner leaves out internal ladders and all that names them.")
    ] = Audience.internal,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with everything on standard output.")
    ] = False,
) -> None:
    """Why a partner holds its levels: values, points, total, what was earned, what is held, and what a rise would take.

    Every number is one of the released tables.
    """
    places, settings = released_of(config)
    documents = _documents(places, settings)
    with releases_room.reader(places) as con:
        told = explained(con, partner, documents=documents, quarter=quarter, ladder=ladder, audience=audience.value)
    if as_json:
        print(json.dumps(told.as_dict(), ensure_ascii=False, indent=2))
    else:
        print_explanation(told, out)


def _documents(places: Places, settings: Settings) -> Mapping[str, PolicyDocument]:
    """The policy documents by `name@version`, without the one that was changed after it made the release."""
    try:
        policies = read_policies(settings.folder("policies"), metric_names())
    except PolicyError as problem:
        err.print(f"told without the policy's own words: {problem.message}", style="dim", markup=False, soft_wrap=True)
        return {}
    manifest = releases_room.current(places) or {}
    active = f"{manifest.get('policy')}@{manifest.get('version')}"
    made: dict[str, PolicyDocument] = {}
    for policy in policies:
        if policy.key == active and policy.content_hash != manifest.get("policy_hash"):
            err.print(
                f"{policy.file} was changed after this release; told without the policy's own words",
                style="dim", markup=False, soft_wrap=True,
            )  # fmt: skip
            continue
        made[policy.key] = policy.document
    return made

"""`segments demo vendors`: the sample company behind its vendors' APIs on this machine, to try connectors by hand."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cli.common import guarded, out
from pipelines.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent

demo_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The sample company, for trying things by hand."
)


@demo_app.callback()
def demo() -> None:
    """The sample company, for trying things by hand."""


@demo_app.command()
@guarded
def vendors(
    names: Annotated[list[str] | None, typer.Argument(help="salesforce, hubspot; default: both.")] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder for the deployment files; made if missing.")] = Path(
        "data/vendors"
    ),
    partners: Annotated[int, typer.Option("--partners", min=10, help="Partners of the company.")] = 120,
    port: Annotated[int, typer.Option("--port", help="First port; each vendor takes the next one.")] = 8931,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="End after so long; default: with Ctrl-C.")
    ] = None,
) -> None:
    """Serve the sample company's CRM as its vendors would: real HTTP on 127.0.0.1, paging, tokens, limits.

    Writes a deployment file and the secrets for each into a folder, and says what to run in a second terminal. Nothing
    of it reaches the real vendors, and the keys open nothing else.
    """
    from demo.vendors.company import COMPANIES
    from demo.vendors.trial import running

    chosen = names or list(COMPANIES)
    unknown = [name for name in chosen if name not in COMPANIES]
    if unknown:
        raise ConfigError(f"demo vendors: {unknown[0]!r}: unknown; expected {' or '.join(COMPANIES)}")
    to.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for place, name in enumerate(chosen):
            out.print(f"filling {name} with {partners} partners ...", style="dim")
            try:
                served = stack.enter_context(running(COMPANIES[name](partners=partners), port=port + place))
            except OSError as problem:
                raise ConfigError(
                    f"port {port + place} cannot be used ({problem.strerror})", next_step="`--port` names another"
                ) from None
            file = to / f"{name}.yml"
            file.write_text(_deployment(name, served.options, partners, to), encoding="utf-8")
            secrets = to / f"{name}.env"
            secrets.write_text(
                "".join(f"export SEGMENTS_CRM_{key.upper()}='{value}'\n" for key, value in served.secrets.items()),
                encoding="utf-8",
            )
            out.print(f"{name} answers at {served.url}; in a second terminal:")
            out.print(f"  . {secrets}")
            out.print(f"  segments sources probe crm --config {file}")
            out.print(f"  segments run --config {file}")
        out.print("Ctrl-C ends it" if seconds is None else f"ends after {seconds:g} s")
        try:
            time.sleep(seconds if seconds is not None else 10**9)
        except KeyboardInterrupt:
            out.print("ended")


def _deployment(name: str, options: dict[str, Any], partners: int, to: Path) -> str:
    """A deployment over the vendor that is served: the sample's own, with its CRM over the API.

    Raises:
        ConfigError: the sample's deployment file is not there.
    """
    # The portal and the mapping platform of the whole sample name accounts by the ids of one CRM.
    sample = ROOT / ("segments.yml" if name == "salesforce" else "examples/salesforce-export/segments.yml")
    if not sample.is_file():
        raise ConfigError(
            "demo vendors: the sample company's deployment file is not there",
            next_step="run it in a checkout of the repository",
        )
    told: dict[str, Any] = yaml.safe_load(sample.read_text(encoding="utf-8"))
    told["deployment"] = f"sample_{name}"
    told.pop("first_release", None)  # an API says how things are, not how they were
    others = {source: one for source, one in told["sources"].items() if one["options"].get("kind", "crm") != "crm"}
    told["sources"] = {"crm": {"connector": name, "options": options}, **others}
    if others:
        told["sample"]["partners"] = partners
    else:
        told.pop("sample")
    state = to.resolve() / f"{name}-data"
    told["paths"] = {"inputs": str(state / "inputs"), "state": str(state), "policies": str(ROOT / "policies")}
    head = f"# The sample company with its CRM in {name}, as `segments demo vendors` serves it.\n"
    return head + yaml.safe_dump(told, sort_keys=False, allow_unicode=True)

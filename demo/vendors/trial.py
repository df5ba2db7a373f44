"""A fake that holds a few records, ready to be tried: what `segments sources test NAME` and the tests of the kit start.

A vendor's module offers one as `trial()`, or stands in `company.COMPANIES`: a fresh fake each time, with the options
and secrets that lead a connector to it and the moment at which its records are looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp

from demo.vendors.serving import serve

# Of the sample company as much as shows every table.
_FEW_PARTNERS, _FEW_QUARTERS = 12, 4


@dataclass(frozen=True)
class Trial:
    """One fake with its records.

    Attributes:
        fake: the stateful object behind the app, for tests that change it.
        app: what answers.
        options: the options of a source that reads it, by the address it is served at.
        secrets: what goes into `SEGMENTS_<SOURCE>_<FIELD>`, by field.
        now: when it is read; its records were stamped before.
    """

    fake: Any
    app: ASGIApp
    options: Callable[[str], dict[str, Any]]
    now: datetime
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Running:
    """A trial that answers at `url`."""

    fake: Any
    url: str
    options: dict[str, Any]
    now: datetime
    secrets: dict[str, str] = field(repr=False)


def trial_of(name: str) -> Trial | None:
    """The trial of the vendor `name`; None where it has no fake, or a fake that offers none."""
    if importlib.util.find_spec(f"demo.vendors.{name}") is None:
        return None
    offered = getattr(importlib.import_module(f"demo.vendors.{name}"), "trial", None)
    if callable(offered):
        trial: Trial = offered()
        return trial
    from demo.vendors.company import COMPANIES  # its trials are made of what stands here

    return COMPANIES[name](partners=_FEW_PARTNERS, quarters=_FEW_QUARTERS) if name in COMPANIES else None


@contextmanager
def running(trial: Trial, *, port: int = 0) -> Iterator[Running]:
    """Serve a trial until the block ends.

    Raises:
        RuntimeError: the fake itself broke while it answered.
    """
    with serve(trial.app, port=port) as served:
        yield Running(trial.fake, served.url, trial.options(served.url), trial.now, trial.secrets)

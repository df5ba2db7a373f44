"""What a connector is: the shape that every file in `connectors/` fills in, and how one is found by its name.

How its pages reach the lake is `extract.py`; what its columns mean is its staging folder in `dbt_project/`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from pipelines.errors import ConfigError
from pipelines.settings import Settings, Source, explain_validation

if TYPE_CHECKING:
    from pipelines.pull import Client


@dataclass(frozen=True)
class Table:
    """One raw table of a connector: its columns (all text) and how loads of it relate.

    `snapshot`: every load holds all rows, so the newest load is the table. `increment`: loads add up, newest row wins.
    """

    name: str
    columns: tuple[str, ...]
    required: tuple[str, ...] = ()
    mode: Literal["snapshot", "increment"] = "snapshot"
    may_be_empty: bool = False


@dataclass(frozen=True)
class Reading:
    """One table as a source offers it now. Opened lazily and possibly twice (to fingerprint, then to land)."""

    table: Table
    origin: str
    version: str
    batches: Callable[[RejectedLines], Iterator[pa.Table]]
    known_at: datetime | None = None
    drop: str | None = None
    """Which of several drops over time it belongs to. Such readings come oldest first, all with their `known_at`, and
    may be older than what the lake holds; None: the source shows one moment only."""
    when_empty: str = "export the object again; an object that may be empty is declared so in its connector"
    """What a person does about a table without rows that should have some."""
    is_live: bool = False
    """Read over an API just now: that it brought nothing new is news, too."""
    cursor: datetime | None = None
    """Up to which modification stamp a live table is known with this reading."""
    is_reconciled: bool = False
    """Whether ids that the vendor no longer lists were looked for."""
    selected: tuple[str, ...] = ()
    """The columns that a live table was asked for; a new one asks for a full pass."""


@dataclass
class RejectedLines:
    """Lines of a file that are no rows: kept with their reason, landed beside the table."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, *, origin: str, row: int | None, text: str, reason: str) -> None:
        """Keep one line; very long ones are cut so that a swallowed file does not fill the lake."""
        self.lines.append({"origin": origin, "row": row, "text": text[:4000], "reason": reason})


@dataclass(frozen=True)
class Instance:
    """One configured source: its name, its connector, its validated options and where file inputs are rooted."""

    name: str
    connector: Connector
    options: Any
    inputs: Path

    @property
    def kind(self) -> Literal["crm", "account_mapping", "prm"]:
        """What kind of system it is: the connector's, or what its option `kind` says where the connector reads any."""
        kind: Literal["crm", "account_mapping", "prm"] = (
            self.options.kind if self.connector.kind == "any" else self.connector.kind
        )
        return kind

    @property
    def is_live(self) -> bool:
        """Whether it is read over the vendor's API, rather than from files."""
        if self.connector.connect is None:
            return False
        return self.connector.reads_live is None or self.connector.reads_live(self.options)


class Reader(Protocol):
    """Offers the tables of one instance."""

    def __call__(self, instance: Instance) -> Iterator[Reading]:
        """One `Reading` per table the source has, and per drop where it has several."""
        ...


def nothing(instance: Instance) -> Iterator[Reading]:
    """The reader of a connector that has an API alone."""
    return iter(())


@dataclass(frozen=True)
class Connector:
    """A vendor: tables, the conformed entities its staging models feed, its options and its reader.

    `offers_by_load`: a source knows an entity only where it ever brought a table of it; else all entities are offered.
    """

    name: str
    kind: Literal["crm", "account_mapping", "prm", "any"]
    tables: tuple[Table, ...]
    entities: dict[str, str]
    options: type[BaseModel]
    read: Reader = nothing
    account_types: Callable[[Any], list[str]] = lambda options: []
    default_currency: Callable[[Any], str | None] = lambda options: None
    offers_by_load: bool = False
    entities_for: Callable[[Instance], Collection[str]] | None = None
    """What an instance may offer; None: all of `entities`."""
    entity_tables: dict[str, str] = field(default_factory=dict)
    """The raw table that makes an entity known; default: its name. With `offers_by_load` it must have been loaded, and
    while it does not come, what rests on the entity is in doubt."""
    connect: Callable[[Instance], Client] | None = None
    """Opens the vendor's API for a live instance; this is where its secrets are read."""
    reads_live: Callable[[Any], bool] | None = None
    """Whether an instance with these options reads the API; None: every one does if there is `connect`."""
    settings_rows: Callable[[Any], list[tuple[str, str, str | None]]] = lambda options: []
    """Options that staging has to know: name, key, value."""


def available() -> list[str]:
    """Names of the connectors that exist."""
    import pipelines.connectors as package

    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def find(name: str) -> Connector:
    """The connector called `name`.

    Raises:
        ConfigError: there is none; the message lists those that exist.
    """
    names = available()
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"connector {name!r}: unknown; {hint}expected one of: {', '.join(names)}")
    connector: Connector = importlib.import_module(f"pipelines.connectors.{name}").connector
    return connector


def instances(settings: Settings) -> list[Instance]:
    """The configured sources with their options validated, in the order of the file.

    Raises:
        ConfigError: an unknown connector or option, or one source given twice; names file and key path.
    """
    found: list[Instance] = []
    for name, source in settings.sources.items():
        try:
            connector = find(source.connector)
        except ConfigError as problem:
            raise ConfigError(f"{settings.file}: sources.{name}.connector: {problem.message}") from None
        one = Instance(name, connector, _options(settings, name, source, connector), settings.folder("inputs"))
        for other in found:
            if (other.connector.name, other.options) == (one.connector.name, one.options):
                raise ConfigError(
                    f"{settings.file}: sources.{name}: has the connector and options of sources.{other.name}, so "
                    "everything in it would count twice; nothing was run"
                )
        found.append(one)
    return found


def _options(settings: Settings, name: str, source: Source, connector: Connector) -> Any:
    try:
        return connector.options(**source.options)
    except ValidationError as problem:
        place = Path(f"{settings.file}: sources.{name}.options")
        raise ConfigError(explain_validation(place, problem, connector.options)) from None


def snake(name: str) -> str:
    """A vendor's field name as a raw column: `BillingCountry` -> `billing_country`, `Region__c` -> `region__c`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[^0-9a-zA-Z_]+", "_", spaced).lower()

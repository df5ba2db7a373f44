"""Asks a source what it is and what it may read, before anything is loaded: the tables, and what follows from them.

Of an API that is one cheap call or a few (`Client.probe`, then what `streams` and `missing` say); of files it is which
file was taken for which table. Rows are counted by nobody here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pipelines.connector import Connector, Instance, Reading, RejectedLines, nothing, snake
from pipelines.errors import InputError
from pipelines.lake import REJECTED_TABLE
from pipelines.pull import Missing, ProbedTable, Stream

READABLE, PARTLY, UNREAD, UNREADABLE = "readable", "partly", "not read", "not readable"
_WORST_FIRST = (UNREADABLE, UNREAD, PARTLY, READABLE)


@dataclass(frozen=True)
class TableReport:
    """One table as the source offers it now: readable, partly (without some columns), not read or not readable; why."""

    name: str
    state: str
    detail: str = ""
    columns_missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class EntityReport:
    """One conformed entity, and whether this source can know it."""

    name: str
    is_known: bool
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What a probe found out. Holds no secret: everything in it went through `masked`."""

    source: str
    connector: str
    kind: str
    is_live: bool
    identity: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    tables: list[TableReport] = field(default_factory=list)
    entities: list[EntityReport] = field(default_factory=list)


def probe(instance: Instance) -> Report:
    """Ask one source.

    Raises:
        SourceError: the vendor cannot be reached, turns us down or answers something else.
        InputError: the folder of a file source is missing or holds what is no file of an entity.
        ConfigError: a secret is not set, or an option contradicts what lies there.
    """
    return _of_api(instance) if instance.is_live else _of_files(instance)


def unreadable(sources: Iterable[Instance]) -> list[InputError]:
    """What a run would refuse of file sources before it lands anything: a folder, a file, a header; one for a source.

    Of each table the newest file is opened and its first rows are read; whether the rest is sound, a run finds out.
    """
    found: list[InputError] = []
    for instance in sources:
        if instance.is_live:
            continue
        try:
            newest = {reading.table.name: reading for reading in instance.connector.read(instance)}
            for reading in newest.values():
                next(iter(reading.batches(RejectedLines())), None)
        except InputError as problem:
            found.append(problem)
    return found


def reads(connector: Connector) -> str:
    """What a connector reads: `files`, `API`, or `files or API` as its options say."""
    has_files = connector.read is not nothing
    if connector.connect is None:
        return "files"
    return "files or API" if has_files else "API"


def masked(instance: Instance, text: str) -> str:
    """`text` without the value of any secret of the source, whatever a vendor or a connector put into it."""
    prefix = f"SEGMENTS_{instance.name}_".upper()
    for variable, value in os.environ.items():
        if variable.startswith(prefix) and len(value) >= 4:
            text = text.replace(value, "***")
    return text


# -- over an API -------------------------------------------------------------------------------------------------------


def _of_api(instance: Instance) -> Report:
    assert instance.connector.connect is not None, "a live instance has a client"
    client = instance.connector.connect(instance)
    try:
        told = client.probe()
        streams = client.streams()
        missing = client.missing()
    finally:
        client.close()
    tables = _tables(instance.connector, streams, missing, told.tables)
    clean = [TableReport(one.name, one.state, masked(instance, one.detail), one.columns_missing) for one in tables]
    return Report(
        source=instance.name,
        connector=instance.connector.name,
        kind=instance.kind,
        is_live=True,
        identity=masked(instance, told.identity),
        facts=[(name, masked(instance, value)) for name, value in told.facts],
        tables=clean,
        entities=_entities(instance, {one.name: one for one in clean}),
    )


def _tables(
    connector: Connector, streams: list[Stream], missing: list[Missing], probed: list[ProbedTable]
) -> list[TableReport]:
    """The declared tables as streams, missing pieces and the probe together say; then what only the probe named."""
    found: list[TableReport] = []
    by_table = {stream.table.name: stream for stream in streams}
    used: set[str] = set()
    for table in connector.tables:
        stream = by_table.get(table.name)
        whole = [one.why for one in missing if one.table == table.name and one.column is None]
        columns = {one.column: one.why for one in missing if one.table == table.name and one.column is not None}
        names = {table.name, stream.name if stream else table.name}
        said = next((one for one in probed if one.name in names or snake(one.name) == table.name), None)
        if said is not None:
            used.add(said.name)
        if whole:
            state, detail = UNREADABLE, whole[0]
        elif stream is None:
            state, detail = UNREAD, "these options, or this account, do not call for it"
        elif columns:
            whys = ", ".join(sorted(set(columns.values())))
            state, detail = PARTLY, f"without {', '.join(sorted(columns))} ({whys})"
        else:
            state, detail = READABLE, ""
        if said is not None:
            detail = detail or said.detail
            state = _worse(state, said.state)
        found.append(TableReport(table.name, state, detail, tuple(sorted(columns))))
    return found + [TableReport(one.name, one.state, one.detail) for one in probed if one.name not in used]


def _worse(one: str, other: str) -> str:
    return min((one, other), key=lambda state: _WORST_FIRST.index(state) if state in _WORST_FIRST else 0)


# -- over files --------------------------------------------------------------------------------------------------------


def _of_files(instance: Instance) -> Report:
    readings: dict[str, list[Reading]] = {}
    for reading in instance.connector.read(instance):
        readings.setdefault(reading.table.name, []).append(reading)
    tables = []
    for table in instance.connector.tables:
        offered = readings.get(table.name)
        if offered:
            tables.append(TableReport(table.name, READABLE, _files_in_words(offered)))
    folder = getattr(instance.options, "folder", None)
    return Report(
        source=instance.name,
        connector=instance.connector.name,
        kind=instance.kind,
        is_live=False,
        identity=f"files in {(instance.inputs / folder).resolve()}" if folder is not None else "files",
        facts=[("rows", "unknown until they are loaded")],
        tables=tables,
        entities=_entities(instance, {one.name: one for one in tables}),
    )


def _files_in_words(readings: list[Reading]) -> str:
    last = readings[-1]
    moment = f", exported {last.known_at:%Y-%m-%d %H:%M} UTC" if last.known_at else ""
    more = f", and {len(readings) - 1} earlier" if len(readings) > 1 else ""
    return f"{last.origin}{moment}{more}"


# -- what follows ------------------------------------------------------------------------------------------------------


def _entities(instance: Instance, tables: dict[str, TableReport]) -> list[EntityReport]:
    """Every entity that the instance may offer, known where its table can be read.

    A connector that offers all its entities whatever it reads (`offers_by_load` is off) knows them all.
    """
    connector = instance.connector
    offered: Iterable[str] = connector.entities
    if connector.entities_for is not None:
        offered = connector.entities_for(instance)
    found = []
    for entity in offered:
        if entity == REJECTED_TABLE:
            continue
        table = connector.entity_tables.get(entity, entity)
        there = tables.get(table)
        if there is not None and there.state == PARTLY:
            found.append(EntityReport(entity, True, f"{table}: {there.detail}"))
        elif there is not None and there.state == READABLE:
            found.append(EntityReport(entity, True, f"from {table}"))
        elif not connector.offers_by_load and table not in {one.name for one in connector.tables}:
            found.append(EntityReport(entity, True))
        elif there is not None:
            found.append(EntityReport(entity, False, f"{table}: {there.detail or there.state}"))
        else:
            found.append(EntityReport(entity, False, f"no {'table' if instance.is_live else 'file'} of {table}"))
    return found


def as_json(report: Report) -> dict[str, Any]:
    """The report as an object of JSON."""
    return {
        "source": report.source,
        "connector": report.connector,
        "kind": report.kind,
        "reads": "API" if report.is_live else "files",
        "identity": report.identity,
        "facts": dict(report.facts),
        "tables": [
            {"table": x.name, "state": x.state, "detail": x.detail, "columns_missing": list(x.columns_missing)}
            for x in report.tables
        ],
        "entities": [{"entity": x.name, "is_known": x.is_known, "detail": x.detail} for x in report.entities],
    }

"""Reads a source over its API into a spool, and offers what is new as readings for `extract.py` to land.

A vendor's pages come once, slowly, and may stop half-way; a load is whole or not at all. Between the two stands the
spool: Parquet files of text, one or more per finished window, beside a plan that says which windows are done. A run
that is stopped (killed, out of quota, the vendor gone) leaves them, and the next run goes on from there. Only when
every table of the source is read to its end is anything offered; then ids that came twice are settled, rows that the
lake already holds are left out, and ids that are gone become tombstones.

What a stream reads is the connector's; how a request is made is `http.py`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipelines.clock import now
from pipelines.connector import Instance, Reading, RejectedLines, Table, snake
from pipelines.errors import InputError
from pipelines.events import emit
from pipelines.lake import FILE_COLUMN, ROW_COLUMN, Load, Reads, chosen, files_of
from pipelines.warehouse import Places, literal, memory, quoted

Page: TypeAlias = "list[dict[str, Any]] | pa.Table"

# Raise when pages are put down as other values than before: a spool of an older kind is read again.
_SPOOLING = 1
# A spool that is older is started afresh: what a vendor said a week ago is no half of what it says now.
_SPOOL_LIVES = timedelta(days=3)
# Rows per page of what is landed, and per row group of the spool.
_ROWS = 50_000
# What one session keeps in memory while it settles a table, however many rows that has.
_MEMORY = "256MB"
# Types of values that are text already, and of those that JSON writes without a comma.
_TEXT = {str, type(None)}
_PLAIN = {int, float, bool, type(None)}
# Tombstones are numbered from here on, behind every row that was read.
_GONE = 1_000_000_000_000


@dataclass(frozen=True)
class Window:
    """A stretch of modification stamps, `since` included and `until` not; None leaves that side open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Stream:
    """How one raw table is read.

    `cursor` names the raw column of the modification stamp: with it only what changed is read after the first pass;
    without it the table is read whole every time. `ids` lists everything that exists now, so that what the vendor
    removed without a word is noticed.
    """

    table: Table
    read: Callable[[Window], Iterator[Page]]
    key: tuple[str, ...] = ("id",)
    cursor: str | None = None
    lookback: timedelta = timedelta(minutes=10)
    settle: timedelta = timedelta(0)
    slices: Callable[[datetime | None, datetime], list[Window]] | None = None
    ids: Callable[[], Iterator[list[str]]] | None = None
    reconcile_every: timedelta = timedelta(days=7)
    start: datetime | None = None
    origin: str = ""
    selected: tuple[str, ...] = ()
    """The raw columns that are asked for; when one is new the table is read whole again. Empty: whatever comes."""

    @property
    def name(self) -> str:
        """What the vendor calls it, for messages."""
        return self.origin or self.table.name


@dataclass(frozen=True)
class Missing:
    """Something that the vendor does not let us read: a table, or a column of one."""

    table: str
    column: str | None
    why: str


@dataclass(frozen=True)
class ProbedTable:
    """What a probe found out about one table; `state` is readable, partly or not readable."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Probe:
    """Who we are to the vendor and what we may read."""

    identity: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    tables: list[ProbedTable] = field(default_factory=list)


class Client(Protocol):
    """A connector's session with its vendor."""

    def streams(self) -> list[Stream]:
        """One per raw table that can be read; asks the vendor what there is."""
        ...

    def missing(self) -> list[Missing]:
        """What `streams` found that cannot be read."""
        ...

    def probe(self) -> Probe:
        """Who we are and what we may read, in as few calls as it takes."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


def evenly(since: datetime, until: datetime, step: timedelta) -> list[Window]:
    """`[since, until)` in windows of `step`, oldest first; the last may be shorter. Empty when nothing lies between."""
    found, start = [], since
    while start < until:
        end = min(start + step, until)
        found.append(Window(start, end))
        start = end
    return found


def text_table(rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> pa.Table:
    """Rows of JSON values as an Arrow table of text: `columns` first, then whatever else the rows have.

    Numbers and truth values stand as JSON writes them, objects and lists as compact JSON; null and absent are null.
    """
    names = dict.fromkeys(columns)
    for row in rows:
        if not row.keys() <= names.keys():
            names.update(dict.fromkeys(row))
    return pa.table(
        {name: pa.array(_texts(_column(rows, name)), pa.string()) for name in names},
        schema=pa.schema([(name, pa.string()) for name in names]),
    )


def _column(rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:
        return [row.get(name) for row in rows]


def _texts(values: list[Any]) -> list[str | None]:
    """One column as text. What is text stays as it is; numbers and truth values are spelled all at once."""
    kinds = set(map(type, values))
    if kinds <= _TEXT:
        return values
    if kinds <= _PLAIN:
        try:
            spelled = orjson.dumps(values)[1:-1].decode().split(",")
        except TypeError:  # a number that is too long for it
            return [_text(value) for value in values]
        return [None if word == "null" else word for word in spelled]
    return [_text(value) for value in values]


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value)
    return orjson.dumps(value).decode()


# -- the spool ---------------------------------------------------------------------------------------------------------


@dataclass
class _Spool:
    """The folder of one source's unfinished reading, and the plan that says how far it is."""

    folder: Path
    plan: dict[str, Any]
    moment: datetime
    """When this run came to it: when the reading began, or later when it goes on with one."""

    @classmethod
    def of(cls, places: Places, instance: Instance) -> _Spool:
        """Go on with what an earlier run left when it was the same question, else start afresh."""
        folder = places.spool / instance.name
        question = sha256(f"{_SPOOLING} {instance.connector.name} {_asked(instance.options)}".encode()).hexdigest()
        path = folder / "plan.json"
        plan: dict[str, Any] | None = None
        if path.exists():
            try:
                plan = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                plan = None  # written by a run that died while it wrote: as good as none
        moment = now()
        if (
            plan is None
            or plan.get("question") != question
            or plan.get("is_complete")
            or not timedelta(0) <= moment - datetime.fromisoformat(plan["began"]) <= _SPOOL_LIVES
        ):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            plan = {"question": question, "began": moment.isoformat(), "tables": {}}
        elif any(table["done"] for table in plan["tables"].values()):
            done = sum(len(table["done"]) for table in plan["tables"].values())
            emit(
                "reading_resumed",
                f"{instance.name}: going on with the reading of {plan['began'][:16].replace('T', ' ')} UTC "
                f"({done} parts are there already)",
                source=instance.name,
                parts=done,
            )
        spool = cls(folder, plan, moment)
        spool.write()
        return spool

    @property
    def began(self) -> datetime:
        """When the reading began, of which this is the rest."""
        return datetime.fromisoformat(self.plan["began"])

    def write(self) -> None:
        """Put the plan down, whole."""
        path = self.folder / "plan.json"
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(self.plan, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _asked(options: Any) -> str:
    """What the options ask for. How patient we are is no part of it: who raises a limit wants to go on."""
    if isinstance(options, BaseModel):
        return options.model_dump_json(exclude={"http"})
    return repr(options)


def _landed_names(names: Sequence[str]) -> list[str]:
    """Columns as they will be called in the lake. dlt spells names its own way; one that it spelled differently would
    look like another column, and every row like a changed one."""
    found: list[str] = []
    for name in names:
        landed = _landed_name(name)
        while landed in found:
            landed += "_2"
        found.append(landed)
    return found


@cache
def _landed_name(name: str) -> str:
    plain = snake(name).rstrip("_")
    return plain if plain and not plain[0].isdigit() else f"_{plain or 'column'}"


class _Writer:
    """Writes the pages of one window as Parquet, rows numbered from `first` on; a new column begins another file."""

    def __init__(self, stem: Path, origin: str, first: int) -> None:
        self._stem = stem
        self._origin = origin
        self._first = first
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._held: list[pa.Table] = []
        self.files: list[str] = []
        self.rows = 0

    def add(self, page: Page, columns: Sequence[str]) -> None:
        table = page if isinstance(page, pa.Table) else text_table(page, columns)
        if table.num_rows == 0:
            return
        table = table.rename_columns(_landed_names(table.column_names))
        first = self._first + self.rows
        table = table.append_column(FILE_COLUMN, pa.repeat(self._origin, table.num_rows))
        table = table.append_column(ROW_COLUMN, pa.arange(first, first + table.num_rows))
        self.rows += table.num_rows
        self._held.append(table)
        if sum(held.num_rows for held in self._held) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._held:
            return
        # Pages may differ in what they leave out: what none of them has is null, and no reason for another file.
        table = pa.concat_tables(self._held, promote_options="default")
        self._held = []
        if self._schema is not None and set(table.column_names) <= set(self._schema.names):
            table = pa.concat_tables([self._schema.empty_table(), table], promote_options="default")
        if self._writer is None or self._schema != table.schema:
            self.close_file()
            path = self._stem.with_name(f"{self._stem.name}-{len(self.files):03d}.parquet")
            self._writer, self._schema = pq.ParquetWriter(path, table.schema, compression="lz4"), table.schema
            self.files.append(path.name)
        self._writer.write_table(table)

    def close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def close(self) -> None:
        self._flush()
        self.close_file()


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pulled:
    """One table, read to its end."""

    stream: Stream
    mode: str
    until: datetime
    known_at: datetime
    is_reconciled: bool
    files: list[Path]
    rows: int
    tombstones: Path | None


def pull(places: Places, instance: Instance, history: list[Load]) -> Iterator[Reading]:
    """Read every table of a live source and offer what is new. Nothing is offered before all of it is read.

    Args:
        places: where lake and spool are.
        instance: a source whose connector gives it a client.
        history: the completed loads of the source.

    Raises:
        SourceError: the vendor could not be read to the end; finished parts stay in the spool for the next run.
        InputError: the spool cannot be written.
    """
    assert instance.connector.connect is not None, "pull is for live sources"
    client = instance.connector.connect(instance)
    try:
        reads = Reads.of(places.lake, instance.name)
        spool = _Spool.of(places, instance)
        streams = client.streams()
        _tell_missing(instance, client.missing())
        pulled = []
        for position, stream in enumerate(streams, 1):
            pulled.append(_pull_table(places, instance, spool, stream, history, reads, (position, len(streams))))
        # From here on nothing of it is worth going on with: a load that is refused asks for a new reading.
        spool.plan["is_complete"] = True
        spool.write()
    except OSError as problem:
        raise InputError(
            f"source {instance.name}: spool {places.spool}: cannot be written ({problem.strerror or problem}); "
            "nothing was loaded",
            next_step="make room on that disk, then run again: finished parts are kept",
        ) from problem
    finally:
        client.close()
    # One moment for all tables, so that as of any moment all of them are seen, or none.
    known_at = max((one.known_at for one in pulled), default=spool.began)
    for one in pulled:
        yield _reading(places, instance, known_at, one, history)


@contextmanager
def _settling(places: Places, instance: Instance) -> Iterator[Any]:
    """A database session over the spool; where it fails the disk is full, or a file is not what was written.

    Raises:
        InputError: so it is. The spool is given up, for a damaged file would fail again.
    """
    try:
        with _session(places) as con:
            yield con
    except duckdb.Error as problem:
        forget_spool(places, instance)
        raise InputError(
            f"source {instance.name}: spool {places.spool}: cannot be settled ({str(problem).splitlines()[0]}); "
            "nothing was loaded",
            next_step="see that there is room on that disk, then run again: the source is read anew",
        ) from problem


def forget_spool(places: Places, instance: Instance) -> None:
    """Remove what was read: it is in the lake now."""
    shutil.rmtree(places.spool / instance.name, ignore_errors=True)


def _tell_missing(instance: Instance, missing: list[Missing]) -> None:
    columns: dict[str, list[str]] = {}
    for one in missing:
        if one.column is None:
            emit(
                "table_not_readable",
                f"{instance.name}.{one.table}: not read ({one.why}); what rests on it is unknown",
                level=logging.WARNING,
                source=instance.name,
                table=one.table,
            )
        else:
            columns.setdefault(one.table, []).append(one.column)
    for table, names in columns.items():
        emit(
            "columns_not_readable",
            f"{instance.name}.{table}: without {', '.join(sorted(names))}, which the vendor does not show us; "
            "they are unknown",
            source=instance.name,
            table=table,
            columns=sorted(names),
        )


def _pull_table(
    places: Places,
    instance: Instance,
    spool: _Spool,
    stream: Stream,
    history: list[Load],
    reads: Reads,
    place: tuple[int, int],
) -> _Pulled:
    name = stream.table.name
    entry = spool.plan["tables"].get(name)
    if entry is None or entry["selected"] != list(stream.selected):
        # Other columns than those of the parts that are there: half a column would count as a whole one.
        entry = _plan_table(stream, history, reads, spool.began)
        spool.plan["tables"][name] = entry
    _reach_on(entry, stream, spool.moment)
    spool.write()
    _read_windows(instance, spool, stream, entry, place)
    is_first_pass = entry["mode"] == "snapshot" and stream.cursor is not None
    if is_first_pass and now() - _reach(entry) > stream.settle + stream.lookback:
        # It took so long that what changed meanwhile had left its window before that was read.
        _reach_on(entry, stream, now())
        spool.write()
        _read_windows(instance, spool, stream, entry, place)
    until = datetime.fromisoformat(entry["until"])
    parts = [entry["done"][str(number)] for number in range(len(entry["windows"]))]
    files = [spool.folder / file for part in parts for file in part["files"]]
    rows = sum(part["rows"] for part in parts)
    tombstones = None
    if entry["reconcile"] and stream.ids is not None:
        tombstones = spool.folder / f"{name}-gone.parquet"
        _write_tombstones(places, instance, stream, history, files, tombstones)
    known_at = datetime.fromisoformat(entry["known_at"])
    return _Pulled(stream, entry["mode"], until, known_at, bool(tombstones), files, rows, tombstones)


def _read_windows(
    instance: Instance, spool: _Spool, stream: Stream, entry: dict[str, Any], place: tuple[int, int]
) -> None:
    """Read those windows of a table's plan that are not done; each is whole in the spool, or not there."""
    name, count = stream.table.name, len(entry["windows"])
    for number, (since, until) in enumerate(entry["windows"]):
        if str(number) in entry["done"]:
            continue
        share = f", part {number + 1} of {count}" if count > 1 else ""
        emit("reading", f"{instance.name}: {stream.name} ({place[0]} of {place[1]}{share})", level=logging.DEBUG,
             source=instance.name, table=name)  # fmt: skip
        started = now()
        first = 1 + sum(part["rows"] for part in entry["done"].values())
        writer = _Writer(spool.folder / f"{name}-{number:05d}", stream.name, first)
        try:
            for page in stream.read(Window(_moment(since), _moment(until))):
                writer.add(page, stream.table.columns)
        finally:
            writer.close()
        entry["done"][str(number)] = {"files": writer.files, "rows": writer.rows}
        if until is None and stream.cursor is not None:
            # Open towards now: it went as far as there was anything when it was read.
            entry["reach"] = max(_reach(entry), started - stream.settle).isoformat()
            entry["known_at"] = now().isoformat()
        spool.write()


def _reach(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["reach"])


def _reach_on(entry: dict[str, Any], stream: Stream, moment: datetime) -> None:
    """Have a plan reach up to `moment`: what changed since it was made has left the windows that it names, and would be
    nowhere in a table that is read for the first time. The mark for the next reading stays where it was."""
    waiting = [window for number, window in enumerate(entry["windows"]) if str(number) not in entry["done"]]
    if stream.cursor is None:
        if waiting:
            entry["known_at"] = moment.isoformat()
        return
    before, reach = _reach(entry), moment - stream.settle
    if reach <= before:
        return
    if not any(window[1] is None for window in waiting):
        newest = next((window for window in waiting if _moment(window[1]) == before), None)
        if newest is not None:
            newest[1] = reach.isoformat()
        else:
            entry["windows"].append([(before - stream.lookback).isoformat(), reach.isoformat()])
    entry["reach"], entry["known_at"] = reach.isoformat(), moment.isoformat()


def _plan_table(stream: Stream, history: list[Load], reads: Reads, began: datetime) -> dict[str, Any]:
    """Which windows have to be read, settled once so that a resumed run reads the rest of the same plan."""
    name = stream.table.name
    until = began - stream.settle
    there = chosen(history, name)
    since = None
    if stream.cursor and there and set(stream.selected) <= set(there[-1].selected or stream.selected):
        since = max((x for x in (*(load.cursor for load in there), reads.cursor(name)) if x is not None), default=None)
    if stream.cursor is None:
        windows, mode = [Window()], "snapshot"
    elif since is None:
        start = stream.start
        windows = stream.slices(start, until) if stream.slices else [Window(start, until)]
        mode = "snapshot"
    else:
        back = since - stream.lookback
        windows = stream.slices(back, until) if stream.slices else [Window(back, until)]
        mode = "increment"
    last = reads.reconciled(name) or min((load.known_at for load in there), default=None)
    is_due = mode == "increment" and last is not None and began - last >= stream.reconcile_every
    return {
        "mode": mode,
        # The mark that the next reading starts from, how far the windows go, and since when the rows are known.
        "until": until.isoformat(),
        "reach": until.isoformat(),
        "known_at": began.isoformat(),
        "windows": [[_iso(window.since), _iso(window.until)] for window in windows],
        "reconcile": is_due,
        "selected": list(stream.selected),
        "done": {},
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# -- settling ----------------------------------------------------------------------------------------------------------


def _session(places: Places) -> Any:
    con = memory()
    places.spool.mkdir(parents=True, exist_ok=True)
    con.execute(f"set memory_limit = '{_MEMORY}'")
    con.execute(f"set temp_directory = {literal(places.spool / '.spill')}")
    con.execute("set preserve_insertion_order = false")
    return con


def _reader(files: Sequence[Path]) -> str:
    return (
        f"read_parquet([{', '.join(literal(path) for path in files)}], union_by_name = true, hive_partitioning = false)"
    )


def _columns(con: Any, files: Sequence[Path]) -> list[str]:
    return [row[0] for row in con.execute(f"describe select * from {_reader(files)}").fetchall()]


def _key(stream: Stream, there: Sequence[str]) -> str:
    """What tells two records apart. A row without an id is no version of another one without."""
    lacking = f"chr(30) || {ROW_COLUMN}"
    return " || chr(31) || ".join(
        f"coalesce({quoted(name)}, {lacking})" if name in there else lacking for name in stream.key
    )


def _write_tombstones(
    places: Places, instance: Instance, stream: Stream, history: list[Load], files: list[Path], to: Path
) -> None:
    """The newest known row of every id that the vendor does not list any more, marked as deleted."""
    assert stream.ids is not None
    known = _lake_files(places, instance, stream, history)
    if not known and not files:
        return
    listed = to.with_suffix(".listed.parquet")
    writer = pq.ParquetWriter(listed, pa.schema([("id", pa.string())]))
    count = 0
    try:
        for page in stream.ids():
            writer.write_table(pa.table({"id": pa.array(page, pa.string())}))
            count += len(page)
    finally:
        writer.close()
    if count == 0 and known and stream.table.may_be_empty:
        # Perhaps the last one was removed, perhaps nothing is shown to us any more: either way nobody knows better.
        listed.unlink()
        emit(
            "nothing_listed",
            f"{instance.name}: {stream.name}: the vendor lists no ids at all; the rows that are known stay",
            level=logging.WARNING,
            source=instance.name,
            table=stream.table.name,
        )
        return
    if count == 0 and known:
        raise InputError(
            f"source {instance.name}: {stream.name}: the vendor lists no ids at all; nothing was loaded",
            next_step="look whether the user that reads may still see these records",
            trouble="truncated",
        )
    with _settling(places, instance) as con:
        there = _columns(con, [*known, *files])
        order = _newest_first(stream, there)
        rows = _reader([*known, *files])
        if "is_deleted" not in there:
            rows = f"(select *, cast(null as varchar) as is_deleted from {rows})"
        con.execute(
            f"copy (select * replace ('true' as is_deleted, {_GONE} + row_number() over () as {ROW_COLUMN}) from ("
            f"select * from {rows} where {quoted(stream.key[0])} not in "
            f"(select id from read_parquet({literal(listed)}) where id is not null)"
            f" qualify row_number() over (partition by {_key(stream, there)} order by {order}) = 1) "
            f"where coalesce(is_deleted, 'false') <> 'true') to {literal(to)} (format parquet)"
        )
    listed.unlink()


def _newest_first(stream: Stream, there: Sequence[str]) -> str:
    load = "coalesce(cast(_dlt_load_id as double), 1e18) desc, " if "_dlt_load_id" in there else ""
    stamp = ""
    if stream.cursor and stream.cursor in there:
        # As text, 09:00:00Z would come after 09:00:00.5Z.
        cursor = quoted(stream.cursor)
        stamp = f"try_cast({cursor} as timestamptz) desc nulls last, {cursor} desc nulls last, "
    return f"{load}{stamp}{ROW_COLUMN} desc"


def _lake_files(places: Places, instance: Instance, stream: Stream, history: list[Load]) -> list[Path]:
    used = {load.load_id for load in chosen(history, stream.table.name)}
    return files_of(places.lake, instance.name, stream.table.name, used)


def _reading(places: Places, instance: Instance, known_at: datetime, one: _Pulled, history: list[Load]) -> Reading:
    """What is new of one table, as `extract.py` wants it."""
    stream = one.stream
    table = replace(
        stream.table,
        mode="snapshot" if one.mode == "snapshot" else "increment",
        may_be_empty=stream.table.may_be_empty or one.mode == "increment",
    )
    files = [*one.files, *([one.tombstones] if one.tombstones and one.tombstones.exists() else [])]
    query, rows = _settled(places, instance, one, files, history)

    def batches(rejected: RejectedLines) -> Iterator[pa.Table]:
        if query is None:
            return
        with _settling(places, instance) as con:
            for batch in con.sql(query).to_arrow_reader(_ROWS):
                yield pa.Table.from_batches([batch])

    return Reading(
        table=table,
        origin=stream.name,
        version=f"live {one.until.isoformat()} {rows}",
        batches=batches,
        known_at=known_at,
        cursor=one.until if stream.cursor else None,
        is_live=True,
        selected=stream.selected,
        is_reconciled=one.is_reconciled or one.mode == "snapshot",
        when_empty="look whether the user that reads may see these records; `segments sources probe "
        f"{instance.name}` says what it may read",
    )


def _settled(
    places: Places, instance: Instance, one: _Pulled, files: list[Path], history: list[Load]
) -> tuple[str | None, int]:
    """A query for the rows to land, each id once and none that the lake holds already; and how many they are."""
    if not files:
        return None, 0
    stream = one.stream
    with _settling(places, instance) as con:
        there = _columns(con, files)
        key = _key(stream, there)
        reader = _reader(files)
        missing = [name for name in stream.key if name not in there]
        if missing:
            raise InputError(
                f"source {instance.name}: {stream.name}: pages without {', '.join(missing)}; nothing was loaded",
                trouble="schema_changed",
            )
        query = f"select * from {reader}"
        repeated, rows = con.execute(
            f"select count(*) - count(distinct hash({key})), count(*) from {reader}"
        ).fetchall()[0]
        if repeated:
            order = _newest_first(stream, there)
            query += f" qualify row_number() over (partition by {key} order by {order}) = 1"
            emit(
                "ids_settled",
                f"{instance.name}: {stream.name}: {repeated:,} rows came more than once; the newest counts",
                level=logging.DEBUG,
                source=instance.name,
                table=stream.table.name,
                rows=repeated,
            )
        known = _lake_files(places, instance, stream, history) if one.mode == "increment" else []
        if known:
            query = _without_known(con, stream, query, there, known)
        own = {"_dlt_load_id", "_dlt_id"} & set(there)
        chosen_columns = ", ".join(quoted(name) for name in there if name not in own)
        path = files[0].with_name(f"{stream.table.name}.settled.parquet")
        if repeated or known or own:
            con.execute(f"copy (select {chosen_columns} from ({query})) to {literal(path)} (format parquet)")
            rows = con.execute(f"select count(*) from read_parquet({literal(path)})").fetchall()[0][0]
            query = f"select * from read_parquet({literal(path)})"
        return query if rows else None, rows


def _without_known(con: Any, stream: Stream, query: str, there: Sequence[str], known: list[Path]) -> str:
    """`query` without the rows that the lake's newest version of the same id equals, column by column."""
    held = _columns(con, known)
    own = {FILE_COLUMN, ROW_COLUMN, "_dlt_load_id", "_dlt_id"}
    names = sorted((set(there) | set(held)) - own)

    def content(columns: Sequence[str]) -> str:
        texts = (f"coalesce({quoted(name)}, chr(30))" if name in columns else "chr(30)" for name in names)
        return f"md5(concat_ws(chr(31), {', '.join(texts)}))"

    return (
        f"with fresh as ({query}), "
        f"newest as (select {_key(stream, held)} as k, {content(held)} as c from {_reader(known)} "
        f"where {_key(stream, held)} in (select {_key(stream, there)} from fresh) "
        f"qualify row_number() over (partition by {_key(stream, held)} order by {_newest_first(stream, held)}) = 1) "
        f"select fresh.* from fresh left join newest on newest.k = {_key(stream, there)} "
        f"where newest.c is distinct from {content(there)}"
    )

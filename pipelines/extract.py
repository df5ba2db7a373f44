"""Lands a source in the lake: once per change, whole or not at all, never smaller by surprise.

dlt moves the rows (Arrow in, append-only Parquet out); this file decides whether a load is due and may be believed.
What a vendor's pages look like is in `connectors/`; reading the lake back is `lake.py`.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clock import now
from pipelines.connector import Instance, Reading, RejectedLines, snake
from pipelines.errors import ConfigError, InputError, SegmentsError
from pipelines.events import emit
from pipelines.http import SourceError
from pipelines.lake import LEDGER_TABLE, REJECTED_TABLE, Load, Reads, files_of, loads, newest, note_reads
from pipelines.pull import forget_spool, pull
from pipelines.settings import Settings
from pipelines.warehouse import Places, memory, quoted

_OWN_COLUMNS = {"segments_file", "segments_row"}


# A load that this extraction is about to make comes after every load that is there.
_YET_TO_COME = "inf"


@dataclass(frozen=True)
class Landed:
    """What happened to one table of one source."""

    source: str
    table: str
    rows: int
    load_id: str
    is_new: bool
    seconds: float
    rejected_lines: int
    drop: str | None = None


@dataclass(frozen=True)
class _Due:
    reading: Reading
    rows: int
    content_hash: str
    rejected: RejectedLines
    known_at: datetime
    is_shrink_accepted: bool
    columns: tuple[str, ...] = ()


def extract(
    settings: Settings,
    places: Places,
    instance: Instance,
    *,
    accept_shrunk: frozenset[str] = frozenset(),
    is_full: bool = False,
) -> list[Landed]:
    """Bring one source up to date in the lake. A table whose content is unchanged lands nothing.

    A source with several drops over time is checked as a whole first, then every drop that is due is landed as a load
    of its own, oldest first, with the moment it was known.

    Args:
        settings: the deployment.
        places: where the lake is.
        instance: the source.
        accept_shrunk: tables (`source.table`) that may be smaller than the last load allows.
        is_full: read a live source from its beginning, not from where the last reading ended.

    Returns:
        One entry per table of the source: its newest drop, `is_new` when any drop of it was landed.

    Raises:
        InputError: the source is missing, damaged, empty or much smaller than before; nothing of it was loaded.
        ConfigError: `accept_shrunk` names a table this source does not have.
    """
    own = {f"{instance.name}.{table.name}" for table in instance.connector.tables}
    for name in sorted(accept_shrunk):
        if name.startswith(f"{instance.name}.") and name not in own:
            raise ConfigError(
                f"--accept-shrunk {name}: source {instance.name} has no such table; nothing was loaded",
                next_step=f"its tables are {', '.join(sorted(own))}",
            )
    history = loads(places.lake, instance.name)
    there = list(history)
    readings: list[Reading] = []
    due: list[_Due] = []
    landed: list[Landed] = []
    is_live = instance.is_live
    if is_live and is_full:
        forget_spool(places, instance)
    readings_now = pull(places, instance, [] if is_full else history) if is_live else instance.connector.read(instance)
    for reading in readings_now:
        started = perf_counter()
        before = _before(history, reading)
        checked = _check(settings, instance, reading, before, accept_shrunk)
        if checked is None:
            last = newest(before, reading.table.name)
            assert last is not None
            landed.append(_unchanged(instance, reading, last, perf_counter() - started))
        else:
            _tell_of_history(instance, checked, there)
            due.append(checked)
            history.append(_planned(instance, checked))
        readings.append(reading)
    if instance.connector.offers_by_load and not is_live:
        _tell_of_gaps(instance, readings, there)
    for _, group in groupby(due, key=lambda one: one.reading.drop):
        landed.extend(_land(places, instance, list(group)))
    _tell_of_columns(places, instance, due, there)
    noted = [_read_line(reading) for reading in readings] if is_live else _seen(places, instance, readings, history)
    if noted:
        try:
            note_reads(places.lake, instance.name, noted)
        except OSError as problem:
            raise InputError(
                f"source {instance.name}: lake {places.lake}: cannot be written ({problem.strerror or problem}); "
                "what was read is loaded, that it was read is not put down",
                next_step="make room on that disk, then run again",
            ) from problem
    if is_live:
        forget_spool(places, instance)
    return _told(landed, [reading.drop for reading in readings])


def extract_group(
    settings: Settings,
    sources: list[Instance],
    *,
    accept_shrunk: frozenset[str] = frozenset(),
    full: frozenset[str] = frozenset(),
) -> tuple[list[Landed], list[str]]:
    """Bring several sources up to date; one whose vendor cannot be read keeps its last loads, and the others go on.

    How old they may be for a release is the gate's to say (`quality.stale_sources`). `full` names live sources that are
    read from their beginning.

    Returns:
        What `extract` says of each source that was read, and the names of those that were not.

    Raises:
        InputError: as `extract`, and a source that cannot be read has no load to go on with. The others are loaded.
        ConfigError: as `extract`.
    """
    places = Places.of(settings)
    landed: list[Landed] = []
    unread: list[str] = []
    failure: SourceError | None = None
    for instance in sources:
        try:
            landed += extract(settings, places, instance, accept_shrunk=accept_shrunk, is_full=instance.name in full)
        except SourceError as problem:
            there = loads(places.lake, instance.name)
            if not there:
                failure = failure or problem
                problem.about.setdefault("source", instance.name)
                continue
            unread.append(instance.name)
            emit(
                "source_unread",
                f"{problem.message}: going on with what was known on {max(x.known_at for x in there):%Y-%m-%d %H:%M} "
                "UTC",
                level=logging.WARNING,
                source=instance.name,
                next_step=problem.next_step,
            )
        except SegmentsError as problem:
            problem.about.setdefault("source", instance.name)
            problem.about.setdefault("table", _table_in(problem.message, instance))
            raise
    if failure is not None:
        raise failure
    return landed, unread


def _table_in(message: str, instance: Instance) -> str:
    """The table that a message about a source speaks of: `source NAME: FILE OR OBJECT: what`; "" when it names none."""
    _, _, rest = message.partition(f"source {instance.name}: ")
    label = snake(Path(rest.split(": ", 1)[0].split(".", 1)[0]).name)
    return label if label in {table.name for table in instance.connector.tables} else ""


def _read_line(reading: Reading) -> dict[str, Any]:
    """What a reading to the end says, whether or not it brought a load."""
    assert reading.known_at is not None
    line = {"table": reading.table.name, "read_at": reading.known_at.isoformat()}
    if reading.cursor:
        line["cursor"] = reading.cursor.isoformat()
    if reading.is_reconciled:
        line["reconciled_at"] = line["read_at"]
    return line


def _seen(places: Places, instance: Instance, readings: list[Reading], history: list[Load]) -> list[dict[str, Any]]:
    """What is to be put down of files: of which moments each table was there, also where it brought nothing new.

    A table that a drop repeats is as fresh as that drop; one that the drop lacks is not. Files that lie in no drop are
    of the moment of the newest load of their source: while none of them changes, none gets any younger.
    """
    newest_load = max((load.known_at for load in history), default=None)
    known = Reads.of(places.lake, instance.name).moments()
    found = []
    for reading in readings:
        moment = reading.known_at or newest_load
        if moment is not None and (reading.table.name, moment) not in known:
            found.append({"table": reading.table.name, "read_at": moment.isoformat()})
    return found


def _before(history: list[Load], reading: Reading) -> list[Load]:
    """The loads that a reading is measured by: of a drop those known up to its moment, else all.

    So a later drop that repeats the one before it lands nothing: as of its moment the table already is what it says.
    """
    if reading.drop is None or reading.known_at is None:
        return history
    return [load for load in history if load.known_at <= reading.known_at]


def _unchanged(instance: Instance, reading: Reading, last: Load, seconds: float) -> Landed:
    return Landed(
        instance.name, reading.table.name, last.rows, last.load_id, False, seconds, last.rejected_lines, reading.drop
    )


def _planned(instance: Instance, due: _Due) -> Load:
    """The load to come, as the drops behind it have to see it."""
    reading = due.reading
    return Load(
        source=instance.name,
        table=reading.table.name,
        load_id=_YET_TO_COME,
        known_at=due.known_at,
        rows=due.rows,
        content_hash=due.content_hash,
        file_hash=reading.version,
        mode=reading.table.mode,
        origin=reading.origin,
        rejected_lines=len(due.rejected.lines),
        is_shrink_accepted=due.is_shrink_accepted,
    )


def _tell_of_history(instance: Instance, due: _Due, there: list[Load]) -> None:
    """Say when the past changes: a drop is no longer what was loaded from it, or one is added before later ones."""
    reading = due.reading
    if reading.drop is None:
        return
    name = f"{instance.name}.{reading.table.name}"
    of_table = [load for load in there if load.table == reading.table.name]
    if any(load.known_at == due.known_at for load in of_table):
        message = f"{name}: drop {reading.drop} is no longer what was loaded from it: loaded again, the new one counts"
        emit("drop_changed", message, level=logging.WARNING, source=instance.name, table=reading.table.name)
    elif later := [load for load in of_table if load.known_at > due.known_at]:
        message = f"{name}: drop {reading.drop} is added before the {len(later)} later load(s) that are there"
        emit("drop_added", message, source=instance.name, table=reading.table.name)


def _tell_of_gaps(instance: Instance, readings: list[Reading], there: list[Load]) -> None:
    """Warn of tables that were there once and that a later drop does not have, and of drops that something outdates."""
    moments = {reading.drop: reading.known_at or now() for reading in readings}
    seen = [(load.table, load.known_at) for load in there]
    seen += [(reading.table.name, moments[reading.drop]) for reading in readings]
    for table in sorted({table for table, _ in seen}):
        has = {reading.drop for reading in readings if reading.table.name == table}
        known = [moment for name, moment in seen if name == table]
        without = [drop for drop, moment in moments.items() if drop not in has and min(known) < moment]
        if without:
            where = ", ".join(f"drop {drop}" if drop else "the folder" for drop in without)
            kept = max(moment for moment in known if moment < max(moments[drop] for drop in without))
            emit(
                "table_missing",
                f"{instance.name}.{table}: not in {where}; the table keeps what was known of it on {kept:%Y-%m-%d}",
                level=logging.WARNING,
                source=instance.name,
                table=table,
                drops=without,
            )
        if has and None not in has and max(known) > max(moments.values()):
            emit(
                "drop_outdated",
                f"{instance.name}.{table}: the lake holds a load of {max(known):%Y-%m-%d %H:%M} that is later than the "
                "newest drop and stays the current one",
                level=logging.WARNING,
                source=instance.name,
                table=table,
            )


def _tell_of_columns(places: Places, instance: Instance, due: list[_Due], there: list[Load]) -> None:
    """Say which columns the newest load of a table has lost or won against the one before it.

    What a load had is read from its files: dlt lays a column that is gone down as one without any value.
    """
    newest_due = {one.reading.table.name: one for one in due if one.reading.table.mode != "increment" and one.rows}
    for table, one in newest_due.items():
        last = newest(there, table)
        if last is None or not one.columns:
            continue
        known, filled = _columns_of(files_of(places.lake, instance.name, table, {last.load_id}))
        gone, new = sorted(filled - set(one.columns)), sorted(set(one.columns) - known)
        if known and (gone or new):
            words = [f"{what} {', '.join(names)}" for what, names in (("without", gone), ("new", new)) if names]
            emit(
                "columns_changed",
                f"{instance.name}.{table}: other columns than in the load before: {'; '.join(words)}",
                level=logging.WARNING if gone else logging.INFO,
                source=instance.name,
                table=table,
                gone=gone,
                new=new,
            )


def _columns_of(files: list[Path]) -> tuple[set[str], set[str]]:
    """The columns of Parquet files, and those of them that have any value; from the footers alone."""
    known: set[str] = set()
    filled: set[str] = set()
    for file in files:
        footer = pq.read_metadata(file)
        for group in range(footer.num_row_groups):
            for place in range(footer.num_columns):
                chunk = footer.row_group(group).column(place)
                known.add(chunk.path_in_schema)
                counted = chunk.statistics is not None and chunk.statistics.has_null_count
                if not counted or chunk.statistics.null_count < footer.row_group(group).num_rows:
                    filled.add(chunk.path_in_schema)
    ours = {name for name in known if name.startswith("_dlt")} | _OWN_COLUMNS
    return known - ours, filled - ours


def _told(landed: list[Landed], drops: list[str | None]) -> list[Landed]:
    """Log every load and every table that stayed as it is; return the newest drop of each table."""
    landed = sorted(landed, key=lambda one: (drops.index(one.drop), one.table))
    newest_of: dict[str, Landed] = {}
    for one in landed:
        before = newest_of.get(one.table)
        newest_of[one.table] = (
            replace(one, is_new=one.is_new or before.is_new, seconds=one.seconds + before.seconds) if before else one
        )
    for one in landed:
        # Drops that were loaded long ago say nothing new; a table that is as it was says so once.
        if not one.is_new and (newest_of[one.table].is_new or newest_of[one.table].drop != one.drop):
            continue
        state = "loaded" if one.is_new else "unchanged since the last load"
        emit(
            "table_landed",
            f"{one.source}.{one.table}: {one.rows:,} rows, {state}{f' (drop {one.drop})' if one.drop else ''}",
            source=one.source,
            table=one.table,
            rows=one.rows,
            seconds=round(one.seconds, 3),
            load_id=one.load_id,
            is_new=one.is_new,
            rejected_lines=one.rejected_lines,
            drop=one.drop,
        )
    return sorted(newest_of.values(), key=lambda one: one.table)


def _check(
    settings: Settings, instance: Instance, reading: Reading, before: list[Load], accept_shrunk: frozenset[str]
) -> _Due | None:
    """What has to be landed for this reading, or None when the loads before it already hold it."""
    last = newest(before, reading.table.name)
    name = f"{instance.name}.{reading.table.name}"
    if last is not None and last.file_hash == reading.version and not reading.is_live:
        return None
    rejected = RejectedLines()
    rows, content_hash, columns = _fingerprint(reading, rejected)
    if reading.table.mode == "increment":
        if rows == 0:
            return None
    elif (
        last is not None
        and (last.content_hash, last.mode) == (content_hash, reading.table.mode)
        # Columns that are newly asked for are put down even where all of them are blank, or they would be asked anew.
        and set(reading.selected) <= set(last.selected)
    ):
        return None
    if rows == 0 and not reading.table.may_be_empty:
        kept = f"the table keeps its {last.rows:,} rows" if last else "nothing was loaded"
        found = f"a header and {rows} rows"
        if rejected.lines:
            first = rejected.lines[0]
            found += f" beside {len(rejected.lines):,} broken lines (row {first['row']}: {first['reason']})"
        raise InputError(
            f"source {instance.name}: {reading.origin}: {found}; {kept}, run stopped",
            next_step=reading.when_empty,
            trouble="truncated",
        )
    floor = settings.quality.min_rows_share_of_last
    # A full pass is measured by the last full pass: what came in between was only what had changed.
    whole = newest([load for load in before if load.mode == "snapshot"], reading.table.name)
    has_shrunk = whole is not None and rows < floor * whole.rows and reading.table.mode == "snapshot"
    if whole is not None and has_shrunk and name not in accept_shrunk:
        raise InputError(
            f"source {instance.name}: {reading.origin}: {rows:,} rows, below {floor:.0%} of the last load's "
            f"{whole.rows:,}: table kept, run stopped",
            next_step=f"if the drop is real, run again with `--accept-shrunk {name}`",
            trouble="truncated",
        )
    moment = now()
    known_at = reading.known_at or moment
    if settings.as_of:
        # A deployment that pins its day speaks from the end of that day, whatever this machine's clock says.
        moment = max(moment, datetime.combine(settings.as_of, time.max, UTC))
    if known_at > moment:
        what = f"drop {reading.drop}" if reading.drop else f"exported_at {known_at.isoformat()}"
        raise InputError(
            f"source {instance.name}: {reading.origin}: {what} is in the future "
            f"(now {moment.isoformat(timespec='seconds')}); nothing was loaded"
        )
    if last is not None and known_at < last.known_at:
        raise InputError(
            f"source {instance.name}: {reading.origin}: this export was taken at {known_at.isoformat()}, the lake "
            f"already holds one of {last.known_at.isoformat()} and would not use it; nothing was loaded",
            next_step="set sources." + instance.name + ".options.exported_at to the moment of this export",
            trouble="stale",
        )
    return _Due(reading, rows, content_hash, rejected, known_at, has_shrunk, columns)


def _fingerprint(reading: Reading, rejected: RejectedLines) -> tuple[int, str, tuple[str, ...]]:
    """Rows, a hash of the content that depends neither on the order of rows nor on that of columns, and the columns.

    Broken lines are part of the content: an export that lost a line is another export.
    """
    rows, total = 0, 0
    names: tuple[str, ...] = ()
    with memory() as con:
        for table in reading.batches(rejected):
            names = tuple(sorted(set(table.column_names) - _OWN_COLUMNS))
            # A separator and a mark for NULL that no export uses, so that ('a', '') and ('', 'a') differ.
            spelled = f"concat_ws(chr(31), {', '.join(f'coalesce({quoted(name)}, chr(30))' for name in names)})"
            con.register("page", table)
            count, part = con.execute(
                f"select count(*), coalesce(sum(cast(md5_number_lower({spelled}) as hugeint)), 0) from page"
            ).fetchall()[0]
            con.unregister("page")
            rows += count
            total += int(part)
        for line in rejected.lines:
            total += int(con.execute("select md5_number_lower(?)", [line["text"]]).fetchall()[0][0])
    content = f"{rows} {len(rejected.lines)} {total} {','.join(names)}"
    return rows, sha256(content.encode()).hexdigest()[:32], names


def _land(places: Places, instance: Instance, due: list[_Due]) -> list[Landed]:
    """Load all due tables of one source in one package: readers see all of them or none."""
    if not due:
        return []
    import dlt  # 1.2 s: only when there is something to land

    started = perf_counter()
    resources: list[Any] = []
    ledger: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for one in due:
        table = one.reading.table
        ledger.append(
            {
                "table_name": table.name,
                "row_count": one.rows,
                "content_hash": one.content_hash,
                "file_hash": one.reading.version,
                "known_at": one.known_at.astimezone(UTC).isoformat(),
                "mode": table.mode,
                "origin": one.reading.origin,
                "rejected_count": len(one.rejected.lines),
                "is_shrink_accepted": one.is_shrink_accepted,
                "cursor": one.reading.cursor.isoformat() if one.reading.cursor else None,
                "selected": ",".join(one.reading.selected) or None,
                "may_be_empty": table.may_be_empty,
            }
        )
        lines += [{"table_name": table.name, **line} for line in one.rejected.lines]
        if one.rows:
            resources.append(
                dlt.resource(_pages(instance, one), name=table.name, write_disposition="append", max_table_nesting=0)
            )
    # dlt would guess timestamps from the texts.
    moment: Any = {name: {"data_type": "text"} for name in ("known_at", "cursor", "selected")}
    resources.append(dlt.resource(ledger, name=LEDGER_TABLE, write_disposition="append", columns=moment))
    if lines:
        columns: Any = {"text": {"data_type": "text"}, "row": {"data_type": "bigint"}}
        resources.append(dlt.resource(lines, name=REJECTED_TABLE, write_disposition="append", columns=columns))
    _sweep(places, instance)
    pipeline = dlt.pipeline(
        pipeline_name=instance.name,
        pipelines_dir=str(places.dlt),
        dataset_name=instance.name,
        destination=dlt.destinations.filesystem(
            bucket_url=str(places.lake),
            layout="{table_name}/load_date={YYYY}-{MM}-{DD}/{load_id}.{file_id}.{ext}",
            # The folder is called what the source is called, also where dlt would spell the name otherwise.
            enable_dataset_name_normalization=False,
        ),
    )
    # All there is to know is in the lake's ledger; dlt's own state is one more thing a killed run leaves half written.
    pipeline.config.restore_from_destination = False
    try:
        info = pipeline.run(resources, loader_file_format="parquet")
        info.raise_on_failed_jobs()
    except Exception as problem:  # dlt wraps whatever a connector raises while it reads
        raise _own_error(problem, places, instance) from problem
    load_id = info.loads_ids[-1]
    seconds = (perf_counter() - started) / len(due)
    return [
        Landed(
            instance.name,
            one.reading.table.name,
            one.rows,
            load_id,
            True,
            seconds,
            len(one.rejected.lines),
            one.reading.drop,
        )
        for one in due
    ]


def _sweep(places: Places, instance: Instance) -> None:
    """Start dlt from nothing: a killed run leaves packages that would be loaded in place of this one and reported as
    success, and half-written files that stop every later run."""
    shutil.rmtree(places.dlt / instance.name, ignore_errors=True)
    folder = places.lake / instance.name
    for path in folder.glob("_dlt_version/*"):
        if not _is_json(path):
            path.unlink()
    if folder.is_dir() and not _is_json(folder / "init"):
        # With a folder and no mark in it dlt gives up; an empty mark is one it upgrades.
        (folder / "init").write_bytes(b"")


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, FileNotFoundError):
        return False
    return True


def _own_error(problem: BaseException, places: Places, instance: Instance) -> BaseException:
    """The error of ours, or of the disk, below what dlt made of it; else what dlt made of it."""
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, SegmentsError):
            return type(cause)(cause.message, next_step=cause.next_step)
        if isinstance(cause, OSError):
            return InputError(
                f"source {instance.name}: lake {places.lake}: cannot be written ({cause.strerror or cause}); "
                "nothing was loaded"
            )
        cause = cause.__cause__ or cause.__context__
    return problem


def _pages(instance: Instance, due: _Due) -> Iterator[pa.Table]:
    """The rows once more, now for landing; they must be the rows that were fingerprinted.

    Raises:
        InputError: the source changed in between.
    """
    again, count = RejectedLines(), 0
    for table in due.reading.batches(again):
        count += table.num_rows
        yield table
    if count != due.rows or len(again.lines) != len(due.rejected.lines):
        raise InputError(
            f"source {instance.name}: {due.reading.origin}: the file changed while it was read "
            f"({due.rows:,} rows, then {count:,}); nothing was loaded",
            next_step="wait until the export is complete, then run again",
        )

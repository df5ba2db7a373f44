"""Lands a source in the lake: once per change, whole or not at all, never smaller by surprise.

dlt moves the rows (Arrow in, append-only Parquet out); this file decides whether a load is due and may be believed.
What a vendor's pages look like is in `connectors/`; reading the lake back is `lake.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa

from pipelines.clock import now
from pipelines.connector import Instance, Reading, RejectedLines
from pipelines.errors import ConfigError, InputError, SegmentsError
from pipelines.events import emit
from pipelines.lake import LEDGER_TABLE, REJECTED_TABLE, Load, loads, newest
from pipelines.settings import Settings
from pipelines.warehouse import Places, memory, quoted

_OWN_COLUMNS = {"segments_file", "segments_row"}


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


@dataclass(frozen=True)
class _Due:
    reading: Reading
    rows: int
    content_hash: str
    rejected: RejectedLines
    known_at: datetime
    is_shrink_accepted: bool


def extract(
    settings: Settings, places: Places, instance: Instance, *, accept_shrunk: frozenset[str] = frozenset()
) -> list[Landed]:
    """Bring one source up to date in the lake. A table whose content is unchanged lands nothing.

    Args:
        settings: the deployment.
        places: where the lake is.
        instance: the source.
        accept_shrunk: tables (`source.table`) that may be smaller than the last load allows.

    Returns:
        One entry per table of the source.

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
    due: list[_Due] = []
    landed: list[Landed] = []
    for reading in instance.connector.read(instance):
        started = perf_counter()
        last = newest(history, reading.table.name)
        checked = _check(settings, instance, reading, last, accept_shrunk)
        if checked is None:
            assert last is not None
            seconds = perf_counter() - started
            landed.append(
                Landed(instance.name, reading.table.name, last.rows, last.load_id, False, seconds, last.rejected_lines)
            )
        else:
            due.append(checked)
    landed.extend(_land(places, instance, due))
    for one in sorted(landed, key=lambda x: x.table):
        state = "loaded" if one.is_new else "unchanged since the last load"
        emit(
            "table_landed",
            f"{one.source}.{one.table}: {one.rows:,} rows, {state}",
            source=one.source,
            table=one.table,
            rows=one.rows,
            seconds=round(one.seconds, 3),
            load_id=one.load_id,
            is_new=one.is_new,
            rejected_lines=one.rejected_lines,
        )
    return landed


def _check(
    settings: Settings, instance: Instance, reading: Reading, last: Load | None, accept_shrunk: frozenset[str]
) -> _Due | None:
    """What has to be landed for this reading, or None when the last load already holds it."""
    name = f"{instance.name}.{reading.table.name}"
    if last is not None and last.file_hash == reading.version:
        return None
    rejected = RejectedLines()
    rows, content_hash = _fingerprint(reading, rejected)
    if last is not None and last.content_hash == content_hash:
        return None
    if rows == 0 and not reading.table.may_be_empty:
        kept = f"the table keeps its {last.rows:,} rows" if last else "nothing was loaded"
        found = f"a header and {rows} rows"
        if rejected.lines:
            first = rejected.lines[0]
            found += f" beside {len(rejected.lines):,} broken lines (row {first['row']}: {first['reason']})"
        raise InputError(
            f"source {instance.name}: {reading.origin}: {found}; {kept}, run stopped",
            next_step="export the object again; an object that may be empty is declared so in its connector",
        )
    floor = settings.quality.min_rows_share_of_last
    has_shrunk = last is not None and rows < floor * last.rows and reading.table.mode == "snapshot"
    if last is not None and has_shrunk and name not in accept_shrunk:
        raise InputError(
            f"source {instance.name}: {reading.origin}: {rows:,} rows, below {floor:.0%} of the last load's "
            f"{last.rows:,}: table kept, run stopped",
            next_step=f"if the drop is real, run again with `--accept-shrunk {name}`",
        )
    moment = now()
    known_at = reading.known_at or moment
    if settings.as_of:
        # A deployment that pins its day speaks from the end of that day, whatever this machine's clock says.
        moment = max(moment, datetime.combine(settings.as_of, time.max, UTC))
    if known_at > moment:
        raise InputError(
            f"source {instance.name}: {reading.origin}: exported_at {known_at.isoformat()} is in the future "
            f"(now {moment.isoformat(timespec='seconds')}); nothing was loaded"
        )
    if last is not None and known_at < last.known_at:
        raise InputError(
            f"source {instance.name}: {reading.origin}: this export was taken at {known_at.isoformat()}, the lake "
            f"already holds one of {last.known_at.isoformat()} and would not use it; nothing was loaded",
            next_step="set sources." + instance.name + ".options.exported_at to the moment of this export",
        )
    return _Due(reading, rows, content_hash, rejected, known_at, has_shrunk)


def _fingerprint(reading: Reading, rejected: RejectedLines) -> tuple[int, str]:
    """Rows and a hash of the content that depends neither on the order of rows nor on the order of columns.

    Broken lines are part of the content: an export that lost a line is another export.
    """
    rows, total = 0, 0
    names: tuple[str, ...] = ()
    with memory() as con:
        for table in reading.batches(rejected):
            names = tuple(sorted(set(table.column_names) - _OWN_COLUMNS))
            # A separator and a mark for NULL that no export uses, so that ('a', '') and ('', 'a') differ.
            spelled = " || chr(31) || ".join(f"coalesce({quoted(name)}, chr(30))" for name in names)
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
    return rows, sha256(content.encode()).hexdigest()[:32]


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
            }
        )
        lines += [{"table_name": table.name, **line} for line in one.rejected.lines]
        if one.rows:
            resources.append(
                dlt.resource(_pages(instance, one), name=table.name, write_disposition="append", max_table_nesting=0)
            )
    moment: Any = {"known_at": {"data_type": "text"}}  # dlt would guess a timestamp from the text
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
        Landed(instance.name, one.reading.table.name, one.rows, load_id, True, seconds, len(one.rejected.lines))
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

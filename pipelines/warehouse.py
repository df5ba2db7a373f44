"""GROUND FLOOR: where every file of a deployment lies, what the warehouse's schemas are called, and who may write.

No other module spells a path below the state folder or opens the warehouse by itself.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.errors import Busy
from pipelines.events import emit
from pipelines.settings import Settings

# Released files stay readable by DuckDB 1.4 and later, although the warehouse itself is written by 2.x.
RELEASE_STORAGE_VERSION = "v1.4.0"

# The wheel holds core_functions, icu, json and parquet; anything else would be fetched from the network.
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # What one session may keep in memory before it spills to disk, e.g. 8GB.
    "memory_limit": os.environ.get("SEGMENTS_MEMORY_LIMIT", "80%"),
}

RAW_PREFIX = "raw_"
DEPLOYMENT = "deployment"
POLICY = "policy"
CONFORMED = "conformed"
QUARANTINE = "quarantine"
MARTS = "marts"


@dataclass(frozen=True)
class Places:
    """Every file and folder of a deployment's state."""

    state: Path

    @classmethod
    def of(cls, settings: Settings) -> Places:
        """The places of a deployment; creates nothing."""
        return cls(settings.folder("state"))

    @property
    def lake(self) -> Path:
        """Append-only Parquet as the sources gave it."""
        return self.state / "lake"

    @property
    def spool(self) -> Path:
        """What was read of live sources and is not in the lake yet; may be deleted between runs."""
        return self.state / "spool"

    @property
    def dlt(self) -> Path:
        """dlt's working folders; may be deleted between runs."""
        return self.state / "dlt"

    @property
    def warehouse(self) -> Path:
        """The run's private DuckDB file; rebuilt by every run."""
        return self.state / "warehouse.duckdb"

    @property
    def dbt_target(self) -> Path:
        """dbt's manifest, logs and run results."""
        return self.state / "dbt"

    @property
    def candidates(self) -> Path:
        """Candidates that wait for or failed their verdict."""
        return self.state / "candidates"

    @property
    def released(self) -> Path:
        """What analysts read."""
        return self.state / "released"

    @property
    def released_file(self) -> Path:
        """The current release as one DuckDB file."""
        return self.released / "segments.duckdb"

    @property
    def current(self) -> Path:
        """Link to the folder of the current release."""
        return self.released / "current"

    @property
    def reports(self) -> Path:
        """Pages for people: the gate's verdict of the last run."""
        return self.state / "reports"

    @property
    def quality(self) -> Path:
        """Every judgement the gate has made, whether or not something was released on it."""
        return self.state / "quality"

    @property
    def alerts(self) -> Path:
        """Incidents, who was told of them, and what runs said that nobody has settled yet."""
        return self.state / "alerts"

    @property
    def lock(self) -> Path:
        """Held by the one process that may write."""
        return self.state / ".writer.lock"


def connect(path: Path, *, read_only: bool = False, wait_seconds: float = 120.0) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that never reaches for the network.

    A run that was killed may leave its dbt process behind for some seconds, which still holds the file: wait for it.

    Raises:
        Busy: another process held the file for longer than `wait_seconds`.
    """
    started, told = time.monotonic(), False
    while True:
        try:
            return _quiet(duckdb.connect(str(path), read_only=read_only, config=dict(_CONFIG)))
        except duckdb.IOException as problem:
            if "lock" not in str(problem):
                raise
            if time.monotonic() - started > wait_seconds:
                raise Busy(
                    f"{path.name} has been held by another process for {wait_seconds:.0f} s; nothing was run "
                    f"({problem})",
                    next_step="end that process, then run again",
                ) from None
            if not told:
                emit("waiting", f"{path.name} is held by another process, perhaps of a killed run; waiting for it")
                told = True
            time.sleep(0.25)


def memory() -> duckdb.DuckDBPyConnection:
    """A scratch database in memory."""
    return _quiet(duckdb.connect(":memory:", config=dict(_CONFIG)))


def _quiet(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Without the bar that DuckDB draws into any log when a statement takes over two seconds."""
    con.execute("set enable_progress_bar = false")
    return con


@contextmanager
def writer(places: Places, *, wait_seconds: float = 600.0) -> Iterator[None]:
    """Hold the deployment's only writing seat; waits for another run, then gives up.

    The lock belongs to the process and the kernel frees it when the process dies, so a killed run blocks nobody.

    Raises:
        Busy: another run held the seat for longer than `wait_seconds`.
    """
    places.state.mkdir(parents=True, exist_ok=True)
    with places.lock.open("a+") as handle:
        started, told = time.monotonic(), False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
                if time.monotonic() - started > wait_seconds:
                    raise Busy(
                        f"another run (process {holder}) has held {places.lock} for {wait_seconds:.0f} s; "
                        "nothing was run",
                        next_step="wait for it or end it, then run again",
                    ) from None
                if not told:
                    emit("waiting", f"another run (process {holder}) is writing; waiting for it", holder=holder)
                    told = True
                time.sleep(0.2)
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            handle.seek(0)
            handle.truncate()
            handle.flush()
            fcntl.flock(handle, fcntl.LOCK_UN)


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """`value` as an SQL text literal, or null."""
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def write_rows(
    con: duckdb.DuckDBPyConnection, schema: str, table: str, columns: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    """Replace `schema.table` by `rows`; the columns and their types are given, missing keys become NULL."""
    con.execute(f"create schema if not exists {quoted(schema)}")
    spelled = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    con.execute(f"create or replace table {quoted(schema)}.{quoted(table)} ({spelled})")
    if rows:
        # Texts through Arrow and casts in DuckDB: row-wise inserts cost a second per thousand rows.
        texts = pa.table({name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in columns})
        con.register("rows_to_write", texts)
        casts = ", ".join(f"cast({quoted(name)} as {kind})" for name, kind in columns.items())
        con.execute(f"insert into {quoted(schema)}.{quoted(table)} select {casts} from rows_to_write")
        con.unregister("rows_to_write")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

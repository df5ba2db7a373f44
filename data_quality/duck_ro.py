"""The SQLAlchemy dialect `duckdb+ro`: one DuckDB session over read-only attached files, for Great Expectations only.

Why it exists: Great Expectations runs a statement, leaves the connection block and fetches afterwards. SQLAlchemy has
rolled back by then, and DuckDB throws an open result away on rollback: through the plain `duckdb` dialect every
expectation raises. Nothing here is ever written, so a transaction protects nothing; this dialect opens none, has
nothing to roll back, and the results stay readable. One static connection keeps the attached files in view.

The pins it was tried with: duckdb-engine 0.17, SQLAlchemy below 2.1, duckdb 2.0. The canary in tests/gate fails as soon
as one of them breaks it. Nothing else should connect this way: other rooms read the warehouse through
`pipelines/warehouse.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb_engine
from sqlalchemy import pool
from sqlalchemy.dialects import registry

URL = "duckdb+ro:///:memory:"


def connect_args(files: Mapping[str, Path], *, default: str, temp: Path) -> dict[str, Any]:
    """The `connect_args` of an engine on `URL`: attach `files` by name, resolve bare schemas in `default`.

    `temp` is where DuckDB may spill; it is made only when needed and removed with the session.
    """
    config = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": os.environ.get("SEGMENTS_MEMORY_LIMIT", "80%"),
        "temp_directory": str(temp),
    }
    return {"attach": {name: str(path) for name, path in files.items()}, "use": default, "config": config}


class Dialect(duckdb_engine.Dialect):
    """DuckDB without transactions, over files that are attached read-only."""

    driver = "ro"
    supports_statement_cache = False

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        """Open the private in-memory session, then attach every file read-only."""
        files: dict[str, str] = cparams.pop("attach", {})
        default: str | None = cparams.pop("use", None)
        connection = super().connect(*cargs, **cparams)
        for name, path in files.items():
            quoted = path.replace("'", "''")
            connection.execute(f"attach '{quoted}' as \"{name}\" (read_only)")
        if default:
            connection.execute(f'use "{default}"')
        return connection

    def do_begin(self, connection: Any) -> None:
        """Open no transaction: nothing is written."""

    def do_rollback(self, connection: Any) -> None:
        """Keep the result that is about to be fetched."""

    def do_commit(self, connection: Any) -> None:
        """Nothing to commit."""

    @classmethod
    def get_pool_class(cls, url: Any) -> type[pool.Pool]:
        """One connection for the whole judgement: an attached file belongs to its session."""
        return pool.StaticPool


def register() -> None:
    """Make the URL scheme known to SQLAlchemy (safe to repeat)."""
    registry.register("duckdb.ro", __name__, "Dialect")

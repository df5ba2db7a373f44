"""Builds a candidate from the marts, and moves a judged candidate out to the analysts: whole, atomically, on record.

    released/releases/<quarter>/<release>/   one Parquet file per table + manifest.json, never changed again
    released/current -> releases/...         replaced by rename; a reader resolves it once
    released/segments.duckdb                 the current release as one file, replaced by os.replace

Judging is `data_quality/`; this module only insists that a verdict exists, says "release", and is about this very
candidate.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import duckdb

from pipelines.clock import now
from pipelines.errors import ConfigError, GateRefused, InputError
from pipelines.events import emit
from pipelines.fiscal import Quarter
from pipelines.warehouse import (
    MARTS,
    RELEASE_STORAGE_VERSION,
    Places,
    connect,
    literal,
    memory,
    quoted,
    write_rows,
)

# The tables of a release and the order of their rows; a table without a stated order would not be reproducible.
RELEASED_TABLES: dict[str, tuple[str, ...]] = {
    "partner_segments": ("partner_number", "partner_id"),
    "partner_scores": ("quarter", "policy", "version", "partner_id"),
    "partner_score_contributions": ("quarter", "policy", "version", "partner_id", "criterion"),
    "partner_level_history": ("quarter", "policy", "version", "ladder", "partner_id"),
    "partner_gates": ("quarter", "policy", "version", "ladder", "partner_id", "level", "alternative", "condition"),
    "segment_summary": ("quarter", "policy", "version", "ladder", "level_rank"),
    "partner_funnel": ("quarter", "partner_id"),
    "partner_overlap": ("quarter", "partner_id"),
    "partner_program_levels": ("source", "program", "level", "partner_id"),
    "investment_plan": ("partner_number", "partner_id"),
    "identity_review": ("source", "source_id", "reason"),
    "segment_movement": ("quarter", "policy", "version", "ladder", "from_level", "to_level", "action"),
}
_FILE, _FACTS, _MANIFEST, _NEWEST = "segments.duckdb", "candidate.json", "manifest.json", "newest"
# How many candidates stay on disk: the one at hand and some refused ones to look into.
_KEPT_CANDIDATES = 5


@dataclass(frozen=True)
class Candidate:
    """A release that waits for its verdict."""

    release: str
    deployment: str
    quarter: str
    policy: str
    version: str
    policy_hash: str
    known_at: str
    inputs: list[dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    folder: Path = field(compare=False)

    @property
    def hash(self) -> str:
        """Hash over every byte of the candidate as it lies on disk now."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in (".parquet", ".duckdb"):
                digest.update(f"{path.name} {_sha256(path)}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Released:
    """What the release step did."""

    release: str
    quarter: str
    folder: Path
    is_new: bool
    previous: str | None


def build_candidate(places: Places, *, policy_hash: str) -> Candidate:
    """Lay the marts down as a candidate folder; the same inputs give the same candidate, byte for byte.

    The release id is a hash of the content: policy, inputs and tables, never of when or how often something ran.
    """
    with connect(places.warehouse, read_only=True) as con:
        context = con.execute(
            "select deployment, quarter, policy, version, cast(known_at as varchar) from deployment.run_context"
        ).fetchall()[0]
        loads = con.execute("select source, table_name, rows, content_hash, load_id from deployment.loads").fetchall()
        logical = {table: _content(con, f"{MARTS}.{quoted(table)}") for table in RELEASED_TABLES}
    deployment, quarter, policy, policy_version, known_at = context
    inputs = sorted(
        (dict(zip(("source", "table", "rows", "content_hash", "load_id"), row, strict=True)) for row in loads),
        key=lambda x: (x["source"], x["table"], x["load_id"]),
    )
    identity = {
        "deployment": deployment,
        "quarter": quarter,
        "policy": policy_hash,
        "inputs": [[x["source"], x["table"], x["content_hash"]] for x in inputs],
        "tables": logical,
    }
    release = f"{quarter}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"
    folder = places.candidates / release
    staging = places.candidates / f".{release}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    with memory() as con:
        # Row groups follow the threads; one thread gives one file, whatever the machine.
        con.execute("set threads = 1")
        con.execute(f"attach {literal(places.warehouse)} as warehouse (read_only)")
        con.execute(
            f"attach {literal(staging / _FILE)} as candidate (storage_version {literal(RELEASE_STORAGE_VERSION)})"
        )
        for table, order in RELEASED_TABLES.items():
            extra = f", {literal(release)} as release" if table == "partner_segments" else ""
            ordered = ", ".join(quoted(column) for column in order)
            con.execute(
                f"create table candidate.main.{quoted(table)} as "
                f"select *{extra} from warehouse.{MARTS}.{quoted(table)} order by {ordered}"
            )
            con.execute(
                # One thread keeps the order in which the table was just written.
                f"copy candidate.main.{quoted(table)} "
                f"to {literal(staging / (table + '.parquet'))} (format parquet, compression zstd)"
            )
        con.execute("checkpoint candidate")
        con.execute("detach candidate")
    tables = {
        table: {
            "rows": logical[table]["rows"],
            "content_hash": logical[table]["hash"],
            "sha256": _sha256(staging / f"{table}.parquet"),
        }
        for table in RELEASED_TABLES
    }
    facts = {
        "release": release,
        "deployment": deployment,
        "quarter": quarter,
        "policy": policy,
        "version": policy_version,
        "policy_hash": policy_hash,
        "known_at": known_at,
        "inputs": inputs,
        "tables": tables,
    }
    (staging / _FACTS).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(staging, folder)
    pointer = places.candidates / ".newest.tmp"
    pointer.write_text(release, encoding="utf-8")
    os.replace(pointer, places.candidates / _NEWEST)
    emit("candidate_built", f"candidate {release}", candidate=release, tables=len(tables))
    return Candidate(**facts, folder=folder)


def read_candidate(places: Places, release: str | None = None) -> Candidate:
    """A candidate on disk: the one of that release id, else the newest.

    Raises:
        ConfigError: there is none of that name.
    """
    pointer = places.candidates / _NEWEST
    if release is None:
        release = pointer.read_text(encoding="utf-8") if pointer.exists() else "(none)"
    folder = places.candidates / release
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"candidate {release}: not there (looked in {places.candidates})") from None
    return Candidate(**facts, folder=folder)


def release(
    places: Places, candidate: Candidate, *, verdict_hash: str, decision: str, findings: list[dict[str, Any]], run: str
) -> Released:
    """Move a candidate out. Idempotent: an identical release that is already current changes nothing.

    Args:
        places: the deployment's folders.
        candidate: the candidate.
        verdict_hash: the candidate hash the verdict was given for.
        decision: what the verdict says.
        findings: rows of `data_quality_results`.
        run: name of the run, for the manifest.

    Raises:
        GateRefused: the verdict is not "release", or is about other bytes than those on disk.
    """
    if decision != "release":
        raise GateRefused(f"candidate {candidate.release}: the verdict is {decision!r}; the previous release stays")
    found = candidate.hash
    if found != verdict_hash:
        raise GateRefused(
            f"candidate {candidate.release}: was judged as {verdict_hash[:12]} but is {found[:12]} now; "
            "the previous release stays",
            next_step="run again: the candidate was changed after it was judged",
        )
    _check_same_content(candidate)
    _sweep(places)
    previous = current(places)
    target = places.released / "releases" / candidate.quarter / candidate.release
    if previous is not None and previous["release"] == candidate.release:
        _finish(places, target)
        return Released(candidate.release, candidate.quarter, target, False, previous.get("previous"))
    if not target.exists():
        _lay_folder(target, candidate, previous, findings, run)
    _finish(places, target)
    return Released(candidate.release, candidate.quarter, target, True, previous["release"] if previous else None)


def _check_same_content(candidate: Candidate) -> None:
    """The gate reads the candidate's DuckDB file, analysts get its Parquet: both must say the same.

    Raises:
        GateRefused: a table differs between the two.
    """
    with memory() as con:
        con.execute(f"attach {literal(candidate.folder / _FILE)} as judged (read_only)")
        for table in RELEASED_TABLES:
            parquet = f"read_parquet({literal(candidate.folder / (table + '.parquet'))})"
            if _content(con, f"judged.main.{quoted(table)}") != _content(con, parquet):
                raise GateRefused(
                    f"candidate {candidate.release}: {table} differs between the file that was judged and the Parquet "
                    "that would be released; the previous release stays",
                    next_step="run again: the candidate was changed after it was built",
                )


def _lay_folder(
    target: Path, candidate: Candidate, previous: dict[str, Any] | None, findings: list[dict[str, Any]], run: str
) -> None:
    staging = target.parent / f".{target.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for table in RELEASED_TABLES:
        shutil.copyfile(candidate.folder / f"{table}.parquet", staging / f"{table}.parquet")
    chain = [*(previous or {}).get("chain", []), _link(candidate, previous)]
    with memory() as con:
        con.execute("set threads = 1")
        _write_results(con, candidate.release, findings)
        _write_chain(con, chain)
        for table in ("data_quality_results", "releases"):
            con.execute(
                f"copy main.{table} to {literal(staging / (table + '.parquet'))} (format parquet, compression zstd)"
            )
    manifest = {
        **{key: value for key, value in asdict(candidate).items() if key != "folder"},
        "files": {path.name: _sha256(path) for path in sorted(staging.glob("*.parquet"))},
        "previous": previous["release"] if previous else None,
        "previous_manifest_sha256": previous["manifest_sha256"] if previous else None,
        "chain": chain,
        "released_at": now().isoformat(timespec="seconds"),
        "run": run,
        "code_version": code_version(),
    }
    (staging / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in staging.iterdir():
        _fsync(path)
        path.chmod(0o444)
    _fsync(staging)
    os.replace(staging, target)
    target.chmod(0o555)
    _fsync(target.parent)


def _link(candidate: Candidate, previous: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "release": candidate.release,
        "quarter": candidate.quarter,
        "policy": candidate.policy,
        "version": candidate.version,
        "known_at": candidate.known_at,
        "partner_count": candidate.tables["partner_segments"]["rows"],
        "previous_release": previous["release"] if previous else None,
    }


def _finish(places: Places, target: Path) -> None:
    """Point `current` and the single file at a release folder; repairs what a killed run left half done."""
    relative = target.relative_to(places.released)
    if not (places.current.is_symlink() and os.readlink(places.current) == str(relative)):
        link = places.released / ".current.tmp"
        link.unlink(missing_ok=True)
        link.symlink_to(relative)
        os.replace(link, places.current)
        _fsync(places.released)
    if _released_in_file(places) == target.name:
        return
    staging = places.released / ".segments.duckdb.tmp"
    staging.unlink(missing_ok=True)
    with memory() as con:
        con.execute(f"attach {literal(staging)} as out (storage_version {literal(RELEASE_STORAGE_VERSION)})")
        for path in sorted(target.glob("*.parquet")):
            con.execute(f"create table out.main.{quoted(path.stem)} as select * from read_parquet({literal(path)})")
        con.execute("checkpoint out")
        con.execute("detach out")
    _fsync(staging)
    os.replace(staging, places.released_file)
    _fsync(places.released)


def _released_in_file(places: Places) -> str | None:
    if not places.released_file.exists():
        return None
    try:
        with connect(places.released_file, read_only=True) as con:
            row = con.execute("select any_value(release) from data_quality_results").fetchone()
            return str(row[0]) if row else None
    except duckdb.Error:
        return None  # damaged or half written by hand: it is rebuilt from the folder


def current(places: Places) -> dict[str, Any] | None:
    """The manifest of the current release with the hash of its file, or None before the first release."""
    path = places.current / _MANIFEST
    if not path.exists():
        return None
    text = path.read_bytes()
    manifest: dict[str, Any] = json.loads(text)
    manifest["manifest_sha256"] = hashlib.sha256(text).hexdigest()
    return manifest


def history(places: Places) -> list[dict[str, Any]]:
    """The chain of releases that led to the current one, oldest first."""
    manifest = current(places)
    return list(manifest["chain"]) if manifest else []


def roll_back(places: Places, release_id: str | None = None) -> Released:
    """Make an earlier release of the chain the current one; nothing is deleted.

    Raises:
        InputError: nothing is released, or no such release.
    """
    manifest = current(places)
    if manifest is None:
        raise InputError("nothing is released yet, so there is nothing to roll back to")
    wanted = release_id or manifest["previous"]
    if wanted is None:
        raise InputError(f"{manifest['release']} is the first release, there is none before it")
    target = places.released / "releases" / wanted.rsplit("-", 1)[0] / wanted
    if not (target / _MANIFEST).exists():
        raise InputError(f"release {wanted}: not there", next_step="`segments releases` lists them")
    _finish(places, target)
    emit("rolled_back", f"current release is {wanted} again, it was {manifest['release']}", level=30, release=wanted)
    return Released(wanted, wanted.rsplit("-", 1)[0], target, False, manifest["release"])


def recorded_decisions(con: duckdb.DuckDBPyConnection, places: Places, quarters: Sequence[Quarter]) -> None:
    """Write `released.decisions`: what was decided for earlier quarters, the newest release of each quarter speaking.

    One row per partner, ladder, policy and quarter; `state` is where the next review starts from.
    """
    newest: dict[str, str] = {}
    for link in history(places):
        newest[link["quarter"]] = link["release"]
    index = {quarter.label: position for position, quarter in enumerate(quarters, 1)}
    columns = {
        "policy": "varchar",
        "ladder": "varchar",
        "partner_id": "varchar",
        "quarter_index": "integer",
        "state": "varchar",
        "release": "varchar",
    }
    write_rows(con, "released", "decisions", columns, [])
    for quarter, release_id in newest.items():
        file = places.released / "releases" / quarter / release_id / "partner_level_history.parquet"
        if quarter in index and file.exists():
            con.execute(
                "insert into released.decisions select policy, ladder, partner_id, ?, released_state, ? "
                f"from read_parquet({literal(file)}) where quarter = ? and released_state is not null",
                [index[quarter], release_id, quarter],
            )


def previous_facts(places: Places) -> dict[str, Any]:
    """What the gate compares with: the number of partners and the release before."""
    manifest = current(places)
    if manifest is None:
        return {"previous_partner_count": 0, "previous_release": None}
    return {
        "previous_partner_count": int(manifest["tables"]["partner_segments"]["rows"]),
        "previous_release": manifest["release"],
    }


@contextmanager
def reader(places: Places) -> Iterator[duckdb.DuckDBPyConnection]:
    """The current release, read-only. One connection sees one release, however many are published meanwhile.

    Raises:
        InputError: nothing is released yet.
    """
    if not places.released_file.exists():
        raise InputError(f"nothing is released yet in {places.released}", next_step="`segments run` makes a release")
    con = connect(places.released_file, read_only=True)
    try:
        yield con
    finally:
        con.close()


def code_version() -> str:
    """Version of this package as installed."""
    try:
        return version("partner-segments")
    except PackageNotFoundError:
        return "unknown"


def _content(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, Any]:
    """Rows and an order-free hash of a relation's values, with its column names and types."""
    described = con.execute(f"describe select * from {relation}").fetchall()
    spelled = " || chr(31) || ".join(f"coalesce(cast({quoted(row[0])} as varchar), chr(30))" for row in described)
    rows, total = con.execute(
        f"select count(*), coalesce(sum(cast(md5_number_lower({spelled}) as hugeint)), 0) from {relation}"
    ).fetchall()[0]
    shape = ",".join(f"{row[0]} {row[1]}" for row in described)
    return {"rows": rows, "hash": hashlib.sha256(f"{shape}|{rows}|{total}".encode()).hexdigest()[:32]}


def _write_results(con: duckdb.DuckDBPyConnection, release_id: str, findings: list[dict[str, Any]]) -> None:
    columns = {
        "release": "varchar",
        "suite": "varchar",
        "table_name": "varchar",
        "expectation": "varchar",
        "severity": "varchar",
        "has_passed": "boolean",
        "observed": "varchar",
        "says": "varchar",
    }
    write_rows(con, "main", "data_quality_results", columns, [{"release": release_id, **row} for row in findings])


def _write_chain(con: duckdb.DuckDBPyConnection, chain: list[dict[str, Any]]) -> None:
    columns = {
        "position": "integer",
        "release": "varchar",
        "quarter": "varchar",
        "policy": "varchar",
        "version": "varchar",
        "known_at": "timestamp",
        "partner_count": "bigint",
        "previous_release": "varchar",
    }
    write_rows(con, "main", "releases", columns, [{"position": n, **link} for n, link in enumerate(chain, 1)])


def _sweep(places: Places) -> None:
    """Remove what killed runs left behind and candidates nobody will look at again."""
    for folder in (places.released / "releases").glob("*/.*.tmp"):
        shutil.rmtree(folder, ignore_errors=True)
    for leftover in places.candidates.glob(".*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    kept = sorted((x for x in places.candidates.iterdir() if x.is_dir()), key=lambda x: x.stat().st_mtime, reverse=True)
    for folder in kept[_KEPT_CANDIDATES:]:
        shutil.rmtree(folder, ignore_errors=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlock(folder: Path) -> None:
    """Make a read-only tree writable again, for tests and for whoever really wants to delete it."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)

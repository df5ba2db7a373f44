"""Builds a candidate from the marts, and moves a judged candidate out to the analysts: whole, atomically, on record.

    released/releases/<quarter>/<release>/   one Parquet file per table, manifest.json and the verdict; never changed
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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
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
    "identity_candidates": ("source", "source_id", "other_source", "other_source_id"),
    "identity_review": ("source", "source_id", "reason"),
    "partner_identities": ("source", "source_id"),
    "identity_changes": ("changed_on", "source", "source_id", "from_partner_id", "to_partner_id"),
    "segment_movement": ("quarter", "policy", "version", "ladder", "from_level", "to_level", "action"),
}
GONE_RECORDS = ("load_changes", "few_records_are_gone")
"""Suite and expectation that say of a release that a table of it lost records."""
# What a run reads back of who was who: as the schema `released` calls it, and the released tables it comes from.
_IDENTITIES: dict[str, dict[str, str]] = {
    "identities": {
        **dict.fromkeys(
            ("source", "source_id", "partner_id", "partner_number", "kind", "record_name", "rule"), "varchar"
        ),
        "known_since": "date",
        "is_present": "boolean",
    },
    "former_changes": {
        "changed_on": "date",
        **dict.fromkeys(
            (
                *("change", "source", "source_id", "record_name", "from_partner_id", "from_partner_number"),
                *("to_partner_id", "to_partner_number", "rule", "detail", "quarter", "policy", "version"),
            ),
            "varchar",
        ),
    },
}
_READ_BACK = {"identities": "partner_identities", "former_changes": "identity_changes"}
_FILE, _FACTS, _MANIFEST, _NEWEST = "segments.duckdb", "candidate.json", "manifest.json", "newest"
# How many candidates stay on disk: the one at hand and some refused ones to look into. The newest refused one of each
# quarter stays besides, as a person may still approve it.
_KEPT_CANDIDATES = 5
SCRATCH = ".scratch-"
"""A folder of the state that begins so belongs to one step under the writing seat; leftovers of it are removed."""
# What the gate wrote beside a candidate (data_quality/releasing.py); only its decision is read here.
_VERDICT = "verdict.json"
# How many releases of the chain `data_quality_results` speaks of: 25 years of quarters, or 100 days of daily ones.
KEPT_RESULTS = 100
_RESULT_COLUMNS = {
    "release": "varchar",
    "suite": "varchar",
    "table_name": "varchar",
    "expectation": "varchar",
    "severity": "varchar",
    "has_passed": "boolean",
    "observed": "varchar",
    "unexpected_count": "bigint",
    "says": "varchar",
}


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
class Approval:
    """A person's word that a candidate may go out although the gate refused it.

    `overruled` names the failed expectations that the word is about, as `suite.expectation`.
    """

    by: str
    why: str
    at: str
    overruled: tuple[str, ...]


@dataclass(frozen=True)
class Released:
    """What the release step did."""

    release: str
    quarter: str
    folder: Path
    is_new: bool
    previous: str | None
    is_again: bool = False
    """It was out before, and is the current one again."""


def build_candidate(places: Places, *, policy_hash: str) -> Candidate:
    """Lay the marts down as a candidate folder; the same inputs give the same candidate, byte for byte.

    The release id is a hash of the content: policy, inputs and tables, never of when or how often something ran. Older
    candidates go: where nothing is released for long, as when runs are rehearsals or refused, they would pile up.
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
    release = _name_of(deployment, quarter, policy_hash, inputs, logical)
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
    _sweep(places, folder)
    emit("candidate_built", f"candidate {release}", candidate=release, tables=len(tables))
    return Candidate(**facts, folder=folder)


def _name_of(
    deployment: str, quarter: str, policy_hash: str, inputs: list[dict[str, Any]], tables: dict[str, dict[str, Any]]
) -> str:
    """The release id of a content."""
    identity = {
        "deployment": deployment,
        "quarter": quarter,
        "policy": policy_hash,
        "inputs": [[x["source"], x["table"], x["content_hash"]] for x in inputs],
        "tables": tables,
    }
    return f"{quarter}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


def check_facts(candidate: Candidate) -> None:
    """Hold what `candidate.json` says against the candidate's name and its files; the hash leaves that file out.

    Raises:
        GateRefused: the id is not that of the facts, or a table has another content than they say.
    """
    tables = {name: {"rows": x["rows"], "hash": x["content_hash"]} for name, x in candidate.tables.items()}
    name = _name_of(candidate.deployment, candidate.quarter, candidate.policy_hash, candidate.inputs, tables)
    changed = [
        table
        for table, facts in candidate.tables.items()
        if not (path := candidate.folder / f"{table}.parquet").exists() or _sha256(path) != facts["sha256"]
    ]
    if name == candidate.release and set(candidate.tables) == set(RELEASED_TABLES) and not changed:
        return
    what = f"other content in {', '.join(changed)}" if changed else "facts that belong to another release"
    raise GateRefused(
        f"candidate {candidate.release}: was changed after it was built ({what}); the previous release stays",
        next_step="run again, then look at the new candidate",
    )


def candidates(places: Places) -> list[Candidate]:
    """The candidates that lie there, the newest first; a folder without readable facts is none."""
    found: list[tuple[float, str, Candidate]] = []
    for folder in places.candidates.glob("[!.]*/") if places.candidates.is_dir() else ():
        try:
            made = read_candidate(places, folder.name)
        except (ConfigError, ValueError, TypeError):
            continue  # built by an older version, or half deleted by hand: nothing to look at
        found.append((folder.stat().st_mtime, made.release, made))
    return [made for _, _, made in sorted(found, key=lambda x: x[:2], reverse=True)]


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
    places: Places,
    candidate: Candidate,
    *,
    verdict_hash: str,
    decision: str,
    findings: list[dict[str, Any]],
    run: str,
    documents: Mapping[str, str] | None = None,
    approval: Approval | None = None,
) -> Released:
    """Move a candidate out. Idempotent: an identical release that is already current changes nothing.

    Nor does one that later quarters have gone on from: what they decided stays on record, and current.

    Args:
        places: the deployment's folders.
        candidate: the candidate.
        verdict_hash: the candidate hash the verdict was given for.
        decision: what the verdict says.
        findings: rows of `data_quality_results`.
        run: name of the run, for the manifest.
        documents: name -> text of files that are kept beside the tables, such as the verdict and its page.
        approval: who lets the candidate out although the verdict is another; goes on record with it.

    Raises:
        GateRefused: the verdict is not "release" and nobody approved, or is about other bytes than those on disk.
    """
    if decision != "release" and approval is None:
        raise GateRefused(f"candidate {candidate.release}: the verdict is {decision!r}; the previous release stays")
    found = candidate.hash
    if found != verdict_hash:
        raise GateRefused(
            f"candidate {candidate.release}: was judged as {verdict_hash[:12]} but is {found[:12]} now; "
            "the previous release stays",
            next_step="run again: the candidate was changed after it was judged",
        )
    _check_same_content(candidate)
    _sweep(places, candidate.folder)
    previous = current(places)
    target = places.released / "releases" / candidate.quarter / candidate.release
    if previous is not None and previous["release"] == candidate.release:
        _finish(places, target)
        return Released(candidate.release, candidate.quarter, target, False, previous.get("previous"))
    if previous is not None and _was_gone_on_from(previous["chain"], candidate):
        _finish(places, places.current.resolve())
        return Released(candidate.release, candidate.quarter, target, False, previous["release"])
    was_out = target.exists()
    if not was_out:
        _lay_folder(places, target, candidate, previous, findings, run, documents or {}, approval)
    _finish(places, target)
    before = previous["release"] if previous else None
    return Released(candidate.release, candidate.quarter, target, True, before, is_again=was_out)


def _was_gone_on_from(chain: Sequence[Mapping[str, Any]], candidate: Candidate) -> bool:
    """Whether the candidate was released, and a later quarter after it: to go back there would forget that quarter."""
    at = [position for position, link in enumerate(chain) if link["release"] == candidate.release]
    return bool(at) and any(link["quarter"] > candidate.quarter for link in chain[at[-1] + 1 :])


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
    places: Places,
    target: Path,
    candidate: Candidate,
    previous: dict[str, Any] | None,
    findings: list[dict[str, Any]],
    run: str,
    documents: Mapping[str, str],
    approval: Approval | None,
) -> None:
    staging = target.parent / f".{target.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for table in RELEASED_TABLES:
        shutil.copyfile(candidate.folder / f"{table}.parquet", staging / f"{table}.parquet")
    for name, text in documents.items():
        (staging / name).write_text(text, encoding="utf-8")
    chain = [*(previous or {}).get("chain", []), _link(candidate, previous, approval)]
    with memory() as con:
        con.execute("set threads = 1")
        _write_results(con, places, chain, findings)
        _write_chain(con, chain)
        for table in ("data_quality_results", "releases"):
            con.execute(
                f"copy main.{table} to {literal(staging / (table + '.parquet'))} (format parquet, compression zstd)"
            )
    manifest = {
        **{key: value for key, value in asdict(candidate).items() if key != "folder"},
        "files": {path.name: _sha256(path) for path in sorted(staging.iterdir())},
        "previous": previous["release"] if previous else None,
        "previous_manifest_sha256": previous["manifest_sha256"] if previous else None,
        "chain": chain,
        "released_at": now().isoformat(timespec="seconds"),
        "run": run,
        "approval": asdict(approval) if approval else None,
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


def _link(candidate: Candidate, previous: dict[str, Any] | None, approval: Approval | None = None) -> dict[str, Any]:
    return {
        "release": candidate.release,
        "quarter": candidate.quarter,
        "policy": candidate.policy,
        "version": candidate.version,
        "known_at": candidate.known_at,
        "partner_count": candidate.tables["partner_segments"]["rows"],
        "previous_release": previous["release"] if previous else None,
        "approved_by": approval.by if approval else None,
        "approval_reason": approval.why if approval else None,
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
            row = con.execute("select max_by(release, position) from releases").fetchone()
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


def check_owner(places: Places, deployment: str) -> None:
    """Hold a deployment's name against that of the releases in its state folder.

    Raises:
        ConfigError: they are another deployment's; decisions, ids and loads of the two would mix.
    """
    manifest = current(places)
    if manifest is not None and manifest["deployment"] != deployment:
        raise ConfigError(
            f"{places.state} holds the releases of the deployment {manifest['deployment']!r}, and this one is "
            f"{deployment!r}; nothing was read or written",
            next_step="give it a folder of its own (`paths: {state: ...}`), or its name back (`deployment:`)",
        )


def history(places: Places) -> list[dict[str, Any]]:
    """The chain of releases that led to the current one, oldest first."""
    manifest = current(places)
    return list(manifest["chain"]) if manifest else []


def overruled_in_current(places: Places, release_id: str) -> frozenset[str]:
    """The expectations a person overruled when this release, if it is the current one, was let out."""
    manifest = current(places)
    if manifest is None or manifest["release"] != release_id:
        return frozenset()
    return frozenset((manifest.get("approval") or {}).get("overruled", ()))


def approval_of(places: Places, release_id: str) -> Approval | None:
    """The approval in a release's own manifest, current or not; None: it needed none, or there is no such release."""
    path = _folder_of(places, release_id) / _MANIFEST
    found = json.loads(path.read_text(encoding="utf-8")).get("approval") if path.exists() else None
    return Approval(**{**found, "overruled": tuple(found["overruled"])}) if found else None


def is_out(places: Places, release_id: str) -> bool:
    """Whether there is a release of that id, current or not."""
    return (_folder_of(places, release_id) / _MANIFEST).exists()


def _folder_of(places: Places, release_id: str) -> Path:
    return places.released / "releases" / release_id.rsplit("-", 1)[0] / release_id


def roll_back(places: Places, release_id: str | None = None) -> Released:
    """Make an earlier release of the chain the current one; nothing is deleted. The beginning of one id is enough.

    Raises:
        InputError: nothing is released, no such release, or several begin so.
    """
    before, target = before_and_after(places, release_id)
    wanted = target.name
    _finish(places, target)
    emit(
        "rolled_back", f"current release is {wanted} again, it was {before}", level=30, release=wanted, previous=before
    )
    return Released(wanted, wanted.rsplit("-", 1)[0], target, False, before, is_again=wanted != before)


def before_and_after(places: Places, release_id: str | None = None) -> tuple[str, Path]:
    """The current release, and the folder of the one that `roll_back` would make it.

    Raises:
        InputError: as `roll_back` does.
    """
    manifest = current(places)
    if manifest is None:
        raise InputError("nothing is released yet, so there is nothing to roll back to")
    wanted = release_id or manifest["previous"]
    if wanted is None:
        raise InputError(f"{manifest['release']} is the first release, there is none before it")
    ids = sorted(path.parent.name for path in (places.released / "releases").glob(f"*/*/{_MANIFEST}"))
    begin = [one for one in ids if one.startswith(wanted)] if wanted not in ids else [wanted]
    if len(begin) > 1:
        raise InputError(f"release {wanted}: several begin so: {', '.join(begin)}", next_step="write more of the id")
    if not begin:
        raise InputError(f"release {wanted}: not there", next_step="`segments releases` lists them")
    return str(manifest["release"]), _folder_of(places, begin[0])


def recorded_decisions(con: duckdb.DuckDBPyConnection, places: Places, quarters: Sequence[Quarter]) -> None:
    """Write `released.decisions`: what was decided for earlier quarters, the newest release of each quarter speaking.

    One row per partner, ladder, policy and quarter; `state` is where the next review starts from, `level` and `action`
    are what people were told then.
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
        "level": "varchar",
        "action": "varchar",
    }
    write_rows(con, "released", "decisions", columns, [])
    for quarter, release_id in newest.items():
        file = places.released / "releases" / quarter / release_id / "partner_level_history.parquet"
        if quarter in index and file.exists():
            con.execute(
                "insert into released.decisions "
                "select policy, ladder, partner_id, ?, released_state, ?, released_level, released_action "
                f"from read_parquet({literal(file)}) where quarter = ? and released_state is not null",
                [index[quarter], release_id, quarter],
            )


def recorded_scores(con: duckdb.DuckDBPyConnection, places: Places, quarter: Quarter) -> None:
    """Write what the gate compares a candidate for `quarter` with: `released.compared` and `released.scores`.

    `compared` has one row per comparison: `quarter_before` is the newest release of the newest earlier quarter,
    `same_quarter` the newest release of the quarter itself; without such a release its columns are NULL. `scores` has
    one row per comparison and partner of that release: its total under the policy that decided then (0 to 100).
    """
    chosen = _compared(places, quarter.label)
    compared = {
        "compared_with": "varchar",
        "release": "varchar",
        "quarter": "varchar",
        "policy": "varchar",
        "version": "varchar",
        "partner_count": "bigint",
    }
    write_rows(con, "released", "compared", compared, [{"compared_with": x, **(y or {})} for x, y in chosen.items()])
    scores = {
        "compared_with": "varchar",
        "policy": "varchar",
        "version": "varchar",
        "partner_id": "varchar",
        "partner_number": "varchar",
        "total_score": "decimal(18,6)",
    }
    write_rows(con, "released", "scores", scores, [])
    for name, link in chosen.items():
        if link is None:
            continue
        file = places.released / "releases" / link["quarter"] / link["release"] / "partner_segments.parquet"
        if file.exists():
            con.execute(
                "insert into released.scores select ?, policy, version, partner_id, partner_number, total_score "
                f"from read_parquet({literal(file)})",
                [name],
            )


def _compared(places: Places, quarter: str) -> dict[str, dict[str, Any] | None]:
    newest = {link["quarter"]: link for link in history(places)}
    earlier = [label for label in newest if label < quarter]
    return {"quarter_before": newest[max(earlier)] if earlier else None, "same_quarter": newest.get(quarter)}


def compared_with(places: Places, quarter: str, known_at: datetime | None) -> dict[str, str]:
    """The releases that a candidate for `quarter` is judged against, by what is compared; "" where there is none.

    `ids` are those of `base_of`, `loads` those of `base_of_loads`, the `count` of partners is that of `previous_facts`,
    and scores are compared with `quarter_before` and `same_quarter`.
    """
    links = _compared(places, quarter)
    bases = {"ids": base_of(places, known_at), "loads": base_of_loads(places, known_at)}
    found = {**bases, "count": links["same_quarter"] or links["quarter_before"], **links}
    return {name: str(link["release"]) if link else "" for name, link in found.items()}


def chain_of(places: Places, release_id: str) -> list[str]:
    """The releases that led to one, and itself, oldest first; empty where its folder is not there any more."""
    try:
        manifest = json.loads((_folder_of(places, release_id) / _MANIFEST).read_text(encoding="utf-8"))
        return [str(link["release"]) for link in manifest["chain"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def recorded_identities(con: duckdb.DuckDBPyConnection, places: Places, known_at: datetime | None) -> None:
    """Write `released.identities` and `released.former_changes`: which records were which partner, and since when.

    One row per source record, and one per record and change, of the release that `base_of` names. A replay of an
    earlier moment so finds the ids of that moment.
    """
    for table, columns in _IDENTITIES.items():
        write_rows(con, "released", table, columns, [])
    base = base_of(places, known_at)
    if base is None:
        return
    folder = _folder_of(places, base["release"])
    for table, columns in _IDENTITIES.items():
        file = folder / f"{_READ_BACK[table]}.parquet"
        if file.exists():  # releases before 0.5.0 have none: their ids follow from the records
            read = f"columns('^({'|'.join(columns)})$')"  # what the release does not have is NULL
            con.execute(f"insert into released.{table} by name select {read} from read_parquet({literal(file)})")
    # A release that did not tell of absent records has none.
    con.execute("update released.identities set is_present = true where is_present is null")


def base_of(
    places: Places, known_at: datetime | None, *, without: Collection[tuple[str, str]] = ()
) -> dict[str, Any] | None:
    """The manifest of the release that a run with this knowledge goes on from, None where there is none.

    Of the chain, it is the one that knows most and no more than `known_at` (None: no limit). That is not always the one
    made last: a gap below is filled with what its own day knew. Releases in which one of the expectations `without`
    (suite, name) failed are passed over unless somebody approved them; where that leaves none, they count.
    """
    limit = known_at.astimezone(UTC).replace(tzinfo=None) if known_at else datetime.max
    links = [(datetime.fromisoformat(link["known_at"]), n, link) for n, link in enumerate(history(places))]
    known = sorted((one for one in links if one[0] <= limit), key=lambda one: one[:2])
    failed = _releases_with(places, without) if without else set()
    sound = [one for one in known if one[2]["release"] not in failed or one[2].get("approved_by")]
    if not known:
        return None
    path = _folder_of(places, (sound or known)[-1][2]["release"]) / _MANIFEST
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def base_of_loads(places: Places, known_at: datetime | None) -> dict[str, Any] | None:
    """The manifest of the release with whose loads a run with this knowledge compares its own: `base_of`, but sound.

    A release that was let out although a table had lost records is no measure: nobody would miss them any more.
    """
    return base_of(places, known_at, without=(GONE_RECORDS,))


def _releases_with(places: Places, failures: Collection[tuple[str, str]]) -> set[str]:
    """The releases of the chain in which one of these expectations (suite, name) failed."""
    file = places.current / "data_quality_results.parquet"
    if not file.exists():
        return set()
    asked = " or ".join(f"suite = {literal(suite)} and expectation = {literal(name)}" for suite, name in failures)
    with memory() as con:
        rows = con.execute(
            f"select distinct release from read_parquet({literal(file)}) where not has_passed and ({asked})"
        )
        return {row[0] for row in rows.fetchall()}


def previous_facts(places: Places, quarter: str | None = None) -> dict[str, Any]:
    """What the gate compares a candidate for `quarter` with: how many partners there were, and the current release.

    The partners are those of the newest release of the newest quarter that is not later (None: of the current one).
    """
    links = history(places)
    if not links:
        return {"previous_partner_count": 0, "previous_release": None}
    upto = [(link["quarter"], n, link) for n, link in enumerate(links) if quarter is None or link["quarter"] <= quarter]
    before = links[-1] if quarter is None else max(upto, key=lambda one: one[:2])[2] if upto else None
    return {
        "previous_partner_count": int(before["partner_count"]) if before else 0,
        "previous_release": links[-1]["release"],
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


def _write_results(
    con: duckdb.DuckDBPyConnection, places: Places, chain: list[dict[str, Any]], findings: list[dict[str, Any]]
) -> None:
    """What the gate found of this release, below what it found of the releases before it.

    The earlier rows are read from the release before, which has those of its own past, so that what is said of the past
    does not need the folders of the past. Only what it lacks, as it was made by an older version, is read from theirs.
    """
    *earlier, own = chain[-KEPT_RESULTS:]
    write_rows(con, "main", "earlier_results", _RESULT_COLUMNS, [])
    if earlier:
        _copy_results(con, _results_of(places, earlier[-1]), earlier)
    there = {row[0] for row in con.execute("select distinct release from main.earlier_results").fetchall()}
    for link in earlier:
        if link["release"] not in there:
            _copy_results(con, _results_of(places, link), [link])
    write_rows(con, "main", "data_quality_results", _RESULT_COLUMNS, [])
    order = ", ".join(literal(link["release"]) for link in earlier)
    if order:
        con.execute(
            "insert into main.data_quality_results select * from main.earlier_results "
            f"order by list_position([{order}], release), suite, expectation, table_name"
        )
    write_rows(con, "main", "own_results", _RESULT_COLUMNS, [{"release": own["release"], **row} for row in findings])
    con.execute("insert into main.data_quality_results select * from main.own_results")


def _results_of(places: Places, link: dict[str, Any]) -> Path:
    return places.released / "releases" / str(link["quarter"]) / str(link["release"]) / "data_quality_results.parquet"


def _copy_results(con: duckdb.DuckDBPyConnection, path: Path, links: list[dict[str, Any]]) -> None:
    """The rows of these releases from an earlier release's file; a column that it does not have is NULL."""
    if not path.exists():
        return
    try:
        there = {row[0] for row in con.execute(f"describe select * from read_parquet({literal(path)})").fetchall()}
        columns = ", ".join(
            quoted(name) if name in there else f"cast(null as {kind}) as {quoted(name)}"
            for name, kind in _RESULT_COLUMNS.items()
        )
        listed = ", ".join(literal(link["release"]) for link in links)
        con.execute(
            f"insert into main.earlier_results select {columns} from read_parquet({literal(path)}) "
            f"where release in ({listed})"
        )
    except duckdb.Error as problem:
        raise InputError(
            f"release {path.parent.name}: {path.name} cannot be read, so what the gate found then would be lost; "
            f"nothing was released ({problem})",
            next_step="restore the folder of that release from the backup, then run again",
        ) from None


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
        "approved_by": "varchar",
        "approval_reason": "varchar",
    }
    write_rows(con, "main", "releases", columns, [{"position": n, **link} for n, link in enumerate(chain, 1)])


def _sweep(places: Places, at_hand: Path) -> None:
    """Remove what killed runs left behind and candidates nobody will look at again; never the one at hand."""
    for folder in (places.released / "releases").glob("*/.*.tmp"):
        shutil.rmtree(folder, ignore_errors=True)
    for leftover in [*places.candidates.glob(".*.tmp"), *places.state.glob(f"{SCRATCH}*")]:
        shutil.rmtree(leftover, ignore_errors=True)
    kept = sorted((x for x in places.candidates.iterdir() if x.is_dir()), key=lambda x: x.stat().st_mtime, reverse=True)
    waiting: set[str] = set()
    for position, folder in enumerate(kept):
        quarter = folder.name.rsplit("-", 1)[0]
        if quarter not in waiting and _is_refused(folder):
            waiting.add(quarter)
        elif position >= _KEPT_CANDIDATES and folder != at_hand:
            shutil.rmtree(folder, ignore_errors=True)


def _is_refused(folder: Path) -> bool:
    try:
        verdict = json.loads((folder / _VERDICT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # never judged, or cut short: nothing a person could approve
    return isinstance(verdict, dict) and verdict.get("decision") == "refuse"


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

"""Remembers every judgement of a deployment: also of candidates that were refused, rehearsed or swept away since.

    quality/verdicts.jsonl      one line per judgement, the latest last
    quality/asked/<hash>.json   names of the expectations that were asked, once per set of them

The file is replaced whole, so that a killed run leaves the old one or the new one. A candidate that is judged again
with the same outcome gets no line of its own: its line moves to the end and says when that was. A verdict holds no
time of day on purpose (`verdict.py`); the times stand here.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from data_quality.suite import Severity
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines.clock import now
from pipelines.errors import InputError
from pipelines.release import Candidate
from pipelines.warehouse import Places

KEPT = 5000
"""Judgements that are kept: thirteen years of one a day. The oldest go first."""

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")

Fate = Literal["released", "current", "approved", "out already", "refused", "kept back"]


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Failure(_Line):
    """One expectation that failed in a judgement."""

    suite: str
    expectation: str
    table: str
    severity: Severity
    raised: bool = False
    refuses: bool = False
    observed: str = ""
    unexpected_count: int | None = None
    partners: int | None = None
    """How many partners it touches; None where nobody has worked it out."""
    at_risk: int | None = None
    """How many partners' levels could differ."""

    @property
    def name(self) -> str:
        """Suite and expectation, as the command line takes it."""
        return f"{self.suite}.{self.expectation}"

    @classmethod
    def of(cls, result: Result) -> Failure:
        """A verdict's failed result without its sample: the record holds no keys of rows."""
        return cls(
            suite=result.suite,
            expectation=result.expectation,
            table=result.table,
            severity=result.severity,
            raised=result.raised,
            refuses=result.refuses,
            observed=result.observed,
            unexpected_count=result.unexpected_count,
            partners=result.partner_count if result.reach else None,
            at_risk=result.at_risk_count if result.reach else None,
        )


class Judgement(_Line):
    """What the gate said of one candidate; `first_at` and `last_at` are when it said so first and last (UTC)."""

    first_at: datetime
    last_at: datetime
    times: int
    candidate: str
    candidate_hash: str
    outcome_sha256: str
    quarter: str
    policy: str
    version: str
    known_at: str
    decision: Literal["release", "refuse"]
    asked: int
    asked_sha256: str
    failures: tuple[Failure, ...]

    def count(self, severity: Severity) -> int:
        """How many expectations of a severity failed."""
        return sum(failure.severity == severity for failure in self.failures)


@dataclass(frozen=True)
class Record:
    """What the file holds: the judgements, the latest first, and how many lines could not be read."""

    judgements: tuple[Judgement, ...]
    unreadable: int = 0


def remember(places: Places, candidate: Candidate, verdict: Verdict) -> Judgement:
    """Put a judgement on record and return its line. The caller holds the writing seat."""
    names = sorted(f"{result.suite}.{result.expectation}" for result in verdict.results)
    moment = now().replace(microsecond=0)
    line = Judgement(
        first_at=moment,
        last_at=moment,
        times=1,
        candidate=candidate.release,
        candidate_hash=verdict.candidate_hash,
        outcome_sha256=outcome_of(verdict),
        quarter=candidate.quarter,
        policy=candidate.policy,
        version=candidate.version,
        known_at=candidate.known_at,
        decision=verdict.decision,
        asked=len(verdict.results),
        asked_sha256=_note_names(places, names),
        failures=tuple(Failure.of(result) for result in verdict.failures()),
    )
    kept: list[str] = []
    for text in _lines(places):
        known = _parsed(text)
        if known is not None and (known.candidate, known.outcome_sha256) == (line.candidate, line.outcome_sha256):
            line = line.model_copy(update={"first_at": known.first_at, "times": line.times + known.times})
        else:
            kept.append(text)
    _replace(_file(places), "\n".join([*kept[-(KEPT - 1) :], line.model_dump_json()]) + "\n")
    return line


def read_record(places: Places) -> Record:
    """Every judgement on record, the latest first; lines that somebody damaged are counted and left out."""
    parsed = [_parsed(text) for text in _lines(places)]
    found = [line for line in parsed if line is not None]
    return Record(tuple(reversed(found)), len(parsed) - len(found))


def fate(places: Places, judgement: Judgement) -> Fate:
    """What became of a judged candidate.

    `current` and `released` are out, `approved` on a person's word in spite of this judgement; `out already` was out
    before this judgement refused it; `kept back` was good and is not out, such as a rehearsal's. A run that finds a
    release out already has judged what is released.
    """
    folder = places.released / "releases" / judgement.quarter / judgement.candidate
    is_out = (folder / "manifest.json").exists()
    if judgement.decision == "refuse":
        if not is_out:
            return "refused"
        if _speaks(folder / VERDICT_FILE, judgement):
            return "approved"
        return "out already" if _was_out_by(folder / "manifest.json", judgement.last_at) else "refused"
    if not is_out:
        return "kept back"
    return "current" if places.current.resolve() == folder.resolve() else "released"


def _was_out_by(manifest: Path, moment: datetime) -> bool:
    """Whether a release went out before a moment: it is its own baseline since, so that other things fail."""
    return datetime.fromisoformat(json.loads(manifest.read_text(encoding="utf-8"))["released_at"]) < moment


def _speaks(verdict: Path, judgement: Judgement) -> bool:
    """Whether a release went out on this very judgement; a verdict that is not there or cannot be read says of none."""
    if not verdict.exists():
        return False
    try:
        return outcome_of(Verdict.read(verdict)) == judgement.outcome_sha256
    except InputError:
        return False


def standing(places: Places, judgement: Judgement, rule: str) -> Failure | bool | None:
    """How an expectation fared in a judgement: its failure, True where it held, None where it was not asked.

    `rule` is `suite.expectation`.
    """
    for failure in judgement.failures:
        if failure.name == rule:
            return failure
    return True if rule in asked_names(places, judgement) else None


def asked_names(places: Places, judgement: Judgement) -> frozenset[str]:
    """Names of the expectations that were asked in a judgement; empty when that note is lost."""
    path = places.quality / "asked" / f"{judgement.asked_sha256[:16]}.json"
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return frozenset(failure.name for failure in judgement.failures)


def outcome_of(verdict: Verdict) -> str:
    """SHA-256 of what was decided and found; together with the candidate's name, which judgement this is.

    What the run was told is no part of it: the release before is another one as soon as this one is out, and partners
    are not always worked out. Nor are the candidate's bytes: DuckDB writes the same tables into other bytes every time,
    and the name is the hash of what they say.
    """
    found = [
        (x.suite, x.expectation, x.table, x.severity, x.success, x.raised, x.observed, x.unexpected_count, x.sample)
        for x in verdict.results
    ]
    text = json.dumps([verdict.decision, found], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def counts_by_severity(verdict: Verdict) -> dict[Severity, tuple[int, int]]:
    """Severity -> how many expectations failed, how many were asked."""
    return {
        severity: (
            sum(not result.success for result in verdict.results if result.severity == severity),
            sum(result.severity == severity for result in verdict.results),
        )
        for severity in SEVERITIES
    }


def _file(places: Places) -> Path:
    return places.quality / "verdicts.jsonl"


def _lines(places: Places) -> list[str]:
    path = _file(places)
    # Not `splitlines`: what was observed may hold other line breaks, which JSON leaves as they are.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    return [line for line in lines if line.strip()]


def _parsed(text: str) -> Judgement | None:
    try:
        return Judgement.model_validate_json(text)
    except ValidationError:
        return None


def _note_names(places: Places, names: list[str]) -> str:
    text = json.dumps(names, indent=0) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = places.quality / "asked" / f"{digest[:16]}.json"
    if not path.exists():
        _replace(path, text)
    return digest


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

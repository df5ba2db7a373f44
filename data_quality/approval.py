"""Lets out a candidate that the gate refused, on a person's word, and keeps both on record.

The verdict stays what it was. The release's manifest says who approved it, why, when and which expectations were
overruled; its row in `releases` and every later chain say so too. What could not be judged cannot be approved: then
nobody knows what there is to answer for.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data_quality.blast import EXPECTATION as BUDGET
from data_quality.releasing import findings_of, signed
from data_quality.report import PAGE, Beside, page
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines.clock import now
from pipelines.errors import ConfigError, GateRefused, InputError
from pipelines.events import emit
from pipelines.release import (
    Approval,
    Candidate,
    Released,
    approval_of,
    candidates,
    check_facts,
    current,
    is_out,
    release,
)
from pipelines.warehouse import Places

NEVER = frozenset({"no_mail_address"})
"""Expectations that no word overrules: an address of a person may not leave the house, whoever signs."""

LONGEST = 500
"""Characters of a name or a reason; they stand in a table."""


@dataclass(frozen=True)
class Kept:
    """A candidate that lies there, with what the gate said of it.

    `verdict` is None where it was not judged, or where what lies there is not what was judged (`is_changed`), be it the
    candidate or the verdict itself.
    """

    candidate: Candidate
    verdict: Verdict | None
    judged_at: datetime | None
    is_changed: bool
    is_out: bool
    approval: Approval | None

    @property
    def refusing(self) -> list[Result]:
        """What forbids its release."""
        return [result for result in self.verdict.failures() if result.refuses] if self.verdict else []

    @property
    def state(self) -> str:
        """Where it stands, in a few words."""
        if self.approval is not None:
            return f"approved by {self.approval.by}"
        if self.is_out:
            return "released"
        if self.is_changed:
            return "changed since it was judged"
        if self.verdict is None:
            return "not judged"
        return "good to release" if self.verdict.is_released else "waits for a person"


def kept(places: Places) -> list[Kept]:
    """Every candidate that lies there, the newest first. Reads each of their files once, for the hash."""
    return [look_at(places, candidate) for candidate in candidates(places)]


def find(places: Places, release_id: str) -> Kept:
    """The candidate of a release id.

    Raises:
        InputError: there is none.
    """
    for candidate in candidates(places):
        if candidate.release == release_id:
            return look_at(places, candidate)
    raise InputError(
        f"candidate {release_id}: not there; the newest refused one of each quarter is kept, and the last few of all",
        next_step="`segments release list` names those that are",
    )


def look_at(places: Places, candidate: Candidate) -> Kept:
    """A candidate with its verdict, if that is about these very bytes."""
    path = candidate.folder / VERDICT_FILE
    judged_at = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
    try:
        verdict = Verdict.read(path) if path.exists() else None
        is_changed = verdict is not None and verdict.candidate_hash != candidate.hash
    except InputError:
        verdict, is_changed = None, True
    return Kept(
        candidate=candidate,
        verdict=None if is_changed else verdict,
        judged_at=judged_at,
        is_changed=is_changed,
        is_out=is_out(places, candidate.release),
        approval=approval_of(places, candidate.release),
    )


def obstacle(places: Places, one: Kept, *, out_of_order: bool = False) -> str:
    """Why a candidate cannot be approved, in words; "" when it can.

    `out_of_order` lets a candidate pass that is older than the current release or was judged beside another one.
    """
    if one.is_changed:
        return "its files are not those that were judged; run again, then look at the new candidate"
    if one.verdict is None:
        return "it was not judged; run again"
    if one.verdict.is_released:
        return "the gate has nothing against it, it needs no approval; `segments run` releases it"
    # The gate asks about itself whether it could ask; only its budget of decisions at risk is about the data.
    unknown = [
        result.name
        for result in one.refusing
        if result.raised or (result.suite == "gate" and result.expectation != BUDGET)
    ]
    if unknown or not one.refusing:
        listed = ", ".join(unknown) or "nothing was asked"
        return (
            f"not everything could be judged ({listed}), so nobody knows what there is to answer for; repair that first"
        )
    forbidden = [result.name for result in one.refusing if result.expectation in NEVER]
    if forbidden:
        return f"no word overrules {', '.join(forbidden)}: no address of a person leaves the house; correct the data"
    return "" if out_of_order else _disorder(places, one.candidate, one.verdict)


def _disorder(places: Places, candidate: Candidate, verdict: Verdict) -> str:
    manifest = current(places)
    name = str(manifest["release"]) if manifest else "none"
    if manifest and (candidate.quarter, candidate.known_at) < (manifest["quarter"], manifest["known_at"]):
        return (
            f"it is older than the current release {name}, and readers would go back in time (--out-of-order allows it)"
        )
    before = verdict.parameters.get("previous_release", name)
    if before != name:
        return (
            f"it starts from the decisions of {before} and was compared with it, but {name} is current now; run again "
            "(--out-of-order lets it out as it is)"
        )
    return ""


def check(places: Places, release_id: str, *, by: str, why: str, out_of_order: bool = False) -> Kept | Released:
    """The candidate that `approve` with the same words would let out, or what it would answer where it is out already.

    Raises:
        ConfigError, InputError, GateRefused: as `approve` does.
    """
    _words("--by", by)
    _words("--why", why)
    manifest = current(places)
    word = approval_of(places, release_id)
    if manifest is not None and manifest["release"] == release_id and word is not None:
        return Released(release_id, manifest["quarter"], places.current.resolve(), False, manifest["previous"])
    if is_out(places, release_id):
        raise InputError(
            f"release {release_id}: is released already" + (f", approved by {word.by}" if word else ""),
            next_step=f"`segments rollback {release_id}` makes it the current one again",
        )
    one = find(places, release_id)
    if trouble := obstacle(places, one, out_of_order=out_of_order):
        raise GateRefused(f"candidate {release_id} cannot be approved: {trouble}")
    check_facts(one.candidate)
    return one


def approve(places: Places, release_id: str, *, by: str, why: str, out_of_order: bool = False) -> Released:
    """Let a refused candidate out. Idempotent: what is current on a person's word stays as it is, with that word.

    The caller holds the writing seat.

    Args:
        places: the deployment's folders.
        release_id: the candidate's id.
        by: who answers for it, a name or a role; no address.
        why: the reason, for whoever asks later; no address.
        out_of_order: although it is older than the current release, or was judged beside another one.

    Raises:
        ConfigError: nobody signs, or no reason is given.
        InputError: there is no such candidate, or it was released before and taken back.
        GateRefused: it cannot be approved; says why.
    """
    one = check(places, release_id, by=by, why=why, out_of_order=out_of_order)
    if isinstance(one, Released):
        return one
    verdict = one.verdict
    assert verdict is not None, "an obstacle otherwise"
    by, why = _words("--by", by), _words("--why", why)
    approval = Approval(
        by=by,
        why=why,
        at=now().isoformat(timespec="seconds"),
        overruled=tuple(sorted({result.name for result in one.refusing})),
    )
    released = release(
        places,
        one.candidate,
        verdict_hash=verdict.candidate_hash,
        decision=verdict.decision,
        findings=findings_of(verdict),
        run="approved by a person",
        documents={VERDICT_FILE: verdict.json_text(), PAGE: page(verdict, _beside(places, one.candidate, approval))},
        approval=approval,
    )
    emit(
        "release_approved",
        f"candidate {release_id} was refused and is let out by {by}: {why}",
        level=logging.WARNING,
        release=release_id,
        quarter=released.quarter,
        by=by,
        why=why,
        overruled=list(approval.overruled),
        previous=released.previous,
    )
    emit(
        "released",
        f"release {release_id} is out, approved by {by} although the gate refused it: {why}; overruled: "
        + ", ".join(approval.overruled),
        release=release_id,
        quarter=released.quarter,
        is_new=released.is_new,
        previous=released.previous,
    )
    return released


def path_of(one: Kept) -> Path:
    """The candidate as one DuckDB file."""
    return one.candidate.folder / "segments.duckdb"


def _words(option: str, text: str) -> str:
    """A name or a reason on one line."""
    words = re.sub(r"\s+", " ", text).strip()
    if not words:
        raise ConfigError(f"{option}: is empty; who approves a refused release signs it and says why")
    if "@" in words:
        raise ConfigError(f"{option}: holds an @; the words are released, name a person or a role without an address")
    if len(words) > LONGEST:
        raise ConfigError(f"{option}: {len(words)} characters, expected {LONGEST} at the most")
    return words


def _beside(places: Places, candidate: Candidate, approval: Approval) -> Beside:
    """What the page tells besides the verdict; the warehouse may be of another run by now, so nothing of it."""
    manifest = current(places)
    return Beside(
        candidate=candidate.release,
        known_at=candidate.known_at,
        kept=str(manifest["release"]) if manifest else None,
        approved=signed(approval),
    )

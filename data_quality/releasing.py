"""The releasing step: judge, keep the verdict, tell, and only then let the candidate out.

One function, so that no order of calls and no selection in a user interface goes around the gate. Asking is `gate.py`;
moving files is `pipelines/release.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from data_quality.gate import judge
from data_quality.report import write_page
from data_quality.verdict import Verdict
from pipelines.connector import Instance
from pipelines.errors import GateRefused
from pipelines.events import emit
from pipelines.lake import REJECTED_TABLE
from pipelines.release import Candidate, Released, previous_facts, release
from pipelines.shape import Run, dbt_vars

VERDICT_FILE = "verdict.json"


@dataclass(frozen=True)
class Judged:
    """A candidate and what the gate said of it."""

    candidate: Candidate
    verdict: Verdict
    seconds: float


def offered_entities(sources: Iterable[Instance]) -> list[str]:
    """The conformed entities that any of the sources offers, by name."""
    return sorted(set(dbt_vars(sources)["entities"]) - {REJECTED_TABLE})


def judge_candidate(run: Run, candidate: Candidate) -> Judged:
    """Judge a candidate and write the verdict beside it and as a page for people; refuses nothing yet."""
    started = time.perf_counter()
    verdict = judge(
        warehouse=run.places.warehouse,
        candidate=candidate.folder,
        parameters=_parameters(run, candidate),
        entities=offered_entities(run.sources),
        candidate_hash=candidate.hash,
    )
    verdict.write(candidate.folder / VERDICT_FILE)
    run.places.reports.mkdir(parents=True, exist_ok=True)
    write_page(verdict, run.places.reports / "verdict.html")
    seconds = time.perf_counter() - started
    failed = list(verdict.failures())
    for result in failed:
        emit(
            "expectation_failed",
            result.sentence(),
            level=logging.ERROR if result.refuses else logging.WARNING,
            suite=result.suite,
            table=result.table,
            expectation=result.expectation,
            severity=result.severity,
            observed=result.observed,
        )
    emit(
        "judged",
        f"{len(verdict.results)} expectations, {len(failed)} failed: {verdict.decision}",
        candidate=candidate.release,
        expectations=len(verdict.results),
        failed=len(failed),
        decision=verdict.decision,
        seconds=round(seconds, 3),
    )
    return Judged(candidate, verdict, seconds)


def read_judged(candidate: Candidate) -> Judged | None:
    """The verdict that lies beside a candidate if it is about these very bytes, else None."""
    path = candidate.folder / VERDICT_FILE
    if not path.exists():
        return None
    verdict = Verdict.read(path)
    return Judged(candidate, verdict, 0.0) if verdict.candidate_hash == candidate.hash else None


def refuse_unless_good(run: Run, judged: Judged) -> None:
    """Raise when the verdict is not "release".

    Raises:
        GateRefused: says every failed critical expectation in words, and where to look.
    """
    if judged.verdict.decision == "release":
        return
    sentences = [result.sentence() for result in judged.verdict.failures() if result.refuses]
    kept = previous_facts(run.places)["previous_release"]
    emit(
        "release_refused",
        f"candidate {judged.candidate.release} refused",
        level=logging.ERROR,
        candidate=judged.candidate.release,
        quarter=judged.candidate.quarter,
        failed=[f"{r.suite}.{r.expectation}" for r in judged.verdict.failures() if r.refuses],
        kept=kept,
    )
    raise GateRefused(
        f"candidate {judged.candidate.release} was refused; "
        + (f"release {kept} stays as it is" if kept else "nothing was released")
        + "".join(f"\n  - {sentence}" for sentence in sentences),
        next_step=f"the whole verdict with samples and SQL: {run.places.reports / 'verdict.html'}",
    )


def release_judged(run: Run, judged: Judged, *, run_name: str) -> Released:
    """Let a judged candidate out.

    Raises:
        GateRefused: the verdict is not "release" or the candidate was changed since.
    """
    refuse_unless_good(run, judged)
    findings = [
        {
            "suite": result.suite,
            "table_name": result.table,
            "expectation": result.expectation,
            "severity": result.severity,
            "has_passed": result.success,
            "observed": result.observed,
            "says": result.says,
        }
        for result in judged.verdict.results
    ]
    released = release(
        run.places,
        judged.candidate,
        verdict_hash=judged.verdict.candidate_hash,
        decision=judged.verdict.decision,
        findings=findings,
        run=run_name,
    )
    emit(
        "released",
        f"release {released.release} "
        + ("is out" if released.is_new else "was out already: the same inputs give the same release"),
        release=released.release,
        quarter=released.quarter,
        is_new=released.is_new,
        previous=released.previous,
    )
    return released


def _parameters(run: Run, candidate: Candidate) -> dict[str, object]:
    return {
        "quarter": run.quarter.label,
        "quarter_end": run.quarter.last_day,
        "as_of": run.quarter.last_day,
        "known_at": candidate.known_at,
        "policy": candidate.policy,
        "version": candidate.version,
        "max_quarantined_share": run.settings.quality.max_quarantined_share,
        "min_rows_share_of_last": run.settings.quality.min_rows_share_of_last,
        "previous_partner_count": previous_facts(run.places)["previous_partner_count"],
        "suppress_overlap_below": run.settings.privacy.suppress_overlap_below,
        "refuse_stale_sources": run.settings.quality.stale_sources == "refuse",
        "pseudo_partners": tuple(run.settings.pseudo_partners),
    }

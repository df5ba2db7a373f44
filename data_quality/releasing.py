"""The releasing step: judge, keep the verdict, tell, and only then let the candidate out.

One function, so that no order of calls and no selection in a user interface goes around the gate. Asking is `gate.py`;
moving files is `pipelines/release.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from data_quality.blast import measure
from data_quality.gate import DATABASE, failing_places, judge
from data_quality.parameters import PARAMETERS, as_words
from data_quality.quarantine import glance
from data_quality.record import fate, read_record, remember
from data_quality.report import PAGE, Beside, page, write_page
from data_quality.suite import Expectation, Suite, compares, read_suites
from data_quality.verdict import VERDICT_FILE, Result, Verdict
from pipelines.connector import Instance
from pipelines.errors import GateRefused, InputError
from pipelines.events import emit
from pipelines.lake import REJECTED_TABLE
from pipelines.release import (
    Approval,
    Candidate,
    Released,
    approval_of,
    compared_with,
    is_out,
    overruled_in_current,
    previous_facts,
    release,
)
from pipelines.shape import Run, dbt_vars
from pipelines.warehouse import Places

SHOWN = 12
"""So many of the last judgements stand on the page."""
TOLD_PARTNERS = 20
"""So many partner numbers go with an event; the verdict has more of them."""


@dataclass(frozen=True)
class Judged:
    """A candidate and what the gate said of it."""

    candidate: Candidate
    verdict: Verdict
    seconds: float


def offered_entities(sources: Iterable[Instance]) -> list[str]:
    """The conformed entities that any of the sources offers, by name."""
    return sorted(set(dbt_vars(sources)["entities"]) - {REJECTED_TABLE})


def judge_candidate(run: Run, candidate: Candidate, *, in_partners: bool = True) -> Judged:
    """Judge a candidate and write the verdict beside it and as a page for people; refuses nothing yet.

    Failures are told in partners too; without `in_partners` only where decisions at risk have a budget.
    """
    started = time.perf_counter()
    verdict = judge(
        warehouse=run.places.warehouse,
        candidate=candidate.folder,
        parameters=parameters_of(run, candidate),
        entities=offered_entities(run.sources),
        candidate_hash=candidate.hash,
    )
    asked = time.perf_counter() - started
    if in_partners or run.settings.quality.max_decisions_at_risk is not None:
        verdict = measure(run, candidate, verdict)
    blast_seconds = time.perf_counter() - started - asked
    verdict.write(candidate.folder / VERDICT_FILE)
    remember(run.places, candidate, verdict)
    write_page(verdict, run.places.reports / PAGE, _beside(run.places, candidate, verdict))
    seconds = time.perf_counter() - started
    failed = list(verdict.failures())
    stands = is_approved(run.places, candidate, verdict)
    places = failing_places(run.places.warehouse, candidate.folder / DATABASE, failed)
    against = compared_with(run.places, run.quarter.label, run.known_at)
    rules = {f"{suite.suite}.{rule.name}": (suite, rule) for suite in read_suites() for rule in suite.expectations}
    for result in failed:
        emit(
            "expectation_failed",
            result.sentence(),
            level=logging.ERROR if result.refuses and not stands else logging.WARNING,
            suite=result.suite,
            table=result.table,
            expectation=result.expectation,
            severity=result.severity,
            observed=result.observed,
            raised=result.raised,
            refuses=result.refuses and not stands,
            candidate=candidate.release,
            against={name: against[name] for name in sorted(_compared_by(result, rules.get(result.name)))},
            places=places.get(result.name),
            sample=list(result.sample),
            partners=list(result.partners[:TOLD_PARTNERS]),
            partner_count=result.partner_count,
            at_risk=list(result.at_risk[:TOLD_PARTNERS]),
            at_risk_count=result.at_risk_count,
        )
    emit(
        "judged",
        f"{len(verdict.results)} expectations, {len(failed)} failed: {verdict.decision}"
        + (", which a person has overruled" if stands else ""),
        candidate=candidate.release,
        expectations=len(verdict.results),
        failed=len(failed),
        decision="release" if stands else verdict.decision,
        against=against,
        seconds=round(seconds, 3),
        blast_seconds=round(blast_seconds, 3),
    )
    return Judged(candidate, verdict, seconds)


def _compared_by(result: Result, asked: tuple[Suite, Expectation] | None) -> frozenset[str]:
    """With which releases a failed expectation compared, as far as its rows say it; an `info` has nothing to mend."""
    if asked is None or result.raised or result.severity == "info":
        return frozenset()
    names = compares(*asked)
    found = {name for name in names for row in result.sample if f"compared_with={name}" in row}
    is_whole = result.unexpected_count is not None and result.unexpected_count <= len(result.sample)
    return frozenset(found) if found and is_whole else names


def _beside(places: Places, candidate: Candidate, verdict: Verdict) -> Beside:
    """What the page of a candidate that was judged just now tells besides its verdict."""
    word = approval_of(places, candidate.release) if is_approved(places, candidate, verdict) else None
    return Beside(
        candidate=candidate.release,
        known_at=candidate.known_at,
        kept=previous_facts(places)["previous_release"],
        aside=glance(places),
        history=[(line, fate(places, line)) for line in read_record(places).judgements[:SHOWN]],
        approved=signed(word) if word else "",
    )


def signed(word: Approval) -> str:
    """A person's word as a page tells it: who, when (UTC) and why."""
    return f"{word.by}, {word.at}: {word.why}"


def documents_of(places: Places, judged: Judged) -> dict[str, str]:
    """What is kept beside a release's tables: the verdict as it was given, and its page."""
    return {
        VERDICT_FILE: judged.verdict.json_text(),
        PAGE: page(judged.verdict, _beside(places, judged.candidate, judged.verdict)),
    }


def judged_for(run: Run, candidate: Candidate) -> Judged:
    """A candidate of an earlier execution as a run may release it: with its verdict, judged again where that is stale.

    Raises:
        InputError: it is of another quarter than the run, or its verdict cannot be read.
    """
    if candidate.quarter != run.quarter.label:
        raise InputError(
            f"candidate {candidate.release}: is of {candidate.quarter}, but {run.quarter.label} is to be released; "
            "nothing was released",
            next_step=f"`segments run --quarter {run.quarter.label}` makes and judges a candidate of that quarter",
        )
    return read_judged(run.places, candidate) or judge_candidate(run, candidate)


def read_judged(places: Places, candidate: Candidate) -> Judged | None:
    """The verdict that lies beside a candidate if it still speaks, else None.

    It speaks of these very bytes, and beside the release that it was compared with: that is the current one, or was
    when the candidate became the current one itself.
    """
    path = candidate.folder / VERDICT_FILE
    if not path.exists():
        return None
    verdict = Verdict.read(path)
    now_current = previous_facts(places)["previous_release"]
    compared_with = verdict.parameters.get("previous_release")
    is_beside = now_current == candidate.release or compared_with == as_words(now_current)
    return Judged(candidate, verdict, 0.0) if is_beside and verdict.candidate_hash == candidate.hash else None


def is_approved(places: Places, candidate: Candidate, verdict: Verdict) -> bool:
    """Whether this very release is out on a person's word that overruled everything that refuses it now."""
    refusing = [result for result in verdict.results if result.refuses]
    overruled = overruled_in_current(places, candidate.release)
    return bool(refusing) and all(not result.raised and result.name in overruled for result in refusing)


def refuse_unless_good(run: Run, judged: Judged) -> None:
    """Raise when the verdict is not "release", unless the same release is out already on a person's word.

    Raises:
        GateRefused: says every failed critical expectation in words, and where to look.
    """
    if judged.verdict.decision == "release" or is_approved(run.places, judged.candidate, judged.verdict):
        return
    refusing = [result for result in judged.verdict.failures() if result.refuses]
    kept = previous_facts(run.places)["previous_release"]
    emit(
        "release_refused",
        f"candidate {judged.candidate.release} refused",
        level=logging.ERROR,
        candidate=judged.candidate.release,
        quarter=judged.candidate.quarter,
        failed=[f"{r.suite}.{r.expectation}" for r in refusing],
        kept=kept,
    )
    message, next_step = _refusal(run.places, judged.candidate, kept)
    # Of a release that is out on a person's word, what that person answered for is no reason.
    overruled = overruled_in_current(run.places, judged.candidate.release)
    told = [result for result in refusing if result.raised or result.name not in overruled]
    raise GateRefused(
        message + "".join(f"\n  - {result.sentence()}" for result in told),
        next_step=f"the whole verdict with samples and SQL: {run.places.reports / PAGE}; {next_step}",
    )


def _refusal(places: Places, candidate: Candidate, kept: str | None) -> tuple[str, str]:
    """What a refusal means for readers, and what to do. A candidate may be the very release that is out."""
    name = candidate.release
    if not is_out(places, name):
        return (
            f"candidate {name} was refused; " + (f"release {kept} stays as it is" if kept else "nothing was released"),
            f"the candidate is kept: segments release show {name}",
        )
    word = approval_of(places, name)
    signed_by = f", approved by {word.by}," if word else ""
    if kept == name:
        return (
            f"release {name} is out already{signed_by} and stays the current one; judged again it fails"
            + (" of what nobody overruled" if word else ""),
            "nothing new was released; `segments rollback` takes it back where it should not be out",
        )
    return (
        f"candidate {name} was refused; it was let out before{signed_by} and is not the current release; "
        f"release {kept} stays as it is",
        f"`segments rollback {name}` makes it the current one again",
    )


def findings_of(verdict: Verdict) -> list[dict[str, object]]:
    """The results as rows of `data_quality_results`."""
    return [
        {
            "suite": result.suite,
            "table_name": result.table,
            "expectation": result.expectation,
            "severity": result.severity,
            "has_passed": result.success,
            "observed": result.observed,
            "unexpected_count": result.unexpected_count,
            "says": result.says,
        }
        for result in verdict.results
    ]


def release_judged(run: Run, judged: Judged, *, run_name: str) -> Released:
    """Let a judged candidate out.

    Raises:
        GateRefused: the verdict is not "release" or the candidate was changed since.
    """
    refuse_unless_good(run, judged)
    on_record = approval_of(run.places, judged.candidate.release) if not judged.verdict.is_released else None
    released = release(
        run.places,
        judged.candidate,
        verdict_hash=judged.verdict.candidate_hash,
        decision=judged.verdict.decision,
        findings=findings_of(judged.verdict),
        run=run_name,
        documents=documents_of(run.places, judged),
        approval=on_record,
    )
    standing = previous_facts(run.places)["previous_release"]
    emit(
        "released",
        f"release {released.release} "
        + (
            ("is current again" if released.is_again else "is out")
            if released.is_new
            else "was out already: the same inputs give the same release"
        )
        + (f"; {standing}, of a later quarter, stays the current one" if standing != released.release else ""),
        release=released.release,
        quarter=released.quarter,
        is_new=released.is_new,
        is_again=released.is_again,
        previous=released.previous,
    )
    return released


def parameters_of(run: Run, candidate: Candidate) -> dict[str, object]:
    """What a gate asks of this run with: the values of `parameters.PARAMETERS`."""
    return {
        "quarter": run.quarter.label,
        "quarter_start": run.quarter.first_day,
        "quarter_end": run.quarter.last_day,
        "as_of": run.quarter.last_day,
        "known_at": candidate.known_at,
        "policy": candidate.policy,
        "version": candidate.version,
        # The limits bear the same names as in the settings.
        **run.settings.quality.model_dump(include={*PARAMETERS}),
        **previous_facts(run.places, run.quarter.label),
        "suppress_overlap_below": run.settings.privacy.suppress_overlap_below,
        "refuse_stale_sources": run.settings.quality.stale_sources == "refuse",
        "pseudo_partners": tuple(run.settings.pseudo_partners),
    }

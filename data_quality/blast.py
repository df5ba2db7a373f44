"""How far a failure reaches: the partners its rows touch, and those of them whose level could differ.

From the rows that a failed expectation found, partners are traced (`touched.py`). What rests on those rows is doubtful.
Every doubtful value of every failure is put to the bad end of its believable range, all at once, then to the good end,
and the levels are computed again each time (`believable.py`). A partner is at risk where its level differs at one of
the ends from the candidate's. So two computations are enough however much failed, and a run without failures pays
nothing. What is only worth knowing (severity info) is not followed.

What goes wrong in here changes no other finding: it is told, and where decisions at risk have a budget it counts as
exceeding it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from data_quality.believable import lay_ends, moved_levels, project_as_built
from data_quality.gate import DATABASE
from data_quality.masking import without_mail
from data_quality.suite import read_suites
from data_quality.touched import Failure, Trace, in_short
from data_quality.verdict import Result, Verdict
from pipelines.events import emit
from pipelines.release import Candidate
from pipelines.shape import Run
from pipelines.warehouse import literal, memory

SUITE, EXPECTATION = "gate", "decisions_at_risk_within_budget"
NAMED = 5
"""So many partner numbers stand in a sentence."""


def measure(run: Run, candidate: Candidate, verdict: Verdict) -> Verdict:
    """The verdict with the partners that its failures touch and put at risk, and with the budget of those at risk.

    Reads the warehouse and the candidate, writes a scratch file alone. Never raises for what it meets in them.
    """
    budget = run.settings.quality.max_decisions_at_risk
    failed = [result for result in verdict.results if _is_weighed(result)]
    results = [result for result in verdict.results if not _is_weighed(result)]
    at_risk: set[str] = set()
    problems: list[str] = []
    if failed:
        try:
            for failure in _weighed(run, candidate, failed):
                results.append(_told(failure))
                at_risk |= set(failure.at_risk)
                if failure.problem:
                    problems.append(failure.problem)
        except Exception as error:  # noqa: BLE001 - the verdict stands without it; a budget counts it as exceeded
            problem = in_short(error)
            problems, at_risk = [problem], set()
            results = [result for result in verdict.results if not _is_weighed(result)]
            words = f"the partners it touches could not be computed ({problem})"
            results += [result.model_copy(update={"reach": words}) for result in failed]
            emit("blast_failed", words, level=logging.ERROR, candidate=candidate.release)
    if budget is not None:
        results.append(_within(budget, sorted(at_risk), problems))
    return Verdict.of(verdict.candidate_hash, verdict.parameters, results)


def _is_weighed(result: Result) -> bool:
    return not result.success and (result.raised or result.severity != "info")


def _within(budget: int, at_risk: Sequence[str], problems: Sequence[str]) -> Result:
    """The budget of decisions at risk as one expectation more. What could not be computed counts as exceeding it."""
    says = f"at most {budget:,} decisions may be at risk (quality.max_decisions_at_risk)"
    if problems:
        says = f"{says}, and how many are could not be computed: {problems[0]}"
    elif len(at_risk) > budget:
        says = f"{says}; the levels of {_named(at_risk)} could differ by what failed"
    return Result(
        suite=SUITE,
        table="partner_segments",
        expectation=EXPECTATION,
        severity="critical",
        success=not problems and len(at_risk) <= budget,
        observed="unknown" if problems else f"{len(at_risk):,} at risk",
        unexpected_count=None if problems else len(at_risk),
        says=says,
        at_risk=tuple(at_risk),
    )


def _told(failure: Failure) -> Result:
    if failure.problem:
        words = f"the partners it touches could not be computed ({failure.problem})"
    else:
        words = f"touches {_named(failure.partners)}" + (f", as {failure.why_all}" if failure.why_all else "")
        if failure.at_risk:
            words += f"; the level of {_named(failure.at_risk)} could differ"
        elif failure.partners:
            words += "; no level could differ by it" if failure.is_input else "; no level is computed from it"
    return failure.result.model_copy(
        update={"partners": tuple(failure.partners), "at_risk": tuple(failure.at_risk), "reach": words}
    )


def _named(numbers: Sequence[str]) -> str:
    if not numbers:
        return "no partner"
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"{len(numbers):,} partner{'s' if len(numbers) > 1 else ''} ({', '.join(numbers[:NAMED])}{more})"


def _weighed(run: Run, candidate: Candidate, failed: Sequence[Result]) -> list[Failure]:
    suites = {suite.suite: suite for suite in read_suites()}
    failures = [Failure(number, result, suites.get(result.suite)) for number, result in enumerate(failed, 1)]
    project = project_as_built(run)
    with memory() as con:
        con.execute(f"attach {literal(run.places.warehouse)} as warehouse (read_only)")
        con.execute(f"attach {literal(candidate.folder / DATABASE)} as candidate (read_only)")
        con.execute("use warehouse")
        trace = Trace(con, run, project)
        for failure in failures:
            trace.follow(failure)
        previous = None
        if run.places.released_file.exists():
            con.execute(f"attach {literal(run.places.released_file)} as previous (read_only)")
            previous = "previous"
        lay_ends(con, previous)
        moved = moved_levels(con, project)
        # A partner whose record was set aside is on no roster: its level is gone, and its own number names it.
        lost = dict(con.execute("select partner_id, any_value(number) from lost group by partner_id").fetchall())
        numbers = dict(con.execute("select partner_id, partner_number from identity.partners").fetchall()) | lost
        doubted = set(con.execute("select distinct failure, partner_id from doubts").fetchall())
        touched = con.execute(
            "select failure, partner_id from touched union select failure, partner_id from lost order by all"
        ).fetchall()
    for failure in failures:
        mine = {partner_id for number, partner_id in touched if number == failure.number and partner_id in numbers}
        differs = {one for one in mine if one in lost or (one in moved and (failure.number, one) in doubted)}
        failure.is_input = any((failure.number, one) in doubted for one in mine) or bool(differs)
        failure.partners = sorted({without_mail(numbers[one]) for one in mine})
        failure.at_risk = sorted({without_mail(numbers[one]) for one in differs})
    return failures

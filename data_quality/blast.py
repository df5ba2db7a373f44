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
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb

from data_quality.believable import lay_ends, moved_levels, project_as_built
from data_quality.gate import DATABASE
from data_quality.masking import without_mail
from data_quality.suite import read_suites
from data_quality.touched import Failure, Trace, in_short
from data_quality.verdict import LISTED, Result, Verdict
from pipelines.events import emit
from pipelines.release import Candidate
from pipelines.shape import Run
from pipelines.warehouse import literal, memory

SUITE, EXPECTATION = "gate", "decisions_at_risk_within_budget"
NAMED = 5
"""So many partner numbers stand in a sentence."""


@dataclass(frozen=True)
class Together:
    """The partners that all failures together put at risk: how many, and the numbers of the first of them."""

    count: int = 0
    at_risk: tuple[str, ...] = ()


def measure(run: Run, candidate: Candidate, verdict: Verdict) -> Verdict:
    """The verdict with the partners that its failures touch and put at risk, and with the budget of those at risk.

    Reads the warehouse and the candidate, writes a scratch file alone. Never raises for what it meets in them.
    """
    budget = run.settings.quality.max_decisions_at_risk
    failed = [result for result in verdict.results if _is_weighed(result)]
    results = [result for result in verdict.results if not _is_weighed(result)]
    together = Together()
    problems: list[str] = []
    if failed:
        try:
            failures, together = _weighed(run, candidate, failed)
            results += [_told(failure) for failure in failures]
            problems = [failure.problem for failure in failures if failure.problem]
        except Exception as error:  # noqa: BLE001 - the verdict stands without it; a budget counts it as exceeded
            problem = in_short(error)
            problems, together = [problem], Together()
            results = [result for result in verdict.results if not _is_weighed(result)]
            words = f"the partners it touches could not be computed ({problem})"
            results += [result.model_copy(update={"reach": words}) for result in failed]
            emit("blast_failed", words, level=logging.ERROR, candidate=candidate.release)
    if budget is not None:
        results.append(_within(budget, together, problems))
    return Verdict.of(verdict.candidate_hash, verdict.parameters, results)


def _is_weighed(result: Result) -> bool:
    return not result.success and (result.raised or result.severity != "info")


def _within(budget: int, together: Together, problems: Sequence[str]) -> Result:
    """The budget of decisions at risk as one expectation more. What could not be computed counts as exceeding it."""
    says = f"at most {budget:,} decisions may be at risk (quality.max_decisions_at_risk)"
    if problems:
        says = f"{says}, and how many are could not be computed: {problems[0]}"
    elif together.count > budget:
        says = f"{says}; the levels of {_named(together.at_risk, together.count)} could differ by what failed"
    return Result(
        suite=SUITE,
        table="partner_segments",
        expectation=EXPECTATION,
        severity="critical",
        success=not problems and together.count <= budget,
        raised=bool(problems),
        observed="unknown" if problems else f"{together.count:,} at risk",
        unexpected_count=None if problems else together.count,
        says=says,
        at_risk=together.at_risk,
        at_risk_count=together.count,
    )


def _told(failure: Failure) -> Result:
    if failure.problem:
        words = f"the partners it touches could not be computed ({failure.problem})"
    else:
        words = f"touches {_named(failure.partners, failure.partner_count)}"
        words += f", as {failure.why_all}" if failure.why_all else ""
        if failure.at_risk:
            words += f"; the level of {_named(failure.at_risk, failure.at_risk_count)} could differ"
        elif failure.partners:
            words += "; no level could differ by it" if failure.is_input else "; no level is computed from it"
    return failure.result.model_copy(
        update={
            "partners": failure.partners,
            "partner_count": failure.partner_count,
            "at_risk": failure.at_risk,
            "at_risk_count": failure.at_risk_count,
            "reach": words,
        }
    )


def _named(numbers: Sequence[str], count: int) -> str:
    if not count:
        return "no partner"
    more = f" and {count - NAMED:,} more" if count > NAMED else ""
    return f"{count:,} partner{'s' if count > 1 else ''} ({', '.join(numbers[:NAMED])}{more})"


def _weighed(run: Run, candidate: Candidate, failed: Sequence[Result]) -> tuple[list[Failure], Together]:
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
        moved = moved_levels(con, project, run.places.state)
        return failures, tell_reach(con, failures, moved)


def tell_reach(con: duckdb.DuckDBPyConnection, failures: Sequence[Failure], moved: Collection[str]) -> Together:
    """Tell every failure whom it touches and puts at risk, of what a trace left behind; `moved` are ids of partners.

    The numbers are counted where they lie: many failures may touch everybody each.
    """
    con.execute("create or replace temp table moved as select unnest(cast(? as varchar[])) as partner_id", [[*moved]])
    con.execute(
        """
        create or replace temp table reach as
        with gone as (
            -- A partner whose record was set aside is on no roster: its level is gone, and its own number names it.
            select partner_id, any_value(number) as number from lost group by partner_id
        ),

        roster as (
            select
                coalesce(g.partner_id, p.partner_id) as partner_id, coalesce(g.number, p.partner_number) as number,
                g.partner_id is not null as is_gone
            from identity.partners as p
            full outer join gone as g on p.partner_id = g.partner_id
        ),

        pairs as (
            select failure, partner_id from touched
            union
            select failure, partner_id from lost
        ),

        doubted as (
            select distinct failure, partner_id from doubts
        )

        select
            p.failure, r.number, bool_or(d.partner_id is not null) as is_doubted,
            bool_or(r.is_gone or (m.partner_id is not null and d.partner_id is not null)) as is_at_risk
        from pairs as p
        inner join roster as r on p.partner_id = r.partner_id
        left join doubted as d on p.failure = d.failure and p.partner_id = d.partner_id
        left join moved as m on p.partner_id = m.partner_id
        group by p.failure, r.number
        """
    )
    risky = "filter (where is_at_risk)"
    rows = con.execute(
        f"select failure, count(*), min(number, {LISTED}), count(*) {risky}, min(number, {LISTED}) {risky}, "
        "bool_or(is_doubted or is_at_risk) from reach group by failure"
    ).fetchall()
    told = {row[0]: row[1:] for row in rows}
    for failure in failures:
        count, listed, at_risk_count, at_risk, is_input = told.get(failure.number, (0, (), 0, (), False))
        failure.partner_count, failure.partners = count, _shown(listed)
        failure.at_risk_count, failure.at_risk, failure.is_input = at_risk_count, _shown(at_risk), is_input
    ((count, listed),) = con.execute(
        f"select count(*), min(number, {LISTED}) from (select distinct number from reach where is_at_risk)"
    ).fetchall()
    return Together(count, _shown(listed))


def _shown(numbers: Sequence[str] | None) -> tuple[str, ...]:
    """Partner numbers as they may be written down; None: there are none."""
    return tuple(without_mail(number) for number in numbers or ())

"""Places among few: percentiles and shares within groups that may have a single member, shown with such groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipelines.policy.conditions import plain
from pipelines.policy.model import PolicyDocument
from pipelines.policy_review.engine import Evaluate, Outcome
from pipelines.policy_review.facts import Facts, Measure, Row, Rows, Space, Value
from pipelines.policy_review.findings import Finding, Partner

_SMALL, _LARGE = "small", "large"


def tiny_groups(document: PolicyDocument, rows: Rows, space: Space, evaluate: Evaluate) -> Iterator[Finding]:
    """Percentiles within groups without `shrink`, and shares within groups (one finding for each ladder)."""
    for index, criterion in enumerate(document.score.criteria if document.score else ()):
        percentile = criterion.points.percentile
        if percentile is not None and percentile.within and not percentile.shrink:
            yield _percentile(document, index, rows, space, evaluate)
    told: set[str] = set()
    for row in rows.get("level_conditions", ()):
        place = (row["ladder"], row["level"], row["condition"])
        within = [
            each["attribute"]
            for each in rows.get("condition_peers", ())
            if (each["ladder"], each["level"], each["condition"]) == place
        ]
        if row["kind"] == "top_share" and within and Decimal(row["value"]) < 1 and row["ladder"] not in told:
            told.add(row["ladder"])
            yield _share(document, row, within, rows, space, evaluate)


def _percentile(document: PolicyDocument, index: int, rows: Rows, space: Space, evaluate: Evaluate) -> Finding:
    assert document.score is not None
    criterion, metric = document.score.criteria[index].id, document.score.criteria[index].metric
    percentile = document.score.criteria[index].points.percentile
    within = percentile.within if percentile else []
    partners: tuple[Partner, ...] = ()
    shown = ""
    if metric in space.measures:
        required = {row["subject"] for row in rows["criterion_requirements"] if row["criterion"] == criterion}
        needed = {name: space.measures[name].best for name in space.measures if name in required and name != metric}
        group: dict[str, Value] = {**dict.fromkeys(within, _SMALL), **needed}
        facts: list[dict[str, Value]] = [{**group, metric: value} for value in _small_values(space.measures[metric])]
        outcomes = evaluate(_uncapped(rows), facts)
        partners = _told(document, facts, outcomes)
        low, high = (outcome.points.get(criterion) for outcome in outcomes)
        if low is not None and high is not None:
            shown = f": A and B, alone in a group and one step apart, get {plain(low)} and {plain(high)} points"
    return Finding(
        kind="tiny_groups",
        path=("score", "criteria", index, "points", "percentile"),
        sentence=f"{criterion} compares within {' and '.join(within)} without `shrink`{shown}.",
        fix="`shrink: 20` mixes 20 partners of the whole roster into each group, so that small ones say less",
        partners=partners,
        tells=(f"points:{criterion}",),
    )


def _share(
    document: PolicyDocument, row: Row, within: Sequence[str], rows: Rows, space: Space, evaluate: Evaluate
) -> Finding:
    partners: tuple[Partner, ...] = ()
    metric = row["subject"]
    if metric in space.measures:
        fits = {name: measure.best for name, measure in space.measures.items() if name != metric}
        some, more = _small_values(space.measures[metric])
        alone: dict[str, Value] = {**fits, **dict.fromkeys(within, _SMALL), metric: some}
        beside: dict[str, Value] = {**fits, **dict.fromkeys(within, _LARGE), metric: some}
        outcomes = evaluate(_uncapped(rows), [alone, beside, {**beside, metric: more}])[:2]
        if outcomes[0].levels[row["ladder"]] < outcomes[1].levels[row["ladder"]]:
            partners = _told(document, [alone, beside], outcomes)
    shown = " (A; B has a better one beside it)" if partners else ""
    return Finding(
        kind="tiny_groups",
        path=("ladders", row["ladder"], "levels", row["rank"] - 1, "enter"),
        sentence=(
            f"Shares within {' and '.join(within)} are rounded up to whole partners: the only partner of its group is "
            f"in the top {plain(Decimal(row['value']) * 100)} %, whatever its {metric}{shown}."
        ),
        fix=f"a bar on {metric} beside the share, or a share of the whole roster",
        partners=partners,
        tells=(f"ladder:{row['ladder']}",),
    )


def _small_values(measure: Measure) -> list[Decimal]:
    """Two values one step apart that most conditions of having anything at all let in, the worse first."""
    return measure.towards_better((measure.low + measure.step, measure.low + 2 * measure.step))


def _told(document: PolicyDocument, facts: Sequence[Facts], outcomes: Sequence[Outcome]) -> tuple[Partner, ...]:
    def levels(outcome: Outcome) -> dict[str, str]:
        return {name: ladder.levels[outcome.levels[name] - 1].level for name, ladder in document.ladders.items()}

    return tuple(
        Partner(each, levels(outcome), outcome.points, outcome.total, outcome.track or None)
        for each, outcome in zip(facts, outcomes, strict=True)
    )


def _uncapped(rows: Rows) -> dict[str, list[Row]]:
    made = {table: list(found) for table, found in rows.items()}
    made["levels"] = [{**row, "capacity": None} for row in made["levels"]]
    return made

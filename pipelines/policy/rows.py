"""The policy as rows of the schema `policy`: the only form in which the SQL models meet a programme.

What the columns hold is said here once, in `TABLES`; who loads them is `shape.py`'s and the orchestrator's matter.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pipelines.policy.conditions import Atom, alternatives, atom, walk, words
from pipelines.policy.model import FULL_POINTS, Buffered, Criterion, Ladder, PolicyDocument, RoleWeights, Score

Row = dict[str, Any]

_NUMBER = "DECIMAL(28,6)"
_SMALL = "DECIMAL(18,6)"
_WEIGHT = "DECIMAL(9,6)"


def _table(**columns: str) -> dict[str, str]:
    return {"policy": "VARCHAR", "version": "VARCHAR", **columns}


TABLES: dict[str, dict[str, str]] = {
    "policies": _table(
        effective_from="DATE",
        effective_to="DATE",
        owner="VARCHAR",
        source="VARCHAR",
        content_hash="VARCHAR",
        combine="VARCHAR",
        window_quarters="INTEGER",
        window_complete="BOOLEAN",
        rounding_digits="INTEGER",
        attribution="VARCHAR",
    ),
    "attributions": _table(attribution="VARCHAR", model="VARCHAR", role="VARCHAR", weight=_WEIGHT),
    "metric_uses": _table(metric="VARCHAR", window_quarters="INTEGER", window_complete="BOOLEAN", window_lag="INTEGER"),
    "dimensions": _table(dimension="VARCHAR", weight=_WEIGHT),
    "criteria": _table(
        criterion="VARCHAR",
        position="INTEGER",
        metric="VARCHAR",
        dimension="VARCHAR",
        weight=_WEIGHT,
        kind="VARCHAR",
        low=_NUMBER,
        high=_NUMBER,
        each_points=_NUMBER,
        whole_units="BOOLEAN",
        shrink=_SMALL,
        min_points=_NUMBER,
        max_points=_NUMBER,
        missing="VARCHAR",
    ),
    "criterion_peers": _table(criterion="VARCHAR", position="INTEGER", attribute="VARCHAR"),
    "criterion_requirements": _table(
        criterion="VARCHAR", requirement="INTEGER", metric="VARCHAR", operator="VARCHAR", value=_NUMBER
    ),
    "ladders": _table(
        ladder="VARCHAR", audience="VARCHAR", level_count="INTEGER", outside_rank="INTEGER", lowest_rank="INTEGER"
    ),
    "levels": _table(
        ladder="VARCHAR",
        level="VARCHAR",
        rank="INTEGER",
        is_outside="BOOLEAN",
        has_conditions="BOOLEAN",
        capacity="INTEGER",
    ),
    "level_conditions": _table(
        ladder="VARCHAR",
        level="VARCHAR",
        rank="INTEGER",
        alternative="INTEGER",
        condition="INTEGER",
        kind="VARCHAR",
        subject="VARCHAR",
        operator="VARCHAR",
        value=_NUMBER,
        text_values="VARCHAR",
        of_metric="VARCHAR",
        of_operator="VARCHAR",
        of_value=_NUMBER,
        round_digits="INTEGER",
        ties="VARCHAR",
        needed="VARCHAR",
    ),
    "condition_peers": _table(
        ladder="VARCHAR", level="VARCHAR", condition="INTEGER", position="INTEGER", attribute="VARCHAR"
    ),
    "movement": _table(
        ladder="VARCHAR",
        rule="VARCHAR",
        buffer=_SMALL,
        promote_after="INTEGER",
        demote_after="INTEGER",
        max_up="INTEGER",
        max_down="INTEGER",
    ),
    "guardrails": _table(ladder="VARCHAR", kind="VARCHAR", subject="VARCHAR", value=_SMALL),
    "entitlements": _table(
        ladder="VARCHAR", level="VARCHAR", entitlement="VARCHAR", value="VARCHAR", position="INTEGER"
    ),
    "capacity": _table(partner_managers="INTEGER", hours_per_week=_SMALL, weeks=_SMALL, utilisation=_SMALL),
}


def attribution_id(document: PolicyDocument) -> str:
    """The name under which credits are computed; role weights are one policy version's own."""
    if isinstance(document.attribution, RoleWeights):
        return f"role_weighted:{document.policy}@{document.version}"
    return document.attribution


def missing_rule(score: Score, criterion: Criterion) -> str:
    """What an unknown value does to a criterion: its own rule, then its metric's, then the default."""
    fallback = "renormalise" if score.combine == "weighted" else "zero"
    for name in (criterion.id, criterion.metric, "default"):
        if name in score.missing:
            return score.missing[name]
    return fallback


def points_limits(score: Score, criterion: Criterion) -> tuple[Decimal | None, Decimal | None]:
    """The fewest and most points a criterion can give; only plain sums of `per_unit` points may be unlimited."""
    is_bounded = score.combine == "weighted" or criterion.points.kind != "per_unit"
    low = Decimal(0) if criterion.min is None and is_bounded else criterion.min
    high = FULL_POINTS if criterion.max is None and is_bounded else criterion.max
    return low, high


def used_metrics(document: PolicyDocument) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every metric the policy refers to, with the key path of each mention (examples are no use)."""
    for metric in document.windows:
        yield ("windows", metric), metric
    for index, criterion in enumerate(document.score.criteria if document.score else []):
        path: tuple[str | int, ...] = ("score", "criteria", index)
        yield (*path, "metric"), criterion.metric
        for number, requirement in enumerate(criterion.requires):
            yield (*path, "requires", number, "metric"), requirement.metric
    for name, ladder in document.ladders.items():
        for path, bar in bars_of(name, ladder):
            found = atom(bar)
            if found.kind == "metric":
                yield (*path, "metric"), found.subject
            elif found.kind == "top_share":
                yield (*path, "top_share", "by"), found.subject
                if found.of:
                    yield (*path, "top_share", "of", "metric"), found.of.subject
        for index, metric in enumerate(ladder.guardrails.no_promotion_without):
            yield ("ladders", name, "guardrails", "no_promotion_without", index), metric


def bars_of(name: str, ladder: Ladder) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every single condition of a ladder with its key path, the gate's first."""
    if ladder.gate is not None:
        yield from walk(ladder.gate, ("ladders", name, "gate"))
    for index, level in enumerate(ladder.levels):
        if level.enter is not None:
            yield from walk(level.enter, ("ladders", name, "levels", index, "enter"))


def flat_benefits(benefits: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Benefits with nested names joined by points, and values as text."""
    for name, value in benefits.items():
        if isinstance(value, dict):
            yield from flat_benefits(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, int | float | Decimal):
        text = format(Decimal(str(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def rows_of_document(
    document: PolicyDocument, content_hash: str, effective_to: datetime.date | None
) -> dict[str, list[Row]]:
    """Every table of `TABLES` with the rows of one policy version, in an order that depends on its content only."""
    made: dict[str, list[Row]] = {table: [] for table in TABLES}

    def add(table: str, **values: Any) -> None:
        made[table].append(_row(table, {"policy": document.policy, "version": document.version, **values}))

    add(
        "policies",
        effective_from=document.effective_from,
        effective_to=effective_to,
        owner=document.owner,
        source=document.source,
        content_hash=content_hash,
        combine=document.score.combine if document.score else "none",
        window_quarters=document.window.quarters,
        window_complete=document.window.complete,
        rounding_digits=document.rounding.digits,
        attribution=attribution_id(document),
    )
    if isinstance(document.attribution, RoleWeights):
        for role, weight in sorted(document.attribution.weights.items()):
            add("attributions", attribution=attribution_id(document), model="role_weighted", role=role, weight=weight)
    else:
        add("attributions", attribution=document.attribution, model=document.attribution)
    for metric in sorted({metric for _, metric in used_metrics(document)}):
        own = document.windows.get(metric)
        add(
            "metric_uses",
            metric=metric,
            window_quarters=own.quarters if own and own.quarters is not None else document.window.quarters,
            window_complete=own.complete if own and own.complete is not None else document.window.complete,
            window_lag=own.lag if own else 0,
        )
    if document.score:
        _add_score(document.score, add)
    for name, ladder in sorted(document.ladders.items()):
        _add_ladder(name, ladder, add)
    for place, benefits in sorted(document.entitlements.items()):
        ladder_name, _, level = place.partition(".")
        for position, (entitlement, value) in enumerate(flat_benefits(benefits), start=1):
            add(
                "entitlements",
                ladder=ladder_name,
                level=level,
                entitlement=entitlement,
                value=value,
                position=position,
            )
    if document.capacity:
        add("capacity", **document.capacity.model_dump())
    return made


def dimension_weights(score: Score) -> dict[str, Decimal | None]:
    """The dimensions of a score; those of a plain sum are named by its criteria and have no weight."""
    if score.dimensions:
        return dict(score.dimensions)
    return dict.fromkeys(criterion.dimension for criterion in score.criteria if criterion.dimension)


def _add_score(score: Score, add: Any) -> None:
    for dimension, weight in sorted(dimension_weights(score).items()):
        add("dimensions", dimension=dimension, weight=weight)
    for position, criterion in enumerate(score.criteria, start=1):
        points = criterion.points
        low_points, high_points = points_limits(score, criterion)
        add(
            "criteria",
            criterion=criterion.id,
            position=position,
            metric=criterion.metric,
            dimension=criterion.dimension,
            weight=criterion.weight,
            kind=points.kind,
            low=points.range.low if points.range else None,
            high=points.range.high if points.range else None,
            each_points=points.per_unit.each if points.per_unit else None,
            whole_units=points.per_unit.whole_units if points.per_unit else None,
            shrink=points.percentile.shrink if points.percentile else None,
            min_points=low_points,
            max_points=high_points,
            missing=missing_rule(score, criterion),
        )
        for place, attribute in enumerate(points.percentile.within if points.percentile else [], start=1):
            add("criterion_peers", criterion=criterion.id, position=place, attribute=attribute)
        for number, bar in enumerate(criterion.requires, start=1):
            add(
                "criterion_requirements",
                criterion=criterion.id,
                requirement=number,
                metric=bar.metric,
                operator=bar.operator,
                value=bar.value,
            )


def _add_ladder(name: str, ladder: Ladder, add: Any) -> None:
    outside_rank = next((rank for rank, level in enumerate(ladder.levels, start=1) if level.outside), None)
    add(
        "ladders",
        ladder=name,
        audience=ladder.audience,
        level_count=len(ladder.levels),
        outside_rank=outside_rank,
        lowest_rank=outside_rank or len(ladder.levels),
    )
    for rank, level in enumerate(ladder.levels, start=1):
        found = alternatives(None if level.outside else ladder.gate, level.enter)
        add(
            "levels",
            ladder=name,
            level=level.level,
            rank=rank,
            is_outside=level.outside,
            has_conditions=any(found),
            capacity=level.capacity,
        )
        condition = 0
        for number, alternative in enumerate(found, start=1):
            for bar in alternative:
                condition += 1
                add(
                    "level_conditions",
                    ladder=name,
                    level=level.level,
                    rank=rank,
                    alternative=number,
                    condition=condition,
                    **_bar_columns(bar),
                )
                for position, attribute in enumerate(bar.within, start=1):
                    add(
                        "condition_peers",
                        ladder=name,
                        level=level.level,
                        condition=condition,
                        position=position,
                        attribute=attribute,
                    )
    movement = ladder.movement
    if isinstance(movement, Buffered):
        add(
            "movement",
            ladder=name,
            rule="buffered",
            buffer=movement.buffer,
            promote_after=movement.promote_after,
            demote_after=movement.demote_after,
            max_up=movement.max_steps.up,
            max_down=movement.max_steps.down,
        )
    else:
        add("movement", ladder=name, rule="none", buffer=Decimal(0), promote_after=1, demote_after=1)
    guardrails = ladder.guardrails
    for level_name, share in sorted(guardrails.max_share.items()):
        add("guardrails", ladder=name, kind="max_share", subject=level_name, value=share)
    if guardrails.max_moves_share is not None:
        add("guardrails", ladder=name, kind="max_moves_share", value=guardrails.max_moves_share)
    for metric in sorted(set(guardrails.no_promotion_without)):
        add("guardrails", ladder=name, kind="no_promotion_without", subject=metric)


def _bar_columns(bar: Atom) -> Row:
    return {
        "kind": bar.kind,
        "subject": bar.subject,
        "operator": bar.operator,
        "value": bar.value,
        "text_values": json.dumps(list(bar.texts), ensure_ascii=False) if bar.texts else None,
        "of_metric": bar.of.subject if bar.of else None,
        "of_operator": bar.of.operator if bar.of else None,
        "of_value": bar.of.value if bar.of else None,
        "round_digits": bar.round_digits,
        "ties": bar.ties,
        "needed": words(bar),
    }


def _row(table: str, values: Row) -> Row:
    columns = TABLES[table]
    unknown = set(values) - set(columns)
    assert not unknown, f"{table} has no columns {sorted(unknown)}"
    return {column: _stored(values.get(column), kind) for column, kind in columns.items()}


def _stored(value: Any, kind: str) -> Any:
    """Decimals at the scale of their column, so that 0.5 and 0.50 make the same row."""
    scale = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", kind)
    if value is None or scale is None:
        return value
    return Decimal(value).quantize(Decimal(1).scaleb(-int(scale[1])), rounding=ROUND_HALF_UP)


def merged(tables: Iterable[dict[str, list[Row]]]) -> dict[str, list[Row]]:
    """The rows of several policies under one another."""
    made: dict[str, list[Row]] = {table: [] for table in TABLES}
    for rows in tables:
        for table, found in rows.items():
            made[table].extend(found)
    return made

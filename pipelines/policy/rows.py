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

from pipelines.policy.bands import Step, resolved
from pipelines.policy.conditions import Alternative, Atom, Bar, alternatives, atom, in_words, walk, words
from pipelines.policy.declared import depths
from pipelines.policy.model import FULL_POINTS, Buffered, Criterion, Ladder, PolicyDocument, RoleWeights, Score, Track

Row = dict[str, Any]
KeyPath = tuple[str | int, ...]

# Points that are not rounded keep the decimals of their column.
UNROUNDED_DIGITS = 6

_NUMBER = "DECIMAL(28,6)"
_SMALL = "DECIMAL(18,6)"
_WEIGHT = "DECIMAL(9,6)"


def _table(**columns: str) -> dict[str, str]:
    """A table of what policy versions say; its rows belong to one version."""
    return {"policy": "VARCHAR", "version": "VARCHAR", **columns}


def _bar(**columns: str) -> dict[str, str]:
    """The columns of a bar on a metric or an attribute."""
    return {
        **columns,
        "kind": "VARCHAR",
        "subject": "VARCHAR",
        "operator": "VARCHAR",
        "value": _NUMBER,
        "text_values": "VARCHAR",
    }


TABLES: dict[str, dict[str, str]] = {
    "policies": _table(
        effective_from="DATE",
        effective_to="DATE",
        owner="VARCHAR",
        source="VARCHAR",
        content_hash="VARCHAR",
        combine="VARCHAR",
        choose="VARCHAR",
        window_quarters="INTEGER",
        window_complete="BOOLEAN",
        rounding_digits="INTEGER",
        rounding_mode="VARCHAR",
        rounding_per="VARCHAR",
        attribution="VARCHAR",
    ),
    "attributions": _table(attribution="VARCHAR", model="VARCHAR", role="VARCHAR", weight=_WEIGHT),
    "metric_uses": _table(
        metric="VARCHAR",
        source_metric="VARCHAR",
        direction="VARCHAR",
        window_quarters="INTEGER",
        window_complete="BOOLEAN",
        window_lag="INTEGER",
    ),
    "dimensions": _table(dimension="VARCHAR", weight=_WEIGHT),
    "criteria": _table(
        track="VARCHAR",
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
        flag_points=_NUMBER,
        min_points=_NUMBER,
        max_points=_NUMBER,
        missing="VARCHAR",
        multiplier_metric="VARCHAR",
        multiplier_kind="VARCHAR",
        rounding_digits="INTEGER",
        rounding_mode="VARCHAR",
    ),
    "criterion_peers": _table(criterion="VARCHAR", position="INTEGER", attribute="VARCHAR"),
    "criterion_requirements": _table(
        **_bar(criterion="VARCHAR", requirement="INTEGER", alternative="INTEGER", condition="INTEGER"),
        metric="VARCHAR",
        needed="VARCHAR",
    ),
    "ladders": _table(
        ladder="VARCHAR",
        position="INTEGER",
        audience="VARCHAR",
        level_count="INTEGER",
        outside_rank="INTEGER",
        lowest_rank="INTEGER",
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
        new_partner_grace="INTEGER",
        hold_until="VARCHAR",
        freeze="BOOLEAN",
    ),
    "guardrails": _table(ladder="VARCHAR", kind="VARCHAR", subject="VARCHAR", value=_SMALL),
    "entitlements": _table(
        ladder="VARCHAR", level="VARCHAR", entitlement="VARCHAR", value="VARCHAR", position="INTEGER"
    ),
    "capacity": _table(partner_managers="INTEGER", hours_per_week=_SMALL, weeks=_SMALL, utilisation=_SMALL),
    "declared_metrics": _table(
        metric="VARCHAR",
        facts="VARCHAR",
        aggregate="VARCHAR",
        of="VARCHAR",
        window_months="INTEGER",
        window_complete="BOOLEAN",
        window_lag="INTEGER",
        absent="VARCHAR",
        direction="VARCHAR",
    ),
    "declared_filters": _table(
        metric="VARCHAR",
        position="INTEGER",
        attribute="VARCHAR",
        operator="VARCHAR",
        value=_NUMBER,
        text_values="VARCHAR",
    ),
    "derived_metrics": _table(
        metric="VARCHAR",
        position="INTEGER",
        depth="INTEGER",
        operation="VARCHAR",
        skip_unknown="BOOLEAN",
        round_digits="INTEGER",
        direction="VARCHAR",
    ),
    "derived_operands": _table(metric="VARCHAR", position="INTEGER", operand="VARCHAR", constant=_NUMBER),
    "tracks": _table(track="VARCHAR", position="INTEGER", has_conditions="BOOLEAN"),
    "track_conditions": _table(**_bar(track="VARCHAR", alternative="INTEGER", condition="INTEGER"), needed="VARCHAR"),
    "criterion_bands": _table(
        criterion="VARCHAR",
        purpose="VARCHAR",
        band="INTEGER",
        low=_NUMBER,
        is_low_open="BOOLEAN",
        high=_NUMBER,
        is_high_open="BOOLEAN",
        value=_NUMBER,
    ),
    # Signed deviations belong to no version: without a policy they act on every policy that has the ladder's level.
    "exceptions": {
        "policy": "VARCHAR",
        "partner": "VARCHAR",
        "ladder": "VARCHAR",
        "level": "VARCHAR",
        "valid_from": "DATE",
        "valid_until": "DATE",
        "why": "VARCHAR",
        "approved_by": "VARCHAR",
    },
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
    """The fewest and most points a criterion can give; a share of a scale always has limits, a plain sum may not."""
    is_bounded = score.combine == "weighted" or criterion.points.kind in ("range", "percentile")
    low = Decimal(0) if criterion.min is None and is_bounded else criterion.min
    high = FULL_POINTS if criterion.max is None and is_bounded else criterion.max
    return low, high


def used_metrics(document: PolicyDocument) -> Iterator[tuple[KeyPath, str]]:
    """Every metric the policy refers to, by the name it gives, with the key path of each mention.

    Declared and derived metrics are such names; facts of examples are no use.
    """
    for metric in document.windows:
        yield ("windows", metric), metric
    for name, derived in document.derived.items():
        for step, metric in derived.mentions():
            yield ("derived", name, *step), metric
    for path, condition in bars_of_score(document.score):
        found = atom(condition)
        if found.kind == "metric":
            yield (*path, "metric"), found.subject
    for index, criterion in enumerate(document.score.criteria if document.score else []):
        yield ("score", "criteria", index, "metric"), criterion.metric
        if criterion.multiplier:
            yield ("score", "criteria", index, "multiplier", "metric"), criterion.multiplier.metric
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


def metrics_read(document: PolicyDocument) -> set[str]:
    """The metrics whose values the policy asks for; one that is only read through another window is not among them."""
    return {
        metric for path, metric in used_metrics(document) if not (path[0] == "derived" and path[2] == "metric")
    } | set(document.derived)


def bars_of_score(score: Score | None) -> Iterator[tuple[KeyPath, Any]]:
    """Every single condition of tracks and requirements with its key path."""
    for name, track in (score.tracks or {}).items() if score else ():
        if track.when is not None:
            yield from walk(track.when, ("score", "tracks", name, "when"))
    for index, criterion in enumerate(score.criteria if score else []):
        for number, requirement in enumerate(criterion.requires):
            yield from walk(requirement, ("score", "criteria", index, "requires", number))


def bars_of(name: str, ladder: Ladder) -> Iterator[tuple[KeyPath, Any]]:
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
        made[table].append(row_of(table, {"policy": document.policy, "version": document.version, **values}))

    add(
        "policies",
        effective_from=document.effective_from,
        effective_to=effective_to,
        owner=document.owner,
        source=document.source,
        content_hash=content_hash,
        combine=document.score.combine if document.score else "none",
        choose=document.score.choose if document.score else "first_match",
        window_quarters=document.span.quarters,
        window_complete=document.window.complete,
        rounding_digits=document.rounding.digits,
        rounding_mode=document.rounding.mode,
        rounding_per=document.rounding.per,
        attribution=attribution_id(document),
    )
    if isinstance(document.attribution, RoleWeights):
        for role, weight in sorted(document.attribution.weights.items()):
            add("attributions", attribution=attribution_id(document), model="role_weighted", role=role, weight=weight)
    else:
        add("attributions", attribution=document.attribution, model=document.attribution)
    _add_metrics(document, add)
    tracks = tracks_of(document.score)
    for position, (name, track) in enumerate(tracks.items(), start=1):
        found = alternatives(track.when if track else None)
        add("tracks", track=name, position=position, has_conditions=any(found))
        for number, condition, bar in _numbered(found):
            add(
                "track_conditions",
                track=name,
                alternative=number,
                condition=condition,
                **_bar_columns(bar),
                needed=words(bar),
            )
    if document.score:
        _add_score(document, document.score, list(tracks), add)
    places = {name: position for position, name in enumerate(document.ladders, start=1)}
    for name, ladder in sorted(document.ladders.items()):
        _add_ladder(name, places[name], ladder, add)
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


def tracks_of(score: Score | None) -> dict[str, Track | None]:
    """The tracks in the order of the file; a score without any has the one called ""."""
    return dict(score.tracks) if score and score.tracks else {"": None}


def _add_metrics(document: PolicyDocument, add: Any) -> None:
    """The windows of catalogue metrics, and the metrics of the programme's own."""
    for name in sorted(metrics_read(document)):
        again = document.derived[name].metric if name in document.derived else None
        source = again or name
        if source in document.declares or (name in document.derived and again is None):
            continue
        span = document.span_of(name)
        add(
            "metric_uses",
            metric=name,
            source_metric=source,
            # Null: as the catalogue says.
            direction=document.derived[name].direction if again else None,
            window_quarters=span.quarters,
            window_complete=span.complete,
            window_lag=span.lag,
        )
    copies = {name: derived.metric for name, derived in document.derived.items() if derived.metric in document.declares}
    for name, source in sorted({**{name: name for name in document.declares}, **copies}.items()):
        declared = document.declares[source or name]
        span = document.span_of(name)
        direction = document.derived[name].direction if name in document.derived else None
        add(
            "declared_metrics",
            metric=name,
            facts=declared.facts or source,
            aggregate=declared.aggregate,
            of=declared.counted,
            window_months=span.months,
            window_complete=span.complete,
            window_lag=span.lag,
            absent=declared.absent,
            direction=direction or declared.direction,
        )
        for position, (attribute, wanted) in enumerate(sorted(declared.where.items()), start=1):
            is_bar = isinstance(wanted, Bar)
            add(
                "declared_filters",
                metric=name,
                position=position,
                attribute=attribute,
                operator=wanted.operator if isinstance(wanted, Bar) else "in",
                value=wanted.value if isinstance(wanted, Bar) else None,
                text_values=None if is_bar else json.dumps(list(wanted), ensure_ascii=False),
            )
    layers = depths(document.derived)
    for position, name in enumerate(layers, start=1):
        derived = document.derived[name]
        add(
            "derived_metrics",
            metric=name,
            position=position,
            depth=layers[name],
            operation=derived.operation,
            skip_unknown=derived.skip_unknown,
            round_digits=derived.round,
            direction=derived.direction or "higher",
        )
        for place, operand in enumerate(derived.operands, start=1):
            is_metric = isinstance(operand, str)
            add(
                "derived_operands",
                metric=name,
                position=place,
                operand=operand if is_metric else None,
                constant=None if is_metric else operand,
            )


def rounding_of(document: PolicyDocument, criterion: Criterion) -> tuple[int, str]:
    """The decimals and the mode the points of a criterion are rounded with: its own, else the policy's."""
    own, general = criterion.round, document.rounding
    digits = UNROUNDED_DIGITS if general.per == "total" else general.digits
    return (
        digits if own is None or own.digits is None else own.digits,
        general.mode if own is None or own.mode is None else own.mode,
    )


def bands_of(criterion: Criterion) -> dict[str, list[Step]]:
    """The bands of a criterion by their purpose, `points` and `multiplier`; they must make sense."""
    written = {
        "points": criterion.points.bands,
        "multiplier": criterion.multiplier.bands if criterion.multiplier else None,
    }
    made: dict[str, list[Step]] = {}
    for purpose, bands in written.items():
        if bands:
            steps = resolved(bands)
            assert isinstance(steps, list)  # `checks.py` has refused the others
            made[purpose] = steps
    return made


def _add_score(document: PolicyDocument, score: Score, tracks: list[str], add: Any) -> None:
    for dimension, weight in sorted(dimension_weights(score).items()):
        add("dimensions", dimension=dimension, weight=weight)
    for position, criterion in enumerate(score.criteria, start=1):
        points, multiplier = criterion.points, criterion.multiplier
        low_points, high_points = points_limits(score, criterion)
        rounding_digits, rounding_mode = rounding_of(document, criterion)
        for track in tracks:
            if not criterion.stands_in(track):
                continue
            add(
                "criteria",
                track=track,
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
                flag_points=points.flag_points,
                min_points=low_points,
                max_points=high_points,
                missing=missing_rule(score, criterion),
                multiplier_metric=multiplier.metric if multiplier else None,
                multiplier_kind=("bands" if multiplier.bands else "value") if multiplier else None,
                rounding_digits=rounding_digits,
                rounding_mode=rounding_mode,
            )
        for purpose, steps in bands_of(criterion).items():
            for number, step in enumerate(steps, start=1):
                add(
                    "criterion_bands",
                    criterion=criterion.id,
                    purpose=purpose,
                    band=number,
                    low=step.interval.low,
                    is_low_open=step.interval.is_low_open,
                    high=step.interval.high,
                    is_high_open=step.interval.is_high_open,
                    value=step.worth,
                )
        for place, attribute in enumerate(points.percentile.within if points.percentile else [], start=1):
            add("criterion_peers", criterion=criterion.id, position=place, attribute=attribute)
        for requirement, asked in enumerate(criterion.requires, start=1):
            for alternative, condition, bar in _numbered(alternatives(asked)):
                add(
                    "criterion_requirements",
                    criterion=criterion.id,
                    requirement=requirement,
                    alternative=alternative,
                    condition=condition,
                    **_bar_columns(bar),
                    metric=bar.subject if bar.kind == "metric" else None,
                    needed=in_words(asked),
                )


def _numbered(found: Iterable[Alternative]) -> Iterator[tuple[int, int, Atom]]:
    """Every bar with the number of its alternative and its own, which goes on from alternative to alternative."""
    condition = 0
    for number, alternative in enumerate(found, start=1):
        for bar in alternative:
            condition += 1
            yield number, condition, bar


def _add_ladder(name: str, position: int, ladder: Ladder, add: Any) -> None:
    outside_rank = next((rank for rank, level in enumerate(ladder.levels, start=1) if level.outside), None)
    add(
        "ladders",
        ladder=name,
        position=position,
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
        for number, condition, bar in _numbered(found):
            add(
                "level_conditions",
                ladder=name,
                level=level.level,
                rank=rank,
                alternative=number,
                condition=condition,
                **_bar_columns(bar),
                of_metric=bar.of.subject if bar.of else None,
                of_operator=bar.of.operator if bar.of else None,
                of_value=bar.of.value if bar.of else None,
                round_digits=bar.round_digits,
                ties=bar.ties,
                needed=words(bar),
            )
            for place, attribute in enumerate(bar.within, start=1):
                add(
                    "condition_peers",
                    ladder=name,
                    level=level.level,
                    condition=condition,
                    position=place,
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
            new_partner_grace=movement.new_partner_grace,
            hold_until=movement.hold_until,
            freeze=movement.freeze,
        )
    else:
        add(
            "movement",
            ladder=name,
            rule="none",
            buffer=Decimal(0),
            promote_after=1,
            demote_after=1,
            new_partner_grace=0,
            hold_until="none",
            freeze=False,
        )
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
    }


def row_of(table: str, values: Row) -> Row:
    """A row with every column of its table, in order; what is not said is null."""
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

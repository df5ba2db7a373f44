"""What can be known of a partner as far as one policy cares: its metrics, their bars, and the steps between values.

Grain: a `Measure` per metric that facts can state (catalogue and declared metrics; derived ones follow from them).
Values are in the unit of the metric. Everything is read from the rows of the schema `policy`, so that what is tried is
what the models read.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from pipelines.catalogue import Metric

Row = dict[str, Any]
Rows = Mapping[str, Sequence[Row]]
Value = Decimal | str
Facts = Mapping[str, Value]

ZERO, ONE = Decimal(0), Decimal(1)
SHARE_STEP = Decimal("0.01")
_SCALE = Decimal("0.000001")
_DEFAULT_STEPS = {"share": SHARE_STEP, "share of the scale": SHARE_STEP, "ratio": SHARE_STEP}
# How far a metric is tried out where no bar of the policy says how far it matters.
_DEFAULT_TOPS = {
    "share": ONE,
    "share of the scale": ONE,
    "ratio": Decimal(2),
    "yes or no": ONE,
    "days": Decimal(100),
    "reporting currency": Decimal(1_000_000),
    "reporting currency per day": Decimal(10_000),
}
_DEFAULT_TOP = Decimal(20)
# No metric of one policy is tried at more values than this.
_MOST_VALUES = 40


@dataclass(frozen=True)
class Measure:
    """A metric that facts state, and the values at which the policy may decide differently."""

    name: str
    is_higher_better: bool
    step: Decimal
    low: Decimal
    top: Decimal
    bars: tuple[Decimal, ...]
    grid: tuple[Decimal, ...]
    is_bounded: bool = False
    """Whether the metric cannot be higher than `top`; else that is only as far as it seems to matter."""
    is_zero_when_absent: bool = False
    is_past: bool = False
    """Seen through a window that is set back: what it says cannot be changed by doing more."""

    @property
    def best(self) -> Decimal:
        return self.top if self.is_higher_better else self.low

    @property
    def worst(self) -> Decimal:
        return self.low if self.is_higher_better else self.top

    def snapped(self, value: Decimal) -> Decimal:
        """The nearest value the metric can have, within its bounds."""
        steps = ((value - self.low) / self.step).quantize(ONE, rounding=ROUND_HALF_UP)
        snapped = max(self.low + steps * self.step, self.low)
        return (min(snapped, self.top) if self.is_bounded else snapped).normalize() + ZERO

    def between(self, share: Decimal) -> Decimal:
        """The value at this share of the way from worst to best, with two digits that count."""
        value = self.worst + share * (self.best - self.worst)
        digits = value.adjusted() - 1
        return self.snapped(value.quantize(Decimal(1).scaleb(digits), rounding=ROUND_DOWN) if value else value)

    def towards_better(self, values: Iterable[Decimal]) -> list[Decimal]:
        return sorted(values, reverse=not self.is_higher_better)


@dataclass(frozen=True)
class Derived:
    """A derived metric with its operands, in order."""

    name: str
    operation: str
    operands: tuple[str | Decimal, ...]
    skip_unknown: bool
    digits: int | None
    bars: tuple[Decimal, ...]


@dataclass(frozen=True)
class Space:
    """Everything that can be different about a partner, as far as one policy cares."""

    measures: Mapping[str, Measure]
    attributes: Mapping[str, tuple[str, ...]]
    derived: Mapping[str, Derived]
    dependents: Mapping[str, frozenset[str]] = field(repr=False)

    def values(self, facts: Facts) -> dict[str, Value]:
        """The facts together with the derived metrics that follow from them."""
        zeros = {name: ZERO for name, measure in self.measures.items() if measure.is_zero_when_absent}
        known: dict[str, Value] = {**zeros, **facts}
        for derived in self.derived.values():
            value = _derive(derived, known)
            if value is not None:
                known[derived.name] = value
        return known

    def is_made_of(self, metric: str | None, measure: str) -> bool:
        """Whether the metric is the measure, or derived from it."""
        return metric is not None and (metric == measure or metric in self.dependents.get(measure, ()))

    def turning_points(self, facts: Facts, measure: Measure) -> list[Decimal]:
        """Values of the measure around which a derived metric crosses one of its bars, all else as in `facts`."""
        found: list[Decimal] = []
        tried = sorted({*measure.grid, *_scaled(measure, facts.get(measure.name))})
        for name in sorted(self.dependents.get(measure.name, ())):
            derived = self.derived[name]
            if not derived.bars:
                continue
            seen = [(value, self._derived_at(facts, measure, value, name)) for value in tried]
            known = [(value, result) for value, result in seen if result is not None]
            for bar in derived.bars:
                for (low, at_low), (high, at_high) in itertools.pairwise(known):
                    if (at_low < bar) != (at_high < bar) or (at_low > bar) != (at_high > bar):
                        found += self._crossing(facts, measure, name, bar, low, high)
        return found

    def _derived_at(self, facts: Facts, measure: Measure, value: Decimal, name: str) -> Decimal | None:
        result = self.values({**facts, measure.name: value}).get(name)
        return result if isinstance(result, Decimal) else None

    def _crossing(
        self, facts: Facts, measure: Measure, name: str, bar: Decimal, low: Decimal, high: Decimal
    ) -> Iterator[Decimal]:
        def side(value: Decimal) -> tuple[bool, bool] | None:
            result = self._derived_at(facts, measure, value, name)
            return None if result is None else (result < bar, result > bar)

        begin = side(low)
        while high - low > measure.step:
            middle = measure.snapped((low + high) / 2)
            if middle in (low, high):
                break
            low, high = (middle, high) if side(middle) == begin else (low, middle)
        yield from (low, high, measure.snapped(high + measure.step))


def space_of(rows: Rows, catalogue: Mapping[str, Metric]) -> Space:
    """The space of one policy's rows."""
    bars = _written_bars(rows)
    written = {name: frozenset(found) for name, found in bars.items()}
    for name, found in _reckoned_bars(rows).items():
        bars.add(name, *found)
    derived = {
        row["metric"]: Derived(
            name=row["metric"],
            operation=row["operation"],
            operands=tuple(
                operand["operand"] if operand["operand"] is not None else Decimal(operand["constant"])
                for operand in sorted(rows.get("derived_operands", ()), key=lambda each: int(each["position"]))
                if operand["metric"] == row["metric"]
            ),
            skip_unknown=bool(row["skip_unknown"]),
            digits=row["round_digits"],
            bars=tuple(sorted(bars.get(row["metric"], ()))),
        )
        for row in sorted(rows.get("derived_metrics", ()), key=lambda each: int(each["position"]))
    }
    for each in reversed(derived.values()):
        _hand_down(each, bars)
    reaching = _dependents(derived)
    decisive = set(_deciding_metrics(rows))
    measures = {
        measure.name: measure
        for measure in _measures(rows, catalogue, bars, written)
        if measure.name in decisive or reaching.get(measure.name, frozenset()) & decisive
    }
    return Space(measures, _attributes(rows), derived, reaching)


# --- derived metrics ------------------------------------------------------------------------------------------------


def _derive(derived: Derived, known: Mapping[str, Value]) -> Decimal | None:
    values: list[Decimal | None] = []
    for operand in derived.operands:
        value = known.get(operand) if isinstance(operand, str) else operand
        values.append(value if isinstance(value, Decimal) else None)
    numbers = [value for value in values if value is not None]
    if not numbers or (len(numbers) < len(values) and not derived.skip_unknown):
        return None
    result = _operation(derived.operation, values, numbers)
    if result is None:
        return None
    scale = _SCALE if derived.digits is None else Decimal(1).scaleb(-derived.digits)
    return result.quantize(scale, rounding=ROUND_HALF_UP)


def _operation(operation: str, values: list[Decimal | None], numbers: list[Decimal]) -> Decimal | None:
    if operation == "sum":
        return sum(numbers, ZERO)
    if operation == "difference":
        first = values[0] if values[0] is not None else ZERO
        return first - sum((value for value in values[1:] if value is not None), ZERO)
    if operation == "product":
        product = ONE
        for number in numbers:
            product *= number
        return product
    if operation == "ratio":
        return numbers[0] / numbers[1] if numbers[1] else None
    if operation == "floor":
        return numbers[0].to_integral_value(rounding=ROUND_FLOOR)
    return min(numbers) if operation == "min" else max(numbers)


def _dependents(derived: Mapping[str, Derived]) -> dict[str, frozenset[str]]:
    """metric -> the derived metrics that are made of it, whether directly or through others."""
    made_of: dict[str, set[str]] = {}
    for name, each in derived.items():
        direct = {operand for operand in each.operands if isinstance(operand, str)}
        made_of[name] = direct.union(*(made_of.get(operand, set()) for operand in direct))
    return {
        operand: frozenset(name for name, operands in made_of.items() if operand in operands)
        for operand in set().union(*made_of.values())
    }


def _hand_down(derived: Derived, bars: dict[str, set[Decimal]]) -> None:
    """Give the operands the bars at which the derived metric may turn, and those without any a scale.

    Which value of one operand meets a bar hangs on the others; for single partners `turning_points` finds it.
    """
    own = bars.get(derived.name, set())
    names = [operand for operand in derived.operands if isinstance(operand, str)]
    constants = [operand for operand in derived.operands if isinstance(operand, Decimal)]
    given = {name: set(bars.get(name, ())) for name in names}
    for name in names:
        place = bars.setdefault(name, set())
        others = set().union(*(given[other] for other in names if other != name))
        if derived.operation in ("min", "max"):
            place |= own | set(constants) | (set() if place else others)
        elif derived.operation in ("sum", "difference", "floor"):
            place |= own | {bar - sum(constants, ZERO) for bar in own} | (set() if place else others)
        elif derived.operation == "product":
            place |= {
                (bar / constant).quantize(_SCALE).normalize() for bar in own for constant in constants if constant
            }
        elif name == derived.operands[0]:
            place |= {bar * other for bar in own for other in (*constants, *others)}
        elif name == derived.operands[1] and not place:
            place |= {(other / bar).quantize(ONE) for bar in own if bar for other in others}


def _scaled(measure: Measure, value: Value | None) -> Iterator[Decimal]:
    """Values near one and far beyond it: where a derived metric turns hangs on the other operands."""
    yield from (measure.snapped(measure.top * far) for far in (10, 100))
    if isinstance(value, Decimal) and value:
        for factor in ("0.25", "0.5", "0.75", "1", "1.5", "2", "3"):
            yield measure.snapped(value * Decimal(factor))


# --- bars -----------------------------------------------------------------------------------------------------------


def _conditions(rows: Rows) -> Iterator[Row]:
    for table in ("level_conditions", "track_conditions", "criterion_requirements"):
        yield from rows.get(table, ())


def _deciding_metrics(rows: Rows) -> Iterator[str]:
    for row in rows.get("criteria", ()):
        yield row["metric"]
        if row["multiplier_metric"]:
            yield row["multiplier_metric"]
    for row in _conditions(rows):
        if row["kind"] in ("metric", "top_share"):
            yield row["subject"]
        if row.get("of_metric"):
            yield row["of_metric"]


class _Bars(dict[str, set[Decimal]]):
    """metric -> numbers at which the policy may decide differently."""

    def add(self, metric: str | None, *values: Decimal | None) -> None:
        if metric is not None:
            self.setdefault(metric, set()).update(Decimal(value).normalize() for value in values if value is not None)


def _written_bars(rows: Rows) -> _Bars:
    """The numbers that stand in the policy."""
    bars = _Bars()
    for row in rows.get("criteria", ()):
        bars.add(row["metric"], row["low"], row["high"], ZERO if row["kind"] == "flag" else None)
    metrics = {(row["criterion"], "points"): row["metric"] for row in rows.get("criteria", ())}
    metrics |= {(row["criterion"], "multiplier"): row["multiplier_metric"] for row in rows.get("criteria", ())}
    for row in rows.get("criterion_bands", ()):
        bars.add(metrics[row["criterion"], row["purpose"]], row["low"], row["high"])
    for row in _conditions(rows):
        if row["kind"] == "metric":
            bars.add(row["subject"], row["value"])
        bars.add(row.get("of_metric"), row.get("of_value"))
    return bars


def _reckoned_bars(rows: Rows) -> _Bars:
    """The numbers that follow from those: where the points of units end, or pass a bar of the score alone."""
    bars = _Bars()
    scores = [
        row["value"] for row in rows.get("level_conditions", ()) if row["kind"] in ("score", "dimension", "points")
    ]
    for row in rows.get("criteria", ()):
        if row["kind"] == "per_unit" and row["each_points"]:
            ends = [row[key] for key in ("min_points", "max_points") if row[key] is not None]
            ends += scores if row["max_points"] is None else []
            bars.add(row["metric"], *((Decimal(end) / Decimal(row["each_points"])).quantize(_SCALE) for end in ends))
    return bars


def _measures(
    rows: Rows,
    catalogue: Mapping[str, Metric],
    bars: Mapping[str, set[Decimal]],
    written: Mapping[str, frozenset[Decimal]],
) -> Iterator[Measure]:
    for row in rows.get("metric_uses", ()):
        name, source = row["metric"], row["source_metric"]
        metric = catalogue.get(source) or Metric(source, "", "higher", "", ())
        most = Decimal(row["window_quarters"]) if metric.unit == "quarters" else None
        can_be_negative = metric.unit.startswith(("share", "ratio"))
        step = _step(metric.unit, written.get(name, frozenset()), bars.get(name, set()))
        measure = _measure(name, metric.unit, step, _possible(bars.get(name, set()), can_be_negative), most)
        is_higher_better = metric.direction != "lower"
        yield replace(measure, is_higher_better=is_higher_better, is_past=row["window_lag"] > 0)
    for row in rows.get("declared_metrics", ()):
        name = row["metric"]
        can_be_negative = row["aggregate"] not in ("count", "count_distinct")
        step = _step("", written.get(name, frozenset()), bars.get(name, set()))
        yield replace(
            _measure(name, "", step, _possible(bars.get(name, set()), can_be_negative), None),
            is_higher_better=row["direction"] != "lower",
            is_zero_when_absent=row["absent"] == "zero",
            is_past=row["window_lag"] > 0,
        )


def _possible(bars: set[Decimal], can_be_negative: bool) -> set[Decimal]:
    return bars if can_be_negative else {bar for bar in bars if bar >= 0}


def _step(unit: str, written: frozenset[Decimal], bars: set[Decimal]) -> Decimal:
    """The smallest difference that matters: that of the unit, or finer where a bar of the policy is written finer.

    Bars that were worked out (where points reach their maximum, say) can have any number of decimals and say less.
    """
    finest = min((_exponent(bar) for bar in written), default=0)
    if not written and not unit:
        finest = max(min((_exponent(bar) for bar in bars), default=0), -2)
    return min(_DEFAULT_STEPS.get(unit, ONE), Decimal(1).scaleb(finest))


def _measure(name: str, unit: str, step: Decimal, bars: set[Decimal], most: Decimal | None) -> Measure:
    low, high = min(bars, default=ZERO), max(bars, default=ZERO)
    top = _round_number(high * 2) if high > 0 else _DEFAULT_TOPS.get(unit, _DEFAULT_TOP)
    if (unit.startswith("share") and low >= 0 and high <= 1) or unit == "yes or no":
        top = ONE
    elif unit.startswith("share") and low < 0:
        top = max(top, ONE)
    is_bounded = top == ONE and unit.startswith(("share", "yes")) and low >= 0
    if most is not None:
        top, is_bounded = max(most, step), True
    low = low * 2 if low < 0 else ZERO
    # A bar that the metric cannot stand on is seen from the values beside it.
    inner = {
        (bar / step).to_integral_value(rounding=way) * step for bar in bars for way in (ROUND_FLOOR, ROUND_CEILING)
    }
    inner = {bar.normalize() + ZERO for bar in inner if low <= bar <= top}
    around = {bar + move for bar in inner for move in (-step, ZERO, step)}
    edges = [low, *sorted(inner), top]
    middles = {((a + b) / 2 / step).to_integral_value() * step for a, b in itertools.pairwise(edges)}
    grid = sorted(value.normalize() + ZERO for value in {low, top} | around | middles if low <= value <= top)
    if len(grid) > _MOST_VALUES:
        kept = {*inner, low, top}
        grid = sorted(kept | set(grid[:: len(grid) // _MOST_VALUES + 1]))
    return Measure(name, True, step, low, top, tuple(sorted(inner)), tuple(dict.fromkeys(grid)), is_bounded)


def _exponent(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return min(exponent, 0) if isinstance(exponent, int) else 0


def _round_number(number: Decimal) -> Decimal:
    """The next number up with one digit that counts, or two: 1.2, 30, 450,000."""
    unit = Decimal(1).scaleb(number.adjusted() - 1)
    return (number / unit).to_integral_value(rounding=ROUND_CEILING) * unit


def _attributes(rows: Rows) -> dict[str, tuple[str, ...]]:
    """attribute -> the texts that conditions ask for, and one that none of them asks for."""
    texts: dict[str, dict[str, None]] = {}
    for row in _conditions(rows):
        if row["kind"] == "attribute":
            texts.setdefault(row["subject"], {}).update(dict.fromkeys(json.loads(row["text_values"])))
    return {name: (*found, "another") for name, found in sorted(texts.items())}

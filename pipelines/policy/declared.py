"""Metrics of a programme's own: declared ones, counted from facts, and derived ones, made of other metrics.

Here is what can be written and, at the end, what it means together: which window a metric looks through, which
metrics are made of which. Whether the names exist is judged in `checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from pipelines.policy.conditions import Bar
from pipelines.policy.parts import (
    NAME_PATTERN,
    Digits,
    Lag,
    Months,
    Name,
    Part,
    Quarters,
    Text,
    YesNo,
    complaint,
    name_of,
    number_of,
)

MONTHS_PER_QUARTER = 3
# How many derived metrics may stand on one another: each layer is one pass over all partners and quarters.
MAX_DEPTH = 6

Direction = Literal["higher", "lower"]
FACT_COLUMNS = ("value", "subject")


class Window(Part):
    """The time a metric looks back on, the current quarter included."""

    quarters: Quarters | None = Field(None, description="how many quarters")
    months: Months | None = Field(None, description="how many months, in place of quarters")
    complete: YesNo = Field(False, description="true: no value before the partner's history covers the window")

    @model_validator(mode="after")
    def _has_one_length(self) -> Window:
        if (self.quarters is None) == (self.months is None):
            raise complaint("exactly one of quarters, months")
        return self

    @property
    def length(self) -> int:
        """In months."""
        length = _length(self.quarters, self.months)
        assert length is not None  # one of the two is required
        return length


class OwnWindow(Part):
    """A window of one metric's own; what is left out is as in `window`."""

    quarters: Quarters | None = Field(None, description="how many quarters")
    months: Months | None = Field(None, description="how many months, in place of quarters")
    complete: YesNo | None = Field(None, description="true: no value before the partner's history covers the window")

    @model_validator(mode="after")
    def _has_one_length(self) -> OwnWindow:
        if self.quarters is not None and self.months is not None:
            raise complaint("one of quarters, months")
        return self

    @property
    def length(self) -> int | None:
        """In months; None where the policy's is meant."""
        return _length(self.quarters, self.months)


class MetricWindow(OwnWindow):
    """A window of one metric's own, and how far it is set back."""

    lag: Lag | None = Field(None, description="quarters to step back before looking")


def _length(quarters: int | None, months: int | None) -> int | None:
    return months if quarters is None else quarters * MONTHS_PER_QUARTER


def _window_form(data: Any) -> str:
    if isinstance(data, dict | OwnWindow):
        return "<window>"
    return "<word>" if isinstance(data, str) else "<quarters>"


# A number is a number of quarters.
LookBack = Annotated[
    Union[  # noqa: UP007
        Annotated[Quarters, Tag("<quarters>")],
        Annotated[Literal["ever"], Tag("<word>")],
        Annotated[OwnWindow, Tag("<window>")],
    ],
    Discriminator(_window_form),
]


# --- declared metrics -------------------------------------------------------------------------------------------


def _texts(value: Any) -> Any:
    """The texts a fact's attribute may be: whole numbers and true or false are compared as texts, too."""
    if isinstance(value, tuple):
        return value
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise complaint("a text or a list of texts")
    made = []
    for item in listed:
        if isinstance(item, bool):
            made.append(str(item).lower())
        elif isinstance(item, int):
            made.append(str(item))
        elif isinstance(item, str) and item.strip():
            made.append(item.strip())
        else:
            raise complaint("a text (put quotes around it) or a list of texts")
    return tuple(dict.fromkeys(made))


Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(_texts),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "integer", "boolean"]},
                {"type": "array", "items": {"type": ["string", "integer", "boolean"]}, "minItems": 1},
            ]
        }
    ),
]


def _filter_form(data: Any) -> str:
    return "<bar>" if isinstance(data, dict | Bar) else "<texts>"


# `value` is compared as a number, `subject` and attributes as texts; which key takes which is judged in `checks.py`.
Filter = Annotated[
    Union[Annotated[Bar, Tag("<bar>")], Annotated[Texts, Tag("<texts>")]],  # noqa: UP007
    Discriminator(_filter_form),
]

Aggregate = Literal["sum", "last", "max", "min", "median", "count", "count_distinct"]
OF_NUMBERS = ("sum", "last", "max", "min", "median")


class Declared(Part):
    """A metric counted from facts that are handed in under a name (the entity metric_facts)."""

    aggregate: Aggregate = Field(description="sum, last, max, min, median, count or count_distinct")
    of: Text | None = Field(None, description="value, subject or an attribute of the fact")
    facts: Text | None = Field(None, description="the facts' name, if it is not the metric's")
    where: dict[Text, Filter] = Field(default_factory=dict, description="which of the facts count: all of these hold")
    window: LookBack | None = Field(None, description="quarters, {quarters: n}, {months: n} or ever")
    lag: Lag | None = Field(None, description="quarters to step back before looking")
    absent: Literal["unknown", "zero"] = Field("unknown", description="what a partner without any such fact has")
    unit: Text | None = None
    direction: Direction = Field("higher", description="higher or lower: which numbers are the better ones")
    description: Text | None = None

    @property
    def counted(self) -> str:
        """What is aggregated: `value`, `subject` or the key of an attribute."""
        return self.of or ("subject" if self.aggregate == "count_distinct" else "value")


# --- derived metrics --------------------------------------------------------------------------------------------


def _operand(value: Any) -> Any:
    return name_of(value) if isinstance(value, str) else number_of(value)


Operand = Annotated[
    str | Decimal,
    BeforeValidator(_operand),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": NAME_PATTERN}, {"type": "number"}]}),
]

OPERATIONS = ("ratio", "sum", "difference", "product", "min", "max", "floor")
# The fewest and most operands; a product of more would not fit the numbers.
_COUNTS: dict[str, tuple[int, int]] = {"ratio": (2, 2), "product": (2, 4)}
_MAX_OPERANDS = 40
SKIPPING = ("sum", "difference", "product", "min", "max")


class Derived(Part):
    """A metric made of other metrics: exactly one operation, or a metric through another window."""

    ratio: list[Operand] | None = Field(None, description="[a, b]: a divided by b")
    sum: list[Operand] | None = Field(None, description="[a, b, ...] added up")
    difference: list[Operand] | None = Field(None, description="[a, b, ...]: a less all others")
    product: list[Operand] | None = Field(None, description="[a, b], up to four factors")
    min: list[Operand] | None = Field(None, description="[a, b, ...]: the smallest")
    max: list[Operand] | None = Field(None, description="[a, b, ...]: the largest")
    floor: Operand | None = Field(None, description="a without its decimals, rounded down")
    metric: Name | None = Field(None, description="a catalogue or declared metric, through another window")
    window: LookBack | None = Field(None, description="with metric only")
    lag: Lag | None = Field(None, description="with metric only: quarters to step back before looking")
    skip_unknown: YesNo = Field(False, description="true: unknown operands are left out")
    round: Digits | None = Field(None, description="decimals kept")
    unit: Text | None = None
    direction: Direction | None = Field(None, description="higher or lower: which numbers are the better ones")
    description: Text | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Derived:
        said = [key for key in (*OPERATIONS, "metric") if getattr(self, key) is not None]
        if len(said) != 1:
            raise complaint(f"exactly one of {', '.join((*OPERATIONS, 'metric'))}")
        if self.metric is None:
            if self.window is not None or self.lag is not None:
                raise complaint("window and lag with `metric` only: parts of an operation have windows of their own")
            low, high = _COUNTS.get(self.operation, (2, _MAX_OPERANDS))
            if self.floor is None and not low <= len(self.operands) <= high:
                count = str(low) if low == high else f"{low} to {high}"
                raise complaint(f"{self.operation} of {count} metrics or numbers")
            if not any(isinstance(operand, str) for operand in self.operands):
                raise complaint("at least one metric among the parts")
            if self.ratio is not None and self.ratio[1] == 0:
                raise complaint("a ratio to something other than 0")
            if self.skip_unknown and self.operation not in SKIPPING:
                raise complaint(f"skip_unknown with {', '.join(SKIPPING)} only")
        elif self.skip_unknown or self.round is not None:
            raise complaint("no skip_unknown and no round: a metric through another window is read as it is")
        return self

    @property
    def operation(self) -> str:
        """The key of the operation; `metric` for a metric through another window."""
        return next(key for key in (*OPERATIONS, "metric") if getattr(self, key) is not None)

    @property
    def operands(self) -> list[str | Decimal]:
        """Metric names and numbers, in their order; nothing for a metric through another window."""
        if self.metric is not None:
            return []
        said = getattr(self, self.operation)
        return said if isinstance(said, list) else [said]

    def mentions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The metrics it is made of, with the key path of each inside it."""
        if self.metric is not None:
            yield ("metric",), self.metric
        elif isinstance(self.floor, str):
            yield ("floor",), self.floor
        else:
            for index, operand in enumerate(self.operands):
                if isinstance(operand, str):
                    yield (self.operation, index), operand


# --- what they mean ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """What a metric looks through: months up to a quarter's end (None: everything before), set back by lag quarters."""

    months: int | None
    complete: bool = False
    lag: int = 0

    @property
    def quarters(self) -> int | None:
        """In quarters, where months are whole quarters."""
        if self.months is None or self.months % MONTHS_PER_QUARTER:
            return None
        return self.months // MONTHS_PER_QUARTER


def narrowed(span: Span, window: int | OwnWindow | Literal["ever"] | None, lag: int | None) -> Span:
    """`span` with what a window and a lag of one metric's own say otherwise."""
    back = span.lag if lag is None else lag
    if window == "ever":
        return Span(None, False, back)
    if window is None:
        return Span(span.months, span.complete, back)
    if isinstance(window, int):
        return Span(window * MONTHS_PER_QUARTER, span.complete, back)
    return Span(
        span.months if window.length is None else window.length,
        span.complete if window.complete is None else window.complete,
        back,
    )


def depths(derived: Mapping[str, Derived]) -> dict[str, int]:
    """How many layers of derived metrics each one stands on, itself included: 1 without a derived operand.

    A metric through another window is no layer. Names must refer to earlier ones only (`checks.py` sees to it).
    """
    found: dict[str, int] = {}
    for name, metric in derived.items():
        if metric.metric is None:
            found[name] = 1 + max((found.get(operand, 0) for _, operand in metric.mentions()), default=0)
    return found


def cycle_from(name: str, derived: Mapping[str, Derived]) -> list[str]:
    """The way from a derived metric back to itself (first and last the same), or nothing."""
    ways = [[name]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for _, operand in derived[way[-1]].mentions():
            if operand == name:
                return [*way, name]
            if operand in derived and operand not in seen:
                seen.add(operand)
                ways.append([*way, operand])
    return []

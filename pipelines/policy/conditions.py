"""Conditions of levels and gates: their written form, their disjunctive normal form, and reasoning about both.

A condition is written as a tree (`all`, `any`, `at_least` n `of`) over single bars. SQL wants alternatives of plain
bars, so every tree is expanded to "any of these lists of bars". The bars become rows in `rows.py`; whether levels fit
together is judged in `checks.py` with `is_possible` and `implies` from here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag, model_validator

from pipelines.policy.parts import Count, Digits, Name, Number, Part, PositiveShare, Text, complaint

# Each alternative is a row per bar, partner and quarter, and a reason that a person has to read.
MAX_ALTERNATIVES = 64
# Metric values are stored with this many decimals, so rounding to it changes nothing.
UNROUNDED_DIGITS = 6

NUMBER_OPERATORS = ("at_least", "above", "at_most", "below", "equals")


class Bar(Part):
    """A number to compare with: exactly one operator."""

    at_least: Number | None = Field(None, description="this much or more")
    above: Number | None = Field(None, description="more than this")
    at_most: Number | None = Field(None, description="this much or less")
    below: Number | None = Field(None, description="less than this")
    equals: Number | None = Field(None, description="exactly this much")

    @model_validator(mode="after")
    def _has_one_operator(self) -> Bar:
        if sum(getattr(self, operator) is not None for operator in NUMBER_OPERATORS) != 1:
            raise complaint(f"exactly one of {', '.join(NUMBER_OPERATORS)} (two bars are two conditions under `all`)")
        return self

    @property
    def operator(self) -> str:
        return next(operator for operator in NUMBER_OPERATORS if getattr(self, operator) is not None)

    @property
    def value(self) -> Decimal:
        value: Decimal = getattr(self, self.operator)
        return value


class MetricCondition(Bar):
    """The value of a metric."""

    metric: Name = Field(description="a metric of the catalogue, declared or derived")


class ScoreCondition(Bar):
    """The total score."""

    score: Literal["total"] = Field(description="always `total`")


class DimensionCondition(Bar):
    """The score of one dimension."""

    dimension: Name = Field(description="a dimension of the score")


class PointsCondition(Bar):
    """The points of one criterion, before weights."""

    points: Name = Field(description="the id of a criterion")


class AttributeCondition(Part):
    """A property of the partner that is no number."""

    attribute: Name = Field(description="an attribute of the partner, such as region")
    equals: Text | None = Field(None, description="exactly this text")
    in_: list[Text] | None = Field(None, alias="in", min_length=1, description="one of these texts")

    @model_validator(mode="after")
    def _has_one_operator(self) -> AttributeCondition:
        if (self.equals is None) == (self.in_ is None):
            raise complaint("exactly one of equals, in")
        return self


class TopShare(Part):
    """Being among the first part of a population ordered by a metric, the largest first."""

    share: PositiveShare = Field(description="the part of the population, counted from the top: 0.05 is the top 5 %")
    by: Name = Field(description="the metric that orders the population")
    of: MetricCondition | None = Field(None, description="who is counted; without it everyone with a known value")
    within: list[Name] = Field(default_factory=list, description="attributes that split the population into groups")
    round: Digits | None = Field(None, description="decimals the metric is rounded to before ordering")
    ties: Literal["partner_number", "partner_id"] = Field(
        "partner_number", description="the key that decides, ascending, when two values are equal"
    )


class TopShareCondition(Part):
    """A place in an order of partners."""

    top_share: TopShare


class AllOf(Part):
    """Every condition holds."""

    all: list[Condition] = Field(min_length=1)


class AnyOf(Part):
    """At least one condition holds."""

    any: list[Condition] = Field(min_length=1)


class Quorum(Part):
    """How many of which conditions."""

    n: Count = Field(description="how many conditions must hold")
    of: list[Condition] = Field(min_length=1)

    @model_validator(mode="after")
    def _asks_for_no_more_than_there_are(self) -> Quorum:
        if self.n > len(self.of):
            raise complaint(f"n to be at most {len(self.of)}, the number of conditions under `of`")
        return self


class AtLeastOf(Part):
    """At least n of the conditions hold."""

    at_least: Quorum


SUBJECT_KEYS = ("metric", "score", "dimension", "points", "attribute", "top_share")
CONDITION_KEYS = (*SUBJECT_KEYS, "all", "any", "at_least")


def _which(data: Any) -> str | None:
    """The tag of the form a condition is written in; tags stand in <> so that key paths can leave them out."""
    if not isinstance(data, dict):
        return None
    if "at_least" in data and len(data) > 1 and not isinstance(data["at_least"], dict):
        data = {key: value for key, value in data.items() if key != "at_least"}  # a bar whose subject is misspelt
    return next((f"<{key}>" for key in CONDITION_KEYS if key in data), None)


Condition = Annotated[
    Union[  # noqa: UP007  a list of tagged forms reads better than a chain of |
        Annotated[MetricCondition, Tag("<metric>")],
        Annotated[ScoreCondition, Tag("<score>")],
        Annotated[DimensionCondition, Tag("<dimension>")],
        Annotated[PointsCondition, Tag("<points>")],
        Annotated[AttributeCondition, Tag("<attribute>")],
        Annotated[TopShareCondition, Tag("<top_share>")],
        Annotated[AllOf, Tag("<all>")],
        Annotated[AnyOf, Tag("<any>")],
        Annotated[AtLeastOf, Tag("<at_least>")],
    ],
    Discriminator(_which, custom_error_type="policy_condition", custom_error_message="not a condition"),
]

for _model in (AllOf, AnyOf, Quorum, AtLeastOf):
    _model.model_rebuild()


@dataclass(frozen=True)
class Atom:
    """One bar: the row of a condition before it gets its numbers."""

    kind: str
    subject: str
    operator: str
    value: Decimal | None = None
    texts: tuple[str, ...] = ()
    of: Atom | None = None
    within: tuple[str, ...] = ()
    round_digits: int | None = None
    ties: str | None = None


Alternative = tuple[Atom, ...]
ALWAYS: tuple[Alternative, ...] = ((),)


class TooManyAlternativesError(Exception):
    """A condition that expands to more alternatives than anyone could read."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} alternatives")
        self.count = count


def atom(condition: Any) -> Atom:
    """The bar that a single (not nested) condition sets."""
    if isinstance(condition, TopShareCondition):
        top = condition.top_share
        return Atom(
            kind="top_share",
            subject=top.by,
            operator="top_share",
            value=top.share,
            of=atom(top.of) if top.of else None,
            within=tuple(top.within),
            round_digits=UNROUNDED_DIGITS if top.round is None else top.round,
            ties=top.ties,
        )
    if isinstance(condition, AttributeCondition):
        if condition.in_ is not None:
            return Atom("attribute", condition.attribute, "in", texts=tuple(dict.fromkeys(condition.in_)))
        return Atom("attribute", condition.attribute, "equals", texts=(condition.equals or "",))
    kinds: dict[type[Any], tuple[str, str]] = {
        MetricCondition: ("metric", "metric"),
        ScoreCondition: ("score", "score"),
        DimensionCondition: ("dimension", "dimension"),
        PointsCondition: ("points", "points"),
    }
    kind, field = kinds[type(condition)]
    return Atom(kind, getattr(condition, field), condition.operator, condition.value)


def children(condition: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    """The conditions inside a nested one, each with its key path; nothing for a single bar."""
    if isinstance(condition, AllOf):
        return [(("all", index), child) for index, child in enumerate(condition.all)]
    if isinstance(condition, AnyOf):
        return [(("any", index), child) for index, child in enumerate(condition.any)]
    if isinstance(condition, AtLeastOf):
        return [(("at_least", "of", index), child) for index, child in enumerate(condition.at_least.of)]
    return []


def walk(condition: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every single bar of a condition with the key path where it is written."""
    inside = children(condition)
    if not inside:
        yield path, condition
    for step, child in inside:
        yield from walk(child, path + step)


def count_alternatives(condition: Any) -> int:
    """How many alternatives the plain expansion gives, found without expanding."""
    sizes = [count_alternatives(child) for _, child in children(condition)]
    if isinstance(condition, AnyOf):
        return sum(sizes)
    if isinstance(condition, AllOf):
        product = 1
        for size in sizes:
            product *= size
        return product
    if isinstance(condition, AtLeastOf):
        # The sum over all choices of n children of the product of their sizes.
        ways = [1] + [0] * condition.at_least.n
        for size in sizes:
            for chosen in range(condition.at_least.n, 0, -1):
                ways[chosen] += ways[chosen - 1] * size
        return ways[condition.at_least.n]
    return 1


def alternatives(*conditions: Any) -> tuple[Alternative, ...]:
    """All of `conditions` (None: no condition) as alternatives of bars, in document order and without repetition."""
    asked = [condition for condition in conditions if condition is not None]
    count = 1
    for condition in asked:
        count *= count_alternatives(condition)
    if count > MAX_ALTERNATIVES:
        raise TooManyAlternativesError(count)
    return _simplified(_and([_expand(condition) for condition in asked]))


def _expand(condition: Any) -> list[Alternative]:
    parts = [_expand(child) for _, child in children(condition)]
    if isinstance(condition, AllOf):
        return _and(parts)
    if isinstance(condition, AnyOf):
        return [alternative for part in parts for alternative in part]
    if isinstance(condition, AtLeastOf):
        choices = itertools.combinations(parts, condition.at_least.n)
        return [alternative for choice in choices for alternative in _and(choice)]
    return [(atom(condition),)]


def _and(parts: Sequence[Sequence[Alternative]]) -> list[Alternative]:
    return [tuple(dict.fromkeys(itertools.chain(*choice))) for choice in itertools.product(*parts)]


def _simplified(found: list[Alternative]) -> tuple[Alternative, ...]:
    """Without an alternative that asks for everything another one asks for, and more."""
    kept: list[Alternative] = []
    for index, candidate in enumerate(found):
        bars = set(candidate)
        weaker = (
            set(other) < bars or (set(other) == bars and position < index) for position, other in enumerate(found)
        )
        if not any(weaker):
            kept.append(candidate)
    return tuple(kept)


# --- what a bar means -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """The numbers that pass a bar; an end that is None is open-ended, an open end does not pass itself."""

    low: Decimal | None = None
    high: Decimal | None = None
    is_low_open: bool = False
    is_high_open: bool = False

    @staticmethod
    def of(operator: str, value: Decimal) -> Interval:
        return {
            "at_least": Interval(low=value),
            "above": Interval(low=value, is_low_open=True),
            "at_most": Interval(high=value),
            "below": Interval(high=value, is_high_open=True),
            "equals": Interval(low=value, high=value),
        }[operator]

    def __and__(self, other: Interval) -> Interval:
        low, is_low_open = self.low, self.is_low_open
        if other.low is not None and (low is None or (other.low, other.is_low_open) > (low, is_low_open)):
            low, is_low_open = other.low, other.is_low_open
        high, is_high_open = self.high, self.is_high_open
        if other.high is not None and (high is None or (other.high, not other.is_high_open) < (high, not is_high_open)):
            high, is_high_open = other.high, other.is_high_open
        return Interval(low, high, is_low_open, is_high_open)

    @property
    def is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.is_low_open or self.is_high_open))

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both, their ends included."""
        low = None if self.low is None or other.low is None else min(self.low, other.low)
        high = None if self.high is None or other.high is None else max(self.high, other.high)
        return Interval(low, high)

    def __contains__(self, value: Decimal) -> bool:
        return not (self & Interval(value, value)).is_empty


def _interval(bar: Atom) -> Interval:
    assert bar.value is not None  # every bar but those on attributes carries a number
    return Interval.of(bar.operator, bar.value)


def implies(bar: Atom, other: Atom) -> bool:
    """Whether whoever passes `bar` certainly passes `other`."""
    if bar == other:
        return True
    if bar.kind == "attribute":
        return other.kind == "attribute" and bar.subject == other.subject and set(bar.texts) <= set(other.texts)
    if bar.kind == "top_share":
        if other.kind == "top_share":
            return (
                bar.value is not None
                and other.value is not None
                and _order(bar) == _order(other)
                and (bar.value <= other.value)
            )
        return bar.of is not None and implies(bar.of, other)
    if (bar.kind, bar.subject) != (other.kind, other.subject):
        return False
    mine = _interval(bar)
    return mine & _interval(other) == mine


def _order(bar: Atom) -> tuple[Any, ...]:
    """What two `top_share` bars must have in common for their shares to be comparable."""
    return (bar.subject, bar.of, frozenset(bar.within), bar.round_digits, bar.ties)


Bounds = Mapping[tuple[str, str], Interval]


def impossible_because(alternative: Alternative, bounds: Bounds) -> str:
    """Why nobody can pass all these bars at once ("" if somebody may); `bounds` are what each score can reach."""
    numbers: dict[tuple[str, str], Interval] = {}
    texts: dict[str, set[str]] = {}
    for written in alternative:
        for bar in (written, written.of) if written.of else (written,):
            if bar.kind == "attribute":
                if not texts.setdefault(bar.subject, set(bar.texts)) & set(bar.texts):
                    return f"{words(bar)} contradicts another condition on {bar.subject}"
                texts[bar.subject] &= set(bar.texts)
            elif bar.kind != "top_share":
                key = (bar.kind, bar.subject)
                reachable = bounds.get(key, Interval())
                if reachable.is_empty:
                    return f"it needs {words(bar)}, which the rules never give"
                if (reachable & _interval(bar)).is_empty:
                    return f"it needs {words(bar)}, but the rules can only give {_reach(reachable)}"
                numbers[key] = numbers.get(key, reachable) & _interval(bar)
                if numbers[key].is_empty:
                    return f"{words(bar)} contradicts another condition on {bar.subject}"
    return ""


def _reach(reachable: Interval) -> str:
    if reachable.low is None:
        return f"at most {plain(reachable.high)}"
    if reachable.high is None:
        return f"at least {plain(reachable.low)}"
    return f"{plain(reachable.low)} to {plain(reachable.high)}"


Facts = Mapping[str, Decimal | str]
# What a total, a dimension or a criterion has come to, by kind and name; None: it is unknown. What is absent is open.
Scores = Mapping[tuple[str, str], Decimal | None]


def passes(found: Sequence[Alternative], facts: Facts, scores: Scores | None = None) -> bool | None:
    """Whether stated facts pass: an unknown fact never does; None when it hangs on something that is open."""
    outcomes = {_passes_all(alternative, facts, scores or {}) for alternative in found}
    if True in outcomes:
        return True
    return None if None in outcomes else False


def _passes_all(alternative: Alternative, facts: Facts, scores: Scores) -> bool | None:
    outcomes = {_passes(bar, facts, scores) for bar in alternative}
    if False in outcomes:
        return False
    return None if None in outcomes else True


def _passes(bar: Atom, facts: Facts, scores: Scores) -> bool | None:
    value = facts.get(bar.subject)
    if bar.kind == "metric":
        return isinstance(value, Decimal) and value in _interval(bar)
    if bar.kind == "attribute":
        return isinstance(value, str) and value in bar.texts
    if bar.kind == "top_share":
        is_counted = isinstance(value, Decimal) and (bar.of is None or _passes(bar.of, facts, scores) is not False)
        return None if is_counted else False  # who is not in the population has no place in its order
    if (bar.kind, bar.subject) in scores:
        score = scores[bar.kind, bar.subject]
        return score is not None and score in _interval(bar)
    return None


# --- words ------------------------------------------------------------------------------------------------------


def plain(number: Decimal | int | None) -> str:
    """A number as people write it: no exponent, no trailing zeros, thousands set apart."""
    if number is None:
        return "unlimited"
    text = f"{Decimal(number):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def words(bar: Atom) -> str:
    """The bar in words, for gates, reasons and error messages."""
    if bar.kind == "top_share":
        assert bar.value is not None
        within = f" within {' and '.join(bar.within)}" if bar.within else ""
        return f"top {plain(bar.value * 100)} % by {bar.subject}{within}"
    if bar.kind == "attribute":
        listed = ", ".join(bar.texts)
        return f"{bar.subject} is {listed}" if bar.operator == "equals" else f"{bar.subject} is one of {listed}"
    subject = {"score": "total score", "dimension": f"{bar.subject} score", "points": f"points of {bar.subject}"}.get(
        bar.kind, bar.subject
    )
    return f"{subject} {bar.operator.replace('_', ' ')} {plain(bar.value)}"


def in_words(condition: Any) -> str:
    """A condition, nested or not, in words."""
    parts = [f"({in_words(child)})" if children(child) else in_words(child) for _, child in children(condition)]
    if isinstance(condition, AtLeastOf):
        return f"at least {condition.at_least.n} of: {', '.join(parts)}"
    if isinstance(condition, AllOf | AnyOf):
        return (" and " if isinstance(condition, AllOf) else " or ").join(parts)
    return words(atom(condition))

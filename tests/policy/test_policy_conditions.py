"""Nested conditions against their expansion into alternatives, and the reasoning about bars."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipelines.policy.conditions import (
    MAX_ALTERNATIVES,
    Condition,
    TooManyAlternativesError,
    alternatives,
    atom,
    count_alternatives,
    implies,
    impossible_because,
    passes,
    plain,
    words,
)

PARSE = TypeAdapter(Condition)
METRICS = ("a", "b", "c")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": lambda value, bar: value >= bar,
    "above": lambda value, bar: value > bar,
    "at_most": lambda value, bar: value <= bar,
    "below": lambda value, bar: value < bar,
    "equals": lambda value, bar: value == bar,
}

numbers = st.integers(0, 4)
metric_bars = st.builds(
    lambda metric, operator, value: {"metric": metric, operator: value},
    st.sampled_from(METRICS),
    st.sampled_from(sorted(OPERATORS)),
    numbers,
)
regions = st.sampled_from(["north", "south", "east"])
attribute_bars = st.one_of(
    st.builds(lambda text: {"attribute": "region", "equals": text}, regions),
    st.builds(lambda texts: {"attribute": "region", "in": texts}, st.lists(regions, min_size=1, max_size=3)),
)
bars = st.one_of(metric_bars, attribute_bars)


def nested(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inside, min_size=1, max_size=4)
    quorum = lists.flatmap(lambda of: st.integers(1, len(of)).map(lambda n: {"at_least": {"n": n, "of": of}}))
    return st.one_of(lists.map(lambda of: {"all": of}), lists.map(lambda of: {"any": of}), quorum)


conditions = st.recursive(bars, nested, max_leaves=10)
partners = st.fixed_dictionaries(
    {}, optional={"a": numbers.map(Decimal), "b": numbers.map(Decimal), "c": numbers.map(Decimal), "region": regions}
)


def holds(condition: dict[str, Any], facts: dict[str, Any]) -> bool:
    """The condition as it is written, evaluated without any expansion."""
    if "all" in condition:
        return all(holds(child, facts) for child in condition["all"])
    if "any" in condition:
        return any(holds(child, facts) for child in condition["any"])
    if "attribute" in condition:
        wanted = [condition["equals"]] if "equals" in condition else condition["in"]
        return facts.get("region") in wanted
    if "metric" in condition:
        value = facts.get(condition["metric"])
        operator = next(name for name in OPERATORS if name in condition)
        return value is not None and OPERATORS[operator](value, condition[operator])
    of = condition["at_least"]["of"]
    least: int = condition["at_least"]["n"]
    return sum(holds(child, facts) for child in of) >= least


@given(conditions, partners)
def test_the_expansion_says_what_the_condition_says(written: dict[str, Any], facts: dict[str, Any]) -> None:
    condition = PARSE.validate_python(written)
    assume(count_alternatives(condition) <= MAX_ALTERNATIVES)
    assert passes(alternatives(condition), facts) is holds(written, facts)


@given(conditions, conditions, partners)
def test_a_gate_and_a_condition_hold_together(
    gate: dict[str, Any], enter: dict[str, Any], facts: dict[str, Any]
) -> None:
    try:
        both = alternatives(PARSE.validate_python(gate), PARSE.validate_python(enter))
    except TooManyAlternativesError:
        return
    assert passes(both, facts) is (holds(gate, facts) and holds(enter, facts))


@given(conditions)
def test_an_expansion_is_counted_without_being_made_and_holds_no_alternative_twice(written: dict[str, Any]) -> None:
    condition = PARSE.validate_python(written)
    count = count_alternatives(condition)
    if count > MAX_ALTERNATIVES:
        with pytest.raises(TooManyAlternativesError):
            alternatives(condition)
        return
    found = alternatives(condition)
    assert 1 <= len(found) <= count
    sets = [frozenset(alternative) for alternative in found]
    assert not any(one <= other for i, one in enumerate(sets) for j, other in enumerate(sets) if i != j)


@given(bars, bars, partners)
def test_a_bar_that_implies_another_is_never_passed_alone(
    one: dict[str, Any], other: dict[str, Any], facts: dict[str, Any]
) -> None:
    if implies(atom(PARSE.validate_python(one)), atom(PARSE.validate_python(other))) and holds(one, facts):
        assert holds(other, facts)


@given(st.lists(bars, min_size=1, max_size=4), partners)
def test_bars_called_impossible_are_passed_by_nobody(written: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    bars_together = tuple(atom(PARSE.validate_python(bar)) for bar in written)
    if impossible_because(bars_together, {}):
        assert not all(holds(bar, facts) for bar in written)


def test_no_condition_is_one_alternative_without_bars() -> None:
    assert alternatives(None, None) == ((),)
    assert passes(((),), {}) is True


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({}, False),
        ({"sales": Decimal(0)}, False),
        ({"sales": Decimal(1)}, None),
    ],
)
def test_a_place_in_an_order_is_undecided_for_those_in_the_population_only(facts: Any, outcome: bool | None) -> None:
    top = {"top_share": {"share": Decimal("0.1"), "by": "sales", "of": {"metric": "sales", "above": 0}}}
    assert passes(alternatives(PARSE.validate_python(top)), facts) is outcome


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"score": "total", "at_least": 70}, "total score at least 70"),
        ({"dimension": "potential", "above": Decimal("62.50")}, "potential score above 62.5"),
        ({"points": "won", "below": 5}, "points of won below 5"),
        ({"metric": "sales", "at_most": 750000}, "sales at most 750,000"),
        ({"attribute": "region", "equals": "emea"}, "region is emea"),
        ({"top_share": {"share": Decimal("0.05"), "by": "sales"}}, "top 5 % by sales"),
    ],
)
def test_a_bar_reads_as_people_say_it(written: dict[str, Any], text: str) -> None:
    assert words(atom(PARSE.validate_python(written))) == text


@pytest.mark.parametrize(
    ("number", "text"), [("100", "100"), ("1E+3", "1,000"), ("0.500", "0.5"), ("-2.50", "-2.5"), ("0", "0")]
)
def test_numbers_are_written_plainly(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text

"""Metrics of a programme's own and their windows: what can be said, which rows it makes, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.policy import Policy
from pipelines.policy.declared import Derived
from pipelines.policy.examples import derived_value

Make = Callable[..., str]
Read = Callable[[str], Policy]
Refusal = Callable[[str], str]


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


# --- declared metrics -------------------------------------------------------------------------------------------


@pytest.fixture
def declaring(plain: Make) -> Make:
    """A policy whose levels ask for the declared metric `seats`, defined by the given mapping."""

    def text(definition: str, *changes: tuple[str, str]) -> str:
        return plain(
            ("ladders:", f"declares: {{seats: {definition}}}\nladders:"),
            ("metric: won_deals, at_least: 10", "metric: seats, at_least: 10"),
            ("metric: won_deals, at_least: 5", "metric: seats, at_least: 5"),
            *changes,
        )

    return text


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("{aggregate: sum}", ("seats", "sum", "value", 12, False, 0, "unknown", "higher")),
        ("{aggregate: count_distinct}", ("seats", "count_distinct", "subject", 12, False, 0, "unknown", "higher")),
        ("{aggregate: count, of: subject}", ("seats", "count", "subject", 12, False, 0, "unknown", "higher")),
        (
            "{aggregate: count_distinct, of: city}",
            ("seats", "count_distinct", "city", 12, False, 0, "unknown", "higher"),
        ),
        ("{aggregate: last, facts: seats sold}", ("seats sold", "last", "value", 12, False, 0, "unknown", "higher")),
        ("{aggregate: max, window: 1, lag: 2}", ("seats", "max", "value", 3, False, 2, "unknown", "higher")),
        ("{aggregate: min, window: {months: 13}}", ("seats", "min", "value", 13, False, 0, "unknown", "higher")),
        (
            "{aggregate: median, window: {complete: true}}",
            ("seats", "median", "value", 12, True, 0, "unknown", "higher"),
        ),
        ("{aggregate: sum, window: ever, absent: zero}", ("seats", "sum", "value", None, False, 0, "zero", "higher")),
        ("{aggregate: sum, direction: lower}", ("seats", "sum", "value", 12, False, 0, "unknown", "lower")),
    ],
)
def test_a_declared_metric_says_what_is_counted_of_which_facts_and_when(
    read: Read, declaring: Make, definition: str, expected: tuple[Any, ...]
) -> None:
    rows = read(declaring(definition)).rows()
    columns = ("facts", "aggregate", "of", "window_months", "window_complete", "window_lag", "absent", "direction")
    assert only(rows["declared_metrics"], *columns) == [expected]
    assert rows["metric_uses"] == []


def test_all_filters_of_a_declared_metric_are_rows(read: Read, declaring: Make) -> None:
    where = "{product: crm, plan: [pro, team], subject: [A, B], level: 3, is_paid: true, value: {at_least: 1000}}"
    rows = read(declaring(f"{{aggregate: count, where: {where}}}")).rows()
    assert only(rows["declared_filters"], "position", "attribute", "operator", "value", "text_values") == [
        (1, "is_paid", "in", None, '["true"]'),
        (2, "level", "in", None, '["3"]'),
        (3, "plan", "in", None, '["pro", "team"]'),
        (4, "product", "in", None, '["crm"]'),
        (5, "subject", "in", None, '["A", "B"]'),
        (6, "value", "at_least", Decimal(1000), None),
    ]


def test_the_windows_of_a_policy_reach_declared_metrics(read: Read, declaring: Make) -> None:
    windows = ("window: {quarters: 4}", "window: {months: 5}\nwindows: {seats: {months: 7, lag: 1, complete: true}}")
    rows = read(declaring("{aggregate: sum}", windows)).rows()
    columns = ("window_months", "window_lag", "window_complete")
    assert only(rows["declared_metrics"], *columns) == [(7, 1, True)]
    assert rows["policies"][0]["window_quarters"] is None  # five months are no number of quarters
    rows = read(declaring("{aggregate: sum}", ("window: {quarters: 4}", "window: {months: 5}"))).rows()
    assert only(rows["declared_metrics"], *columns) == [(5, 0, False)]


@pytest.mark.parametrize(
    ("definition", "path", "words"),
    [
        ("{}", "declares.seats", "the key `aggregate` is missing"),
        ("{aggregate: mean}", "declares.seats.aggregate", 'found the text "mean", expected `sum`'),
        ("{aggregate: median, of: city}", "declares.seats.of", "median of city, expected value"),
        ("{aggregate: sum, where: {value: 4}}", "declares.seats.where.value", "a bar such as {at_least: 1000}"),
        ("{aggregate: sum, where: {city: {above: 1}}}", "declares.seats.where.city", "attributes of facts are texts"),
        ("{aggregate: sum, where: {subject: {above: 1}}}", "declares.seats.where.subject", "the subject is a text"),
        ("{aggregate: sum, where: {city: 1.5}}", "declares.seats.where.city", "put quotes around it"),
        ("{aggregate: sum, where: {city: []}}", "declares.seats.where.city", "a text or a list of texts"),
        ("{aggregate: sum, window: never}", "declares.seats.window", "expected `ever`"),
        ("{aggregate: sum, window: 0}", "declares.seats.window", "a whole number from 1 to 40"),
        ("{aggregate: sum, window: {quarters: 1, months: 3}}", "declares.seats.window", "one of quarters, months"),
        ("{aggregate: sum, lag: -1}", "declares.seats.lag", "a whole number from 0"),
        ("{aggregate: sum, absent: none}", "declares.seats.absent", "`unknown` or `zero`"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_told_by_its_key_path(
    refusal: Refusal, declaring: Make, definition: str, path: str, words: str
) -> None:
    message = refusal(declaring(definition))
    assert f"line 5, `{path}`: " in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("win_rate", "a metric of the catalogue"),
        ("region", "an attribute of partners"),
        ("default", "a word of the policy language"),
    ],
)
@pytest.mark.parametrize("kind", ["declares: {%s: {aggregate: sum}}", "derived: {%s: {floor: won_deals}}"])
def test_a_name_that_is_taken_is_refused(refusal: Refusal, plain: Make, kind: str, name: str, taken: str) -> None:
    message = refusal(plain(("ladders:", kind % name + "\nladders:")))
    assert f"`{kind.split(':')[0]}.{name}`: {name} is already {taken}, expected a name of its own" in message


def test_a_name_is_declared_or_derived_but_not_both(refusal: Refusal, declaring: Make) -> None:
    both = ("ladders:", "derived: {seats: {floor: won_deals}}\nladders:")
    message = refusal(declaring("{aggregate: sum}").replace(*both))
    assert "`derived.seats`: seats is already a declared metric" in message


def test_a_window_is_said_in_one_place(refusal: Refusal, declaring: Make) -> None:
    windows = ("window: {quarters: 4}", "window: {quarters: 4}\nwindows: {seats: {quarters: 2}}")
    message = refusal(declaring("{aggregate: sum, window: 3}", windows))
    assert "`windows.seats`: seats has a window where it is declared, expected one of the two" in message


def test_a_misspelt_metric_is_compared_with_declared_names_too(refusal: Refusal, declaring: Make) -> None:
    message = refusal(declaring("{aggregate: sum}", ("movement: none", "guardrails: {no_promotion_without: [seat]}")))
    assert "one of the 14 metrics of the catalogue or one of this policy's own; did you mean `seats`?" in message


# --- derived metrics --------------------------------------------------------------------------------------------


@pytest.fixture
def deriving(plain: Make) -> Make:
    """A policy with these derived metrics; gold asks for `made` where they make one."""

    def text(*definitions: str, also: str = "") -> str:
        lines = "\n".join(f"  {definition}" for definition in definitions)
        asks = "made" if any(definition.startswith("made:") for definition in definitions) else "won_deals"
        return plain(
            ("ladders:", f"{also}derived:\n{lines}\nladders:"),
            ("metric: won_deals, at_least: 10", f"metric: {asks}, at_least: 10"),
        )

    return text


@pytest.mark.parametrize(
    ("definition", "operation", "operands"),
    [
        ("{ratio: [won_deals, decided_deals]}", "ratio", [("won_deals", None), ("decided_deals", None)]),
        ("{sum: [won_deals, 5]}", "sum", [("won_deals", None), (None, Decimal(5))]),
        (
            "{difference: [100, won_deals, 0.5]}",
            "difference",
            [(None, 100), ("won_deals", None), (None, Decimal("0.5"))],
        ),
        ("{product: [won_deals, 2]}", "product", [("won_deals", None), (None, Decimal(2))]),
        ("{min: [won_deals, 40]}", "min", [("won_deals", None), (None, Decimal(40))]),
        ("{max: [won_deals, 0]}", "max", [("won_deals", None), (None, Decimal(0))]),
        ("{floor: won_deals}", "floor", [("won_deals", None)]),
    ],
)
def test_an_operation_is_a_row_and_so_is_each_of_its_parts(
    read: Read, deriving: Make, definition: str, operation: str, operands: list[tuple[str | None, Any]]
) -> None:
    rows = read(deriving(f"made: {definition}")).rows()
    columns = ("metric", "position", "depth", "operation", "skip_unknown", "round_digits", "direction")
    assert only(rows["derived_metrics"], *columns) == [("made", 1, 1, operation, False, None, "higher")]
    assert only(rows["derived_operands"], "position", "operand", "constant") == [
        (place, *operand) for place, operand in enumerate(operands, start=1)
    ]
    assert "won_deals" in {row["metric"] for row in rows["metric_uses"]}


def test_derived_metrics_stand_on_earlier_ones_layer_by_layer(read: Read, deriving: Make) -> None:
    rows = read(
        deriving(
            "older: {metric: won_deals, lag: 4}",
            "change: {difference: [won_deals, older], skip_unknown: true}",
            "twice: {product: [change, 2], round: 0, direction: lower}",
            "capped: {min: [won_deals, 3]}",
            "made: {sum: [twice, capped]}",
        )
    ).rows()
    columns = ("metric", "position", "depth", "skip_unknown", "round_digits", "direction")
    assert only(rows["derived_metrics"], *columns) == [
        ("change", 1, 1, True, None, "higher"),
        ("twice", 2, 2, False, 0, "lower"),
        ("capped", 3, 1, False, None, "higher"),
        ("made", 4, 3, False, None, "higher"),
    ]


def test_a_metric_can_be_read_through_another_window(read: Read, deriving: Make) -> None:
    declares = "declares: {seats: {aggregate: sum, where: {plan: pro}, facts: plans, window: {months: 8}, lag: 1}}\n"
    windows = "windows: {win_rate: {quarters: 2, lag: 3, complete: true}}\n"
    rows = read(
        deriving(
            "recent: {metric: won_deals, window: 1}",
            "before: {metric: win_rate, lag: 5}",
            "year: {metric: win_rate, window: {months: 12}}",
            "all_seats: {metric: seats, window: ever, direction: lower}",
            "later_seats: {metric: seats, lag: 0}",
            also=declares + windows,
        )
    ).rows()
    columns = ("metric", "source_metric", "window_quarters", "window_complete", "window_lag")
    assert only(rows["metric_uses"], *columns) == [
        ("before", "win_rate", 2, True, 5),
        ("recent", "won_deals", 1, False, 0),
        ("win_rate", "win_rate", 2, True, 3),
        ("won_deals", "won_deals", 4, False, 0),
        ("year", "win_rate", 4, True, 3),
    ]
    columns = ("metric", "facts", "window_months", "window_lag", "direction")
    assert only(rows["declared_metrics"], *columns) == [
        ("all_seats", "plans", None, 1, "lower"),
        ("later_seats", "plans", 8, 0, "higher"),
        ("seats", "plans", 8, 1, "higher"),
    ]
    assert only(rows["declared_filters"], "metric", "text_values") == [
        (name, '["pro"]') for name in ("all_seats", "later_seats", "seats")
    ]
    assert rows["derived_metrics"] == []


def test_a_catalogue_metric_that_is_only_read_through_another_window_has_no_window_of_its_own(
    read: Read, plain: Make
) -> None:
    rows = read(
        plain(
            ("ladders:", "derived: {recent: {metric: won_deals, window: 1}}\nladders:"),
            ("metric: won_deals, at_least: 10", "metric: recent, at_least: 10"),
            ("metric: won_deals, at_least: 5", "metric: recent, at_least: 5"),
        )
    ).rows()
    assert only(rows["metric_uses"], "metric", "source_metric", "window_quarters") == [("recent", "won_deals", 1)]


@pytest.mark.parametrize(
    ("definition", "path", "words"),
    [
        ("{}", "", "exactly one of ratio, sum, difference, product, min, max, floor, metric"),
        ("{sum: [won_deals, 1], floor: won_deals}", "", "exactly one of"),
        ("{ratio: [won_deals]}", "", "ratio of 2 metrics or numbers"),
        ("{product: [won_deals, 1, 2, 3, 4]}", "", "product of 2 to 4 metrics or numbers"),
        ("{sum: [won_deals]}", "", "sum of 2 to 40 metrics or numbers"),
        ("{sum: [1, 2]}", "", "at least one metric among the parts"),
        ("{ratio: [won_deals, 0]}", "", "a ratio to something other than 0"),
        ("{ratio: [won_deals, decided_deals], skip_unknown: true}", "", "skip_unknown with sum, difference"),
        ("{floor: won_deals, lag: 1}", "", "window and lag with `metric` only"),
        ("{metric: won_deals, round: 1}", "", "no skip_unknown and no round"),
        ("{sum: [won_deals, true]}", ".sum[1]", "expected a number"),
        ("{ratio: [won_deal, decided_deals]}", ".ratio[0]", "did you mean `won_deals`?"),
        ("{floor: won_deal}", ".floor", "did you mean `won_deals`?"),
        ("{metric: won_deal, lag: 1}", ".metric", "did you mean `won_deals`?"),
        ("{metric: won_deals, window: ever}", ".window", "`ever` is for declared metrics"),
        (
            "{metric: won_deals, window: {months: 4}}",
            ".window.months",
            "found 4 for won_deals, expected a multiple of 3",
        ),
    ],
)
def test_a_derived_metric_that_cannot_be_computed_is_refused(
    refusal: Refusal, deriving: Make, definition: str, path: str, words: str
) -> None:
    message = refusal(deriving(f"made: {definition}"))
    assert f"line 6, `derived.made{path}`: " in message
    assert words in message


def test_a_circle_of_derived_metrics_is_named_once(refusal: Refusal, deriving: Make) -> None:
    message = refusal(deriving("a: {sum: [b, 1]}", "b: {sum: [c, won_deals]}", "c: {max: [0, a]}"))
    assert message == "acme.yml: line 6, `derived.a`: it is made of itself: a -> b -> c -> a, expected no circles"
    assert "`derived.a`: it is made of itself: a -> a" in refusal(deriving("a: {sum: [a, won_deals]}"))


def test_a_derived_metric_below_the_one_that_needs_it_is_refused(refusal: Refusal, deriving: Make) -> None:
    message = refusal(deriving("a: {sum: [b, 1]}", "b: {sum: [won_deals, 1]}"))
    assert "`derived.a.sum[0]`: b stands further down, expected metrics that stand above it; move b up" in message


def test_too_many_layers_are_refused_and_the_most_allowed_are_read(
    refusal: Refusal, read: Read, deriving: Make
) -> None:
    layers = ["a1: {sum: [won_deals, 1]}", *(f"a{n}: {{sum: [a{n - 1}, 1]}}" for n in range(2, 8))]
    assert max(row["depth"] for row in read(deriving(*layers[:6])).rows()["derived_metrics"]) == 6
    assert "`derived.a7`: it stands on 7 layers of derived metrics, expected at most 6" in refusal(deriving(*layers))


def test_a_derived_metric_has_no_window(refusal: Refusal, deriving: Make) -> None:
    message = refusal(deriving("made: {sum: [won_deals, 1]}", also="windows: {made: {quarters: 1}}\n"))
    assert "`windows.made`: made is derived, expected windows of the metrics it is made of" in message
    message = refusal(deriving("made: {sum: [won_deals, 1]}", "again: {metric: made, lag: 1}"))
    assert "`derived.again.metric`: made is derived, expected a catalogue or declared metric" in message


def test_the_order_of_derived_metrics_is_content(read: Read, deriving: Make) -> None:
    one, other = "a: {sum: [won_deals, 1]}", "b: {sum: [won_deals, 2]}"
    assert read(deriving(one, other)).content_hash != read(deriving(other, one)).content_hash


# --- windows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("months", "quarters"), [(3, 1), (12, 4), (36, 12)])
def test_months_are_quarters_for_catalogue_metrics(read: Read, plain: Make, months: int, quarters: int) -> None:
    rows = read(plain(("quarters: 4", f"months: {months}"))).rows()
    assert rows["policies"][0]["window_quarters"] == quarters
    assert only(rows["metric_uses"], "metric", "source_metric", "window_quarters") == [
        ("won_deals", "won_deals", quarters)
    ]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("{}", "`window`: found a mapping with nothing in it, expected exactly one of quarters, months"),
        ("{quarters: 1, months: 3}", "`window`: found a mapping, expected exactly one of quarters, months"),
        ("{months: 0}", "`window.months`: found 0, expected a whole number from 1 to 120"),
        ("{months: 4}", "`window.months`: found 4 for won_deals, expected a multiple of 3"),
    ],
)
def test_a_window_that_is_none_is_refused(refusal: Refusal, plain: Make, window: str, words: str) -> None:
    assert words in refusal(plain(("{quarters: 4}", window)))


def test_a_catalogue_metrics_own_window_is_whole_quarters_too(refusal: Refusal, plain: Make) -> None:
    message = refusal(plain(("ladders:", "windows: {won_deals: {months: 5}}\nladders:")))
    assert "`windows.won_deals.months`: found 5 for won_deals, expected a multiple of 3" in message


# --- what operations give ---------------------------------------------------------------------------------------

values = st.decimals(min_value=-1000, max_value=1000, places=2)


def operated(definition: dict[str, Any], **facts: Decimal) -> Decimal | None:
    return derived_value(Derived.model_validate(definition), facts)


@pytest.mark.parametrize(
    ("definition", "facts", "value"),
    [
        ({"ratio": ["a", "b"]}, {"a": 1, "b": 3}, "0.333333"),
        ({"ratio": ["a", "b"]}, {"a": 2, "b": 3}, "0.666667"),
        ({"ratio": ["a", "b"]}, {"a": 2, "b": 0}, None),
        ({"ratio": ["a", "b"], "round": 1}, {"a": 1, "b": 20}, "0.1"),
        ({"difference": ["a", "b", 1]}, {"a": 10, "b": 4}, "5"),
        ({"difference": ["a", "b"]}, {"b": 4}, None),
        ({"difference": ["a", "b"], "skip_unknown": True}, {"b": 4}, "-4"),
        ({"sum": ["a", "b"]}, {"a": 1}, None),
        ({"sum": ["a", "b"], "skip_unknown": True}, {"a": 1}, "1"),
        ({"sum": ["a", "b"], "skip_unknown": True}, {}, None),
        ({"min": ["a", 40]}, {"a": 55}, "40"),
        ({"min": ["a", 40]}, {}, None),
        ({"max": ["a", "b"], "skip_unknown": True}, {"b": -1}, "-1"),
        ({"product": ["a", "b", 2]}, {"a": 3, "b": "0.5"}, "3"),
        ({"floor": "a"}, {"a": "-1.5"}, "-2"),
    ],
)
def test_an_operation_gives(definition: dict[str, Any], facts: dict[str, Any], value: str | None) -> None:
    found = operated(definition, **{name: Decimal(number) for name, number in facts.items()})
    assert found == (None if value is None else Decimal(value))


@given(values, values)
def test_a_share_of_the_whole_and_its_rest_make_one(part: Decimal, rest: Decimal) -> None:
    whole = part + rest
    shares = [operated({"ratio": ["a", "b"]}, a=number, b=whole) for number in (part, rest)]
    if not whole:
        assert shares == [None, None]
    else:
        known = [share for share in shares if share is not None]
        assert len(known) == 2
        assert abs(sum(known, Decimal(-1))) <= Decimal("0.000001")

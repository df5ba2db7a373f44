"""The small print of the policy language, each rule with the smallest company that shows it and numbers by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from engine.generators import quarters_of
from engine.reference import Company, Data, Partner, Programme, history
from engine.tables import Record, Rows, inputs_of, policy_of, rows
from pipelines.evaluation import evaluate

WINDOW = "primary/1/0"
AMOUNT, DEALS, RATE, DAYS = "sourced_won_amount", "won_deals", "win_rate", "sales_cycle_days"
Values = Mapping[str, Sequence[float | None]]


def company_of(
    partners: Mapping[str, Values],
    stale: Sequence[tuple[str, int]] = (),
    aside: Sequence[tuple[str, str, int]] = (),
) -> Company:
    """Partners by id with the values of metrics, quarter by quarter."""
    count = max(len(listed) for values in partners.values() for listed in values.values())
    company = Company(
        quarters=quarters_of(count),
        partners=[Partner(name, f"P-{name}") for name in partners],
        start=1,
        lower_is_better=frozenset({DAYS}),
        stale=frozenset(stale),
        aside=frozenset(aside),
    )
    metrics = {metric for values in partners.values() for metric in values}
    for name, values in partners.items():
        for metric in metrics:
            for quarter in company.quarters:
                value = values[metric][quarter - 1] if metric in values else None
                company.catalogue[WINDOW, metric, name, quarter] = None if value is None else Fraction(str(value))
    return company


def policy(criteria: list[Data], *, levels: list[Data] | None = None, movement: Any = "none", **more: Any) -> Data:
    """A policy of these criteria, with a ladder that asks for one point where nothing else is said."""
    made: Data = {
        "policy": "small-print",
        "version": "1",
        "effective_from": date(2000, 1, 1),
        "window": {"quarters": 1},
        "score": {"combine": "points", "criteria": criteria, **more.pop("score", {})},
        "ladders": {
            "tier": {
                "audience": "partner",
                "levels": levels or [{"level": "top", "enter": {"score": "total", "at_least": 1}}, {"level": "rest"}],
                "movement": movement,
            }
        },
    }
    return made | more


class Both:
    """What the engine says of a company, where the reference says the same."""

    def __init__(self, data: Data, company: Company) -> None:
        programme = Programme(data, company)
        with evaluate([policy_of(data)], inputs_of(company)) as con:
            self.points = self.read(con, "criterion, partner_id, quarter_index", "points", "scoring.criterion_points")
            self.totals = self.read(con, "partner_id, quarter_index", "total_score", "scoring.partner_scores")
            self.dimensions = self.read(
                con, "dimension, partner_id, quarter_index", "score", "scoring.dimension_scores"
            )
            self.states = rows(con, "partner_id, quarter_index", "state", "ladders.levels_held")
            self.possible = rows(con, "partner_id, quarter_index", "possible_rank", "ladders.levels_earned")
            codes = rows(con, "partner_id, quarter_index", "reason_codes", "ladders.levels_held")
        self.codes = {key: set(text.replace(" ", "").split(",")) for key, text in codes.items()}
        self.reference_points: Rows = {}
        self.reference_totals: Rows = {}
        for quarter in programme.quarters:
            for name, judged in programme.judged(quarter).items():
                if judged.scored:
                    self.reference_totals[name, quarter] = judged.scored.total
                    for criterion, points in judged.scored.points.items():
                        self.reference_points[criterion, name, quarter] = points
        self.reference_states = {
            (name, decision.quarter): decision.after.text
            for (_, name), decisions in history([programme]).items()
            for decision in decisions
        }

    @staticmethod
    def read(con: Any, keys: str, column: str, table: str) -> Rows:
        found = rows(con, keys, column, table)
        return {key: None if value is None else Fraction(value) for key, value in found.items()}

    def points_of(self, criterion: str, quarter: int = 1) -> dict[str, Fraction | None]:
        """Points by partner."""
        assert self.points == self.reference_points
        return {key[1]: value for key, value in self.points.items() if (key[0], key[2]) == (criterion, quarter)}


# --- points -----------------------------------------------------------------------------------------------------


def test_a_percentile_counts_the_whole_roster_whatever_track_a_partner_is_in() -> None:
    data = policy(
        [{"id": "c", "metric": AMOUNT, "points": {"percentile": {}}}],
        score={"tracks": {"large": {"when": {"metric": DEALS, "at_least": 10}}, "small": {}}},
    )
    company = company_of(
        {"a": {AMOUNT: [100], DEALS: [12]}, "b": {AMOUNT: [50], DEALS: [1]}, "c": {AMOUNT: [10], DEALS: [1]}}
    )
    assert Both(data, company).points_of("c") == {"a": 100, "b": 50, "c": 0}


def test_a_percentile_counts_who_has_the_metric_whatever_its_multiplier() -> None:
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"percentile": {}}, "multiplier": {"metric": RATE}}])
    company = company_of(
        {"a": {AMOUNT: [10], RATE: [None]}, "b": {AMOUNT: [20], RATE: [1]}, "c": {AMOUNT: [30], RATE: [0.5]}}
    )
    assert Both(data, company).points_of("c") == {"a": 0, "b": 50, "c": 50}


def test_a_metric_through_another_window_may_have_a_direction_of_its_own() -> None:
    data = policy(
        [{"id": "c", "metric": "again", "points": {"percentile": {}}}],
        derived={"again": {"metric": AMOUNT, "window": 1, "direction": "lower"}},
    )
    company = company_of({"a": {AMOUNT: [10]}, "b": {AMOUNT: [20]}})
    assert Both(data, company).points_of("c") == {"a": 100, "b": 0}


def test_points_are_clipped_first_and_rounded_last() -> None:
    data = policy(
        [
            {"id": "up", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}, "max": Decimal("9.25")},
            {
                "id": "own",
                "metric": AMOUNT,
                "points": {"per_unit": {"each": 1}},
                "round": {"digits": 0, "mode": "down"},
            },
        ],
        rounding={"digits": 1, "mode": "up"},
    )
    company = company_of({"a": {AMOUNT: [2.01]}, "b": {AMOUNT: [50.99]}})
    both = Both(data, company)
    assert both.points_of("up") == {"a": Fraction("2.1"), "b": Fraction("9.3")}
    assert both.points_of("own") == {"a": 2, "b": 50}


def test_no_criterion_that_brings_nothing_leaves_out_why() -> None:
    criterion = {"id": "c", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}, "round": {"digits": 0}}
    company = company_of({"nothing": {AMOUNT: [0]}, "little": {AMOUNT: [0.4]}, "much": {AMOUNT: [0.6]}})
    with evaluate([policy_of(policy([criterion]))], inputs_of(company)) as con:
        said = rows(con, "partner_id", "reason", "scoring.criterion_points")
    assert said == {
        ("nothing",): "no points for this value",
        ("little",): "so few points that they round to 0",
        ("much",): None,
    }


def test_a_failed_requirement_is_worth_nothing_and_an_unknown_value_what_the_policy_says() -> None:
    asked = {"metric": DEALS, "at_least": 3}
    data = policy(
        [{"id": "c", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}, "min": 5, "requires": [asked]}],
        score={"missing": {"default": "zero"}},
    )
    company = company_of(
        {
            "least": {AMOUNT: [1], DEALS: [3]},
            "failed": {AMOUNT: [1], DEALS: [2]},
            "unknown requirement": {AMOUNT: [1], DEALS: [None]},
            "unknown value": {AMOUNT: [None], DEALS: [9]},
        }
    )
    assert Both(data, company).points_of("c") == {
        "least": 5,
        "failed": 0,
        "unknown requirement": 0,
        "unknown value": 0,
    }


def test_a_derived_metric_is_rounded_once() -> None:
    data = policy(
        [{"id": "c", "metric": "made", "points": {"per_unit": {"each": 1}}}],
        derived={"made": {"product": [RATE, Decimal("1.5")], "round": 1}},
    )
    # 1.2499995: with six digits first it would be 1.25, and then 1.3.
    company = company_of({"a": {RATE: [0.833333]}, "b": {RATE: [0.833334]}})
    assert Both(data, company).points_of("c") == {"a": Fraction("1.2"), "b": Fraction("1.3")}


# --- unknown values ---------------------------------------------------------------------------------------------


def test_a_value_that_blocks_leaves_no_total_and_no_dimension() -> None:
    data = policy(
        [
            {"id": "a", "metric": AMOUNT, "dimension": "one", "points": {"per_unit": {"each": 1}}},
            {"id": "b", "metric": DEALS, "dimension": "two", "points": {"per_unit": {"each": 1}}},
        ],
        score={"missing": {DEALS: "block"}},
    )
    both = Both(data, company_of({"p": {AMOUNT: [7], DEALS: [None]}, "q": {AMOUNT: [7], DEALS: [1]}}))
    assert both.totals == {("p", 1): None, ("q", 1): 8}
    assert {key: value for key, value in both.dimensions.items() if value is not None} == {
        ("one", "q", 1): 7,
        ("two", "q", 1): 1,
    }


def test_a_score_on_a_stale_source_takes_nobody_down() -> None:
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}}], movement={})
    both = Both(data, company_of({"p": {AMOUNT: [1, 0, 0]}}, [(AMOUNT, 2)]))
    assert both.states == both.reference_states
    assert [both.states["p", quarter][6] for quarter in (1, 2, 3)] == ["E", "F", "D"]


def test_records_set_aside_keep_their_partner_from_their_quarter_on_and_nobody_else() -> None:
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}}], movement={})
    values: Values = {AMOUNT: [1, 0, 0], DEALS: [1, 1, 1]}
    partners = dict.fromkeys(("early", "late", "other", "elsewhere"), values)
    aside = [("early", AMOUNT, 2), ("late", AMOUNT, 3), ("elsewhere", DEALS, 1)]
    both = Both(data, company_of(partners, aside=aside))
    assert both.states == both.reference_states
    letters = {name: "".join(both.states[name, quarter][6] for quarter in (1, 2, 3)) for name in partners}
    assert letters == {"early": "EFF", "late": "EDK", "other": "EDK", "elsewhere": "EDK"}


def test_the_codes_say_for_what_somebody_is_frozen() -> None:
    levels: list[Data] = [
        {"level": "best", "enter": {"all": [{"metric": RATE, "at_least": 1}, {"metric": DAYS, "at_least": 1}]}},
        {"level": "top", "enter": {"any": [{"metric": AMOUNT, "at_least": 1}, {"metric": DEALS, "at_least": 1}]}},
        {"level": "rest"},
    ]
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"flag": 1}}], levels=levels, movement={})
    known: Values = {AMOUNT: [1, 0, 0, 0], DEALS: [0, 0, 0, 0], RATE: [0, 0, 0, 0], DAYS: [0, None, None, None]}
    partners = {"p": known, "q": {**known, DEALS: [0, None, 0, 0]}, "r": {**known, RATE: [0, None, 0, 0]}}
    company = company_of(partners, stale=[(AMOUNT, 3)], aside=[("q", DEALS, 2)])
    both = Both(data, company)
    assert both.states == both.reference_states
    assert {key: codes for key, codes in both.codes.items() if "frozen" in codes} == {
        ("q", 2): {"frozen", "unknown_value", "records_set_aside"},
        ("q", 3): {"frozen", "stale_source", "records_set_aside"},
        ("q", 4): {"frozen", "records_set_aside"},
        # Of the level held nothing is in doubt; what may hold is the one above it.
        ("r", 2): {"frozen", "unknown_value"},
        ("r", 3): {"frozen", "stale_source"},
    }
    assert both.states["p", 2][6] == "D"


def test_the_words_say_which_source_table_and_records() -> None:
    levels: list[Data] = [{"level": "top", "enter": {"metric": AMOUNT, "at_least": 1}}, {"level": "rest"}]
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"flag": 1}}], levels=levels, movement={})
    inputs = replace(
        inputs_of(company_of({"p": {AMOUNT: [1, 0, 0, 0, 0]}, "q": {AMOUNT: [1, None, None, None, None]}})),
        stale=[
            (AMOUNT, 2, "stale_source", "crm was last read on 2000-03-01"),
            (AMOUNT, 3, "partial_source", "crm has brought no deals since 2000-03-01"),
            (AMOUNT, 3, "partial_source", "crm has brought no accounts since 2000-03-01"),
            (AMOUNT, 4, "partial_source", "crm has brought no deals since 2000-03-01"),
        ],
        doubtful=[
            ("p", AMOUNT, 4, "opportunities", 2),
            ("p", AMOUNT, 5, "opportunities", 1),
            ("p", AMOUNT, 5, "leads", 1),
        ],
    )
    with evaluate([policy_of(data)], inputs) as con:
        words = rows(con, "partner_id, quarter_index", "frozen_because", "ladders.freezes")
        codes = rows(con, "partner_id, quarter_index", "reason_codes", "ladders.levels_held")
    assert [words["p", quarter] for quarter in (2, 3, 4, 5)] == [
        "crm was last read on 2000-03-01",
        "crm has brought no accounts since 2000-03-01, crm has brought no deals since 2000-03-01",
        "crm has brought no deals since 2000-03-01, 2 records of opportunities were set aside",
        "1 record of leads was set aside, 3 records of opportunities were set aside",
    ]
    assert codes["p", 4] == "frozen, partial_source, records_set_aside"
    assert words["q", 2] == f"nobody knows {AMOUNT}, crm was last read on 2000-03-01"
    assert words["q", 5] == f"nobody knows {AMOUNT}"
    assert codes["q", 2] == "frozen, unknown_value, stale_source"


def test_a_release_is_explained_by_the_decisions_on_record_and_not_by_what_is_known_now() -> None:
    levels: list[Data] = [
        {"level": "gold", "enter": {"metric": DEALS, "at_least": 1}},
        {"level": "silver", "enter": {"metric": RATE, "at_least": 1}},
        {"level": "bronze", "enter": {"metric": AMOUNT, "at_least": 1}},
        {"level": "rest"},
    ]
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"flag": 1}}], levels=levels, movement={})
    nothing: Values = {AMOUNT: [0, 0, 0], DEALS: [0, 0, 0], RATE: [0, 0, 0]}
    facts: dict[str, Values] = {
        "stays": nothing,
        "falls": {**nothing, AMOUNT: [1, 1, 0]},
        "both": {**nothing, AMOUNT: [1, 1, 0], RATE: [1, 1, 0]},
        "neither": {**nothing, AMOUNT: [1, 1, 1]},
    }
    inputs = replace(
        inputs_of(company_of(facts), [
            Record("small-print", "tier", "stays", 2, "030000K0101"),
            Record("small-print", "tier", "falls", 2, "010000K0101"),
            Record("small-print", "tier", "both", 2, "030000K0101"),
        ]),
        stale=[(AMOUNT, 3, "stale_source", "crm is old")],
        doubtful=[("both", RATE, 3, "opportunities", 1)],
    )  # fmt: skip
    columns = "[reason_codes, frozen_because, released_reason_codes, released_frozen_because]"
    with evaluate([policy_of(data)], inputs) as con:
        found = rows(con, "partner_id", columns, "ladders.levels_held", "quarter_index = 3")
    aside = "1 record of opportunities was set aside"
    assert found == {
        ("stays",): ["kept", None, "frozen, stale_source", "crm is old"],
        ("falls",): ["frozen, stale_source", "crm is old", "demoted", None],
        ("both",): ["frozen, records_set_aside", aside, "frozen, stale_source", "crm is old"],
        ("neither",): ["kept", None, "kept", None],
    }


def test_who_may_belong_to_the_population_of_a_top_share_may_be_in_it() -> None:
    top = {"share": Decimal("0.5"), "by": AMOUNT, "of": {"metric": DEALS, "at_least": 1}}
    levels: list[Data] = [{"level": "top", "enter": {"top_share": top}}, {"level": "rest"}]
    data = policy([{"id": "c", "metric": AMOUNT, "points": {"flag": 1}}], levels=levels, movement={})
    company = company_of(
        {
            "p": {AMOUNT: [9, 9], DEALS: [1, None]},
            "q": {AMOUNT: [1, 1], DEALS: [1, 1]},
            "r": {AMOUNT: [1, 1], DEALS: [0, 0]},
        }
    )
    both = Both(data, company)
    assert both.possible["p", 2] == 1
    assert both.possible["r", 2] == 2
    assert both.states == both.reference_states


# --- reason codes -----------------------------------------------------------------------------------------------


def test_an_unknown_score_and_a_missing_track_are_told() -> None:
    data = policy(
        [{"id": "c", "metric": AMOUNT, "points": {"per_unit": {"each": 1}}}],
        score={"missing": {"default": "block"}, "tracks": {"large": {"when": {"metric": DEALS, "at_least": 10}}}},
    )
    company = company_of(
        {"in": {AMOUNT: [5], DEALS: [10]}, "out": {AMOUNT: [5], DEALS: [1]}, "unknown": {AMOUNT: [None], DEALS: [10]}}
    )
    assert Both(data, company).codes == {
        ("in", 1): {"entered"},
        ("out", 1): {"entered", "no_track"},
        ("unknown", 1): {"entered", "score_unknown"},
    }

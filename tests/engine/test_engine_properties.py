"""What holds for every policy and every company, whatever the reference says: each example is one table of thousands of
partners that the engine judges at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.generators import EPSILON, LOWER_IS_BETTER, fill, quarters_of, random_company, random_policy
from engine.reference import Company, Data, Partner, Programme, bands, history
from engine.tables import Record, Rows, assert_same, inputs_of, policy_of, rows
from pipelines.errors import PolicyError
from pipelines.evaluation import Inputs, evaluate

PARTNERS = 1500
QUARTERS = 2
LEVELS = "policy, version, ladder, partner_id, quarter_index"
SCORES = "policy, version, partner_id, quarter_index"

few = settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 10**6)


def readable(seed: int, company: Company, policies: int) -> list[Data]:
    """Random policies that can be read, the first with a score, written for a small company that is like this one."""
    small = random_company(seed, 120, len(company.quarters))
    made: list[Data] = []
    for number in count(seed):
        policy = random_policy(number, small)
        if not made and "score" not in policy:
            continue
        try:
            policy_of(policy)
        except PolicyError:
            continue
        fill(company, policy, seed)
        made.append(policy)
        if len(made) == policies:
            break
    return made


@contextmanager
def judged(policies: list[Data], inputs: Inputs) -> Iterator[duckdb.DuckDBPyConnection]:
    with evaluate([policy_of(policy) for policy in policies], inputs) as con:
        yield con


def outcome(con: duckdb.DuckDBPyConnection) -> tuple[Rows, Rows]:
    """Every state and every total."""
    return (
        rows(con, LEVELS, "state", "ladders.levels_held"),
        rows(con, SCORES, "total_score", "scoring.partner_scores"),
    )


@few
@given(seed=seeds)
def test_everybody_holds_exactly_one_level_and_scores_stay_on_their_scale(seed: int) -> None:
    company = random_company(seed, PARTNERS, QUARTERS)
    policies = readable(seed, company, 3)
    with judged(policies, inputs_of(company)) as con:
        held = rows(con, LEVELS, "held_rank", "ladders.levels_held")
        expected = {
            (policy["policy"], "1", ladder, partner.id, quarter)
            for policy in policies
            for quarter in Programme(policy, company).quarters
            for partner in company.roster(quarter)
            for ladder in policy["ladders"]
        }
        assert held.keys() == expected
        count_of = {
            (p["policy"], name): len(ladder["levels"]) for p in policies for name, ladder in p["ladders"].items()
        }
        assert all(1 <= rank <= count_of[key[0], key[2]] for key, rank in held.items())
        order = con.execute(
            "select count(*) from ladders.levels_earned where not (raised_rank >= earned_rank and lowered_rank <= "
            "greatest(earned_rank, reached_rank) and possible_rank <= lowered_rank)"
        ).fetchone()
        assert order == (0,)
        for policy in policies:
            if policy.get("score", {}).get("combine") == "weighted":
                for table, column in (
                    ("scoring.partner_scores", "total_score"),
                    ("scoring.dimension_scores", "score"),
                    ("scoring.criterion_points", "points"),
                ):
                    found = con.execute(
                        f"select count(*) from {table} where policy = ? and {column} not between 0 and 100",
                        [policy["policy"]],
                    ).fetchone()
                    assert found == (0,), f"{column} of {policy['policy']}"
        contributed = (
            "select c.policy, c.partner_id, c.quarter_index, sum(c.contribution), any_value(s.total_score) "
            "from scoring.criterion_contributions as c inner join scoring.partner_scores as s "
            "on c.policy = s.policy and c.version = s.version and c.partner_id = s.partner_id "
            "and c.quarter_index = s.quarter_index and c.track is not distinct from s.track "
            "where s.total_score is not null group by all having sum(c.contribution) <> any_value(s.total_score)"
        )
        assert con.execute(contributed).fetchall() == []
        (scored,) = con.execute("select count(*) from scoring.partner_scores where total_score > 0").fetchone() or (0,)
        assert scored > 1000


# --- more is never worse ----------------------------------------------------------------------------------------

WINDOW = "primary/1/0"
RAISED = "sourced_won_amount"
RISING: list[Data] = [
    {"range": {"low": 10, "high": 5000}},
    {"per_unit": {"each": Decimal("0.01")}},
    {"per_unit": {"each": 3, "whole_units": True}},
    {"flag": 40},
    {"bands": [{"at_least": 100, "points": 10}, {"at_least": 2500, "points": 30}, {"at_least": 9000, "points": 90}]},
    {"bands": [{"below": 250, "points": 5}, {"at_most": 1000, "points": 6}, {"points": 7}]},
]


def one_metric(points: list[Data], metric: str = RAISED, bar: int = 60) -> Data:
    """A plain sum of criteria on one metric, and a ladder on their total."""
    return {
        "policy": "rising",
        "version": "1",
        "effective_from": date(2000, 1, 1),
        "window": {"quarters": 1},
        "score": {
            "combine": "points",
            "criteria": [{"id": f"c{place}", "metric": metric, "points": kind} for place, kind in enumerate(points)],
        },
        "ladders": {
            "tier": {
                "audience": "partner",
                "levels": [{"level": "top", "enter": {"score": "total", "at_least": bar}}, {"level": "rest"}],
            }
        },
    }


def with_values(company: Company, metric: str, values: dict[tuple[str, int], Fraction | None]) -> Company:
    """The company with these values of a metric, by partner and quarter."""
    return replace(company, catalogue={(WINDOW, metric, *key): value for key, value in values.items()})


def plain_company(partners: int, quarters: int = 2) -> Company:
    people = [
        Partner(f"id{place:05}", f"P{place:05}", {"region": "emea" if place % 3 else "apac"})
        for place in range(partners)
    ]
    return Company(quarters_of(quarters), people, 1)


@few
@given(seed=seeds)
def test_more_of_an_observed_metric_never_gives_fewer_points(seed: int) -> None:
    chance = random.Random(seed)
    company = plain_company(PARTNERS)
    before: dict[tuple[str, int], Fraction | None] = {}
    after: dict[tuple[str, int], Fraction | None] = {}
    edges = [-100, 0, 10, 100, 250, 1000, 2500, 5000, 9000]
    for partner in company.partners:
        for quarter in company.quarters:
            value = Fraction(chance.choice([*edges, chance.randint(-10_000, 20_000)]))
            value += chance.choice([0, 0, 1, -1]) * Fraction(EPSILON)
            more = chance.choice([Fraction(EPSILON), Fraction(1), Fraction(chance.randint(1, 9000)), Fraction(0)])
            is_known = chance.random() < 0.95
            before[partner.id, quarter] = value if is_known else None
            after[partner.id, quarter] = value + more if is_known else None
    policy = one_metric(RISING)
    found = []
    for values in (before, after):
        with judged([policy], inputs_of(with_values(company, RAISED, values))) as con:
            points = rows(con, "criterion, partner_id, quarter_index", "points", "scoring.criterion_points")
            ranks = rows(con, "partner_id, quarter_index", "reached_rank", "ladders.levels_earned")
            found.append((points, ranks))
    (points, ranks), (more_points, more_ranks) = found
    fallen = {key: (points[key], more_points[key]) for key in points if more_points[key] < points[key]}
    assert fallen == {}
    assert {key for key in ranks if more_ranks[key] > ranks[key]} == set()
    assert sum(more_points[key] > points[key] for key in points) > PARTNERS


@few
@given(seed=seeds)
def test_more_for_one_partner_never_gives_it_a_lower_percentile(seed: int) -> None:
    # One partner per review, as the others' places follow from everybody's values.
    chance = random.Random(seed)
    company = plain_company(60, quarters=40)
    higher, lower = "sourced_won_amount", "sales_cycle_days"
    assert lower in LOWER_IS_BETTER
    kinds: list[Data] = [
        {"percentile": {}},
        {"percentile": {"within": ["region"]}},
        {"percentile": {"within": ["region"], "shrink": 20}},
    ]
    for metric, sign in ((higher, 1), (lower, -1)):
        before: dict[tuple[str, int], Fraction | None] = {
            (partner.id, quarter): Fraction(chance.randint(0, 25)) if chance.random() < 0.9 else None
            for partner in company.partners
            for quarter in company.quarters
        }
        raised = {(chance.choice(company.partners).id, quarter) for quarter in company.quarters}
        after = {
            key: value + sign * Fraction(chance.randint(1, 12)) if key in raised and value is not None else value
            for key, value in before.items()
        }
        policy = one_metric(kinds, metric=metric)
        found = []
        for values in (before, after):
            with judged([policy], inputs_of(with_values(company, metric, values))) as con:
                found.append(rows(con, "criterion, partner_id, quarter_index", "points", "scoring.criterion_points"))
        own = {key for key in found[0] if key[1:] in raised and before[key[1:]] is not None}
        assert len(own) > 75
        assert {key: (found[0][key], found[1][key]) for key in own if found[1][key] < found[0][key]} == {}
        assert any(found[1][key] > found[0][key] for key in own)


# --- what must not matter ---------------------------------------------------------------------------------------


@few
@given(seed=seeds)
def test_order_names_ids_and_unused_attributes_change_no_level(seed: int) -> None:
    chance = random.Random(seed)
    company = random_company(seed, PARTNERS, QUARTERS)
    policies = readable(seed, company, 2)
    inputs = inputs_of(company)
    with judged(policies, inputs) as con:
        states, totals = outcome(con)

    def mixed(listed: Any) -> list[tuple[Any, ...]]:
        return chance.sample(list(listed), len(listed))

    # Ids and numbers keep their order, as both may decide between equals.
    renamed = {partner.id: f"account-{partner.id[2:]}x" for partner in company.partners}
    numbers = {partner.number: f"{partner.number}-7" for partner in company.partners}

    def rename(listed: Any, place: int = 0) -> list[tuple[Any, ...]]:
        return mixed([(*row[:place], renamed[row[place]], *row[place + 1 :]) for row in listed])

    other = replace(
        inputs,
        partners=mixed(
            [(renamed[id], numbers[number], f"Company {chance.random()}") for id, number, _ in inputs.partners]
        ),
        roster=rename(inputs.roster),
        attributes=rename(
            [*inputs.attributes, *[(partner.id, "industry", chance.choice("abc")) for partner in company.partners]]
        ),
        metric_values=rename(inputs.metric_values),
        facts=rename(inputs.facts),
        stale=mixed(inputs.stale),
        doubtful=rename(inputs.doubtful),
    )
    with judged(policies, other) as con:
        other_states, other_totals = outcome(con)

    def back(found: Rows, place: int) -> Rows:
        return {(*key[:place], renamed[key[place]], *key[place + 1 :]): value for key, value in found.items()}

    assert_same("states", back(states, 3), other_states)
    assert back(totals, 2) == other_totals


# --- replays ----------------------------------------------------------------------------------------------------


def until(company: Company, last: int) -> Company:
    """What is known at the end of a quarter, of the quarters that have ended."""
    return replace(
        company,
        quarters={index: quarter for index, quarter in company.quarters.items() if index <= last},
        catalogue={key: value for key, value in company.catalogue.items() if key[3] <= last},
        partners=[partner for partner in company.partners if company.standing[partner.id] <= last],
        facts=[fact for fact in company.facts if company.standing[fact.partner] <= last],
        stale=frozenset((metric, quarter) for metric, quarter in company.stale if quarter <= last),
    )


@few
@given(seed=seeds, first=st.integers(2, 5))
def test_a_history_is_the_same_in_one_go_twice_and_in_two_halves(seed: int, first: int) -> None:
    company = random_company(seed, 300, quarters=7)
    policies = readable(seed, company, 2)
    with judged(policies, inputs_of(company)) as con:
        states, totals = outcome(con)
    with judged(policies, inputs_of(company)) as con:
        assert outcome(con) == (states, totals)
    with judged(policies, inputs_of(until(company, first))) as con:
        half, half_totals = outcome(con)
    assert half_totals == {key: total for key, total in totals.items() if key[3] <= first}
    assert_same("the first half", half, {key: state for key, state in states.items() if key[4] <= first})
    records = [
        Record(policy, ladder, partner, quarter, state) for (policy, _, ladder, partner, quarter), state in half.items()
    ]
    with judged(policies, inputs_of(company, records)) as con:
        assert_same("from the record", states, rows(con, LEVELS, "released_state", "ladders.levels_held"))
        assert_same("restated", states, rows(con, LEVELS, "state", "ladders.levels_held"))


# --- edges ------------------------------------------------------------------------------------------------------

EDGES = [Decimal("-2.5"), Decimal(0), Decimal("0.000001"), Decimal("1.25"), Decimal(7)]
BANDS: dict[str, list[Data]] = {
    "at-least": [{"at_least": edge, "points": place + 1} for place, edge in enumerate(EDGES)],
    "falling": [{"at_least": edge, "points": place + 1} for place, edge in reversed(list(enumerate(EDGES)))],
    "below": [{"below": edge, "points": place + 1} for place, edge in enumerate(EDGES)],
    "above": [{"above": edge, "points": place + 1} for place, edge in enumerate(EDGES)],
    "at-most": [{"at_most": edge, "points": place + 1} for place, edge in enumerate(EDGES)],
    "both": [{"at_least": EDGES[0], "below": EDGES[1], "points": 1},
             {"at_least": EDGES[1], "at_most": EDGES[3], "points": 2}, {"above": EDGES[3], "points": 3}],
    "gap": [{"at_least": EDGES[0], "at_most": EDGES[0], "points": 1},
            {"above": EDGES[3], "below": EDGES[4], "points": 2}],
    "open": [{"below": EDGES[1], "points": 1}, {"points": 2}, {"above": EDGES[3], "points": 3}],
}  # fmt: skip


@pytest.fixture(scope="module")
def band_points() -> Rows:
    """Points by policy and value, of values on every edge and next to it."""
    values = sorted(
        {edge + step * EPSILON for edge in EDGES for step in (-2, -1, 0, 1, 2)} | {Decimal(-99), Decimal(99)}
    )
    company = plain_company(len(values), quarters=1)
    laid = {(partner.id, 1): Fraction(value) for partner, value in zip(company.partners, values, strict=True)}
    policies = [{**one_metric([{"bands": written}], bar=2), "policy": name} for name, written in BANDS.items()]
    with judged(policies, inputs_of(with_values(company, RAISED, dict(laid)))) as con:
        return rows(con, "policy, value", "points", "scoring.criterion_points")


@pytest.mark.parametrize("name", BANDS)
def test_a_number_on_an_edge_belongs_to_one_band(name: str, band_points: Rows) -> None:
    made = bands(BANDS[name], "points")
    found = {key[1]: points for key, points in band_points.items() if key[0] == name}
    expected = {}
    for value in found:
        holding = [band.gives for band in made if Fraction(value) in band]
        assert len(holding) <= 1
        expected[value] = holding[0] if holding else 0
    assert_same(name, expected, {value: Fraction(points) for value, points in found.items()})


def test_the_edges_are_where_they_are_written(band_points: Rows) -> None:
    def points(name: str, *values: str) -> list[int]:
        return [int(band_points[name, Decimal(value)]) for value in values]

    around = ("-2.500001", "-2.5", "-2.499999")
    assert points("at-least", *around) == [0, 1, 1]
    assert points("falling", *around) == [0, 1, 1]
    assert points("below", *around) == [1, 2, 2]
    assert points("above", *around) == [0, 0, 1]
    assert points("at-most", *around) == [1, 1, 2]
    assert points("gap", *around) == [0, 1, 0]
    assert points("both", "1.25", "1.250001", "-0.000001", "0") == [2, 3, 1, 2]
    assert points("open", "-0.000001", "0", "1.25", "1.250001") == [1, 2, 2, 3]


# --- small and strange companies --------------------------------------------------------------------------------


def strange_companies() -> dict[str, Company]:
    """Companies in which little or nothing is as usual; values are added for every policy."""
    return {
        "one partner": random_company(11, 1),
        "no partner": replace(random_company(12, 2), partners=[], standing={}, facts=[]),
        "nobody in the first quarters": replace(
            usual := random_company(13, 3), standing={partner.id: 5 for partner in usual.partners}
        ),
        "twins": random_company(14, 40),
        "nothing known": random_company(15, 40),
        "all zero": random_company(16, 40),
        "all negative": random_company(17, 40),
    }


VALUES: dict[str, Fraction | None] = {
    "twins": Fraction(7),
    "nothing known": None,
    "all zero": Fraction(0),
    "all negative": Fraction(-3, 2),
}


@pytest.mark.parametrize("name", strange_companies())
def test_strange_companies_are_judged_as_the_reference_judges_them(name: str) -> None:
    company = strange_companies()[name]
    policies = readable(77, company, 4)
    if name in VALUES:
        company.catalogue = dict.fromkeys(company.catalogue, VALUES[name])
        facts = [replace(fact, value=VALUES[name] or Fraction(0)) for fact in company.facts]
        company = replace(company, facts=[] if VALUES[name] is None else facts)
    with judged(policies, inputs_of(company)) as con:
        states, totals = outcome(con)
    if not company.partners:
        assert (states, totals) == ({}, {})
        return
    wanted_states: Rows = {}
    wanted_totals: Rows = {}
    for policy in policies:
        programme = Programme(policy, company)
        for (ladder, partner), decisions in history([programme]).items():
            for decision in decisions:
                wanted_states[(*programme.key, ladder, partner, decision.quarter)] = decision.after.text
        for quarter in programme.quarters:
            for partner, one in programme.judged(quarter).items():
                if one.scored:
                    wanted_totals[(*programme.key, partner, quarter)] = one.scored.total
    assert_same("states", wanted_states, states)
    found = {key: None if total is None else Fraction(total) for key, total in totals.items()}
    assert_same("totals", wanted_totals, found)

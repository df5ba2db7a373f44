"""The movement macro on random careers: beside a plain reference, and against what must hold for every career.

The macro is rendered without dbt and folded by DuckDB, as the model does. Ranks count from 1, the top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

MACROS = Path(__file__).resolve().parent.parent.parent / "dbt_project" / "macros"
NO_LIMIT = 99
NO_RECORD = " " * 7


@dataclass(frozen=True)
class Rules:
    """How a ladder moves. `outside` is the rank of the level outside, or NO_LIMIT where there is none."""

    levels: int = 4
    promote_after: int = 1
    demote_after: int = 1
    max_up: int = NO_LIMIT
    max_down: int = NO_LIMIT
    outside: int = NO_LIMIT


@dataclass(frozen=True)
class Review:
    """The ranks of one review: earned, reached with raised bars, kept with lowered bars; perhaps a record of it."""

    earned: int
    raised: int
    lowered: int
    record: str = NO_RECORD


@dataclass(frozen=True)
class State:
    """What a review leaves behind."""

    held: int
    above: int
    below: int
    action: str

    @property
    def text(self) -> str:
        return f"{self.held:02}{self.above:02}{self.below:02}{self.action}"


class Dbt:
    """What dbt gives to templates and these macros use."""

    def __init__(self) -> None:
        self.macros: dict[str, Any] = {}

    def dispatch(self, name: str) -> Any:
        return self.macros[f"duckdb__{name}"]


def _fold_of(rules: str) -> str:
    """The SQL that folds the texts of `items`; movement parameters are columns of `rules`."""
    dbt = Dbt()
    environment = Environment(extensions=["jinja2.ext.do"])
    environment.globals |= {"adapter": dbt, "return": lambda value: value}
    text = "".join((MACROS / name).read_text(encoding="utf-8") for name in ("adapter.sql", "ladders.sql"))
    module: Any = environment.from_string(text).module
    dbt.macros = vars(module)
    step = module.movement_step(*(f"{rules}.{name}" for name in
                                  ("promote_after", "demote_after", "max_up", "max_down", "outside")))  # fmt: skip
    return str(module.folded("items", step))


FOLD = _fold_of("r")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        # Planning the fold takes longer than folding, so it is planned once.
        opened.execute(
            f"prepare replay as select {FOLD} from (select $1::varchar[] as items) as i cross join (select $2::integer "
            "as promote_after, $3::integer as demote_after, $4::integer as max_up, $5::integer as max_down, "
            "$6::integer as outside) as r"
        )
        yield opened


def replay(con: duckdb.DuckDBPyConnection, rules: Rules, career: Sequence[Review]) -> list[State]:
    """The states that the macro gives, review by review."""
    items = [
        f"{quarter:03}{review.earned:02}{review.raised:02}{review.lowered:02}{review.record}"
        for quarter, review in enumerate(career, start=1)
    ]
    numbers = (rules.promote_after, rules.demote_after, rules.max_up, rules.max_down, rules.outside)
    listed = ", ".join(f"'{item}'" for item in items)
    (states,) = con.execute(f"execute replay([{listed}], {', '.join(map(str, numbers))})").fetchall()[0]
    assert len(states) == 7 * len(career)
    return [parsed(states[place : place + 7]) for place in range(0, len(states), 7)]


def parsed(text: str) -> State:
    return State(int(text[:2]), int(text[2:4]), int(text[4:6]), text[6])


def reviewed(before: State | None, review: Review, rules: Rules) -> State:
    """The reference: one review by the rules of the programme."""
    if review.record != NO_RECORD:
        return parsed(review.record)
    if before is None or before.held == rules.outside:
        return State(review.earned, 0, 0, "O" if review.earned == rules.outside else "E")
    if review.raised < before.held:
        if before.above + 1 < rules.promote_after:
            return State(before.held, before.above + 1, 0, "K")
        return State(max(review.raised, before.held - rules.max_up), 0, 0, "P")
    if review.lowered > before.held:
        if before.below + 1 < rules.demote_after:
            return State(before.held, 0, before.below + 1, "W")
        if review.lowered == rules.outside:
            return State(rules.outside, 0, 0, "X")
        return State(min(review.lowered, before.held + rules.max_down), 0, 0, "D")
    return State(before.held, 0, 0, "K")


# --- random careers ---------------------------------------------------------------------------------------------


@st.composite
def all_rules(draw: st.DrawFn) -> Rules:
    levels = draw(st.integers(2, 12))
    steps = st.one_of(st.just(NO_LIMIT), st.integers(1, 4))
    return Rules(
        levels=levels,
        promote_after=draw(st.integers(1, 4)),
        demote_after=draw(st.integers(1, 4)),
        max_up=draw(steps),
        max_down=draw(steps),
        outside=draw(st.sampled_from([levels, NO_LIMIT])),
    )


@st.composite
def all_reviews(draw: st.DrawFn, levels: int) -> Review:
    lowered, earned, raised = sorted(draw(st.lists(st.integers(1, levels), min_size=3, max_size=3)))
    return Review(earned, raised, lowered)


@st.composite
def all_careers(draw: st.DrawFn) -> tuple[Rules, list[Review]]:
    rules = draw(all_rules())
    some = draw(st.lists(all_reviews(rules.levels), min_size=1, max_size=3))
    # Short careers repeat themselves, so that streaks are as common as changes.
    career = draw(st.lists(st.one_of(st.sampled_from(some), all_reviews(rules.levels)), min_size=1, max_size=16))
    return rules, career


many = settings(max_examples=300, deadline=None)


@many
@given(case=all_careers())
def test_the_macro_decides_as_the_reference(con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]) -> None:
    rules, career = case
    before: State | None = None
    for quarter, (review, state) in enumerate(zip(career, replay(con, rules, career), strict=True), start=1):
        before = reviewed(before, review, rules)
        assert state == before, f"review {quarter} of {career}"


@many
@given(case=all_careers())
def test_nobody_moves_more_levels_in_a_review_than_the_policy_allows(
    con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]
) -> None:
    rules, career = case
    states = replay(con, rules, career)
    for before, after in pairwise(states):
        if after.action == "P":
            assert 0 < before.held - after.held <= rules.max_up
        elif after.action == "D":
            assert 0 < after.held - before.held <= rules.max_down
        elif after.action in "EX":
            assert rules.outside in (before.held, after.held)
        else:
            assert after.held == before.held


@many
@given(case=all_careers())
def test_nobody_falls_before_the_reviews_below_are_full(
    con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]
) -> None:
    rules, career = case
    states = replay(con, rules, career)
    for place, state in enumerate(states):
        if state.action in "DX":
            assert place >= rules.demote_after
            watched = states[place - rules.demote_after + 1 : place]
            assert [before.action for before in watched] == ["W"] * (rules.demote_after - 1)
            held = states[place - 1].held
            assert all(review.lowered > held for review in career[place - rules.demote_after + 1 : place + 1])


@many
@given(case=all_careers())
def test_nobody_rises_before_the_reviews_above_are_full(
    con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]
) -> None:
    rules, career = case
    states = replay(con, rules, career)
    for place, state in enumerate(states):
        if state.action == "P":
            held = states[place - 1].held
            assert place >= rules.promote_after
            assert all(review.raised < held for review in career[place - rules.promote_after + 1 : place + 1])


@many
@given(case=all_careers())
def test_a_review_moves_a_partner_towards_what_it_earned_and_never_past_the_raised_or_lowered_bar(
    con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]
) -> None:
    rules, career = case
    for review, state in zip(career, replay(con, rules, career), strict=True):
        if state.action == "P":
            assert state.held >= review.raised >= review.earned
        elif state.action in "DX":
            assert state.held <= review.lowered
        elif state.action in "EO":
            assert state.held == review.earned


@many
@given(case=all_careers())
def test_every_move_starts_the_count_anew(con: duckdb.DuckDBPyConnection, case: tuple[Rules, list[Review]]) -> None:
    rules, career = case
    for state in replay(con, rules, career):
        assert not (state.above and state.below)
        assert state.above < rules.promote_after
        assert state.below < rules.demote_after
        assert (state.below > 0) == (state.action == "W")
        if state.action in "EPDXO":
            assert (state.above, state.below) == (0, 0)


@many
@given(
    levels=st.integers(2, 12), has_outside=st.booleans(), earned=st.lists(st.integers(1, 12), min_size=1, max_size=16)
)
def test_without_movement_rules_everybody_holds_what_it_earned(
    con: duckdb.DuckDBPyConnection, levels: int, has_outside: bool, earned: list[int]
) -> None:
    rules = Rules(levels=levels, outside=levels if has_outside else NO_LIMIT)
    career = [Review(rank, rank, rank) for rank in (min(rank, levels) for rank in earned)]
    assert [state.held for state in replay(con, rules, career)] == [review.earned for review in career]


@many
@given(data=st.data(), rules=all_rules(), quarters=st.integers(2, 16))
def test_who_brings_the_same_every_quarter_never_moves_after_the_first_review(
    con: duckdb.DuckDBPyConnection, data: st.DataObject, rules: Rules, quarters: int
) -> None:
    review = data.draw(all_reviews(rules.levels))
    first, *others = replay(con, rules, [review] * quarters)
    assert first.held == review.earned
    assert {(state.held, state.action) for state in others} == {(first.held, "O" if first.action == "O" else "K")}


@many
@given(data=st.data(), case=all_careers())
def test_decisions_on_record_are_taken_over_as_they_are_and_the_next_review_starts_from_them(
    con: duckdb.DuckDBPyConnection, data: st.DataObject, case: tuple[Rules, list[Review]]
) -> None:
    rules, career = case
    recorded = data.draw(st.integers(1, len(career)))
    old_rules = data.draw(all_rules())
    records = replay(con, replace(old_rules, outside=rules.outside), career[:recorded])
    facts = data.draw(st.lists(all_reviews(rules.levels), min_size=recorded, max_size=recorded))
    restated = [replace(review, record=state.text) for review, state in zip(facts, records, strict=True)]
    states = replay(con, rules, [*restated, *career[recorded:]])
    assert states[:recorded] == records
    before = records[-1]
    for review, state in zip(career[recorded:], states[recorded:], strict=True):
        before = reviewed(before, review, rules)
        assert state == before


# --- the rules one by one ---------------------------------------------------------------------------------------


def words(states: Sequence[State]) -> str:
    """Held ranks and actions, short enough to read: `2E 2W 3D`."""
    return " ".join(f"{state.held}{state.action}" for state in states)


def same(*ranks: int) -> list[Review]:
    """Reviews whose bars have no buffer."""
    return [Review(rank, rank, rank) for rank in ranks]


def test_a_partner_falls_one_step_after_two_reviews_below(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(demote_after=2, max_down=1)
    assert words(replay(con, rules, same(1, 3, 3, 3, 3))) == "1E 1W 2D 2W 3D"


def test_one_good_review_takes_a_partner_off_the_watch(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(demote_after=2, max_down=1)
    assert words(replay(con, rules, same(1, 2, 1, 2, 2))) == "1E 1W 1K 1W 2D"


def test_a_partner_rises_after_as_many_reviews_above_as_the_policy_asks(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(promote_after=3, max_up=1)
    assert words(replay(con, rules, same(3, 1, 1, 1, 1))) == "3E 3K 3K 2P 2K"


def test_the_buffer_keeps_who_is_between_the_bars(con: duckdb.DuckDBPyConnection) -> None:
    earns_less_but_within_the_buffer = Review(earned=3, raised=3, lowered=2)
    earns_more_but_within_the_buffer = Review(earned=1, raised=2, lowered=1)
    career = [*same(2), earns_less_but_within_the_buffer, earns_more_but_within_the_buffer]
    assert words(replay(con, Rules(), career)) == "2E 2K 2K"


def test_who_enters_starts_at_the_earned_level_whatever_the_step_limit(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(max_up=1, outside=4)
    assert words(replay(con, rules, same(4, 4, 1))) == "4O 4O 1E"


def test_who_leaves_the_programme_leaves_it_whatever_the_step_limit(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(demote_after=2, max_down=1, outside=4)
    assert words(replay(con, rules, same(1, 4, 4, 4, 2))) == "1E 1W 4X 4O 2E"


def test_without_a_level_outside_the_last_level_is_one_like_the_others(con: duckdb.DuckDBPyConnection) -> None:
    rules = Rules(max_down=1)
    assert words(replay(con, rules, same(1, 4, 4, 4))) == "1E 2D 3D 4D"


def test_an_exit_counts_the_reviews_below_before_it(con: duckdb.DuckDBPyConnection) -> None:
    # Two reviews below, only the second without any level: the due move goes where that second review points.
    rules = Rules(demote_after=2, max_down=1, outside=4)
    assert words(replay(con, rules, same(1, 3, 4))) == "1E 1W 4X"
    assert words(replay(con, rules, same(1, 4, 3))) == "1E 1W 2D"

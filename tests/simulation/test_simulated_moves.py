"""Moves and what takes them back, on histories that are short enough to count by hand."""

from __future__ import annotations

import pytest

from pipelines.simulation import lay_moves
from pipelines.warehouse import memory, write_rows

COLUMNS = {
    "ladder": "varchar",
    "side": "varchar",
    "partner_id": "varchar",
    "partner_number": "varchar",
    "partner_name": "varchar",
    "quarter_index": "integer",
    "quarter": "varchar",
    "quarter_end": "date",
    "level": "varchar",
    "level_rank": "integer",
    "is_outside": "boolean",
    "reasons": "varchar",
}
OUTSIDE = 9


def history(ranks: list[int], *, side: str = "today", ladder: str = "tier", first: int = 1) -> list[dict[str, object]]:
    return [
        {
            "ladder": ladder,
            "side": side,
            "partner_id": "p",
            "quarter_index": index,
            "quarter": f"Q{index}",
            "level": f"level {rank}",
            "level_rank": rank,
            "is_outside": rank == OUTSIDE,
        }
        for index, rank in enumerate(ranks, first)
    ]


def moves_of(rows: list[dict[str, object]]) -> list[tuple[str, str, str | None]]:
    """(quarter, move, quarter of the move that it takes back), in order."""
    with memory() as con:
        write_rows(con, "main", "levels", COLUMNS, rows)
        lay_moves(con, "levels", "moves")
        return con.execute(
            "select quarter, move, undoes_quarter from moves order by ladder, side, quarter_index"
        ).fetchall()


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        pytest.param([3, 3, 3], [], id="who stays does not move"),
        pytest.param([3], [], id="a first level is no move"),
        pytest.param([3, 2, 3], [("Q2", "promoted", None), ("Q3", "demoted", "Q2")], id="taken back at once"),
        pytest.param(
            [3, 2, 2, 3], [("Q2", "promoted", None), ("Q4", "demoted", "Q2")], id="taken back two quarters later"
        ),
        pytest.param([3, 2, 2, 2, 3], [("Q2", "promoted", None), ("Q5", "demoted", None)], id="three are too late"),
        pytest.param([3, 2, 4], [("Q2", "promoted", None), ("Q3", "demoted", "Q2")], id="back and past it"),
        pytest.param([3, 1, 2], [("Q2", "promoted", None), ("Q3", "demoted", None)], id="back half the way"),
        pytest.param(
            [3, 2, 1, 3],
            [("Q2", "promoted", None), ("Q3", "promoted", None), ("Q4", "demoted", "Q3")],
            id="two taken back in one move are one",
        ),
        pytest.param(
            [3, 2, 3, 4],
            [("Q2", "promoted", None), ("Q3", "demoted", "Q2"), ("Q4", "demoted", None)],
            id="what is taken back already is not taken back again",
        ),
        pytest.param(
            [3, 2, 3, 2],
            [("Q2", "promoted", None), ("Q3", "demoted", "Q2"), ("Q4", "promoted", "Q3")],
            id="to and fro",
        ),
        pytest.param(
            [OUTSIDE, 3, OUTSIDE],
            [("Q2", "entered", None), ("Q3", "exited", "Q2")],
            id="in and out again",
        ),
        pytest.param([3, OUTSIDE, 2], [("Q2", "exited", None), ("Q3", "entered", "Q2")], id="out and in again"),
    ],
)
def test_moves(ranks: list[int], expected: list[tuple[str, str, str | None]]) -> None:
    assert moves_of(history(ranks)) == expected


def test_the_other_side_and_the_other_ladder_take_nothing_back() -> None:
    rows = [
        *history([3, 2, 2]),
        *history([3, 3, 2], side="proposed"),
        *history([2, 2, 3], ladder="segment"),
    ]
    assert moves_of(rows) == [("Q3", "demoted", None), ("Q3", "promoted", None), ("Q2", "promoted", None)]

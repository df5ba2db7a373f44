"""What must not matter: the order of rows and columns, and into how many files a table is cut."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.files.ground import Ground, Row, as_csv

COLUMNS = ("deal_id", "partner_id", "status", "amount", "submitted_at", "deal_name", "Sales note", "stage")
_words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn"), include_characters="\n"), max_size=12)
# Each of these has one meaning only in a column that proves the day to come first and the comma to be decimal.
_amounts = st.sampled_from(["1.234", "1,234", "12,5", "1.234.567,89", "€ 7,00", "(3,10)", "40", "", "n/a"])
_moments = st.sampled_from(["3/4/2026", "31.03.2026 14:05", "2026-03-05T06:00:00Z", "5 Mar 2026", "", "soon"])


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows as a person's spreadsheet has them, with one that proves how they are meant."""
    count = draw(st.integers(0, 25))
    rows = [
        dict(
            zip(
                COLUMNS,
                (
                    f"D{number}",
                    draw(_words),
                    draw(_words),
                    draw(_amounts),
                    draw(_moments),
                    draw(_words),
                    draw(_words),
                    "",
                ),
                strict=True,
            )
        )
        for number in range(count)
    ]
    proof = dict(zip(COLUMNS, ("proof", "P", "x", "0,5", "31/12/2026", "", "", ""), strict=True))
    return [*rows, proof]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.data())
def test_shuffled_rows_in_three_files_are_the_same_content(rows: list[Row], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, len(rows))] * 2)))
    parts = [shuffled[:first], shuffled[first:second], shuffled[second:]]
    root = Path(tempfile.mkdtemp())
    try:
        whole = Ground(root / "whole")
        whole.put("deal_registrations.csv", rows)
        whole.extract()
        expected = whole.values()
        whole.put("deal_registrations.csv", shuffled)
        assert not whole.extract()["deal_registrations"].is_new
        cut = Ground(root / "cut")
        (whole.inputs / "deal_registrations.csv").unlink()
        for number, part in enumerate(parts):
            order = data.draw(st.permutations(COLUMNS))
            if number and not any(row["Sales note"] for row in part):
                order = [name for name in order if name != "Sales note"]
            text = as_csv([{name: row[name] for name in order} for row in part]) if part else ",".join(order)
            for ground in (whole, cut):
                ground.put(f"deal_registrations-{number}.csv", text)
        cut.extract()
        assert cut.values() == expected
        assert not whole.extract()["deal_registrations"].is_new
    finally:
        shutil.rmtree(root)

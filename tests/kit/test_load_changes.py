"""What changed in a source since the last release is counted column by column, whatever became of the file since."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.connector import instances
from pipelines.extract import extract_group
from pipelines.load_changes import COLUMNS, load_changes
from pipelines.settings import read_settings
from pipelines.warehouse import Places

ROOT = Path(__file__).resolve().parent.parent.parent
THEN, NOW = datetime(2026, 7, 5, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC)
DEALS = 40
Row = dict[str, str]


def deals() -> list[Row]:
    """Forty closed deals, half of them won, as a CRM exports them."""
    return [
        {
            "source_id": f"o{n}",
            "account_id": f"a{n % 5}",
            "amount": f"{100 + n}.50",
            "currency": "EUR",
            "is_closed": "true",
            "is_won": "true" if n % 2 else "false",
            "created_at": "2025-01-01T08:00:00Z",
            "close_date": f"2025-03-{n % 28 + 1:02}",
            "stage": "Closed",
        }
        for n in range(DEALS)
    ]


def changes(folder: Path, now: list[Row], *, since: datetime | None = THEN, accept: bool = False) -> dict[str, Any]:
    """The counts by column, of forty deals in July and `now` in October."""
    for moment, rows in ((THEN, deals()), (NOW, now)):
        drop = folder / "inputs" / "crm" / f"{moment:%Y-%m-%d}"
        drop.mkdir(parents=True)
        with (drop / "opportunities.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    content = yaml.safe_load((ROOT / "examples" / "salesforce-export" / "segments.yml").read_text(encoding="utf-8"))
    content["sources"] = {"crm": {"connector": "files", "options": {"folder": "crm", "kind": "crm"}}}
    content["paths"] = {
        "inputs": str(folder / "inputs"),
        "state": str(folder / "state"),
        "policies": str(ROOT / "policies"),
    }
    content.pop("sample", None)
    (folder / "segments.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    settings = read_settings(folder / "segments.yml")
    sources = instances(settings)
    extract_group(settings, sources, accept_shrunk=frozenset({"crm.opportunities"} if accept else ()))
    rows = load_changes(Places.of(settings).lake, sources, known_at=None, since=since)
    assert all(set(row) == set(COLUMNS) for row in rows)
    assert {(row["source"], row["table_name"], row["entity"]) for row in rows} == {
        ("crm", "opportunities", "opportunities")
    }
    return {row["column_name"]: row for row in rows}


def counts(row: dict[str, Any]) -> list[int]:
    return [row[name] for name in ("filled_rows", "emptied_rows", "changed_rows", "scaled_rows", "jumped_rows")]


def test_nothing_is_compared_before_the_first_release_or_of_the_same_loads(tmp_path: Path) -> None:
    found = changes(tmp_path / "first", deals()[:-1], since=None)
    assert list(found) == [""]
    assert found[""]["compared_rows"] == 0
    again = changes(tmp_path / "again", deals()[:-1], since=NOW)
    assert list(again) == [""]


def test_an_unchanged_export_with_newer_deals_has_changed_nothing(tmp_path: Path) -> None:
    newer = [{**row, "source_id": f"n{row['source_id']}"} for row in deals()]
    found = changes(tmp_path, deals() + newer)
    assert {row["compared_rows"] for row in found.values()} == {DEALS}
    assert {row["gone_rows"] for row in found.values()} == {0}
    assert all(counts(row)[1:] == [0, 0, 0, 0] for row in found.values())
    assert found["is_won"]["filled_rows"] == DEALS // 2


@pytest.mark.parametrize(
    "cases",
    [
        {
            "amount": (lambda old: f"{float(old) * 100:.2f}", [40, 0, 40, 40, 0]),
            "close_date": (lambda old: old.replace("2025", "2024"), [40, 0, 40, 0, 40]),
            # What was stamped after the release is news, not another past.
            "created_at": (lambda old: "2026-08-01T08:00:00Z", [40, 0, 0, 0, 0]),
            "account_id": (lambda old: f"{old}x", [40, 0, 40, 0, 0]),
            # A flag that is not true any more has lost what it said.
            "is_won": (lambda old: "false", [20, 20, 20, 0, 0]),
        },
        {
            "amount": (lambda old: f"{float(old) * 1.16:.2f}", [40, 0, 40, 0, 0]),
            "close_date": (lambda old: old.replace("2025-03", "2025-04"), [40, 0, 40, 0, 0]),
            "account_id": (lambda old: "", [40, 40, 0, 0, 0]),
            # A column that is no longer exported is empty.
            "currency": (None, [40, 40, 0, 0, 0]),
        },
    ],
    ids=["another_unit", "other_values"],
)
def test_what_became_of_columns(
    tmp_path: Path, cases: dict[str, tuple[Callable[[str], str] | None, list[int]]]
) -> None:
    found = changes(
        tmp_path,
        [
            {
                name: becomes(value)
                for name, value in row.items()
                if (becomes := cases.get(name, (str, []))[0]) is not None
            }
            for row in deals()
        ],
    )
    for name, row in found.items():
        if name in cases:
            assert (name, counts(row)) == (name, cases[name][1])
        else:
            assert (name, counts(row)[1:]) == (name, [0, 0, 0, 0])


def test_records_that_are_gone_are_counted_unless_somebody_accepted_it(tmp_path: Path) -> None:
    found = changes(tmp_path / "unsaid", deals()[:34])
    assert {row["gone_rows"] for row in found.values()} == {6}
    said = changes(tmp_path / "said", deals()[:20], accept=True)
    assert {row["gone_rows"] for row in said.values()} == {0}

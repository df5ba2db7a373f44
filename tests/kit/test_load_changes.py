"""What changed in a source since the last release is counted column by column, whatever became of the file since."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_quality.suites import load_changes as suites
from pipelines import shape
from pipelines.connector import Instance, available, find, instances
from pipelines.extract import extract_group
from pipelines.lake import Load, loads
from pipelines.load_changes import COLUMNS, NATURAL_KEYS, PARTNER_ACCOUNTS, load_changes, shrunk_tables
from pipelines.settings import Settings, read_settings
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


def drop(folder: Path, moment: datetime, table: str, rows: list[Row]) -> None:
    """A file of one moment, as people put it into a source's folder."""
    place = folder / "inputs" / "crm" / f"{moment:%Y-%m-%d}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read(folder: Path, *, accept: str | None = None, **options: Any) -> tuple[Settings, list[Instance]]:
    """Load what lies in the drops of a CRM; `accept` names a table that may be smaller than before."""
    content = yaml.safe_load((ROOT / "examples" / "salesforce-export" / "segments.yml").read_text(encoding="utf-8"))
    content["sources"] = {"crm": {"connector": "files", "options": {"folder": "crm", "kind": "crm", **options}}}
    content["paths"] = {
        "inputs": str(folder / "inputs"),
        "state": str(folder / "state"),
        "policies": str(ROOT / "policies"),
    }
    content.pop("sample", None)
    (folder / "segments.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    settings = read_settings(folder / "segments.yml")
    sources = instances(settings)
    extract_group(settings, sources, accept_shrunk=frozenset({f"crm.{accept}"} if accept else ()))
    return settings, sources


def ids(settings: Settings, *, until: datetime = THEN) -> set[tuple[str, str, str]]:
    """The loads known by a moment, as the manifest of a release of that moment names them."""
    found = loads(Places.of(settings).lake, "crm", known_at=until)
    return {(load.source, load.table, load.load_id) for load in found}


def compared(
    settings: Settings, sources: list[Instance], rests_on: set[tuple[str, str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The counts by entity and column, of what is loaded now."""
    rows = load_changes(Places.of(settings).lake, sources, known_at=None, rests_on=rests_on, since=THEN)
    assert all(set(row) == set(COLUMNS) for row in rows)
    return {(row["entity"], row["column_name"]): row for row in rows}


def changes(
    folder: Path,
    now: list[Row],
    *,
    then: list[Row] | None = None,
    until: datetime = THEN,
    accept: bool = False,
    table: str = "opportunities",
    entity: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The counts by column, of forty deals in July, or of `then`, and `now` in October."""
    drop(folder, THEN, table, then or deals())
    drop(folder, NOW, table, now)
    settings, sources = read(folder, accept=table if accept else None, **options)
    found = compared(settings, sources, ids(settings, until=until))
    return {column: row for (of, column), row in found.items() if of == (entity or table)}


def counts(row: dict[str, Any]) -> list[int]:
    return [row[name] for name in ("filled_rows", "emptied_rows", "changed_rows", "scaled_rows", "jumped_rows")]


def test_nothing_is_compared_before_the_first_release_or_of_the_same_loads(tmp_path: Path) -> None:
    found = changes(tmp_path / "first", deals()[:-1], until=datetime(2026, 1, 1, tzinfo=UTC))
    assert list(found) == [""]
    assert found[""]["compared_rows"] == 0
    again = changes(tmp_path / "again", deals()[:-1], until=NOW)
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


def test_a_corrected_file_of_the_same_drop_is_compared_with_the_one_a_release_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, THEN, "opportunities", deals())
    settings, _ = read(tmp_path)
    inputs = [dict(zip(("source", "table", "load_id"), one, strict=True)) for one in ids(settings)]
    manifest = {"inputs": inputs, "known_at": "2026-07-05 00:00:00"}
    drop(tmp_path, THEN, "opportunities", [{**row, "amount": f"{float(row['amount']) * 100:.2f}"} for row in deals()])
    settings, _ = read(tmp_path)
    monkeypatch.setattr(shape, "base_of_loads", lambda places, known_at: manifest)
    found = {row["column_name"]: row for row in shape._changes_since_release(shape.plan(settings))}
    assert counts(found["amount"]) == [DEALS, 0, DEALS, DEALS, 0]
    assert found["amount"]["since"] == THEN.replace(tzinfo=None)


def test_records_that_are_called_deleted_are_gone(tmp_path: Path) -> None:
    deleted = [{**row, "is_deleted": "yes" if n < 24 else "no"} for n, row in enumerate(deals())]
    found = changes(tmp_path / "now", deleted)
    assert {row["gone_rows"] for row in found.values()} == {24}
    # What was deleted then is nothing to miss.
    newer = [{**row, "source_id": f"n{row['source_id']}"} for row in deals()]
    found = changes(tmp_path / "then", deals()[24:] + newer, then=deleted)
    assert {(row["compared_rows"], row["gone_rows"]) for row in found.values()} == {(16, 0)}


def test_an_accepted_loss_stays_accepted_when_another_export_follows(tmp_path: Path) -> None:
    drop(tmp_path, THEN, "opportunities", deals())
    drop(tmp_path, NOW, "opportunities", deals()[:20])
    read(tmp_path, accept="opportunities")
    drop(tmp_path, NOW + timedelta(days=1), "opportunities", [{**row, "stage": "Won"} for row in deals()[:20]])
    settings, sources = read(tmp_path)
    found = compared(settings, sources, ids(settings))
    assert counts(found["opportunities", "stage"])[2] == 20
    assert {row["gone_rows"] for row in found.values()} == {0}


@pytest.mark.parametrize("has_ids", [False, True], ids=["no_column", "blank"])
def test_rows_without_an_id_go_by_what_names_them(tmp_path: Path, has_ids: bool) -> None:
    credits = [
        {
            **({"source_id": ""} if has_ids else {}),
            "opportunity_id": f"o{n}",
            "account_id": f"a{n % 5}",
            "role": "reseller",
            "is_primary": "true",
        }
        for n in range(DEALS)
    ]
    now = [{**row, "is_primary": "false"} for row in credits[:34]]
    found = changes(tmp_path, now, then=credits, table="opportunity_partners")
    assert {(row["compared_rows"], row["gone_rows"]) for row in found.values()} == {(DEALS, 6)}
    assert counts(found["is_primary"])[:2] == [34, 34]


def test_rows_without_an_id_go_by_the_same_columns_in_staging() -> None:
    macro = (
        (ROOT / "dbt_project" / "macros" / "entities.sql").read_text(encoding="utf-8").split("natural_key(entity)")[1]
    )
    told = re.findall(r"'(\w+)': \[(.*?)\]", macro.split("endmacro")[0])
    assert {entity: tuple(re.findall(r"\w+", columns)) for entity, columns in told} == NATURAL_KEYS


@pytest.mark.parametrize(
    ("then", "now", "lost"),
    [
        ("AAAAB" * 8, "AAAAC" * 8, ""),
        ("AAAB" * 20, "AAAC" * 20, "B"),
        ("AAAB" * 20, "A" * 80, "B"),
        ("AB" * 20, "CD" * 20, "A, B"),
        ("AB" * 20, " " * 40, ""),
        (("A" * 25 + "B") * 20, "A" * 520, ""),
    ],
    ids=["few", "renamed", "gone", "several", "column_emptied", "rare"],
)
def test_kinds_that_many_records_had_do_not_die_out(tmp_path: Path, then: str, now: str, lost: str) -> None:
    def shared(kinds: str) -> list[Row]:
        return [
            {"source_id": f"x{n}", "partner_id": "p1", "own_population": kind, "partner_population": "Z"}
            for n, kind in enumerate(kinds)
        ]

    found = changes(tmp_path, shared(now), then=shared(then), table="account_overlaps", kind="account_mapping")
    assert (found["own_population"]["lost_kinds"], found["partner_population"]["lost_kinds"]) == (lost, "")


def test_flags_have_no_unit_and_no_spelling(tmp_path: Path) -> None:
    said = {"true": "1", "false": "0"}
    then = [
        {**row, "is_closed": said[row["is_closed"]], "is_won": said[row["is_won"]], "stage": "1"} for row in deals()
    ]
    now = [{**row, "is_closed": "yes", "is_won": "0", "stage": "0"} for row in then]
    found = changes(tmp_path, now, then=then)
    assert counts(found["is_closed"]) == [DEALS, 0, 0, 0, 0]
    assert counts(found["is_won"]) == [DEALS // 2, DEALS // 2, DEALS // 2, 0, 0]
    assert counts(found["stage"]) == [DEALS, 0, DEALS, 0, 0]


@pytest.mark.parametrize("mark", [{"is_partner": "Yes "}, {"account_type": "Reseller"}], ids=["flag", "type"])
def test_what_happens_to_partners_is_counted_of_them_alone(tmp_path: Path, mark: Row) -> None:
    other = {"is_partner": "no"} if "is_partner" in mark else {"account_type": "Customer"}
    accounts = [
        {"source_id": f"a{n}", "name": f"Account {n}", "domain": f"a{n}.example", **(mark if n < 8 else other)}
        for n in range(DEALS)
    ]
    now = [{**row, "domain": ""} if n < 8 else row for n, row in enumerate(accounts)]
    found = changes(tmp_path, now, then=accounts, table="accounts", entity=PARTNER_ACCOUNTS, partner_types=["Reseller"])
    assert counts(found["domain"]) == [8, 8, 0, 0, 0]


def test_of_many_accounts_every_partner_is_compared_and_of_the_others_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.load_changes.COMPARED_ROWS", 40)
    then = [
        {"source_id": f"a{n}", "name": f"Account {n}", "is_partner": str(n < 30).lower(), "country": "DE"}
        for n in range(400)
    ]
    now = [{**row, "country": "" if row["is_partner"] == "true" else "DE"} for row in then]
    partners = changes(tmp_path / "partners", now, then=then, table="accounts", entity="partner_accounts")
    assert [partners["country"][name] for name in ("compared_rows", "emptied_rows")] == [30, 30]
    every = changes(tmp_path / "all", now, then=then, table="accounts")
    assert 20 < every["country"]["compared_rows"] < 80
    # The records of the sample are the same ones then and now, and partners do not weigh more in it.
    assert every["country"]["gone_rows"] == 0
    assert every["country"]["emptied_rows"] < 15


def test_tables_that_lost_records_are_named_once_with_how_many() -> None:
    def row(table: str, entity: str, gone: int, of: int = 100) -> dict[str, Any]:
        return {"source": "crm", "table_name": table, "entity": entity, "gone_rows": gone, "compared_rows": of}

    rows = [row("deals", "opportunities", 6)] * 2 + [row("deals", "opportunities", 6)]
    rows += [row("few", "meetings", 4, of=10), row("share", "leads", 5), row("overlaps", "account_overlaps", 50)]
    rows += [row("accounts", "accounts", 9, of=1000), row("accounts", PARTNER_ACCOUNTS, 9)]
    assert [(one["table_name"], one["words"]) for one in shrunk_tables(rows, 0.05)] == [
        ("deals", "no longer has 6 of 100 records in deals"),
        ("accounts", "no longer has 9 of 100 records of partners in accounts"),
    ]


def test_a_record_that_stands_twice_is_compared_once(tmp_path: Path) -> None:
    twice = [*deals(), *({**row, "stage": "Open"} for row in deals())]
    now = [*reversed(twice), {**deals()[0], "source_id": "new"}]
    found = changes(tmp_path, now, then=twice)
    assert all(row["compared_rows"] == DEALS and counts(row)[1:] == [0, 0, 0, 0] for row in found.values())


@pytest.mark.parametrize("name", sorted(set(available()) - {"files"}))
def test_tables_are_called_after_the_entity_they_are_made_for(name: str, tmp_path: Path) -> None:
    connector = find(name)
    lake = tmp_path / "lake"
    # A load of every table that says the same, so that all of them are named.
    load = Load(name, "", "1", THEN, 1, "", "", "snapshot", "", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "pipelines.load_changes.loads", lambda *_, **__: [replace(load, table=t.name) for t in connector.tables]
        )
        sources = [Instance(name, connector, None, tmp_path)]
        rows = load_changes(lake, sources, known_at=None, rests_on=set(), since=None)
    entities = {row["table_name"]: row["entity"] for row in rows}
    for entity in ("accounts", "opportunities", "opportunity_partners"):
        assert entities[connector.entity_tables.get(entity, entity)] == entity


@pytest.mark.parametrize("name", available())
def test_the_suite_knows_the_columns_of_every_connector(name: str) -> None:
    connector = find(name)
    columns = {table.name: table.columns for table in connector.tables}

    def met(words: Collection[str] | str, entity: str) -> set[str]:
        there = columns[connector.entity_tables.get(entity, entity)]
        return {x for x in there if (re.search(words, x) if isinstance(words, str) else x in words)}

    for entity in ("accounts", "opportunities", "opportunity_partners"):
        assert met(suites.CALLED, entity)
    for entity in ("accounts", "opportunities"):
        assert met(suites.BORN, entity)
    assert met(suites.CREDITED, "opportunity_partners")
    assert met(suites.COUNTED, "opportunities") == {"amount"}
    assert len(met(suites.DATED, "opportunities")) == 2


def test_the_suite_names_no_column_that_no_connector_has() -> None:
    there = {column for name in available() for table in find(name).tables for column in table.columns}
    assert {*suites.CALLED, *suites.CREDITED, *suites.BORN} <= there

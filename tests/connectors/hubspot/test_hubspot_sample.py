"""The sample company read over the API is the sample company read from files, to the row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from demo.company import World
from demo.crm_export import write_crm
from demo.vendors.hubspot import HubspotAccount
from demo.vendors.hubspot_templates import LEAD_LABEL, crm_id, hubspot_id, hubspot_templates
from tests.connectors.hubspot.ground import grounds

FIRST, SECOND = datetime(2026, 7, 5, 6, tzinfo=UTC), datetime(2026, 10, 5, 6, tzinfo=UTC)
ENTITIES = (
    "accounts", "opportunities", "opportunity_partners", "opportunity_stage_changes", "meetings",
    "program_memberships",
)  # fmt: skip
OPTIONS: dict[str, Any] = {
    "settle_minutes": 0,
    "partner_number_property": "partner_number",
    "region_property": "region",
    "primary_label": LEAD_LABEL,
    "task_minutes_property": "minutes_spent",
    "level_property": "partner_level",
    "level_since_property": "partner_since",
    "program": "Partner programme",
}


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_templates(folder: Path, world: World, moment: datetime, before: Path | None = None) -> None:
    """The CRM templates as of a moment, and the two that the sample company does not write: stages and levels. A deal
    that was closed otherwise in the templates of an earlier moment went through that stage."""
    write_crm(folder, world, as_of=moment)
    deals = [row for row in rows_of(folder, "opportunities") if row["is_deleted"] != "true"]
    partners = [row for row in rows_of(folder, "accounts") if row["is_partner"] == "true"]
    closed_as = {
        row["source_id"]: row["stage"]
        for row in (rows_of(before, "opportunities") if before else [])
        if row["is_closed"] == "true"
    }
    columns = ["source_id", "opportunity_id", "from_stage", "to_stage", "amount", "changed_at"]
    with (folder / "opportunity_stage_changes.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for number, deal in enumerate(deals):
            # What is over stays as it was, whenever one looks.
            key, amount = deal["source_id"], f"{sum(map(ord, deal['source_id'])) % 977}.00"
            began = datetime.fromisoformat(deal["created_at"])
            stages = ["Enquiry", closed_as.get(key), deal["stage"] if deal["is_closed"] == "true" else None]
            steps = list(dict.fromkeys(stage for stage in stages if stage))
            for place, stage in enumerate(steps):
                earlier = steps[place - 1] if place else ""
                at = (began + timedelta(hours=place)).isoformat()
                table.writerow([f"{number}-{place}", key, earlier, stage, amount, at])
    with (folder / "program_memberships.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["account_id", "program", "level", "since"])
        for number, partner in enumerate(partners):
            if number % 3:
                level = ("Gold", "Silver")[number % 3 - 1]
                table.writerow([partner["source_id"], "Partner programme", level, "2025-01-01"])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """One deployment with the company twice: over the API as of July and then October, and the rewritten files of
    October; and the folder of those files."""
    root = tmp_path_factory.mktemp("hubspot-sample")
    world = World(partners=40, quarters=5)
    write_templates(root / "july", world, FIRST)
    write_templates(root / "october", world, SECOND, root / "july")
    counts = hubspot_templates(root / "october", root / "inputs" / "crm" / "2026-10-05T06-00")
    assert counts["opportunities.csv"] > 1_000
    account = HubspotAccount(clock=FIRST)
    account.load_templates(root / "july")
    monkeypatch = pytest.MonkeyPatch()
    with grounds(root, monkeypatch, account) as ground:
        ground.options = dict(OPTIONS)
        assert ground.read()["deal"].rows > 1_000
        account.clock = SECOND - timedelta(hours=1)
        account.load_templates(root / "october")
        account.clock = SECOND
        landed = ground.read()
        assert 0 < landed["meeting"].rows < 100
        # The same sources again, with the files beside them.
        ground.rates = {"EUR": 1.1, "GBP": 1.3}
        ground.files = {"kind": "crm", "folder": "crm", "partner_types": ["PARTNER"]}
        con = ground.shape()
        yield con, root / "october"
        con.close()
    monkeypatch.undo()


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_conformed_rows_are_those_of_the_files(both: tuple[duckdb.DuckDBPyConnection, Path], entity: str) -> None:
    con, _ = both
    columns = [
        row[0] for row in con.execute(f"describe conformed.{entity}").fetchall()
        if row[0] not in ("source", "extracted_at")
    ]  # fmt: skip
    rows = f"select {', '.join(columns)} from conformed.{entity} where source = '{{}}' and not is_deleted"
    api, files = (con.execute(rows.format(name)).fetchall() for name in ("hubspot", "files"))
    assert len(files) > 10
    assert sorted(api, key=repr) == sorted(files, key=repr)
    assert con.execute(f"select count(*) from quarantine.{entity}").fetchall() == [(0,)]


def test_what_the_company_deleted_is_deleted_in_the_account(both: tuple[duckdb.DuckDBPyConnection, Path]) -> None:
    con, folder = both
    gone = {row["source_id"] for row in rows_of(folder, "opportunities") if row["is_deleted"] == "true"}
    assert gone
    found = con.execute("select id from raw_hubspot.deal where is_deleted = 'true'").fetchall()
    assert {crm_id("opportunity", key) for (key,) in found} == gone
    left = con.execute(
        "select count(*) from conformed.opportunities where source = 'hubspot' and is_deleted"
    ).fetchall()
    assert left[0][0] <= len(gone)


@pytest.mark.parametrize(
    ("kind", "key"),
    [("account", "001Ow0000000001IAA"), ("opportunity", "006Ow0000000Q13IAE"), ("owner", "005Ow000000000EIAQ")],
)
def test_ids_lead_there_and_back(kind: str, key: str) -> None:
    assert hubspot_id(kind, key).isdigit()
    assert crm_id(kind, hubspot_id(kind, key)) == key


def test_an_id_of_another_kind_has_none_in_hubspot() -> None:
    with pytest.raises(ValueError, match="is no opportunity id of the sample company"):
        hubspot_id("opportunity", "001Ow0000000001IAA")

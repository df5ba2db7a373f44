"""The same records over the API and out of a data export: the raw views say the same, row for row."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from demo.salesforce_export import write_salesforce_export
from demo.sample_company import write_sample_company
from demo.vendors.salesforce import SalesforceOrg
from demo.vendors.serving import serve
from pipelines.connector import Instance, find
from pipelines.connectors.salesforce import Options, offered
from pipelines.errors import InputError
from pipelines.extract import extract
from pipelines.lake import lay_views, loads
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Places, memory
from tests.faults.exports import Export, as_csv

TAKEN = datetime(2026, 10, 5, 6, tzinfo=UTC)
AW = Path(__file__).resolve().parents[4] / "shared" / "data" / "adventureworks_salesforce_export"
OWN = {"source", "load_id", "known_at", "file_name", "file_row"}


def settings_in(folder: Path) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "segments.yml"
    file.write_text("sources: {salesforce: {connector: salesforce}}\npolicy: {active: none}\n")
    return read_settings(file)


def landed(folder: Path, options: dict[str, Any], inputs: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Load a source into a lake of its own; the declared columns of its raw views, values in one spelling."""
    settings = settings_in(folder)
    connector = find("salesforce")
    instance = Instance("salesforce", connector, connector.options(**options), inputs)
    places = Places.of(settings)
    extract(settings, places, instance)
    found = {}
    with memory() as con:
        lay_views(con, places.lake, [instance], known_at=None)
        for table in connector.tables:
            columns = ", ".join(f'"{name}"' for name in table.columns)
            rows = con.execute(f'select {columns} from raw_salesforce."{table.name}" order by id').fetchall()
            found[table.name] = [tuple(map(canonical, row)) for row in rows]
    return found


def canonical(value: str | None) -> Any:
    """A number as a number and a moment as a moment; everything else to the letter."""
    if value is None:
        return None
    if value[:1] in "-0123456789" and value.replace(".", "", 1).lstrip("-").isdigit():
        return Decimal(value).normalize()
    if len(value) > 18 and value[:4].isdigit() and value[10:11] == "T":
        return datetime.fromisoformat(value)
    return value


def over_the_api(
    folder: Path, export: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> dict[str, list[tuple[Any, ...]]]:
    org = SalesforceOrg()
    org.set_clock(TAKEN)
    org.load_export(export)
    monkeypatch.setenv("SEGMENTS_NOW", TAKEN.isoformat())
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", org.app_key)
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", org.app_secret)
    with serve(org.app()) as served:
        return landed(folder, {"domain": served.url, "http": {"backoff_seconds": 0.001}, **options}, export)


@pytest.mark.parametrize("above", [10_000_000, 0], ids=["rest", "bulk"])
def test_the_sample_company_is_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: int) -> None:
    export = tmp_path / "export"
    counts = write_salesforce_export(export, partners=40, quarters=5)
    from_files = landed(tmp_path / "files", {"exported_at": TAKEN.isoformat()}, export)
    from_api = over_the_api(tmp_path / "api", export, monkeypatch, use_bulk_above=above)
    for table, name in (
        ("account", "Account"),
        ("opportunity", "Opportunity"),
        ("opportunity_partner", "OpportunityPartner"),
    ):
        assert len(from_files[table]) == counts[f"{name}.csv"]
        assert from_api[table] == from_files[table]


@pytest.mark.aw
@pytest.mark.skipif(not AW.is_dir(), reason=f"needs the AdventureWorks rows in {AW}")
def test_adventureworks_is_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_files = landed(tmp_path / "files", {"exported_at": TAKEN.isoformat()}, AW)
    from_api = over_the_api(tmp_path / "api", AW, monkeypatch)
    assert len(from_files["opportunity"]) == 3796
    for table in ("account", "opportunity", "opportunity_partner"):
        assert from_api[table] == from_files[table]


def test_a_later_export_changes_the_org_only_where_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two exports of the sample company, three months apart: the second reading brings what the second export says."""
    write_sample_company(tmp_path / "company", partners=40, quarters=5, crm="salesforce")
    first, second = sorted((tmp_path / "company" / "salesforce").iterdir())
    expected = landed(tmp_path / "files", {"exported_at": TAKEN.isoformat()}, second)
    org = SalesforceOrg()
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", org.app_key)
    monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", org.app_secret)
    settings = settings_in(tmp_path / "api")
    connector = find("salesforce")
    with serve(org.app()) as served:
        options = connector.options(domain=served.url, http={"backoff_seconds": 0.001})
        instance = Instance("salesforce", connector, options, tmp_path)
        for folder in (first, second):
            moment = datetime.fromisoformat(f"{folder.name}T06:00:00+00:00")
            org.set_clock(moment)
            changed = org.load_export(folder)
            monkeypatch.setenv("SEGMENTS_NOW", moment.isoformat())
            extract(settings, Places.of(settings), instance)
    assert 0 < changed["Opportunity"] < len(expected["opportunity"])
    with memory() as con:
        lay_views(con, Places.of(settings).lake, [instance], known_at=None)
        for table in ("account", "opportunity"):
            columns = [name for name in connector.tables[table == "opportunity"].columns if name != "system_modstamp"]
            listed = ", ".join(f'"{name}"' for name in columns)
            rows = con.execute(
                f"select {listed} from (select *, row_number() over (partition by id order by known_at desc) as place "
                f"from raw_salesforce.{table}) where place = 1 order by id"
            ).fetchall()
            drop = list(connector.tables[table == "opportunity"].columns).index("system_modstamp")
            assert [tuple(map(canonical, row)) for row in rows] == [
                (*row[:drop], *row[drop + 1 :]) for row in expected[table]
            ]


# -- a folder with more than it has to hold ----------------------------------------------------------------------------


def test_other_objects_are_read_when_their_files_are_there(tmp_path: Path) -> None:
    Export.of().write(tmp_path / "export")
    event = {"Id": "00U1", "AccountId": "P1", "DurationInMinutes": "30", "StartDateTime": "2026-07-01T10:00:00.000Z"}
    (tmp_path / "export" / "Event.csv").write_bytes(as_csv([event]))
    found = landed(tmp_path / "state", {"exported_at": TAKEN.isoformat()}, tmp_path / "export")
    assert [row[0] for row in found["event"]] == ["00U1"]
    assert found["task"] == []
    assert {load.table for load in loads(Places.of(settings_in(tmp_path / "state")).lake, "salesforce")} == {
        "account", "opportunity", "opportunity_partner", "event",
    }  # fmt: skip


def test_a_required_field_of_another_object_is_required(tmp_path: Path) -> None:
    Export.of().write(tmp_path / "export")
    (tmp_path / "export" / "Event.csv").write_bytes(as_csv([{"Id": "00U1", "Subject": "x"}]))
    with pytest.raises(InputError, match=r"Event\.csv: required fields missing from the header: AccountId"):
        landed(tmp_path / "state", {}, tmp_path / "export")


def test_a_folder_offers_what_lies_in_it_and_an_org_everything(tmp_path: Path) -> None:
    Export.of().write(tmp_path)
    connector = find("salesforce")
    usual = ["accounts", "opportunities", "opportunity_partners", "rejected_lines"]
    instance = Instance("salesforce", connector, Options(), tmp_path)
    assert offered(instance) == usual
    (tmp_path / "OpportunityHistory.csv").write_bytes(b"Id\n")
    assert offered(instance) == [*usual, "opportunity_stage_changes"]
    org = replace(instance, options=Options(domain="acme.my.salesforce.com"))
    assert set(offered(org)) == set(connector.entities)


def test_lookups_that_name_partners_are_read_of_an_export_too(tmp_path: Path) -> None:
    export = Export.of()
    for number, row in enumerate(export.opportunities):
        row["Referral__c"] = "P2" if number == 0 else ""
    export.write(tmp_path / "export")
    options = {
        "exported_at": TAKEN.isoformat(),
        "partner_fields": {"Referral__c": "sourced", "Absent__c": "influenced"},
    }
    found = landed(tmp_path / "state", options, tmp_path / "export")
    place = find("salesforce").tables[1].columns.index("partner_fields")
    assert sorted({row[place] for row in found["opportunity"]}, key=str) == [None, '{"Referral__c":"P2"}']


def test_templates_fill_an_org_with_what_they_say(tmp_path: Path) -> None:
    write_sample_company(tmp_path, partners=40, quarters=5)
    day = sorted((tmp_path / "crm").iterdir())[0]
    org = SalesforceOrg()
    counts = org.load_templates(day)
    with (day / "meetings.csv").open(encoding="utf-8") as file:
        meetings = list(csv.DictReader(file))
    assert counts["Event"] == sum(row["kind"] == "meeting" for row in meetings)
    assert counts["Event"] + counts["Task"] == len(meetings)
    minutes = sum(row["DurationInMinutes"] for row in org.rows("Event"))
    minutes += sum(row["CallDurationInSeconds"] / 60 for row in org.rows("Task"))
    assert minutes == sum(float(row["minutes"]) for row in meetings)
    assert org.load_templates(day) == dict.fromkeys(counts, 0)

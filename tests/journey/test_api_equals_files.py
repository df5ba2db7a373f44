"""The sample company read over its CRM's API is the sample company read from its files, to the row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.company import DROP_2, World
from demo.crm_export import write_crm
from demo.sample_company import write_sample_company
from demo.vendors.company import COMPANIES
from demo.vendors.hubspot_templates import hubspot_templates
from demo.vendors.trial import running
from pipelines.extract import extract_group
from pipelines.release import RELEASED_TABLES
from pipelines.settings import read_settings
from pipelines.shape import build, lay_inputs, plan
from pipelines.warehouse import connect, literal

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PARTNERS = 60
DAY = DROP_2.date().isoformat()


@dataclass(frozen=True)
class Pair:
    """The warehouses of two runs over one company."""

    by_files: Path
    by_api: Path

    def differences(self, table: str) -> list[tuple[Any, ...]]:
        """Rows of a mart that one of the two has and the other has not."""
        with connect(self.by_files, read_only=True) as con:
            con.execute(f"attach {literal(self.by_api)} as api (read_only)")
            ours, theirs = f"select * from marts.{table}", f"select * from api.marts.{table}"
            found: list[tuple[Any, ...]] = []
            for name, one, other in (("files", ours, theirs), ("api", theirs, ours)):
                rows = con.execute(f"select '{name}' as only_in, * from ({one} except all {other}) limit 3").fetchall()
                found += rows
            return found

    def count(self, table: str) -> int:
        with connect(self.by_api, read_only=True) as con:
            return int(con.execute(f"select count(*) from marts.{table}").fetchall()[0][0])


def built(file: Path, sources: dict[str, Any], inputs: Path, **changes: Any) -> Path:
    """Extract and build a deployment over these sources; its warehouse."""
    told = yaml.safe_load((ROOT / "segments.yml").read_text(encoding="utf-8"))
    for name in ("first_release", "sample"):
        told.pop(name)
    told |= {"sources": sources, **changes}
    told["paths"] = {"inputs": str(inputs), "state": str(file.with_suffix("")), "policies": str(ROOT / "policies")}
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    settings = read_settings(file)
    run = plan(settings)
    extract_group(settings, run.sources)
    lay_inputs(run)
    build(run)
    return run.places.warehouse


@contextmanager
def served(vendor: str) -> Iterator[dict[str, Any]]:
    """The company behind the vendor's API; the source that reads it."""
    with pytest.MonkeyPatch.context() as patch, running(COMPANIES[vendor](partners=PARTNERS)) as company:
        patch.setenv("SEGMENTS_NOW", DROP_2.isoformat())
        for name, value in company.secrets.items():
            patch.setenv(f"SEGMENTS_CRM_{name.upper()}", value)
        yield {"connector": vendor, "options": company.options}


def files(folder: str, kind: str) -> dict[str, Any]:
    return {"connector": "files", "options": {"folder": folder, "kind": kind, "exported_at": DROP_2.isoformat()}}


@pytest.fixture(scope="module")
def salesforce(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("salesforce")
    write_sample_company(folder / "inputs", partners=PARTNERS)
    others = {
        "account_mapping": files(f"account_mapping/{DAY}", "account_mapping"),
        "prm": files(f"prm/{DAY}", "prm"),
    }
    by_files = built(folder / "files.yml", {"crm": files(f"crm/{DAY}", "crm"), **others}, folder / "inputs")
    with served("salesforce") as crm:
        by_api = built(folder / "api.yml", {"crm": crm, **others}, folder / "inputs")
    return Pair(by_files, by_api)


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("hubspot")
    write_crm(folder / "crm", World(partners=PARTNERS), as_of=DROP_2)
    hubspot_templates(folder / "crm", folder / "inputs" / "crm")
    policy = {"policy": {"active": "sample-programme"}}
    by_files = built(folder / "files.yml", {"crm": files("crm", "crm")}, folder / "inputs", **policy)
    with served("hubspot") as crm:
        by_api = built(folder / "api.yml", {"crm": crm}, folder / "inputs", **policy)
    return Pair(by_files, by_api)


@pytest.mark.parametrize("table", RELEASED_TABLES)
def test_salesforce_gives_the_tables_of_the_files(table: str, salesforce: Pair) -> None:
    assert salesforce.differences(table) == []


@pytest.mark.parametrize("table", RELEASED_TABLES)
def test_hubspot_gives_the_tables_of_the_files(table: str, hubspot: Pair) -> None:
    assert hubspot.differences(table) == []


@pytest.mark.parametrize("vendor", ["salesforce", "hubspot"])
def test_there_is_something_to_compare(vendor: str, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(vendor)
    assert pair.count("partner_segments") > PARTNERS / 2
    assert pair.count("partner_level_history") > 12 * PARTNERS / 2

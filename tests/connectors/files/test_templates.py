"""The templates: no name means two things, other tools' names are known, and people get them written out."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import pytest

from pipelines.connector import find
from pipelines.connectors.files import entity_of
from pipelines.templates import KINDS, TEMPLATES, columns_of, entities_of, nearest, required_of, spelled, words_of
from tests.conftest import ROOT, segments
from tests.connectors.files.ground import Ground

# The header lines that PRM vendors' customers were asked to upload.
UPLOADS = {
    "activity_events": "event_id,partner_id,user_email,event_type,object_type,object_name,occurred_at",
    "business_plans": "plan_id,partner_id,plan_type,period_start,period_end,status,target_amount,actual_amount,"
    "currency,meeting_date,updated_at",
    "csat": "response_id,partner_id,user_email,survey_name,score,scale_max,comment,responded_at",
    "deal_registrations": "deal_id,partner_id,partner_user_id,crm_opportunity_id,customer_company,deal_name,status,"
    "stage,amount,currency,source,submitted_at,decided_at,expires_at,expected_close_date,closed_at,lost_reason,updated_at",
    "leads": "lead_id,partner_id,direction,status,customer_company,customer_email,amount,currency,submitted_at,"
    "accepted_at,converted_at,updated_at",
    "mdf_claims": "claim_id,request_id,partner_id,status,claimed_amount,approved_amount,currency,submitted_at,paid_at,"
    "updated_at",
    "mdf_requests": "request_id,partner_id,fund_name,activity_type,status,requested_amount,approved_amount,currency,"
    "submitted_at,decided_at,activity_start,activity_end,updated_at",
    "partner_users": "user_id,partner_id,email,first_name,last_name,job_title,role,is_active,is_primary,created_at,"
    "last_login_at,updated_at",
    "partners": "partner_id,partner_name,crm_account_id,website_domain,status,tier,program_group,partner_type,motion,"
    "region,country,industry,partner_manager_email,joined_date,activated_date,parent_partner_id,is_test,updated_at",
    "rewards": "reward_id,partner_id,transaction_id,deal_id,status,amount,currency,description,earned_at,paid_at,"
    "updated_at",
    "training_completions": "record_id,partner_id,user_email,course_or_cert_name,record_type,status,progress_pct,"
    "enrolled_at,completed_at,expires_at,updated_at",
    "transactions": "transaction_id,partner_id,customer_id,deal_id,transaction_date,amount,currency,product,approved,"
    "updated_at",
}
NOT_OURS = {"partners": {"partner_type", "activated_date", "parent_partner_id"}}


@pytest.mark.parametrize("entity", TEMPLATES)
def test_no_header_means_two_columns(entity: str) -> None:
    meant: dict[str, str] = {}
    for column in columns_of(entity):
        for word in {spelled(word) for word in (column.name, *column.aliases)}:
            assert meant.setdefault(word, column.name) == column.name, word


def test_no_file_name_means_two_entities() -> None:
    for entity, template in TEMPLATES.items():
        for name in (entity, *template.aliases):
            assert entity_of(name) == entity


@pytest.mark.parametrize("name", UPLOADS)
def test_the_uploads_of_prm_vendors_are_read_without_a_word_of_configuration(ground: Ground, name: str) -> None:
    header = UPLOADS[name].split(",")
    ground.put(f"{name}.csv", [{column: "" if column.endswith("_at") else "1" for column in header}])
    (table,) = ground.extract()
    assert table == entity_of(name, "prm")
    columns = {column.name for column in columns_of(table, "prm")}
    extra = {name for name in ground.rows(table)[0] if name not in columns} - {"file_name", "file_row"}
    assert extra - {column.name for column in columns_of(table)} == NOT_OURS.get(name, set())
    assert ground.rows(table)[0]["source_id"] == "1"


@pytest.mark.parametrize(
    ("entity", "properties"),
    [
        ("accounts", "hs_object_id name domain type industry numberofemployees country hubspot_owner_id createdate"),
        (
            "opportunities",
            "hs_object_id dealname dealstage amount deal_currency_code closedate createdate hs_is_closed "
            "hs_is_closed_won hubspot_owner_id hs_lastmodifieddate",
        ),
    ],
)
def test_the_internal_names_of_hubspots_properties_are_known(entity: str, properties: str) -> None:
    known = words_of(columns_of(entity, "crm"))
    assert [name for name in properties.split() if spelled(name) not in known] == []


def test_required_columns_are_those_of_the_kind() -> None:
    assert required_of("partners", "prm") == ("source_id", "name")
    assert "sharing_level" not in {column.name for column in columns_of("partners", "prm")}
    assert "tier" not in {column.name for column in columns_of("partners", "account_mapping")}
    assert required_of("overlap_counts") == ("partner_id", "own_population", "partner_population", "account_count")
    assert all("metric_facts" in entities_of(kind) for kind in KINDS)


def test_the_tables_of_the_connector_are_the_templates() -> None:
    tables = {table.name: table for table in find("files").tables}
    assert list(tables) == list(TEMPLATES)
    for entity, table in tables.items():
        assert table.columns == tuple(column.name for column in columns_of(entity))
        assert set(table.required) <= set(table.columns)


def test_the_templates_are_the_entities_of_the_warehouse() -> None:
    macro = (ROOT / "dbt_project" / "macros" / "entities.sql").read_text(encoding="utf-8")
    found = re.search(r"set own = (\{.*?\n\})", macro, re.DOTALL)
    assert found
    types = {"text": "varchar", "bool": "boolean", "int": "bigint", "decimal": "decimal", "ts": "timestamp"}
    shared = {"source_id", "is_deleted", "is_test", "updated_at"}
    own = ast.literal_eval(found[1])
    del own["rejected_lines"]
    assert {
        entity: {name: kind.split("(")[0] for name, kind in columns.items() if not name.endswith("_raw")}
        for entity, columns in own.items()
    } == {
        entity: {
            column.name: types.get(column.type, column.type)
            for column in columns_of(entity)
            if column.name not in shared and column.name != "role_raw"
        }
        for entity in TEMPLATES
    }


def test_the_nearest_name_is_near() -> None:
    names = [column.name for column in columns_of("deal_registrations")]
    assert nearest("Amout", names) == "amount"
    assert nearest("Submited At", names) == "submitted_at"
    assert nearest("Moon phase", names) is None


# -- written out -------------------------------------------------------------------------------------------------------


def test_templates_are_written_and_can_be_filled_in(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    done = segments("sources", "template", "leads", "partners", "--kind", "prm", "--to", str(ground.inputs))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in ground.inputs.iterdir()) == ["README.md", "leads.csv", "partners.csv"]
    header = next(csv.reader((ground.inputs / "leads.csv").open(encoding="utf-8")))
    assert header == [column.name for column in columns_of("leads", "prm")]
    guide = (ground.inputs / "README.md").read_text(encoding="utf-8")
    for column in columns_of("leads", "prm"):
        assert f"| {column.name} |" in guide
    ground.refused("partners.csv: a header and 0 rows")
    for name, row in (("leads", {"status": "won", "submitted_at": "2026-03-01"}), ("partners", {"name": "One"})):
        columns = [column.name for column in columns_of(name, "prm")]
        ground.put(
            f"{name}.csv",
            [{column: {"source_id": "1", "partner_id": "1", **row}.get(column, "") for column in columns}],
        )
    assert {table: one.rows for table, one in ground.extract().items()} == {"leads": 1, "partners": 1}


def test_templates_do_not_overwrite(tmp_path: Path) -> None:
    there = tmp_path / "leads.csv"
    there.write_text("mine")
    done = segments("sources", "template", "leads", "--to", str(tmp_path))
    assert done.returncode == 2
    assert "leads.csv: there already, left as it is" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]
    assert there.read_text() == "mine"
    assert segments("sources", "template", "leads", "--to", str(tmp_path), "--force").returncode == 0
    assert there.read_text().startswith("source_id,partner_id")


def test_all_templates_come_by_kind(tmp_path: Path) -> None:
    assert segments("sources", "template", "--to", str(tmp_path)).returncode == 0
    for kind in KINDS:
        assert {path.stem for path in (tmp_path / kind).glob("*.csv")} == set(entities_of(kind))
        assert (tmp_path / kind / "README.md").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("partnrs", "--kind", "prm"), "partnrs: unknown entity, did you mean 'partners'?"),
        (("leads", "--kind", "crm"), "leads: no entity of kind crm"),
        (("--kind", "pr"), "--kind pr: unknown, did you mean 'prm'?"),
        (("partners",), "partners: of kind account_mapping and prm alike"),
        (("accounts", "leads"), "leads: unknown entity"),
    ],
)
def test_templates_that_cannot_be_meant_are_told(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = segments("sources", "template", *words, "--to", str(tmp_path / "new"))
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_sources_lists_and_a_name_describes() -> None:
    listed = segments("sources")
    assert listed.returncode == 0
    assert listed.stdout == segments("sources", "list").stdout
    assert {line.split()[0] for line in listed.stdout.splitlines()} >= {"connector", "files", "salesforce"}
    described = segments("sources", "salesforce")
    assert described.stdout.startswith("salesforce (crm)")
    assert described.stdout == segments("sources", "describe", "salesforce").stdout
    assert segments("sources", "sales").returncode == 2

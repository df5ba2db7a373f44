"""What must not change a number: the order and the files of rows, names, systems that are not there or say nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics import crafted as edge_cases
from metrics.conftest import Shape, Shaped
from metrics.oracle import PRODUCTION_METRICS

ACTIVE_WINDOW = "primary/4/0"
KEPT_NAMES = {"direct", "house account"}
"""Names that the deployment file knows as no partners."""
CHANGED_NAMES = ("accounts", "partners")

SAME = {
    "links": "select source, source_id, rule, partner_id from identity.partner_links",
    "knowledge": "select partner_id, entity from identity.partner_knowledge",
    "credits": "select attribution, kind, opportunity_id, partner_id, credited_amount from metrics.opportunity_credits",
    "values": "select partner_id, quarter_index, window_id, metric, value, is_observed from metrics.metric_values",
    "scores": "select partner_id, quarter, policy, version, total_score, evidence_share from marts.partner_scores",
    "levels": "select partner_id, quarter, ladder, held_level from marts.partner_level_history",
    "funnel": "select * exclude (partner_name) from marts.partner_funnel",
    "overlap": "select * exclude (partner_name) from marts.partner_overlap",
    "plan": "select * exclude (partner_name) from marts.investment_plan",
    "review": "select source, source_id, reason, partner_number, is_on_roster from marts.identity_review",
    "summary": "select * from marts.segment_summary",
}


def _rows(shaped: Shaped, sql: str) -> list[tuple[Any, ...]]:
    return sorted(shaped.rows(sql), key=repr)


def _first_differences(wanted: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> str:
    gone, new = sorted(set(wanted) - set(found), key=repr), sorted(set(found) - set(wanted), key=repr)
    return f"{len(gone)} rows are gone, first {gone[:2]}; {len(new)} are new, first {new[:2]}"


def _shuffled(tables: edge_cases.Tables, chance: random.Random) -> edge_cases.Tables:
    """The same rows in another order, every partner by another name that is as like those of the others as before."""
    made: edge_cases.Tables = {}
    for system, entities in tables.items():
        made[system] = {}
        for entity, rows in entities.items():
            renamed = [dict(row) for row in rows]
            for row in renamed if entity in CHANGED_NAMES else ():
                if row["name"].strip().lower() not in KEPT_NAMES:
                    row["name"] = f"Gruppe {row['name'].upper()}"
            chance.shuffle(renamed)
            made[system][entity] = renamed
    return made


def _add_silent_systems(file: Path) -> None:
    """One more system of every kind, in the same deployment, with a file of every entity and no row in any."""
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    for kind in ("crm", "prm", "account_mapping"):
        entities = list(edge_cases.tables()[kind])
        for entity in entities:
            path = file.parent / "inputs" / f"silent_{kind}" / f"{entity}.csv"
            edge_cases.write_csv(path, ["source_id", *edge_cases.columns_of(kind, entity)], [])
        options = {**settings["sources"][kind]["options"], "folder": f"silent_{kind}", "may_be_empty": entities}
        settings["sources"][f"silent_{kind}"] = {"connector": "files", "options": options}
    edge_cases.write_settings(file.parent, settings)


@pytest.fixture(scope="module")
def retold(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Shaped:
    """The same company: rows in another order and in three files each, other names, systems beside that say nothing."""
    content = _shuffled(edge_cases.tables(), random.Random(7))
    file = edge_cases.write(tmp_path_factory.mktemp("retold"), content, parts=3)
    _add_silent_systems(file)
    return shape(file)


@pytest.fixture(scope="module")
def without_portal(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Shaped:
    """The same company before it bought a PRM and thought of other policies than its active one."""
    folder = tmp_path_factory.mktemp("without-portal")
    policy = {"active": edge_cases.SETTINGS["policy"]["active"]}
    return shape(edge_cases.write(folder, without=("prm", "prm_two"), policy=policy))


@pytest.mark.parametrize("table", SAME)
def test_order_files_names_and_silent_systems_change_no_number(crafted: Shaped, retold: Shaped, table: str) -> None:
    wanted, found = _rows(crafted, SAME[table]), _rows(retold, SAME[table])
    assert wanted
    assert wanted == found, _first_differences(wanted, found)


def test_the_retold_company_is_told_differently(crafted: Shaped, retold: Shaped) -> None:
    names = "select partner_id, partner_name from identity.partners"
    assert not set(crafted.rows(names)) & set(retold.rows(names))
    files = "select count(distinct file_name) from raw_files.opportunities"
    assert (crafted.rows(files), retold.rows(files)) == ([(1,)], [(3,)])  # of either CRM under the same name
    assert {row[0] for row in retold.rows("select source from deployment.capabilities")} >= {"silent_prm", "silent_crm"}


def _of_crm_partners(shaped: Shaped, columns: str, metrics: set[str]) -> list[tuple[Any, ...]]:
    listed = ", ".join(f"'{metric}'" for metric in sorted(metrics))
    return _rows(
        shaped,
        f"select {columns} from metrics.metric_values as v "
        "where exists (select 1 from identity.partner_accounts as a where a.partner_id = v.partner_id) "
        f"and metric in ({listed}) and window_id = '{ACTIVE_WINDOW}'",
    )


def test_without_portal_and_other_policies_no_production_figure_changes(
    crafted: Shaped, without_portal: Shaped
) -> None:
    columns = "partner_id, quarter_index, metric, value, is_observed"
    wanted = _of_crm_partners(crafted, columns, PRODUCTION_METRICS)
    found = _of_crm_partners(without_portal, columns, PRODUCTION_METRICS)
    assert wanted
    assert wanted == found, _first_differences(wanted, found)
    for table in ("metrics.opportunity_credits", "metrics.production_reconciliation"):
        sql = f"select * from {table} where attribution = 'primary'"
        assert _rows(crafted, sql) == _rows(without_portal, sql), table


def test_without_the_portal_what_only_it_knows_is_unknown_and_not_0(crafted: Shaped, without_portal: Shaped) -> None:
    only_portal = {
        row[0] for row in crafted.rows("select metric from seeds.metric_catalogue where sources in ('prm', 'prm;crm')")
    }
    assert len(only_portal) > 10
    rows = _of_crm_partners(without_portal, "metric, value, is_observed", only_portal)
    assert {metric for metric, _, _ in rows} == only_portal
    assert {(value, is_observed) for _, value, is_observed in rows} == {(None, False)}
    assert without_portal.rows("select count(*) from marts.partner_funnel") == [(0,)]


def test_without_the_portal_the_calendar_and_the_mapping_platform_say_the_same(
    crafted: Shaped, without_portal: Shaped
) -> None:
    # Only of partners that are not linked to the mapping platform through the portal.
    linked = "select partner_id, count(*) from identity.partner_links where kind <> 'prm' group by partner_id"
    same = {row[0] for row in set(crafted.rows(linked)) & set(without_portal.rows(linked))}
    assert len(same) > 10
    metrics = {
        "meetings_held",
        "partner_manager_hours",
        "overlap_accounts",
        "icp_overlap_accounts",
        "whitespace_accounts",
    }
    columns = "partner_id, quarter_index, metric, value, is_observed"
    wanted = [row for row in _of_crm_partners(crafted, columns, metrics) if row[0] in same]
    found = [row for row in _of_crm_partners(without_portal, columns, metrics) if row[0] in same]
    assert wanted
    assert wanted == found, _first_differences(wanted, found)

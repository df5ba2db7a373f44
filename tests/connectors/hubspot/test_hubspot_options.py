"""What may be told about a HubSpot source, and what is turned down before anything is asked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.connector import Instance, find
from pipelines.connectors.hubspot import Options, connector
from pipelines.connectors.hubspot.tables import OBJECTS
from pipelines.errors import ConfigError
from tests.connectors.hubspot.ground import Ground


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dialect": "v3"}, "dialect"),
        ({"partner_flag": "is_partner"}, "partner_flag"),
        ({"partner_flag": "is_partner="}, "partner_flag"),
        ({"partner_number_property": "Partner Number"}, "partner_number_property"),
        ({"partner_properties": {"referred_by": "reseller"}}, "partner_properties"),
        ({"partner_labels": {"Reseller": "sold"}}, "partner_labels"),
        ({"partner_labels": {"Reseller": "sourced", " reseller": "fulfilled"}}, "' reseller' and 'Reseller' are one"),
        ({"attribution_order": ["label", "label"]}, "each way may stand once"),
        ({"attribution_order": ["campaign"]}, "attribution_order"),
        ({"custom_properties": {"tickets": ["a"]}}, "unknown object 'tickets'; expected one of: companies, deals"),
        ({"custom_properties": {"deals": ["is_deleted"]}}, "deals: is_deleted: such a column is there already"),
        ({"partner_object": {"role": "sourced"}}, "partner_object.type"),
        ({"task_minutes": -1}, "task_minutes"),
        ({"default_currency": "euro"}, "default_currency"),
        ({"reconcile_every_days": 0}, "reconcile_every_days"),
        ({"token": "pat-eu1-secret"}, "token"),
    ],
)
def test_what_cannot_be_meant_is_turned_down(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options(**wrong)
    assert words in str(caught.value)


def test_a_mistake_names_the_file_and_the_key(ground: Ground) -> None:
    told = r"segments\.yml: sources\.hubspot\.options: partner_label: unknown key; did you mean 'partner_labels'"
    with pytest.raises(ConfigError, match=told):
        ground.instance(partner_label={"Reseller": "sourced"})


def test_a_token_is_sent_over_https_alone(ground: Ground) -> None:
    with pytest.raises(ConfigError, match=r"http://api\.hubapi\.com: expected an address such as https"):
        ground.read(base_url="http://api.hubapi.com")


def test_every_option_has_its_help() -> None:
    bare = [name for name, field in Options.model_fields.items() if not field.description]
    assert bare == []


def test_the_guide_names_every_option_with_its_default_and_every_scope() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "hubspot.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", guide.split("## All options")[1], re.MULTILINE))
    assert list(table) == list(Options.model_fields)
    for name, field in Options.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, bool | int | float | str) and name != "http":
            assert table[name].strip() == str(default).lower().replace("hubspot", "HubSpot"), name
        elif isinstance(default, list) and default:
            assert table[name].strip() == ", ".join(default), name
    assert {kind.scope for kind in OBJECTS.values()} <= set(re.findall(r"`(crm[\w.]+)`", guide))


def test_staging_is_told_what_it_has_to_know() -> None:
    rows = connector.settings_rows(
        Options(
            attribution_order=["label", "property"],
            partner_properties={"referred_by": "sourced"},
            partner_labels={" Champion ": "influenced"},
            primary_label="Lead Partner",
            partner_flag="is_channel=Yes",
            pipelines=["Sales Pipeline"],
            level_property="partner_level",
            task_minutes=20,
        )
    )
    assert set(rows) == {
        ("attribution", "label", "1"), ("attribution", "property", "2"), ("partner_property", "referred_by", "sourced"),
        ("partner_label", "champion", "influenced"), ("primary_label", "lead partner", None),
        ("partner_flag", "is_channel", "yes"), ("pipeline", "sales pipeline", None), ("level", "partner_level", None),
        ("program", "", "HubSpot"), ("ignored_outcome", "CANCELED", None), ("ignored_outcome", "NO_SHOW", None),
        ("minutes_of_a_task", "", "20"),
    }  # fmt: skip


def test_the_connector_is_found_by_its_name_and_offers_levels_only_where_a_property_holds_them() -> None:
    assert find("hubspot") is connector
    assert connector.account_types(Options()) == ["PARTNER", "RESELLER"]
    assert connector.entities_for is not None
    without = Instance("hubspot", connector, Options(), Path())
    assert "program_memberships" not in connector.entities_for(without)
    assert "program_memberships" in connector.entities_for(
        replace(without, options=Options(level_property="partner_level"))
    )
    tables = {table.name for table in connector.tables}
    assert set(connector.entity_tables.values()) <= tables
    assert set(connector.entity_tables) == set(connector.entities)
    assert {kind.table for kind in OBJECTS.values()} <= tables

"""Addresses and steps: how a table's place in DuckDB becomes an asset key, and which step it belongs to."""

from __future__ import annotations

from typing import Any

from dagster import AssetKey
from dagster_dbt import DagsterDbtTranslator

STEP_OF_SCHEMA = {
    "policy": "define",
    "deployment": "define",
    "seeds": "define",
    "released": "deliver",
    "candidate": "deliver",
    "staging": "extract",
    "quarantine": "extract",
    "conformed": "extract",
    "identity": "extract",
    "metrics": "score",
    "scoring": "score",
    "ladders": "segment",
    "marts": "align",
}


def address(schema: str, table: str) -> AssetKey:
    """The key of a table: where it is in DuckDB."""
    return AssetKey([schema, table])


def step_of(schema: str) -> str:
    """The step a schema's tables belong to."""
    return STEP_OF_SCHEMA.get(schema, "extract")


class Addresses(DagsterDbtTranslator):
    """Tells dagster-dbt to name every model, seed and source by its address and group it by step."""

    def get_asset_key(self, dbt_resource_props: Any) -> AssetKey:
        """`[schema, table]`."""
        props = dbt_resource_props
        return address(props["schema"], props.get("identifier") or props.get("alias") or props["name"])

    def get_group_name(self, dbt_resource_props: Any) -> str:
        """The step of the schema."""
        return step_of(dbt_resource_props["schema"])

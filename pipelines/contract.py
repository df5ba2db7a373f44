"""The contract between staging and the conformed layer: which columns every staging model of an entity gives, by type.

It is said once, in `dbt_project/macros/entities.sql`; this reads it there, for those who hold a connector to it or
write the skeleton of one.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from pipelines.shape import PROJECT

_MACRO = PROJECT / "macros" / "entities.sql"


def entity_columns(entity: str) -> dict[str, str]:
    """Columns of an entity and their SQL types, in their order.

    Raises:
        KeyError: there is no such entity.
    """
    common, own, marks = _said()
    return {**common, **own[entity], **marks}


@cache
def _said() -> tuple[dict[str, str], dict[str, dict[str, str]], dict[str, str]]:
    """The three lists of the macro: what every entity begins with, what is its own, what every one ends with."""
    text = _MACRO.read_text(encoding="utf-8")

    def told(name: str) -> str:
        found = re.search(rf"set {name} = (\{{.*?\}}) -%}}", text, re.DOTALL)
        assert found, f"{_MACRO.name}: entity_columns says nothing of {name!r}"
        return found[1]

    # Jinja writes such lists as Python does.
    return ast.literal_eval(told("common")), ast.literal_eval(told("own")), ast.literal_eval(told("marks"))

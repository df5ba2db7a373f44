"""docs/policy.md against the language: each example is read, and each key is explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.policy import json_schema, read_exceptions, read_policies, read_policy
from pipelines.policy.exceptions import ExceptionsDocument
from pipelines.policy.reading import parse_source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
(EXCEPTIONS,) = re.findall(r"```yaml exceptions\n(.*?)```", PAGE, re.DOTALL)

# What an example leaves out.
REST = """\
policy: acme-partners
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
ladders:
  tier:
    audience: partner
    levels:
      - {level: gold, enter: {metric: won_deals, at_least: 9}}
      - {level: registered}
"""


def metrics() -> list[str]:
    catalogue = ROOT / "dbt_project" / "seeds" / "metric_catalogue.csv"
    return [line.split(",")[0] for line in catalogue.read_text(encoding="utf-8").splitlines()[1:]]


def completed(example: str) -> str:
    """An example with the required keys that it does not say."""
    said = set(yaml.safe_load(example))
    parts = re.split(r"(?m)^(?=\w)", REST)
    return example + "".join(part for part in parts if part and part.split(":")[0] not in said)


def test_the_page_has_an_example_for_every_part_of_a_policy() -> None:
    said = {key for example in EXAMPLES for key in yaml.safe_load(example)}
    assert said == set(_keys(json_schema(), deep=False))


@pytest.mark.parametrize("example", EXAMPLES, ids=[" ".join(yaml.safe_load(text)) for text in EXAMPLES])
def test_an_example_is_a_policy_with_what_it_leaves_out(example: str) -> None:
    policy = read_policy(completed(example), metrics())
    assert policy.rows()["policies"]


def test_the_example_of_exceptions_is_read(tmp_path: Path) -> None:
    (tmp_path / "acme.yml").write_text(REST, encoding="utf-8")
    (tmp_path / "exceptions.yml").write_text(EXCEPTIONS, encoding="utf-8")
    assert len(read_exceptions(tmp_path, read_policies(tmp_path, metrics()))) == 1


def test_every_key_of_the_language_stands_in_the_page_and_in_an_example() -> None:
    explained = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", PAGE))))
    keys = {*_keys(json_schema()), *_keys(ExceptionsDocument.model_json_schema(by_alias=True))}
    assert len(keys) > 90
    assert keys - explained == set()
    used = {key for example in (*EXAMPLES, EXCEPTIONS) for key in _written(parse_source(example, "page").data)}
    assert keys - used == set()


def _keys(schema: dict[str, Any], *, deep: bool = True) -> Iterator[str]:
    """Every key that a mapping of the language has a field for."""
    yield from schema["properties"]
    for part in schema["$defs"].values() if deep else ():
        yield from part.get("properties", {})


def _written(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _written(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _written(inner)

"""Every request of the connector, and every answer of our own account, is one that HubSpot's OpenAPI documents know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator

from demo.vendors.hubspot import Asked, HubspotAccount
from pipelines.pull import Window
from tests.connectors.hubspot.ground import BEGAN, TOKEN, Ground, filled, grounds

SPECS = Path(__file__).resolve().parents[4] / "shared" / "vendors" / "specs" / "crm" / "hubspot"
_NUMBERS = ("maxLength", "minLength", "minimum", "maximum", "maxItems", "minItems")
# The documents say text where the wire has objects (sorts) or numbers (toObjectId), and no null where there is one.
_LOOSE = {("PublicObjectSearchRequest", "sorts"), ("MultiAssociatedObjectWithLabel", "toObjectId"),
          ("AssociationSpecWithLabel", "label"), ("StandardError", "subCategory")}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One method of one path of a document."""

    path: str
    method: str
    spec: dict[str, Any]
    components: dict[str, Any]

    def matches(self, asked: Asked) -> bool:
        pattern = "^" + re.sub(r"\{\w+\}", "[^/]+", self.path) + "$"
        return asked.method == self.method and re.match(pattern, asked.path) is not None

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Query parameters by name."""
        return {one["name"]: one for one in self.spec.get("parameters", []) if one["in"] == "query"}

    def faults_of(self, schema: dict[str, Any], value: Any, *, closed: bool) -> list[str]:
        """What is wrong with a value; `closed`: keys that the document does not name are wrong too."""
        whole = {**schema, "components": {"schemas": self.components}}
        validator = Draft202012Validator(_as_schema(whole, closed=closed))
        return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(value)]

    def body_schema(self) -> dict[str, Any] | None:
        content = self.spec.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if content else None

    def answer_schema(self, status: int) -> dict[str, Any]:
        content = self.spec["responses"][str(status)]["content"]
        return next(iter(content.values()))["schema"]


def _as_schema(node: Any, *, closed: bool, name: str = "") -> Any:
    """A part of an OpenAPI document, read as text, as a JSON schema."""
    if isinstance(node, list):
        return [_as_schema(one, closed=closed) for one in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in node.items():
        if key in _NUMBERS:
            made[key] = float(value)
        elif key in ("example", "examples", "default", "description", "readOnly", "deprecated", "title", "format",
                     "discriminator"):  # fmt: skip
            continue
        elif key in ("nullable", "uniqueItems", "additionalProperties") and value in ("true", "false"):
            made[key] = value == "true"
        elif key == "schemas":
            made[key] = {one: _as_schema(of, closed=closed, name=one) for one, of in value.items()}
        elif key == "properties":
            made[key] = {
                one: {} if (name, one) in _LOOSE else _as_schema(of, closed=closed) for one, of in value.items()
            }
        elif key == "required":
            made[key] = [one for one in value if (name, one) not in _LOOSE] if isinstance(value, list) else []
        else:
            made[key] = _as_schema(value, closed=closed)
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if closed and made.get("type") == "object" and made.get("properties") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    """All operations of the documents, those without variables in their path first."""
    if not SPECS.is_dir():
        pytest.skip("HubSpot's OpenAPI documents are not beside this clone")
    found = []
    for path in sorted(SPECS.glob("*.openapi.yaml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        for url, methods in document["paths"].items():
            found += [
                Operation(url, method.upper(), spec, document["components"]["schemas"])
                for method, spec in methods.items()
                if method in ("get", "post")
            ]
    assert len(found) > 200
    return sorted(found, key=lambda one: one.path.count("{"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, list[Asked]]]:
    """Everything the connector asks for, once in full and once for a window, in the older dialect."""
    account = HubspotAccount(clock=BEGAN)
    account.additional_currencies = ["EUR"]
    account.exchange_rates = [
        {"fromCurrencyCode": "EUR", "toCurrencyCode": "USD", "conversionRate": 1.08,
         "effectiveAt": "2026-01-01T00:00:00Z", "visibleInUI": True, "createdAt": "2026-01-01T00:00:00Z",
         "updatedAt": "2026-01-01T00:00:00Z"},
    ]  # fmt: skip
    monkeypatch = pytest.MonkeyPatch()
    with grounds(tmp_path_factory.mktemp("openapi"), monkeypatch, account) as ground:
        companies, deals = filled(ground, 120)
        account.association_page = 2
        for company in companies[:5]:
            account.associate("deals", deals[0], "companies", company, "Reseller")
        account.merge("companies", companies[9], companies[8])
        account.archive("deals", deals[3])
        account.add_owner(7, "some.body@example.com")
        account.create("meetings", {"hs_timestamp": "2026-02-01T10:00:00Z"})
        account.advance(minutes=10)
        with ground.client(dialect="legacy", line_items=True) as client:
            client.probe()
            for stream in client.streams():
                for window in (Window(), ground.last(hours=1)):
                    for _ in stream.read(window):
                        pass
        yield ground, list(account.asked)
    monkeypatch.undo()


def test_every_request_is_one_that_the_documents_know(
    operations: list[Operation], asked: tuple[Ground, list[Asked]]
) -> None:
    seen = set()
    for one in asked[1]:
        operation = next((each for each in operations if each.matches(one)), None)
        assert operation is not None, f"{one.method} {one.path}: in no document"
        seen.add(operation.path)
        known = operation.parameters()
        assert set(one.query) <= set(known), f"{one.path}: {set(one.query) - set(known)}"
        for name, value in one.query.items():
            kind = known[name]["schema"]["type"]
            assert kind != "integer" or value.isdigit(), f"{one.path}: {name}={value}"
            assert kind != "boolean" or value in ("true", "false"), f"{one.path}: {name}={value}"
        schema = operation.body_schema()
        assert (schema is None) == (one.body is None), one.path
        if schema is not None:
            assert operation.faults_of(schema, one.body, closed=True) == [], one.path
    assert len(seen) >= 16


def test_every_answer_of_our_own_account_is_one_that_the_documents_know(
    operations: list[Operation], asked: tuple[Ground, list[Asked]]
) -> None:
    ground, requested = asked
    statuses = set()
    for one in {f"{each.method} {each.path} {each.status}": each for each in requested}.values():
        operation = next(each for each in operations if each.matches(one))
        answer = requests.request(
            one.method, ground.url + one.path, params=one.query, json=one.body,
            headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10,
        )  # fmt: skip
        assert answer.status_code == one.status
        statuses.add(one.status)
        faults = operation.faults_of(operation.answer_schema(one.status), answer.json(), closed=False)
        assert faults == [], f"{one.method} {one.path}: {faults[:3]}"
    assert statuses == {200, 207}


def test_the_check_finds_a_wrong_request(operations: list[Operation]) -> None:
    path = "/crm/v3/objects/deals/batch/read"
    right = Asked("POST", path, {}, {"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": []}, 200)
    operation = next(one for one in operations if one.matches(right))
    schema = operation.body_schema()
    assert schema is not None
    assert operation.faults_of(schema, right.body, closed=True) == []
    for wrong in ({"inputs": [{"id": 1}]}, {"inputs": [{"id": "1"}]}, {**right.body, "limit": 5}):
        assert operation.faults_of(schema, wrong, closed=True)

"""What the kit asks of a connector is asked of all there are; and what is declared badly is told, with the place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from demo.vendors.trial import running, trial_of
from pipelines.connector import Connector, Instance, Table, available, find
from pipelines.connector_checks import Bench, Check, checks
from pipelines.contract import entity_columns
from pipelines.http import HttpOptions
from pipelines.pull import Client, Probe, Stream
from pipelines.templates import TEMPLATES
from tests.kit.vendor import BEGAN, TOKEN, Orchard, connector
from tests.kit.vendor import Client as OrchardClient

STREAMS = "streams are declared so that nothing is lost"
ENTITIES = "entities have a staging model and a table"


@pytest.mark.slow
@pytest.mark.parametrize("name", available())
def test_every_connector_holds_what_the_kit_asks(name: str, tmp_path: Path) -> None:
    trial = trial_of(name)
    with running(trial) if trial else nullcontext() as vendor:
        made = list(checks(find(name), vendor, tmp_path))
    assert [f"{check.what}: {why}" for check in made for why in check.why] == []
    assert len(made) >= (12 if trial else 5)


# -- the declaration ---------------------------------------------------------------------------------------------------


def static(broken: Connector, what: str) -> tuple[str, ...]:
    """The reasons that one of the checks before any reading gives."""
    for check in checks(broken, None, Path("never-there")):
        if check.what == what:
            return check.why
    raise AssertionError(f"no check {what!r}")


def test_an_option_without_words_is_told_also_deep_inside() -> None:
    class Inner(BaseModel):
        said: int = Field(1, description="something")
        unsaid: int = 1

    class Outer(BaseModel):
        folder: str = ""
        inner: Inner = Inner()
        http: HttpOptions = HttpOptions()

    why = static(replace(connector, options=Outer), "every option says what it is")
    assert why == ("option folder: has no description", "option inner.unsaid: has no description")


def table(name: str = "orders", columns: tuple[str, ...] = ("id",), required: tuple[str, ...] = ("id",)) -> Table:
    return Table(name, columns, required, "increment")


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ((), "no table is declared"),
        ((table(), table()), "table orders: declared twice"),
        ((table(columns=()),), "table orders: no columns"),
        ((table(required=()),), "table orders: no column is required; name at least the record's id"),
        ((table(required=("key",)),), "table orders: required column key is none of its columns"),
        ((table(columns=("id", "id")),), "table orders: column id stands twice"),
        ((table(columns=("id", "source")),), "column source has a name that the lake uses itself"),
        ((table(columns=("id", "_dlt_id")),), "column _dlt_id has a name that the lake uses itself"),
        ((table(columns=("id", "StageName")),), "column StageName is no snake case"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tables: tuple[Table, ...], why: str) -> None:
    assert any(why in one for one in static(replace(connector, tables=tables), "tables have columns and keys"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "no entity is fed"),
        ({}, "rejected_lines: no staging model"),
        (
            {"entities": {"accounts": "stg_orchard__companies"}},
            "is called stg_orchard__companies, expected stg_orchard__",
        ),
        ({"entities": {"accounts": "stg_orchard__accounts"}}, "orchard/stg_orchard__accounts.sql is not there"),
        ({"entities": {"leads": "stg_orchard__leads"}}, "leads: no entity of kind crm; expected some of: accounts"),
        ({"entity_tables": {"accounts": "orders"}}, "entity_tables: accounts: the connector feeds no such entity"),
        (
            {"entities": {"accounts": "stg_orchard__accounts"}, "entity_tables": {"accounts": "firms"}},
            "entity_tables: accounts: there is no table firms; expected one of: orders",
        ),
        (
            {"entities": {"accounts": "stg_orchard__accounts"}, "offers_by_load": True},
            "accounts: no table of this name; say in entity_tables which one makes it known",
        ),
        ({}, "_orchard__sources.yml: does not name orders"),
        ({"name": "files"}, "_files__sources.yml: names partners, which the connector does not have"),
        ({"name": "files"}, "_files__models.yml: names stg_files__leads, which the connector does not have"),
    ],
)
def test_what_is_wrong_with_an_entity_is_told(changes: dict[str, Any], why: str) -> None:
    assert any(why in one for one in static(replace(connector, **changes), ENTITIES)), why


def test_an_api_without_a_fake_is_not_yet_a_connector() -> None:
    assert list(checks(connector, None, Path("never-there")))[-1] == Check(
        "the vendor has a fake",
        ("demo/vendors/orchard.py: offers no trial(): a connector with an API is held against a fake of it",),
    )


# -- over the API ------------------------------------------------------------------------------------------------------


@dataclass
class Served:
    """The orchard while it is up."""

    url: str
    orchard: Orchard
    extra: dict[str, Any] = field(default_factory=dict)
    now: datetime = BEGAN + timedelta(days=1)

    @property
    def options(self) -> dict[str, Any]:
        return {"base_url": self.url, **self.extra}

    @property
    def secrets(self) -> dict[str, str]:
        return {"token": TOKEN}


@pytest.fixture
def served() -> Iterator[Served]:
    orchard = Orchard(minutes=60)
    for number in range(5):
        orchard.put(f"o{number}", amount=number)
    with orchard.running() as url:
        yield Served(url, orchard)


def until(broken: Connector, served: Served, what: str, folder: Path) -> tuple[str, ...]:
    """The reasons of one check; those behind it are not asked."""
    for check in checks(broken, served, folder):
        if check.what == what:
            return check.why
    raise AssertionError(f"no check {what!r}")


def with_streams(change: Callable[[Stream], Stream | None]) -> Connector:
    """The orchard's connector with its stream changed, or taken away."""

    class Changed(OrchardClient):
        def streams(self) -> list[Stream]:
            return [new for stream in super().streams() if (new := change(stream)) is not None]

    def connect(instance: Instance) -> Client:
        return Changed(instance)

    return replace(connector, connect=connect)


def columns_of(stream: Stream, *columns: str) -> Stream:
    return replace(stream, table=replace(stream.table, columns=columns))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda x: replace(x, table=replace(x.table, name="deals")),
            "stream deals: the connector declares no such table",
        ),
        (lambda x: columns_of(x, "id", "is_deleted"), "its columns are not those that the connector declares"),
        (lambda x: replace(x, key=()), "stream orders: no key"),
        (lambda x: replace(x, key=("number",)), "stream orders: key number is none of its columns"),
        (lambda x: replace(x, cursor=None), "stream orders: mode increment without a cursor"),
        (lambda x: replace(x, table=replace(x.table, mode="snapshot")), "has a cursor and mode snapshot"),
        (lambda x: replace(x, lookback=timedelta(0)), "no look-back: a change that is stamped late would be lost"),
        (lambda x: columns_of(x, "id", "changed_at"), "lists ids and has no column is_deleted"),
    ],
)
def test_a_stream_that_would_lose_rows_is_told(
    served: Served, tmp_path: Path, change: Callable[[Stream], Stream], why: str
) -> None:
    assert any(why in one for one in until(with_streams(change), served, STREAMS, tmp_path)), why


def test_a_good_stream_has_nothing_to_be_told(served: Served, tmp_path: Path) -> None:
    assert until(connector, served, STREAMS, tmp_path) == ()


def test_an_entity_whose_table_nobody_reads_is_told(served: Served, tmp_path: Path) -> None:
    silent = replace(
        with_streams(lambda stream: None),
        entities={"opportunities": "stg_orchard__opportunities"},
        entity_tables={"opportunities": "orders"},
    )
    (why,) = until(silent, served, STREAMS, tmp_path)
    assert why.startswith("table orders: neither read nor told as missing, and opportunities rests on it")
    assert "pipelines/connectors/orchard.py" in why


def test_a_probe_that_does_not_say_who_we_are_or_says_too_much_is_told(served: Served, tmp_path: Path) -> None:
    class Talks(OrchardClient):
        def probe(self) -> Probe:
            return Probe(" ", [("token", TOKEN)])

    def connect(instance: Instance) -> Client:
        return Talks(instance)

    why = until(replace(connector, connect=connect), served, "a probe answers", tmp_path)
    assert why == ("it does not say who we are",), "and what is a secret is masked before anybody sees it"


def test_rows_that_change_by_themselves_are_told(served: Served, tmp_path: Path) -> None:
    class Numbers(OrchardClient):
        count = 0

        def orders(self, window: Any) -> Iterator[Any]:
            for page in super().orders(window):
                for row in page:
                    Numbers.count += 1
                    row["amount"] = Numbers.count
                yield page

    def connect(instance: Instance) -> Client:
        return Numbers(instance)

    served.orchard.minutes = 60 * 24 - 5
    served.orchard.put("o1", amount=1)
    (why,) = until(replace(connector, connect=connect), served, "an unchanged vendor lands one load", tmp_path)
    assert why.startswith("a second reading of the same records landed orders again")


def test_a_connector_that_breaks_is_told_with_its_words_and_not_with_a_trace(served: Served, tmp_path: Path) -> None:
    def change(stream: Stream) -> Stream:
        raise KeyError("items")

    assert until(with_streams(change), served, STREAMS, tmp_path) == ("KeyError: 'items'",)
    served.extra = {"base_url": "https://127.0.0.1:1", "http": {"attempts": 1}}
    (why,) = until(connector, served, "a probe answers", tmp_path / "two") or ("",)
    assert why == "", "the orchard's probe asks nobody"
    why = until(connector, served, "an unchanged vendor lands one load", tmp_path / "three")[0]
    assert "source orchard: 127.0.0.1:1/v1/orders: no connection" in why


def test_options_that_the_connector_does_not_have_are_told(served: Served, tmp_path: Path) -> None:
    served.extra = {"window_hours": "many"}
    last = list(checks(connector, served, tmp_path))[-1]
    assert last.what == "the trial's options are the connector's"
    assert "window_hours" in last.why[0]


def test_the_bench_leaves_the_environment_as_it_was(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("SEGMENTS_NOW", "2031-01-01T00:00:00Z")
    monkeypatch.delenv("SEGMENTS_ORCHARD_TOKEN", raising=False)
    bench = Bench(connector, served, tmp_path)
    bench.read()
    assert os.environ["SEGMENTS_NOW"] == "2031-01-01T00:00:00Z"
    assert "SEGMENTS_ORCHARD_TOKEN" not in os.environ
    assert bench.load_count() == 1


# -- the contract ------------------------------------------------------------------------------------------------------


def test_the_columns_of_an_entity_are_those_of_the_macro() -> None:
    columns = entity_columns("opportunities")
    assert list(columns)[:5] == ["source", "source_id", "name", "account_id", "amount"]
    assert columns["amount"] == "decimal(18,4)"
    assert all(entity_columns(entity) for entity in TEMPLATES)
    with pytest.raises(KeyError, match="orders"):
        entity_columns("orders")


def test_the_moment_of_a_trial_is_after_its_records() -> None:
    for name in available():
        trial = trial_of(name)
        if trial is not None:
            assert trial.now.tzinfo is not None, name
            assert trial.now > datetime(2020, 1, 1, tzinfo=UTC), name

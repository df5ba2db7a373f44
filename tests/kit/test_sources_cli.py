"""`segments sources list`, `probe`, `new` and `test` as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli.sources
from pipelines.connector import Connector, Instance, available, find
from pipelines.connector_checks import Check, own_tests
from pipelines.http import Answer, Signal, Stop
from pipelines.probing import TableReport, _tables, masked, reads
from pipelines.pull import Client, Missing, Probe, ProbedTable, Stream
from tests.conftest import ROOT, segments
from tests.kit.vendor import TOKEN, Options, Orchard, connector
from tests.kit.vendor import Client as OrchardClient

# -- list --------------------------------------------------------------------------------------------------------------


def test_the_list_says_what_a_connector_reads() -> None:
    listed = segments("sources", "list").stdout.splitlines()
    assert listed[0].split() == ["connector", "kind", "reads", "feeds"]
    for name in available():
        (line,) = [line for line in listed if line.split()[:1] == [name]]
        assert f" {reads(find(name))} " in line


def test_files_an_api_or_both() -> None:
    files = find("files")
    assert reads(files) == "files"
    assert reads(connector) == "API"
    assert reads(replace(connector, read=files.read)) == "files or API"


def test_describe_goes_into_options_of_options() -> None:
    described = segments("sources", "hubspot").stdout
    assert "  http: " in described
    assert "    timeout_seconds: without a byte for so long, a request counts as failed (default: 60" in described


# -- probe over an API -------------------------------------------------------------------------------------------------

FED = replace(
    connector,
    tables=(*connector.tables, replace(connector.tables[0], name="growers")),
    entities={
        "accounts": "stg_orchard__accounts",
        "opportunities": "stg_orchard__opportunities",
        "rejected_lines": "stg_orchard__rejected_lines",
    },
    entity_tables={"accounts": "growers", "opportunities": "orders"},
    offers_by_load=True,
)


class Tells(OrchardClient):
    """A client that asks the vendor something when it is probed, and may not read everything."""

    def probe(self) -> Probe:
        self.http.json("GET", "v1/orders", params={"since": "", "until": ""}, expect=("items",))
        return Probe(
            "reader@orchard.example",
            [("API", "v1"), ("used today", f"17 of 1000, by {TOKEN}")],
            [ProbedTable("orders", "readable", "since 2019")],
        )

    def missing(self) -> list[Missing]:
        return [
            Missing("growers", None, "the token may not read it"),
            Missing("orders", "amount", "hidden from us"),
        ]


def told(instance: Instance) -> Client:
    return Tells(instance)


@dataclass
class Probed:
    """The orchard as the only source of a deployment file, asked by the command."""

    orchard: Orchard
    file: Path
    monkeypatch: pytest.MonkeyPatch
    url: str
    connector: Connector

    def ask(self, *words: str, **options: Any) -> tuple[int, str, str]:
        one = Instance("orchard", self.connector, Options(base_url=self.url, **options), Path())
        self.monkeypatch.setattr(cli.sources, "instances", lambda settings: [one])
        self.monkeypatch.setenv("SEGMENTS_ORCHARD_TOKEN", TOKEN)
        self.monkeypatch.setenv("COLUMNS", "200")
        done = CliRunner().invoke(cli.sources.app, ["probe", "orchard", "-c", str(self.file), *words])
        return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probed]:
    file = tmp_path / "segments.yml"
    file.write_text("sources: {orchard: {connector: files, options: {kind: crm}}}\npolicy: {active: none}\n")
    orchard = Orchard(minutes=60)
    orchard.put("o1", amount=1)
    with orchard.running() as url:
        yield Probed(orchard, file, monkeypatch, url, replace(FED, connect=told))


def test_a_probe_says_who_we_are_what_may_be_read_and_what_is_unknown(probed: Probed) -> None:
    code, text, _ = probed.ask()
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "orchard: orchard (crm), over its API"
    assert "we are reader@orchard.example" in lines
    assert "API v1" in lines
    assert "orders partly without amount (hidden from us)" in lines
    assert "growers not readable the token may not read it" in lines
    assert "opportunities known orders: without amount (hidden from us)" in lines
    assert "accounts unknown growers: the token may not read it" in lines
    assert not any("rejected_lines" in line for line in lines)


def test_a_probe_never_prints_a_secret_whatever_the_connector_says(probed: Probed) -> None:
    _, text, _ = probed.ask()
    assert "17 of 1000, by ***" in text
    _, text, _ = probed.ask("--json")
    assert json.loads(text)["facts"]["used today"] == "17 of 1000, by ***"
    assert TOKEN not in text


def test_a_probe_as_json_has_the_same_facts(probed: Probed) -> None:
    code, text, _ = probed.ask("--json")
    said = json.loads(text)
    assert (code, said["reads"], said["identity"]) == (0, "API", "reader@orchard.example")
    assert {one["entity"]: one["is_known"] for one in said["entities"]} == {"accounts": False, "opportunities": True}
    assert {one["table"]: (one["state"], one["columns_missing"]) for one in said["tables"]} == {
        "orders": ("partly", ["amount"]),
        "growers": ("not readable", []),
    }


def test_a_probe_that_is_refused_ends_with_the_kits_words_and_code(probed: Probed) -> None:
    class Stranger(Tells):
        def __init__(self, instance: Instance) -> None:
            super().__init__(instance)
            self.http._auth = type(self.http._auth)("wrong-" + TOKEN)  # type: ignore[call-arg, misc]

    def connect(instance: Instance) -> Client:
        return Stranger(instance)

    probed.connector = replace(FED, connect=connect)
    code, text, problem = probed.ask()
    assert code == 3
    assert "credentials turned down (401" in problem
    assert "SEGMENTS_ORCHARD_..." in problem
    assert TOKEN not in text + problem
    code, text, _ = probed.ask("--json")
    assert (code, json.loads(text)["exit_code"]) == (3, 3)


def test_a_probe_of_a_vendor_that_is_down_or_out_of_quota_ends_with_3(probed: Probed) -> None:
    def spent(answer: Answer, attempt: int) -> Signal | None:
        return Stop("the daily quota is used up")

    class Spent(Tells):
        def __init__(self, instance: Instance) -> None:
            super().__init__(instance)
            self.http._classify = spent

    def connect(instance: Instance) -> Client:
        return Spent(instance)

    probed.connector = replace(FED, connect=connect)
    assert probed.ask()[0] == 3
    probed.connector = replace(FED, connect=told)
    probed.url = "http://127.0.0.1:1"
    code, _, problem = probed.ask(http={"attempts": 1})
    assert (code, "no connection" in problem) == (3, True)


def test_a_source_that_is_not_configured_is_told_with_the_nearest(probed: Probed) -> None:
    done = CliRunner().invoke(cli.sources.app, ["probe", "orchart", "-c", str(probed.file)])
    assert done.exit_code == 2
    assert "no source 'orchart', did you mean 'orchard'?" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("probe", "state", "detail"),
    [
        ([], "readable", ""),
        ([ProbedTable("orders", "readable", "12 fields")], "readable", "12 fields"),
        ([ProbedTable("orders", "not readable", "no right")], "not readable", "no right"),
        ([ProbedTable("Orders", "partly", "without Amount")], "partly", "without Amount"),
    ],
)
def test_what_the_probe_and_the_streams_say_of_a_table_is_told_as_the_worse(
    probe: list[ProbedTable], state: str, detail: str
) -> None:
    stream = Stream(connector.tables[0], lambda window: iter(()))
    assert _tables(connector, [stream], [], probe) == [TableReport("orders", state, detail)]


def test_a_table_that_no_stream_reads_is_told_so_and_one_that_only_the_probe_knows_as_well() -> None:
    found = _tables(connector, [], [], [ProbedTable("Contract", "readable")])
    assert found == [
        TableReport("orders", "not read", "these options, or this account, do not call for it"),
        TableReport("Contract", "readable"),
    ]


def test_masking_takes_what_is_long_enough_to_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Instance("orchard", connector, Options(base_url="https://orchard.example"), Path())
    monkeypatch.setenv("SEGMENTS_ORCHARD_TOKEN", "s3cret-value")
    monkeypatch.setenv("SEGMENTS_ORCHARD_KEY", "v1")
    monkeypatch.setenv("SEGMENTS_OTHER_TOKEN", "another-value")
    assert masked(one, "v1 s3cret-value another-value") == "v1 *** another-value"


# -- probe over files --------------------------------------------------------------------------------------------------


def test_a_probe_of_files_says_which_file_is_which_entity(tmp_path: Path) -> None:
    (tmp_path / "segments.yml").write_text(
        "sources: {crm: {connector: files, options: {kind: crm, folder: crm}}}\npolicy: {active: none}\n"
        "paths: {inputs: inputs}\n"
    )
    drops = {"2026-07-05": ("accounts", "opportunities"), "2026-10-05": ("accounts",)}
    for day, names in drops.items():
        folder = tmp_path / "inputs" / "crm" / day
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.csv").write_text("source_id,name\n1,One\n")
    done = segments("sources", "probe", "crm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "crm: files (crm), from files"
    assert "rows unknown until they are loaded" in lines
    assert "accounts readable 2026-10-05/accounts.csv, exported 2026-10-05 00:00 UTC, and 1 earlier" in lines
    assert "opportunities known from opportunities" in lines
    assert "meetings unknown no file of meetings" in lines
    assert not any(line.startswith("leads") for line in lines), "no entity of a CRM"
    said = json.loads(segments("sources", "probe", "crm", "--json", cwd=tmp_path).stdout)
    assert (said["reads"], len(said["tables"])) == ("files", 2)


def test_a_probe_of_a_folder_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "segments.yml").write_text(
        "sources: {crm: {connector: files, options: {kind: crm, folder: gone}}}\npolicy: {active: none}\n"
    )
    done = segments("sources", "probe", "crm", cwd=tmp_path)
    assert done.returncode == 3
    assert "not there" in done.stderr


# -- new and test ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Orchard", "--kind", "crm"), "no name for a connector"),
        (("orchard__x", "--kind", "crm"), "no name for a connector"),
        (("orchard", "--kind", "erp"), "--kind erp: unknown"),
        (("files", "--kind", "crm"), "files: there is a connector of this name"),
        (("deployment", "--kind", "crm"), "the project uses this word itself"),
    ],
)
def test_new_refuses_what_would_not_do_and_writes_nothing(words: tuple[str, ...], message: str) -> None:
    before = sorted((ROOT / "pipelines" / "connectors").iterdir())
    done = CliRunner().invoke(cli.sources.app, ["new", *words])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert sorted((ROOT / "pipelines" / "connectors").iterdir()) == before


def test_new_without_a_kind_asks_for_it() -> None:
    done = CliRunner().invoke(cli.sources.app, ["new", "orchard"])
    assert done.exit_code == 2
    assert "--kind" in done.stderr


def test_test_prints_every_check_and_ends_with_1_while_one_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Check("one thing"), Check("another thing", ("a table is not read", "a column is not mapped"))]
    monkeypatch.setattr(cli.sources, "_checks", lambda name, folder: iter(made))
    monkeypatch.setattr(
        "pipelines.connector_checks.own_tests", lambda name, folder: iter([Check("its own tests: 3 hold")])
    )
    done = CliRunner().invoke(cli.sources.app, ["test", "files"])
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "ok       one thing",
        "not yet  another thing",
        "         a table is not read",
        "         a column is not mapped",
        "ok       its own tests: 3 hold",
        "1 not yet",
    ]
    monkeypatch.setattr(cli.sources, "_checks", lambda name, folder: iter(made[:1]))
    assert CliRunner().invoke(cli.sources.app, ["test", "files"]).exit_code == 0


def test_test_of_a_connector_that_is_not_there_ends_with_2() -> None:
    done = CliRunner().invoke(cli.sources.app, ["test", "filez"])
    assert done.exit_code == 2
    assert "did you mean 'files'?" in done.stderr


def test_own_tests_are_told_one_line_per_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tests" / "connectors" / "orchard"
    folder.mkdir(parents=True)
    (folder / "test_orchard_rows.py").write_text(
        "import pytest\n\n"
        "def test_good():\n    assert True\n\n"
        "@pytest.mark.parametrize('n', [1, 2, 3])\n"
        "def test_open(n):\n    pytest.fail('map the column\\nand say so', pytrace=False)\n\n"
        "@pytest.fixture\ndef broken():\n    raise ValueError('no table')\n\n"
        "def test_error(broken):\n    pass\n"
    )
    monkeypatch.setattr("pipelines.connector_checks._ROOT", tmp_path)
    made = list(own_tests("orchard", tmp_path))
    assert [(one.what, one.why) for one in made] == [
        ("its own tests: test_open[1] and 2 more", ("map the column and say so",)),
        ("its own tests: test_error", ("ValueError: no table",)),
        ("its own tests: 1 hold", ()),
    ]
    assert list(own_tests("plum", tmp_path)) == [], "no folder of tests, no word about it"

"""Documentation can fail: what people read is held against the code it speaks of."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from pipelines import errors, release
from pipelines.connector import available, find
from pipelines.errors import SegmentsError
from pipelines.policy import read_policy, schema_text
from pipelines.settings import Settings, read_settings
from pipelines.shape import metric_names, plan
from pipelines.template import TEMPLATE
from pipelines.warehouse import Places, memory

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def module_at(path: Path) -> ModuleType:
    """A script that is no package, as a module."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def section(text: str, heading: str) -> str:
    """What stands between a heading and the next one of its kind."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[list[str]]:
    """The body of the first Markdown table in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code_of(text: str) -> Iterator[str]:
    """Code of a document line by line: fenced, indented, and between backticks."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip().removeprefix("$ ")
        else:
            yield from re.findall(r"`([^`]+)`", line)


# --- commands -------------------------------------------------------------------------------------------------------


def commands_in_documents() -> list[tuple[str, str]]:
    return [
        (path.relative_to(ROOT).as_posix(), code.split("  #")[0].strip())
        for path in DOCUMENTS
        for code in code_of(path.read_text(encoding="utf-8"))
        if re.match(r"(\.venv/bin/)?segments [a-z]", code)
    ]


@pytest.mark.parametrize(("document", "command"), commands_in_documents())
def test_every_command_in_the_documents_exists_with_its_options(document: str, command: str) -> None:
    group: Any = typer.main.get_command(app)
    words = re.sub(r'"[^"]*"', "TEXT", command).split()[1:]
    known: dict[str, Any] = group.commands
    assert words[0] in known, f"{document}: there is no `segments {words[0]}`"
    chosen = known[words[0]]
    if len(words) > 1 and words[1] in getattr(chosen, "commands", {}):
        chosen = chosen.commands[words[1]]
    options = {flag for parameter in chosen.params for flag in [*parameter.opts, *parameter.secondary_opts]}
    for word in words[1:]:
        if word.startswith("-"):
            assert word.split("=")[0] in options, f"{document}: `segments {words[0]}` has no {word}"


def test_the_readme_shows_every_command() -> None:
    shown = {row[0].strip("`").removeprefix("segments ") for row in rows(section(README, "Commands"))}
    assert shown == set(typer.main.get_command(app).commands)


def test_options_in_the_readmes_table_of_commands_exist() -> None:
    known = typer.main.get_command(app).commands
    for command, what in rows(section(README, "Commands")):
        options = {flag for parameter in known[command.strip("`").split()[1]].params for flag in parameter.opts}
        assert set(re.findall(r"`(--[a-z-]+)", what)) <= options, command


def test_every_word_of_the_developer_in_the_documents_exists() -> None:
    words = {*module_at(ROOT / "dev.py").WORDS, "setup"}
    used = {
        match[1]
        for path in [*DOCUMENTS, ROOT / ".ci" / "run"]
        for match in re.finditer(r"\bdev\.py ([a-z]+)", path.read_text(encoding="utf-8"))
    }
    assert used <= words
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"python3 dev.py {word}" in contributing for word in words)


def test_the_readmes_first_screen_has_the_two_commands() -> None:
    first = README.splitlines()[:25]
    assert any(line.strip().startswith("python3 dev.py run") for line in first)
    assert any(line.strip().startswith("python3 dev.py test") for line in first)


# --- tables of the README -------------------------------------------------------------------------------------------


def test_the_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SegmentsError)]
    codes = {kind.exit_code: kind.title for kind in kinds if kind.__name__ != "PolicyError"}
    table = {int(code): meaning for code, meaning, _ in rows(section(README, "Exit codes"))}
    assert set(table) == {0, 130} | set(codes)
    for code, title in codes.items():
        assert code == 1 or title in table[code], f"{code}: {table[code]!r} does not say {title!r}"
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [int(row[0]) for row in rows(section(operations, "Exit codes, and what to do"))] == list(table)
    epilog = app.info.epilog or ""
    assert {int(code) for code in re.findall(r"\b(\d+) ", epilog)} == set(table) - {130}


def test_the_connector_table_is_that_of_the_connectors() -> None:
    table = {name: (kind, feeds) for name, kind, feeds, _ in rows(section(README, "Connectors"))}
    assert sorted(table) == available()
    for name, (kind, feeds) in table.items():
        connector = find(name)
        assert kind == connector.kind
        assert feeds == ", ".join(entity for entity in connector.entities if entity != "rejected_lines")


def test_the_policy_in_the_readme_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(policy: .*?)```", README, re.DOTALL)
    assert read_policy(text, metric_names()).key == "five-minutes@2026-01"


def test_the_schema_beside_the_policies_is_that_of_the_language() -> None:
    assert (ROOT / "policies" / "policy.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == version
    assert f"Version {version}" in section(README, "Status")


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")) and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_document_the_code_points_to_is_there() -> None:
    files = [path for pattern in ("*.py", "*.sql", "*.yml", "*.toml", "*.txt") for path in ROOT.glob(f"**/{pattern}")]
    missing = []
    for path in files:
        if any(
            part.startswith(".") or part in ("data", "target", "build") for part in path.relative_to(ROOT).parts[:-1]
        ):
            continue
        for number in re.findall(r"docs/decisions/(\d{4})", path.read_text(encoding="utf-8")):
            if not list((ROOT / "docs" / "decisions").glob(f"{number}-*.md")):
                missing.append(f"{path.relative_to(ROOT)}: decision {number}")
        for name in re.findall(r"docs/([a-z-]+\.md)", path.read_text(encoding="utf-8")):
            if not (ROOT / "docs" / name).exists():
                missing.append(f"{path.relative_to(ROOT)}: docs/{name}")
    assert missing == []


def test_every_decision_is_listed_under_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = {
        target: title
        for _, target, title in re.findall(
            r"\| \[(\d+)\]\((\S+)\) \| (.*) \|", (folder / "README.md").read_text(encoding="utf-8")
        )
    }
    there = {}
    for path in sorted(folder.glob("0*.md")):
        head = path.read_text(encoding="utf-8").splitlines()[0]
        assert head.startswith(f"# {path.name[:4]}: ")
        there[path.name] = head[8:]
    assert listed == there


# --- the data dictionary --------------------------------------------------------------------------------------------


def test_the_data_dictionary_is_up_to_date() -> None:
    made = module_at(ROOT / "docs" / "generate.py").text()
    committed = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert committed == made, "run `python docs/generate.py`"


def test_the_tables_that_the_release_adds_are_described_as_they_are(tmp_path: Path) -> None:
    described = module_at(ROOT / "docs" / "generate.py").OWN_TABLES
    with memory() as con:
        release._write_results(con, Places(tmp_path), [{"release": "2026Q3-000000000000", "quarter": "2026Q3"}], [])
        release._write_chain(con, [])
        for table, (_, columns) in described.items():
            there = [(row[0], row[1].lower()) for row in con.execute(f"describe main.{table}").fetchall()]
            assert [(name, kind) for name, kind, _ in columns] == there, table


# --- the three files a user edits -----------------------------------------------------------------------------------


def test_the_file_that_init_writes_can_be_read_and_planned(tmp_path: Path) -> None:
    (tmp_path / "segments.yml").write_text(TEMPLATE, encoding="utf-8")
    (tmp_path / "policies").mkdir()
    policy = ROOT / "policies" / "partner-programme.yml"
    (tmp_path / "policies" / policy.name).write_text(policy.read_text(encoding="utf-8"), encoding="utf-8")
    settings = read_settings(tmp_path / "segments.yml")
    assert [source.connector.name for source in plan(settings).sources] == ["files"]


def test_the_file_that_init_writes_states_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "segments.yml").write_text(TEMPLATE, encoding="utf-8")
    settings = read_settings(tmp_path / "segments.yml")
    stated = ("fiscal_calendar", "timezone", "reporting_currency", "icp", "identity", "privacy", "quality", "schedule")
    for name in (*stated, "paths"):
        assert getattr(settings, name) == Settings.model_fields[name].get_default(call_default_factory=True), name


def test_the_file_that_init_writes_names_every_key() -> None:
    for key in Settings.model_fields:
        if key != "sample":  # the built-in sample company is nobody's own
            assert re.search(rf"^(# )?{key}:", TEMPLATE, re.MULTILINE), key


def test_the_file_that_init_writes_still_reads_with_every_suggestion_taken(tmp_path: Path) -> None:
    text = re.sub(r"^( *)# ( *\w+:( |$))", r"\1\2", TEMPLATE, flags=re.MULTILINE)
    text = re.sub(r"^(\w+): \[\]\n#(  - )", r"\1:\n\2", text, flags=re.MULTILINE)
    path = tmp_path / "segments.yml"
    path.write_text(text, encoding="utf-8")
    settings = read_settings(path)
    assert settings.exchange_rates
    assert settings.alerts
    assert settings.as_of
    assert settings.identity.crosswalk
    assert {source.connector for source in settings.sources.values()} == set(available())
    for name, source in settings.sources.items():
        options = find(source.connector).options
        assert set(source.options) <= set(options.model_fields)
        options(**source.options)
        if name == "crm":
            # What files are called and how they are spelled is nowhere else to be read; an API's options have a page.
            assert set(source.options) == set(options.model_fields)


def test_the_names_in_env_example_are_those_the_code_reads() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?(SEGMENTS_[A-Z_]+)=", example, re.MULTILINE))
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("pipelines", "data_quality", "review", "assets", "cli", "dbt_project")
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in (".py", ".sql", ".yml") and "target" not in path.parts
    )
    read = set(
        re.findall(r"""(?:environ(?:\.get\(|\[)|getenv\(|envvar=|env_var\()\s*["'](SEGMENTS_[A-Z_]+)["']""", code)
    )
    # Handed from shape.py to dbt; nobody sets it by hand.
    assert named == read - {"SEGMENTS_WAREHOUSE"}
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = {row[0].strip("`") for row in rows(section(operations, "Environment"))}
    assert documented >= named | {"SEGMENTS_<SOURCE>_<FIELD>", "SEGMENTS_ALERT_<NAME>"}


def test_the_examples_can_be_read_and_planned() -> None:
    for path in [ROOT / "segments.yml", *sorted((ROOT / "examples").glob("*/segments.yml"))]:
        assert plan(read_settings(path)).policies, path


def test_both_names_of_the_code_location_are_the_same() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    (module,) = (entry["python_module"] for entry in workspace["load_from"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]["project"]
    assert module["location_name"] == project["code_location_name"]
    assert module["module_name"] == project["code_location_target_module"]


# --- operations -------------------------------------------------------------------------------------------------------


def test_the_places_in_operations_are_those_of_a_deployment(tmp_path: Path) -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    described = {row[0].strip("`").rstrip("/").split("/")[0] for row in rows(section(operations, "Where things are"))}
    places = Places(tmp_path)
    there = {
        getattr(places, name).relative_to(tmp_path).parts[0]
        for name, member in vars(Places).items()
        if isinstance(member, property)
    }
    assert described == there


def test_the_schedules_in_operations_are_those_of_the_graph() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    described = {row[0].strip("`") for row in rows(section(operations, "Schedules"))}
    graph = (ROOT / "assets" / "graph.py").read_text(encoding="utf-8")
    assert described == set(re.findall(r'name="(\w+_schedule)"', graph))

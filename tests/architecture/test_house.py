"""The walls of the house: which room imports what, and which lists that stand in two places say the same."""

from __future__ import annotations

import ast
import csv
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from data_quality.suite import read_suites
from pipelines.connector import Instance, available, find
from pipelines.lake import REJECTED_TABLE
from pipelines.policy import ATTRIBUTES, read_policies
from pipelines.policy import TABLES as POLICY_TABLES
from pipelines.release import RELEASED_TABLES
from pipelines.shape import DEPLOYMENT_TABLES, dbt_vars, metric_names

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
MODELS = PROJECT / "models"
ROOMS = ("pipelines", "data_quality", "review", "assets", "cli")
OWN_STAGING = ("policy", "deployment", "released")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def sql_files() -> list[Path]:
    return sorted(path for path in PROJECT.rglob("*.sql") if "target" not in path.parts)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def described_models() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(MODELS.rglob("_*__models.yml")):
        for model in yaml_of(path)["models"]:
            yield path, model


def described_sources() -> dict[str, list[dict[str, Any]]]:
    return {
        source["name"]: source["tables"]
        for path in sorted(MODELS.rglob("_*__sources.yml"))
        for source in yaml_of(path)["sources"]
    }


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# --- walls ----------------------------------------------------------------------------------------------------------


def test_the_import_contracts_hold() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_room_stands_under_the_import_contracts() -> None:
    linter = pyproject()["tool"]["importlinter"]
    packages = {pattern.rstrip("*") for pattern in pyproject()["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert set(linter["root_packages"]) == packages == {*ROOMS, "demo"}
    (layers,) = (contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    assert layers == ["cli", "assets", "review", "data_quality", "pipelines"]


ONLY_IN = {
    "dagster": ("assets/",),
    "dagster_dbt": ("assets/",),
    "dlt": ("pipelines/extract.py",),
    "great_expectations": ("data_quality/gate.py",),
    "sqlalchemy": ("data_quality/",),
    "duckdb_engine": ("data_quality/duck_ro.py",),
    "typer": ("cli/",),
    "rich": ("cli/", "review/"),
    "pandas": (),
    "requests": ("pipelines/http.py",),
    "apprise": ("pipelines/alerts/delivery.py",),
    "tenacity": ("pipelines/http.py",),
    "jwt": ("pipelines/connectors/salesforce/auth.py",),
    "starlette": (),
    "uvicorn": (),
}


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_known_to_its_room_alone(library: str) -> None:
    users = {relative(path) for path in python_files(*ROOMS) if library in imported_by(path)}
    strangers = {user for user in users if not user.startswith(ONLY_IN[library])} if ONLY_IN[library] else users
    assert strangers == set()


def imported_by(path: Path) -> set[str]:
    """Top-level packages that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_every_module_says_what_belongs_in_it() -> None:
    files = [*python_files(*ROOMS, "demo", "benchmarks", "tests", "docs"), ROOT / "dev.py"]
    bare = [relative(path) for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert bare == []


def test_no_two_test_modules_share_a_name() -> None:
    # tests/journey and tests/demo both had a test_sample_company.py, and pytest refused to collect the second.
    twice = [
        name for name, count in Counter(path.name for path in (ROOT / "tests").rglob("test_*.py")).items() if count > 1
    ]
    assert twice == []


# --- policy is data -------------------------------------------------------------------------------------------------

# Words of the policy language, of SQL or of the data that a programme happens to use for a level or a criterion too: a
# kind of credit is called influence, a registration is won, and a CRM has an object called deals.
NO_NAMES = {"none", "influence", "won", "deals"}


def programme_names() -> set[str]:
    names: set[str] = set()
    for policy in read_policies(ROOT / "policies", metric_names()):
        names |= {level.level for ladder in policy.document.ladders.values() for level in ladder.levels}
        names |= {criterion.id for criterion in (policy.document.score.criteria if policy.document.score else [])}
        names.add(policy.name)
    # A criterion may bear its metric's name, and metrics are SQL's own.
    return names - NO_NAMES - set(metric_names())


def test_no_programmes_level_or_criterion_is_named_in_sql() -> None:
    names = programme_names()
    assert len(names) > 10
    found = [
        f"{relative(path)}: '{literal}'"
        for path in sql_files()
        for literal in re.findall(r"'([^'\n]*)'", path.read_text(encoding="utf-8"))
        if literal in names
    ]
    assert found == []


def test_no_programmes_level_or_criterion_is_named_in_python() -> None:
    names = programme_names()
    found = [
        f"{relative(path)}:{node.lineno}: {node.value!r}"
        for path in python_files(*ROOMS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert found == []


def test_the_policy_tables_are_those_the_sql_knows() -> None:
    assert [table["name"] for table in described_sources()["policy"]] == list(POLICY_TABLES)


def test_the_deployment_tables_are_those_the_sql_knows() -> None:
    assert [table["name"] for table in described_sources()["deployment"]] == list(DEPLOYMENT_TABLES)


def test_the_attributes_a_policy_may_use_are_those_the_sql_offers() -> None:
    sql = (MODELS / "intermediate" / "identity" / "int_partner_attributes.sql").read_text(encoding="utf-8")
    (listed,) = re.findall(r"for attribute in \[([^\]]*)\]", sql)
    assert {name.strip().strip("'") for name in listed.split(",")} == set(ATTRIBUTES)


def test_the_metric_catalogue_and_the_sql_name_the_same_metrics() -> None:
    computed: list[str] = []
    for path in sorted((PROJECT / "macros").glob("*.sql")):
        # A list of metrics: the macro's only statement returns it, one bracket per metric, the name first.
        lists = re.findall(
            r"macro \w+_metrics\(\) -%\}\n\{\{ return\(\[(.*?)\]\) \}\}", path.read_text(encoding="utf-8"), re.DOTALL
        )
        computed += re.findall(r"(?:^|\s)\(\s*'(\w+)',", "\n".join(lists))
    values = (MODELS / "intermediate" / "metrics" / "int_metric_values.sql").read_text(encoding="utf-8")
    computed += re.findall(r"u\.metric = '(\w+)'", values)
    with (PROJECT / "seeds" / "metric_catalogue.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    catalogued = [row["metric"] for row in rows]
    assert Counter(computed) == Counter(catalogued) == Counter(metric_names())
    assert all(row["definition"] and row["unit"] and row["owner"] for row in rows)
    assert {row["direction"] for row in rows} <= {"higher", "lower"}


# --- dbt ------------------------------------------------------------------------------------------------------------


def test_every_model_is_described_and_every_description_has_its_model() -> None:
    described = Counter(f"{path.parent.relative_to(MODELS)}/{model['name']}" for path, model in described_models())
    there = Counter(path.relative_to(MODELS).with_suffix("").as_posix() for path in MODELS.rglob("*.sql"))
    assert described == there


def test_every_description_begins_with_the_grain() -> None:
    tables = [table for source in described_sources().values() for table in source]
    seeds = yaml_of(PROJECT / "seeds" / "_seeds.yml")["seeds"]
    things = [*(model for _, model in described_models()), *tables, *seeds]
    assert [thing["name"] for thing in things if not thing.get("description", "").startswith("One row per ")] == []


def test_every_seed_is_described() -> None:
    seeds = {seed["name"] for seed in yaml_of(PROJECT / "seeds" / "_seeds.yml")["seeds"]}
    assert seeds == {path.stem for path in (PROJECT / "seeds").glob("*.csv")}


def test_every_column_with_a_contract_is_described_and_typed() -> None:
    bare = []
    for path, model in described_models():
        if path.parent.name == "marts":
            assert model.get("columns"), model["name"]
        bare += [
            f"{model['name']}.{column['name']}"
            for column in model.get("columns", [])
            if not column.get("description") or not column.get("data_type")
        ]
    assert bare == []


def test_a_vendors_staging_models_have_one_shape() -> None:
    for folder in vendor_folders():
        for path in sorted(folder.glob("*.sql")):
            sql = re.sub(r"\A\{\{ config\(.*\) \}\}\n\n", "", path.read_text(encoding="utf-8"))
            entity = path.stem.removeprefix(f"stg_{folder.name}__")
            if folder.name == "files" and entity != REJECTED_TABLE:
                # Our own templates have the entities' columns: one macro stages them all.
                assert sql.strip() == f"{{{{ staged_file('{entity}') }}}}", relative(path)
                continue
            assert re.search(r"^with source as \(\n", sql, re.MULTILINE), f"{relative(path)}: has no `source`"
            assert "\nrenamed as (\n" in sql, f"{relative(path)}: has no `renamed`"
            assert sql.rstrip().endswith("\n)\n\nselect * from renamed"), f"{relative(path)}: does not end with renamed"
            read = re.findall(r"source\('(\w+)', '\w+'\)", sql)
            assert set(read) == {f"raw_{folder.name}"}, f"{relative(path)}: reads another vendor's tables"


def test_our_own_staging_models_are_the_table_and_nothing_else() -> None:
    for name in OWN_STAGING:
        for path in sorted((MODELS / "staging" / name).glob("*.sql")):
            table = path.stem.removeprefix(f"stg_{name}__")
            assert path.read_text(encoding="utf-8").strip() == f"select * from {{{{ source('{name}', '{table}') }}}}"


def test_sources_are_read_in_staging_only() -> None:
    readers = [path for path in sql_files() if re.search(r"\bsource\s*\(\s*['\"]", path.read_text(encoding="utf-8"))]
    staging = (MODELS / "staging", PROJECT / "macros" / "staging.sql")
    assert [relative(path) for path in readers if not any(path.is_relative_to(place) for place in staging)] == []


def test_models_are_named_after_their_place() -> None:
    prefixes = {"intermediate": "int_", "marts": ""}
    for path in MODELS.rglob("*.sql"):
        step = path.relative_to(MODELS).parts[0]
        prefix = f"stg_{path.parent.name}__" if step == "staging" else prefixes[step]
        assert path.stem.startswith(prefix), relative(path)


def vendor_folders() -> list[Path]:
    return sorted(path for path in (MODELS / "staging").iterdir() if path.is_dir() and path.name not in OWN_STAGING)


def test_a_connector_has_one_name_in_every_room() -> None:
    assert [folder.name for folder in vendor_folders()] == available()
    for name in available():
        connector = find(name)
        assert connector.name == name
        raw = {table["name"] for table in described_sources()[f"raw_{name}"]}
        assert raw == {table.name for table in connector.tables} | {REJECTED_TABLE}
        models = {path.stem for path in (MODELS / "staging" / name).glob("*.sql")}
        assert set(connector.entities.values()) == models
        assert all(model == f"stg_{name}__{entity}" for entity, model in connector.entities.items())
        assert (ROOT / "tests" / "connectors" / name).is_dir(), f"tests/connectors/{name} is not there"


def test_dbt_by_hand_sees_what_a_run_hands_over() -> None:
    variables = yaml_of(PROJECT / "dbt_project.yml")["vars"]
    sources = [Instance(name, find(name), None, ROOT) for name in variables["connectors"]]
    assert variables == dbt_vars(sources)


# --- nothing leaves unjudged ----------------------------------------------------------------------------------------


def test_every_released_table_has_a_suite_and_every_suite_of_a_candidate_a_released_table() -> None:
    suites = {suite.suite for suite in read_suites() if suite.place == "candidate"}
    assert suites == set(RELEASED_TABLES)


def test_every_released_table_is_a_mart_and_every_mart_is_released() -> None:
    assert set(RELEASED_TABLES) == {path.stem for path in (MODELS / "marts").glob("*.sql")}


def test_released_rows_are_ordered_by_columns_that_are_there() -> None:
    columns = {
        model["name"]: {column["name"] for column in model["columns"]}
        for path, model in described_models()
        if path.parent.name == "marts"
    }
    assert [table for table, order in RELEASED_TABLES.items() if not set(order) <= columns[table]] == []


def test_every_conformed_entity_is_judged() -> None:
    suites = read_suites()
    asked_of_all = [suite for suite in suites if "{believed_rows}" in (suite.source or "")]
    assert asked_of_all
    offered = {entity for name in available() for entity in find(name).entities} - {REJECTED_TABLE}
    # A suite about something that nobody can offer would never be asked.
    assert {suite.about for suite in suites} - {None} <= offered


# --- what a stranger's machine must not see -------------------------------------------------------------------------


def tracked_files() -> list[Path]:
    """Everything that is or may be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git work tree")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


# Spelled in two parts, so that this file does not hold what it looks for.
MACHINE_PATHS = [
    rf"(?<![\w.{{}}/-]){start}"
    for start in ("/wor" + "k/", "/roo" + "t/", "/hom" + "e/", "/Use" + "rs/", "/tm" + "p/", r"[A-Z]:\\Use" + "rs")
]
REGISTRIES = [
    host + r"\." + end
    for host, end in (
        ("pyp" + "i", "org"), ("python" + "hosted", "org"), ("registry.npm" + "js", "org"),
        ("conda.ana" + "conda", "org"), ("hub.get" + "dbt", "com"), ("extensions.duck" + "db", "org"),
    )
] + ["index" + "-url", "INDEX" + "_URL", "find" + "-links", "artifact" + "ory"]  # fmt: skip
LOCK_FILES = {
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pylock.toml",
    "package-lock.json",
    "package-lock.yml",
}


def test_no_machine_path_and_no_registry_stands_in_the_repository() -> None:
    forbidden = re.compile("|".join([*MACHINE_PATHS, *REGISTRIES]))
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if hit := forbidden.search(line):
                found.append(f"{relative(path)}:{number}: {hit[0]}")
    assert found == []


def test_no_lock_file_stands_in_the_repository() -> None:
    assert [relative(path) for path in tracked_files() if path.name in LOCK_FILES] == []


def test_every_dependency_is_pinned_to_a_version_it_allows() -> None:
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[a-z0-9.-]+==[^\s;@]+", line), f"constraints.txt: {line!r} is not name==version"
            name, version = line.split("==")
            assert name not in pins, f"constraints.txt: {name} stands twice"
            pins[name] = version
    project = pyproject()["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        name = requirement.name.lower().replace("_", "-")
        assert name in pins, f"constraints.txt: {name} is not pinned"
        assert requirement.specifier.contains(pins[name]), f"constraints.txt: {name}=={pins[name]} is not {requirement}"


def test_the_tests_of_a_group_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist says so by a suffix; a pytest that it does not know lets it lose the groups without a word."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests do not run in groups on several workers")
    assert request.node.nodeid.endswith("@test_house")

"""The skeleton of a connector is whole from the first moment, says what is missing, and leads to released tables.

The exercise takes the invented CRM Orchardsoft the way CONTRIBUTING tells, in a copy of the repository.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.vendors.trial import Trial, running
from pipelines.errors import ConfigError
from pipelines.scaffold import files_of, mark_left, write_connector
from pipelines.settings import Settings
from tests.conftest import ROOT
from tests.kit.orchardsoft import NAME, STEPS

KINDS = ("crm", "account_mapping", "prm")
# As long as a name may be, and as short as one is.
NAMES = ("ab", "a_rather_long_name_of_a_vendor")
RUFF = (sys.executable, "-m", "ruff")
# Where every connector is listed, and what tells a checkout.
NEEDED = ("CONTRIBUTING.md", "README.md", "pyproject.toml", "dbt_project/dbt_project.yml", "pipelines/template.py")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """As much of a checkout as the skeleton needs."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "tests" / "connectors").mkdir(parents=True)
    # ruff takes for our own what lies here, so that every module has to, if only by its name.
    for module in (path for room in ("pipelines", "demo") for path in (ROOT / room).rglob("*.py")):
        to = tmp_path / module.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.touch()
    return tmp_path


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENTS_", "DAGSTER_"))}
    return subprocess.run(command, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False)


# -- what is written ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_formatted_and_lints(bare: Path, name: str, kind: str) -> None:
    written = [path for path in write_connector(name, kind, root=bare) if path.suffix == ".py"]
    assert len(written) == 4
    for words in (("check",), ("format", "--check")):
        done = run(*RUFF, *words, "--no-cache", *map(str, written), cwd=bare)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_connector_has_its_files_and_no_others(bare: Path, kind: str) -> None:
    before = {path.relative_to(bare).as_posix() for path in bare.rglob("*") if path.is_file()}
    told = write_connector("plum", kind, root=bare)
    there = {path.relative_to(bare).as_posix() for path in bare.rglob("*") if path.is_file()}
    staging = "dbt_project/models/staging/plum"
    assert {
        "pipelines/connectors/plum.py",
        "demo/vendors/plum.py",
        "tests/connectors/plum/test_plum.py",
        f"{staging}/_plum__sources.yml",
        f"{staging}/_plum__models.yml",
        f"{staging}/stg_plum__rejected_lines.sql",
    } <= there - before
    assert {path.relative_to(bare).as_posix() for path in told} == (there - before) | {
        "README.md",
        "dbt_project/dbt_project.yml",
        "pipelines/template.py",
    }
    models = {path.stem for path in (bare / staging).glob("*.sql")}
    described = yaml.safe_load((bare / staging / "_plum__models.yml").read_text())["models"]
    assert {model["name"] for model in described} == models


def test_every_list_of_connectors_has_the_new_one_in_its_place(bare: Path) -> None:
    write_connector("plum", "crm", root=bare)
    variables = yaml.safe_load((bare / "dbt_project/dbt_project.yml").read_text())["vars"]
    before = yaml.safe_load((ROOT / "dbt_project/dbt_project.yml").read_text())["vars"]
    assert variables["connectors"] == sorted([*before["connectors"], "plum"])
    for entity, models in variables["entities"].items():
        mine = ["accounts", "opportunities", "opportunity_partners", "rejected_lines"]
        wanted = [*before["entities"][entity], *([f"stg_plum__{entity}"] if entity in mine else [])]
        assert models == sorted(wanted), entity
    rows = [line for line in (bare / "README.md").read_text().splitlines() if line.startswith("| plum |")]
    assert rows == [
        "| plum | crm | accounts, opportunities, opportunity_partners | its API, page by page: what has changed |"
    ]
    text = (bare / "pipelines/template.py").read_text().split('TEMPLATE = """\\\n', 1)[1].rsplit('"""', 1)[0]
    taken = re.sub(r"^( *)# ( *\w+:( |$))", r"\1\2", text, flags=re.MULTILINE)
    taken = re.sub(r"^(\w+): \[\]\n#(  - )", r"\1:\n\2", taken, flags=re.MULTILINE)
    assert Settings(**yaml.safe_load(taken)).sources["plum"].connector == "plum"


def test_two_connectors_after_each_other_stand_beside_each_other(bare: Path) -> None:
    write_connector("plum", "crm", root=bare)
    write_connector("pear", "prm", root=bare)
    variables = yaml.safe_load((bare / "dbt_project/dbt_project.yml").read_text())["vars"]
    assert {"pear", "plum"} <= set(variables["connectors"])
    assert [x for x in variables["entities"]["rejected_lines"] if "plum" in x or "pear" in x] == [
        "stg_pear__rejected_lines",
        "stg_plum__rejected_lines",
    ]


def test_marks_are_found_and_told_with_their_line(bare: Path) -> None:
    write_connector("plum", "prm", root=bare)
    files = files_of("plum", root=bare)
    marked = {file: why for file in files if (why := mark_left(file, root=bare))}
    assert [file for file in files if file not in marked] == [
        "dbt_project/models/staging/plum/stg_plum__rejected_lines.sql"
    ]
    assert marked["demo/vendors/plum.py"] == (
        "demo/vendors/plum.py:1: still to do: which documented answers are given here."
    )
    path = bare / "demo/vendors/plum.py"
    path.write_text(path.read_text().replace("TODO", "done"))
    assert mark_left("demo/vendors/plum.py", root=bare) is None


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_what_is_there_already_is_not_written_over(bare: Path) -> None:
    write_connector("plum", "crm", root=bare)
    (bare / "pipelines/connectors/plum.py").write_text("mine")
    before = {path: path.read_bytes() for path in bare.rglob("*") if path.is_file()}
    with pytest.raises(
        ConfigError, match=r"plum: pipelines/connectors/plum.py, .*: there already; nothing was written"
    ):
        write_connector("plum", "prm", root=bare)
    assert {path: path.read_bytes() for path in bare.rglob("*") if path.is_file()} == before


def test_outside_a_checkout_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no source checkout \(CONTRIBUTING.md, .*; nothing was written") as told:
        write_connector("plum", "crm", root=tmp_path)
    assert "clone the repository" in told.value.next_step
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "old"),
    [
        ("dbt_project/dbt_project.yml", "  connectors: ["),
        ("dbt_project/dbt_project.yml", "    opportunity_partners:"),
        ("README.md", "\n## Connectors\n"),
        ("pipelines/template.py", "# The fiscal year:"),
    ],
)
def test_a_list_that_is_not_found_is_told_before_anything_is_written(bare: Path, file: str, old: str) -> None:
    path = bare / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, ""))
    before = {path: path.read_bytes() for path in bare.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=rf"{file}: the list of connectors in it is not found; nothing was written"):
        write_connector("plum", "crm", root=bare)
    assert {path: path.read_bytes() for path in bare.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["Plum", "1plum", "plum-soft", "plum__soft", "plum_", "p" * 31, "plum soft", ""])
def test_a_name_that_is_no_snake_case_is_refused(bare: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a connector"):
        write_connector(name, "crm", root=bare)


# -- in a copy of the repository ---------------------------------------------------------------------------------------


def copied(to: Path) -> Path:
    """The repository without what is made at run time. Nothing is linked: code finds the project beside itself."""
    made = ("data", ".*", "__pycache__", "*.egg-info", "target", "logs")
    shutil.copytree(ROOT, to, ignore=lambda folder, names: shutil.ignore_patterns(*made)(folder, names))
    return to


def segments(root: Path, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line of the copy."""
    return run(
        sys.executable,
        "-m",
        "cli.main",
        *words,
        cwd=cwd or root,
        PYTHONPATH=str(root),
        COLUMNS="200",
        **environment,
    )


LISTS = (
    "tests/architecture/test_house.py::test_a_connector_has_one_name_in_every_room",
    "tests/architecture/test_house.py::test_a_vendors_staging_models_have_one_shape",
    "tests/architecture/test_house.py::test_dbt_by_hand_sees_what_a_run_hands_over",
    "tests/architecture/test_house.py::test_every_description_begins_with_the_grain",
    "tests/architecture/test_house.py::test_every_model_is_described_and_every_description_has_its_model",
    "tests/architecture/test_house.py::test_every_module_says_what_belongs_in_it",
    "tests/architecture/test_house.py::test_no_two_test_modules_share_a_name",
    "tests/architecture/test_house.py::test_sources_are_read_in_staging_only",
    "tests/architecture/test_documents.py::test_the_connector_table_is_that_of_the_connectors",
    "tests/architecture/test_documents.py::test_the_file_that_init_writes_still_reads_with_every_suggestion_taken",
    "tests/architecture/test_portable_sql.py",
)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # mypy, dbt and sqlfluff, each from a cold start
def test_a_skeleton_of_each_kind_type_checks_parses_and_keeps_to_the_houses_rules(tmp_path: Path) -> None:
    root = copied(tmp_path / "copy")
    names = {"crm": "plum", "account_mapping": "pear", "prm": "quince"}
    for kind, name in names.items():
        made = segments(root, "sources", "new", name, "--kind", kind)
        assert made.returncode == 0, made.stderr
    modules = [f"{place}/{name}.py" for name in names.values() for place in ("pipelines/connectors", "demo/vendors")]
    typed = run(sys.executable, "-m", "mypy", *modules, cwd=root, PYTHONPATH=str(root))
    assert typed.returncode == 0, typed.stdout
    house = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LISTS, cwd=root, PYTHONPATH=str(root))
    assert house.returncode == 0, house.stdout
    # Models that dbt leaves out are not looked at: one with a fault in it, to see that they were.
    folders = [f"dbt_project/models/staging/{name}" for name in names.values()]
    broken = root / folders[0] / "stg_plum__rejected_lines.sql"
    broken.write_text(broken.read_text().replace("origin as file_name", "origin file_name"))
    lint = (sys.executable, "-m", "sqlfluff", "lint", *folders)
    linted = run(*lint, cwd=root, PYTHONPATH=str(root), SEGMENTS_WAREHOUSE=":memory:")
    found = re.findall(r"== \[(.*?)\] FAIL", linted.stdout)
    assert found == [broken.relative_to(root).as_posix()], linted.stdout + linted.stderr


POLICY = """\
policy: exercise
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
ladders:
  tier:
    audience: partner
    levels:
      - level: gold
        enter: {metric: sourced_won_amount, at_least: 50000}
      - level: silver
        enter: {metric: sourced_won_amount, above: 0}
      - level: outside
        outside: true
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)  # five builds of dbt, each from a cold start
def test_an_invented_vendor_goes_from_its_skeleton_to_released_tables(tmp_path: Path) -> None:
    root = copied(tmp_path / "copy")
    steps = iter(STEPS)

    assert next(steps).title == "Write the skeleton"
    made = segments(root, "sources", "new", NAME, "--kind", "crm")
    assert made.returncode == 0, made.stderr
    told = segments(root, "sources", "test", NAME)
    assert told.returncode == 1, told.stdout + told.stderr
    staging = f"dbt_project/models/staging/{NAME}/stg_{NAME}"
    for line in (
        f"table opportunities: neither read nor told as missing, and opportunities rests on it: give it a stream in "
        f"pipelines/connectors/{NAME}.py",
        f"pipelines/connectors/{NAME}.py:1: still to do: which edition or plan of this CRM has an API.",
        f"demo/vendors/{NAME}.py:1: still to do: which documented answers are given here.",
        f"{staging}__accounts.sql:9: still to do: the vendor's columns, cast; what it does not have stays null, which "
        "means unknown",
        f"stg_{NAME}__accounts: the column `name` is still null for every row: map it in {staging}__accounts.sql",
        f"stg_{NAME}__accounts: the column `is_partner` is still null for every row: map it in {staging}__accounts.sql",
        f"opportunities: no row in raw_{NAME}.opportunities: read the table in pipelines/connectors/{NAME}.py, and put "
        f"records of it into demo/vendors/{NAME}.py",
    ):
        assert f"         {line}" in told.stdout.splitlines(), f"{line}\n\n{told.stdout}"
    assert open_checks(told.stdout) == {
        "streams are declared so that nothing is lost",
        "every row of the fake is believed",
        "its own tests: test_no_mark_is_left",
        "its own tests: test_every_record_becomes_a_row",
        "its own tests: test_the_column_is_mapped",
    }

    for step in steps:
        step.take(root)
        if step.title == "Map the columns":
            mapped = ("-q", "-p", "no:cacheprovider", "-k", "column_is_mapped", f"tests/connectors/{NAME}")
            words = run(sys.executable, "-m", "pytest", *mapped, cwd=root, PYTHONPATH=str(root))
            assert (
                f"stg_{NAME}__opportunity_partners: the column `role` is 'unknown' for every row: map the vendor's "
                f"column in {staging}__opportunity_partners.sql and its words in dbt_project/seeds/partner_role_map.csv"
            ) in words.stdout.splitlines(), words.stdout
            assert "1 failed, 10 passed" in words.stdout, words.stdout
    told = segments(root, "sources", "test", NAME)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "not yet" not in told.stdout

    fake = module_at(root / "demo" / "vendors" / f"{NAME}.py")
    trial: Trial = fake.trial()
    with running(trial) as vendor:
        folder = deployment(tmp_path / "deployment", vendor.url)
        secret = {f"SEGMENTS_{NAME.upper()}_TOKEN": vendor.secrets["token"], "SEGMENTS_NOW": vendor.now.isoformat()}
        probed = segments(root, "sources", "probe", NAME, cwd=folder, **secret)
        assert probed.returncode == 0, probed.stderr
        assert "opportunity_partners known from opportunity_partners" in " ".join(probed.stdout.split())
        done = segments(root, "run", "--quiet", cwd=folder, **secret)
        assert done.returncode == 0, done.stdout + done.stderr
        asked = segments(
            root, "query", "select partner_name, tier, sourced_won_amount from partner_segments order by 1",
            "-f", "csv", cwd=folder,
        )  # fmt: skip
    released = [line.split(",") for line in asked.stdout.splitlines()[1:]]
    assert [(name, tier, float(amount)) for name, tier, amount in released] == levels(trial)


def open_checks(text: str) -> set[str]:
    """The checks that are not yet held, without what stands behind a test's name."""
    return {re.split(r"\[| and \d+ more", line[9:])[0] for line in text.splitlines() if line.startswith("not yet")}


def levels(trial: Trial) -> list[tuple[str, str, float]]:
    """Partner, level and amount by the fake's own records: what each has brought that was won in the last year."""
    records: dict[str, dict[str, dict[str, Any]]] = trial.fake.records
    firms = {id: firm for id, firm in records["accounts"].items() if firm["relation"] == "partner"}
    brought = dict.fromkeys(firms, 0.0)
    for helper in records["opportunity_partners"].values():
        deal = records["opportunities"][helper["deal"]]
        if deal["phase"] == "won" and helper["role"] == "Brought it" and deal["closes"] <= "2026-09-30":
            brought[helper["firm"]] += float(deal["worth"])
    level = {id: "gold" if won >= 50000 else "silver" if won > 0 else "outside" for id, won in brought.items()}
    assert set(level.values()) == {"gold", "silver", "outside"}, "the exercise shows every level"
    return sorted((firm["title"], level[id], brought[id]) for id, firm in firms.items())


def deployment(folder: Path, url: str) -> Path:
    """A deployment with this vendor as its only source."""
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "exercise.yml").write_text(POLICY)
    told = {
        "deployment": "exercise",
        "sources": {NAME: {"connector": NAME, "options": {"base_url": url}}},
        "policy": {"active": "exercise"},
    }
    (folder / "segments.yml").write_text(yaml.safe_dump(told))
    return folder


def module_at(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"copied_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# -- what people are told ----------------------------------------------------------------------------------------------


def chapter() -> Iterator[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return iter(text.split("\n## Add a source\n", 1)[1].split("\n## ", 1)[0].splitlines())


def test_contributing_tells_the_steps_of_the_exercise() -> None:
    titles = [found[1] for line in chapter() if (found := re.fullmatch(r"### \d+\. (.+)", line))]
    assert titles == [step.title for step in STEPS]


def test_contributing_names_every_file_that_a_step_changes() -> None:
    text, parts = "\n".join(chapter()), {}
    for part in text.split("\n### ")[1:]:
        parts[part.splitlines()[0].split(". ", 1)[1]] = part
    for step in STEPS:
        for edit in step.edits:
            told = edit.file.replace(NAME, "NAME")
            assert told in parts[step.title] or f"{Path(told).parent}/" in parts[step.title], f"{step.title}: {told}"

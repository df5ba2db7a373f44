"""The command line as a user meets it: messages, formats, exit codes."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from rich.table import Table

from cli.common import Paper
from tests.conftest import ROOT, SALESFORCE, Deployment, deployment_in, segments


def test_help_teaches_the_way() -> None:
    text = segments("--help").stdout
    for command in ("init", "check", "run", "show", "query", "tables", "releases", "rollback", "sources"):
        assert command in text
    assert "Exit codes" in text


def test_init_writes_a_file_that_check_accepts_once_the_policies_are_named(tmp_path: Path) -> None:
    file = tmp_path / "segments.yml"
    assert segments("init", str(file)).returncode == 0
    file.write_text(file.read_text().replace("policies: policies", f"policies: {ROOT / 'policies'}"))
    segments("sources", "template", "--kind", "crm", "--to", str(tmp_path / "inputs"))
    done = segments("check", "--config", str(file), SEGMENTS_NOW="2026-10-05T00:00:00Z")
    assert done.returncode == 0, done.stderr
    assert "2026Q3" in done.stdout


@pytest.mark.parametrize(
    ("crosswalk", "said"),
    [
        (None, "crosswalk.csv: no such file"),
        ("source,source_id,why\n", "the header has no partner_number"),
        ("source,source_id,partner_number,why\nsalesforce,,P-0001,as told\n", "row 1: source_id is blank"),
    ],
)
def test_check_reads_the_crosswalk_as_a_run_does(crosswalk: str | None, said: str, tmp_path: Path) -> None:
    made = deployment_in(tmp_path, SALESFORCE, identity={"crosswalk": "crosswalk.csv"})
    if crosswalk is not None:
        (tmp_path / "crosswalk.csv").write_text(crosswalk)
    done = made.segments("check", check=False)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "in order" not in done.stdout


def test_check_says_what_a_run_would_refuse_of_the_files_and_who_would_not_be_told(
    sample: Deployment, tmp_path: Path
) -> None:
    made = deployment_in(tmp_path, SALESFORCE, sample=None, alerts=[{"name": "desk", "url_env": "DESK_URL"}])
    done = made.segments("check", check=False)
    assert done.returncode == 3
    assert "not there" in done.stderr
    assert "in order" not in done.stdout
    assert "alerts: desk: the environment variable DESK_URL is not set" in done.stderr
    shutil.copytree(sample.file.parent / "inputs", tmp_path / "inputs")
    done = made.segments("check", DESK_URL="file:///dev/null")
    assert "in order" in done.stdout
    assert "warning" not in done.stderr
    accounts = tmp_path / "inputs" / "Account.csv"
    accounts.write_text("".join(accounts.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    done = made.segments("check", check=False)
    assert done.returncode == 3
    assert "Account.csv" in done.stderr
    # Nothing was read into the lake for it.
    assert not made.state.exists()


def test_init_never_overwrites_unasked(tmp_path: Path) -> None:
    file = tmp_path / "segments.yml"
    file.write_text("mine")
    done = segments("init", str(file))
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert file.read_text() == "mine"


def test_show_is_a_table_with_reasons(sample: Deployment) -> None:
    text = sample.segments("show", "--limit", "3").stdout
    assert "why" in text
    assert "reached" in text
    assert "3 of 119 partners" in text


def test_show_tells_one_partner_whole(sample: Deployment) -> None:
    text = sample.segments("show", "P-0005").stdout
    assert "Tanaka Reyes Systems" in text
    for part in ("bars of every level", "quarter by quarter", "sourced_won_amount"):
        assert part in text


def test_show_says_who_is_meant_when_several_match(sample: Deployment) -> None:
    done = sample.segments("show", "lindqvist", check=False)
    assert done.returncode == 3
    assert "P-0014" in done.stderr
    assert "P-0031" in done.stderr


@pytest.mark.parametrize("form", ["csv", "json"])
def test_query_gives_machine_readable_answers(sample: Deployment, form: str) -> None:
    text = sample.segments(
        "query", "select tier, count(*) as n from partner_segments group by all order by all", "-f", form
    ).stdout
    counted = (
        {row["tier"]: row["n"] for row in json.loads(text)}
        if form == "json"
        else dict(line.split(",") for line in text.splitlines()[1:])
    )
    assert sum(int(n) for n in counted.values()) == 119


def test_query_is_read_only_and_stays_inside(sample: Deployment) -> None:
    for statement in ("delete from partner_segments", "select * from read_csv('/etc/hostname')", "attach 'x.duckdb'"):
        assert sample.segments("query", statement, check=False).returncode == 3


def test_releases_lists_the_chain(sample: Deployment) -> None:
    assert "sample-programme@1" in sample.segments("releases").stdout


def test_json_mode_is_one_object_a_line_and_ends_with_the_exit_code(tmp_path: Path) -> None:
    made = deployment_in(tmp_path, SALESFORCE, sample=None)
    done = made.segments("run", "--json", check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert lines[-1]["event"] == "ended"
    assert lines[-1]["exit_code"] == 3
    assert any(line["event"] == "run_failed" and line["step"] == "extract" for line in lines)


def test_nothing_released_yet_says_what_to_do(tmp_path: Path) -> None:
    made = deployment_in(tmp_path, SALESFORCE)
    done = made.segments("show", check=False)
    assert done.returncode == 3
    assert "segments run" in done.stderr


def test_a_quarter_that_is_still_running_is_not_run(tmp_path: Path) -> None:
    made = deployment_in(tmp_path, SALESFORCE)
    done = made.segments("run", "--quarter", "2031Q1", check=False)
    assert done.returncode == 2
    assert "still to come" in done.stderr


def test_the_deployment_that_ran_last_here_needs_no_option(sample: Deployment) -> None:
    done = segments("query", "select count(*) as n from partner_segments", "-f", "csv", cwd=sample.file.parent)
    assert done.stdout.split() == ["n", "119"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_table_cuts_an_id_short(is_terminal: bool) -> None:
    """On eighty columns the words beside the ids give way; where nobody looks, a line is as long as it needs."""
    ids = [f"2026Q3-0123456789a{n}" for n in range(3)]
    reason = "the wave is real, the bars were lowered in June and nobody has told the portal of it"
    grid = Table("release", "previous", "partner", "why", "also", "since", box=None, pad_edge=False, expand=True)
    grid.columns[2].no_wrap, grid.columns[2].max_width = True, 28
    grid.columns[3].overflow, grid.columns[3].ratio = "ellipsis", 1
    grid.columns[3].no_wrap = True
    for one in ids:
        grid.add_row(one, one[::-1], "Brookhaven Transit Authority and Sons", reason, reason, "2026-10-05")
    paper = Paper(file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None, highlight=False)
    paper.print(grid)
    said = paper.file.getvalue()  # type: ignore[attr-defined]
    for one in ids:
        assert one in said
        assert one[::-1] in said
    assert "2026-10-05" in said
    assert (reason in said) is not is_terminal
    assert max(len(line) for line in said.splitlines()) < (110 if is_terminal else 400)
    assert paper.width == 80


def test_a_pipe_gets_ids_whole(sample: Deployment) -> None:
    for words in (("releases",), ("release", "list"), ("quality", "history")):
        assert (sample.state / "released" / "current").resolve().name in sample.segments(*words, COLUMNS="80").stdout
    shown = sample.segments("show", "--limit", "3", COLUMNS="80").stdout
    assert len(re.findall(r"^P-\d{4} ", shown, flags=re.MULTILINE)) == 3

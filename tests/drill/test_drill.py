"""The drill tells apart what is refused, what is told, what does no harm and what nobody notices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from cli.main import app
from data_quality import drill
from data_quality.drill import Base, CleanRun, Drill, Outcome, choose, prepare, try_mutation
from demo.mutations import MUTATIONS
from demo.mutations.sheet import Mutation, changed
from pipelines.errors import ConfigError
from tests.conftest import ROOT, SALESFORCE


def test_a_file_cut_in_half_is_refused_by_name(base: Base) -> None:
    outcome = try_mutation(base, "file_cut_in_half")
    assert (outcome.result, outcome.stage, outcome.is_refused) == ("detected", "extraction", True)
    assert outcome.is_named_rightly and "below 80% of the last load" in outcome.says
    assert outcome.keeps_release and outcome.is_identical is None


def test_rows_that_cannot_be_believed_are_set_aside_and_told(base: Base) -> None:
    outcome = try_mutation(base, "amounts_blank")
    assert (outcome.result, outcome.stage, outcome.is_refused) == ("detected", "gate", True)
    assert any(finding.startswith("quarantine.") for finding in outcome.findings)
    assert outcome.is_named_rightly and outcome.keeps_release


def test_another_unit_is_refused_by_the_gate(base: Base) -> None:
    outcome = try_mutation(base, "amounts_in_cents")
    assert (outcome.result, outcome.stage, outcome.is_refused) == ("detected", "gate", True)
    assert outcome.findings and not any(finding.startswith("quarantine.") for finding in outcome.findings)
    assert outcome.is_named_rightly and outcome.keeps_release


def test_rows_in_another_order_do_no_harm(base: Base) -> None:
    outcome = try_mutation(base, "rows_shuffled")
    assert (outcome.result, outcome.says, outcome.is_identical) == ("harmless", "", True)
    assert outcome.touched > 10_000


def test_what_changes_a_release_and_nobody_tells_is_missed(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """One partner's name with one letter more: nothing can know, and the drill must not call it harmless."""
    unseen = Mutation(
        "one_letter_more", "One partner's name has one letter more.", "crm", "accounts", False,
        changed("accounts", "name", lambda value: value + "s", lambda row: row["partner_number"] == "P-0008"),
    )  # fmt: skip
    monkeypatch.setattr(drill, "MUTATIONS", (unseen,))
    outcome = try_mutation(base, "one_letter_more")
    assert (outcome.result, outcome.stage, outcome.touched, outcome.is_identical) == ("missed", "", 1, False)
    assert "partner_segments" in outcome.says


def test_a_crash_is_a_miss_and_no_detection(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(folder: Path, random: Random) -> int:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(drill, "MUTATIONS", (Mutation("crashes", "It crashes.", "crm", "accounts", True, crash),))
    outcome = try_mutation(base, "crashes")
    assert (outcome.result, outcome.says) == ("missed", "defect: RuntimeError: out of luck")


def test_a_base_that_fits_is_used_again(base: Base) -> None:
    before = (base.folder / "base.json").stat().st_mtime_ns
    assert prepare(ROOT / "segments.yml", base.folder) == base
    assert (base.folder / "base.json").stat().st_mtime_ns == before
    assert set(base.failures) == {"2026Q2", "2026Q3"}


def test_the_drill_is_of_the_sample_company_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the drill breaks the exports of the sample company"):
        prepare(SALESFORCE, tmp_path)
    with pytest.raises(ConfigError, match="there is no mutation 'amounts_in_grams'"):
        choose(["amounts_in_grams"])
    assert choose() == MUTATIONS


def outcome_of(name: str, result: str, **more: object) -> Outcome:
    made = Outcome(name, "crm", "opportunities", True, "missed")
    return replace(made, result=result, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "code", "last"),
    [
        (
            [
                outcome_of("a", "detected", says="source crm: opportunities", names_source=True),
                outcome_of("b", "harmless"),
            ],
            0,
            "2 mutations, 1 detected, 1 harmless, 0 missed",
        ),
        ([outcome_of("a", "missed", is_critical=False)], 0, "1 mutations, 0 detected, 0 harmless, 1 missed"),
        ([outcome_of("a", "missed")], 1, "1 mutations, 0 detected, 0 harmless, 1 missed"),
        ([outcome_of("a", "detected", keeps_release=False)], 1, "1 mutations, 1 detected, 0 harmless, 0 missed"),
    ],
)
def test_the_command_ends_with_the_counts(
    outcomes: list[Outcome], code: int, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "run_drill", lambda *_, **__: Drill(tuple(outcomes), 1.0))
    done = CliRunner().invoke(app, ["quality", "drill", "--config", str(ROOT / "segments.yml")])
    assert done.exit_code == code
    assert done.stdout.splitlines()[-1] == last
    told = CliRunner().invoke(app, ["quality", "drill", "--config", str(ROOT / "segments.yml"), "--json"])
    assert told.exit_code == code and json.loads(told.stdout)["summary"] == last


def test_false_alarms_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(config: Path, folder: Path, seeds: list[int], **_: object) -> list[CleanRun]:
        return [CleanRun(seed, 100, ("2026Q3: loads.full_load_did_not_shrink",) if seed == 2 else ()) for seed in seeds]

    monkeypatch.setattr(drill, "run_clean", clean)
    done = CliRunner().invoke(app, ["quality", "drill", "--clean-seeds", "1..4"])
    assert done.stdout.splitlines() == [
        "seed 2: 2026Q3: loads.full_load_did_not_shrink",
        "4 clean runs, 400 expectations judged, 1 false alarms (0.25%) in 1 runs",
    ]
    for wrong in ("x", "5..1", "3..y"):
        assert CliRunner().invoke(app, ["quality", "drill", "--clean-seeds", wrong]).exit_code == 2


def test_the_mutations_are_listed() -> None:
    done = CliRunner().invoke(app, ["quality", "drill", "--list", "--json"])
    assert [entry["mutation"] for entry in json.loads(done.stdout)] == [mutation.name for mutation in MUTATIONS]

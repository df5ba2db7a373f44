"""Quarters without a release are made up for: late runs, punctual runs and backfills leave the same record."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import run as room
from assets.graph import Options, define, partitions_of, run_of
from demo.company import DROP_1, DROP_2
from demo.salesforce_export import write_salesforce_export
from pipelines.connector import instances
from pipelines.errors import ConfigError, GateRefused
from pipelines.extract import extract
from pipelines.release import build_candidate, current, history, roll_back
from pipelines.settings import Settings, read_settings
from pipelines.shape import prepare
from pipelines.warehouse import Places
from tests.conftest import SALESFORCE, Deployment, deployment_in
from tests.journey.test_release import lay_marts, let_out

QUARTER, TARGET = "2026Q2", "2026Q3"


@dataclass(frozen=True)
class Exports:
    """The sample company's CRM as it was exported in July and in October."""

    july: Path
    october: Path

    def deployment(self, folder: Path, drop: datetime, **changes: Any) -> Deployment:
        """A deployment whose only source is the export of that day."""
        options = {"folder": ".", "exported_at": drop.isoformat()}
        return deployment_in(
            folder,
            SALESFORCE,
            data=self.july if drop == DROP_1 else self.october,
            sample=None,
            sources={"salesforce": {"connector": "salesforce", "options": options}},
            **changes,
        )


def settings_of(made: Deployment) -> Settings:
    return read_settings(made.file)


def chain(made: Deployment) -> list[str]:
    return [link["release"] for link in history(Places(made.state))]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Both exports of a small company."""
    made = Exports(tmp_path_factory.mktemp("july"), tmp_path_factory.mktemp("october"))
    write_salesforce_export(made.july, partners=30, as_of=DROP_1)
    write_salesforce_export(made.october, partners=30, as_of=DROP_2)
    return made


@pytest.fixture(scope="module")
def asleep(exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """July's export is in the lake, and nothing was released; October's lies in the folder. Copy it, do not run it."""
    folder = tmp_path_factory.mktemp("asleep")
    settings = settings_of(exports.deployment(folder, DROP_1))
    for source in instances(settings):
        extract(settings, Places.of(settings), source)
    prepare(settings)  # copies need not parse the project again
    return exports.deployment(folder, DROP_2, first_release="2026Q1")


@dataclass(frozen=True)
class Late:
    """One late run of the command line and what it said."""

    made: Deployment
    said: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def late(asleep: Deployment, exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> Late:
    """The run of October that finds July's loads and no release."""
    made = copy_of(asleep, tmp_path_factory.mktemp("late"))
    return Late(made, made.segments("run"))


def copy_of(made: Deployment, folder: Path) -> Deployment:
    """A deployment of one's own in the same state."""
    shutil.copytree(made.state, folder / "state", symlinks=True)
    return deployment_in(folder, made.file, data=made.data)


def test_a_late_run_gives_the_quarters_a_punctual_machine_would_have(
    late: Late, exports: Exports, tmp_path: Path
) -> None:
    for drop in (DROP_1, DROP_2):
        punctual = exports.deployment(tmp_path / "punctual", drop, as_of=drop.date().isoformat())
        room.run_once(settings_of(punctual))
    assert [release[:6] for release in chain(punctual)] == [QUARTER, TARGET]
    assert chain(late.made) == chain(punctual)


def test_a_late_run_says_which_quarters_it_is_about_and_what_each_knows(late: Late) -> None:
    lines = [line.split(maxsplit=1)[1] for line in late.said.stderr.splitlines() if line.startswith("quarter ")]
    assert lines == [
        "2026Q1 has no release and gets none: nothing was known by 2026-04-05 23:59 UTC",
        "2026Q2 from what was known by 2026-07-05 23:59 UTC, the newest of 2026-07-05 06:00 UTC",
        "2026Q3 from all there is, the newest of 2026-10-05 06:00 UTC",
    ]
    assert [line.split()[0] for line in late.said.stdout.splitlines()] == chain(late.made)
    assert late.said.stderr.count("extract ") == 3, "sources were extracted more than once"


def test_running_again_changes_nothing(late: Late, tmp_path: Path) -> None:
    again = copy_of(late.made, tmp_path)
    journal = room.run_once(settings_of(again))
    assert journal.released is not None
    assert not journal.released.is_new
    assert journal.earlier == []
    assert chain(again) == chain(late.made)


def test_a_backfill_of_the_partitions_gives_the_same_releases(asleep: Deployment, late: Late, tmp_path: Path) -> None:
    made = copy_of(asleep, tmp_path)
    graph = define(settings_of(made))
    job = graph.definitions.resolve_job_def("quarterly_release")
    with dg.DagsterInstance.ephemeral() as instance:
        for partition in ("2026-04-01", "2026-07-01"):
            job.execute_in_process(partition_key=partition, instance=instance)
    assert chain(made) == chain(late.made)


@pytest.mark.slow
def test_a_quarter_asked_for_with_its_moment_is_the_same_release(
    asleep: Deployment, late: Late, tmp_path: Path
) -> None:
    made = copy_of(asleep, tmp_path)
    made = deployment_in(tmp_path, made.file, data=made.data, first_release=None)
    room.run_once(settings_of(made), quarter=QUARTER, options=Options(known_at=datetime(2026, 7, 6, tzinfo=UTC)))
    assert chain(made) == chain(late.made)[:1]


# --- what is due, without running it ----------------------------------------------------------------------------------


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What would be executed: quarter and part of the graph."""
    asked: list[tuple[str, str]] = []

    def of(self: Any, quarter: Any, wanted: Any = None) -> Any:
        part = {room._is_raw: "extraction", room._is_not_raw: "the rest"}.get(wanted, "everything")
        asked.append((quarter.label, part))
        return self.graph.journal

    monkeypatch.setattr(room._Execution, "of", of)
    return asked


def test_a_whole_run_extracts_once_and_goes_from_the_oldest_to_the_newest(
    asleep: Deployment, tmp_path: Path, executed: list[tuple[str, str]]
) -> None:
    room.run_once(settings_of(copy_of(asleep, tmp_path)))
    assert executed == [(TARGET, "extraction"), (QUARTER, "the rest"), (TARGET, "the rest")]


@pytest.mark.parametrize(
    ("asked", "quarter"),
    [
        ({"release": False}, TARGET),
        ({"quarter": QUARTER}, QUARTER),
        ({"options": Options(known_at=DROP_2)}, TARGET),
    ],
)
def test_who_asks_for_something_gets_that_alone(
    asked: dict[str, Any], quarter: str, asleep: Deployment, tmp_path: Path, executed: list[tuple[str, str]]
) -> None:
    room.run_once(settings_of(copy_of(asleep, tmp_path)), **asked)
    assert executed == [(quarter, "everything")]


def test_a_deployment_that_names_no_first_quarter_runs_as_ever(
    asleep: Deployment, tmp_path: Path, executed: list[tuple[str, str]]
) -> None:
    made = copy_of(asleep, tmp_path)
    room.run_once(settings_of(deployment_in(tmp_path, made.file, data=made.data, first_release=None)))
    assert executed == [(TARGET, "everything")]


def test_only_quarters_without_a_release_are_due(asleep: Deployment, tmp_path: Path) -> None:
    made = copy_of(asleep, tmp_path)
    settings = settings_of(made)
    assert [quarter.label for quarter in room.unreleased(settings)] == ["2026Q1", QUARTER]
    places = Places.of(settings)
    lay_marts(places, QUARTER, amount=100)
    let_out(places, build_candidate(places, policy_hash="h"))
    assert [quarter.label for quarter in room.unreleased(settings)] == ["2026Q1"]


def test_a_refused_quarter_stops_the_run_and_says_how_to_go_without_it(
    asleep: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(self: Any, quarter: Any, wanted: Any = None) -> Any:
        if quarter.label == QUARTER:
            raise GateRefused("the candidate was refused", next_step="look at the verdict")
        assert wanted is room._is_raw, "a quarter ran on top of a refused one"

    monkeypatch.setattr(room._Execution, "of", of)
    with pytest.raises(GateRefused) as refused:
        room.run_once(settings_of(copy_of(asleep, tmp_path)))
    assert refused.value.next_step == "look at the verdict; or go without 2026Q2: first_release: 2026Q3"


def test_a_failure_while_a_gap_is_filled_leaves_the_newest_release(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    places.state.mkdir()

    def release(quarter: str, *, fails: bool = False) -> str:
        lay_marts(places, quarter, amount=100)
        done = let_out(places, build_candidate(places, policy_hash="h")).release
        if fails:
            raise RuntimeError
        return done

    released = [release(QUARTER), release(TARGET)]
    with pytest.raises(RuntimeError), room._newest_release_stays(places):
        release("2026Q1", fails=True)
    assert [link["release"] for link in history(places)] == released
    # A failure that left nothing older behind touches nothing.
    roll_back(places)
    with pytest.raises(RuntimeError), room._newest_release_stays(places):
        raise RuntimeError
    now = current(places)
    assert now is not None
    assert now["release"] == released[0]


# --- what a quarter knows ---------------------------------------------------------------------------------------------


def known_for(made: Deployment, label: str, **changes: Any) -> datetime | None:
    settings = settings_of(deployment_in(made.file.parent, made.file, data=made.data, **changes))
    return settings.known_for(settings.calendar.parse(label))


@pytest.mark.parametrize(
    ("quarter", "changes", "moment"),
    [
        ("2026Q2", {}, datetime(2026, 7, 5, 23, 59, 59, 999999, UTC)),
        ("2026Q1", {}, datetime(2026, 4, 5, 23, 59, 59, 999999, UTC)),
        ("2025Q4", {}, None),  # before the first on record
        ("2026Q3", {}, None),  # the target
        ("2026Q2", {"first_release": None}, None),
        ("2026Q2", {"timezone": "America/New_York"}, datetime(2026, 7, 6, 3, 59, 59, 999999, UTC)),
        ("2026Q2", {"schedule": {"release": {"day": 20}}}, datetime(2026, 7, 20, 23, 59, 59, 999999, UTC)),
        ("2026Q2", {"known_at": "2026-07-02T00:00:00Z"}, datetime(2026, 7, 2, tzinfo=UTC)),
        ("2026Q2", {"known_at": "2026-08-02T00:00:00Z"}, datetime(2026, 7, 5, 23, 59, 59, 999999, UTC)),
        ("2026Q3", {"known_at": "2026-08-02T00:00:00Z"}, datetime(2026, 8, 2, tzinfo=UTC)),
        (
            "2027Q1",
            {"fiscal_calendar": {"first_month": 2, "named_by": "end"}, "as_of": "2026-10-05"},
            datetime(2026, 5, 5, 23, 59, 59, 999999, UTC),
        ),
    ],
)
def test_a_quarter_knows_what_its_release_day_knew(
    quarter: str, changes: dict[str, Any], moment: datetime | None, exports: Exports, tmp_path: Path
) -> None:
    made = exports.deployment(tmp_path, DROP_2, first_release="2026Q1")
    assert known_for(made, quarter, **changes) == moment


def test_the_partition_of_a_quarter_knows_the_same(asleep: Deployment) -> None:
    settings = settings_of(asleep)
    assert run_of(settings, "2026-04-01", Options()).known_at == settings.release_moment(
        settings.calendar.parse(QUARTER)
    )
    assert run_of(settings, "2026-07-01", Options()).known_at is None
    assert run_of(settings, "2026-04-01", Options(known_at=DROP_1)).known_at == DROP_1


def test_partitions_reach_back_to_the_first_on_record(exports: Exports, tmp_path: Path) -> None:
    made = exports.deployment(tmp_path, DROP_2, first_release="2025Q4", history_quarters=2)
    keys = partitions_of(settings_of(made)).get_partition_keys(current_time=DROP_2)
    assert keys == ["2025-10-01", "2026-01-01", "2026-04-01", "2026-07-01"]


def test_what_is_no_quarter_is_told_with_its_key(exports: Exports, tmp_path: Path) -> None:
    made = exports.deployment(tmp_path, DROP_2, first_release="summer")
    with pytest.raises(ConfigError, match="first_release: found 'summer', expected a fiscal quarter such as 2026Q2"):
        settings_of(made)

"""`segments policy simulate` on the sample company: held against its released tables and against hand queries."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from cli import policy_simulate
from pipelines import simulation
from pipelines.errors import ConfigError, InputError, PolicyError
from pipelines.settings import read_settings
from pipelines.simulation import Simulation, simulate
from tests.conftest import ROOT, Deployment, deployment_in

PROGRAMME = ROOT / "policies" / "partner-programme.yml"

# Nothing moves but by its own facts here, so that a query of the released facts says who.
TODAY = """
policy: bars
version: "1"
effective_from: 2026-01-01
window: {quarters: 4}
ladders:
  sales:
    audience: internal
    levels:
      - {level: large, enter: {metric: sourced_won_amount, at_least: 300000}}
      - {level: small}
  same:
    audience: internal
    levels:
      - {level: active, enter: {metric: sourced_won_amount, above: 0}}
      - {level: idle}
  portal:
    audience: internal
    levels:
      - {level: busy, enter: {metric: registrations_submitted, at_least: 1000000}}
      - {level: quiet}
  gone:
    audience: internal
    levels:
      - {level: active, enter: {metric: sourced_won_amount, above: 0}}
      - {level: idle}
entitlements:
  sales.large: {hours_per_quarter: 40}
capacity: {partner_managers: 4, hours_per_week: 40, weeks: 12, utilisation: 0.7}
"""
# A lower bar, a metric of the programme's own over windows that no run has built yet, another level, other ladders.
PROPOSED = """
policy: bars
version: "2"
effective_from: 2030-01-01
window: {quarters: 4}
windows:
  registrations_won: {quarters: 8}
  registrations_submitted: {quarters: 8}
derived:
  won_share: {ratio: [registrations_won, registrations_submitted]}
ladders:
  sales:
    audience: internal
    levels:
      - {level: large, enter: {metric: sourced_won_amount, at_least: 100000}}
      - {level: small}
  same:
    audience: internal
    levels:
      - {level: active, enter: {metric: sourced_won_amount, above: 0}}
      - {level: idle}
  portal:
    audience: internal
    levels:
      - {level: winning, enter: {metric: won_share, at_least: 0.2}}
      - {level: quiet}
  fresh:
    audience: internal
    levels:
      - {level: active, enter: {metric: sourced_won_amount, above: 0}}
      - {level: idle}
entitlements:
  sales.large: {hours_per_quarter: 40}
capacity: {partner_managers: 4, hours_per_week: 40, weeks: 12, utilisation: 0.7}
"""


@dataclass(frozen=True)
class Compared:
    """A comparison of the two programmes above, its rows, and what the deployment looked like around it."""

    result: Simulation
    rows: Path
    left_behind: list[str]
    before: dict[str, str]
    after: dict[str, str]

    def movers(self, ladder: str) -> dict[str, tuple[str, str]]:
        """Partner id -> (today's level, the proposed one) in the newest quarter."""
        (found,) = (one for one in self.result.ladders if one.ladder == ladder)
        return {mover.partner_id: (mover.today, mover.proposed) for mover in found.movers}

    def of(self, query: str) -> list[tuple[Any, ...]]:
        """A query of the rows that were written; tables by their names."""
        with duckdb.connect() as con:
            for table in simulation.TABLES:
                con.execute(f"create view {table} as from read_parquet('{self.rows / table}.parquet')")
            return con.execute(query).fetchall()


def contents(state: Path) -> dict[str, str]:
    """Every file of a deployment's state but dbt's and the lock, by a hash of its bytes."""
    return {
        str(path.relative_to(state)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(state.rglob("*"))
        if path.is_file() and path.name != ".writer.lock"
    }


@pytest.fixture(scope="module")
def compared(company: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "today.yml").write_text(TODAY, encoding="utf-8")
    (folder / "proposed.yml").write_text(PROPOSED, encoding="utf-8")
    (folder / "scratch").mkdir()
    before = contents(company.state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder / "scratch"))
        result = simulate(
            read_settings(company.file),
            folder / "proposed.yml",
            against=str(folder / "today.yml"),
            to=folder / "rows",
        )
    left_behind = [path.name for path in (folder / "scratch").iterdir()]
    return Compared(result, folder / "rows", left_behind, before, contents(company.state))


# --- a lower bar, another metric, other ladders -----------------------------------------------------------------------


def test_a_lower_bar_moves_exactly_those_between_the_two(company: Deployment, compared: Compared) -> None:
    with company.released() as con:
        between = con.execute(
            "select partner_id from partner_segments where sourced_won_amount >= 100000 and sourced_won_amount < 300000"
        ).fetchall()
    assert len(between) > 10
    assert compared.movers("sales") == {partner_id: ("small", "large") for (partner_id,) in between}
    (ladder,) = (one for one in compared.result.ladders if one.ladder == "sales")
    (reason,) = ladder.reasons
    assert (reason.direction, reason.partners) == ("up", len(between))
    assert reason.reason == "sourced_won_amount at least 300,000 is what today's policy asks"
    assert all(mover.why and mover.why[0].startswith("sourced_won_amount at least 300,000") for mover in ladder.movers)


def test_a_metric_and_a_window_that_no_run_has_built_are_built(company: Deployment, compared: Compared) -> None:
    with company.released() as con:
        winning = con.execute(
            """
            with last as (select distinct quarter from partner_level_history order by quarter desc limit 8)
            select partner_id from partner_funnel where quarter in (from last)
            group by partner_id having sum(registered) > 0 and sum(won) >= 0.2 * sum(registered)
            """
        ).fetchall()
    assert len(winning) > 5
    assert compared.movers("portal") == {partner_id: ("quiet", "winning") for (partner_id,) in winning}
    (ladder,) = (one for one in compared.result.ladders if one.ladder == "portal")
    assert {mover.direction for mover in ladder.movers} == {"up"}
    assert [reason.reason for reason in ladder.reasons] == ["today's policy has no winning"]
    assert ladder.levels == {"today": ["busy", "quiet"], "proposed": ["winning", "quiet"]}


def test_a_ladder_that_stays_the_same_moves_nobody(compared: Compared) -> None:
    assert compared.movers("same") == {}


def test_ladders_of_one_side_alone_are_told(compared: Compared) -> None:
    assert compared.result.only == {"today": ["gone"], "proposed": ["fresh"]}
    assert [ladder.ladder for ladder in compared.result.ladders] == ["sales", "same", "portal"]


def test_both_sides_stand_in_every_quarter_whatever_their_dates(company: Deployment, compared: Compared) -> None:
    with company.released() as con:
        roster = con.execute("select quarter, partner_id from partner_scores group by all order by all").fetchall()
    for side in ("today", "proposed"):
        found = compared.of(
            f"select quarter, partner_id from simulated_levels where ladder = 'sales' and side = '{side}' order by all"
        )
        assert found == roster


def test_hours_are_level_sizes_times_what_a_level_promises(compared: Compared) -> None:
    newest = compared.result.context.quarter
    for side in ("today", "proposed"):
        (large,) = compared.of(
            "select count(*) from simulated_levels "
            f"where ladder = 'sales' and level = 'large' and side = '{side}' and quarter = '{newest}'"
        )[0]
        assert compared.result.balances[side].hours_needed == 40 * large
        assert (newest, side, Decimal(40 * large)) in compared.result.hours
    # 336 hours each: the lower bar promises more than four managers have.
    assert compared.result.balances["today"].hours_missing == 0
    missing = compared.result.balances["proposed"].hours_missing
    assert missing == compared.result.balances["proposed"].hours_needed - 1344 > 0
    assert f"{missing:,.0f} h too many" in compared.result.as_dict()["capacity"]["proposed"]


def test_the_rows_say_what_the_summary_says(compared: Compared) -> None:
    sizes = compared.of("select ladder, side, quarter, level, partners from simulated_sizes order by all")
    counted = compared.of("select ladder, side, quarter, level, count(*) from simulated_levels group by all order by 1")
    assert {row for row in sizes if row[4]} == set(counted)
    told = {
        (ladder.ladder, size.side, size.quarter, size.level, size.partners)
        for ladder in compared.result.ladders
        for size in ladder.sizes
    }
    assert told == {row for row in sizes if row[0] in ("sales", "same", "portal")}
    moves = compared.of(
        "select ladder, side, quarter, count(*), count(undoes_quarter) from simulated_moves group by 1, 2, 3"
    )
    summed = {
        (ladder.ladder, moved.side, moved.quarter, moved.total, moved.undone)
        for ladder in compared.result.ladders
        for moved in ladder.moves
        if moved.total
    }
    assert summed == {row for row in moves if row[0] in ("sales", "same", "portal")}
    assert any(row[4] for row in summed)


def test_every_table_is_there_as_parquet_and_as_csv(compared: Compared) -> None:
    with duckdb.connect() as con:
        for table in simulation.TABLES:
            (parquet,), (csv,) = (
                con.execute(f"select count(*) from '{compared.rows / table}.{kind}'").fetchall()[0]
                for kind in ("parquet", "csv")
            )
            assert parquet == csv > 0, table
    assert len(list(compared.rows.iterdir())) == 2 * len(simulation.TABLES)


def test_nothing_of_the_deployment_is_touched_and_nothing_left_behind(compared: Compared) -> None:
    assert "warehouse.duckdb" in compared.before
    assert compared.after == compared.before
    assert compared.left_behind == []


# --- the terminal -----------------------------------------------------------------------------------------------------


def test_the_terminal_tells_what_the_summary_says(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Console(file=StringIO(), width=150, highlight=False, record=True)
    monkeypatch.setattr(policy_simulate, "out", page)
    policy_simulate.show(compared.result, limit=3)
    told = page.export_text()
    (sales,) = (one for one in compared.result.ladders if one.ladder == "sales")
    moving = len(sales.movers)
    quarter = compared.result.context.quarter
    assert f"sales  {moving} of {sales.partners} partners would hold another level in {quarter}: {moving} up" in told
    assert f"same  0 of {sales.partners} partners" in told
    assert f"3 of {moving} partners; `--limit 0` shows all" in told
    for mover in sales.movers[:3]:
        assert any(
            mover.partner_name[:20] in line and "small" in line and "large" in line for line in told.splitlines()
        )
    assert "levels of the proposal only: winning" in told
    assert "gone: a ladder of today's policy only" in told
    sizes = {(size.side, size.level): size.partners for size in sales.sizes if size.quarter == quarter}
    assert f"{sizes['today', 'large']} > {sizes['proposed', 'large']}" in told
    assert compared.result.balances["proposed"].text() in told
    assert "too many in" in told


# --- the documented proposal, on the command line ---------------------------------------------------------------------


@dataclass(frozen=True)
class Documented:
    """The proposal of docs/simulating.md as the command tells it: `segment` moves by other rules, `tier` stays."""

    told: dict[str, Any]
    after: dict[str, str]

    def ladder(self, name: str) -> dict[str, Any]:
        (found,) = (one for one in self.told["ladders"] if one["ladder"] == name)
        return dict(found)

    def sides(self, name: str, kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Sizes or moves of a ladder, today's and the proposal's."""
        rows = self.ladder(name)[kind]
        today, proposed = (
            [{key: value for key, value in row.items() if key != "side"} for row in rows if row["side"] == side]
            for side in ("today", "proposed")
        )
        return today, proposed


@pytest.fixture(scope="module")
def documented(company: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Documented:
    folder = tmp_path_factory.mktemp("documented")
    text = PROGRAMME.read_text(encoding="utf-8")
    for now, then in (
        ('version: "1"', 'version: "2"'),
        ("buffer: 2.5", "buffer: 0"),
        ("demote_after: 2", "demote_after: 1"),
    ):
        assert text.index(now) < text.index("  tier:")
        text = text.replace(now, then, 1)
    (folder / "proposal.yml").write_text(text, encoding="utf-8")
    done = company.segments("policy", "simulate", str(folder / "proposal.yml"), "--json", "--keep", TMPDIR=str(folder))
    assert done.stderr == ""
    return Documented(json.loads(done.stdout), contents(company.state))


def test_a_ladder_with_the_same_score_and_rules_moves_nobody(documented: Documented) -> None:
    tier = documented.ladder("tier")
    assert tier["movers"] == []
    assert tier["reasons"] == []
    for kind in ("sizes", "moves"):
        today, proposed = documented.sides("tier", kind)
        assert today == proposed != []
    assert sum(row["total"] for row in documented.sides("tier", "moves")[0]) > 100


def test_without_a_band_more_moves_are_taken_back(documented: Documented) -> None:
    today, proposed = documented.sides("segment", "moves")
    assert sum(row["total"] for row in proposed) > sum(row["total"] for row in today)
    assert sum(row["undone"] for row in proposed) > 5 * sum(row["undone"] for row in today)
    # The rules of movement alone are others: who holds another level earns the same one on both sides.
    assert documented.ladder("segment")["movers"]
    for reason in documented.ladder("segment")["reasons"]:
        assert "earned under" in reason["reason"]


def test_todays_side_is_the_restated_history_of_the_release(company: Deployment, documented: Documented) -> None:
    with duckdb.connect(str(Path(documented.told["scratch"]) / "warehouse.duckdb"), read_only=True) as con:
        replayed = con.execute(
            "select ladder, quarter, partner_id, level, earned_level, action, reason_codes "
            "from simulation.simulated_levels where side = 'today' order by all"
        ).fetchall()
        unexplained = con.execute(
            "select * from simulation.simulated_differences as d where not exists "
            "(from simulation.simulated_reasons as r where r.ladder = d.ladder and r.partner_id = d.partner_id)"
        ).fetchall()
    with company.released() as con:
        restated = con.execute(
            "select ladder, quarter, partner_id, held_level, earned_level, action, reason_codes "
            "from partner_level_history where policy = 'partner-programme' order by all"
        ).fetchall()
    assert replayed == restated != []
    assert unexplained == []


def test_the_command_touches_nothing_either(compared: Compared, documented: Documented) -> None:
    assert documented.after == compared.before


def test_the_document_shows_what_the_command_says(documented: Documented) -> None:
    text = (ROOT / "docs" / "simulating.md").read_text(encoding="utf-8")
    segment = documented.ladder("segment")
    up, down = (sum(mover["direction"] == way for mover in segment["movers"]) for way in ("up", "down"))
    head = f"segment  {len(segment['movers'])} of {segment['partners']} partners would hold another level in 2026Q3: "
    assert f"{head}{up} up, {down} down" in text
    for balance in documented.told["capacity"].values():
        assert balance in text
    for reason in segment["reasons"]:
        assert re.search(rf"^ +{reason['partners']}  {reason['direction']} +{re.escape(reason['reason'])}$", text, re.M)
    shown = [
        re.split(r" {2,}", line.strip()) for line in text.splitlines() if re.match(r"(\d{4}Q\d|all 12) {2,}", line)
    ]
    both = documented.sides("segment", "moves")
    totals = [{key: sum(row[key] for row in rows) for key in both[0][0] if key != "quarter"} for rows in both]
    expected = []
    for today, proposed in zip(*both, strict=True):
        sizes = [
            [row["partners"] for row in rows if row["quarter"] == today["quarter"]]
            for rows in documented.sides("segment", "sizes")
        ]
        expected.append([today["quarter"], *map(cell, *sizes), *moves(today, proposed)])
    assert shown == [*expected, ["all 12", *moves(*totals)]]


def cell(today: int, proposed: int) -> str:
    return str(today) if today == proposed else f"{today} > {proposed}"


def moves(today: dict[str, int], proposed: dict[str, int]) -> list[str]:
    """The last four cells of a line."""
    return [
        cell(*(sum(row[name] for name in names) for row in (today, proposed)))
        for names in (["total"], ["promoted", "entered"], ["demoted", "exited"], ["undone"])
    ]


# --- what cannot be simulated -----------------------------------------------------------------------------------------


def test_without_a_run_there_is_nothing_to_replay(tmp_path: Path) -> None:
    made = deployment_in(tmp_path, ROOT / "segments.yml")
    done = made.segments("policy", "simulate", str(PROGRAMME), check=False)
    assert done.returncode == InputError.exit_code
    assert "there is no warehouse of a run yet" in done.stderr
    assert "next: `segments run` makes one; with --rehearse it releases nothing" in done.stderr
    assert not made.state.exists()


@pytest.fixture
def torn(company: Deployment, tmp_path: Path) -> Deployment:
    """A copy of the company's warehouse, to be damaged."""
    made = deployment_in(tmp_path / "torn", ROOT / "segments.yml")
    made.state.mkdir()
    shutil.copyfile(company.state / "warehouse.duckdb", made.state / "warehouse.duckdb")
    return made


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("update deployment.run_context set quarter = '2026Q4'", "the inputs of one run and the tables of another"),
        ("drop table marts.partner_segments", "the warehouse has no marts.partner_segments"),
        ("drop table deployment.quarters", "the warehouse has no deployment.quarters"),
    ],
)
def test_a_run_that_did_not_finish_is_not_replayed(torn: Deployment, damage: str, says: str) -> None:
    with duckdb.connect(str(torn.state / "warehouse.duckdb")) as con:
        con.execute(damage)
    with pytest.raises(InputError, match=says) as refused:
        simulate(read_settings(torn.file), PROGRAMME)
    assert "segments run" in refused.value.next_step


@pytest.mark.parametrize(
    ("file", "against", "error", "says"),
    [
        ("none.yml", "active", PolicyError, "cannot be read"),
        (PROGRAMME, "none.yml", ConfigError, "--against none.yml: no such file"),
        (PROGRAMME, "partner-program", PolicyError, "did you mean `partner-programme`"),
        (PROGRAMME, "partner-programme@7", PolicyError, "has no version `7`"),
    ],
)
def test_what_is_not_there_is_said_before_the_long_step(
    company: Deployment, tmp_path: Path, file: Path | str, against: str, error: type[ConfigError], says: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        patch.setattr(simulation, "build", lambda *_, **__: pytest.fail("it was built"))
        with pytest.raises(error, match=says):
            simulate(read_settings(company.file), tmp_path / file, against=against)
    assert list(tmp_path.iterdir()) == []

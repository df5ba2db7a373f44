"""A table that was not there and records that were set aside keep partners of the sample company from falling."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_quality.believable import project_as_built
from pipelines.compiled import Project, rebuild
from pipelines.settings import read_settings
from pipelines.shape import plan
from tests.conftest import Deployment

DOUBTFUL = ("metrics", "doubtful_metrics")
LADDER = "segment"
FALLS = ("demoted", "exited", "on_watch")

Reviews = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def project(company: Deployment) -> Project:
    """The SQL that made the warehouse."""
    return project_as_built(plan(read_settings(company.file)))


def reviews(warehouse: Path) -> Reviews:
    """The newest review of every partner on one ladder, by partner number."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = con.execute(
            "select partner_number, partner_id, action, held_level, previous_level, reason_codes, reasons "
            "from marts.partner_level_history as h inner join deployment.run_context as c on h.quarter = c.quarter "
            f"where h.policy = c.policy and h.ladder = '{LADDER}'"
        )
        names = [column[0] for column in found.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in found.fetchall()}


def changed(company: Deployment, project: Project, file: Path, change: str, *, again: tuple[str, str]) -> Reviews:
    """The reviews after a change of a table that was laid, with everything built again that follows from `again`."""
    shutil.copyfile(company.state / "warehouse.duckdb", file)
    with duckdb.connect(str(file)) as con:
        con.execute(change)
    own = [node for node in project.nodes if node.address == again]
    rebuild(file, [*own, *project.downstream([again])])
    return reviews(file)


def test_nobody_falls_for_a_table_that_was_not_there_and_the_reasons_name_it(
    company: Deployment, project: Project, tmp_path: Path
) -> None:
    before = reviews(company.state / "warehouse.duckdb")
    after = changed(
        company,
        project,
        tmp_path / "scratch.duckdb",
        "update deployment.loads set read_at = timestamp '2026-07-05 00:00:00' "
        "where source = 'crm' and table_name = 'opportunities'",
        again=("metrics", "stale_metrics"),
    )
    falls = {number for number, review in before.items() if review["action"] in FALLS}
    frozen = {number for number, review in after.items() if review["action"] == "frozen"}
    assert falls
    assert falls <= frozen
    for number in falls:
        review = after[number]
        assert review["held_level"] == review["previous_level"]
        assert "partial_source" in review["reason_codes"].split(", ")
        assert "it would fall only because" in review["reasons"]
        assert "crm has brought no opportunities since 2026-07-05" in review["reasons"]
    # Nobody rises for it, and who does not fall is judged as ever.
    assert {number: after[number] for number in before.keys() - frozen} == {
        number: review for number, review in before.items() if number not in frozen
    }


def test_a_record_set_aside_keeps_its_partner_and_no_other(
    company: Deployment, project: Project, tmp_path: Path
) -> None:
    before = reviews(company.state / "warehouse.duckdb")
    number, partner_id = min((number, x["partner_id"]) for number, x in before.items() if x["action"] in FALLS)
    after = changed(
        company,
        project,
        tmp_path / "scratch.duckdb",
        "insert into quarantine.opportunity_partners_set_aside by name "
        "select source, 'L' || n as source_id, 'wrong_type' as reject_reason, account_id as named, 'D' || n as about "
        f"from identity.partner_accounts, range(2) as t (n) where partner_id = '{partner_id}'",
        again=DOUBTFUL,
    )
    assert [one for one in before if after[one] != before[one]] == [number]
    assert after[number]["reason_codes"] == "frozen, records_set_aside"
    assert after[number]["reasons"].endswith("only because 2 records of opportunity_partners were set aside")


def test_a_release_tells_the_reasons_of_its_own_decision_and_not_of_what_is_known_now(
    company: Deployment, project: Project, tmp_path: Path
) -> None:
    warehouse, file = company.state / "warehouse.duckdb", tmp_path / "scratch.duckdb"
    number = min(
        number
        for number, one in reviews(warehouse).items()
        if one["reason_codes"] == "kept" and one["reasons"].startswith("reached self_serve")
    )
    after = changed(
        company,
        project,
        file,
        # On record is a higher level than is known now, and nothing of this quarter was read.
        f"""
        update deployment.loads set read_at = timestamp '2026-07-05 00:00:00';
        update released.decisions set state = '010000K0505', level = 'strategic'
        where ladder = '{LADDER}' and quarter_index = (select quarter_index - 1 from deployment.run_context)
            and partner_id = (select partner_id from identity.partners where partner_number = '{number}')
        """,
        again=("metrics", "stale_metrics"),
    )[number]
    assert (after["action"], after["reason_codes"], after["held_level"]) == ("kept", "kept", "self_serve")
    with duckdb.connect(str(file), read_only=True) as con:
        ((segment, action, reasons),) = con.execute(
            f"select segment, segment_action, reasons from marts.partner_segments where partner_number = '{number}'"
        ).fetchall()
        told = con.execute(
            "select h.released_action, h.released_reason_codes, h.released_reasons "
            "from marts.partner_level_history as h inner join deployment.run_context as c on h.policy = c.policy "
            f"where h.ladder = '{LADDER}' and h.partner_number = '{number}' and h.released_action is not null "
            "order by h.quarter_end desc"
        ).fetchall()
    assert (segment, action) == ("strategic", "frozen")
    assert "crm was last read on 2026-07-05" in reasons.partition("; frozen: it would fall only because ")[2]
    assert told[0][0] == "frozen"
    assert {"frozen", "stale_source"} <= set(told[0][1].split(", "))
    assert f"{LADDER}: {told[0][2]}" in reasons
    assert told[1][1:] == (None, None)  # the release of that quarter has them

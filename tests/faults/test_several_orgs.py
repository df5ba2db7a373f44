"""Several sources of one connector stand side by side: same ids, same file names, one table, no order among them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from data_quality.releasing import Judged, judge_candidate
from pipelines.shape import build
from tests.faults.exports import Deployment, Export, add_line


class Orgs(NamedTuple):
    """Two orgs whose ids collide, built once in each order of the deployment file."""

    made: Deployment
    judged: Judged
    names: dict[str, Any]
    release_in_other_order: str


@pytest.fixture(scope="module")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> Orgs:
    root = tmp_path_factory.mktemp("orgs")
    east, west = Export.of(4), Export.of(6)
    west.accounts[0]["Source"] = "a field called like a column of ours"
    for row in west.accounts:
        row.setdefault("Source", "")
    east.write(root / "inputs" / "east")
    west.write(root / "inputs" / "west")
    add_line(root / "inputs" / "west" / "Account.csv", '"CUT"')
    names = {"east": {"folder": "east"}, "west": {"folder": "west"}}
    made = Deployment(root).sources(**names)
    # The gate lets one set-aside line of eight pass: what is looked at here is something else.
    made.configure(sources=_configured(made), quality={"max_quarantined_share": 0.2})
    made.extract()
    # West loses a third of its partners on purpose, and says so.
    fewer = Export.of(4)
    fewer.write(root / "inputs" / "west")
    add_line(root / "inputs" / "west" / "Account.csv", '"CUT"')
    run = made.shape(accept_shrunk=["west.account", "west.opportunity", "west.opportunity_partner"])
    candidate = made.candidate(run)
    judged = judge_candidate(run, candidate)
    found = {
        "raw": made.ask("select source, count(*) from raw_salesforce.account group by source order by 1"),
        "conformed": made.ask("select source, count(*) from conformed.accounts group by source order by 1"),
        "quarantined": made.ask("select source, reject_reason, file_row from quarantine.accounts"),
        "segments": made.ask("select partner_number, sourced_won_amount from marts.partner_segments order by all"),
        "partners": made.one("select count(distinct partner_id) from identity.partners"),
        "loads": made.ask("select source, table_name, rows, previous_rows from deployment.loads order by 1, 2"),
    }
    made.configure(sources=dict(reversed(_configured(made).items())), quality={"max_quarantined_share": 0.2})
    assert list(made.settings().sources) == ["west", "east"]
    made.extract()
    build(other := made.lay())
    return Orgs(made, judged, found, made.candidate(other).release)


def _configured(made: Deployment) -> dict[str, Any]:
    return {name: source.model_dump(mode="json") for name, source in made.settings().sources.items()}


def test_rows_of_both_orgs_are_there_under_their_names(orgs: Orgs) -> None:
    assert orgs.names["raw"] == [("east", 5), ("west", 5)]
    assert orgs.names["conformed"] == [("east", 5), ("west", 5)]


def test_equal_ids_in_two_orgs_are_neither_duplicates_nor_one_partner(orgs: Orgs) -> None:
    assert orgs.names["partners"] == 8
    assert orgs.names["segments"][:4] == [
        ("N001", Decimal("4000.00")),
        ("N001", Decimal("4000.00")),
        ("N002", Decimal("8000.00")),
        ("N002", Decimal("8000.00")),
    ]


def test_a_line_set_aside_in_one_org_takes_no_row_of_the_other(orgs: Orgs) -> None:
    assert orgs.names["quarantined"] == [("west", "broken_line", 6)]


def test_the_order_of_sources_in_the_deployment_file_does_not_matter(orgs: Orgs) -> None:
    assert orgs.release_in_other_order == orgs.judged.candidate.release


def test_the_gate_does_not_ask_again_for_what_an_accepted_drop_lost(orgs: Orgs) -> None:
    assert [row[3] for row in orgs.names["loads"] if row[0] == "west"] == [None, None, None]
    assert orgs.judged.verdict.decision == "release", orgs.judged.verdict.sentences()


def test_a_drop_in_one_org_stops_before_the_gate_and_leaves_the_lake(tmp_path: Path) -> None:
    from pipelines.errors import InputError

    for name in ("east", "west"):
        Export.of(6).write(tmp_path / "inputs" / name)
    made = Deployment(tmp_path).sources(east={"folder": "east"}, west={"folder": "west"})
    made.extract()
    Export.of(2).write(tmp_path / "inputs" / "west")
    with pytest.raises(InputError, match=r"source west: Account\.csv: 3 rows, below 80% of the last load's 7"):
        made.extract()
    assert made.rows() == {"account": 14, "opportunity": 48, "opportunity_partner": 48}

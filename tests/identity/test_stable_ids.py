"""A partner's id, once released, stays with its records: whatever joins them, leaves them or is renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.compiled import compile_project
from pipelines.identity_evaluation import Record, identity_of
from pipelines.release import recorded_identities
from pipelines.warehouse import Places, memory
from tests.identity.conftest import KINDS

CRM = Record("crm", "a1", "Aldermere", "aldermere.example", "DE")
PORTAL = Record("prm", "p1", "Aldermere", "aldermere.example", "DE")
MAPPING = Record("account_mapping", "m1", "Aldermere", "aldermere.example", "DE")
APART = [("prm", "p1", "itself")]

Row = dict[str, Any]


@cache
def _compiled() -> dict[str, str]:
    """The two released tables of identity as dbt writes them."""
    manifest, _ = compile_project("labelled", select="partner_identities identity_changes")
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["name"] in ("partner_identities", "identity_changes")
    }


class History:
    """Runs after each other, each of which is released before the next."""

    def __init__(self, cache_folder: Path) -> None:
        self.cache_folder = cache_folder
        self.sql = _compiled()
        self.identities: list[Row] = []
        self.changes: list[Row] = []
        self.day = 0

    def run(self, *records: Record, crosswalk: Sequence[tuple[str, str, str]] = ()) -> dict[str, str]:
        """The partner of every record, and the release of it."""
        self.day += 1
        con = identity_of(
            records, kinds=KINDS, crosswalk=crosswalk, released=self.identities, cache_folder=self.cache_folder
        )
        try:
            con.execute(
                "create table deployment.run_context as select '2026Q3' as quarter, 'p' as policy, '1' as version, "
                f"timestamp '2026-07-{self.day:02} 06:00:00' as known_at"
            )
            con.execute(
                "create table identity.partners as select partner_id, source_id as partner_number "
                "from identity.partner_links where source = key_source and source_id = key_source_id"
            )
            self._lay_changes(con)
            self.identities = _rows(con, self.sql["partner_identities"])
            self.changes = _rows(con, self.sql["identity_changes"])
            return {f"{x['source']}/{x['source_id']}": x["partner_id"] for x in self.identities if x["is_present"]}
        finally:
            con.close()

    @property
    def told(self) -> list[tuple[int, str, str]]:
        """Day, change and record of every row on record."""
        return [(row["changed_on"].day, row["change"], row["source_id"]) for row in self.changes]

    def _lay_changes(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute(
            "create table released.former_changes (changed_on date, change varchar, source varchar, "
            "source_id varchar, record_name varchar, from_partner_id varchar, from_partner_number varchar, "
            "to_partner_id varchar, to_partner_number varchar, rule varchar, detail varchar, quarter varchar, "
            "policy varchar, version varchar)"
        )
        for row in self.changes:
            con.execute(
                f"insert into released.former_changes values ({', '.join(['?'] * len(row))})", list(row.values())
            )


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    found = con.execute(f"select * from (\n{sql}\n) order by all")
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def history(cache_folder: Path) -> History:
    return History(cache_folder)


def test_a_partner_that_comes_to_the_crm_later_keeps_the_id_of_its_portal_record(history: History) -> None:
    first = history.run(PORTAL)
    then = history.run(PORTAL, CRM)
    assert then == {"prm/p1": first["prm/p1"], "crm/a1": first["prm/p1"]}
    assert history.told == []


def test_an_id_stays_when_the_record_it_was_given_for_is_gone(history: History) -> None:
    first = history.run(CRM, PORTAL)
    assert history.run(PORTAL) == {"prm/p1": first["crm/a1"]}
    assert history.told == []


def test_an_id_in_use_is_not_given_to_the_record_that_comes_back_as_somebody_else(history: History) -> None:
    first = history.run(CRM, PORTAL)
    history.run(PORTAL)
    again = history.run(PORTAL, Record("crm", "a1", "Quillon Freight", "quillon.example", "PT"))
    assert again["prm/p1"] == first["crm/a1"]
    assert again["crm/a1"] != first["crm/a1"]
    assert history.run(PORTAL, Record("crm", "a1", "Quillon Freight", "quillon.example", "PT")) == again


@pytest.mark.parametrize("seasons", [1, 2])
def test_an_id_stays_with_a_record_that_is_not_there_for_a_while(history: History, seasons: int) -> None:
    other = Record("crm", "zz", "Other", "other.example", "FR")
    first = history.run(CRM, PORTAL)
    history.run(PORTAL)
    for _ in range(seasons):
        assert list(history.run(other)) == ["crm/zz"]
    (portal,) = [row for row in history.identities if row["source"] == "prm"]
    assert (portal["is_present"], portal["is_on_roster"]) == (False, False)
    assert (portal["kind"], portal["rule"]) == ("prm", "own")
    assert history.run(PORTAL, other)["prm/p1"] == first["crm/a1"]
    assert history.told == []
    assert {row["known_since"] for row in history.identities if row["source"] == "prm"} == {date(2026, 7, 1)}


def test_a_record_that_comes_back_takes_no_id_from_who_went_on_with_it(history: History) -> None:
    older = history.run(PORTAL)["prm/p1"]
    newer = history.run(CRM)["crm/a1"]
    assert newer != older
    assert set(history.run(CRM, PORTAL).values()) == {newer}
    assert history.told == [(3, "merged", "p1")]


def test_a_record_that_comes_back_twice_as_somebody_else_shares_no_id(history: History) -> None:
    other = Record("crm", "a0", "Oberon Lines", "oberon.example", "IT")
    again = [
        Record("crm", "a1", "Quillon Freight", "quillon.example", "PT"),
        Record("prm", "p9", "Quillon Freight", "quillon.example", "PT"),
        Record("account_mapping", "m9", "Quillon Freight", "quillon.example", "PT"),
    ]
    together = [("prm", "p9", "itself"), ("account_mapping", "m9", "prm/p9")]
    history.run(CRM, PORTAL, other)
    history.run(PORTAL, other)
    second = history.run(PORTAL, other, *again)
    assert second["crm/a1"] == second["prm/p9"] == second["account_mapping/m9"]
    moved = history.run(PORTAL, other, *again, crosswalk=[("crm", "a1", "crm/a0"), *together])
    assert (moved["crm/a1"], moved["prm/p9"]) == (moved["crm/a0"], second["prm/p9"])
    apart = history.run(PORTAL, other, *again, crosswalk=[("crm", "a1", "itself"), *together])
    assert apart["prm/p9"] == apart["account_mapping/m9"] == second["prm/p9"]
    assert len(set(apart.values())) == 4
    assert history.run(PORTAL, other, *again, crosswalk=[("crm", "a1", "itself"), *together]) == apart


def test_nobody_gets_the_id_of_records_that_are_not_there(history: History) -> None:
    other = Record("crm", "a0", "Oberon Lines", "oberon.example", "IT")
    first = history.run(CRM, PORTAL, other)["prm/p1"]
    history.run(PORTAL, other)
    history.run(CRM, PORTAL, other, crosswalk=[("crm", "a1", "crm/a0"), *APART])
    history.run(CRM, other, crosswalk=[("crm", "a1", "crm/a0")])
    alone = [("crm", "a1", "itself")]
    assert history.run(CRM, other, crosswalk=alone)["crm/a1"] != first
    assert history.run(CRM, PORTAL, other, crosswalk=alone)["prm/p1"] == first


def test_a_merge_keeps_the_older_id_and_is_a_row_with_its_day(history: History) -> None:
    first = history.run(PORTAL)
    apart = history.run(PORTAL, CRM, crosswalk=APART)
    assert len(set(apart.values())) == 2
    merged = history.run(PORTAL, CRM)
    assert set(merged.values()) == {first["prm/p1"]}
    assert history.told == [(3, "merged", "a1")]
    (row,) = history.changes
    assert (row["from_partner_id"], row["to_partner_id"]) == (apart["crm/a1"], first["prm/p1"])
    assert row["detail"] == "a1 is no partner of its own any more and goes on as a1"


def test_partners_as_old_as_each_other_go_on_with_the_id_of_the_crm(history: History) -> None:
    apart = history.run(PORTAL, CRM, crosswalk=APART)
    assert set(history.run(PORTAL, CRM).values()) == {apart["crm/a1"]}


def test_a_split_leaves_the_id_with_the_record_it_was_given_for(history: History) -> None:
    first = history.run(CRM, PORTAL, MAPPING)
    apart = history.run(CRM, PORTAL, MAPPING, crosswalk=APART)
    assert apart["crm/a1"] == apart["account_mapping/m1"] == first["crm/a1"]
    assert apart["prm/p1"] != first["crm/a1"]
    assert history.told == [(2, "split", "p1")]


def test_the_days_of_changes_stay_on_record_and_a_second_look_adds_none(history: History) -> None:
    history.run(CRM, PORTAL)
    history.run(CRM, PORTAL, crosswalk=APART)
    history.run(CRM, PORTAL, crosswalk=APART)
    history.run(CRM, PORTAL)
    assert history.told == [(2, "split", "p1"), (4, "merged", "p1")]
    since = {row["source_id"]: row["known_since"] for row in history.identities}
    assert since == {"a1": date(2026, 7, 1), "p1": date(2026, 7, 4)}


@pytest.mark.parametrize("absent", ["true as is_on_roster", "false as is_present"])
def test_the_next_run_reads_back_who_was_there_and_who_was_not(tmp_path: Path, absent: str) -> None:
    places = Places(tmp_path)
    release = places.released / "releases" / "2026Q2" / "2026Q2-a"
    release.mkdir(parents=True)
    link = {"release": "2026Q2-a", "quarter": "2026Q2", "known_at": "2026-07-01T06:00:00"}
    (release / "manifest.json").write_text(json.dumps({**link, "chain": [link]}))
    places.current.symlink_to(release)
    columns = "source, source_id, kind, partner_id, partner_number, record_name, rule, known_since"
    with memory() as con:
        row = "('prm', 'p1', 'prm', 'p_1', 'P-1', 'Elm', 'own', date '2026-07-01')"
        known = f"select *, {absent} from (values {row}) as t ({columns})"
        con.execute(f"copy ({known}) to '{release / 'partner_identities.parquet'}' (format parquet)")
        recorded_identities(con, places, None)
        (found,) = _rows(con, "select * from released.identities")
    # A release from before that was told has no such column: it listed only who was there.
    assert found["is_present"] is ("is_present" not in absent)
    assert (found["partner_id"], found["kind"], found["rule"], found["record_name"]) == ("p_1", "prm", "own", "Elm")


def _records(present: Iterable[int]) -> list[Record]:
    sources = ("crm", "prm", "account_mapping")
    return [
        Record(sources[number % 3], f"r{number}", f"Name{number // 3}", f"name{number // 3}.example", "DE")
        for number in sorted(present)
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 8), min_size=1),
            st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=3),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_whatever_happens_an_id_is_one_partner_and_every_move_is_on_record(
    cache_folder: Path, runs: list[tuple[set[int], list[tuple[int, int]]]]
) -> None:
    history = History(cache_folder)
    before: dict[str, str] = {}
    for present, links in runs:
        records = _records(present)
        by_number = {int(record.source_id[1:]): record for record in records}
        crosswalk = {
            by_number[one].key: "/".join(by_number[other].key)
            for one, other in links
            if one in by_number and other in by_number
        }
        said = [(*key, "itself" if "/".join(key) == target else target) for key, target in crosswalk.items()]
        fresh = History(cache_folder).run(*records, crosswalk=said)
        now = history.run(*records, crosswalk=said)
        # Which records are one partner never depends on what was before; only what it is called does.
        assert _groups(now) == _groups(fresh)
        moved = {key for key in now if key in before and now[key] != before[key]}
        assert before.keys() | now.keys() == {f"{row['source']}/{row['source_id']}" for row in history.identities}
        today = [row for row in history.changes if row["changed_on"].day == history.day]
        told = {f"{row['source']}/{row['source_id']}" for row in today}
        assert told == moved
        before |= now


def _groups(partners: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(key for key in partners if partners[key] == one) for one in partners.values()}

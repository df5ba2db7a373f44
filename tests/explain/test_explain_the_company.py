"""`segments explain` on the sample company: every number is a released one, and partners see their part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from pipelines.explanation import FORM, explain
from pipelines.policy.model import PolicyDocument
from tests.conftest import Deployment

INTERNAL = r"\b(?:segment|strategic|managed|self_serve)\b"


@pytest.fixture(scope="module")
def released(company: Deployment) -> Iterator[duckdb.DuckDBPyConnection]:
    with company.released() as con:
        yield con


@pytest.fixture(scope="module")
def partners(released: duckdb.DuckDBPyConnection) -> list[str]:
    rows = released.execute("select partner_number from partner_segments order by 1").fetchall()
    assert len(rows) == 120
    return [row[0] for row in rows]


def one(con: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> Any:
    return con.execute(sql, list(values)).fetchone()


def test_contributions_of_every_partner_add_up_to_its_total(
    released: duckdb.DuckDBPyConnection, partners: list[str], documents: dict[str, PolicyDocument]
) -> None:
    for number in partners:
        score = explain(released, number, documents=documents).score
        assert score
        total, weighted = one(
            released,
            "select any_value(s.total_score), sum(c.contribution) from partner_scores as s "
            "inner join partner_score_contributions as c using (partner_id, quarter, policy, version) "
            "where s.partner_number = $1 and s.quarter = '2026Q3'",
            number,
        )
        assert score.total == score.contributions == weighted == total
        assert sum(line.contribution for line in score.dimensions) == total
        # The weights shown are those the points were counted with.
        counted = [line for line in score.criteria if line.counted_weight is not None]
        assert abs(sum(line.counted_weight or 0 for line in counted) - 1) < Decimal("0.00001")
        for line in counted:
            assert line.points is not None and line.counted_weight is not None and line.contribution is not None
            assert abs(line.points * line.counted_weight - line.contribution) < Decimal("0.011"), (number, line)


def test_what_the_next_level_misses_is_what_the_gates_say(
    released: duckdb.DuckDBPyConnection, partners: list[str], documents: dict[str, PolicyDocument]
) -> None:
    compared = 0
    for number in partners:
        for story in explain(released, number, documents=documents).ladders:
            if story.next_level is None:
                continue
            rows = released.execute(
                """
                with ways as (
                    select
                        alternative,
                        count(*) filter (where not has_passed) as failed,
                        count(*) filter (where not has_passed and distance is null) as unknown,
                        coalesce(sum(distance / needed_value) filter (where not has_passed), 0) as distance,
                        list(needed order by condition) filter (where not has_passed) as missing
                    from partner_gates
                    where partner_number = $1 and quarter = '2026Q3' and ladder = $2 and level = $3
                    group by alternative
                )
                select failed, missing from ways
                order by failed, unknown, distance, alternative limit 1
                """,
                [number, story.ladder, story.next_level],
            ).fetchall()
            assert story.next_by
            failed, missing = rows[0]
            assert [condition.needed for condition in story.next_by.failed] == (missing or [])
            assert len(story.next_by.failed) == failed
            # Each one that is missing is named in the sentence, by what it looks at.
            for condition in story.next_by.failed:
                assert condition.kind == "score" or condition.subject in story.to_rise
            compared += 1
    assert compared > 150


def test_levels_are_those_of_the_roster(
    released: duckdb.DuckDBPyConnection, partners: list[str], documents: dict[str, PolicyDocument]
) -> None:
    for number in partners:
        held = {story.ladder: story for story in explain(released, number, documents=documents).ladders}
        segment, tier, segment_action, tier_action = one(
            released,
            "select segment, tier, segment_action, tier_action from partner_segments where partner_number = $1",
            number,
        )
        assert (held["segment"].held, held["tier"].held) == (segment, tier)
        assert (held["segment"].action, held["tier"].action) == (segment_action, tier_action)
        for story in held.values():
            assert story.previous == story.held or story.action in ("promoted", "demoted", "entered")


def test_every_quarter_of_a_partner_can_be_explained(
    released: duckdb.DuckDBPyConnection, documents: dict[str, PolicyDocument]
) -> None:
    quarters = released.execute(
        "select distinct quarter from partner_level_history where partner_number = 'P-0005'"
    ).fetchall()
    assert len(quarters) == 12
    for (quarter,) in quarters:
        told = explain(released, "P-0005", documents=documents, quarter=quarter)
        assert told.quarter == quarter
        assert {story.is_on_record for story in told.ladders} == {quarter in ("2026Q2", "2026Q3")}


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_tells_the_whole_way(company: Deployment) -> None:
    text = company.segments("explain", "P-0050", COLUMNS="80").stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    flat = " ".join(text.split())
    for part in (
        "contributions add up to 41.08",
        "61% of its weight is known",
        "account mapping does not know the partner",
        "requires decided_deals at least 5, so 0 points",
        "tier: gold (earned silver, on watch, since 2025Q2",
        "gold (way 2 of 3, the nearest): 2 of 3 not met",
        "failed total score at least 65 41.08 23.92 missing",
        "gold needs total score at least 62.5 (now 41.08, 21.42 more, the bar of 65 less the buffer)",
        "platinum needs total score at least 72.5 (now 41.08",
        "discount_share 0.1, mdf_share 0.3",
    ):
        assert part in flat, part


KEYS = {
    "": "form partner_id partner_number partner_name quarter quarter_end release known_at policy version audience "
    "systems score ladders notes",
    "score": "total contributions evidence_share rank ranked track dimensions criteria",
    "score.dimensions": "dimension score weight counted_weight contribution",
    "score.criteria": "criterion metric dimension value is_observed unknown_because points max_points lost_to_cap "
    "weight counted_weight contribution share_of_total reason",
    "ladders": "ladder audience earned held previous action is_on_record released_in restated held_since reviews_held "
    "reviews_above reviews_below reason_codes reason held_by next_level next_by to_rise to_keep entitlements "
    "next_entitlements exception",
    "ladders.held_by": "level alternative ways has_passed conditions",
    "ladders.next_by": "level alternative ways has_passed conditions",
    "ladders.held_by.conditions": "kind subject operator needed needed_value actual actual_value outcome "
    "unknown_because distance needed_to_rise needed_to_keep",
    "ladders.entitlements": "entitlement value",
}


def objects(value: Any, path: str) -> Iterator[dict[str, Any]]:
    """Every object at a path of keys; lists are stepped into."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, path)
    elif value is not None and not path:
        yield value
    elif value is not None:
        head, _, rest = path.partition(".")
        yield from objects(value[head], rest)


def test_json_has_everything_under_keys_that_stay(company: Deployment) -> None:
    made = json.loads(company.segments("explain", "P-0050", "--json").stdout)
    assert made["form"] == FORM == 1
    for path, keys in KEYS.items():
        found = list(objects(made, path))
        assert found, path
        assert all(set(each) == set(keys.split()) for each in found), path
    assert made["score"]["total"] == 41.08
    assert all(isinstance(line["points"], int | float | None) for line in made["score"]["criteria"])
    assert {bar["outcome"] for bar in objects(made, "ladders.next_by.conditions")} == {"passed", "failed", "unknown"}


def test_partners_see_their_ladder_and_no_trace_of_the_other(company: Deployment) -> None:
    for form in ((), ("--json",)):
        text = company.segments("explain", "P-0050", "--audience", "partner", *form).stdout
        assert "gold" in text
        assert not re.search(INTERNAL, text)
        assert "hours" not in text
        assert re.search(INTERNAL, company.segments("explain", "P-0050", *form).stdout)


def test_one_ladder_alone(company: Deployment) -> None:
    made = json.loads(company.segments("explain", "P-0050", "--ladder", "tier", "--json").stdout)
    assert [story["ladder"] for story in made["ladders"]] == ["tier"]
    done = company.segments("explain", "P-0050", "--ladder", "tiers", check=False)
    assert done.returncode == 3
    assert "segment, tier" in done.stderr


def test_an_unknown_or_ambiguous_partner_is_refused_with_names(company: Deployment) -> None:
    done = company.segments("explain", "Tanaka Reyes System Inc", check=False)
    assert done.returncode == 3
    assert "P-0005 Tanaka Reyes Systems" in done.stderr
    done = company.segments("explain", "lindqvist", check=False)
    assert done.returncode == 3
    assert "P-0014" in done.stderr and "P-0031" in done.stderr

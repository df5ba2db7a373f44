"""The hours a programme promises against those there are, on the numbers of partner practice and by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.policy import PolicyDocument, read_policy
from pipelines.policy.capacity import (
    balance_of,
    balance_when_full,
    capacity_warning,
    hours_per_partner,
    hours_there,
)
from pipelines.shape import metric_names

PLENTY = "{partner_managers: 4, hours_per_week: 40, weeks: 12, utilisation: 0.7}"


def programme(
    levels: dict[str, tuple[int | None, str | None]], capacity: str | None = PLENTY, *, extra: str = ""
) -> PolicyDocument:
    """A programme of one ladder: level -> (how many fit, hours a quarter as written), and a level for the rest."""
    lines = ["policy: hours", 'version: "1"', "effective_from: 2026-01-01", "window: {quarters: 4}"]
    lines += ["score:", "  combine: points", "  criteria:"]
    lines += ["    - {id: deals, metric: won_deals, points: {per_unit: {each: 1}}}", "ladders:"]
    lines += ["  care:", "    audience: internal", "    levels:"]
    for place, (level, (count, _)) in enumerate(levels.items()):
        full = f", capacity: {count}" if count else ""
        bar = 1000 - 100 * place
        lines.append(f"      - {{level: {level}, enter: {{metric: won_deals, at_least: {bar}}}{full}}}")
    lines += ["      - {level: rest}", "entitlements:"]
    lines += [f"  care.{level}: {{hours_per_quarter: {hours}}}" for level, (_, hours) in levels.items() if hours]
    lines += ["  care.rest: {hours_per_quarter: 0, cadence: help desk}", extra]
    lines += [f"capacity: {capacity}"] if capacity else []
    return read_policy("\n".join(lines), metric_names()).document


def test_four_managers_have_1344_hours() -> None:
    document = programme({"high": (120, "40")})
    assert document.capacity is not None
    assert hours_there(document.capacity) == Decimal(1344)


def test_high_touch_for_everybody_misses_3456_hours_and_10_managers() -> None:
    document = programme({"high": (120, "40")})
    balance = balance_when_full(document)
    assert balance.hours_needed == 4800
    assert balance.hours_missing == 3456
    assert balance.managers_missing == Decimal("10.3")
    assert capacity_warning(document) == (
        "4 managers x 40 h x 12 weeks x 70 % = 1,344 h; 120 partners at 40 h need 4,800 h: "
        "3,456 h too many, 10.3 managers more"
    )


def test_a_roster_of_12_30_and_48_needs_804_hours() -> None:
    document = programme({"strategic": (12, "40"), "managed": (30, "10"), "light": (None, "0.5")})
    balance = balance_when_full(document, {("care", "light"): 48})
    assert balance.hours_needed == 804
    assert not balance.hours_missing
    assert balance.managers_missing == 0
    assert balance.text().endswith(
        "12 strategic at 40 h + 30 managed at 10 h + 48 light at 0.5 h need 804 h: 540 h left"
    )
    assert capacity_warning(document, {("care", "light"): 48}) is None


def test_a_level_without_capacity_is_named_and_not_guessed() -> None:
    balance = balance_when_full(programme({"strategic": (12, "40"), "light": (None, "0.5")}))
    assert balance.hours_needed == 480
    assert balance.uncounted == (("care", "light"),)
    assert "without care.light, which promises hours and has no capacity" in balance.text()


def test_sizes_speak_for_levels_as_they_are_whatever_fits() -> None:
    document = programme({"strategic": (12, "40"), "managed": (30, "10")})
    balance = balance_of(document, {("care", "strategic"): 40, ("care", "rest"): 70, ("other", "managed"): 9})
    assert [(demand.level, demand.partners) for demand in balance.demands] == [("strategic", 40), ("managed", 0)]
    assert balance.hours_needed == 1600
    assert balance.hours_missing == 256
    assert balance.text().endswith("40 partners at 40 h need 1,600 h: 256 h too many, 0.8 managers more")


def test_exactly_enough_is_enough_and_an_hour_more_is_not() -> None:
    assert capacity_warning(programme({"high": (1344, "1")})) is None
    warning = capacity_warning(programme({"high": (1345, "1")}))
    # 1 of 336 hours is a three-hundredth of a manager; nobody is helped by "0.0 managers more".
    assert warning and warning.endswith("1 h too many, 0.1 managers more")


def test_hours_are_exact_decimals() -> None:
    document = programme({"light": (3, "0.1")}, "{partner_managers: 1, hours_per_week: 0.3, weeks: 1, utilisation: 1}")
    assert balance_when_full(document).hours_needed == Decimal("0.3")
    assert capacity_warning(document) is None


def test_only_the_entitlement_of_that_name_takes_hours() -> None:
    document = programme({"high": (2, None)}, extra="  care.high: {sla: {hours_per_quarter: 9}, hours: 8}")
    assert hours_per_partner(document) == {}
    assert capacity_warning(document) is None


def test_hours_that_are_no_number_are_not_counted() -> None:
    assert hours_per_partner(programme({"high": (2, "as many as it takes"), "low": (3, "2")})) == {
        ("care", "low"): Decimal(2)
    }


def test_without_a_capacity_there_is_nothing_to_miss() -> None:
    document = programme({"high": (120, "40")}, None)
    balance = balance_when_full(document)
    assert balance.hours_there is None
    assert balance.hours_missing == 0
    assert balance.text() == "120 partners at 40 h need 4,800 h; the policy states no capacity"
    assert capacity_warning(document) is None


def test_managers_without_hours_cannot_be_multiplied() -> None:
    document = programme({"high": (1, "40")}, "{partner_managers: 2, hours_per_week: 40, weeks: 12, utilisation: 0}")
    assert balance_when_full(document).managers_missing is None
    warning = capacity_warning(document)
    assert warning == "2 managers x 40 h x 12 weeks x 0 % = 0 h; 1 partner at 40 h needs 40 h: 40 h too many"


@pytest.mark.parametrize("path", sorted((Path(__file__).resolve().parents[2] / "policies").glob("*.yml")), ids=str)
def test_the_programmes_that_come_along_keep_their_promises(path: Path) -> None:
    if path.name != "exceptions.yml":
        assert capacity_warning(read_policy(path, metric_names()).document) is None

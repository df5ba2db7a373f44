"""Nothing is lost and nothing is made up when the amount of a deal is shared among its partners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import UNITS, Deal, Oracle, influence_credits, production_credits, split

# deal -> partner number -> units
Credits = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Books:
    """The warehouse of a company, and its exports as the oracle reads them."""

    oracle: Oracle
    con: duckdb.DuckDBPyConnection

    def models(self) -> dict[str, tuple[str, dict[str, Fraction]]]:
        """Every attribution of the policies: its model and the weights of roles."""
        found: dict[str, tuple[str, dict[str, Fraction]]] = {}
        for programme in self.oracle.programmes:
            rows = programme.rows["attributions"]
            weights = {row["role"]: Fraction(row["weight"]) for row in rows if row["role"]}
            found[rows[0]["attribution"]] = (rows[0]["model"], weights)
        return found

    def deals(self) -> dict[str, Deal]:
        return {deal.id: deal for deal in self.oracle.company.deals}

    def credits(self, attribution: str, kind: str) -> Credits:
        made: Credits = defaultdict(dict)
        for deal, partner, amount in self.con.execute(
            "select c.opportunity_id, p.partner_number, c.credited_amount "
            "from metrics.opportunity_credits as c inner join identity.partners as p on c.partner_id = p.partner_id "
            "where c.attribution = ? and c.kind = ?",
            [attribution, kind],
        ).fetchall():
            assert partner not in made[deal], f"{partner} stands twice on {deal}"
            made[deal][partner] = int(amount * UNITS)
        return made


@pytest.fixture(scope="module", params=["sample", "crafted"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    made = request.getfixturevalue(request.param)
    file = made if isinstance(made, Path) else made.file
    con = made.warehouse() if request.param == "sample" else duckdb.connect(_warehouse(file), read_only=True)
    with con:
        yield Books(Oracle(file), con)


def _warehouse(file: Path) -> str:
    return str(file.parent / "state" / "warehouse.duckdb")


def test_the_credits_of_a_deal_add_up_to_its_amount_under_every_attribution(books: Books) -> None:
    wanted = {deal.id: deal.units for deal in books.deals().values() if deal.parts}
    assert len(books.models()) >= 3
    for attribution in books.models():
        found = {deal: sum(parts.values()) for deal, parts in books.credits(attribution, "production").items()}
        assert found == wanted, attribution


def test_influence_adds_up_to_the_amount_of_the_deals_that_somebody_influenced(books: Books) -> None:
    wanted = {deal.id: deal.units for deal in books.deals().values() if any(part.is_influencing for part in deal.parts)}
    assert wanted
    for attribution in books.models():
        found = {deal: sum(parts.values()) for deal, parts in books.credits(attribution, "influence").items()}
        assert found == wanted, attribution


def test_every_partner_gets_of_every_deal_what_the_oracle_gives_it(books: Books) -> None:
    for attribution, (model, weights) in books.models().items():
        found = books.credits(attribution, "production")
        wanted = {
            deal.id: {part.partner.number: units for part, units in production_credits(deal, model, weights)}
            for deal in books.deals().values()
            if deal.parts
        }
        wrong = sorted(deal for deal in wanted if wanted[deal] != found[deal])
        assert not wrong, (
            f"{attribution}: {len(wrong)} of {len(wanted)} deals, first {wrong[0]}: "
            f"oracle {wanted[wrong[0]]}, warehouse {found[wrong[0]]}"
        )
        influence = books.credits(attribution, "influence")
        for deal in books.deals().values():
            assert influence.get(deal.id, {}) == {p.partner.number: units for p, units in influence_credits(deal)}


def test_partners_and_direct_make_the_crm_total(books: Books) -> None:
    won = [deal for deal in books.deals().values() if deal.is_won]
    total = _money(sum(deal.units for deal in won))
    direct = _money(sum(deal.units for deal in won if not deal.parts))
    rows = books.con.execute(
        "select attribution, crm_won_amount, partner_won_amount, direct_won_amount "
        "from metrics.production_reconciliation"
    ).fetchall()
    assert {row[0] for row in rows} == set(books.models())
    assert direct
    for _, crm, partners, left in rows:
        assert (crm, left) == (total, direct)
        assert partners + left == crm


def _money(units: int) -> Decimal:
    return Decimal(units) / UNITS


@given(
    units=st.integers(-(10**17), 10**17),
    weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any),
)
def test_no_part_of_a_deal_is_a_whole_unit_away_from_its_fair_share(units: int, weights: list[int]) -> None:
    parts = split(units, [Fraction(weight) for weight in weights])
    assert sum(parts) == units
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(units * weight, sum(weights))) < 1
        assert weight or part == 0

"""The Salesforce export of the sample company: its shape, its bytes, its references, and what may not be in it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from demo import salesforce_export
from demo.__main__ import main
from demo.channel import rows
from demo.company import DROP_1, DROP_2, PSEUDO_PARTNER, REVISIONS, SOURCED, World, salesforce_id
from demo.salesforce_export import ROLE_LABELS, write_salesforce_export

FILES = ("Account.csv", "Opportunity.csv", "OpportunityPartner.csv")
ROOT = Path(__file__).parents[2]


def test_a_seed_always_gives_the_same_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        write_salesforce_export(tmp_path / name, seed=seed, partners=24, quarters=3)
    for file in FILES:
        first = (tmp_path / "first" / file).read_bytes()
        assert first == (tmp_path / "again" / file).read_bytes()
        assert first != (tmp_path / "other" / file).read_bytes()


def test_the_bytes_do_not_depend_on_the_hash_seed_of_the_interpreter(tmp_path: Path) -> None:
    for hash_seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "demo", "--to", str(tmp_path / hash_seed), "--partners", "30", "--quarters", "2"],
            check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
        )  # fmt: skip
    for file in FILES:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_the_counts_returned_are_the_rows_in_the_files(tmp_path: Path) -> None:
    counts = write_salesforce_export(tmp_path, partners=30, quarters=4)
    assert counts == {file: len(rows(tmp_path / file)) for file in counts}
    assert set(counts) == set(FILES)


def test_every_field_is_quoted_and_lines_end_as_in_the_vendors_export(export: Path) -> None:
    for file in FILES:
        raw = (export / file).read_bytes()
        assert b"\r" not in raw and raw.endswith(b"\n") and not raw.startswith(b"\xef\xbb\xbf")
        text = raw.decode("utf-8")
        again = io.StringIO()
        csv.writer(again, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(csv.reader(io.StringIO(text)))
        assert again.getvalue() == text


def test_ids_are_unique_and_every_reference_leads_to_a_row(export: Path) -> None:
    accounts, deals, credits = (rows(export / file) for file in FILES)
    ids = {row["Id"] for row in accounts}
    deal_ids = {row["Id"] for row in deals}
    assert len(ids) == len(accounts) and len(deal_ids) == len(deals)
    assert len({row["Id"] for row in credits}) == len(credits)
    assert all(len(identity) == 18 for identity in ids | deal_ids)
    assert {row["AccountId"] for row in deals} <= ids
    assert {row["OpportunityId"] for row in credits} <= deal_ids
    assert {row["AccountToId"] for row in credits} <= {row["Id"] for row in accounts if row["IsPartner"] == "true"}
    assert {row["ParentId"] for row in accounts} - {""} <= ids
    assert len({row["AccountNumber"] for row in accounts}) == len(accounts)
    assert len({row["Name"] for row in accounts}) == len(accounts)


def test_a_record_id_ends_with_the_vendors_check_letters() -> None:
    # Capitals at places 1, 2 and 5 of a group of five read 1 + 2 + 16 = 19, the 20th letter; none at all reads A.
    assert salesforce_id("001", 1)[15:] == "IAA"
    assert salesforce_id("001", 36 + 62**2)[:15] == "001Ow000000010a"


def test_each_deal_with_partners_has_one_primary_and_names_nobody_twice(export: Path) -> None:
    credits = rows(export / "OpportunityPartner.csv")
    primaries = Counter(row["OpportunityId"] for row in credits if row["IsPrimary"] == "true")
    assert set(primaries) == {row["OpportunityId"] for row in credits}
    assert set(primaries.values()) == {1}
    assert max(Counter((row["OpportunityId"], row["AccountToId"]) for row in credits).values()) == 1
    assert {row["Role"] for row in credits} == set(ROLE_LABELS)
    assert any(count > 1 for count in Counter(row["OpportunityId"] for row in credits).values())


def test_nothing_is_closed_in_the_future_and_open_deals_look_ahead(export: Path) -> None:
    deals = rows(export / "Opportunity.csv")
    closed = [row for row in deals if row["IsClosed"] == "true"]
    still_open = [row for row in deals if row["IsClosed"] == "false"]
    assert max(row["CloseDate"] for row in closed) <= "2026-09-30"
    assert min(row["CloseDate"] for row in still_open) > "2026-10-05"
    assert {row["IsWon"] for row in still_open} == {"false"}
    for file in FILES:
        table = rows(export / file)
        assert max(row["SystemModstamp"] for row in table) <= "2026-10-05T06:00:00.000Z"
        assert all(row["CreatedDate"] <= row["SystemModstamp"] for row in table)
    assert all(row["CreatedDate"][:10] <= row["CloseDate"] for row in deals)


def test_twelve_quarters_three_currencies_and_every_kind_of_deal_are_there(export: Path) -> None:
    deals = rows(export / "Opportunity.csv")
    quarters = {
        f"{day.year}Q{(day.month + 2) // 3}"
        for day in (date.fromisoformat(row["CloseDate"]) for row in deals if row["IsClosed"] == "true")
    }
    assert sorted(quarters)[0] == "2023Q4" and sorted(quarters)[-1] == "2026Q3" and len(quarters) == 12
    assert {row["CurrencyIsoCode"] for row in deals} == {"USD", "EUR", "GBP"}
    assert {(row["IsClosed"], row["IsWon"]) for row in deals} == {
        ("true", "true"),
        ("true", "false"),
        ("false", "false"),
    }
    with_partner = {row["OpportunityId"] for row in rows(export / "OpportunityPartner.csv")}
    assert 0 < len([row for row in deals if row["Id"] not in with_partner]) < len(deals) / 4


def test_only_credit_notes_are_negative_and_they_are_few(export: Path) -> None:
    negative = [row for row in rows(export / "Opportunity.csv") if row["Amount"].startswith("-")]
    assert 1 <= len(negative) <= 20
    assert all(row["Name"].endswith("(credit note)") and row["IsWon"] == "true" for row in negative)


def test_a_failing_export_leaves_the_last_one_whole_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "export"
    write_salesforce_export(target, partners=24, quarters=2)
    before = {file: (target / file).read_bytes() for file in FILES}

    def broken(*_: object) -> None:
        raise RuntimeError("no more rows today")

    monkeypatch.setattr(salesforce_export, "_customer_row", broken)
    with pytest.raises(RuntimeError):
        write_salesforce_export(target, seed=9, partners=24, quarters=2)
    assert {file: (target / file).read_bytes() for file in FILES} == before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_files_of_other_names_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write_salesforce_export(tmp_path, partners=3, quarters=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((*FILES, "notes.txt"))


@pytest.mark.parametrize("partners", [1, 2, 19, 20, 41])
def test_a_roster_of_any_size_can_be_written(tmp_path: Path, partners: int) -> None:
    write_salesforce_export(tmp_path, partners=partners, quarters=1)
    numbers = [row["AccountNumber"] for row in rows(tmp_path / "Account.csv") if row["IsPartner"] == "true"]
    assert numbers == [f"P-{number:04d}" for number in range(1, partners + 1)]


def test_partner_numbers_names_and_ids_stay_when_the_roster_grows() -> None:
    small, large = World(partners=60), World(partners=5_000)
    assert [(p.number, p.name, p.account_id) for p in small.partners()] == [
        (p.number, p.name, p.account_id) for p in (large.partner(index) for index in range(1, 61))
    ]


def test_names_stay_different_in_a_roster_of_many_thousands() -> None:
    world = World(partners=2_500, quarters=1)
    names = {partner.name.casefold() for partner in world.partners()} | {c.name for c in world.customers()}
    assert len(names) == 2_500 + world.customer_count


def test_impossible_sizes_are_refused_with_the_number_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--to", str(tmp_path / "x"), "--partners", "0"]) == 2
    assert "partners: 0 given" in capsys.readouterr().err
    assert main(["--to", str(tmp_path / "x"), "--quarters", "99"]) == 2
    assert not (tmp_path / "x").exists()


def test_help_names_every_choice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(
        word in told for word in ("--to", "--seed", "--partners", "--quarters", "--whole", "docs/sample-company.md")
    )


def test_the_second_export_shows_what_was_late_or_restated_in_the_first() -> None:
    world = World()
    then = {seen.deal.number: seen for seen in world.deals_seen_at(DROP_1)}
    now = {seen.deal.number: seen for seen in world.deals_seen_at(DROP_2)}
    assert then.keys() < now.keys()
    met: Counter[str] = Counter()
    for number, before in then.items():
        after, revision = now[number], before.deal.revision
        if revision == "late_close":
            assert not before.is_closed and after.is_won and str(after.close_date) <= "2026-06-30"
        elif revision == "late_partner":
            assert not before.credits and after.credits
        elif revision == "restated_amount":
            assert after.cents < before.cents and after.is_won
        elif revision == "moved_quarter":
            assert str(before.close_date) <= "2026-06-30" < str(after.close_date)
        elif revision == "reversed":
            assert before.is_won and after.is_closed and not after.is_won
        elif revision == "deleted":
            assert after.is_deleted and not before.is_deleted
        elif before.is_closed:
            assert (before.cents, before.is_won, before.credits) == (after.cents, after.is_won, after.credits)
            assert before.close_date == after.close_date
        met[revision] += 1
    assert set(met) == {"", *REVISIONS}


def test_the_pseudo_partner_stands_only_on_deals_nobody_brought() -> None:
    for deal in World().deals():
        if any(credit.partner == PSEUDO_PARTNER for credit in deal.credits):
            assert [credit.role for credit in deal.credits] == [SOURCED] and deal.lead_source != "Partner"

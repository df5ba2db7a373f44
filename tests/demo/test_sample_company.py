"""The whole sample company: every table of every system at both moments, and how they refer to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import crm_export, mapping_export, prm_export
from demo.__main__ import main
from demo.channel import rows
from demo.company import World
from demo.crm_export import write_crm
from demo.sample_company import write_sample_company

DAYS = ("2026-07-05", "2026-10-05")
HEADERS: dict[str, tuple[str, ...]] = {
    "crm/accounts": crm_export.ACCOUNT_COLUMNS,
    "crm/opportunities": crm_export.OPPORTUNITY_COLUMNS,
    "crm/opportunity_partners": crm_export.OPPORTUNITY_PARTNER_COLUMNS,
    "crm/meetings": crm_export.MEETING_COLUMNS,
    "account_mapping/partners": mapping_export.PARTNER_COLUMNS,
    "account_mapping/account_overlaps": mapping_export.OVERLAP_COLUMNS,
    "account_mapping/overlap_counts": mapping_export.COUNT_COLUMNS,
    **{f"prm/{name}": columns for name, columns in prm_export.COLUMNS.items()},
}


def table(company: Path, name: str, day: str) -> list[dict[str, str]]:
    system, entity = name.split("/")
    return rows(company / system / day / f"{entity}.csv")


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", sorted(HEADERS))
def test_every_table_has_its_columns_some_rows_and_no_key_twice(company: Path, name: str, day: str) -> None:
    content = table(company, name, day)
    assert content
    assert tuple(content[0]) == HEADERS[name]
    if name != "account_mapping/overlap_counts":
        assert len({row["source_id"] for row in content}) == len(content)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", sorted(HEADERS))
def test_no_export_knows_what_happened_after_it(company: Path, name: str, day: str) -> None:
    told_ahead = {"expires_at", "close_date", "expected_close_date", "period_end", "activity_start", "activity_end"}
    for row in table(company, name, day):
        for column, value in row.items():
            if column.endswith(("_at", "_date")) and column not in told_ahead:
                assert value[:10] <= day, (name, row)


@pytest.mark.parametrize("day", DAYS)
def test_references_within_and_between_the_systems_lead_somewhere(company: Path, day: str) -> None:
    accounts = {row["source_id"] for row in table(company, "crm/accounts", day)}
    deals = {row["source_id"] for row in table(company, "crm/opportunities", day)}
    assert {row["account_id"] for row in table(company, "crm/opportunities", day)} <= accounts
    assert {row["account_id"] for row in table(company, "crm/opportunity_partners", day)} <= accounts
    assert {row["opportunity_id"] for row in table(company, "crm/opportunity_partners", day)} <= deals
    assert {row["account_id"] for row in table(company, "crm/meetings", day)} <= accounts
    mapped = {row["source_id"] for row in table(company, "account_mapping/partners", day)}
    for name in ("account_mapping/account_overlaps", "account_mapping/overlap_counts"):
        assert {row["partner_id"] for row in table(company, name, day)} <= mapped
    assert {row["own_account_id"] for row in table(company, "account_mapping/account_overlaps", day)} <= accounts
    members = {row["source_id"] for row in table(company, "prm/partners", day)}
    users = {row["source_id"] for row in table(company, "prm/partner_users", day)}
    for name in HEADERS:
        if name.startswith("prm/") and name != "prm/partners":
            assert {row["partner_id"] for row in table(company, name, day)} <= members, name
    assert {row["crm_account_id"] for row in table(company, "prm/partners", day)} - {""} <= accounts
    registrations = table(company, "prm/deal_registrations", day)
    assert {row["crm_opportunity_id"] for row in registrations} - {""} <= deals
    assert {row["partner_user_id"] for row in registrations} - {""} <= users
    assert {row["user_id"] for row in table(company, "prm/training_records", day)} <= users
    requests = {row["source_id"] for row in table(company, "prm/mdf_requests", day)}
    assert {row["request_id"] for row in table(company, "prm/mdf_claims", day)} <= requests


def test_statuses_are_words_of_the_common_model(company: Path) -> None:
    allowed = {
        "prm/partners": {"active", "onboarding", "inactive", "archived"},
        "prm/training_records": {"completed", "in_progress", "expired"},
        "prm/mdf_requests": {"submitted", "approved", "declined", "completed"},
        "prm/mdf_claims": {"submitted", "paid"},
    }
    for name, words in allowed.items():
        assert {row["status"] for day in DAYS for row in table(company, name, day)} <= words
    registrations = table(company, "prm/deal_registrations", DAYS[1])
    assert {row["registration_status"] for row in registrations} == {
        "accepted", "auto_accepted", "declined", "expired", "submitted",
    }  # fmt: skip
    assert {row["outcome"] for row in registrations} == {"won", "lost", "open", "unknown"}


def test_the_template_crm_and_the_salesforce_export_tell_the_same_deals(company: Path, export: Path) -> None:
    ours = {(r["source_id"], r["amount"], r["is_won"]) for r in table(company, "crm/opportunities", DAYS[1])}
    theirs = {(r["Id"], r["Amount"], r["IsWon"]) for r in rows(export / "Opportunity.csv")}
    assert ours == theirs
    credits = {
        (r["source_id"], r["account_id"], r["role_raw"]) for r in table(company, "crm/opportunity_partners", DAYS[1])
    }
    assert credits == {(r["Id"], r["AccountToId"], r["Role"]) for r in rows(export / "OpportunityPartner.csv")}


def test_the_same_seed_gives_the_same_company_whatever_was_written_before(tmp_path: Path) -> None:
    first = write_sample_company(tmp_path / "a", partners=45, quarters=3)
    write_sample_company(tmp_path / "a", partners=45, quarters=3)
    assert write_sample_company(tmp_path / "b", partners=45, quarters=3) == first
    for name in first:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_with_a_salesforce_crm_the_templates_bring_only_the_meetings(tmp_path: Path) -> None:
    assert main(["--to", str(tmp_path), "--whole", "--crm", "salesforce", "--partners", "45", "--quarters", "3"]) == 0
    assert {path.name for path in (tmp_path / "crm" / DAYS[0]).iterdir()} == {"meetings.csv"}
    assert {path.name for path in (tmp_path / "salesforce" / DAYS[1]).iterdir()} == {
        "Account.csv", "Opportunity.csv", "OpportunityPartner.csv",
    }  # fmt: skip


def test_an_unknown_crm_table_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such crm table: contacts"):
        write_crm(tmp_path, World(partners=5, quarters=1), tables=("accounts", "contacts"))


def test_the_demo_imports_nothing_of_the_other_rooms() -> None:
    rooms = ("pipelines", "data_quality", "assets", "review", "cli", "dagster", "duckdb", "dlt")
    for module in (Path(__file__).parents[2] / "demo").glob("*.py"):
        for line in module.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert not words[1].startswith(rooms), f"{module.name}: {line}"

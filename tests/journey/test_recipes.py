"""The three recipes of docs/own-exports.md, followed word for word with exports made out of the sample company.

What stands in the document is what runs: folders, deployment files, headers and examples are taken out of it.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from demo.company import DEFAULT_SEED, DROP_1, DROP_2, DUPLICATE, DUPLICATE_AGAIN, World
from demo.crm_export import write_crm
from demo.prm_export import write_prm
from demo.salesforce_export import write_salesforce_export
from pipelines.connector import instances
from pipelines.connectors.files import Options
from pipelines.extract import extract
from pipelines.lake import lay_views
from pipelines.lake import loads as history
from pipelines.settings import read_settings
from pipelines.shape import plan
from pipelines.templates import TEMPLATES
from pipelines.warehouse import Places, memory
from tests.conftest import ROOT, Deployment

DOCUMENT = (ROOT / "docs" / "own-exports.md").read_text(encoding="utf-8")
SHEETS, PORTAL, HUBSPOT = "1. Spreadsheets only", "2. Salesforce export and portal files", "3. HubSpot export"
NOW = "2026-10-05T12:00:00+00:00"
PARTNERS, QUARTERS = 40, 6
# What no CRM knows of a partner.
ELSEWHERE = ("icp_overlap_accounts", "certified_people", "partner_manager_hours")

Row = dict[str, str]


# -- the document ------------------------------------------------------------------------------------------------------


def section(heading: str) -> str:
    return DOCUMENT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def files_of(text: str) -> dict[str, str]:
    """The files that a part of the document shows, by their names behind the language of the fence."""
    return dict(re.findall(r"^```(?:yaml|csv) (\S.*)\n((?:.*\n)*?)```$", text, re.MULTILINE))


def options_of(heading: str) -> list[str]:
    """The pieces of YAML that a part of the document shows, indented or not."""
    found = re.findall(r"^( *)```yaml\n((?:.*\n)*?) *```$", section(heading), re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def header_of(heading: str, name: str, delimiter: str = ",") -> list[str]:
    return files_of(section(heading))[name].splitlines()[0].split(delimiter)


def follow(heading: str, folder: Path) -> Deployment:
    """Do what a recipe says up to the exports themselves: make folders, copy the policy, write the deployment file."""
    shell = [line.strip() for line in section(heading).splitlines() if line.startswith("    ")]
    for line in shell:
        words = [str(folder / word.removeprefix("../my-company").lstrip("/")) for word in line.split()[1:]]
        if line.startswith("mkdir -p "):
            for word in words[1:]:
                Path(word).mkdir(parents=True, exist_ok=True)
        elif line.startswith("cp "):
            shutil.copy(ROOT / line.split()[1], words[-1])
    (folder / "segments.yml").write_text(files_of(section(heading))["segments.yml"], encoding="utf-8")
    return Deployment(folder / "segments.yml", folder / "data")


def test_the_recipes_are_where_their_table_says() -> None:
    for title, anchor in re.findall(r"\[(\d\. [^]]+)\]\(#([^)]+)\)", DOCUMENT):
        assert f"\n## {title}\n" in DOCUMENT
        assert anchor == re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("heading", [SHEETS, PORTAL, HUBSPOT])
def test_the_rows_that_the_document_shows_can_be_read_as_it_configures_them(heading: str, tmp_path: Path) -> None:
    made = follow(heading, tmp_path)
    shown = files_of(section(heading))
    for name, text in shown.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = read_settings(made.file)
    assert plan(settings).active.name == "partner-programme"
    landed = {
        table.table: table.rows
        for instance in instances(settings)
        if instance.connector.name == "files"
        for table in extract(settings, Places.of(settings), instance)
    }
    rows = {Path(name).stem: len(text.splitlines()) - 1 for name, text in shown.items() if name.startswith("inputs/")}
    if heading == HUBSPOT:
        assert landed == {"accounts": 2, "opportunities": 2, "opportunity_partners": 1}
    else:
        assert sorted(landed.values()) == sorted(rows.values())


# -- exports made out of the sample company ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """The sample company, small: its CRM and portal in October, and its CRM in July."""

    folder: Path

    def rows(self, system: str, table: str) -> list[Row]:
        with (self.folder / system / f"{table}.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    def live(self, table: str, system: str = "crm") -> list[Row]:
        """Rows without those that the CRM only marks as deleted: people take them out of a sheet."""
        return [row for row in self.rows(system, table) if row.get("is_deleted") != "true"]

    @property
    def numbers(self) -> dict[str, str]:
        """Partner numbers by account."""
        return {row["source_id"]: row["partner_number"] for row in self.rows("crm", "accounts") if is_partner(row)}

    def won(self, rate: Callable[[str, date], Decimal]) -> dict[str, Decimal]:
        """What every partner sourced and won in the four quarters up to 2026Q3, from the sample's own rows."""
        sourced = {
            row["opportunity_id"]: row["account_id"]
            for row in self.live("opportunity_partners")
            if row["role"] == "sourced"
        }
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.live("opportunities"):
            if row["is_won"] == "true" and "2025-10-01" <= row["close_date"] <= "2026-09-30":
                day = date.fromisoformat(row["close_date"])
                amount = Decimal(row["amount"]) * rate(row["currency"], day)
                sums[sourced.get(row["source_id"], "")] += amount.quantize(Decimal("0.0001"))
        return {number: sums[account] for account, number in self.numbers.items() if number != "P-0020"}


def is_partner(row: Row) -> bool:
    return row["is_partner"] == "true"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("exports")
    world = World(DEFAULT_SEED, PARTNERS, QUARTERS)
    write_crm(folder / "july", world, as_of=DROP_1)
    write_crm(folder / "crm", world, as_of=DROP_2)
    write_prm(folder / "prm", world, as_of=DROP_2)
    return Sample(folder)


def write(path: Path, header: list[str], rows: Iterable[Row], *, delimiter: str = ",", bom: bool = False) -> None:
    """A CSV as spreadsheets save it: Windows line ends, quotes only where they must be."""
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, header, delimiter=delimiter, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def day(moment: str, pattern: str) -> str:
    return datetime.fromisoformat(moment).strftime(pattern) if moment else ""


def with_marks(number: str, thousands: str, decimal: str) -> str:
    return f"{Decimal(number):,}".translate(str.maketrans(",.", thousands + decimal)) if number else ""


def rates_of(made: Deployment) -> Callable[[str, date], Decimal]:
    settings = read_settings(made.file)

    def rate(currency: str, on: date) -> Decimal:
        known = [x for x in settings.exchange_rates if x.currency == currency and x.from_ <= on]
        return max(known, key=lambda x: x.from_).rate if currency != settings.reporting_currency else Decimal(1)

    return rate


def run(made: Deployment) -> str:
    """Run and release; what the run said."""
    done = made.segments("run", SEGMENTS_NOW=NOW)
    return done.stdout + done.stderr


def lines_of(text: str) -> set[str]:
    """What was said, without what differs from run to run: blanks and seconds."""
    return {re.sub(r"\s+", " ", re.sub(r"\d+\.\d\d s", "", line)).strip() for line in text.splitlines()}


def hold_messages(heading: str, said: str) -> None:
    """The messages that the document shows are those of the run."""
    (shown,) = re.findall(r"^```text\n((?:.*\n)*?)```$", section(heading), re.MULTILINE)
    assert lines_of(shown) <= lines_of(said)


def sums(con: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
    return dict(con.execute("select partner_number, sourced_won_amount from partner_segments").fetchall())


def rounded(amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    return {number: amount.quantize(Decimal("0.01")) for number, amount in amounts.items()}


def nothing_was_set_aside(made: Deployment) -> None:
    with made.warehouse() as con:
        views = con.execute("select view_name from duckdb_views() where schema_name = 'quarantine'").fetchall()
        assert views
        for (view,) in views:
            assert con.execute(f"select reject_reason, reject_detail from quarantine.{view}").fetchall() == []


# -- 1. spreadsheets ---------------------------------------------------------------------------------------------------

SAID_FOR = {"sourced": "brought it", "influenced": "helped", "fulfilled": "delivered"}
FLAGGED = "P-0017"


@pytest.fixture(scope="module")
def sheets(origin: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, str]:
    folder = tmp_path_factory.mktemp("sheets")
    made = follow(SHEETS, folder)
    keys = {row["source_id"]: row["partner_number"] for row in origin.rows("crm", "accounts")}
    sheet: dict[str, list[Row]] = {
        "accounts": [
            {
                "Code": row["partner_number"], "Company": row["name"], "Partner": "x" if is_partner(row) else "",
                "Website": row["domain"], "Country": row["country"], "Region": row["region"],
                "Industry": row["industry"], "Employees": with_marks(row["employees"], ".", ","),
            }
            for row in origin.live("accounts")
        ],
        "opportunities": [
            {
                "Deal": row["source_id"], "Name": row["name"], "Customer": keys[row["account_id"]],
                "Value": with_marks(row["amount"], ".", ","), "Currency": row["currency"].replace("EUR", ""),
                "Status": {"Closed Won": "won", "Closed Lost": "lost"}.get(row["stage"], row["stage"]),
                "Opened": day(row["created_at"], "%d.%m.%Y"), "Closing": day(row["close_date"], "%d.%m.%Y"),
            }
            for row in origin.live("opportunities")
        ],
        "opportunity_partners": [
            {"Deal": row["opportunity_id"], "Partner": keys[row["account_id"]], "Part": SAID_FOR[row["role"]]}
            for row in origin.live("opportunity_partners")
        ],
    }  # fmt: skip
    for entity, rows in sheet.items():
        name = f"inputs/{entity}.csv"
        write(folder / name, header_of(SHEETS, name, ";"), rows, delimiter=";", bom=True)
    _declare_strategic(folder)
    return made, run(made)


def _declare_strategic(folder: Path) -> None:
    """The list of strategic partners and the change to the programme, both as the document shows them."""
    heading = "Facts of your own: `metric_facts`"
    text = files_of(section(heading))["inputs/metric_facts.csv"]
    assert "P-001" in text
    (folder / "inputs" / "metric_facts.csv").write_text(text.replace("P-001", FLAGGED), encoding="utf-8")
    policy = folder / "policies" / "partner-programme.yml"
    bar = "            - {dimension: potential, at_least: 55}"
    condition = "\n".join(" " * 12 + line for line in options_of(heading)[0].splitlines())
    before = policy.read_text(encoding="utf-8")
    after = "\n".join(condition if line.startswith(bar) else line for line in before.splitlines())
    assert after != before.rstrip()
    policy.write_text(after + "\n", encoding="utf-8")


def test_sheets_tell_what_every_partner_sold(origin: Sample, sheets: tuple[Deployment, str]) -> None:
    made, said = sheets
    hold_messages(SHEETS, said)
    with made.released() as con:
        assert rounded(sums(con)) == rounded(origin.won(rates_of(made)))
    nothing_was_set_aside(made)


def test_sheets_tell_nothing_that_only_a_portal_or_a_platform_could(sheets: tuple[Deployment, str]) -> None:
    with sheets[0].released() as con:
        for metric in ELSEWHERE:
            assert con.execute(f"select count(*) from partner_segments where {metric} is not null").fetchone() == (0,)
        (share,) = con.execute("select max(evidence_share) from partner_segments").fetchone() or (0,)
        assert [f"{share * 100:.0f} %"] == re.findall(r"`evidence_share` is\s+at\s+most (\d+ %)", section(SHEETS))
        assert con.execute("select count(*) from partner_segments where tier = 'platinum'").fetchone() == (0,)
        assert con.execute("select count(*) from partner_segments where tier = 'gold'").fetchone() != (0,)


def test_a_list_of_strategic_partners_is_a_fact_that_a_programme_may_use(sheets: tuple[Deployment, str]) -> None:
    with sheets[0].released() as con:
        gates = con.execute(
            "select quarter, partner_number, actual_value, has_passed from partner_gates "
            "where subject = 'strategic_flag' and quarter in ('2026Q2', '2026Q3')"
        ).fetchall()
    found = {(quarter, number == FLAGGED, value, passed) for quarter, number, value, passed in gates}
    assert found == {
        ("2026Q2", True, None, False),
        ("2026Q2", False, None, False),
        ("2026Q3", True, 1, True),
        ("2026Q3", False, 0, False),
    }


# -- 2. Salesforce and a portal ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def portal(origin: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, str]:
    folder = tmp_path_factory.mktemp("portal")
    made = follow(PORTAL, folder)
    write_salesforce_export(folder / "inputs" / "salesforce", partners=PARTNERS, quarters=QUARTERS)
    _without_partner_flag(folder / "inputs" / "salesforce" / "Account.csv")
    american = "%m/%d/%Y"
    lists: dict[str, list[Row]] = {
        "inputs/portal/partners.csv": [
            {
                "Partner ID": row["source_id"], "Partner Name": row["name"], "Website": f"https://www.{row['domain']}/",
                "Salesforce Account ID": row["crm_account_id"][:15], "Status": row["status"].title(),
                "Partner Level": row["tier"].title(), "Region": row["region"], "Country": row["country"],
                "Joined Date": day(row["joined_at"], american), "Partner Manager": row["manager"],
            }
            for row in origin.rows("prm", "partners")
        ],
        "inputs/portal/certifications.csv": [
            {
                "Completion ID": row["source_id"], "Partner ID": row["partner_id"], "User Email": row["user_email"],
                "Certification Name": row["item_name"], "Type": row["record_type"].title(),
                "Status": row["status"].replace("_", " ").title(),
                "Enrolled Date": day(row["enrolled_at"], american),
                "Completed Date": day(row["completed_at"], american),
                "Expiration Date": day(row["expires_at"], american),
            }
            for row in origin.rows("prm", "training_records")
        ],
        "inputs/portal/Deal Reg Report 2026-10-05.csv": [
            {
                "Registration ID": row["source_id"], "Partner ID": row["partner_id"],
                "Opportunity ID": row["crm_opportunity_id"][:15], "Customer": row["customer_company"],
                "Status": row["registration_status"].replace("_", " ").title(),
                "Deal Amount": with_marks(row["amount"], ",", "."), "Currency": row["currency"],
                "Submitted On": day(row["submitted_at"], american), "Approved On": day(row["decided_at"], american),
                "Expiry Date": day(row["expires_at"], american),
            }
            for row in origin.rows("prm", "deal_registrations")
        ],
    }  # fmt: skip
    for name, rows in lists.items():
        write(folder / name, header_of(PORTAL, name), rows)
    _assign_the_duplicate(folder)
    return made, run(made)


def _without_partner_flag(accounts: Path) -> None:
    """As in an organisation without a partner portal: the type of an account has to tell the partners."""
    with accounts.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    write(accounts, [name for name in rows[0] if name != "IsPartner"], [_without(row, "IsPartner") for row in rows])


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


def _assign_the_duplicate(folder: Path) -> None:
    header = header_of(PORTAL, "crosswalk.csv")
    world = World(DEFAULT_SEED, PARTNERS, QUARTERS)
    accounts = {partner.index: partner for partner in world.partners()}
    again = accounts[DUPLICATE_AGAIN].account_id
    row = dict(
        zip(header, ("salesforce", again, accounts[DUPLICATE].number, "one company, entered twice"), strict=True)
    )
    write(folder / "crosswalk.csv", header, [row])


def test_a_portal_beside_salesforce_changes_no_sales(origin: Sample, portal: tuple[Deployment, str]) -> None:
    made, _ = portal
    expected = origin.won(rates_of(made))
    expected["P-0014"] += expected.pop("P-0031")  # the crosswalk
    with made.released() as con:
        released = sums(con)
        only_there = con.execute("select partner_name from partner_segments where systems = 'prm'").fetchall()
    unknown = {number for number, amount in released.items() if amount is None}
    assert len(unknown) == len(only_there) == 1
    assert only_there == [("Ibarra Cloud Works",)]
    assert rounded({number: amount for number, amount in released.items() if number not in unknown}) == rounded(
        expected
    )
    nothing_was_set_aside(made)


def test_the_portals_certificates_belong_to_salesforces_partners(
    origin: Sample, portal: tuple[Deployment, str]
) -> None:
    names = {row["name"]: row["partner_number"] for row in origin.rows("crm", "accounts") if is_partner(row)}
    members = {row["source_id"]: names[row["name"]] for row in origin.rows("prm", "partners") if row["name"] in names}
    people: dict[str, set[str]] = {number: set() for number in members.values()}
    for row in origin.rows("prm", "training_records"):
        is_valid = row["record_type"] == "certification" and row["completed_at"] and row["expires_at"] >= "2026-09-30"
        if is_valid and row["partner_id"] in members:
            people[members[row["partner_id"]]].add(row["user_email"])
    with portal[0].released() as con:
        known = dict(
            con.execute(
                "select partner_number, certified_people from partner_segments "
                "where certified_people is not null and systems <> 'prm'"
            ).fetchall()
        )
    assert known == {number: len(found) for number, found in people.items()}
    assert any(known.values())


def test_links_carry_their_rule_and_what_met_nobody_is_listed(portal: tuple[Deployment, str]) -> None:
    made, _ = portal
    with made.warehouse() as con:
        rules = dict(con.execute("select rule, count(*) from identity.partner_links group by rule").fetchall())
    assert rules["crosswalk"] == 1
    assert rules["crm_account_id"] > 20
    assert rules["domain"] > 0
    with made.released() as con:
        alone = con.execute("select partner_name from identity_review where reason = 'one_system_only'").fetchall()
    assert ("Ibarra Cloud Works",) in alone
    assert ("Old Harbour Computing",) in alone


# -- 3. HubSpot --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hubspot(origin: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, str]:
    folder = tmp_path_factory.mktemp("hubspot")
    made = follow(HUBSPOT, folder)
    (folder / "inputs" / "2026-07-05").mkdir()
    for system, moment in (("july", "2026-07-05"), ("crm", "2026-10-05")):
        for name, rows in (("companies", _companies(origin, system)), ("deals", _deals(origin, system))):
            shown = f"inputs/2026-10-05/hubspot-crm-exports-all-{name}-2026-10-05.csv"
            write(folder / shown.replace("2026-10-05", moment), header_of(HUBSPOT, shown), rows)
    return made, run(made)


def record(sample_id: str) -> str:
    """A HubSpot record id: a number, the same in every export."""
    return str(9_180_000_000 + int.from_bytes(sample_id[9:15].encode(), "big"))


def _companies(origin: Sample, system: str) -> list[Row]:
    return [
        {
            "Record ID": record(row["source_id"]), "Company name": row["name"], "Company Domain Name": row["domain"],
            "Type": ("Reseller" if place % 3 else "Partner") if is_partner(row) else "Prospect",
            "Industry": row["industry"].upper().replace(" ", "_"), "Number of Employees": row["employees"],
            "Country/Region": row["country"], "Company owner": row["owner_id"],
            "Create Date": day(row["created_at"], "%Y-%m-%d %H:%M"),
        }
        for place, row in enumerate(origin.live("accounts", system))
    ]  # fmt: skip


def _deals(origin: Sample, system: str) -> list[Row]:
    partners = {
        row["opportunity_id"]: row for row in origin.live("opportunity_partners", system) if row["is_primary"] == "true"
    }
    none: Row = {"account_id": "", "role": ""}
    rows = []
    for row in origin.live("opportunities", system):
        customer, partner = record(row["account_id"]), partners.get(row["source_id"], none)
        holder = record(partner["account_id"]) if partner["account_id"] else ""
        rows.append(
            {
                "Record ID": record(row["source_id"]), "Deal Name": row["name"], "Pipeline": "Sales Pipeline",
                "Deal Stage": row["stage"], "Amount": row["amount"], "Currency": row["currency"],
                "Close Date": f"{row['close_date']} 14:05", "Create Date": day(row["created_at"], "%Y-%m-%d %H:%M"),
                "Deal owner": row["owner_id"], "Is Deal Closed?": row["is_closed"], "Is Closed Won": row["is_won"],
                "Associated Company IDs (Primary)": customer,
                "Associated Company IDs": ";".join(filter(None, (customer, holder))), "Partner Record ID": holder,
                "Partner Involvement": partner["role"].title(),
            }
        )  # fmt: skip
    return rows


def test_hubspots_export_tells_what_every_partner_sold(origin: Sample, hubspot: tuple[Deployment, str]) -> None:
    made, _ = hubspot
    records = {number: record(account) for account, number in origin.numbers.items()}
    expected = {records[number]: amount for number, amount in origin.won(rates_of(made)).items()}
    with made.released() as con:
        assert rounded(sums(con)) == rounded(expected)
    nothing_was_set_aside(made)


def test_partners_and_direct_deals_of_hubspot_are_all_there(origin: Sample, hubspot: tuple[Deployment, str]) -> None:
    made, said = hubspot
    hold_messages(HUBSPOT, said)
    with made.warehouse() as con:
        counts = {
            entity: con.execute(f"select count(*) from conformed.{entity}").fetchone()
            for entity in ("accounts", "opportunities", "opportunity_partners")
        }
    deals = origin.live("opportunities")
    held = {row["opportunity_id"] for row in origin.live("opportunity_partners")}
    assert counts["accounts"] == (len(origin.live("accounts")),)
    assert counts["opportunities"] == (len(deals),)
    assert counts["opportunity_partners"] == (sum(row["source_id"] in held for row in deals),)


def test_the_drop_of_july_is_kept(hubspot: tuple[Deployment, str]) -> None:
    made, _ = hubspot
    loads = {(load.table, load.known_at.date().isoformat()) for load in history(Places(made.state).lake, "hubspot")}
    # Companies are the same in both, so the second export of them brings nothing.
    deals = {
        (table, day) for table in ("opportunities", "opportunity_partners") for day in ("2026-07-05", "2026-10-05")
    }
    assert loads == {("accounts", "2026-07-05"), *deals}


# -- the rest of the document ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", [HUBSPOT, "Facts of your own: `metric_facts`"])
def test_the_options_that_the_document_suggests_besides_are_options(heading: str) -> None:
    pieces = [found for text in options_of(heading) if isinstance(found := yaml.safe_load(text), dict)]
    assert pieces
    for piece in pieces:
        Options(kind="crm", **piece)


def test_a_column_of_a_sheet_becomes_facts(tmp_path: Path) -> None:
    made = follow(SHEETS, tmp_path)
    content: dict[str, Any] = yaml.safe_load(made.file.read_text(encoding="utf-8"))
    options = content["sources"]["sheets"]["options"]
    for name, piece in yaml.safe_load(options_of("Facts of your own: `metric_facts`")[1]).items():
        options[name] = {**options.get(name, {}), **piece}
    made.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    (tmp_path / "inputs" / "accounts.csv").write_text(
        "Code;Company;Partner;Strategic\nP-001;Harbour Systems;x;yes\nP-002;Old Quay;x;\nP-003;Cap;x;No\n",
        encoding="utf-8",
    )
    settings = read_settings(made.file)
    (instance,) = instances(settings)
    extract(settings, Places.of(settings), instance)
    with memory() as con:
        lay_views(con, Places.of(settings).lake, [instance], known_at=None)
        found = con.execute(
            "select partner, metric, fact_date, value from raw_files.metric_facts order by all"
        ).fetchall()
    assert found == [("P-001", "strategic_flag", "2026-07-15", "1"), ("P-003", "strategic_flag", "2026-07-15", "0")]


def test_every_table_is_described() -> None:
    described = re.findall(r"^\| (\w+) \| (.+?) \| (.+) \|$", section("Every table there is"), re.MULTILINE)[1:]
    assert described == [(name, ", ".join(one.kinds), one.says) for name, one in TEMPLATES.items()]


def test_the_header_of_the_crosswalk_is_the_one_described() -> None:
    described = re.findall(r"^\| (\w+) \|", section("Records assigned by hand: the crosswalk"), re.MULTILINE)[1:]
    assert header_of(PORTAL, "crosswalk.csv") == described

"""How what a CRM says goes wrong: amounts, dates, states, ids, partners and the links between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from random import Random

from demo.mutations.sheet import Mutation, Row, Sheet, changed, days_later, lost, milliseconds, on, times

_DEALS, _LINKS, _ACCOUNTS, _MEETINGS = "opportunities", "opportunity_partners", "accounts", "meetings"
# The quarter that the newest export brings.
_QUARTER, _MONTH = ("2026-07-01", "2026-09-30"), "2026-09"


def _is_partner(row: Row) -> bool:
    return row["is_partner"] == "true"


def _is_won(row: Row) -> bool:
    return row["is_won"] == "true"


def _in_the_quarter(row: Row) -> bool:
    return _QUARTER[0] <= row["close_date"] <= _QUARTER[1]


def _is_a_tenth_of_the_wins(row: Row) -> bool:
    return _is_won(row) and _in_the_quarter(row) and sha256(row["source_id"].encode()).digest()[0] < 26


# --- amounts --------------------------------------------------------------------------------------------------------


def _decimal_comma(value: str) -> str:
    return value.replace(".", ",")


def _thousands_marks(value: str) -> str:
    return value and f"{Decimal(value):,.2f}"


def _to_thousands(value: str) -> str:
    return value and str((Decimal(value) / 1000).quantize(Decimal(1), ROUND_HALF_UP) * 1000)


def _share_of_the_largest(sheet: Sheet, _: Random) -> None:
    largest = max(Decimal(row["amount"]) for row in sheet.rows if row["amount"])
    sheet.change("amount", lambda value: value and f"{Decimal(value) / largest * 100:.1f}%")


def _one_amount_mistyped(sheet: Sheet, _: Random) -> None:
    """The largest deal of the quarter with three zeros more."""
    of_quarter = [row for row in sheet.rows if _is_won(row) and _in_the_quarter(row)]
    largest = max(of_quarter, key=lambda row: Decimal(row["amount"]))["source_id"]
    sheet.change("amount", times("1000"), lambda row: row["source_id"] == largest)


# --- dates ----------------------------------------------------------------------------------------------------------


def _years_later(years: int) -> Callable[[str], str]:
    def how(value: str) -> str:
        day = "28" if value[5:10] == "02-29" else value[8:10]
        return value and f"{int(value[:4]) + years}-{value[5:7]}-{day}{value[10:]}"

    return how


def _day_and_month_swapped(value: str) -> str:
    """As happens where a day above twelve cannot be a month."""
    return f"{value[:5]}{value[8:10]}-{value[5:7]}" if value and int(value[8:10]) <= 12 else value


def _seconds(value: str) -> str:
    return value and str(int(datetime.fromisoformat(value).timestamp()))


# --- ids ------------------------------------------------------------------------------------------------------------


def _numbered_anew(value: str) -> str:
    """Another id of the same shape, the same for the same id."""
    return value and value[:6] + sha256(value.encode()).hexdigest()[:9].upper() + value[15:]


def _ids_used_again(sheet: Sheet, random: Random) -> None:
    """New deals under the ids of deals that were lost long ago: the old rows are gone."""
    old = [row for row in sheet.rows if row["stage"] == "Closed Lost" and row["close_date"] < "2025-01-01"]
    new = [row for row in sheet.rows if _is_won(row) and _in_the_quarter(row)]
    taken = dict(zip([row["source_id"] for row in random.sample(new, 100)], random.sample(old, 100), strict=True))
    gone = {row["source_id"] for row in taken.values()}
    sheet.drop(lambda row: row["source_id"] in gone)
    sheet.change("source_id", lambda value: taken[value]["source_id"], lambda row: row["source_id"] in taken)


def _ids_used_twice(sheet: Sheet, random: Random) -> None:
    """A hundred deals bear the id of another deal that is there too."""
    ones, others = random.sample(sheet.rows, 100), random.sample(sheet.rows, 100)
    for one, other in zip(ones, others, strict=True):
        one["source_id"] = other["source_id"]
    sheet.touched = 100


# --- partners -------------------------------------------------------------------------------------------------------


def _numbers_moved_by_one(sheet: Sheet, _: Random) -> None:
    """Every partner bears the number of the next, as when a column is sorted alone."""
    partners = [row for row in sheet.rows if _is_partner(row)]
    numbers = [row["partner_number"] for row in partners]
    for row, number in zip(partners, numbers[1:] + numbers[:1], strict=True):
        row["partner_number"] = number
    sheet.touched = len(partners)


def _half_of_the_partners(sheet: Sheet, random: Random) -> None:
    partners = [row["source_id"] for row in sheet.rows if _is_partner(row)]
    gone = set(random.sample(partners, len(partners) // 2))
    sheet.drop(lambda row: row["source_id"] in gone)


def _customers_become_partners(sheet: Sheet, random: Random) -> None:
    for row in random.sample([row for row in sheet.rows if not _is_partner(row)], 300):
        row["is_partner"] = "true"
    sheet.touched = 300


def _a_third_is_no_partner(sheet: Sheet, random: Random) -> None:
    partners = [row for row in sheet.rows if _is_partner(row)]
    for row in random.sample(partners, len(partners) // 3):
        row["is_partner"] = "false"
    sheet.touched = len(partners) // 3


def _names_with(text: str, count: int) -> Callable[[Sheet, Random], None]:
    """Something put before the names of some partners."""

    def how(sheet: Sheet, random: Random) -> None:
        for row in random.sample([row for row in sheet.rows if _is_partner(row)], count):
            row["name"] = text + row["name"]
        sheet.touched = count

    return how


def _one_partner_renamed(sheet: Sheet, _: Random) -> None:
    def is_it(row: Row) -> bool:
        return row["partner_number"] == "P-0002"

    sheet.change("name", lambda value: "Thistlewick Consolidated Ventures", is_it)
    sheet.change("domain", lambda value: "thistlewick-ventures.example", is_it)


def _control_characters(sheet: Sheet, random: Random) -> None:
    for row in random.sample([row for row in sheet.rows if _is_partner(row)], 40):
        row["name"] = row["name"].replace(" ", "\x07\x1b ", 1)
    sheet.touched = 40


# --- links ----------------------------------------------------------------------------------------------------------


def _all_to_one_partner(sheet: Sheet, _: Random) -> None:
    one = sheet.rows[0]["account_id"]
    sheet.change("account_id", lambda value: one)


def _one_partner_into_another(sheet: Sheet, _: Random) -> None:
    """The partner with most links is merged into the next in the CRM, and only the links say so."""
    counts: dict[str, int] = {}
    for row in sheet.rows:
        counts[row["account_id"]] = counts.get(row["account_id"], 0) + 1
    first, second = sorted(counts, key=lambda account: (-counts[account], account))[:2]
    sheet.change("account_id", lambda value: second, lambda row: row["account_id"] == first)


def _orphans(sheet: Sheet, random: Random) -> None:
    """Three links of ten lead to deals that are nowhere."""
    for row in random.sample(sheet.rows, len(sheet.rows) * 3 // 10):
        row["opportunity_id"] = _numbered_anew(row["opportunity_id"])
        sheet.touched += 1


def _a_share_lost(share: float) -> Callable[[Sheet, Random], None]:
    def how(sheet: Sheet, random: Random) -> None:
        gone = {row["source_id"] for row in random.sample(sheet.rows, int(share * len(sheet.rows)))}
        sheet.drop(lambda row: row["source_id"] in gone)

    return how


def _all_sourced(sheet: Sheet, _: Random) -> None:
    sheet.change("role_raw", lambda value: "Referral")
    sheet.change("role", lambda value: "sourced")


def _roles_unknown(sheet: Sheet, _: Random) -> None:
    sheet.change("role", lambda value: "")
    sheet.change("role_raw", lambda value: "Kooperationspartner")


# --- deals ----------------------------------------------------------------------------------------------------------


def _all_won(sheet: Sheet, _: Random) -> None:
    sheet.change("stage", lambda value: "Closed Won")
    sheet.change("is_won", lambda value: "true")
    sheet.change("is_closed", lambda value: "true")


def _opened_again(sheet: Sheet, _: Random) -> None:
    """The deals won in the quarter are open once more."""

    def is_it(row: Row) -> bool:
        return row["stage"] == "Negotiation" and _in_the_quarter(row)

    sheet.change("stage", lambda value: "Negotiation", lambda row: _is_won(row) and _in_the_quarter(row))
    sheet.change("is_won", lambda value: "false", is_it)
    sheet.change("is_closed", lambda value: "false", is_it)


def _tests_among_them(sheet: Sheet, random: Random) -> None:
    """Somebody tried out the CRM's import with copies of won deals, and called them so."""
    won = random.sample([row for row in sheet.rows if _is_won(row) and _in_the_quarter(row)], 200)
    sheet.add(
        [
            {
                **row,
                "source_id": f"006OwTEST{place:06d}IAE",
                "name": f"TEST please ignore {place}",
                "amount": "999999.00",
            }
            for place, row in enumerate(won)
        ]
    )


_STAGES_IN_GERMAN = {
    "Closed Won": "Gewonnen", "Closed Lost": "Verloren", "Negotiation": "Verhandlung", "Proposal": "Angebot",
    "Needs Analysis": "Bedarfsanalyse", "Qualification": "Qualifizierung", "Prospecting": "Anbahnung",
}  # fmt: skip


def _minutes_mixed(sheet: Sheet, random: Random) -> None:
    """Half of the meetings are given in hours."""
    chosen = {row["source_id"] for row in random.sample(sheet.rows, len(sheet.rows) // 2)}
    sheet.change("minutes", times("0.01666666667", "0.01"), lambda row: row["source_id"] in chosen)


CRM: tuple[Mutation, ...] = (
    # amounts
    Mutation("amounts_in_cents", "Amounts are in cents instead of units.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("100"))),
    Mutation("amounts_in_cents_of_one_currency", "Amounts in euro are in cents.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("100"), lambda row: row["currency"] == "EUR")),
    Mutation("amounts_of_the_quarter_in_cents", "Amounts of the newest quarter are in cents.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("100"), _in_the_quarter)),
    Mutation("amounts_in_thousands", "Amounts are given in thousands.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("0.001", "0.001"))),
    Mutation("amounts_rounded", "Amounts are rounded to whole thousands.", "crm", _DEALS, False,
             changed(_DEALS, "amount", _to_thousands)),
    Mutation("amounts_zero", "All amounts are zero.", "crm", _DEALS, True,
             changed(_DEALS, "amount", lambda value: "0.00")),
    Mutation("amounts_negative", "All amounts have lost their sign's meaning and are negative.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("-1"))),
    Mutation("some_signs_turned", "A tenth of the deals won in the newest quarter are negative.", "crm", _DEALS, True,
             changed(_DEALS, "amount", times("-1"), _is_a_tenth_of_the_wins)),
    Mutation("amounts_blank", "All amounts are blank.", "crm", _DEALS, True,
             changed(_DEALS, "amount", lambda value: "")),
    Mutation("amounts_in_percent", "The column of the amount holds a share in per cent.", "crm", _DEALS, True,
             on(_DEALS, _share_of_the_largest)),
    Mutation("amount_mistyped", "One deal has three zeros too many.", "crm", _DEALS, True,
             on(_DEALS, _one_amount_mistyped)),
    Mutation("decimal_comma", "Amounts are written with a decimal comma.", "crm", _DEALS, False,
             changed(_DEALS, "amount", _decimal_comma)),
    Mutation("thousands_marks", "Amounts are written with marks between thousands.", "crm", _DEALS, False,
             changed(_DEALS, "amount", _thousands_marks)),
    Mutation("currency_blank", "No deal says its currency.", "crm", _DEALS, True,
             changed(_DEALS, "currency", lambda value: "")),
    Mutation("currency_all_the_same", "Every deal is said to be in US dollars.", "crm", _DEALS, True,
             changed(_DEALS, "currency", lambda value: "USD")),
    Mutation("currency_without_a_rate", "Deals in pounds are now in yen, which has no exchange rate.", "crm", _DEALS,
             True, changed(_DEALS, "currency", lambda value: "JPY", lambda row: row["currency"] == "GBP")),
    # dates
    Mutation("dates_a_year_early", "All close dates are a year too early.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", _years_later(-1))),
    Mutation("dates_a_year_late", "All close dates are a year too late.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", _years_later(1))),
    Mutation("day_and_month_swapped", "Where the day can be a month, it has become one.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", _day_and_month_swapped)),
    Mutation("dates_all_one_day", "All deals are closed on the day of a migration.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", lambda value: "2026-08-15", lambda row: row["is_closed"] == "true")),
    Mutation("dates_in_the_future", "The deals won in the quarter are closed next spring.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", days_later(270), lambda row: _is_won(row) and _in_the_quarter(row))),
    Mutation("dates_blank", "Closed deals have no close date.", "crm", _DEALS, True,
             changed(_DEALS, "close_date", lambda value: "", lambda row: row["is_closed"] == "true")),
    Mutation("moments_in_seconds", "Moments of meetings are counted in seconds since 1970.", "crm", _MEETINGS, True,
             changed(_MEETINGS, "started_at", _seconds)),
    Mutation("moments_in_milliseconds", "Moments of creation are counted in milliseconds since 1970.", "crm", _DEALS,
             False, changed(_DEALS, "created_at", milliseconds)),
    Mutation("clock_ahead", "The CRM's clock is ten days ahead.", "crm", _MEETINGS, False,
             changed(_MEETINGS, "started_at", days_later(10))),
    # deals
    Mutation("last_month_missing", "Nothing that was closed in September is exported.", "crm", _DEALS, True,
             lost(_DEALS, lambda row: row["is_closed"] == "true" and row["close_date"].startswith(_MONTH))),
    Mutation("a_tenth_missing", "One deal of ten is missing, at random.", "crm", _DEALS, True,
             on(_DEALS, _a_share_lost(0.1))),
    Mutation("a_currency_missing", "The deals of one region, those in pounds, are missing.", "crm", _DEALS, True,
             lost(_DEALS, lambda row: row["currency"] == "GBP")),
    Mutation("stages_all_won", "All deals are won.", "crm", _DEALS, True, on(_DEALS, _all_won)),
    Mutation("stages_all_lost", "No deal is won.", "crm", _DEALS, True,
             changed(_DEALS, "is_won", lambda value: "false")),
    Mutation("quarter_reopened", "The deals won in the quarter are open again.", "crm", _DEALS, True,
             on(_DEALS, _opened_again)),
    Mutation("stages_in_another_language", "Stages are written in German.", "crm", _DEALS, False,
             changed(_DEALS, "stage", lambda value: _STAGES_IN_GERMAN[value])),
    Mutation("truth_in_another_language", "True and false are written in German.", "crm", _DEALS, True,
             changed(_DEALS, "is_won", lambda value: "wahr" if value == "true" else "falsch")),
    Mutation("amount_becomes_text", "Amounts are texts such as `USD 1.2k`.", "crm", _DEALS, True,
             changed(_DEALS, "amount", lambda value: value and f"approx. {Decimal(value) / 1000:.1f}k")),
    Mutation("test_records", "Two hundred deals of somebody's test were exported, each called a test.", "crm", _DEALS,
             True, on(_DEALS, _tests_among_them)),
    Mutation("owners_blank", "No deal says who owns it.", "crm", _DEALS, False,
             changed(_DEALS, "owner_id", lambda value: "")),
    Mutation("all_deleted", "Every deal is marked as deleted.", "crm", _DEALS, True,
             changed(_DEALS, "is_deleted", lambda value: "true")),
    # ids
    Mutation("ids_used_again", "A hundred new deals bear the ids of old ones, which are gone.", "crm", _DEALS, True,
             on(_DEALS, _ids_used_again)),
    Mutation("ids_used_twice", "A hundred deals bear the id of another deal.", "crm", _DEALS, True,
             on(_DEALS, _ids_used_twice)),
    Mutation("ids_numbered_anew", "Deals have new ids, and nothing that refers to them knows.", "crm", _DEALS, True,
             changed(_DEALS, "source_id", _numbered_anew)),
    Mutation("account_ids_numbered_anew", "Accounts have new ids, and nothing that refers to them knows.", "crm",
             _ACCOUNTS, True, changed(_ACCOUNTS, "source_id", _numbered_anew)),
    Mutation("ids_with_blanks", "Ids of partners in links have blanks around them.", "crm", _LINKS, True,
             changed(_LINKS, "account_id", lambda value: f" {value} ")),
    Mutation("ids_upper_cased", "A spreadsheet has put the ids of partners in links into capitals.", "crm", _LINKS,
             True, changed(_LINKS, "account_id", str.upper)),
    Mutation("ids_cut_short", "Ids of partners in links lack their last three characters.", "crm", _LINKS, True,
             changed(_LINKS, "account_id", lambda value: value[:15])),
    # partners
    Mutation("partners_half_gone", "Half of the partner accounts are missing.", "crm", _ACCOUNTS, True,
             on(_ACCOUNTS, _half_of_the_partners)),
    Mutation("region_missing", "The accounts of Asia Pacific are missing.", "crm", _ACCOUNTS, True,
             lost(_ACCOUNTS, lambda row: row["region"] == "Asia Pacific")),
    Mutation("partner_numbers_moved", "Every partner bears the number of the next one.", "crm", _ACCOUNTS, True,
             on(_ACCOUNTS, _numbers_moved_by_one)),
    Mutation("partner_numbers_blank", "No account has its partner number.", "crm", _ACCOUNTS, True,
             changed(_ACCOUNTS, "partner_number", lambda value: "")),
    Mutation("customers_become_partners", "Three hundred customers are marked as partners.", "crm", _ACCOUNTS, True,
             on(_ACCOUNTS, _customers_become_partners)),
    Mutation("partners_become_customers", "A third of the partners is no longer marked as such.", "crm", _ACCOUNTS,
             True, on(_ACCOUNTS, _a_third_is_no_partner)),
    Mutation("partner_renamed", "One partner has another name and another domain.", "crm", _ACCOUNTS, False,
             on(_ACCOUNTS, _one_partner_renamed)),
    Mutation("domains_all_the_same", "All accounts have the domain of the vendor.", "crm", _ACCOUNTS, True,
             changed(_ACCOUNTS, "domain", lambda value: "ormwick.example")),
    Mutation("names_blank", "The partners' accounts have no name.", "crm", _ACCOUNTS, True,
             changed(_ACCOUNTS, "name", lambda value: "", _is_partner)),
    Mutation("account_owners_blank", "No account says who owns it.", "crm", _ACCOUNTS, False,
             changed(_ACCOUNTS, "owner_id", lambda value: "")),
    Mutation("industries_blank", "No account says its industry, so nobody is an ideal customer.", "crm", _ACCOUNTS,
             True, changed(_ACCOUNTS, "industry", lambda value: "")),
    Mutation("employees_as_ranges", "Head counts are ranges such as 1000-5000.", "crm", _ACCOUNTS, True,
             changed(_ACCOUNTS, "employees", lambda value: value and f"{value}-{int(value) * 5}")),
    Mutation("control_characters", "Names hold characters that no terminal should be sent.", "crm", _ACCOUNTS, False,
             on(_ACCOUNTS, _control_characters)),
    Mutation("formulas_in_names", "Names of partners are formulas that a spreadsheet would run.", "crm", _ACCOUNTS,
             False, on(_ACCOUNTS, _names_with('=HYPERLINK("http://evil.example","click") ', 20))),
    Mutation("giant_text", "One partner's name is two hundred thousand characters long.", "crm", _ACCOUNTS, False,
             on(_ACCOUNTS, _names_with("lorem ipsum " * 17_000, 1))),
    # links
    Mutation("all_to_one_partner", "Every deal is credited to one partner.", "crm", _LINKS, True,
             on(_LINKS, _all_to_one_partner)),
    Mutation("partner_merged_into_another", "The links of one partner lead to another.", "crm", _LINKS, True,
             on(_LINKS, _one_partner_into_another)),
    Mutation("orphan_links", "Three links of ten lead to deals that are nowhere.", "crm", _LINKS, True,
             on(_LINKS, _orphans)),
    Mutation("links_missing", "Fifteen links of a hundred are missing, at random.", "crm", _LINKS, True,
             on(_LINKS, _a_share_lost(0.15))),
    Mutation("roles_unknown", "Every link has a role that nobody has heard of.", "crm", _LINKS, True,
             on(_LINKS, _roles_unknown)),
    Mutation("roles_all_sourced", "Every link says that the partner found the deal.", "crm", _LINKS, True,
             on(_LINKS, _all_sourced)),
    # meetings
    Mutation("meetings_in_seconds", "Meetings last sixty times as long, as they are counted in seconds.", "crm",
             _MEETINGS, True, changed(_MEETINGS, "minutes", times("60", "1"))),
    Mutation("meetings_in_hours_and_minutes", "Half of the meetings are counted in hours.", "crm", _MEETINGS, True,
             on(_MEETINGS, _minutes_mixed)),
    Mutation("meetings_of_nobody", "No meeting says with which account it was.", "crm", _MEETINGS, True,
             changed(_MEETINGS, "account_id", lambda value: "")),
)  # fmt: skip

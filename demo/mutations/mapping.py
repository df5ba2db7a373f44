"""How what an account-mapping platform says goes wrong: overlaps, populations, counts."""

from __future__ import annotations

from random import Random

from demo.mutations.sheet import Mutation, Sheet, changed, lost, on

_OVERLAPS, _COUNTS, _PARTNERS = "account_overlaps", "overlap_counts", "partners"


def _overlaps_twice(sheet: Sheet, _: Random) -> None:
    sheet.add([{**row, "source_id": row["source_id"] + "-2"} for row in sheet.rows])


def _all_of_one(sheet: Sheet, _: Random) -> None:
    one = sheet.rows[0]["partner_id"]
    sheet.change("partner_id", lambda value: one)


def _half_gone(sheet: Sheet, random: Random) -> None:
    gone = {row["source_id"] for row in random.sample(sheet.rows, len(sheet.rows) // 2)}
    sheet.drop(lambda row: row["source_id"] in gone)


MAPPING: tuple[Mutation, ...] = (
    Mutation("overlaps_doubled", "Every overlap stands twice, under another id.", "account_mapping", _OVERLAPS, True,
             on(_OVERLAPS, _overlaps_twice)),
    Mutation("population_renamed", "The population of customers has another name.", "account_mapping", _OVERLAPS, True,
             changed(_OVERLAPS, "own_population", lambda value: "Kunden" if value == "Customers" else value)),
    Mutation("population_gone", "The overlaps with open opportunities are no longer shared.", "account_mapping",
             _OVERLAPS, True, lost(_OVERLAPS, lambda row: row["own_population"] == "Open Opportunities")),
    Mutation("overlaps_all_of_one_partner", "All overlaps are one partner's.", "account_mapping", _OVERLAPS, True,
             on(_OVERLAPS, _all_of_one)),
    Mutation("overlaps_of_no_account", "Overlaps no longer say which account of ours they are about.",
             "account_mapping", _OVERLAPS, True, changed(_OVERLAPS, "own_account_id", lambda value: "")),
    Mutation("counts_times_ten", "Counts of overlaps are ten times as high.", "account_mapping", _COUNTS, True,
             changed(_COUNTS, "count", lambda value: value + "0")),
    Mutation("counts_negative", "Counts of overlaps are negative.", "account_mapping", _COUNTS, True,
             changed(_COUNTS, "count", lambda value: "-" + value)),
    Mutation("mapped_partners_half_gone", "Half of the platform's partners are missing.", "account_mapping", _PARTNERS,
             True, on(_PARTNERS, _half_gone)),
    Mutation("mapped_domains_all_the_same", "All partners of the platform have one domain.", "account_mapping",
             _PARTNERS, True, changed(_PARTNERS, "domain", lambda value: "ormwick.example")),
)  # fmt: skip
